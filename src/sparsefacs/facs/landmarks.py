"""The 68-point landmark scheme (iBUG 300-W order, 0-based), its mirror order, and maps into it."""

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


def flip_landmarks(landmarks: NDArray[np.floating], width: int) -> NDArray[np.floating]:
    """Mirror landmarks (..., 68, 2), in pixels of an image `width` wide, as a horizontal flip of the image does.

    Pixel centres have whole coordinates (OpenCV's convention), so x becomes width − 1 − x.
    """
    mirrored = landmarks[..., MIRROR_68, :].copy()
    mirrored[..., 0] = width - 1 - mirrored[..., 0]
    return mirrored
