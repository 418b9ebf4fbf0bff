"""What an adapter hands to `prepare`: which files to cut faces from, whose they are, and their labels."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..store import UNLABELLED, Reject


@dataclass(frozen=True)
class FaceLabel:
    """Labels of one face in one frame: occurrence (A,) −1/0/1 and intensity (A,) 0–5 or NaN.

    face: which face of the frame, by its id; None: the largest.
    """

    occurrence: NDArray[np.int8]
    intensity: NDArray[np.float32]
    face: int | None = None

    def as_json(self) -> list[Any]:
        """Return the label as JSON, to be hashed."""
        return [self.face, self.occurrence.tolist(), self.intensity.tolist()]


@dataclass(frozen=True)
class MediaItem:
    """One photo or video with its subject, clip and labels.

    source: the name written into the store. frame: a photo's number in its clip. by_frame: labels by 0-based frame
    of a video (a photo's stand under `frame`). by_time: (seconds, label) of a video, in order of time.
    """

    path: Path
    source: str
    subject: str
    clip: str
    frame: int = 0
    by_frame: dict[int, tuple[FaceLabel, ...]] = field(default_factory=dict)
    by_time: tuple[tuple[float, FaceLabel], ...] = ()

    def as_json(self) -> list[Any]:
        """Return what identifies the item, its file's size included, as JSON, to be hashed."""
        frames = [[frame, [label.as_json() for label in labels]] for frame, labels in sorted(self.by_frame.items())]
        times = [[time, label.as_json()] for time, label in self.by_time]
        return [self.source, self.subject, self.clip, self.frame, self.path.stat().st_size, frames, times]


@dataclass(frozen=True)
class Plan:
    """All work of a `prepare`: the AUs of the labels, the items in stable order, and what was rejected beforehand."""

    aus: tuple[int, ...]
    items: tuple[MediaItem, ...]
    rejected: tuple[Reject, ...] = ()


@dataclass(frozen=True)
class Request:
    """What the user asked of an adapter: SOURCE, the label file or folder, and the AUs (None: all there are)."""

    source: Path
    labels: Path | None = None
    aus: tuple[int, ...] | None = None
    first_frame: int | None = None


class Adapter(Protocol):
    """Reads one data set's layout; `adapters.ADAPTERS` lists them by name."""

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
