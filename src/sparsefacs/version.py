"""The version of the program; pyproject.toml reads it here, so that commands need not ask the package's metadata."""

VERSION = "0.1.0"
