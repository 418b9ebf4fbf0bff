"""Experiments: tables and figures of the papers as data, the runs they need, and what came out of them."""
