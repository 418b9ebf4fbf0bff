"""Similarity alignment on both eye centres and the mouth centre (Adversarial, section 4.1), as a hashed recipe."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import hash_json

_ANCHORS = np.zeros((3, 68))  # the share of each landmark in the points that faces are laid by
for _row, _group in enumerate((range(36, 42), range(42, 48), (48, 54))):
    _ANCHORS[_row, list(_group)] = 1 / len(_group)


@dataclass(frozen=True)
class FaceRecipe:
    """How faces are cut: where the eye centres and the mouth centre come to lie, as fractions of the side.

    The defaults hold the whole face from hairline to chin, so that AU17 and AU26 can be seen. size: side of the
    square face in pixels. Two stores with one recipe hash hold faces cut alike.
    """

    size: int = 112
    eye_height: float = 0.35
    eye_distance: float = 0.32
    mouth_height: float = 0.68
    quality: int = 95
    points: str = "eye centres and mouth centre of 68 landmarks, least squares"
    landmarks: str = "mediapipe face_landmarker 478 to 68"

    def __post_init__(self) -> None:
        if not 32 <= self.size <= 1024:
            raise InputError(f"a face size of {self.size} pixels is not possible", remedy="Choose 32 to 1024")

    def as_json(self) -> dict[str, Any]:
        """Return the recipe as it stands in `store.json` and `model.json`."""
        return asdict(self)

    @property
    def hash(self) -> str:
        """Hash of all settings, size included."""
        return hash_json(self.as_json())

    def template(self) -> NDArray[np.float64]:
        """Return the three target points (3, 2), pixels of the aligned face: image-left eye, image-right eye, mouth."""
        half = self.eye_distance / 2
        fractions = np.array([[0.5 - half, self.eye_height], [0.5 + half, self.eye_height], [0.5, self.mouth_height]])
        return fractions * self.size - 0.5  # pixel centres have whole coordinates


def anchor_points(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return eye centres and mouth centre (..., 3, 2) of 68 landmarks (..., 68, 2), in the same pixels."""
    return np.asarray(_ANCHORS @ np.asarray(landmarks, dtype=np.float64))


def similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the (2, 3) similarity matrix that best maps source points (K, 2) to target points (K, 2).

    Least squares over rotation, uniform scale and shift, without reflection (Umeyama 1991, eqs 40–43).
    Raises ValueError if the source points coincide or are not finite.
    """
    src, dst = np.asarray(source, np.float64), np.asarray(target, np.float64)
    mean_src, mean_dst = src.mean(axis=0), dst.mean(axis=0)
    a, b = src - mean_src, dst - mean_dst
    spread = float(np.vdot(a, a))
    if not math.isfinite(spread) or not np.isfinite(b).all() or spread < 1e-12:
        raise ValueError("landmarks coincide or are not numbers")
    # For 2-D points the optimal rotation-scale is the complex ratio <b, a> / <a, a>.
    cosine = float(np.vdot(a, b)) / spread
    sine = float(np.vdot(a[:, 0], b[:, 1]) - np.vdot(a[:, 1], b[:, 0])) / spread
    (x, y), (to_x, to_y) = mean_src.tolist(), mean_dst.tolist()
    return np.array([[cosine, -sine, to_x - (cosine * x - sine * y)], [sine, cosine, to_y - (sine * x + cosine * y)]])


def alignment_matrix(landmarks: NDArray[np.floating], recipe: FaceRecipe) -> NDArray[np.float64]:
    """Return the (2, 3) matrix from source pixels to the aligned face of `recipe`, from 68 landmarks (68, 2)."""
    return similarity(anchor_points(landmarks), recipe.template())


def transform_points(points: NDArray[np.floating], matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """Apply a (2, 3) matrix to points (..., 2)."""
    return np.asarray(points, np.float64) @ np.asarray(matrix)[:, :2].T + np.asarray(matrix)[:, 2]


def align_face(
    image: NDArray[np.uint8], landmarks: NDArray[np.floating], recipe: FaceRecipe
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Cut one face out of `image` (H, W, 3 RGB) by its 68 landmarks (68, 2).

    Returns the face (size, size, 3), its landmarks (68, 2) in face pixels, and the (2, 3) matrix. A large source
    face is first reduced by area averaging, so that shrinking does not alias.
    """
    import cv2

    matrix = alignment_matrix(landmarks, recipe)
    warp, source = matrix, image
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.5:
        source, to_source = _reduced(image, matrix, recipe.size, 2 * scale)
        warp = matrix @ to_source
    face = cv2.warpAffine(
        source, warp, (recipe.size, recipe.size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    points = transform_points(landmarks, matrix)
    return np.ascontiguousarray(face), points.astype(np.float32), matrix.astype(np.float32)


def small_face(image: NDArray[np.uint8], landmarks: NDArray[np.floating], recipe: FaceRecipe) -> NDArray[np.uint8]:
    """Return the face (size, size, 3) as `align_face` cuts it, quicker and less smooth: to be compared, not kept."""
    import cv2

    matrix = alignment_matrix(landmarks, recipe)
    by = int(1 / (2 * max(float(np.hypot(matrix[0, 0], matrix[1, 0])), 1e-6)))  # whole numbers are averaged fastest
    x0, y0, x1, y1 = _covered(image, matrix, recipe.size)
    width, height = (x1 - x0) // max(by, 1), (y1 - y0) // max(by, 1)
    if by > 1 and min(width, height) > 1:
        part = image[y0 : y0 + height * by, x0 : x0 + width * by]
        image = np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        shift = (by - 1) / 2
        matrix = matrix @ np.array([[by, 0, x0 + shift], [0, by, y0 + shift], [0, 0, 1]])
    return np.asarray(cv2.warpAffine(image, matrix, (recipe.size, recipe.size), flags=cv2.INTER_LINEAR), np.uint8)


def _covered(image: NDArray[np.uint8], matrix: NDArray[np.float64], size: int) -> tuple[int, int, int, int]:
    """Return the part (x0, y0, x1, y1) of `image` that a face cut by `matrix` covers, and a little more."""
    (a, b, x), (c, d, y) = matrix.tolist()
    spread = a * d - b * c
    ends = [(u - 0.5 - x, v - 0.5 - y) for u in (0, size) for v in (0, size)]
    across = [(d * u - b * v) / spread for u, v in ends]
    down = [(a * v - c * u) / spread for u, v in ends]
    right, bottom = image.shape[1] - 1, image.shape[0] - 1
    x0, y0 = (min(max(math.floor(min(at)) - 4, 0), end) for at, end in ((across, right), (down, bottom)))
    x1, y1 = (min(max(math.ceil(max(at)) + 4, 0), end) + 1 for at, end in ((across, right), (down, bottom)))
    return x0, y0, x1, y1


def _reduced(
    image: NDArray[np.uint8], matrix: NDArray[np.float64], size: int, by: float
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return the part of `image` that the face covers, times `by` in size, and its (3, 3) map to the image."""
    import cv2

    x0, y0, x1, y1 = _covered(image, matrix, size)
    part = image[y0:y1, x0:x1]
    height, width = part.shape[:2]
    smaller = (max(1, round(width * by)), max(1, round(height * by)))
    fx, fy = smaller[0] / width, smaller[1] / height
    to_image = np.array([[1 / fx, 0, 0.5 / fx - 0.5 + x0], [0, 1 / fy, 0.5 / fy - 0.5 + y0], [0, 0, 1]])
    return np.asarray(cv2.resize(part, smaller, interpolation=cv2.INTER_AREA), np.uint8), to_image
