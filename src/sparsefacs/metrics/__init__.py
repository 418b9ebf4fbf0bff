"""Scores per AU with subject intervals, and distances between AU distributions."""
