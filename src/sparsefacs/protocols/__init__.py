"""Who is trained on and who is tested on, and which labels may be seen: seeded, hashed files."""

from .budgets import VisibleLabels, apply_budget, budget_card, parse_budget
from .card import card_text, protocol_card
from .folds import DEFAULT_PROTOCOL, Fold, Protocol, make_protocol, protocol_names
from .selection import SELECTION_RULES, SelectionRule, draw_validation, is_marked, parse_selection

__all__ = [
    "DEFAULT_PROTOCOL",
    "SELECTION_RULES",
    "Fold",
    "Protocol",
    "SelectionRule",
    "VisibleLabels",
    "apply_budget",
    "budget_card",
    "card_text",
    "draw_validation",
    "is_marked",
    "make_protocol",
    "parse_budget",
    "parse_selection",
    "protocol_card",
    "protocol_names",
]
