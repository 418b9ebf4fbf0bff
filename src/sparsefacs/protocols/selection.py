"""Selection rules: what the epoch and the threshold were chosen on, and the subjects drawn to choose on.

Published tables often take the epoch or threshold that is best on the test fold. That is possible here, by its name,
and marked wherever it was used; a number chosen so is better than the model would be on new people.
"""

from collections.abc import Sequence
from typing import Literal

from ..errors import InputError
from .division import Person, who
from .draw import shuffled

SelectionRule = Literal["validation", "last", "published-practice"]
DEFAULT_SELECTION: SelectionRule = "validation"
SELECTION_RULES: dict[SelectionRule, str] = {
    "validation": "latest state not clearly worse than the best on validation subjects",
    "last": "last epoch (no choice was made on any score)",
    "published-practice": "chosen on the test fold (published practice)",
}
MARK = "†"
FOOTNOTE = "epoch or threshold chosen on the test fold (published practice)"


def parse_selection(rule: str) -> SelectionRule:
    """Return `rule` when it is a selection rule; raises InputError that lists the rules."""
    if rule not in SELECTION_RULES:
        raise InputError(f"{rule!r} is not a selection rule", remedy=f"Write one of: {', '.join(SELECTION_RULES)}")
    return rule


def is_marked(rule: str) -> bool:
    """Return whether numbers under `rule` carry the mark: the test fold had a say in them."""
    return rule == "published-practice"


def draw_validation(
    train: Sequence[str], labelled: Sequence[str], share: float, seed: int, person: Person | None = None
) -> tuple[str, ...]:
    """Draw the validation subjects of a fold: `share` (0–1) of the training people with visible labels, at least one.

    train: the fold's training subjects; labelled: subjects with a visible label, others than `train` do not matter.
    Returns every name in `train` of the people drawn, sorted; none when fewer than two people have labels, and one
    of them always stays to be trained on. The draw depends on the seed and the people's names alone.
    Raises InputError for a share outside 0–1.
    """
    if not 0 < share < 1:
        raise InputError(f"a validation share of {share:g} leaves one side empty", remedy="Give a share such as 0.2")
    people = {who(name, person) for name in set(train) & set(labelled)}
    if len(people) < 2:
        return ()
    order = shuffled(seed, "validation", sorted(people))
    drawn = set(order[: min(max(round(share * len(order)), 1), len(order) - 1)])
    return tuple(sorted(name for name in set(train) if who(name, person) in drawn))
