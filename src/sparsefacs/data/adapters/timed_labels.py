"""Labels given by time, and the frames they belong to.

One rule everywhere: a time belongs to the frame shown at it, which is the last frame that begins no later. Times are
often written to the millisecond, so that one up to a millisecond before a frame begins belongs to that frame. A
stretch of time reaches from the frame shown at its onset up to, and without, the frame shown at its offset, and is at
least one frame.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...events.model import Clock, Event, Span
from ..store import UNLABELLED
from .plan import FaceLabel

TOLERANCE_S = 0.001
_NONE = np.zeros(0, np.intp)
_LATE_S = 0.5  # players and recorders differ in where a video ends


@dataclass(frozen=True)
class LabelsAtTimes:
    """Labels of single moments: times (N,) seconds, rising, and a label each."""

    times: tuple[float, ...]
    labels: tuple[FaceLabel, ...]
    clock: Clock = "first-frame"

    def at(self, start_s: float, end_s: float) -> tuple[FaceLabel, ...]:
        """Return the labels of the frame shown from `start_s` until `end_s`."""
        slack = _slack(start_s, end_s)
        return self.labels[bisect_left(self.times, start_s - slack) : bisect_left(self.times, end_s - slack)]

    def outside(self, start_s: float, end_s: float) -> Iterator[str]:
        """Yield the moments at which the video shows no frame."""
        for seconds in self.times:
            if seconds < start_s - TOLERANCE_S or seconds >= end_s:
                yield f"labelled at {seconds:g} s, where the video has no frame"

    def as_json(self) -> list[Any]:
        """Return the labels as JSON, to be hashed."""
        return [self.clock, [[time, label.as_json()] for time, label in zip(self.times, self.labels, strict=True)]]


@dataclass(frozen=True)
class Stretches:
    """Stretches of time of one AU: onsets (N,) rising and offsets (N,), seconds; NaN offset: one frame.

    intensity: (N,) 0–5, NaN where untold. where: place of each in its file.
    """

    onset: NDArray[np.float64]
    offset: NDArray[np.float64]
    intensity: NDArray[np.float64]
    where: tuple[str, ...]

    def at(self, start_s: float, end_s: float) -> NDArray[np.intp]:
        """Return which stretches the frame shown from `start_s` until `end_s` lies in."""
        slack = _slack(start_s, end_s)
        begun = self.onset + slack < end_s
        ends = np.where(np.isnan(self.offset), -np.inf, self.offset)
        on = begun & ((ends + slack >= end_s) | (self.onset >= start_s - slack))
        found: NDArray[np.intp] = np.flatnonzero(on)
        return found

    def over(self, start_s: NDArray[np.float64], end_s: NDArray[np.float64]) -> Iterator[tuple[slice, float]]:
        """Yield the frames, of those shown from `start_s` until `end_s` (both rising), and intensity of each stretch.

        These are the frames for which `at` returns it.
        """
        slack = np.minimum(TOLERANCE_S, 0.25 * (end_s - start_s))
        begins, ends = start_s - slack, end_s - slack
        first = np.searchsorted(ends, self.onset, "right")
        offset = np.where(np.isnan(self.offset), -np.inf, self.offset)
        stop = np.searchsorted(ends, offset, "right")
        shown = first < len(ends)
        shown[shown] = begins[first[shown]] <= self.onset[shown]  # else the onset lies in a gap before that frame
        stop = np.maximum(stop, first + shown)
        for start, end, strength in zip(first.tolist(), stop.tolist(), self.intensity.tolist(), strict=True):
            yield slice(start, end), strength


@dataclass(frozen=True)
class LabelsInStretches:
    """Labels of stretches: where a stretch of an AU was looked at, it is present inside its events, absent elsewhere.

    aus: order of the labels. events, coded, unknown: by AU; what lies outside `coded`, or inside `unknown`, has no
    label. Intensity is told inside events that have one, and is 0 outside all events of an AU some of whose have one.
    """

    aus: tuple[int, ...]
    events: Mapping[int, Stretches]
    coded: Mapping[int, tuple[tuple[float, float], ...]]
    unknown: Mapping[int, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    clock: Clock = "media"
    face: int | None = None

    def at(self, start_s: float, end_s: float) -> tuple[FaceLabel, ...]:
        """Return the label of the frame shown from `start_s` until `end_s`; none where nobody looked."""
        occurrence = np.full(len(self.aus), UNLABELLED, np.int8)
        intensity = np.full(len(self.aus), np.nan, np.float32)
        for place, au in enumerate(self.aus):
            if not self._looked_at(au, start_s, end_s):
                continue
            found = self.events[au].at(start_s, end_s) if au in self.events else _NONE
            occurrence[place] = int(len(found) > 0)
            if au in self.events:
                intensity[place] = _strength(self.events[au].intensity, found)
        if (occurrence == UNLABELLED).all():
            return ()
        return (FaceLabel(occurrence, intensity, self.face),)

    def over(
        self, start_s: NDArray[np.float64], end_s: NDArray[np.float64]
    ) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
        """Return the labels of the frames shown from `start_s` until `end_s` (N,), both rising: as `at`, all at once.

        Occurrence (N, A) is −1 and intensity (N, A) NaN where nobody looked.
        """
        occurrence = np.full((len(start_s), len(self.aus)), UNLABELLED, np.int8)
        intensity = np.full(occurrence.shape, np.nan)
        moment = start_s + np.minimum(TOLERANCE_S, 0.25 * (end_s - start_s))
        for place, au in enumerate(self.aus):
            known = _within(moment, moment, self.coded.get(au, ()), touching=True)
            known &= ~_within(start_s, end_s, self.unknown.get(au, ()), touching=False)
            events = self.events.get(au)
            told = events is not None and not np.isnan(events.intensity).all()
            present, strength = np.zeros(len(start_s), bool), np.full(len(start_s), np.nan)
            for frames, level in events.over(start_s, end_s) if events is not None else ():
                present[frames] = True
                strength[frames] = np.fmax(strength[frames], level)
            if told:
                strength[~present] = 0.0
            occurrence[known, place] = present[known]
            intensity[known, place] = strength[known]
        return occurrence, intensity

    def _looked_at(self, au: int, start_s: float, end_s: float) -> bool:
        moment = start_s + _slack(start_s, end_s)
        if not any(onset <= moment < offset for onset, offset in self.coded.get(au, ())):
            return False
        return not any(onset < end_s and start_s < offset for onset, offset in self.unknown.get(au, ()))

    def outside(self, start_s: float, end_s: float) -> Iterator[str]:
        """Yield the events that lie beyond the video, or go on beyond its end."""
        for au, events in self.events.items():
            for onset, offset, where in zip(events.onset, events.offset, events.where, strict=True):
                last = onset if math.isnan(offset) else offset
                if onset >= end_s or last < start_s:
                    yield f"{where}: AU{au} from {onset:g} s lies outside the video, {start_s:g} to {end_s:g} s"
                elif last > end_s + _LATE_S:
                    yield f"{where}: AU{au} from {onset:g} s ends at {last:g} s, after the video does, {end_s:g} s"

    def as_json(self) -> list[Any]:
        """Return the labels as JSON, to be hashed."""
        events = [
            [au, [[a, None if math.isnan(b) else b, None if math.isnan(c) else c] for a, b, c in _rows(stretches)]]
            for au, stretches in sorted(self.events.items())
        ]
        spans = [[au, [list(span) for span in told]] for au, told in sorted(self.coded.items())]
        unknown = [[au, [list(span) for span in told]] for au, told in sorted(self.unknown.items())]
        return [self.clock, self.face, list(self.aus), events, repr(spans), repr(unknown)]


def _within(
    start_s: NDArray[np.float64],
    end_s: NDArray[np.float64],
    spans: Sequence[tuple[float, float]],
    *,
    touching: bool,
) -> NDArray[np.bool_]:
    """Return which frames (N,) lie in any of the spans; touching: also where one begins just as the frame ends."""
    inside = np.zeros(len(start_s), bool)
    for onset, offset in spans:
        inside |= (start_s < offset) & ((onset <= end_s) if touching else (onset < end_s))
    return inside


def _strength(told: NDArray[np.float64], found: NDArray[np.intp]) -> float:
    """Return the intensity of a frame inside the events `found`: NaN where they tell none, 0 where there is no event.

    Where no event of the AU tells an intensity, silence tells none either.
    """
    known = told[found][~np.isnan(told[found])] if len(found) else told[~np.isnan(told)]
    if not len(known):
        return math.nan
    return float(known.max()) if len(found) else 0.0


def _rows(events: Stretches) -> Iterator[tuple[float, float, float]]:
    return zip(events.onset.tolist(), events.offset.tolist(), events.intensity.tolist(), strict=True)


def _slack(start_s: float, end_s: float) -> float:
    """Return how long before a frame begins a time still belongs to it: less where frames are very short."""
    return min(TOLERANCE_S, 0.25 * (end_s - start_s))


def stretches_by_au(events: Iterable[Event]) -> dict[int, Stretches]:
    """Return events as stretches of each AU, by onset."""
    by_au: defaultdict[int, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: (event.onset_s, event.au)):
        by_au[event.au].append(event)
    return {
        au: Stretches(
            np.array([event.onset_s for event in own]),
            np.array([math.nan if event.offset_s is None else event.offset_s for event in own]),
            np.array([math.nan if event.intensity is None else event.intensity for event in own]),
            tuple(event.where for event in own),
        )
        for au, own in sorted(by_au.items())
    }


def spans_by_au(spans: Iterable[Span], aus: tuple[int, ...]) -> dict[int, tuple[tuple[float, float], ...]]:
    """Return spans as onsets and offsets of each AU; a span of no AU in particular is of all `aus`."""
    by_au: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
    for span in spans:
        for au in set(aus) if span.aus is None else span.aus & set(aus):
            by_au[au].append((span.onset_s, span.offset_s))
    return {au: tuple(sorted(own)) for au, own in sorted(by_au.items())}
