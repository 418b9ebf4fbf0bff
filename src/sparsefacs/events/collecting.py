"""Gathers what a reader finds in a file; events whose times cannot be so become faults, and unknown stretches."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from .model import EVERYTHING, Asked, Clock, Event, EventFile, Fault, Recording, Span

_SAME_S = 0.0015  # neighbours meet within a rounded millisecond


@dataclass
class Collected:
    """What was found so far. media: the videos, in order. aus: those on the coders' list, beside those in events."""

    path: Path
    what: str
    asked: Asked
    media: list[str] = field(default_factory=list)
    aus: set[int] = field(default_factory=set)
    coded: list[Span] = field(default_factory=list)
    unmapped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    clock: Clock = "media"
    events: list[Event] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _unclosed: list[tuple[Event, str]] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Add an event, or the fault in its times; one without length is a point in time."""
        self.aus.add(event.au)
        end_s = event.onset_s if event.offset_s is None else event.offset_s
        if not (math.isfinite(event.onset_s) and math.isfinite(end_s)):
            self.fault(f"AU{event.au} has no time", event, 0.0, math.inf)
        elif end_s < event.onset_s:
            self.fault(f"AU{event.au} ends at {end_s:g} s, before it begins at {event.onset_s:g} s", event)
        elif event.onset_s < 0:
            self.fault(f"AU{event.au} begins before the video, at {event.onset_s:g} s", event)
        elif end_s == event.onset_s:
            self.events.append(replace(event, offset_s=None))
        else:
            self.events.append(event)

    def add_coded(self, span: Span, where: str) -> None:
        """Add a stretch that was looked at, or the fault in its times."""
        if not math.isfinite(span.onset_s) or math.isnan(span.offset_s):
            self.faults.append(Fault("a coded stretch has no time, and is left out", where))
        elif span.offset_s <= span.onset_s:
            self.faults.append(
                Fault(f"a coded stretch ends at {span.offset_s:g} s, where it begins or before: left out", where)
            )
        else:
            self.coded.append(span)

    def fault(self, problem: str, event: Event, start_s: float | None = None, end_s: float | None = None) -> None:
        """Add the fault of an event, whose labels are unknown from `start_s` to `end_s`, by default in its stretch."""
        self.aus.add(event.au)
        ends = (event.onset_s, event.onset_s if event.offset_s is None else event.offset_s)
        start_s = min(ends) if start_s is None else start_s
        end_s = max(ends) if end_s is None else end_s
        span = Span(event.media, event.subject, start_s, end_s, frozenset({event.au}), event.face)
        self.faults.append(Fault(problem, event.where, span))

    def unclosed(self, event: Event, problem: str) -> None:
        """Add an event that begins and is not seen to end: unknown until the next of its AU and person begins."""
        self.aus.add(event.au)
        self._unclosed.append((event, problem))

    def finish(self, recordings: Sequence[Recording] | None = None) -> EventFile:
        """Return the file of all that was gathered."""
        for event, problem in self._unclosed:
            later = [other.onset_s for other in self.events if _alike(other) == _alike(event)]
            until = min((onset for onset in later if onset > event.onset_s), default=math.inf)
            self.fault(problem, event, max(event.onset_s, 0.0), until)
        self.faults.extend(_overlaps(self.events))
        if self.asked.coded == EVERYTHING:
            self.coded = [Span(name, "", 0.0, math.inf) for name in self.media]
        return EventFile(
            path=self.path,
            what=self.what,
            aus=tuple(sorted(self.aus)),
            events=tuple(sorted(self.events, key=lambda event: (event.media, event.onset_s, event.au))),
            coded=tuple(self.coded),
            faults=tuple(self.faults),
            unmapped=dict(self.unmapped),
            recordings=tuple(recordings or (Recording(name) for name in self.media)),
            clock=self.clock,
            notes=tuple(dict.fromkeys(self.notes)),
        )


def _alike(event: Event) -> tuple[str, str, int | None, int]:
    return event.media, event.subject, event.face, event.au


def _overlaps(events: Iterable[Event]) -> list[Fault]:
    """Return a fault for each event that begins before another of its AU, side and person has ended; both are kept."""
    by_kind: defaultdict[tuple[object, ...], list[Event]] = defaultdict(list)
    for event in events:
        by_kind[*_alike(event), event.side].append(event)
    found: list[Fault] = []
    for own in by_kind.values():
        own.sort(key=lambda event: event.onset_s)
        last = own[0]
        for event in own[1:]:
            end_s = last.onset_s if last.offset_s is None else last.offset_s
            if event.onset_s < end_s - _SAME_S:
                found.append(
                    Fault(
                        f"AU{event.au} from {event.onset_s:g} s overlaps that of {last.where}: both kept", event.where
                    )
                )
            last = max(last, event, key=lambda one: one.onset_s if one.offset_s is None else one.offset_s)
    return found
