"""AU label files of a clip: rows of whole numbers by frame, every value checked, put together frame by frame."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..store import UNLABELLED
from .plan import FaceLabel

NOT_CODED = 9
UNSCORABLE_AU = "99"
ACTIVE_FROM = 2  # intensity from which the papers count an AU of DISFA as present
_MEND = "Copy the file again from the data set"


@dataclass(frozen=True)
class Column:
    """One AU's labels: frame numbers (N,), each once, and values (N,); −1 or NaN where not coded."""

    frames: NDArray[np.int64]
    values: NDArray[np.floating] | NDArray[np.int8]


@dataclass(frozen=True)
class OccurrenceFile:
    """What an occurrence file says: a column an AU, and the frames that could not be scored."""

    columns: dict[int, Column]
    unscorable: frozenset[int]


def read_occurrence(path: Path, aus: tuple[int, ...] | None = None) -> OccurrenceFile:
    """Read a BP4D or BP4D+ occurrence file: a header of AU numbers, then `frame,0|1|9,…` a row.

    aus: which columns; None for all. The first column is the frame, whatever its name; 9 is not coded; a last column
    99, or one not named by a number, flags frames that could not be scored. Raises InputError naming the file and line.
    """
    lines = _lines(path)
    header = [cell.strip().strip('"') for cell in lines[0][1].split(",")]
    flagged = len(header) > 1 and (header[-1] == UNSCORABLE_AU or not header[-1].isdigit())
    names = header[1:-1] if flagged else header[1:]
    coded = [int(name) if name.isdigit() else 0 for name in names]
    if not coded or coded != sorted(set(coded)) or coded[0] == 0:
        raise InputError(f"line {lines[0][0]}: is no header of AU numbers, such as 0,1,2,4", path=path, remedy=_MEND)
    rows = _numbers(path, lines[1:], len(header), "the header")
    _refuse(path, lines[1:], ~np.isin(rows[:, 1:], (0, 1, NOT_CODED)), rows[:, 1:], "none of 0, 1 and 9")
    frames = _frames(path, lines[1:], rows[:, 0])
    aus = tuple(coded) if aus is None else aus
    for au in aus:
        if au not in coded:
            raise InputError(
                f"has no column for AU{au}", path=path, remedy=f"Choose among its AUs: {','.join(map(str, coded))}"
            )
    values = np.where(rows == NOT_CODED, UNLABELLED, rows).astype(np.int8)
    columns = {au: Column(frames, values[:, 1 + coded.index(au)]) for au in aus}
    return OccurrenceFile(columns, frozenset(frames[rows[:, -1] == 1].tolist()) if flagged else frozenset())


def read_intensity(path: Path, *, first_frame: int = 0, not_coded: bool = True) -> Column:
    """Read a file of `frame,intensity` rows without a header: intensity 0–5, and 9 not coded where `not_coded`.

    first_frame: the least frame number there can be. Raises InputError naming the file and line.
    """
    lines = _lines(path)
    rows = _numbers(path, lines, 2, "a row `frame,intensity`")
    return _intensity(path, lines, rows, first_frame, not_coded=not_coded)


def read_named_intensity(path: Path) -> Column:
    """Read a file of `000.jpg intensity` rows, `#` comments: frame numbers are those of the photos' names.

    Raises InputError naming the file and line.
    """
    kept = []
    for number, text in _lines(path):
        content = text.split("#")[0].strip()
        if content:
            name, *values = content.split(maxsplit=1)
            stem = re.fullmatch(r"(\d+)\.\w+", name)
            if stem is None:
                raise InputError(f"line {number}: {name!r} is no photo such as 000.jpg", path=path, remedy=_MEND)
            kept.append((number, f"{stem[1]},{''.join(values)}"))
    if not kept:
        raise InputError("holds no labels", path=path, remedy=_MEND)
    return _intensity(path, kept, _numbers(path, kept, 2, "a row `000.jpg intensity`"), 0, not_coded=False)


def active(column: Column) -> Column:
    """Return the occurrence that an intensity column means: present from intensity 2 on."""
    return Column(column.frames, (column.values >= ACTIVE_FROM).astype(np.int8))


def combine(
    aus: tuple[int, ...],
    occurrence: Mapping[int, Column],
    intensity: Mapping[int, Column],
    *,
    without: Collection[int] = (),
    place: Callable[[int], int] = int,
) -> dict[int, tuple[FaceLabel, ...]]:
    """Return the labels of each frame that has any, over `aus`, by `place` of its number.

    A frame that an AU's column lacks, and every frame of `without`, is not labelled.
    """
    columns = [*occurrence.values(), *intensity.values()]
    frames = np.unique(np.concatenate([column.frames for column in columns] or [np.zeros(0, np.int64)]))
    present = np.full((len(frames), len(aus)), UNLABELLED, np.int8)
    strength = np.full((len(frames), len(aus)), np.nan, np.float32)
    for table, given in ((present, occurrence), (strength, intensity)):
        for au, column in given.items():
            table[np.searchsorted(frames, column.frames), aus.index(au)] = column.values
    known = (present != UNLABELLED).any(axis=1) | ~np.isnan(strength).all(axis=1)
    known &= ~np.isin(frames, list(without))
    return {place(int(frames[row])): (FaceLabel(present[row], strength[row]),) for row in np.flatnonzero(known)}


def _lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines that are not blank, with their numbers from 1."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("cannot be read as text", path=path, remedy=_MEND) from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise InputError("is empty", path=path, remedy=_MEND)
    return lines


def _numbers(path: Path, lines: list[tuple[int, str]], width: int, like: str) -> NDArray[np.int64]:
    """Return the whole numbers of `lines`, (N, width); refuse the first line that is not like the rest."""
    if not lines:
        raise InputError("has a header but no labels", path=path, remedy=_MEND)
    try:
        rows = np.loadtxt([line for _, line in lines], np.int64, delimiter=",", comments=None, ndmin=2)
    except ValueError:
        rows = np.zeros((0, 0), np.int64)
    if rows.shape == (len(lines), width):
        return rows
    for number, line in lines:
        cells = line.split(",")
        if len(cells) != width:
            wrong = f"line {number}: has {len(cells)} values where {like} has {width}"
            raise InputError(wrong, path=path, remedy=_MEND)
        bad = next((cell.strip() for cell in cells if not re.fullmatch(r"\s*[-+]?\d{1,18}\s*", cell)), None)
        if bad is not None:
            raise InputError(f"line {number}: {bad!r} is no whole number", path=path, remedy=_MEND)
    raise InputError("cannot be read as CSV", path=path, remedy=_MEND)


def _frames(
    path: Path, lines: list[tuple[int, str]], frames: NDArray[np.int64], first_frame: int = 0
) -> NDArray[np.int64]:
    _refuse(path, lines, frames < first_frame, frames, f"a frame number below {first_frame}")
    order = np.argsort(frames, kind="stable")
    again = np.flatnonzero(np.diff(frames[order]) == 0)
    if len(again):
        row = int(order[again + 1].min())
        raise InputError(f"line {lines[row][0]}: frame {frames[row]} comes twice", path=path, remedy=_MEND)
    return frames


def _intensity(
    path: Path, lines: list[tuple[int, str]], rows: NDArray[np.int64], first_frame: int, *, not_coded: bool
) -> Column:
    frames, values = _frames(path, lines, rows[:, 0], first_frame), rows[:, 1]
    missing = (values == NOT_CODED) & not_coded
    bad = ~missing & ((values < 0) | (values > 5))
    _refuse(path, lines, bad, values, "no intensity from 0 to 5" + (", nor 9" if not_coded else ""))
    return Column(frames, np.where(missing, np.nan, values).astype(np.float32))


def _refuse(
    path: Path, lines: list[tuple[int, str]], bad: NDArray[np.bool_], values: NDArray[np.int64], what: str
) -> None:
    rows = np.flatnonzero(bad.reshape(len(lines), -1).any(axis=1))
    if len(rows):
        value = values[rows[0]][bad[rows[0]]].ravel()[0]
        raise InputError(f"line {lines[rows[0]][0]}: {value} is {what}", path=path, remedy=_MEND)
