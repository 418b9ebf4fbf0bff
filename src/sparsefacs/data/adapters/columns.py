"""Reading a table of AU labels: which column means what, and every value checked.

Three kinds of table are told apart by their columns:
- plain: a user's own; frames count from 0.
- openface: OpenFace's CSV (`timestamp, confidence, success` beside the AUs; also this program's codes). Frames count
  from 1; a row with success 0 says nothing, whatever its AU columns hold.
- fex: a py-feat Fex table (`FaceRectX` or `FaceScore`). Frames count from 0; its AU columns are probabilities,
  read as present from 0.5 on.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import InputError
from ...events.sheets import SHEET_SUFFIXES
from ...facs import UNITS
from ...files import file_problem, from_cell
from ..store import UNLABELLED
from .long_tables import decimal_points, read_frame

Kind = Literal["plain", "openface", "fex", "facereader", "imotions", "answers"]
FEX_PRESENT = 0.5
_NAMES = {
    "path": ("path", "input", "file", "filename", "image", "video"),
    "frame": ("frame", "frame_number"),
    "time": ("time", "timestamp", "time_s"),
    "face": ("face", "face_id"),
    "subject": ("subject", "subject_id", "person", "participant"),
    "clip": ("clip", "session", "task"),
}
_KEYS = {name for names in _NAMES.values() for name in names}
_AU = re.compile(r"AU_?0*(\d+)(?:_(c|occ|occurrence|r|int|intensity|p|l))?", re.IGNORECASE)
_INTENSITY = {"r", "int", "intensity"}
_CORNERS = ("face_x0", "face_y0", "face_x1", "face_y1")
_SIDES = ("facerectx", "facerecty", "facerectwidth", "facerectheight")
_POINTS = 68
_UNUSED = {"p", "l"}  # probabilities are no labels, and one side of a face is not the whole
_ALIKE = re.compile(r"(?<![a-z])[LRTB]?AU[ _.-]*\d.*|[LRTB]?_?0*(\d{1,2})", re.IGNORECASE)
"""Columns that somebody may have meant as AUs: L12, AU25+26, AU12 left, 12."""
_MOST_NAMED = 8
_LANDMARK = re.compile(r"[xy]_\d+")


@dataclass(frozen=True)
class LabelTable:
    """A table of labels: AUs (A), occurrence (N, A), intensity (N, A), and the key columns, None where absent.

    frame is 0-based, −1 where empty; time in seconds, NaN where empty; face −1 where empty. box: where each row's face
    is, (N, 4) as x0, y0, x1, y1 in pixels, NaN where empty: of columns face_x0 … face_y1 (this program's codes),
    FaceRectX … FaceRectHeight (py-feat) or the landmarks x_0 … y_67 (OpenFace). notes: what was taken
    for granted. subject "" where codes do not know whose face it
    is.
    """

    path: Path
    kind: Kind
    aus: tuple[int, ...]
    occurrence: NDArray[np.int8]
    intensity: NDArray[np.float32]
    media: list[str] | None
    frame: NDArray[np.int64] | None
    time: NDArray[np.float64] | None
    face: NDArray[np.int64] | None
    subject: list[str] | None
    clip: list[str] | None
    box: NDArray[np.float64] | None = None
    unused: tuple[str, ...] = ()
    """Columns that look like AUs and are not read as labels."""
    notes: tuple[str, ...] = ()


def unused_notes(tables: Sequence[LabelTable]) -> list[str]:
    """Return a note on the columns of `tables` that look like AUs and are not used; none where all are."""
    names = list(dict.fromkeys(name for table in tables for name in table.unused))
    if not names:
        return []
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    what = "column looks like an AU and is" if len(names) == 1 else "columns look like AUs and are"
    return [
        f"{len(names)} {what} not used: {', '.join(names[:_MOST_NAMED])}{more}; labels are AU12 or AU12_c (occurrence) "
        "and AU12_r (intensity); probabilities (_p) and one side of a face (L, R, left, right) are no labels of these"
    ]


def read_labels(path: Path, *, first_frame: int | None = None) -> LabelTable:
    """Read the table at `path`: text with any separator, Excel or Parquet.

    first_frame: the number the table gives a video's first frame (default: 1 for OpenFace, else 0). Raises
    InputError naming the file, the first offending row and the remedy.
    """
    table = _read(path)
    kind = _kind({str(name).lower() for name in table.columns})
    columns = {role: _find(table, names) for role, names in _NAMES.items()}
    occurrence_of, intensity_of = _au_columns(table, path)
    used = {*occurrence_of.values(), *intensity_of.values(), *columns.values()}
    unused = tuple(name for name in map(str, table.columns) if name not in used and _looks_like_au(name))
    aus = tuple(sorted({*occurrence_of, *intensity_of}))
    if not aus:
        raise InputError(
            f"has no AU column that can be used (not {', '.join(unused[:_MOST_NAMED])})"
            if unused
            else "has no AU column",
            path=path,
            remedy="Name label columns AU1 or AU01_c (occurrence), AU01_r (intensity)",
        )
    occurrence = np.full((len(table), len(aus)), UNLABELLED, np.int8)
    intensity = np.full((len(table), len(aus)), np.nan, np.float32)
    for au, column in occurrence_of.items():
        values = _numbers(table, column, path)
        occurrence[:, aus.index(au)] = _present(values, column, path, kind)
    for au, column in intensity_of.items():
        values = _numbers(table, column, path)
        _refuse(~np.isnan(values) & ((values < 0) | (values > 5)), values, path, f"{column} outside 0 to 5")
        intensity[:, aus.index(au)] = values
    _mask_lost(table, kind, occurrence, intensity, path)
    frame = columns["frame"] and _whole(table, columns["frame"], path)
    time = columns["time"] and _numbers(table, columns["time"], path)
    face = columns["face"] and _whole(table, columns["face"], path)
    if isinstance(frame, np.ndarray):
        first = first_frame if first_frame is not None else int(kind == "openface")
        _refuse((frame != _EMPTY) & (frame < first), frame, path, f"frame before the first, {first}")
        frame = np.where(frame == _EMPTY, -1, frame - first)
    if isinstance(face, np.ndarray):
        face = np.where(face == _EMPTY, -1, face)
    return LabelTable(
        path,
        kind,
        aus,
        occurrence,
        intensity,
        _texts(table, columns["path"], path),
        frame if isinstance(frame, np.ndarray) else None,
        time if isinstance(time, np.ndarray) else None,
        face if isinstance(face, np.ndarray) else None,
        _texts(table, columns["subject"], path, optional=kind != "plain"),
        _texts(table, columns["clip"], path),
        _boxes(table, path),
        unused,
    )


_EMPTY = np.iinfo(np.int64).min


def _read(path: Path) -> pd.DataFrame:
    problem = file_problem(path)
    if problem:
        raise InputError(f"the label table {problem}", path=path, remedy="Check the name given to --labels")
    try:
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path)
        elif path.suffix.lower() in SHEET_SUFFIXES:
            table = read_frame(path, once=_matters)[0].reset_index(drop=True)
            for column in table.columns:
                table[column] = table[column].map(from_cell, na_action="ignore")
        else:
            raise InputError("is no table", path=path, remedy="Give a .csv, .tsv, .txt, .xlsx or .parquet table")
    except InputError:
        raise
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        raise InputError(f"cannot be read as a table ({error})", path=path, remedy="Save it again as CSV") from error
    table.columns = pd.Index([str(name).strip() for name in table.columns])
    _refuse_twice(list(map(str, table.columns)), path)
    if not len(table):
        raise InputError("has no rows", path=path, remedy="Give a table with at least one labelled frame")
    return table


def _refuse_twice(names: list[str], path: Path) -> None:
    if twice := [name for place, name in enumerate(names) if name in names[:place]]:
        raise InputError(f"has column {twice[0]} twice", path=path, remedy="Keep one of them")


def _matters(name: str) -> bool:
    return _looks_like_au(name) or name.lower() in _KEYS


def _looks_like_au(name: str) -> bool:
    found = _ALIKE.fullmatch(name)
    return found is not None and (found[1] is None or int(found[1]) in UNITS)


def _kind(columns: set[str]) -> Kind:
    if {"timestamp", "confidence", "success"} <= columns:
        return "openface"
    return "fex" if columns & {"facerectx", "facescore"} else "plain"


def _find(table: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    by_name = {str(column).lower(): str(column) for column in table.columns}
    return next((by_name[name] for name in names if name in by_name), None)


def _au_columns(table: pd.DataFrame, path: Path) -> tuple[dict[int, str], dict[int, str]]:
    occurrence: dict[int, str] = {}
    intensity: dict[int, str] = {}
    for column in map(str, table.columns):
        found = _AU.fullmatch(column)
        if (
            found is None
            or (found[2] or "").lower() in _UNUSED
            or (found[2] == "R" and not _in_capitals(table, column))
        ):
            continue
        au, target = int(found[1]), intensity if (found[2] or "").lower() in _INTENSITY else occurrence
        if au not in UNITS:
            known = ", ".join(map(str, UNITS))
            raise InputError(
                f"column {column}: AU{au} is not a known action unit",
                path=path,
                remedy=f"Rename or remove it; known AUs: {known}",
            )
        if au in target:
            raise InputError(
                f"columns {target[au]} and {column} both give AU{au}", path=path, remedy="Keep one of them"
            )
        target[au] = column
    return occurrence, intensity


def _in_capitals(table: pd.DataFrame, column: str) -> bool:
    """Say whether AU12_R is intensity, of a table in capitals, which has AU12_C too; else it is the right side."""
    names = set(map(str, table.columns))
    sides = any(name.upper().endswith("_L") and _AU.fullmatch(name) for name in names)
    return not sides and column[:-1] + "C" in names


def _numbers(table: pd.DataFrame, column: str, path: Path) -> NDArray[np.float64]:
    series = table[column]
    given = series.notna() & (series.astype(str).str.strip() != "")
    values = pd.to_numeric(decimal_points(series.where(given)), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    bad = np.flatnonzero(given.to_numpy() & ~np.isfinite(values))
    if len(bad):
        text = str(series.iloc[bad[0]])
        if text.strip().lower() not in {"nan", "na", "none", "null"}:
            raise InputError(
                f"row {bad[0] + 1}: {column} is {text!r}, not a number",
                path=path,
                remedy="Leave entries that were not coded empty",
            )
    return np.where(np.isfinite(values), values, np.nan)


def _whole(table: pd.DataFrame, column: str, path: Path) -> NDArray[np.int64]:
    values = _numbers(table, column, path)
    _refuse(~np.isnan(values) & (values != np.floor(values)), values, path, f"{column} that is no whole number")
    return np.where(np.isnan(values), _EMPTY, np.nan_to_num(values)).astype(np.int64)


def _boxes(table: pd.DataFrame, path: Path) -> NDArray[np.float64] | None:
    """Return the box of each row's face (N, 4), NaN where it tells none; None where no columns do."""
    corners, sides = ([_find(table, (name,)) for name in names] for names in (_CORNERS, _SIDES))
    if all(corners) or all(sides):
        values = np.stack([_numbers(table, str(name), path) for name in (corners if all(corners) else sides)], axis=1)
        if not all(corners):
            values[:, 2:] += values[:, :2]
    elif {f"{axis}_{point}" for axis in "xy" for point in range(_POINTS)} <= set(map(str, table.columns)):
        x, y = (
            np.stack([_numbers(table, f"{axis}_{point}", path) for point in range(_POINTS)], axis=1) for axis in "xy"
        )
        values = np.stack([x.min(axis=1), y.min(axis=1), x.max(axis=1), y.max(axis=1)], axis=1)
    else:
        return None
    known = np.isfinite(values).all(axis=1) & (values[:, 2] > values[:, 0]) & (values[:, 3] > values[:, 1])
    return np.where(known[:, None], values, np.nan) if known.any() else None


def _texts(table: pd.DataFrame, column: str | None, path: Path, *, optional: bool = False) -> list[str] | None:
    """Return a column's texts, None where there is none; an empty one is refused, or `optional`."""
    if column is None:
        return None
    texts = ["" if pd.isna(value) else str(value).strip() for value in table[column]]
    if "" in texts and not optional:
        raise InputError(
            f"row {texts.index('') + 1}: {column} is empty", path=path, remedy=f"Fill in {column} in every row"
        )
    return texts


def _present(values: NDArray[np.float64], column: str, path: Path, kind: Kind) -> NDArray[np.int8]:
    known = ~np.isnan(values)
    if kind == "fex":
        _refuse(known & ((values < 0) | (values > 1)), values, path, f"{column} outside 0 to 1")
        return np.where(known, values >= FEX_PRESENT, UNLABELLED).astype(np.int8)
    remedy = "Use 1 present, 0 absent and leave entries that were not coded empty; intensities go in AU01_r columns"
    _refuse(known & (values != 0) & (values != 1), values, path, f"{column} that is neither 0 nor 1", remedy)
    return np.where(known, values, UNLABELLED).astype(np.int8)


def _refuse(
    bad: NDArray[np.bool_],
    values: NDArray[np.generic],
    path: Path,
    what: str,
    remedy: str = "Correct or empty the entry",
) -> None:
    rows = np.flatnonzero(bad)
    if len(rows):
        more = f" ({len(rows)} such rows)" if len(rows) > 1 else ""
        raise InputError(f"row {rows[0] + 1}: {values[rows[0]]:g} for {what}{more}", path=path, remedy=remedy)


def _mask_lost(
    table: pd.DataFrame,
    kind: Kind,
    occurrence: NDArray[np.int8],
    intensity: NDArray[np.float32],
    path: Path,
) -> None:
    """Empty the labels of rows whose face was lost; refuse labelled rows whose landmarks are not numbers."""
    if kind == "openface":
        success = _find(table, ("success",))
        lost = _numbers(table, success, path) == 0 if success else np.zeros(len(table), bool)
        occurrence[lost], intensity[lost] = UNLABELLED, np.nan
    labelled = (occurrence != UNLABELLED).any(axis=1) | ~np.isnan(intensity).all(axis=1)
    for column in map(str, table.columns):
        if _LANDMARK.fullmatch(column):
            bad = np.flatnonzero(labelled & np.isnan(_numbers(table, column, path)))
            if len(bad):
                raise InputError(
                    f"row {bad[0] + 1}: landmark {column} is not a number though the row has labels",
                    path=path,
                    remedy="Remove the row or the landmark columns",
                )
