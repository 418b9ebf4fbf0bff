"""Coding the frames of videos within their clips: each face through the backbone once, codes a few frames later."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .batching import decode_windows, encode_faces, whole_batches
from .codes import CodedFrame
from .contract import Coder
from .frames import Closed, FoundFrame, Opened, with_codes

F32 = NDArray[np.float32]
_HELD_BYTES = 200_000_000  # of pixels that wait for their codes, where an overlay needs them


@dataclass
class _Encoded:
    """A frame and what the model makes of each of its faces by itself, by face id."""

    frame: FoundFrame
    features: dict[int, F32]


def code_in_clips(
    frames: Iterator[Opened | FoundFrame | Closed], coder: Coder, batch_size: int
) -> Generator[Opened | CodedFrame | Closed, None, None]:
    """Code the faces of all frames, each within the clip round it; order is kept, and memory does not grow.

    A face's clip is made of the frames before and after in which it is seen without a break; beyond that the nearest
    of them stands in, as in a store. A photo is a clip that stands still.
    """
    assert coder.clip is not None
    length, key = coder.clip
    after = length - 1 - key
    wanted = whole_batches(batch_size)
    seen: list[_Encoded] = []  # frames that are coded and still looked back at, then those that wait
    coded = 0  # how many of `seen` are coded
    held: list[FoundFrame] = []
    for item in frames:
        if isinstance(item, FoundFrame):
            held.append(item)
            pixels = sum(frame.image.nbytes for frame in held if frame.image is not None)
            if max(sum(len(frame.faces) for frame in held), len(held)) < wanted and pixels < _HELD_BYTES:
                continue
        seen += _encoded(held, coder)
        held = []
        ready = len(seen) - (after if isinstance(item, FoundFrame) else 0)
        if ready > coded:
            yield from _decoded(seen, coded, ready, coder)
            coded = ready
        first = max(0, coded - key)
        seen, coded = seen[first:], coded - first
        if not isinstance(item, FoundFrame):
            seen, coded = [], 0
            yield item


def _encoded(held: list[FoundFrame], coder: Coder) -> list[_Encoded]:
    found = [frame for frame in held if len(frame.faces)]
    features = np.empty((0, 0), np.float32)
    if found:
        cuts, points = (np.concatenate([getattr(frame, name) for frame in found]) for name in ("aligned", "landmarks"))
        features = encode_faces(coder, cuts, points)
    row, encoded = 0, []
    for frame in held:
        encoded.append(_Encoded(frame, {face.face: features[row + n] for n, face in enumerate(frame.faces)}))
        row += len(frame.faces)
    return encoded


def _decoded(seen: list[_Encoded], first: int, end: int, coder: Coder) -> Iterator[CodedFrame]:
    """Yield the frames seen[first:end] with their codes."""
    assert coder.clip is not None
    windows = [
        _window(seen, place, face.face, *coder.clip) for place in range(first, end) for face in seen[place].frame.faces
    ]
    codes_FA = decode_windows(coder, np.stack(windows)) if windows else np.empty((0, len(coder.aus)), np.float32)
    row = 0
    for one in seen[first:end]:
        yield with_codes(one.frame, codes_FA[row : row + len(one.frame.faces)])
        row += len(one.frame.faces)


def _window(seen: list[_Encoded], place: int, face: int, length: int, key: int) -> F32:
    """Return the features (L, E) of the window in which `face` of frame `place` stands at place `key`."""
    back = _reach(seen, place, face, key, -1)
    ahead = _reach(seen, place, face, length - 1 - key, 1)
    offsets = np.clip(np.arange(length) - key, -back, ahead)
    return np.stack([seen[place + offset].features[face] for offset in offsets])


def _reach(seen: list[_Encoded], place: int, face: int, most: int, way: int) -> int:
    """Return over how many frames that way, at most `most`, the face is seen without a break."""
    for far in range(1, most + 1):
        here, there = place + way * (far - 1), place + way * far
        if not 0 <= there < len(seen) or face not in seen[there].features:
            return far - 1
        if abs(seen[there].frame.index - seen[here].frame.index) != 1:
            return far - 1
    return most
