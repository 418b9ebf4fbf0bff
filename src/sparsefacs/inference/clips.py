"""From encoded faces to codes: each frame within the clip round it, codes a few frames later."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .batching import decode_windows, whole_batches
from .codes import CodedFrame
from .contract import Coder
from .frames import Closed, EncodedFrame, Opened, with_codes
from .stages import HELD_BYTES, HELD_FRAMES

F32 = NDArray[np.float32]


def decode_frames(
    frames: Iterator[Opened | EncodedFrame | Closed], coder: Coder, batch_size: int
) -> Generator[Opened | CodedFrame | Closed, None, None]:
    """Code the faces of all frames, each within the clip round it; order is kept, and memory does not grow.

    A face's clip is made of the frames before and after in which it is seen without a break; beyond that the nearest
    of them stands in, as in a store. A photo is a clip that stands still.
    """
    wanted = whole_batches(batch_size)
    clip, waiting = _Clip(*coder.clip), _Waiting()
    for item in frames:
        if isinstance(item, EncodedFrame):
            waiting.add(clip.take(item))
        else:
            waiting.add(clip.end())
            waiting.items.append(item)
        if waiting.faces >= wanted or len(waiting.items) >= max(HELD_FRAMES, wanted) or waiting.pixels > HELD_BYTES:
            yield from _decoded(waiting, coder)
            waiting = _Waiting()
    waiting.add(clip.end())
    yield from _decoded(waiting, coder)


class _Clip:
    """The frames of one file that are still looked at: first those given out, then those that wait."""

    def __init__(self, length: int, key: int) -> None:
        self._length, self._key = length, key
        self._seen: list[EncodedFrame] = []
        self._of: list[dict[int, F32]] = []  # of each of them the features of its faces, by id
        self._given = 0

    def take(self, frame: EncodedFrame) -> list[tuple[EncodedFrame, list[F32]]]:
        """Take the next frame, and return those whose clips are now complete, with a window (L, E) a face."""
        self._seen.append(frame)
        self._of.append({face.face: own for face, own in zip(frame.faces, frame.features_FE, strict=True)})
        return self._complete(len(self._seen) - (self._length - 1 - self._key))

    def end(self) -> list[tuple[EncodedFrame, list[F32]]]:
        """Return the frames that are left when a file ends."""
        left = self._complete(len(self._seen))
        self._seen, self._of, self._given = [], [], 0
        return left

    def _complete(self, end: int) -> list[tuple[EncodedFrame, list[F32]]]:
        complete = [
            (self._seen[place], [self._window(place, face.face) for face in self._seen[place].faces])
            for place in range(self._given, end)
        ]
        self._given = max(self._given, end)
        first = max(0, self._given - self._key)
        self._seen, self._of, self._given = self._seen[first:], self._of[first:], self._given - first
        return complete

    def _window(self, place: int, face: int) -> F32:
        """Return the features (L, E) of the window in which `face` of frame `place` stands at the key place."""
        back = self._reach(place, face, self._key, -1)
        ahead = self._reach(place, face, self._length - 1 - self._key, 1)
        offsets = np.clip(np.arange(self._length) - self._key, -back, ahead)
        return np.stack([self._of[place + offset][face] for offset in offsets])

    def _reach(self, place: int, face: int, most: int, way: int) -> int:
        """Return over how many frames that way, at most `most`, the face is seen without a break."""
        for far in range(1, most + 1):
            here, there = place + way * (far - 1), place + way * far
            if not 0 <= there < len(self._seen) or face not in self._of[there]:
                return far - 1
            if abs(self._seen[there].index - self._seen[here].index) != 1:
                return far - 1
        return most


@dataclass
class _Waiting:
    """What waits for a full batch, in order; a frame with a window a face."""

    items: list[Opened | tuple[EncodedFrame, list[F32]] | Closed] = field(default_factory=list)
    faces: int = 0
    pixels: int = 0

    def add(self, complete: list[tuple[EncodedFrame, list[F32]]]) -> None:
        self.items += complete
        self.faces += sum(len(windows) for _, windows in complete)
        self.pixels += sum(frame.image.nbytes for frame, _ in complete if frame.image is not None)


def _decoded(waiting: _Waiting, coder: Coder) -> Iterator[Opened | CodedFrame | Closed]:
    frames = [item for item in waiting.items if isinstance(item, tuple)]
    windows = [window for _, own in frames for window in own]
    codes_BA = np.empty((0, len(coder.aus)), np.float32)
    if windows:
        compared = [frame.references_FR for frame, own in frames if own and frame.references_FR is not None]
        codes_BA = decode_windows(coder, np.stack(windows), np.concatenate(compared) if compared else None)
    row = 0
    for item in waiting.items:
        if not isinstance(item, tuple):
            yield item
            continue
        frame, own = item
        yield with_codes(frame, codes_BA[row : row + len(own)], len(coder.aus))
        row += len(own)
