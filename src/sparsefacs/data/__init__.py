"""The store and everything that fills or reads it."""
