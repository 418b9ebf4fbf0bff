"""Intensity on a person's left and right apart, where a store tells it: a column `sides`, left before right."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .store import Store

SIDES = "sides"


def side_labels(stores: Sequence[Store], aus: tuple[int, ...]) -> NDArray[np.float32]:
    """Return intensity 0–5 (M, 2, A) of `aus` on the left and right, NaN where a store does not tell it.

    M counts through the stores in order. Synthetic faces without the column move alike on both sides.
    """
    found = []
    for store in stores:
        told = store.optional_vectors(SIDES, 2 * len(store.aus)).reshape(len(store), 2, len(store.aus))
        if not store.has(SIDES) and store.info.source.get("kind") == "synthetic":
            told = np.repeat(store.intensity()[:, None], 2, axis=1)
        part = np.full((len(store), 2, len(aus)), np.nan, np.float32)
        for a, au in enumerate(aus):
            if au in store.aus:
                part[:, :, a] = told[:, :, store.aus.index(au)]
        found.append(part)
    return np.concatenate(found)
