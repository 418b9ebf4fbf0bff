"""The eight facial areas of KDSRL (Fig. 1, Table 1) and the graph of areas that share an AU.

Each area is a rectangle located by landmarks. The paper draws the areas and marks landmarks but prints no
numbers, so the landmark choice below is this project's reading, checked by eye on real faces.
Areas 2 and 5 lie on the image's left (the subject's right), 3 and 6 on the image's right.
"""

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


def facial_areas(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the eight areas as rectangles (..., 8, 4): x0, y0, x1, y1 in the landmarks' own pixels.

    landmarks: (..., 68, 2) of an upright (aligned) face. Source: KDSRL, section 4.1; our reading of Fig. 1b.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    x, y = points[..., 0], points[..., 1]
    unit = np.hypot(x[..., 42] - x[..., 39], y[..., 42] - y[..., 39])  # inner eye corners

    def top(indices: list[int]) -> NDArray[np.float64]:
        return np.asarray(y[..., indices].min(axis=-1))

    def low(indices: list[int]) -> NDArray[np.float64]:
        return np.asarray(y[..., indices].max(axis=-1))

    brow_top = top([*range(17, 27)])
    eye_low_right, eye_low_left = low([36, 39, 40, 41]), low([42, 45, 46, 47])
    mouth_top = (y[..., 33] + y[..., 51]) / 2  # half-way between nose base and upper lip
    mouth_low = low([57]) + 0.15 * unit
    rectangles = [
        (x[..., 17], brow_top - 1.1 * unit, x[..., 26], brow_top + 0.15 * unit),
        (x[..., 17] - 0.1 * unit, top([*range(17, 22)]) - 0.1 * unit, x[..., 39], eye_low_right + 0.25 * unit),
        (x[..., 42], top([*range(22, 27)]) - 0.1 * unit, x[..., 26] + 0.1 * unit, eye_low_left + 0.25 * unit),
        (x[..., 21], top([21, 22]) - 0.1 * unit, x[..., 22], y[..., 29]),
        (x[..., 36], eye_low_right, x[..., 32], y[..., 48] + 0.1 * unit),
        (x[..., 34], eye_low_left, x[..., 45], y[..., 54] + 0.1 * unit),
        (x[..., 48] - 0.3 * unit, mouth_top, x[..., 54] + 0.3 * unit, mouth_low),
        (x[..., 48], low([57]), x[..., 54], y[..., 8]),
    ]
    return np.stack([np.stack(rectangle, axis=-1) for rectangle in rectangles], axis=-2)
