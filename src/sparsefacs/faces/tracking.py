"""Faces of a video with stable ids, frame by frame and in bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .alignment import FaceRecipe, align_face
from .detection import DetectedFace, FaceBox, FaceFinder, overlap
from .landmarks import UNKNOWN_TRAITS, Traits

LOOK_EVERY = 12  # frames between searches of the whole picture while no known face is missing
GAP_S = 2.0  # seconds for which a lost face keeps its id
_REACH = 0.8  # how far a face may move between looks, in face sizes
_GROWTH = 2.0  # how much it may grow or shrink between looks
# Measured on real clips: neighbouring frames of one shot differ by at most 6 grey levels, frames across a cut by 140;
# one face half a second apart correlates by 0.6 or more, different faces by −0.2 to 0.6.
_CUT = 25.0
_ALIKE_AFTER_CUT = 0.65
_ALIKE_AFTER_GAP = 0.35  # lower, since a hand may still cover part of a face that comes back in its place
_LOOK = FaceRecipe(size=32)  # hair and jaw line included: without them smiling faces correlate by up to 0.8


@dataclass(frozen=True)
class TrackedFace:
    """A face of a video or photo: `face` is its id; what else as detected.

    Ids count from 0 in order of appearance, and from left to right where faces appear together.
    """

    face: int
    landmarks: NDArray[np.float32]
    box: NDArray[np.float32]
    score: float
    traits: Traits = UNKNOWN_TRAITS


@dataclass
class _Track:
    face: int
    box: NDArray[np.float32]
    look: NDArray[np.float32]
    seen_s: float
    missing: bool = False


class FaceTracker:
    """Gives every frame of one video its faces; new person, new id, and a face lost for under `gap_s` keeps its id.

    The whole picture is searched on the first frame, after a cut, when a known face is missing, and every
    `look_every` frames; in between each face is looked for where it was. Within a shot faces are paired by place,
    across a cut by looks. So the result depends on nothing but the frames so far.
    """

    def __init__(self, finder: FaceFinder, *, look_every: int = LOOK_EVERY, gap_s: float = GAP_S) -> None:
        self._finder, self._look_every, self._gap_s = finder, look_every, gap_s
        self._tracks: list[_Track] = []
        self._next_face = 0
        self._frame = 0
        self._glance: NDArray[np.float32] | None = None

    def update(self, image: NDArray[np.uint8], time_s: float) -> list[TrackedFace]:
        """Return the faces of the next frame (H, W, 3 RGB, at `time_s`), by id."""
        cut = self._is_cut(image)
        self._tracks = [track for track in self._tracks if time_s - track.seen_s <= self._gap_s]
        search = cut or self._frame % self._look_every == 0
        search = search or not self._tracks or any(track.missing for track in self._tracks)
        self._frame += 1
        faces: list[DetectedFace] = []
        if not search:
            near = [self._finder.near(image, track.box) for track in self._tracks]
            faces = self._finder.landmark(image, [box for box in near if box is not None])
            search = len(faces) < len(self._tracks)
        if search:
            faces = self._finder.landmark(image, self._searched(image, cut=cut))
        return self._name(image, faces, time_s, cut=cut)

    def _is_cut(self, image: NDArray[np.uint8]) -> bool:
        import cv2

        before = self._glance
        self._glance = cv2.resize(image, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32)
        return before is not None and float(np.abs(self._glance - before).mean()) > _CUT

    def _searched(self, image: NDArray[np.uint8], *, cut: bool) -> list[FaceBox]:
        """Return every face of the picture, and known faces too faint to be found anew but still in their place."""
        boxes = self._finder.boxes(image)
        for track in [] if cut else self._tracks:
            if all(overlap(track.box, box.box) < 0.2 for box in boxes):
                still = self._finder.near(image, track.box)
                if still is not None and all(overlap(still.box, box.box) < 0.2 for box in boxes):
                    boxes.append(still)
        return boxes

    def _name(
        self, image: NDArray[np.uint8], faces: list[DetectedFace], time_s: float, *, cut: bool
    ) -> list[TrackedFace]:
        faces = left_to_right(faces)
        looks = [_look_of(image, face.landmarks) for face in faces]
        matched = self._match(faces, looks, cut=cut)
        for track in self._tracks:
            track.missing = True
        named = []
        for number, (face, look) in enumerate(zip(faces, looks, strict=True)):
            if number in matched:
                track = self._tracks[matched[number]]
            else:
                track = _Track(self._next_face, face.box, look, time_s)
                self._next_face += 1
                self._tracks.append(track)
            track.box, track.look, track.seen_s, track.missing = face.box, look, time_s, False
            named.append(TrackedFace(track.face, face.landmarks, face.box, face.score, face.traits))
        return sorted(named, key=lambda face: face.face)

    def _match(self, faces: list[DetectedFace], looks: list[NDArray[np.float32]], *, cut: bool) -> dict[int, int]:
        """Return which track (by place in the list) each face (by place in the list) belongs to."""
        if not self._tracks or not faces:
            return {}
        alike = np.stack([track.look for track in self._tracks]) @ np.stack(looks).T
        if cut:
            return assign(1 - alike, alike >= _ALIKE_AFTER_CUT)
        cost = distances([track.box for track in self._tracks], [face.box for face in faces])
        missing = np.array([track.missing for track in self._tracks])
        return assign(cost, (cost <= _REACH) & (~missing[:, None] | (alike >= _ALIKE_AFTER_GAP)))


Placed = TypeVar("Placed", TrackedFace, DetectedFace)


def left_to_right(faces: Sequence[Placed]) -> list[Placed]:
    """Return the faces of one picture in the order in which new ones are numbered: left to right, then down."""
    return sorted(faces, key=lambda face: (float(face.box[0] + face.box[2]), float(face.box[1] + face.box[3])))


def distances(known: list[NDArray[np.float32]], found: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Return how far boxes `known` (K) and `found` (F) are apart, (K, F): centre distance in units of face size.

    Infinite where one is more than twice as large as the other.
    """
    a, b = np.stack(known).astype(np.float64), np.stack(found).astype(np.float64)
    size_a, size_b = (np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)) for boxes in (a, b))
    apart = np.linalg.norm((a[:, None, :2] + a[:, None, 2:] - b[None, :, :2] - b[None, :, 2:]) / 2, axis=-1)
    ratio = size_a[:, None] / size_b[None, :]
    result = apart / np.sqrt(size_a[:, None] * size_b[None, :])
    return np.asarray(np.where(np.maximum(ratio, 1 / ratio) <= _GROWTH, result, np.inf))


def assign(cost: NDArray[np.floating], allowed: NDArray[np.bool_]) -> dict[int, int]:
    """Pair columns with rows (column → row) at the least total cost, using only `allowed` pairs."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(np.where(allowed, cost, 1e6))
    return {int(column): int(row) for row, column in zip(rows, columns, strict=True) if allowed[row, column]}


def _look_of(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a unit vector (1024,) whose products tell how alike two faces look: the aligned face less its shading."""
    import cv2

    try:
        aligned = align_face(image, landmarks, _LOOK)[0]
    except ValueError:  # landmarks on one point: alike to nothing
        return np.zeros(_LOOK.size**2, np.float32)
    grey = cv2.cvtColor(aligned, cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey -= cv2.GaussianBlur(grey, (0, 0), _LOOK.size / 4)
    grey -= grey.mean()
    return np.asarray(grey / max(float(np.linalg.norm(grey)), 1e-6), np.float32).ravel()
