"""AU centres: two points per AU, found from 68 landmarks (JAA-Net's rule; table in tables/centres.csv).

AUs 23, 24 and 25 have one centre on the upper and one on the lower lip, on the mid-line: each is its own
mirror image. Every other AU's two centres mirror each other. AU17 and AU26 are named 58/56 here (JAA-Net's
code says 56/58) so that, for every AU, centre 0 lies on the image's left. AU5 and AU20, which JAA-Net lacks, are
this project's own reading: AU5 raises the lid on which AU7's centres lie, AU20 stretches the lip corners of AU12.
"""

import csv
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .landmarks import MIRROR_68


def _read_centres() -> dict[int, tuple[int, int, float]]:
    table = resources.files(__package__) / "tables" / "centres.csv"
    with table.open(encoding="utf-8") as handle:
        return {
            int(row["au"]): (int(row["landmark_a"]), int(row["landmark_b"]), float(row["offset"]))
            for row in csv.DictReader(handle)
        }


CENTRES: dict[int, tuple[int, int, float]] = _read_centres()
"""AU → (landmark of centre 0, landmark of centre 1, vertical offset in inner-eye-corner distances, y down)."""


def centre_aus() -> tuple[int, ...]:
    """Return the AUs that have centres."""
    return tuple(CENTRES)


def centre_rows(aus: tuple[int, ...]) -> list[tuple[int, int, float]]:
    """Return the rows of CENTRES; raises InputError for an AU without centres."""
    missing = [au for au in aus if au not in CENTRES]
    if missing:
        raise InputError(
            f"AU{missing[0]} has no centre on the face", remedy=f"AUs with centres: {', '.join(map(str, CENTRES))}"
        )
    return [CENTRES[au] for au in aus]


def au_centres(landmarks: NDArray[np.floating], aus: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the two centres of each AU, (..., A, 2, 2) as x, y in the landmarks' own pixels.

    landmarks: (..., 68, 2). Offsets scale with the distance of the inner eye corners (39, 42), measured
    along the face, so a tilted face tilts its centres too. Raises InputError for an AU without centres.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    across = points[..., 42, :] - points[..., 39, :]
    down = np.stack([-across[..., 1], across[..., 0]], axis=-1)  # `across` turned a quarter towards the chin
    rows = centre_rows(aus)
    pairs = points[..., [[a, b] for a, b, _ in rows], :]
    offsets = np.array([offset for *_, offset in rows])
    return np.asarray(pairs + offsets[:, None, None] * down[..., None, None, :])


def mirrored_centres(aus: tuple[int, ...]) -> NDArray[np.int64]:
    """Return, (A, 2), which centre of the same AU each centre becomes when the face is flipped."""
    swaps = []
    for a, b, _ in centre_rows(aus):
        order = [0 if MIRROR_68[a] == a else 1, 1 if MIRROR_68[b] == b else 0]
        swaps.append(order)
    return np.array(swaps, dtype=np.int64)
