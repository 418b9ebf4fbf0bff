"""Faces of a video with stable ids, frame by frame and in bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..pairing import cheapest_pairs
from .alignment import FaceRecipe, small_face
from .detection import BoxFinder, DetectedFace, FaceBox, FaceFinder, overlap
from .landmarks import UNKNOWN_TRAITS, FaceMesh, Traits

LOOK_EVERY = 12  # frames between searches of the whole picture while no known face is missing
GAP_S = 2.0  # seconds for which a lost face keeps its id
_REACH = 0.8  # how far a face may move between looks, in face sizes
_GROWTH = 2.0  # how much it may grow or shrink between looks
# Measured on real clips: neighbouring frames of one shot differ by at most 6 grey levels, frames across a cut by 140,
# but takes of one studio by less than 25: so every face must look like the one it is taken for. Likeness (`_likeness`)
# of one face in neighbouring frames is 0.8 or more, a tenth of a second apart 0.65, half a second 0.35, two seconds
# 0.15; of different faces of one picture -0.1 or less; of 60 synthetic people 0.17 or less in 99 pairs of 100.
_CUT = 25.0
_ALIKE_ANYWHERE = 0.5  # across a cut, or where a face comes back in another place
_ALIKE_IN_PLACE = 0.5  # at once; with time less is asked of a face that stays in its place,
_ALIKE_LOST_A_S = 0.75  # so much a second,
_ALIKE_AFTER_GAP = 0.15  # down to this, since a hand may cover part of it
_COLOUR = 0.15  # of likeness, that one level of a and b (of Lab) costs; and what a face without colours costs
_LOOK = FaceRecipe(size=32)  # hair and jaw line included: without them smiling faces correlate by up to 0.8
_PATCHES = 6  # a side, over which colours are averaged


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
    mesh: FaceMesh | None = None


@dataclass(frozen=True)
class Glance:
    """What is seen of a frame without knowing its faces: whether a cut lies before it, and where faces are in it.

    boxes is None for a frame whose whole picture is not searched.
    """

    cut: bool
    boxes: list[FaceBox] | None


class Glancer:
    """Glances at one video's frames, in order; at the whole picture at first, after a cut, and now and then."""

    def __init__(self, finder: BoxFinder | FaceFinder, look_every: int = LOOK_EVERY) -> None:
        self._finder, self._look_every = finder, look_every
        self._frame = 0
        self._before: NDArray[np.float32] | None = None

    def look(self, image: NDArray[np.uint8]) -> Glance:
        """Return the glance at the next frame (H, W, 3 RGB)."""
        cut = self._is_cut(image)
        due = cut or self._frame % self._look_every == 0
        self._frame += 1
        return Glance(cut, self._finder.boxes(image) if due else None)

    def _is_cut(self, image: NDArray[np.uint8]) -> bool:
        import cv2

        before = self._before
        self._before = cv2.resize(image, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32)
        return before is not None and float(np.abs(self._before - before).mean()) > _CUT


@dataclass(frozen=True)
class _Look:
    """How a face looks: its aligned grey picture less its shading, a unit vector (1024,), and its colours (72,)."""

    grey: NDArray[np.float32]
    colours: NDArray[np.float32]


@dataclass
class _Track:
    face: int
    seen: DetectedFace
    look: _Look
    seen_s: float
    missing: bool = False


class FaceTracker:
    """Gives every frame of one video its faces; new person, new id, and a face lost for under `gap_s` keeps its id.

    The whole picture is searched on the first frame, after a cut, when a known face is missing or looks like another,
    and every `look_every` frames; in between each face is followed from where it was. Within a shot faces are paired by
    place, as long as they look alike; across a cut, and after they were lost, by looks. So the result depends on
    nothing but the frames so far. timed: whether the times given are true; else (photos that are only numbered)
    neighbours may be far apart, and less likeness is asked of them.
    """

    def __init__(
        self, finder: FaceFinder, *, look_every: int = LOOK_EVERY, gap_s: float = GAP_S, timed: bool = True
    ) -> None:
        self._finder, self._gap_s, self._timed = finder, gap_s, timed
        self._glancer = Glancer(finder, look_every)
        self._tracks: list[_Track] = []
        self._next_face = 0

    def update(self, image: NDArray[np.uint8], time_s: float, glance: Glance | None = None) -> list[TrackedFace]:
        """Return the faces of the next frame (H, W, 3 RGB, at `time_s`), by id.

        glance: what a `Glancer` saw of the frame, where it was asked ahead; then of every frame.
        """
        glance = glance or self._glancer.look(image)
        self._tracks = [track for track in self._tracks if time_s - track.seen_s <= self._gap_s]
        if glance.boxes is None and self._tracks and not any(track.missing for track in self._tracks):
            faces = left_to_right(self._finder.follow(image, [track.seen for track in self._tracks]))
            looks = [_look_of(image, face.landmarks) for face in faces]
            matched = self._match(faces, looks, time_s, cut=False)
            if len(matched) == len(self._tracks):
                return self._name(faces, looks, matched, time_s)
        faces = left_to_right(self._finder.landmark(image, self._searched(image, glance)))
        looks = [_look_of(image, face.landmarks) for face in faces]
        return self._name(faces, looks, self._match(faces, looks, time_s, cut=glance.cut), time_s)

    def _searched(self, image: NDArray[np.uint8], glance: Glance) -> list[FaceBox]:
        """Return every face of the picture, and known faces too faint to be found anew but still in their place."""
        boxes = list(self._finder.boxes(image) if glance.boxes is None else glance.boxes)
        for track in [] if glance.cut else self._tracks:
            if all(overlap(track.seen.box, box.box) < 0.2 for box in boxes):
                still = self._finder.near(image, track.seen.box)
                if still is not None and all(overlap(still.box, box.box) < 0.2 for box in boxes):
                    boxes.append(still)
        return boxes

    def _name(
        self, faces: list[DetectedFace], looks: list[_Look], matched: dict[int, int], time_s: float
    ) -> list[TrackedFace]:
        """Return the faces with their ids, new ones where `matched` (face → track, by place in the list) has none."""
        for track in self._tracks:
            track.missing = True
        named = []
        for number, (face, look) in enumerate(zip(faces, looks, strict=True)):
            if number in matched:
                track = self._tracks[matched[number]]
            else:
                track = _Track(self._next_face, face, look, time_s)
                self._next_face += 1
                self._tracks.append(track)
            track.seen, track.look, track.seen_s, track.missing = face, look, time_s, False
            named.append(TrackedFace(track.face, face.landmarks, face.box, face.score, face.traits, face.mesh))
        return sorted(named, key=lambda face: face.face)

    def _match(self, faces: list[DetectedFace], looks: list[_Look], time_s: float, *, cut: bool) -> dict[int, int]:
        """Return which track (by place in the list) each face (by place in the list) belongs to.

        First the faces that stayed in their place, then those that came back, or look like a known one elsewhere.
        """
        if not self._tracks or not faces:
            return {}
        alike = _likeness([track.look for track in self._tracks], looks)
        apart = distances([track.seen.box for track in self._tracks], [face.box for face in faces])
        near = (apart <= _REACH) & (not cut)
        missing = np.array([track.missing for track in self._tracks])[:, None]
        since = np.array([time_s - track.seen_s if self._timed else np.inf for track in self._tracks])[:, None]
        asked = np.maximum(_ALIKE_AFTER_GAP, _ALIKE_IN_PLACE - _ALIKE_LOST_A_S * since)
        stayed = assign(np.minimum(apart, 1e3), near & ~missing & (alike >= asked))
        if len(stayed) == min(len(self._tracks), len(faces)):
            return stayed
        free = np.ones_like(near)
        free[list(stayed.values())] = False
        free[:, list(stayed)] = False
        known = (alike >= _ALIKE_ANYWHERE) | (near & missing & (alike >= _ALIKE_AFTER_GAP))
        return stayed | assign(1 - alike, free & known)


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
    pairs = cheapest_pairs(np.where(allowed, cost, 1e6))
    return {column: row for row, column in pairs if allowed[row, column]}


def _look_of(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> _Look:
    import cv2

    try:
        aligned = small_face(image, landmarks, _LOOK)
    except ValueError:  # landmarks on one point: alike to nothing
        return _Look(np.zeros(_LOOK.size**2, np.float32), np.full(2 * _PATCHES**2, np.inf, np.float32))
    grey = cv2.cvtColor(aligned, cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey -= cv2.GaussianBlur(grey, (0, 0), _LOOK.size / 4)
    grey -= grey.mean()
    unit = np.asarray(grey / max(float(np.linalg.norm(grey)), 1e-6), np.float32).ravel()
    lab = cv2.cvtColor(aligned, cv2.COLOR_RGB2LAB).astype(np.float32)
    patches = cv2.resize(lab, (_PATCHES, _PATCHES), interpolation=cv2.INTER_AREA)
    return _Look(unit, np.asarray(patches[..., 1:], np.float32).ravel())


def _likeness(known: list[_Look], found: list[_Look]) -> NDArray[np.float64]:
    """Return how alike faces `known` (K) and `found` (F) look, (K, F): correlation less what colours differ."""
    grey = np.stack([look.grey for look in known]) @ np.stack([look.grey for look in found]).T
    colours, others = (np.stack([look.colours for look in looks]) for looks in (known, found))
    with np.errstate(invalid="ignore"):
        differ = np.abs(colours[:, None] - others[None]).mean(axis=-1)
        bare = np.ptp(colours, axis=1)[:, None] + np.ptp(others, axis=1)[None] < 1
    likeness = grey - _COLOUR * np.where(bare, np.maximum(differ, 1), differ)
    return np.asarray(np.nan_to_num(likeness, nan=-1e3, neginf=-1e3), np.float64)
