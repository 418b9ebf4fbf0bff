"""Which face of a picture a label means, by its place or by its number there."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..data.adapters.plan import FaceLabel
from .detection import landmark_box
from .tracking import TrackedFace, assign, distances, left_to_right

_NEAR = 0.5  # face sizes: programs draw boxes differently, round the whole face or from brows to chin


def match_places(
    boxes: Sequence[tuple[float, float, float, float] | None], faces: Sequence[TrackedFace]
) -> list[int | None]:
    """Return the id of the face that stands where each box (x0, y0, x1, y1) is; None where there is no box or no face.

    Boxes and faces are paired at the least total distance, each face once, so that neighbours are not mixed up.
    """
    told = [number for number, box in enumerate(boxes) if box is not None]
    found: list[int | None] = [None] * len(boxes)
    if not told or not faces:
        return found
    wanted = [np.array(boxes[number], np.float32) for number in told]
    round_points = [landmark_box(face.landmarks) for face in faces]
    apart = np.minimum(distances(wanted, [face.box for face in faces]), distances(wanted, round_points))
    for face, row in assign(np.minimum(apart, 1e3), apart <= _NEAR).items():
        found[told[row]] = faces[face].face
    return found


def by_track(
    labels: tuple[FaceLabel, ...], faces: Sequence[TrackedFace]
) -> tuple[tuple[FaceLabel, ...], tuple[int, ...]]:
    """Return a photo's labels with the ids that its `faces` have in place of their numbers from left to right.

    Numbers that no face has are returned apart, their labels left out.
    """
    ids = [face.face for face in left_to_right(faces)]
    known: list[FaceLabel] = []
    lost: list[int] = []
    for label in labels:
        if label.face is None or label.box is not None:
            known.append(label)
        elif 0 <= label.face < len(ids):
            known.append(replace(label, face=ids[label.face]))
        else:
            lost.append(label.face)
    return tuple(known), tuple(lost)
