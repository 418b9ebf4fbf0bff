"""The videos of a BORIS observation: players show them one after another, and its time runs on over them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

_ROUNDING_S = 0.0005  # BORIS writes milliseconds
_SLIVER_S = 0.0015  # a piece this short beyond a border comes of rounding

Cut = Literal["", "start", "end", "both"]


@dataclass(frozen=True, slots=True)
class Medium:
    """A video: name as given, length in seconds and frames a second where told.

    shift_s: what BORIS adds to the times of its events, where they count from when the video was made.
    """

    name: str
    length_s: float | None = None
    fps: float | None = None
    shift_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a stretch in one video; seconds from the video's start; offset None: a point in time."""

    media: str
    onset_s: float
    offset_s: float | None
    cut: Cut = ""


@dataclass(frozen=True)
class Queue:
    """Videos in the order they are shown.

    offset_s: what BORIS adds to all times (its time offset). behind_s: how much later than the observation this player
    starts.
    """

    media: tuple[Medium, ...]
    offset_s: float = 0.0
    behind_s: float = 0.0

    @cached_property
    def starts(self) -> tuple[float | None, ...]:
        """When each video starts, in seconds from the first one's start; None after a video of unknown length."""
        found: list[float | None] = []
        start: float | None = 0.0
        for medium in self.media:
            found.append(start)
            start = None if start is None or medium.length_s is None else start + medium.length_s
        return tuple(found)

    def position(self, time_s: float) -> float:
        """Return the place in the queue, in seconds from its start, of a time on the observation's clock."""
        plain = time_s - self.offset_s - self.behind_s
        for place, medium in enumerate(self.media):
            own = plain - medium.shift_s
            if medium.shift_s and self._shows(place, own):
                return own
        return plain - self.media[-1].shift_s if self.media else plain

    def pieces(self, onset_s: float, offset_s: float | None) -> list[Piece]:
        """Return the parts, in each video, of a stretch between two places in the queue; empty if they are unknown.

        A place beyond the queue's end is one of its last video, one before its start a negative one of its first.
        """
        first = self._at(onset_s)
        if first is None:
            return []
        name, start = self.media[first].name, self.starts[first] or 0.0
        if offset_s is None:
            return [Piece(name, _rounded(onset_s - start), None)]
        last = len(self.media) - 1 if math.isinf(offset_s) else self._at(offset_s - 2 * _ROUNDING_S)
        if last is None or self.starts[last] is None:
            return []
        parts = list(self._split(first, max(last, first), onset_s, offset_s))
        parts = [part for part in parts if part[2] - part[1] >= _SLIVER_S] if len(parts) > 1 else parts
        both: Cut = "both"
        cuts: list[Cut] = ["start", *[both] * (len(parts) - 2), "end"] if len(parts) > 1 else [""]
        cuts.reverse()  # the first is cut at its end, the last at its start
        return [Piece(name, begin, end, cut) for (name, begin, end), cut in zip(parts, cuts, strict=False)]

    def _split(self, first: int, last: int, onset_s: float, offset_s: float) -> Iterator[tuple[str, float, float]]:
        for place in range(first, last + 1):
            medium, start = self.media[place], self.starts[place] or 0.0
            begin = onset_s - start if place == first else 0.0
            end = offset_s - start if place == last else medium.length_s or 0.0
            yield medium.name, _rounded(begin), _rounded(end)

    def _shows(self, place: int, position_s: float) -> bool:
        start, length = self.starts[place], self.media[place].length_s
        if start is None or position_s < start - _ROUNDING_S:
            return False
        return length is None or position_s < start + length

    def _at(self, position_s: float) -> int | None:
        """Return which video is shown at a place in the queue, None where that is unknown."""
        if not self.media:
            return None
        found = 0
        for place, start in enumerate(self.starts):
            if start is None:
                return None
            if place == 0 or position_s >= start - _ROUNDING_S:
                found = place
            else:
                break
        return found


def _rounded(seconds: float) -> float:
    """Return a difference of times without the noise of its subtraction; what rounds to nothing is nothing."""
    if math.isinf(seconds):
        return seconds
    value = round(seconds, 6)
    return 0.0 if abs(value) <= _ROUNDING_S else value
