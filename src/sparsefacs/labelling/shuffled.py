"""Faces in random order, a person after the other: the plainest choice of what is asked next."""

from collections.abc import Mapping

import numpy as np

from ..data.store import Store
from .asking import Ask

FEWEST_PEOPLE = 3
"""People of whom a store needs at least so many before some are kept for the test."""


class Shuffled:
    """Asks for a random face of each person in turn; the faces of `test_share` of the people are kept for the test."""

    def __init__(self, store: Store, *, seed: int = 0, test_share: float = 0.2) -> None:
        chance = np.random.default_rng(seed)
        subjects = store.strings("subject")
        names, person = np.unique(subjects, return_inverse=True)
        kept = max(round(test_share * len(names)), 1) if test_share and len(names) >= FEWEST_PEOPLE else 0
        self._tested = np.isin(np.arange(len(names)), chance.permutation(len(names))[:kept])[person]
        order = chance.permutation(len(subjects))
        nth = np.empty(len(order), np.int64)  # of each face, how many of the same person come before
        by_person = order[np.argsort(person[order], kind="stable")]
        starts = np.searchsorted(person[by_person], np.arange(len(names)))
        nth[by_person] = np.arange(len(order)) - starts[person[by_person]]
        self._order = order[np.argsort(nth[order], kind="stable")]

    def next(self, answered: Mapping[int, Mapping[int, int]], count: int = 1) -> list[Ask]:
        """Return the next faces that have no answer."""
        found: list[Ask] = []
        for row in self._order.tolist():
            if len(found) == count:
                break
            if row not in answered:
                found.append(Ask(row, "random", bool(self._tested[row])))
        return found

    def learn(self, answers: Mapping[int, Mapping[int, int]]) -> None:
        """Learn nothing."""

    def beliefs(self, row: int) -> Mapping[int, float]:
        """Return nothing: nothing is believed."""
        del row
        return {}
