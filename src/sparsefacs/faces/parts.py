"""How the work of a `prepare` is parted: in one pass over its items, which are looked at one by one and not kept."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.adapters.plan import MediaItem
from ..data.media import is_video
from ..errors import InputError
from .cutting import count_frames

PHOTOS_A_PART = 128
PARTS = 1000
"""A part holds so many photos, or more where that would make more parts than this; a video counts as so many."""
CLIP_WHOLE = 2048
"""A clip of photos is cut only in a part of so many, so that its faces keep their ids; one with a frame rate never."""

_VIDEO, _NEW_CLIP, _FOLLOWED = 1, 2, 4


@dataclass(frozen=True)
class Parts:
    """Parts of a list of items: part p is the items from first[p] up to first[p + 1]; videos[p] of them are videos.

    digest: hash of every item, so that a `prepare` goes on only with the same ones.
    """

    items: Sequence[MediaItem]
    first: NDArray[np.int64]
    videos: NDArray[np.int64]
    digest: str

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, part: int) -> tuple[MediaItem, ...]:
        return tuple(self.items[int(self.first[part]) : int(self.first[part + 1])])

    def __iter__(self) -> Iterator[tuple[MediaItem, ...]]:
        return (self[part] for part in range(len(self)))

    def frames(self, part: int) -> int:
        """Return how many frames the part claims to have; only videos are opened for it, photos are not."""
        count = int(self.first[part + 1] - self.first[part])
        if not self.videos[part]:
            return count
        seen = (count_frames(item.path) for item in self[part] if is_video(item.path))
        return count - int(self.videos[part]) + sum(seen)


def split(items: Sequence[MediaItem]) -> Parts:
    """Return the parts of the work: a part ends with a video, or with a clip once it has about 128 photos.

    Where that made more than a thousand parts, each is larger. They depend on the items alone, never on the workers.
    Raises InputError when a file has gone since it was planned.
    """
    marks, digest = _survey(items)
    weight = np.where(marks & _VIDEO, PHOTOS_A_PART, 1)
    limit = max(PHOTOS_A_PART, -(-int(weight.sum()) // PARTS))
    first: list[int] = []
    filled = limit
    for place, (mark, own) in enumerate(zip(marks.tolist(), weight.tolist(), strict=True)):
        whole = mark & (_VIDEO | _NEW_CLIP) or (filled >= CLIP_WHOLE and not mark & _FOLLOWED)
        if not first or (filled >= limit and whole):
            first.append(place)
            filled = 0
        filled += own
    starts = np.array([*first, len(items)], np.int64)
    counted = np.concatenate([[0], np.cumsum(marks & _VIDEO, dtype=np.int64)])
    return Parts(items, starts, np.diff(counted[starts]), digest)


def _survey(items: Sequence[MediaItem]) -> tuple[NDArray[np.uint8], str]:
    """Return marks of every item (N,), and the hash of all of them."""
    marks = np.zeros(len(items), np.uint8)
    digest = hashlib.sha256()
    encode = json.JSONEncoder(separators=(",", ":")).encode
    before: tuple[str, str] | None = None
    for place in range(len(items)):
        item = items[place]
        clip = (item.subject, item.clip)
        marks[place] = (
            (_VIDEO if is_video(item.path) else 0)
            | (_NEW_CLIP if clip != before else 0)
            | (_FOLLOWED if item.fps is not None else 0)
        )
        before = clip
        try:
            described = item.as_json()
        except OSError as error:
            raise InputError(
                f"cannot be read ({error.strerror or error})",
                path=error.filename or item.path,
                remedy="Check that SOURCE is still there and leave it unchanged meanwhile",
            ) from error
        digest.update(encode(described).encode() + b"\n")
    return marks, digest.hexdigest()[:16]
