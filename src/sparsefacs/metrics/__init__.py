"""Scores per AU with subject intervals, and distances between AU distributions."""

from .distributions import au_distributions
from .scores import paired_difference, score

__all__ = ["au_distributions", "paired_difference", "score"]
