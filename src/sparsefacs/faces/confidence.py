"""How far a face's points are to be trusted: the detector's score, lowered where the face is hidden or cut off.

The detector is as sure of a face behind a hand, or half out of the picture, as of any other. What shows there is that
the landmarker's points of the mirrored face differ from the mirrored points. Measured (share of the face's size): clear
faces of real clips .003 to .007, a hand before mouth or eyes .010 to .029; over synthetic faces with hands, hair,
glasses and poses its rank correlation with the points' true error is .74.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..facs import MIRROR_68
from .detection import FaceFinder
from .landmarks import Landmarker
from .tracking import TrackedFace

LOOK_EVERY_S = 0.25  # a second look costs more than following a face, and a hand stays longer than that
AGREES = 0.007  # mean distance of the two looks' points, share of the face's size, up to which they agree
HALVES = 0.01  # and what more of it halves the confidence
WORST = 0.125  # what is left where the mirrored face is not found at all


@dataclass
class _Looked:
    time_s: float
    sure: float


class Confidence:
    """Lowers the scores of one file's faces; its second looks depend on nothing but the frames so far."""

    def __init__(self, finder: FaceFinder | Landmarker) -> None:
        self._finder = finder
        self._looked: dict[int, _Looked] = {}

    def lowered(self, image: NDArray[np.uint8], faces: list[TrackedFace], time_s: float | None) -> list[TrackedFace]:
        """Return the faces of a frame (H, W, 3 RGB, at `time_s`; None: a photo) with scores as `predict` tells them."""
        now = 0.0 if time_s is None else time_s
        known = self._looked
        self._looked = {}
        told = []
        for face in faces:
            looked = known.get(face.face)
            if time_s is None or looked is None or not 0 <= now - looked.time_s < LOOK_EVERY_S:
                looked = _Looked(now, agreement(self._finder, image, face))
            self._looked[face.face] = looked
            told.append(replace(face, score=face.score * looked.sure * share_inside(face.landmarks, image.shape[:2])))
        return told


def share_inside(landmarks: NDArray[np.floating], shape: tuple[int, ...]) -> float:
    """Return the share of landmarks (68, 2) that lie in a picture of `shape` (H, W), 0–1."""
    ends = np.array([shape[1], shape[0]]) - 0.5
    return float(((landmarks >= -0.5) & (landmarks <= ends)).all(axis=1).mean())


def agreement(finder: FaceFinder | Landmarker, image: NDArray[np.uint8], face: TrackedFace) -> float:
    """Return how far the landmarks hold when the face is seen mirrored: 1 where they agree, WORST at least."""
    size = float(np.sqrt(np.prod(face.box[2:] - face.box[:2])))
    seen = _mirrored(finder, image, face)
    if seen is None or size <= 0:
        return WORST
    apart = float(np.linalg.norm(seen - face.landmarks, axis=1).mean()) / size
    return float(max(WORST, min(1.0, 0.5 ** ((apart - AGREES) / HALVES))))


def _mirrored(
    finder: FaceFinder | Landmarker, image: NDArray[np.uint8], face: TrackedFace
) -> NDArray[np.float32] | None:
    """Return the landmarks (68, 2) of `face` as they are found in its mirror picture, pixels of `image`."""
    import cv2

    height, width = image.shape[:2]
    centre, reach = (face.box[:2] + face.box[2:]) / 2, 1.25 * float(max(face.box[2:] - face.box[:2]))
    x0, y0 = (max(0, int(value)) for value in centre - reach)
    x1, y1 = min(width, int(centre[0] + reach) + 1), min(height, int(centre[1] + reach) + 1)
    if x1 <= x0 or y1 <= y0:
        return None
    box = face.box - np.array([x0, y0, x0, y0], np.float32)
    box[[0, 2]] = x1 - x0 - 1 - box[[2, 0]]
    found = finder.points(np.asarray(cv2.flip(image[y0:y1, x0:x1], 1), np.uint8), box)
    if found is None:
        return None
    back = found[MIRROR_68]
    back[:, 0] = x1 - x0 - 1 - back[:, 0]
    return np.asarray(back + np.array([x0, y0], np.float32), np.float32)
