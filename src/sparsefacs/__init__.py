"""sparsefacs: learn to code facial action units from very few labels."""

__version__ = "0.1.0"
