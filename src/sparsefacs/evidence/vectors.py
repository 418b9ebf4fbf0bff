"""A face's evidence as one vector: the shape that both halves share, and the logarithms of blendshapes."""

import csv
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from .blendshapes import BLENDSHAPES, MIRROR_BLENDSHAPES
from .geometry import GEOMETRY_WIDTH, symmetric_shape

F32 = NDArray[np.float32]

_SINGLE = [number for number in range(1, len(BLENDSHAPES)) if MIRROR_BLENDSHAPES[number] >= number]
_LEAST = 0.01  # blendshapes below are noise; without it their logarithm has no end
BLENDSHAPE_WIDTH = len(_SINGLE)
VECTOR_WIDTH = GEOMETRY_WIDTH + BLENDSHAPE_WIDTH
GEOMETRY = slice(0, GEOMETRY_WIDTH)
SHAPES = slice(GEOMETRY_WIDTH, VECTOR_WIDTH)


def face_vectors(landmarks_BPC: NDArray[np.floating], blendshapes_BK: NDArray[np.floating] | None = None) -> F32:
    """Return the evidence (B, VECTOR_WIDTH) of faces: landmarks (B, 68, 2) in any pixels, blendshapes (B, 52) 0–1.

    Columns `GEOMETRY` and `SHAPES`. What is not known (NaN, or no blendshapes) is NaN. A flipped face has the same
    vector. Logarithms, since blendshapes of small movements are small by orders of magnitude.
    """
    count = len(landmarks_BPC)
    shapes = np.full((count, len(BLENDSHAPES)), np.nan) if blendshapes_BK is None else np.asarray(blendshapes_BK)
    both = (shapes + shapes[:, MIRROR_BLENDSHAPES]) / 2
    logs = np.log(np.clip(both[:, _SINGLE], 0, None) + _LEAST)
    return np.concatenate([symmetric_shape(landmarks_BPC), logs], axis=1).astype(np.float32)


@lru_cache(maxsize=1)
def _meaning() -> dict[int, dict[str, float]]:
    """Return AU → blendshape → weight (tables/meaning.csv: what FACS and the blendshapes' names say, no label read)."""
    table: dict[int, dict[str, float]] = {}
    with (resources.files(__package__) / "tables" / "meaning.csv").open(encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            table.setdefault(int(row["au"]), {})[row["blendshape"]] = float(row["weight"])
    return table


def meaning_of(au: int) -> NDArray[np.float64]:
    """Return the direction (VECTOR_WIDTH,) in which a face moves by `au`, as blendshapes are named; zeros for none."""
    direction = np.zeros(VECTOR_WIDTH)
    for name, weight in _meaning().get(au, {}).items():
        for place, number in enumerate(_SINGLE):
            if BLENDSHAPES[number].removesuffix("Left").removesuffix("Right") == name:
                direction[GEOMETRY_WIDTH + place] += weight
    return direction
