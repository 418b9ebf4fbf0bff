"""Who is trained on and who is tested on, and which labels may be seen: seeded, hashed files."""

from .budgets import VisibleLabels, apply_budget, parse_budget
from .folds import DEFAULT_PROTOCOL, Fold, Protocol, make_protocol, protocol_names

__all__ = [
    "DEFAULT_PROTOCOL",
    "Fold",
    "Protocol",
    "VisibleLabels",
    "apply_budget",
    "make_protocol",
    "parse_budget",
    "protocol_names",
]
