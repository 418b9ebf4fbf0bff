"""Clips of numbered photos, in folders or zip files, held as names until an item is asked for."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ..delivered import DeliveredPoints
from ..media import is_image
from ..store import Reject
from .plan import FaceLabel, LazyItems, MediaItem


@dataclass(frozen=True, slots=True)
class NumberedPhotos:
    """Photos by frame number: numbers (N,) rising, and names beside them, within `folder` or the zip file `folder`.

    member: what the names are to be prefixed with inside the zip; None where `folder` is a folder.
    """

    folder: Path
    numbers: NDArray[np.int64]
    names: tuple[str, ...]
    member: str | None = None


@dataclass(frozen=True, slots=True)
class PhotoClip:
    """A clip of photos with its labels by photo number. source: what stands before the photo's name in the store."""

    subject: str
    clip: str
    source: str
    photos: NumberedPhotos
    fps: float
    labels: Mapping[int, tuple[FaceLabel, ...]] = field(default_factory=dict)
    points: DeliveredPoints | None = None

    def item(self, place: int) -> MediaItem:
        """Return the item of the photo at `place`."""
        photos, name = self.photos, self.photos.names[place]
        number = int(photos.numbers[place])
        zipped = photos.member is not None
        label = self.labels.get(number)
        return MediaItem(
            path=photos.folder if zipped else photos.folder / name,
            source=f"{self.source}/{name}",
            subject=self.subject,
            clip=self.clip,
            frame=number,
            by_frame={} if label is None else {number: label},
            member=f"{photos.member}{name}" if zipped else None,
            fps=self.fps,
            alone=True,
            points=self.points,
        )


class _Items:
    """Makes the item at a place of a row of clips and videos."""

    def __init__(self, entries: Sequence[PhotoClip | MediaItem]) -> None:
        self._entries = tuple(entries)
        sizes = [len(entry.photos.names) if isinstance(entry, PhotoClip) else 1 for entry in self._entries]
        self._ends = np.cumsum(sizes).tolist()

    @property
    def count(self) -> int:
        return self._ends[-1] if self._ends else 0

    def make(self, place: int) -> MediaItem:
        number = bisect_right(self._ends, place)
        entry = self._entries[number]
        if isinstance(entry, MediaItem):
            return entry
        return entry.item(place - (self._ends[number - 1] if number else 0))


def clip_items(entries: Sequence[PhotoClip | MediaItem]) -> LazyItems:
    """Return the items of clips and videos, one after another, each made when asked for."""
    items = _Items(entries)
    return LazyItems(items.count, items.make)


def number_photos(
    folder: Path, names: Iterable[str], source: str, member: str | None = None
) -> tuple[NumberedPhotos | None, list[Reject]]:
    """Return the photos among `names` by the number that is their name, and those turned down.

    None when there is no numbered photo. The padding of the numbers says nothing; of two photos with one number the
    first by name is kept.
    """
    found: dict[int, str] = {}
    rejected = []
    for name in sorted(names):
        path = PurePosixPath(name)
        if path.name.startswith(".") or not is_image(Path(name)):
            continue
        if not re.fullmatch(r"\d{1,9}", path.stem):
            rejected.append(Reject(f"{source}/{name}", None, "is not named by a frame number"))
        elif int(path.stem) in found:
            first = found[int(path.stem)]
            rejected.append(Reject(f"{source}/{name}", None, f"has the same frame number as {first}"))
        else:
            found[int(path.stem)] = name
    if not found:
        return None, rejected
    numbers = sorted(found)
    return NumberedPhotos(folder, np.array(numbers), tuple(found[number] for number in numbers), member), rejected
