"""Events in codes: where an AU begins, peaks and ends in each face of a video."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .coded_tables import FaceCodes
from .model import Event, Span

Cut = Literal["", "start", "end", "both"]
Run = tuple[int, int]
"""First and last place of neighbouring frames."""


@dataclass(frozen=True)
class Rules:
    """What counts as an event.

    on, off: an event begins at a frame whose probability (intensity, where the codes have no probability) reaches `on`,
    and goes on until one falls below `off`; None: as the codes' own 0/1 says. bridge_s: an interruption that is
    shorter does not end it. shortest_s: what is seen for less time is no event. Raises InputError for values that
    make no sense.
    """

    on: float | None = None
    off: float | None = None
    bridge_s: float = 0.1
    shortest_s: float = 0.1

    def __post_init__(self) -> None:
        if self.off is not None and (self.on is None or self.off > self.on):
            raise InputError("--off is for events that begin at --on or more", remedy="Give --on, and a smaller --off")
        for name, value in (("--on", self.on), ("--bridge", self.bridge_s), ("--shortest", self.shortest_s)):
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise InputError(f"{name} {value:g} is not possible", remedy="Give 0 or more")

    @property
    def words(self) -> str:
        """The rules in a sentence, for the files that are made by them."""
        begins = "where the codes say present"
        if self.on is not None:
            off = self.on if self.off is None else self.off
            begins = f"from probability (or intensity, where there is none) {self.on:g} on until it is below {off:g}"
        return (
            f"an event is {begins}; interruptions of less than {self.bridge_s:g} s are bridged, events seen for less "
            f"than {self.shortest_s:g} s left out"
        )


def find_events(codes: FaceCodes, rules: Rules | None = None) -> list[Event]:
    """Return the events of a face in a video, by onset; none for photos.

    An event is cut where the face is lost or its video begins or ends while the AU is present, and says at which end.
    Its apex is the moment of highest intensity, else probability; its intensity is the highest.
    """
    rules = rules or Rules()
    if np.isnan(codes.time_s).any():
        return []
    ends_s = codes.time_s + codes.shown_s
    found = [
        event
        for place in range(len(codes.aus))
        for segment in _segments(codes, place)
        for event in _in_segment(codes, place, segment, ends_s, rules)
    ]
    return sorted(found, key=lambda event: (event.onset_s, event.au))


def coded_spans(codes: FaceCodes) -> list[Span]:
    """Return the stretches of a video in which a face's AUs are known, AUs with the same stretches together."""
    if np.isnan(codes.time_s).any():
        return []
    ends_s = codes.time_s + codes.shown_s
    by_segment: dict[Run, set[int]] = {}
    for place, au in enumerate(codes.aus):
        for segment in _segments(codes, place):
            by_segment.setdefault(segment, set()).add(au)
    return [
        Span(
            codes.input,
            codes.subject,
            float(codes.time_s[first]),
            float(ends_s[last]),
            None if len(aus) == len(codes.aus) else frozenset(aus),
            codes.face,
        )
        for (first, last), aus in sorted(by_segment.items())
    ]


def in_long_stretches(codes: FaceCodes, shortest_s: float) -> NDArray[np.bool_]:
    """Return of which frames and AUs (N, A) the stretch in which they are known, without a gap, lasts so long."""
    within = np.zeros(codes.occurrence.shape, bool)
    ends_s = codes.time_s + codes.shown_s
    for place in range(len(codes.aus)):
        for first, last in _segments(codes, place):
            within[first : last + 1, place] = ends_s[last] - codes.time_s[first] >= shortest_s - 1e-9
    return within


def _segments(codes: FaceCodes, place: int) -> list[Run]:
    """Return the runs of frames, without a gap, in which an AU is known."""
    known = codes.success & (codes.occurrence[:, place] >= 0)
    return _runs(known, codes.follows)


def _runs(mask: NDArray[np.bool_], joined: NDArray[np.bool_] | None = None) -> list[Run]:
    """Return the runs of true places; joined: (N − 1,) whether a place and the next may belong to one run."""
    if not mask.any():
        return []
    places = np.flatnonzero(mask)
    breaks = np.diff(places) != 1
    if joined is not None:
        breaks |= ~joined[places[:-1]]
    starts = np.concatenate([[0], np.flatnonzero(breaks) + 1])
    stops = np.concatenate([np.flatnonzero(breaks), [len(places) - 1]])
    return [(int(places[a]), int(places[b])) for a, b in zip(starts, stops, strict=True)]


def _in_segment(
    codes: FaceCodes, place: int, segment: Run, ends_s: NDArray[np.float64], rules: Rules
) -> Iterator[Event]:
    first, last = segment
    runs = [(first + a, first + b) for a, b in _present(codes, place, slice(first, last + 1), rules)]
    for begin, end in _bridged(runs, codes.time_s, ends_s, rules.bridge_s):
        if ends_s[end] - codes.time_s[begin] < rules.shortest_s - 1e-9:
            continue
        peak = _peak(codes, place, begin, end)
        strength = codes.intensity[begin : end + 1, place]
        yield Event(
            codes.input,
            codes.subject,
            codes.aus[place],
            float(codes.time_s[begin]),
            float(ends_s[end]),
            intensity=None if np.isnan(strength).all() else float(np.nanmax(strength)),
            where=f"frame {codes.frame[begin]}",
            face=codes.face,
            apex_s=None if peak is None else float(codes.time_s[peak]),
            cut=_cut(begin == first, end == last),
        )


def _present(codes: FaceCodes, place: int, rows: slice, rules: Rules) -> list[Run]:
    """Return the runs of frames in which an AU is present, within `rows`, before short interruptions are bridged."""
    if rules.on is None:
        return _runs(codes.occurrence[rows, place] == 1)
    values = codes.probability[rows, place]
    values = codes.intensity[rows, place] if np.isnan(values).all() else values
    if rules.on > 1 and not np.isnan(codes.probability[rows, place]).all():
        raise InputError(f"--on {rules.on:g} is over 1, and these codes have probabilities", remedy="Give 0 to 1")
    high = np.nan_to_num(values, nan=-1.0)
    above = _runs(high >= (rules.on if rules.off is None else rules.off))
    reached = [(begin + np.flatnonzero(high[begin : end + 1] >= rules.on), end) for begin, end in above]
    return [(int(places[0]), end) for places, end in reached if len(places)]


def _bridged(
    runs: Sequence[Run], starts_s: NDArray[np.float64], ends_s: NDArray[np.float64], bridge_s: float
) -> list[Run]:
    joined: list[Run] = []
    for begin, end in runs:
        if joined and starts_s[begin] - ends_s[joined[-1][1]] < bridge_s - 1e-9:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((begin, end))
    return joined


def _peak(codes: FaceCodes, place: int, begin: int, end: int) -> int | None:
    """Return the place of the highest intensity, else probability; None where neither is known."""
    for values in (codes.intensity, codes.probability):
        seen = values[begin : end + 1, place]
        if not np.isnan(seen).all():
            return begin + int(np.nanargmax(seen))
    return None


def _cut(start: bool, end: bool) -> Cut:
    return "both" if start and end else "start" if start else "end" if end else ""
