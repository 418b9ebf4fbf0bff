"""iMotions' exports of facial expressions: a row a sample, below lines that begin with `#`.

Two engines are known. Affectiva's AFFDEX gives a score of 0 to 100 for movements by names of its own
(`Brow Furrow`); Emotient's FACET, up to version 8, the evidence for each AU, the common logarithm of its odds. The
stimulus that an export names (`SourceStimuliName`) is what the person saw, not the video of the face.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import InputError
from ...events.sheets import first_lines, plain_column
from ...facs import UNITS
from ..store import UNLABELLED
from .columns import LabelTable
from .long_tables import cell_numbers, read_frame

AFFECTIVA = {
    "inner brow raise": 1, "brow raise": 2, "brow furrow": 4, "eye widen": 5, "cheek raise": 6, "lid tighten": 7,
    "nose wrinkle": 9, "upper lip raise": 10, "smile": 12, "dimpler": 14, "lip corner depressor": 15,
    "chin raise": 17, "lip pucker": 18, "lip stretch": 20, "lip press": 24, "mouth open": 25, "jaw drop": 26,
    "lip suck": 28, "eye closure": 43,
}  # fmt: skip
"""AFFDEX's movements that are AUs; `smirk`, either 12 or 14 on one side, is not."""
PRESENT_FROM = 50.0  # half of the scale; no documented bound was found, so that every use of it is told
_EVIDENCE = re.compile(r"au0*(\d+) evidence")
_BARE = re.compile(r"au ?0*\d+")
_ENGINE = re.compile(r"facet|affdex|affectiva|\bfea\b", re.IGNORECASE)
_SOURCES = ("eventsource", "combined event source", "event source")
_STIMULI = ("sourcestimuliname", "stimulusname")
_PEOPLE = ("respondent", "respondent name", "name")
_AGAIN = "Export one respondent's facial expression data from iMotions again"


def recognises(path: Path) -> bool:
    """Say whether the file at `path` looks like an export of iMotions."""
    return any(_is_header([plain_column(cell) for cell in cells]) for cells in first_lines(path))


def read(path: Path) -> LabelTable:
    """Read an export; raises InputError for several respondents in one, and for what is damaged, with its line."""
    frame, above = read_frame(path, _is_header)
    columns = {plain_column(str(name)): str(name) for name in reversed(frame.columns)}
    evidence = {int(found[1]): name for plain, name in columns.items() if (found := _EVIDENCE.fullmatch(plain))}
    scores = {au: columns[name] for name, au in AFFECTIVA.items() if name in columns}
    named = {au: name for au, name in (evidence or scores).items() if au in UNITS}
    if not named:
        bare = next((name for plain, name in columns.items() if _BARE.fullmatch(plain)), None)
        what = f"does not tell what {bare} means, evidence or score" if bare else "has no facial expression data"
        raise InputError(what, path=path, remedy=_AGAIN)
    frame = _samples(frame, columns)
    aus = tuple(sorted(named))
    values = np.stack([_values(frame[named[au]], path, bool(evidence)) for au in aus], axis=1)
    known = np.flatnonzero(~np.isnan(values).all(axis=1))
    frame, values = frame.iloc[known], values[known]
    if not len(frame):
        raise InputError("has no rows with a face", path=path, remedy=_AGAIN)
    present = values > 0 if evidence else values >= PRESENT_FROM
    frames, times, clock = _moments(frame, columns, path)
    level = "evidence over 0" if evidence else f"a score from {PRESENT_FROM:g} of 100 on"
    return LabelTable(
        path,
        "imotions",
        aus,
        np.where(np.isnan(values), UNLABELLED, present).astype(np.int8),
        np.full(values.shape, np.nan, np.float32),
        None,
        frames,
        times,
        None,
        _subjects(frame, columns, above, path),
        None,
        notes=(f"iMotions: an AU with {level} is read as present, else absent; {clock}",),
    )


def _is_header(names: Sequence[str]) -> bool:
    return "timestamp" in names and any(name in names for name in (*_SOURCES, *_STIMULI, "respondent"))


def _samples(frame: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """Return the rows of the facial engine (those of other sensors repeat its last values) that are of a frame."""
    if "frameno" in columns:
        frame = frame.loc[~frame[columns["frameno"]].fillna("").str.startswith("-")]
    for source in _SOURCES:
        if source in columns:
            own = frame[columns[source]].fillna("").str.contains(_ENGINE)
            if own.any():
                return frame.loc[own]
    return frame


def _values(cells: pd.Series, path: Path, evidence: bool) -> NDArray[np.float64]:
    values = cell_numbers(cells, path)
    bad = np.flatnonzero(((values < 0) | (values > 100)) & (not evidence))
    if len(bad):
        raise InputError(
            f"line {cells.index[bad[0]]}: {cells.name} is {cells.iloc[bad[0]]}, outside 0 to 100",
            path=path,
            remedy=_AGAIN,
        )
    return values


def _moments(
    frame: pd.DataFrame, columns: dict[str, str], path: Path
) -> tuple[NDArray[np.int64] | None, NDArray[np.float64] | None, str]:
    """Return the frames from 0, or else the times in seconds, and what was taken for it; either must rise."""
    if "frameno" in columns and frame[columns["frameno"]].notna().all():
        numbers = cell_numbers(frame[columns["frameno"]], path)
        _check_rising(numbers, frame, "FrameNo", path)
        broken = np.flatnonzero(numbers % 1 != 0)
        if len(broken):
            raise InputError(f"line {frame.index[broken[0]]}: FrameNo is no whole number", path=path, remedy=_AGAIN)
        return numbers.astype(np.int64), None, "FrameNo is read as the frame of the face's video, from 0"
    times = cell_numbers(frame[columns["timestamp"]], path, 0.001)
    empty = np.flatnonzero(np.isnan(times))
    if len(empty):
        raise InputError(f"line {frame.index[empty[0]]}: Timestamp is empty", path=path, remedy=_AGAIN)
    _check_rising(times, frame, "Timestamp", path)
    return (
        None,
        times,
        "Timestamp (ms) is read as the time in the face's video, which must begin with the recording",
    )


def _check_rising(values: NDArray[np.float64], frame: pd.DataFrame, name: str, path: Path) -> None:
    back = np.flatnonzero(np.diff(values) <= 0)
    if len(back):
        raise InputError(
            f"line {frame.index[back[0] + 1]}: {name} does not rise: the export holds several stimuli or respondents",
            path=path,
            remedy=f"{_AGAIN}, a file for each",
        )


def _subjects(
    frame: pd.DataFrame, columns: dict[str, str], above: Sequence[Sequence[str]], path: Path
) -> list[str] | None:
    column = next((columns[name] for name in _PEOPLE if name in columns), None)
    if column is not None:
        people = sorted(set(frame[column].dropna().str.strip()))
        if len(people) > 1:
            raise InputError(
                f"holds several respondents, {people[0]} and {people[1]}",
                path=path,
                remedy=f"{_AGAIN}, a file for each",
            )
        if people:
            return people * len(frame)
    told = {plain_column(cells[0].lstrip("#")): cells[1].strip() for cells in above if len(cells) > 1}
    name = told.get("respondent name", "")
    return [name] * len(frame) if name else None
