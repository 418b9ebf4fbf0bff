"""The eight facial areas of KDSRL (Fig. 1, Table 1) and the graph of areas that share an AU.

Each area is a rectangle located by landmarks. The paper draws the areas and marks landmarks but prints no
numbers, so the landmark choice below is this project's reading, checked by eye on real faces.
Areas 2 and 5 lie on the image's left (the subject's right), 3 and 6 on the image's right.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

AREAS: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8)
AREA_NAMES: tuple[str, ...] = (
    "forehead",
    "right eye and brow",
    "left eye and brow",
    "glabella and nose root",
    "right cheek",
    "left cheek",
    "mouth",
    "chin",
)
AREA_MIRROR: NDArray[np.int64] = np.array([0, 2, 1, 3, 5, 4, 6, 7])
"""0-based index of each area's mirror image."""

_PAIRS = ((1, 2), (1, 3), (2, 3), (2, 4), (3, 4), (2, 5), (3, 6), (5, 6), (4, 5), (4, 6), (5, 7), (6, 7), (7, 8))
EDGES: tuple[tuple[int, int], ...] = tuple(sorted([*_PAIRS, *((b, a) for a, b in _PAIRS)]))
"""The 26 directed edges (area, area), 1-based: areas that share an AU, less the crossed pairs 2–6 and 3–5."""

AREA_GROUPS: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((1, 2, 3, 4), (1, 2, 4)),
    ((2, 3, 5, 6), (5, 6, 7)),
    ((4, 5, 6, 7), (9, 10, 12)),
    ((7,), (14, 23, 24)),
    ((7, 8), (15, 17, 20, 25, 26)),
)
"""Areas and the AUs judged by them together (KDSRL, Table 2; AU5 and AU20, which it lacks, were added here)."""


Edge = tuple[Literal["min", "max", "mean"], tuple[int, ...], float]
_RIGHT_BROW, _LEFT_BROW = tuple(range(17, 22)), tuple(range(22, 27))
_RIGHT_LID, _LEFT_LID = (36, 39, 40, 41), (42, 45, 46, 47)

AREA_EDGES: tuple[tuple[Edge, Edge, Edge, Edge], ...] = (
    (
        ("min", (17,), 0),
        ("min", _RIGHT_BROW + _LEFT_BROW, -1.1),
        ("min", (26,), 0),
        ("min", _RIGHT_BROW + _LEFT_BROW, 0.15),
    ),
    (("min", (17,), -0.1), ("min", _RIGHT_BROW, -0.1), ("min", (39,), 0), ("max", _RIGHT_LID, 0.25)),
    (("min", (42,), 0), ("min", _LEFT_BROW, -0.1), ("min", (26,), 0.1), ("max", _LEFT_LID, 0.25)),
    (("min", (21,), 0), ("min", (21, 22), -0.1), ("min", (22,), 0), ("min", (29,), 0)),
    (("min", (36,), 0), ("max", _RIGHT_LID, 0), ("min", (32,), 0), ("min", (48,), 0.1)),
    (("min", (34,), 0), ("max", _LEFT_LID, 0), ("min", (45,), 0), ("min", (54,), 0.1)),
    (("min", (48,), -0.3), ("mean", (33, 51), 0), ("min", (54,), 0.3), ("min", (57,), 0.15)),
    (("min", (48,), 0), ("min", (57,), 0), ("min", (54,), 0), ("min", (8,), 0)),
)
"""Left, upper, right and lower edge of each area: the least, largest or mean x or y of these landmarks, and how far
from there, in distances between the inner eye corners. The mouth begins half-way between nose base and upper lip."""
INNER_EYE_CORNERS = (39, 42)

_REDUCE: dict[str, Callable[..., Any]] = {"min": np.min, "max": np.max, "mean": np.mean}


def facial_areas(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the eight areas as rectangles (..., 8, 4): x0, y0, x1, y1 in the landmarks' own pixels.

    landmarks: (..., 68, 2) of an upright (aligned) face. Source: KDSRL, section 4.1; our reading of Fig. 1b.
    `networks.rois.facial_areas_of` is the same on tensors.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    first, second = INNER_EYE_CORNERS
    across = points[..., second, :] - points[..., first, :]
    unit = np.hypot(across[..., 0], across[..., 1])

    def edge(place: int, how: str, indices: tuple[int, ...], offset: float) -> NDArray[np.float64]:
        reduced = _REDUCE[how](points[..., list(indices), place % 2], axis=-1)
        return np.asarray(reduced + offset * unit)

    edges = [[edge(place, *given) for place, given in enumerate(area)] for area in AREA_EDGES]
    return np.stack([np.stack(area, axis=-1) for area in edges], axis=-2)
