"""The next faces for a coder, by a strategy's name, from what is believed now."""

from typing import Literal, NamedTuple

import numpy as np

from ..errors import InputError
from . import strategies
from .design import Known, best_design
from .features import Rows
from .learner import Beliefs
from .pool import Allowance, Pool
from .strategies import Strategy, View

Why = Literal["coverage", "doubt", "rare", "random"]

OURS, OURS_RARE = "ours", "ours-rare"
_RARITY = {OURS: 0.0, OURS_RARE: 0.5}
"""How much more an AU counts the rarer it is, see `best_design`; as it is measured, alike is at least as good."""
_PUBLISHED: dict[str, tuple[Strategy, Why]] = {
    "typiclust": (strategies.typiclust, "coverage"),
    "maxherding": (strategies.max_herding, "coverage"),
    "uncertainty-herding": (strategies.uncertainty_herding, "doubt"),
    "margin": (strategies.margin, "doubt"),
    "badge": (strategies.badge, "doubt"),
}
STRATEGIES = (OURS, OURS_RARE, "random", *_PUBLISHED)

MOST_CANDIDATES = 1_000
"""Faces looked at for a choice: of a larger store as many are drawn anew each time, of every person alike."""
MOST_COVERED = 600
"""Faces that stand for all that are to be known well."""
RARE = 0.1
"""An AU expected on fewer faces is called rare."""


class Chosen(NamedTuple):
    """A row, and in a word why it is asked."""

    row: int
    why: Why


def check_strategy(name: str) -> str:
    """Return `name`; raises InputError where no strategy is called so."""
    if name not in STRATEGIES:
        raise InputError(f"no strategy is called {name!r}", remedy=f"Choose one of: {', '.join(STRATEGIES)}")
    return name


def choose(
    strategy: str, beliefs: Beliefs, pool: Pool, asked: Rows, count: int, rng: np.random.Generator
) -> list[Chosen]:
    """Return up to `count` of the pool's training rows that are not among `asked` (L,), whose order does not matter.

    `ours` and `ours-rare` pass over faces near in time, and people and clips that were asked far more than others; a
    published strategy is left as its paper has it.
    """
    asked = np.unique(asked)
    left = np.setdiff1d(pool.train, asked)
    if not len(left):
        return []
    if strategy == "random":
        return [Chosen(int(row), "random") for row in rng.permutation(left)[:count]]
    candidates = pool.spread(left, MOST_CANDIDATES, rng)
    trained = np.intersect1d(asked, pool.train)
    allowance = Allowance(pool, candidates, trained, count, fair=strategy in _RARITY)
    free = beliefs.features.free
    covered = free[np.linspace(0, len(free) - 1, min(len(free), MOST_COVERED)).round().astype(np.int64)]
    if strategy in _RARITY:
        return _ours(beliefs, candidates, trained, covered, count, allowance, _RARITY[strategy])
    rule, why = _PUBLISHED[strategy]
    chance = beliefs.probabilities
    view = View(
        beliefs.seen(candidates), chance(candidates), beliefs.seen(trained), beliefs.seen(covered), chance(covered)
    )
    return [Chosen(int(candidates[place]), why) for place in rule(view, count, rng, allowance)]


def _ours(
    beliefs: Beliefs, candidates: Rows, asked: Rows, covered: Rows, count: int, allowance: Allowance, rarity: float
) -> list[Chosen]:
    known = [
        Known(beliefs.seen(rows), beliefs.along(rows), beliefs.probabilities(rows))
        for rows in (candidates, asked, covered)
    ]
    begun = beliefs.features.begin is not None
    c = beliefs.settings.c_begun if begun else beliefs.settings.c
    rates = known[2].chance_NA.mean(axis=0)

    def why(au: int) -> Why:
        if not len(asked):
            return "coverage"
        return "rare" if rates[au] < RARE else "doubt"

    found = best_design(known[0], known[1], known[2], count, allowance, c=c, begun=begun, rarity=rarity)
    return [Chosen(int(candidates[place]), why(au)) for place, au in found]
