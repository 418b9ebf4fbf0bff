"""Faces of a video with stable ids, frame by frame and in bounded memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .detection import DetectedFace, FaceBox, FaceFinder, overlap

LOOK_EVERY = 12  # frames between searches of the whole picture while no known face is missing
GAP_S = 2.0  # seconds for which a lost face keeps its id
_REACH = 0.8  # how far a face may move between looks, in face sizes
_GROWTH = 2.0  # how much it may grow or shrink between looks


@dataclass(frozen=True)
class TrackedFace:
    """A face of a video: `face` is its id, from 0 in order of appearance; `landmarks`, `box`, `score` as detected."""

    face: int
    landmarks: NDArray[np.float32]
    box: NDArray[np.float32]
    score: float


@dataclass
class _Track:
    face: int
    box: NDArray[np.float32]
    seen_s: float
    missing: bool = False


class FaceTracker:
    """Gives every frame of one video its faces; new person, new id, and a face lost for under `gap_s` keeps its id.

    The whole picture is searched on the first frame, when a known face is missing, and every `look_every` frames;
    in between each face is looked for where it was. So the result depends on nothing but the frames so far.
    """

    def __init__(self, finder: FaceFinder, *, look_every: int = LOOK_EVERY, gap_s: float = GAP_S) -> None:
        self._finder, self._look_every, self._gap_s = finder, look_every, gap_s
        self._tracks: list[_Track] = []
        self._next_face = 0
        self._frame = 0

    def update(self, image: NDArray[np.uint8], time_s: float) -> list[TrackedFace]:
        """Return the faces of the next frame (H, W, 3 RGB, at `time_s`), by id."""
        search = self._frame % self._look_every == 0 or not self._tracks
        self._frame += 1
        self._tracks = [track for track in self._tracks if time_s - track.seen_s <= self._gap_s]
        search = search or not self._tracks or any(track.missing for track in self._tracks)
        faces: list[DetectedFace] = []
        if not search:
            near = [self._finder.near(image, track.box) for track in self._tracks]
            faces = self._finder.landmark(image, [box for box in near if box is not None])
            search = len(faces) < len(self._tracks)
        if search:
            faces = self._finder.landmark(image, self._searched(image))
        return self._name(faces, time_s)

    def _searched(self, image: NDArray[np.uint8]) -> list[FaceBox]:
        """Return every face of the picture, and known faces too faint to be found anew but still in their place."""
        boxes = self._finder.boxes(image)
        for track in self._tracks:
            if all(overlap(track.box, box.box) < 0.2 for box in boxes):
                still = self._finder.near(image, track.box)
                if still is not None and all(overlap(still.box, box.box) < 0.2 for box in boxes):
                    boxes.append(still)
        return boxes

    def _name(self, faces: list[DetectedFace], time_s: float) -> list[TrackedFace]:
        matched = match([track.box for track in self._tracks], [face.box for face in faces])
        for track in self._tracks:
            track.missing = True
        named = []
        for number, face in enumerate(faces):
            if number in matched:
                track = self._tracks[matched[number]]
                track.box, track.seen_s, track.missing = face.box, time_s, False
            else:
                track = _Track(self._next_face, face.box, time_s)
                self._next_face += 1
                self._tracks.append(track)
            named.append(TrackedFace(track.face, face.landmarks, face.box, face.score))
        return sorted(named, key=lambda face: face.face)


def match(known: list[NDArray[np.float32]], found: list[NDArray[np.float32]]) -> dict[int, int]:
    """Pair found boxes with known boxes (index of found → index of known) at the least total distance.

    Distance is between centres in units of face size; a pair further apart than 0.8 faces, or more than twice as
    large or small, is no pair. Kuhn's assignment (SciPy), so crossing faces do not swap greedily.
    """
    from scipy.optimize import linear_sum_assignment

    if not known or not found:
        return {}
    a, b = np.stack(known).astype(np.float64), np.stack(found).astype(np.float64)
    size_a, size_b = (np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)) for boxes in (a, b))
    apart = np.linalg.norm((a[:, None, :2] + a[:, None, 2:] - b[None, :, :2] - b[None, :, 2:]) / 2, axis=-1)
    mean = np.sqrt(size_a[:, None] * size_b[None, :])
    ratio = np.maximum(size_a[:, None] / size_b[None, :], size_b[None, :] / size_a[:, None])
    cost = apart / mean
    allowed = (cost <= _REACH) & (ratio <= _GROWTH)
    rows, columns = linear_sum_assignment(np.where(allowed, cost, 1e6))
    return {int(j): int(i) for i, j in zip(rows, columns, strict=True) if allowed[i, j]}
