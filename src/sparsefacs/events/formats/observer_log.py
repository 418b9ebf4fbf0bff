"""The Observer XT's event log, from whichever file: starts and stops paired, behaviours and modifiers read as AUs."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..collecting import Collected
from ..model import Event, Fault, Span
from ..names import LETTERS, Meaning
from ..values import Told, are_levels, aus_in, told_by

Kind = Literal["start", "stop", "point", ""]
_SAME_S = 0.0015
_DISAGREE_S = 0.05
_RANKS = re.compile(r"intens|level|strength|degree|grade|score|rating|modifier", re.IGNORECASE)
_UNSEEN = re.compile(r"\?|visible|scor|cod|clear|sure", re.IGNORECASE)  # "n/a" may be said of another matter
_LETTERS = LETTERS + "LR"


@dataclass(frozen=True)
class Row:
    """A line of the log. kind: "" where it is none of the known. modifiers: (name of their group or column, value).

    log: an observation may have several, by several coders. time_s: None where it cannot be read.
    """

    media: str
    subject: str
    behaviour: str
    modifiers: tuple[tuple[str, str], ...]
    kind: Kind
    time_s: float | None
    duration_s: float | None
    where: str
    log: str = ""


@dataclass(frozen=True)
class _Stretch:
    """A behaviour from its start to its stop; offset_s None: a point. problem: why its times are bounds, not known."""

    row: Row
    onset_s: float
    offset_s: float | None
    problem: str = ""


def kind_of(text: str) -> Kind:
    """Return the kind of a row that Observer calls "State start", "State stop", "Point" …"""
    plain = text.casefold()
    for word, kind in _KINDS.items():
        if word in plain:
            return kind
    return ""


_KINDS: dict[str, Kind] = {"point": "point", "start": "start", "stop": "stop", "end": "stop"}


def add_rows(found: Collected, rows: Sequence[Row]) -> None:
    """Add the events, coded stretches and faults in `rows`, and the behaviours that are no AU."""
    found.media.extend(name for name in dict.fromkeys(row.media for row in rows) if name not in found.media)
    logs: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        logs[row.media].add(row.log)
    found.notes.extend(
        f"the event logs {', '.join(sorted(own))} of observation {media} are read together"
        for media, own in logs.items()
        if len(own) > 1
    )
    names = found.asked.names
    own_words = {row.behaviour: names.of(row.behaviour) for row in rows}
    levels = _levels(row for row in rows if own_words[row.behaviour])
    other: Counter[str] = Counter()
    for stretch in _paired(rows):
        row = stretch.row
        if any(found.asked.marks_coded(word) for word in (row.behaviour, *(value for _, value in row.modifiers))):
            _add_coded(found, stretch)
            continue
        meanings = own_words[row.behaviour]
        modifiers = row.modifiers
        if not meanings and not names.knows(row.behaviour):
            named = [aus_in(names, value, row.behaviour) for _, value in modifiers]
            meanings = tuple(meaning for some in named for meaning in some)
            modifiers = tuple(one for one, some in zip(modifiers, named, strict=True) if not some)
            if not meanings:
                other[row.behaviour] += 1
        _add_events(found, stretch, meanings, [_told(one, levels) for one in modifiers])
    found.unmapped.update(other)


def _levels(rows: Iterable[Row]) -> dict[str, str]:
    """Return, of each group of modifiers, the signs that are intensities in it: digits, letters, both or none."""
    values: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        for group, value in row.modifiers:
            values[group].add(value.strip().upper())
    return {
        group: ("0123456789" if are_levels(own) and _RANKS.search(group) else "")
        + ("" if any(len(value) == 1 and value.isalpha() and value not in _LETTERS for value in own) else LETTERS)
        for group, own in values.items()
    }


def _told(modifier: tuple[str, str], levels: dict[str, str]) -> Told:
    """Return what a modifier tells of its AU; what it denies may be another matter."""
    group, value = modifier
    told = told_by(value)
    if not told.understood or told.absent or (told.doubtful and not _UNSEEN.search(value)):
        return Told()
    signs = levels.get(group, LETTERS)
    digits = any(sign.isdigit() for sign in value)
    return told if ("0" if digits else "A") in signs else replace(told, intensity=None)


def _add_coded(found: Collected, stretch: _Stretch) -> None:
    row = stretch.row
    if stretch.problem or stretch.offset_s is None:
        problem = stretch.problem or "is a point in time"
        found.faults.append(Fault(f"{row.behaviour!r} {problem}: it is not taken as coded", row.where))
    else:
        found.add_coded(Span(row.media, row.subject, stretch.onset_s, stretch.offset_s), row.where)


def _add_events(found: Collected, stretch: _Stretch, meanings: Iterable[Meaning], told: Sequence[Told]) -> None:
    row = stretch.row
    for meaning in meanings:
        event = Event(
            row.media,
            row.subject,
            meaning.au,
            stretch.onset_s,
            stretch.offset_s,
            next((one.side for one in told if one.side), meaning.side),
            next((one.intensity for one in told if one.intensity), meaning.intensity),
            row.where,
        )
        if stretch.problem:
            found.fault(f"AU{meaning.au} {stretch.problem}", event)
        elif any(one.doubtful for one in told):
            found.fault(f"AU{meaning.au}: a modifier says that it is not known", event)
        else:
            found.add(event)


def _paired(rows: Iterable[Row]) -> Iterator[_Stretch]:
    """Yield the stretches of each behaviour of each person, in the order of the log."""
    by_kind: defaultdict[tuple[str, str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_kind[row.media, row.log, row.subject, row.behaviour.casefold()].append(row)
    for own in by_kind.values():
        timed = [(row.time_s, row) for row in own if row.time_s is not None]
        yield from (_Stretch(row, 0.0, math.inf, "has no time that can be read") for row in own if row.time_s is None)
        yield from _in_order(sorted(timed, key=lambda pair: pair[0]))


def _in_order(timed: Sequence[tuple[float, Row]]) -> Iterator[_Stretch]:
    """Yield the stretches of one behaviour of one person, its rows in order of time."""
    begun: tuple[float, Row] | None = None
    ended_s = 0.0
    waiting = list(timed)
    while waiting:
        time_s, row = waiting.pop(0) if begun is None else waiting.pop(_stop_beside(waiting))
        if row.kind == "start":
            if begun is not None:
                yield _closed(*begun, time_s)
            begun = time_s, row
        elif row.kind == "stop":
            if begun is not None:
                yield _stopped(*begun, time_s)
            elif abs(time_s - ended_s) > _SAME_S:
                yield _Stretch(row, ended_s, time_s, "stops without a start")
            begun, ended_s = None, time_s
        elif row.kind == "point":
            yield _Stretch(row, time_s, None)
        elif row.duration_s:
            yield _closed(time_s, row, math.inf)
        else:
            yield _Stretch(row, time_s, math.inf, "is neither start, stop nor point")
    if begun is not None:
        yield _closed(*begun, math.inf)


def _stop_beside(waiting: Sequence[tuple[float, Row]]) -> int:
    """Return the place of the row to take next while a behaviour goes on: of those at one time, its stop."""
    first_s = waiting[0][0]
    for place, (time_s, row) in enumerate(waiting):
        if time_s != first_s:
            break
        if row.kind == "stop":
            return place
    return 0


def _closed(time_s: float, row: Row, until_s: float) -> _Stretch:
    """Return the stretch of a start without a stop: as long as it says, else not known."""
    if row.duration_s is not None and row.duration_s >= 0:
        return _Stretch(row, time_s, time_s + row.duration_s)
    if row.duration_s is not None:
        return _Stretch(row, time_s + row.duration_s, time_s, f"has a negative duration, {row.duration_s:g} s")
    next_s = "" if math.isinf(until_s) else f" before it starts again at {until_s:g} s"
    return _Stretch(row, time_s, until_s, f"starts at {time_s:g} s and does not stop{next_s}")


def _stopped(time_s: float, row: Row, stop_s: float) -> _Stretch:
    """Return the stretch from a start to its stop, which its duration must not contradict."""
    if row.duration_s is not None and abs(time_s + row.duration_s - stop_s) > _DISAGREE_S:
        last_s = max(stop_s, time_s + row.duration_s)
        return _Stretch(row, time_s, last_s, f"stops at {stop_s:g} s, but is said to last {row.duration_s:g} s")
    return _Stretch(row, time_s, stop_s)
