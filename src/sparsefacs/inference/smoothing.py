"""Smoothing a video's codes in time: a window round each frame, or, for live use, a filter over what came before it."""

from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .codes import CodedFace, CodedFrame
from .frames import Closed, Opened

LONGEST_S = 10.0
F32 = NDArray[np.float32]
Coded = Opened | CodedFrame | Closed


@dataclass(frozen=True)
class Smoothing:
    """seconds: of the window, whose middle counts most; causal: only what came before a frame counts."""

    seconds: float
    causal: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= LONGEST_S:
            raise InputError(
                f"a window of {self.seconds:g} s is not possible", remedy=f"Give --smooth over 0, at most {LONGEST_S:g}"
            )

    @property
    def name(self) -> str:
        """What the codes' column `smoothing` says."""
        return f"{'before' if self.causal else 'around'} {self.seconds:g} s"


def smoothed(frames: Iterator[Coded], how: Smoothing) -> Generator[Coded, None, None]:
    """Yield the frames in order with codes smoothed over each face's own frames; photos as they are.

    Around: the mean under a normal curve of deviation a quarter of the window, cut off at its ends. Before: an
    exponential filter whose time constant is a quarter of it, begun anew after a gap of a whole window. Memory: the
    frames of a window, their pictures of half a one.
    """
    if how.causal:
        yield from _before(frames, how.seconds)
    else:
        yield from _around(frames, how.seconds)


def _values(face: CodedFace) -> F32:
    return face.codes if face.further is None else np.concatenate([face.codes, face.further])


def _with_values(face: CodedFace, values: F32) -> CodedFace:
    count = len(face.codes)
    return replace(face, codes=values[:count], further=None if face.further is None else values[count:])


def _before(frames: Iterator[Coded], seconds: float) -> Generator[Coded, None, None]:
    state: dict[int, tuple[float, F32]] = {}
    for item in frames:
        if not isinstance(item, CodedFrame) or item.time_s is None:
            state = {}
            yield item
            continue
        faces = []
        for face in item.faces:
            seen_s, values = state.get(face.face_id, (-np.inf, _values(face)))
            if item.time_s - seen_s <= seconds:
                share = 1 - np.exp(-4 * (item.time_s - seen_s) / seconds)
                values = (values + share * (_values(face) - values)).astype(np.float32)
            else:
                values = _values(face)
            state[face.face_id] = (item.time_s, values)
            faces.append(_with_values(face, values))
        yield replace(item, faces=tuple(faces))


def _around(frames: Iterator[Coded], seconds: float) -> Generator[Coded, None, None]:
    held: deque[CodedFrame] = deque()  # frames within half a window before the next that is given out, and after it
    given = 0  # of these already given out
    half = seconds / 2 + 1e-9  # times are rounded
    for item in frames:
        if not isinstance(item, CodedFrame) or item.time_s is None:
            for place in range(given, len(held)):
                yield _within(held, place, half)
            held.clear()
            given = 0
            yield item
            continue
        held.append(item)
        while given < len(held) and _time(held[given]) + half < item.time_s:
            yield _within(held, given, half)
            held[given] = replace(held[given], image=None)
            given += 1
            while held and given and _time(held[0]) + half < _time(held[given]):
                held.popleft()
                given -= 1
    for place in range(given, len(held)):
        yield _within(held, place, half)


def _time(frame: CodedFrame) -> float:
    assert frame.time_s is not None
    return frame.time_s


def _within(held: deque[CodedFrame], place: int, half: float) -> CodedFrame:
    """Return the frame at `place` with the codes of its faces smoothed over the frames held."""
    middle = held[place]
    faces = []
    for face in middle.faces:
        own = [(_time(frame) - _time(middle), each) for frame in held for each in frame.faces
               if each.face_id == face.face_id and abs(_time(frame) - _time(middle)) <= half]  # fmt: skip
        weights = np.exp(-0.5 * (np.array([apart for apart, _ in own]) / (half / 2)) ** 2)
        values = np.einsum("n,nv->v", weights / weights.sum(), np.stack([_values(each) for _, each in own]))
        faces.append(_with_values(face, values.astype(np.float32)))
    return replace(middle, faces=tuple(faces))
