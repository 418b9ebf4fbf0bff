"""YAML settings: one a published configuration, and a small default for two cores."""
