"""Events as rows of a table, onset and offset in columns: what BIDS and tables of one's own have in common.

Rows of the name `coded` say what was looked at, rows of the name `unknown` where nothing is known; both list their AUs
in `aus`, and reach to the video's end where they have no offset. An event without an offset is a point in time.
"""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

from ...errors import InputError
from ...files import from_cell, to_cell
from ..model import CLOCKS, EVERYTHING, Asked, Clock, Event, EventFile, Fault, Recording, Span, same_name
from ..names import Meaning, Names, intensity_of, letter_of, side_of
from ..sheets import number, seconds

CODED, UNKNOWN = "coded", "unknown"
FIELDS = (
    "onset", "offset", "duration", "au", "side", "intensity", "letter", "apex", "subject", "face", "media", "cut",
    "aus", "clock", "comment",
)  # fmt: skip
"""The columns of a row, in the order they are written in."""
SELDOM = ("aus", "clock", "comment")
"""Columns that are left out where nothing stands in them."""
Row = Mapping[str, str]
_DIGITS = 6  # microseconds: finer than any frame, and still readable
_MARKED = "marked as unknown"
_CUTS = ("", "start", "end", "both")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


def read_rows(
    path: Path,
    what: str,
    rows: Iterable[tuple[str, Row]],
    asked: Asked,
    *,
    media: str,
    subject: str = "",
    clock: Clock = "media",
    listed: Iterable[int] = (),
) -> EventFile:
    """Return the events of `rows` (the place of each, and its cells by FIELDS, "" or absent where untold).

    media, subject, clock: where rows tell none. listed: AUs that the coders had on their list. Raises InputError where
    rows count their times from different starts.
    """
    read = _Reading(asked, media, subject)
    clocks: set[str] = set()
    for where, row in rows:
        clocks.update(filter(None, (_text(row, "clock"),)))
        read.add(where, row)
    if not clocks <= set(CLOCKS) or len(clocks) > 1:
        raise InputError(
            f"has a clock of {', '.join(sorted(clocks))}", path=path, remedy=f"Write one of {', '.join(CLOCKS)}"
        )
    events, overlaps = _without_overlaps(read.events)
    spans = [*read.coded, *(fault.span for fault in (*read.faults, *overlaps) if fault.span)]
    aus = frozenset({*listed, *(event.au for event in read.events), *(au for span in spans for au in span.aus or ())})
    coded = tuple(replace(span, aus=None) if span.aus == aus else span for span in read.coded)
    if asked.coded == EVERYTHING:
        coded = tuple(Span(name, "", 0.0, math.inf) for name in read.media)
    return EventFile(
        path,
        what,
        tuple(sorted(aus)),
        events,
        coded,
        (*read.faults, *overlaps),
        dict(read.unmapped),
        tuple(Recording(name) for name in read.media),
        cast(Clock, clocks.pop()) if clocks else clock,
        _notes(coded, events),
    )


def rows_of(file: EventFile) -> list[dict[str, str]]:
    """Return the rows that `read_rows` makes the events, coded stretches and unknown ones of `file` from.

    By video and onset; cells by FIELDS, "" where there is nothing to tell. The comment of coded stretches holds the
    file's notes, such as what counts as an event. Times are in seconds, to the microsecond.
    """
    rows: list[tuple[tuple[str, float, int], dict[str, str]]] = []
    made_by = _named("; ".join(file.notes))
    for span in file.coded:
        rows.append(((span.media, span.onset_s, 0), {**_span_row(CODED, span, file.aus), "comment": made_by}))
    for fault in file.faults:
        if fault.span is not None:
            row = {**_span_row(UNKNOWN, fault.span, file.aus), "comment": _named(fault.problem)}
            rows.append(((fault.span.media, fault.span.onset_s, 1), row))
    for event in file.events:
        rows.append(((event.media, event.onset_s, 2 + event.au), _event_row(event)))
    clock = "" if file.clock == "media" else file.clock
    return [{**row, "clock": clock} for _, row in sorted(rows, key=lambda keyed: keyed[0])]


def to_text(columns: Sequence[str], rows: Iterable[Mapping[str, str]], mark: str) -> str:
    """Return a table as text, its cells by column, with `mark` between them."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=mark, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(name, "") for name in columns] for row in rows)
    return text.getvalue()


@dataclass
class _Reading:
    """What was read so far."""

    asked: Asked
    default_media: str
    default_subject: str
    events: list[Event] = field(default_factory=list)
    coded: list[Span] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    unmapped: Counter[str] = field(default_factory=Counter)
    media: dict[str, None] = field(default_factory=dict)

    def add(self, where: str, row: Row) -> None:
        """Take in a row."""
        media = from_cell(_text(row, "media")) or self.default_media
        subject = from_cell(_text(row, "subject")) or self.default_subject
        self.media.setdefault(media)
        stretch = _stretch(row)
        name = from_cell(_text(row, "au"))
        face, face_told = _face(row)
        span = Span(media, subject, stretch.low, stretch.high, None, face)
        if not face_told:
            self._fault(where, f"face {_text(row, 'face')!r} is no number of a face", span)
        elif self.asked.marks_coded(name) or (same_name(name, CODED) and not self.asked.names.knows(name)):
            self._add_span(where, row, stretch, span, is_coded=True)
        elif same_name(name, UNKNOWN) and not self.asked.names.knows(name):
            self._add_span(where, row, stretch, span, is_coded=False)
        elif not name:
            self._fault(where, "has no AU", span)
        else:
            self._add_events(where, row, stretch, span, name)

    def _add_span(self, where: str, row: Row, stretch: "_Stretch", span: Span, *, is_coded: bool) -> None:
        text = from_cell(_text(row, "aus"))
        aus = frozenset(meaning.au for meaning in Names().of(text)) if text else None
        if aus is not None and not aus:
            self._fault(where, f"aus {text!r} are no AUs", None if is_coded else span)
        elif stretch.problem:
            self._fault(where, stretch.problem, None if is_coded else replace(span, aus=aus))
        elif is_coded:
            self.coded.append(replace(span, aus=aus))
        else:
            self._fault(where, from_cell(_text(row, "comment")) or _MARKED, replace(span, aus=aus))

    def _add_events(self, where: str, row: Row, stretch: "_Stretch", span: Span, name: str) -> None:
        meanings = self.asked.names.of(name)
        if not meanings:
            if not self.asked.names.knows(name):
                self.unmapped[name] += 1
            return
        if stretch.problem:
            self._fault(where, stretch.problem, replace(span, aus=frozenset(meaning.au for meaning in meanings)))
            return
        for meaning in meanings:
            self.events.append(self._event(where, row, stretch, span, meaning))

    def _event(self, where: str, row: Row, stretch: "_Stretch", span: Span, meaning: Meaning) -> Event:
        """Return an event; a detail of it that cannot be read is left out, with a fault."""
        side_text, level_text = _text(row, "side"), _text(row, "intensity") or _text(row, "letter")
        side, level = side_of(side_text), intensity_of(level_text)
        if side_text and side is None:
            self._fault(where, f"side {side_text!r} is neither left, right nor both: left out")
        if level_text and level is None:
            self._fault(where, f"intensity {level_text!r} is neither A to E nor 0 to 5: left out")
        cut = _text(row, "cut").casefold()
        if cut not in _CUTS:
            self._fault(where, f"cut {cut!r} is neither start, end nor both: left out")
            cut = ""
        apex_text = _text(row, "apex")
        apex = seconds(apex_text)
        end = stretch.offset if stretch.offset is not None else stretch.onset
        if apex_text and (apex is None or not stretch.onset <= apex <= end):
            self._fault(where, f"apex {apex_text!r} is no time between onset and offset: left out")
            apex = None
        return Event(
            span.media,
            span.subject,
            meaning.au,
            stretch.onset,
            stretch.offset,
            side or meaning.side,
            level if level is not None else meaning.intensity,
            where,
            span.face,
            apex,
            cast(Literal["", "start", "end", "both"], cut),
        )

    def _fault(self, where: str, problem: str, span: Span | None = None) -> None:
        self.faults.append(Fault(problem, where, span))


@dataclass(frozen=True)
class _Stretch:
    """A row's times. problem: why they cannot be used, "" for none. low, high: what they can lie between."""

    onset: float
    offset: float | None
    low: float
    high: float
    problem: str = ""


def _stretch(row: Row) -> _Stretch:
    """Return the times of a row: its offset, or else its onset and duration; a duration of 0 is a point in time."""
    texts = {name: _text(row, name) for name in ("onset", "offset", "duration")}
    onset, offset, duration = (seconds(text) for text in texts.values())
    if onset is None:
        problem = f"onset {texts['onset']!r} is no time" if texts["onset"] else "has no onset"
        return _Stretch(0.0, None, 0.0, math.inf if offset is None else offset, problem)
    for name, value in (("offset", offset), ("duration", duration)):
        if texts[name] and value is None and not (name == "duration" and texts["offset"]):
            return _Stretch(onset, None, onset, math.inf, f"{name} {texts[name]!r} is no time")
    if not texts["offset"] and duration:
        offset = round(onset + duration, _DIGITS)
    if offset is not None and offset < onset:
        return _Stretch(onset, offset, offset, onset, f"ends at {offset:g} s, before it begins at {onset:g} s")
    high = math.inf if offset is None else offset
    if onset < 0:
        return _Stretch(onset, offset, onset, high, f"begins before the video, at {onset:g} s")
    return _Stretch(onset, offset, onset, high)


def _face(row: Row) -> tuple[int | None, bool]:
    """Return the face of a row, and whether its cell could be read."""
    text = _text(row, "face")
    value = number(text)
    if not text:
        return None, True
    return (int(value), True) if value is not None and value >= 0 and value % 1 == 0 else (None, False)


def _without_overlaps(events: list[Event]) -> tuple[tuple[Event, ...], tuple[Fault, ...]]:
    """Return the events, in their order, that overlap no earlier one of the same AU, and a fault for each other."""
    faults = []
    kept: set[int] = set()
    last: dict[tuple[object, ...], Event] = {}
    for place in sorted(range(len(events)), key=lambda place: (events[place].onset_s, place)):
        event = events[place]
        key = (event.media, event.subject, event.face, event.au, event.side)
        before = last.get(key)
        if before is not None and (event.onset_s < _end(before) or event.onset_s == before.onset_s):
            span = Span(event.media, event.subject, event.onset_s, _end(event), frozenset({event.au}), event.face)
            faults.append(Fault(f"AU{event.au} overlaps that of {before.where}", event.where, span))
            continue
        kept.add(place)
        last[key] = event
    return tuple(events[place] for place in sorted(kept)), tuple(faults)


def _end(event: Event) -> float:
    return event.onset_s if event.offset_s is None else event.offset_s


def _notes(coded: tuple[Span, ...], events: tuple[Event, ...]) -> tuple[str, ...]:
    if not coded or any(span.aus is None for span in coded):
        return ()
    covered = {au for span in coded for au in span.aus or ()}
    missed = sorted({event.au for event in events} - covered)
    names = ", ".join(f"AU{au}" for au in missed)
    return (f"{names}: has events, but no row {CODED} lists it in aus",) if missed else ()


def _event_row(event: Event) -> dict[str, str]:
    level = event.intensity
    return {
        "onset": _number(event.onset_s),
        "offset": _number(event.offset_s),
        "duration": "" if event.offset_s is None else _length(event.onset_s, event.offset_s),
        "au": f"AU{event.au}",
        "side": event.side or "",
        "intensity": _number(level),
        "letter": letter_of(level) if level else "",
        "apex": _number(event.apex_s),
        "subject": _named(event.subject),
        "face": "" if event.face is None else str(event.face),
        "media": _named(event.media),
        "cut": event.cut,
    }


def _span_row(name: str, span: Span, aus: tuple[int, ...]) -> dict[str, str]:
    onset = max(span.onset_s, 0.0) if math.isinf(span.onset_s) else span.onset_s
    finite = math.isfinite(span.offset_s)
    return {
        "onset": _number(onset),
        "offset": _number(span.offset_s) if finite else "",
        "duration": _length(onset, span.offset_s) if finite else "",
        "au": name,
        "subject": _named(span.subject),
        "face": "" if span.face is None else str(span.face),
        "media": _named(span.media),
        "aus": "+".join(str(au) for au in sorted(span.aus if span.aus is not None else aus)),
    }


def _length(onset: float, offset: float) -> str:
    """Return a duration that leads from the onset as it is written to the offset as it is written."""
    return _number(round(offset, _DIGITS) - round(onset, _DIGITS))


def _number(value: float | None) -> str:
    """Return a number to the microsecond, without needless zeros."""
    if value is None or math.isnan(value):
        return ""
    text = f"{value:.{_DIGITS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _named(text: str) -> str:
    """Return a name as a cell: on one line, and no formula to a spreadsheet."""
    return to_cell(_CONTROL.sub(" ", text).strip())


def _text(row: Row, name: str) -> str:
    return row.get(name, "").strip()
