"""The 68-point landmark scheme (iBUG 300-W order, 0-based), its mirror order, and maps into it.

tables/mean_face.csv: the mean of 60 neutral, frontal synthetic faces, made symmetric, in fractions of an aligned face.
"""

import csv
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

GROUPS: dict[str, range] = {
    "jaw": range(17),
    "right_brow": range(17, 22),  # the subject's right: left in the image
    "left_brow": range(22, 27),
    "nose_bridge": range(27, 31),
    "nose_base": range(31, 36),
    "right_eye": range(36, 42),
    "left_eye": range(42, 48),
    "outer_lip": range(48, 60),
    "inner_lip": range(60, 68),
}

MIRROR_68: NDArray[np.int64] = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31]
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    + [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
)
"""Index of each point's mirror image: point i of a flipped face is point MIRROR_68[i] of the face."""

MEDIAPIPE_TO_68: NDArray[np.int64] = np.array(
    [127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356]  # jaw
    + [70, 63, 105, 66, 107, 336, 296, 334, 293, 300]  # brows, upper edge
    + [168, 197, 5, 4, 98, 97, 2, 326, 327]  # nose
    + [33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380]  # eyes
    + [61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181]  # outer lip
    + [78, 82, 13, 312, 308, 317, 14, 87]  # inner lip
)
"""Of MediaPipe's 478 face-mesh points, the one that stands for each of the 68."""

POINTS_49_TO_68: NDArray[np.int64] = np.array([i + 17 for i in range(43)] + [61, 62, 63, 65, 66, 67])
"""Of the 68 points, the one that each of the 49 points of BP4D's delivered tracks is."""

POINTS_66_TO_68: NDArray[np.int64] = np.array([i for i in range(68) if i not in (60, 64)])
"""Of the 68 points, the one that each of the 66 points of DISFA's delivered tracks is: no inner mouth corners."""


@lru_cache(maxsize=1)
def mean_face() -> NDArray[np.float64]:
    """Return the mean face (68, 2), x and y in fractions of an aligned face's side."""
    with (resources.files(__package__) / "tables" / "mean_face.csv").open(encoding="utf-8") as handle:
        return np.array([(float(row["x"]), float(row["y"])) for row in csv.DictReader(handle)])


def points_to_68(points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return 68 landmarks (68, 2) for the 68, 66, 49 or 5 delivered points (K, 2), in the same pixels.

    Points that the smaller schemes lack (jaw, inner mouth corners; all of 68 where there are five) are estimates: the
    mean face laid over the known points by an affine map. Of five points (eyes, nose tip, mouth corners, from the
    image's left) the map keeps both eye centres and the mouth centre, so that the face is aligned on them exactly.
    Raises ValueError for any other number, or points that lie on a line or are not finite.
    """
    given = np.asarray(points, np.float64)
    known = {68: np.arange(68), 66: POINTS_66_TO_68, 49: POINTS_49_TO_68}.get(len(given))
    if given.shape[1:] != (2,) or (known is None and len(given) != 5):
        raise ValueError(f"{given.shape} is not 5, 49, 66 or 68 points")
    if not np.isfinite(given).all():
        raise ValueError("landmarks are not numbers")
    mean = mean_face()
    if known is None:
        eyes = mean[36:42].mean(axis=0), mean[42:48].mean(axis=0)
        anchors = np.stack([*eyes, mean[[48, 54]].mean(axis=0)])
        return _laid_over(mean, anchors, np.stack([given[0], given[1], given[3:].mean(axis=0)])).astype(np.float32)
    shape = _laid_over(mean, mean[known], given)
    shape[known] = given
    if 60 not in known:  # inner corners lie beside the outer ones, whatever the mouth does
        for inner, outer, other in ((60, 48, 54), (64, 54, 48)):
            share = (mean[inner, 0] - mean[outer, 0]) / (mean[other, 0] - mean[outer, 0])
            shape[inner] = shape[outer] + share * (shape[other] - shape[outer])
    return shape.astype(np.float32)


def _laid_over(
    shape: NDArray[np.float64], source: NDArray[np.float64], target: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return `shape` under the affine map that best takes `source` to `target`."""

    def with_one(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([points, np.ones(len(points))])

    affine, _, rank, _ = np.linalg.lstsq(with_one(source), target, rcond=None)
    centred = target - target.mean(axis=0)
    if rank < 3 or np.linalg.matrix_rank(centred, tol=1e-3 * max(float(np.abs(centred).max()), 1.0)) < 2:
        raise ValueError("landmarks lie on one line")
    return np.asarray(with_one(shape) @ affine)


def flip_landmarks(landmarks: NDArray[np.floating], width: int) -> NDArray[np.floating]:
    """Mirror landmarks (..., 68, 2), in pixels of an image `width` wide, as a horizontal flip of the image does.

    Pixel centres have whole coordinates (OpenCV's convention), so x becomes width − 1 − x.
    """
    mirrored = landmarks[..., MIRROR_68, :].copy()
    mirrored[..., 0] = width - 1 - mirrored[..., 0]
    return mirrored
