"""Smoothed bilinear resizing as a matrix: torch's, which every network was trained behind, in NumPy."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=16)
def resizing_matrix(given: int, wanted: int) -> NDArray[np.float64]:
    """Return M (wanted, given), so that M X Mᵀ is `torch.nn.functional.interpolate` of a square picture X.

    With mode bilinear and antialias: a triangle as wide as a pixel of the coarser of both grids.
    """
    scale = given / wanted
    reach = max(scale, 1.0)
    centres = (np.arange(wanted)[:, None] + 0.5) * scale
    weights = np.clip(1 - np.abs(np.arange(given) + 0.5 - centres) / reach, 0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
