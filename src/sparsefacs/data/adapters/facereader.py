"""FaceReader's detailed logs: a row a frame, an AU in words as not active or A to E.

Above the header stand `Video analysis detailed log` and what was analysed (`Filename`, `Frame rate`), with or without
a colon. A side of the face has a column of its own (`Action Unit 12 - Left - Lip Corner Puller`). Where the face was
not found or not fitted (`FIND_FAILED`, `FIT_FAILED`), nothing is labelled.
"""

from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import InputError
from ...events.names import LETTERS, Names
from ...events.sheets import first_lines, number, plain_column, seconds
from ..media import is_video
from ..store import UNLABELLED
from .columns import LabelTable
from .long_tables import read_frame

_TIME = "video time"
_ABSENT = "notactive"
_UNKNOWN = frozenset({"", "find_failed", "fit_failed", "unknown", "n/a", "na"})
_AGAIN = "Export the detailed log from FaceReader again"
_RAW_REMEDY = "Export the log with action units as classes (NotActive, A to E), or make a table of 0 and 1 yourself"
_SCALE = "FaceReader: NotActive is read as absent, A to E as present with intensity 1 to 5"
_SIDES = "FaceReader: {} have columns for left and right only; an AU counts as present on either side, the stronger one"


def recognises(path: Path) -> bool:
    """Say whether the file at `path` looks like a log of FaceReader."""
    lines = first_lines(path)
    return any(_is_header([plain_column(cell) for cell in cells]) for cells in lines) or any(
        plain_column(cells[0]).startswith(("video analysis", "image analysis")) and "log" in cells[0] for cells in lines
    )


def read(path: Path) -> LabelTable:
    """Read a detailed log; raises InputError for other logs, raw values, and what is damaged, with its line."""
    frame, above = read_frame(path, _is_header)
    columns = {plain_column(str(name)): str(name) for name in frame.columns}
    whole, sided, left_out = _au_columns(frame)
    if not whole and not sided:
        raise InputError("is a FaceReader log without action units", path=path, remedy=_AGAIN + ", with action units")
    if not len(frame):
        raise InputError("has no rows", path=path, remedy=_AGAIN)
    halves = {au: names for au, names in sided.items() if au not in whole}
    aus = tuple(sorted({*whole, *halves}))
    intensity = np.full((len(frame), len(aus)), np.nan, np.float32)
    for place, au in enumerate(aus):
        names = halves.get(au) or [whole[au]]
        intensity[:, place] = _stronger([_levels(frame[name], path) for name in names])
    occurrence = np.where(np.isnan(intensity), UNLABELLED, intensity > 0).astype(np.int8)
    notes = [_SCALE]
    if halves:
        notes.append(_SIDES.format(", ".join(f"AU{au}" for au in sorted(halves))))
    if left_out:
        notes.append(f"FaceReader: columns left out, since they are no single AU: {', '.join(left_out)}")
    return LabelTable(
        path,
        "facereader",
        aus,
        occurrence,
        intensity,
        _media(above, len(frame)),
        None,
        _times(frame[columns[_TIME]], path),
        None,
        _subjects(frame, columns),
        None,
        notes=tuple(notes),
    )


def _is_header(names: Sequence[str]) -> bool:
    return _TIME in names


def _au_columns(frame: pd.DataFrame) -> tuple[dict[int, str], dict[int, list[str]], list[str]]:
    """Return the columns of whole AUs, those of their sides, and those of what is no single AU."""
    whole: dict[int, str] = {}
    sided: dict[int, list[str]] = {}
    left_out = []
    for name in map(str, frame.columns):
        if not plain_column(name).startswith("action unit"):
            continue
        meanings = Names().of(name)
        if len(meanings) != 1:
            left_out.append(name)
        elif meanings[0].side in ("left", "right"):
            sided.setdefault(meanings[0].au, []).append(name)
        else:
            whole.setdefault(meanings[0].au, name)
    return whole, sided, left_out


def _levels(cells: pd.Series, path: Path) -> NDArray[np.float32]:
    """Return the intensities of a column (N,): 0 not active, 1–5 for A–E, NaN not labelled."""
    codes, kinds = pd.factorize(cells.fillna("").astype(str).str.strip())
    levels = np.full(len(kinds), np.nan, np.float32)
    for place, kind in enumerate(kinds):
        plain = str(kind).lower().replace(" ", "")
        if plain == _ABSENT:
            levels[place] = 0
        elif len(plain) == 1 and plain.upper() in LETTERS:
            levels[place] = LETTERS.index(plain.upper()) + 1
        elif plain not in _UNKNOWN:
            line = cells.index[np.flatnonzero(codes == place)[0]]
            raw = number(str(kind)) is not None
            what = "a raw value, and the file does not tell from which on an AU is present" if raw else "no class"
            raise InputError(
                f"line {line}: {cells.name} is {str(kind)!r}, {what}", path=path, remedy=_RAW_REMEDY if raw else _AGAIN
            )
    return levels[codes]


def _stronger(sides: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the higher of both sides' intensities; NaN where a side is unknown and the other absent."""
    if len(sides) == 1:
        return sides[0]
    highest = np.fmax(sides[0], sides[1])
    return np.where(np.isnan(sides[0] + sides[1]) & ~(highest > 0), np.float32(np.nan), highest)


def _times(cells: pd.Series, path: Path) -> NDArray[np.float64]:
    """Return the times of the rows in seconds (N,); they must rise."""
    times = np.array([_nan(seconds(str(cell))) for cell in cells])
    bad = np.flatnonzero(np.isnan(times))
    if len(bad):
        raise InputError(
            f"line {cells.index[bad[0]]}: {cells.name} is {str(cells.iloc[bad[0]])!r}, not a time",
            path=path,
            remedy=_AGAIN,
        )
    back = np.flatnonzero(np.diff(times) <= 0)
    if len(back):
        raise InputError(
            f"line {cells.index[back[0] + 1]}: {cells.iloc[back[0] + 1]} is not after the line before: the file holds "
            "several analyses, or was saved again with rounded times",
            path=path,
            remedy=f"{_AGAIN}, a file for each analysis",
        )
    return times


def _nan(value: float | None) -> float:
    return np.nan if value is None else value


def _media(above: Sequence[Sequence[str]], rows: int) -> list[str] | None:
    """Return the video for each row; None where the log names none, such as a camera."""
    told = {plain_column(cells[0]).rstrip(": "): cells[1].strip() for cells in above if len(cells) > 1}
    name = told.get("filename", "")
    return [name] * rows if is_video(Path(PureWindowsPath(name).name)) else None


def _subjects(frame: pd.DataFrame, columns: dict[str, str]) -> list[str] | None:
    column = columns.get("participant name")
    if column is None or frame[column].isna().any():
        return None
    return [str(cell).strip() for cell in frame[column]]
