"""What an adapter hands to `prepare`: which files to cut faces from, whose they are, and their labels."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from ...events.model import Clock
from ..delivered import DeliveredPoints
from ..store import UNLABELLED, Reject

Camera = Literal["left", "right", "both"]


@dataclass(frozen=True, slots=True)
class FaceLabel:
    """Labels of one face in one frame: occurrence (A,) −1/0/1 and intensity (A,) 0–5 or NaN.

    box: where the face is, (x0, y0, x1, y1) in pixels of the upright picture; None: not told. face: which face of the
    frame it is where no box tells, by its id (in a photo from left to right, from 0); None: the largest.
    """

    occurrence: NDArray[np.int8]
    intensity: NDArray[np.float32]
    face: int | None = None
    box: tuple[float, float, float, float] | None = None

    @property
    def says_nothing(self) -> bool:
        """Whether no AU is labelled."""
        return bool((self.occurrence == UNLABELLED).all() and np.isnan(self.intensity).all())

    def as_json(self) -> list[Any]:
        """Return the label as JSON, to be hashed."""
        place = [] if self.box is None else [list(self.box)]
        return [self.face, self.occurrence.tolist(), self.intensity.tolist(), *place]


class TimedLabels(Protocol):
    """Labels of a video by time, in seconds on `clock`."""

    @property
    def clock(self) -> Clock:
        """What the times count from."""

    def at(self, start_s: float, end_s: float) -> tuple[FaceLabel, ...]:
        """Return the labels of the frame shown from `start_s` until `end_s`."""

    def outside(self, start_s: float, end_s: float) -> Iterator[str]:
        """Yield in words what lies wholly before a video that begins at `start_s`, or beyond its end at `end_s`."""

    def as_json(self) -> list[Any]:
        """Return the labels as JSON, to be hashed."""


_NO_FRAMES: Mapping[int, tuple[FaceLabel, ...]] = {}


@dataclass(frozen=True, slots=True)
class MediaItem:
    """One photo or video with its subject, clip and labels.

    source: the name written into the store. frame: a photo's number in its clip. by_frame: labels by 0-based frame
    of a video (a photo's stand under `frame`). timed: labels of a video by time. member: the photo's name inside the
    zip file `path`. fps: frames a second of the clip that a photo is a frame of; None: a photo by itself. alone: only
    the largest face is meant, others in the picture are bystanders. points: landmarks that came with the data set, by
    the same frame numbers; None: faces must be found. skip: frames that are not to become faces.
    """

    path: Path
    source: str
    subject: str
    clip: str
    frame: int = 0
    by_frame: Mapping[int, tuple[FaceLabel, ...]] = field(default_factory=lambda: _NO_FRAMES)
    timed: tuple[TimedLabels, ...] = ()
    member: str | None = None
    fps: float | None = None
    alone: bool = False
    points: DeliveredPoints | None = None
    skip: frozenset[int] = frozenset()

    def as_json(self) -> list[Any]:
        """Return what identifies the item, its file's size included, as JSON, to be hashed."""
        frames = [[frame, [label.as_json() for label in labels]] for frame, labels in sorted(self.by_frame.items())]
        times = [labels.as_json() for labels in self.timed]
        points = None if self.points is None else self.points.as_json()
        size = self.path.stat().st_size
        more = [self.member, self.fps, self.alone, points, sorted(self.skip)]
        return [self.source, self.subject, self.clip, self.frame, size, frames, times, *more]


class LazyItems(Sequence[MediaItem]):
    """Items made when asked for, so that a collection of millions is held as its names alone.

    make: from 0-based place to item, the same item every time; it must be picklable (a bound method of a small object,
    not a closure over a file handle).
    """

    def __init__(self, count: int, make: Callable[[int], MediaItem]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> MediaItem: ...
    @overload
    def __getitem__(self, place: slice) -> list[MediaItem]: ...
    def __getitem__(self, place: int | slice) -> MediaItem | list[MediaItem]:
        if isinstance(place, slice):
            return [self._make(number) for number in range(*place.indices(self._count))]
        if not -self._count <= place < self._count:
            raise IndexError(place)
        return self._make(place % self._count)


@dataclass(frozen=True)
class Plan:
    """All work of a `prepare`.

    aus: AUs of the labels. items: in stable order, a clip's photos side by side in order of their frames. rejected:
    what was turned down beforehand. notes: what the user should be told once. facts: what `store.json` keeps of how
    the data set was read (JSON values), such as `frame_offset`. landmarks: how the delivered landmarks are called in
    the face recipe ("49 points delivered with BP4D"); None: found by the program.
    """

    aus: tuple[int, ...]
    items: Sequence[MediaItem]
    rejected: tuple[Reject, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    landmarks: str | None = None


@dataclass(frozen=True)
class Request:
    """What the user asked of an adapter.

    source, labels: SOURCE, and the label file or folder. aus: None for the data set's usual ones. first_frame: the
    number a table gives a video's first frame. The rest are options of some data sets (see `DataSet.options`):
    delivered_landmarks: use the landmarks that came with the data; frame_offset: image number less label frame
    number, None to find it; camera: which of two videos; drop_failed_tracking: leave out the frames of the published
    list of tracking failures. clock: what the times in label files count from; None: as their kind has it.
    by_name: find files by their name alone, whatever folders the labels name. coded, person, names: of files of
    events: what marks the stretches that were looked at ("all": everything), whose events are meant, and the user's map
    of words.
    """

    source: Path
    labels: Path | None = None
    aus: tuple[int, ...] | None = None
    first_frame: int | None = None
    delivered_landmarks: bool = False
    frame_offset: int | None = None
    camera: Camera | None = None
    drop_failed_tracking: bool = False
    clock: Clock | None = None
    coded: str | None = None
    person: str | None = None
    names: Path | None = None
    by_name: bool = False


class Adapter(Protocol):
    """Reads one data set's layout; `adapters.DATA_SETS` lists them by name."""

    def __call__(self, request: Request) -> Plan:
        """Return the plan; raises InputError naming the file at fault and the remedy."""


def unlabelled(aus: int) -> FaceLabel:
    """Return the label that says nothing of any of `aus` AUs."""
    return FaceLabel(np.full(aus, UNLABELLED, np.int8), np.full(aus, np.nan, np.float32))


def photo_frames(stems: Sequence[str]) -> list[int]:
    """Return frame numbers for a clip's photos: the digits that end their names if these differ, else their order."""
    digits = [stem[len(stem.rstrip("0123456789")) :] for stem in stems]
    numbers = [int(found) if found and len(found) < 10 else -1 for found in digits]
    distinct = len(set(numbers)) == len(numbers) and -1 not in numbers
    return numbers if distinct else list(range(len(stems)))
