"""`sparsefacs agreement`: how far two coders, or a coder and codes, say the same of the same people and moments."""

import functools
import operator
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import refuse_existing
from ..metrics.agreement import (
    COEFFICIENTS,
    PeopleTallies,
    Tally,
    frame_table,
    level_table,
    match_events,
    moments,
)
from ..metrics.bootstrap import FEWEST_PEOPLE, interval, mean_over_aus, resampled
from ..metrics.ratios import ratio
from ..metrics.scores import RESAMPLES
from ..row_files import Cell, check_table_path, open_rows
from .coded_tables import FaceCodes
from .codings import Coding, Side, read_side
from .finding import Rules, find_events, in_long_stretches
from .matching import Sampled, match, sample
from .model import Asked

Floats = NDArray[np.float64]
"""People, from whom on intervals are given."""
_AS_THEY_STAND = Rules(bridge_s=0.0, shortest_s=0.0)
_COLUMNS = {
    "au": "string", "coefficient": "string", "value": "float64", "low": "float64", "high": "float64",
    "frames": "int32", "videos": "int32", "people": "int32", "events_a": "int32", "events_b": "int32",
    "undefined": "string",
}  # fmt: skip


@dataclass(frozen=True)
class Matching:
    """How events match: onsets at most so many seconds apart, common time at least this share of what both cover."""

    onset_tolerance_s: float = 0.5
    overlap: float = 0.5
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        if not self.onset_tolerance_s >= 0:
            raise InputError("--onset is a time in seconds", remedy="Give 0 or more")
        if not 0 <= self.overlap <= 1:
            raise InputError("--overlap is a share", remedy="Give 0 to 1")

    @property
    def words(self) -> str:
        """The rule in a sentence."""
        rules = self.rules
        return (
            f"events match whose onsets are at most {self.onset_tolerance_s:g} s apart and whose common time is at "
            f"least {100 * self.overlap:g} % of the time that either covers; an event is a run of frames with the AU; "
            f"in codes of a program, interruptions of less than {rules.bridge_s:g} s are bridged and events of less "
            f"than {rules.shortest_s:g} s left out, and with them what both coded for less time"
        )


@dataclass(frozen=True)
class Figure:
    """A coefficient's value and 95 % interval, NaN where there is none, and why the value is undefined."""

    value: float
    low: float
    high: float
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {key: value for key, value in vars(self).items() if key != "why" or value}


@dataclass(frozen=True)
class Agreement:
    """What `compare` found.

    aus: of both. figures: by AU, and the mean over those AUs that have a value under None, each by name of
    `metrics.agreement.COEFFICIENTS`. frames: of each AU, coded by both. events: of each AU, A's and B's. notes: how
    files were read, what was left out, and rules.
    """

    a: Side
    b: Side
    aus: tuple[int, ...]
    figures: dict[int | None, dict[str, Figure]]
    frames: dict[int, int]
    events: dict[int, tuple[int, int]]
    videos: int
    people: int
    common: int
    only_a: int
    only_b: int
    alone: tuple[str, ...]
    intervals: str
    notes: tuple[str, ...]
    rule: str

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "a": {"path": str(self.a.path), "what": self.a.what},
            "b": {"path": str(self.b.path), "what": self.b.what},
            "aus": list(self.aus),
            "videos": self.videos,
            "people": self.people,
            "frames": {"both": self.common, "only_a": self.only_a, "only_b": self.only_b},
            "unmatched": list(self.alone),
            "intervals": self.intervals,
            "event_rule": self.rule,
            "notes": list(self.notes),
            "per_au": {
                str(au): {"frames": self.frames[au], "events_a": self.events[au][0], "events_b": self.events[au][1]}
                | {name: figure.as_json() for name, figure in self.figures[au].items()}
                for au in self.aus
            },
            "mean": {name: figure.as_json() for name, figure in self.figures[None].items()},
        }

    @property
    def undefined(self) -> list[str]:
        """What is undefined, a line a reason and AUs."""
        by_reason: dict[tuple[str, int], list[str]] = {}
        for au in self.aus:
            for name, figure in self.figures[au].items():
                if figure.why:
                    by_reason.setdefault((figure.why, au), []).append(COEFFICIENTS[name].title)
        merged: dict[tuple[str, str], list[int]] = {}
        for (why, au), names in by_reason.items():
            merged.setdefault((", ".join(names), why), []).append(au)
        return [f"{names} of {', '.join(f'AU{au}' for au in aus)}: {why}" for (names, why), aus in merged.items()]

    def write(self, out: Path) -> None:
        """Write a row an AU and coefficient, and the means, to a CSV or Parquet file."""
        with open_rows(out, _COLUMNS) as table:
            for au, figures in self.figures.items():
                counts: list[Cell] = [None] * 5
                if au is not None:
                    counts = [self.frames[au], self.videos, self.people, *self.events[au]]
                for name, figure in figures.items():
                    numbers = [None if np.isnan(x) else round(x, 6) for x in (figure.value, figure.low, figure.high)]
                    table.write([f"AU{au}" if au is not None else "mean", name, *numbers, *counts, figure.why or None])


def compare(
    a: Path,
    b: Path,
    *,
    asked: Asked | None = None,
    asked_b: Asked | None = None,
    matching: Matching | None = None,
    fps: float | None = None,
    first_frame: int | None = None,
    main_face: bool = False,
    out: Path | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Agreement:
    """Return how far A and B agree: codes, files of events, tables of labels, or folders of them.

    asked, asked_b: how to read files of events; B's as A's where it is None. fps: compare at so many frames a second,
    not at the codes' own frames. first_frame, main_face: as of `read_side` and `match`. out: also write the
    coefficients there. Raises InputError where nothing is common to both, and for an `out` that exists.
    """
    if fps is not None and not 0 < fps < np.inf:
        raise InputError(f"--fps {fps:g} is not possible", remedy="Say how many frames a second, such as 25")
    if out is not None:
        check_table_path(out, "coefficients")
        refuse_existing(out)
    matching = matching or Matching()
    asked = asked or Asked()
    sides = [read_side(path, how, first_frame=first_frame) for path, how in ((a, asked), (b, asked_b or asked))]
    aus = tuple(au for au in sides[0].aus if au in sides[1].aus)
    if not aus:
        told = " and B ".join(",".join(map(str, side.aus)) for side in sides)
        raise InputError("no AU is coded by both", path=a, remedy=f"A codes {told}")
    pairs, alone = match(sides[0].codings, sides[1].codings, main_face=main_face)
    if not pairs:
        raise InputError(
            "has no person or video in common with B",
            path=a,
            remedy=alone[0].line + (f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""),
        )
    agreement = _agreement(sides[0], sides[1], aus, pairs, matching, fps, resamples, seed)
    agreement = replace(agreement, alone=tuple(row.line for row in alone))
    if out is not None:
        agreement.write(out)
    return agreement


def _agreement(
    a: Side,
    b: Side,
    aus: tuple[int, ...],
    pairs: Iterable[tuple[Coding, Coding]],
    matching: Matching,
    fps: float | None,
    resamples: int,
    seed: int,
) -> Agreement:
    people: dict[str, Tally] = {}
    videos: set[str] = set()
    notes = [f"{name}: {note}" for name, side in (("A", a), ("B", b)) for note in side.notes]
    notes += [*_only_aus(a, b), *_clocks(a, b)]
    common = only_a = only_b = 0
    timed = False
    for one, two in pairs:
        sampled = sample(one, two, aus, fps=fps)
        only_a, only_b = only_a + sampled.only_a, only_b + sampled.only_b
        notes += [sampled.note] if sampled.note else []
        if not len(sampled.a.frame):
            notes.append(f"{sampled.video}: no frame is coded by both")
            continue
        rules = [matching.rules if coding.predicted else _AS_THEY_STAND for coding in (one, two)]
        tally = tally_of(sampled, (rules[0], rules[1]), matching)
        people[sampled.subject] = people[sampled.subject] + tally if sampled.subject in people else tally
        timed |= _timed(sampled.a)
        videos.add(sampled.video)
        common += len(sampled.a.frame)
    if not common:
        raise InputError("has no frame that B codes too", path=a.path, remedy="Do both code the same stretch of time?")
    total = functools.reduce(operator.add, people.values())
    if not timed:
        total = replace(total, events=np.full_like(total.events, np.nan))
    few = len(people) < FEWEST_PEOPLE
    intervals = f"from {resamples} resamples of {len(people)} people"
    if few:
        intervals = f"too few people ({len(people)}) for intervals: {FEWEST_PEOPLE} are needed"
    draws = total.values()
    drawn = {name: value[None] for name, value in draws.items()} if few else _drawn(people, resamples, seed, total)
    events = np.nan_to_num(total.events[:, 1:]).astype(int).tolist()
    return Agreement(
        a,
        b,
        aus,
        _figures(aus, drawn, total, len(people)),
        dict(zip(aus, total.table.sum(axis=(1, 2)).astype(int).tolist(), strict=True)),
        {au: (own[0], own[1]) for au, own in zip(aus, events, strict=True)},
        len(videos),
        len(people),
        common,
        only_a,
        only_b,
        (),
        intervals,
        tuple(notes),
        matching.words,
    )


def _drawn(people: dict[str, Tally], resamples: int, seed: int, total: Tally) -> dict[str, Floats]:
    """Return each coefficient (1 + resamples, A) of all people and of resamples of them."""
    drawn = resampled(PeopleTallies(list(people.values())), resamples, seed)
    point = total.values()
    return {name: np.where(np.isnan(point[name]), np.nan, values) for name, values in drawn.items()}


def _figures(
    aus: tuple[int, ...], drawn: dict[str, Floats], total: Tally, people: int
) -> dict[int | None, dict[str, Figure]]:
    alone = [total.of_au(place) for place in range(len(aus))]
    figures: dict[int | None, dict[str, Figure]] = {au: {} for au in aus}
    figures[None] = {}
    for name, values_RA in drawn.items():
        for place, au in enumerate(aus):
            value = float(values_RA[0, place])
            why = COEFFICIENTS[name].why(alone[place]) if np.isnan(value) else ""
            figures[au][name] = Figure(value, *interval(values_RA[1:, place], people), why)
        means = mean_over_aus(values_RA)
        why = "no AU has a value" if np.isnan(means[0]) else ""
        figures[None][name] = Figure(float(means[0]), *interval(means[1:], people), why)
    return figures


def tally_of(sampled: Sampled, rules: tuple[Rules, Rules], matching: Matching) -> Tally:
    """Return the sums of one person in one video; rules: what counts as an event in A and in B."""
    known = (sampled.a.occurrence >= 0) & (sampled.b.occurrence >= 0)
    a, b = (
        replace(side, occurrence=np.where(known, side.occurrence, -1).astype(np.int8))
        for side in (sampled.a, sampled.b)
    )
    shares = [np.full((1, known.shape[1]), np.nan)] * 2
    events = np.zeros((known.shape[1], 3))
    if len(a.frame) > 1:
        weight_N = a.shown_s if _timed(a) else np.ones(len(a.frame))
        shares = [_share_of_time(side.occurrence, weight_N) for side in (a, b)]
        if _timed(a):
            events = _events(a, b, rules, matching)
    return Tally(
        frame_table(a.occurrence, b.occurrence),
        moments(a.intensity, b.intensity),
        *level_table(a.intensity, b.intensity),
        moments(*shares),
        events,
    )


def _timed(codes: FaceCodes) -> bool:
    return len(codes.time_s) > 1 and not np.isnan(codes.time_s).any()


def _share_of_time(occurrence: NDArray[np.int8], weight_N: Floats) -> Floats:
    """Return the share of time (1, A) that each AU is present, NaN where it is never known."""
    whole = weight_N @ (occurrence >= 0)
    return ratio(weight_N @ (occurrence == 1), whole)[None]


def _events(a: FaceCodes, b: FaceCodes, rules: tuple[Rules, Rules], matching: Matching) -> Floats:
    """Return how many events match, A has and B has, (A, 3).

    What both coded in too short a stretch for an event of either, as frames chosen one by one, says nothing of events.
    """
    shortest_s = max(each.shortest_s for each in rules)
    a, b = (
        replace(side, occurrence=np.where(in_long_stretches(side, shortest_s), side.occurrence, -1).astype(np.int8))
        for side in (a, b)
    )
    found: list[dict[int, list[tuple[float, float]]]] = [{au: [] for au in a.aus} for _ in (a, b)]
    for by_au, side, own in zip(found, (a, b), rules, strict=True):
        for event in find_events(side, own):
            by_au[event.au].append((event.onset_s, event.onset_s if event.offset_s is None else event.offset_s))
    counts = np.zeros((len(a.aus), 3))
    for place, au in enumerate(a.aus):
        first, second = (np.array(by_au[au], float).reshape(-1, 2) for by_au in found)
        pairs = match_events(first, second, onset_tolerance_s=matching.onset_tolerance_s, overlap=matching.overlap)
        counts[place] = len(pairs), len(first), len(second)
    return counts


def _only_aus(a: Side, b: Side) -> list[str]:
    """Return a line for the AUs that one side alone codes."""
    return [
        f"only {name} codes {', '.join(f'AU{au}' for au in only)}"
        for name, mine, theirs in (("A", a.aus, b.aus), ("B", b.aus, a.aus))
        if (only := [au for au in mine if au not in theirs])
    ]


def _clocks(a: Side, b: Side) -> list[str]:
    """Return a line where one side's times count from the media file's start, and the other's from the first frame."""
    clocks = [
        {c.stretches.clock if c.stretches is not None else "first-frame" for c in side.codings} for side in (a, b)
    ]
    if clocks[0] == clocks[1]:
        return []
    return [
        f"times of {'A' if 'media' in clocks[0] else 'B'} count from the start of the media file, the other's from the "
        "first frame; in nearly all videos these are the same moment, and they are taken for the same"
    ]
