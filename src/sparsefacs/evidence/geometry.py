"""The shape of a face: 68 points without shift, turn and scale, and of that what both halves share."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..facs.landmarks import MIRROR_68, mean_face

F64 = NDArray[np.float64]

STABLE = (27, 28, 29, 30, 31, 33, 35, 36, 39, 42, 45)
"""Points that expressions hardly move: nose and corners of the eyes."""


@lru_cache(maxsize=1)
def _anchors() -> NDArray[np.complex128]:
    """Return the mean face's stable points about their middle, in units of its distance between the eyes."""
    mean = mean_face()
    unit = np.linalg.norm(mean[42:48].mean(axis=0) - mean[36:42].mean(axis=0))
    stable = mean[list(STABLE)]
    centred = (stable - stable.mean(axis=0)) / unit
    return np.asarray(centred[:, 0] + 1j * centred[:, 1])


def shape_of(landmarks_BPC: NDArray[np.floating]) -> F64:
    """Return the shapes (B, 68, 2) of landmarks (B, 68, 2) in any pixels: stable points laid on the mean face's.

    A similarity, least squares; the unit is the mean face's distance between the eyes. The same for any shift, turn
    and scale of the points. NaN where a face's points are not numbers or fall together.
    """
    points = np.asarray(landmarks_BPC, np.float64)
    as_complex = points[..., 0] + 1j * points[..., 1]
    stable = as_complex[:, list(STABLE)]
    middle = stable.mean(axis=1, keepdims=True)
    spread = (np.abs(stable - middle) ** 2).sum(axis=1, keepdims=True)
    turn = (np.conj(stable - middle) * _anchors()).sum(axis=1, keepdims=True)
    known = (spread > 1e-9) & np.isfinite(as_complex).all(axis=1, keepdims=True)
    laid = (as_complex - middle) * np.divide(turn, spread, out=np.zeros_like(turn), where=known)
    return np.where(known[..., None], np.stack([laid.real, laid.imag], axis=-1), np.nan)


@lru_cache(maxsize=1)
def _shared() -> tuple[tuple[int, int], ...]:
    """Return (point, axis) of each number that tells of both halves: a pair counts once, the mid-line by height."""
    kept = []
    for point, other in enumerate(MIRROR_68.tolist()):
        if point <= other:
            kept += [(point, 1)] if point == other else [(point, 0), (point, 1)]
    return tuple(kept)


GEOMETRY_WIDTH = len(_shared())


def symmetric_shape(landmarks_BPC: NDArray[np.floating]) -> F64:
    """Return what both halves of the shape (B, 68, 2) share, (B, GEOMETRY_WIDTH): a flipped face has the same.

    AUs are labelled without a side, and the mean of two halves has half of the landmarks' noise: on synthetic faces a
    linear model learned more from few labels so (docs/measured.md).
    """
    shape = shape_of(landmarks_BPC)
    mirrored = shape[:, MIRROR_68] * np.array([-1.0, 1.0])
    both = (shape + mirrored) / 2
    points, axes = zip(*_shared(), strict=True)
    return np.asarray(both[:, list(points), list(axes)])
