"""Codes files read back, a face of a video at a time: what `predict` wrote, and OpenFace's tables."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import from_cell
from ..row_files import TABLE_SUFFIXES, is_manifest

if TYPE_CHECKING:
    import pandas as pd

ROWS_AT_A_TIME = 8192
_AGAIN = "Give a file that `sparsefacs predict` or OpenFace wrote"
_NEEDED = ("frame", "timestamp", "success")
_TEXTS = ("input", "subject")
_PLACE = ("frame", "face_id", "timestamp", "success")
_FRAME, _FACE, _TIME, _SUCCESS = range(4)
_AU = re.compile(r"AU0*(\d+)_([crp])")
_TOP = {"c": 1.0, "r": 5.0, "p": 1.0}
_BLANK = ("NA", "nan", "NaN", "None", "null")
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FaceCodes:
    """The codes of one face of one video or photo, by rising frame number.

    input: the file, as the table names it; a table without a column `input` is called after its own file, without the
    ending. subject: "" where unknown. face: 0 where the table has no face ids. frame: (N,) from 1. time_s: (N,)
    seconds, NaN for photos and where the table has the same for all. success: (N,) whether the face was found. aus:
    (A,). occurrence: (N, A) 0 or 1, −1 where unknown, as it is where the face was lost. intensity: (N, A) 0–5,
    probability: (N, A) 0–1, NaN where unknown. stride: the video's frames from one that was coded to the next.
    """

    input: str
    subject: str
    face: int
    frame: NDArray[np.int64]
    time_s: Floats
    success: NDArray[np.bool_]
    aus: tuple[int, ...]
    occurrence: NDArray[np.int8]
    intensity: Floats
    probability: Floats
    stride: int = 1

    @property
    def follows(self) -> NDArray[np.bool_]:
        """Whether each frame's next row is of the next coded frame, (N − 1,)."""
        return np.asarray(np.diff(self.frame) == self.stride)

    @property
    def shown_s(self) -> Floats:
        """How long each frame is shown, (N,) seconds: until the face's next frame, NaN for photos.

        A last frame, and one whose next has no row, is shown as long as the others usually are.
        """
        shown = np.full(len(self.time_s), np.nan)
        gaps = np.diff(self.time_s)
        shown[:-1][self.follows] = gaps[self.follows]
        steps = np.diff(self.frame) / self.stride
        usual = float(np.median(gaps / steps)) if len(gaps) else np.nan
        return np.where(np.isnan(shown) & ~np.isnan(self.time_s), usual, shown)


def read_codes(path: Path, *, problems: list[InputError] | None = None) -> Iterator[FaceCodes]:
    """Yield the codes of each video or photo of a codes file, or of a folder of them, and of each face in it.

    A file is read piece by piece; held is what belongs to one video. problems: takes the files that cannot be used,
    and the rest is read; None: raise. Raises InputError naming file and row for what is no such table, for a number
    out of range, and for a video whose rows are in two places.
    """
    seen: dict[str, Path] = {}
    for file, name in codes_files(Path(path)):
        try:
            yield from _read_file(file, name, seen)
        except InputError as error:
            if problems is None:
                raise
            error.__traceback__ = error.__cause__ = error.__context__ = None  # or it holds the rows that were read
            problems.append(error)


def codes_files(path: Path) -> list[tuple[Path, str]]:
    """Return the codes files at `path`, a file or a folder with sub-folders, and what each is called.

    Raises InputError where there is none.
    """
    if path.is_dir():
        files = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in TABLE_SUFFIXES and not file.name.startswith(".") and not is_manifest(file)
        )
        if not files:
            raise InputError("holds no codes file (.csv or .parquet)", path=path, remedy=_AGAIN)
        return [(file, file.relative_to(path).with_suffix("").as_posix()) for file in files]
    if not path.is_file() or path.suffix.lower() not in TABLE_SUFFIXES:
        raise InputError("is not a codes file", path=path, remedy=_AGAIN)
    return [(path, path.stem)]


def coded_aus(path: Path) -> tuple[int, ...]:
    """Return the AUs that any of the codes files at `path` has columns for; files that cannot be read have none."""
    aus: set[int] = set()
    for file, _ in codes_files(path):
        with suppress(InputError):
            aus.update(_aus(_open(file)[0]))
    return tuple(sorted(aus))


def is_codes(path: Path) -> bool:
    """Say whether the file at `path` has the columns of a codes table."""
    if not path.is_file() or path.suffix.lower() not in TABLE_SUFFIXES:
        return False
    try:
        columns, _ = _open(path)
    except InputError:
        return False
    return all(name in columns for name in _NEEDED) and bool(_aus(columns))


def _aus(columns: Iterable[str]) -> tuple[int, ...]:
    return tuple(sorted({int(found[1]) for column in columns if (found := _AU.fullmatch(column))}))


@dataclass(frozen=True)
class _Piece:
    """Some rows: input and subject (N,), places (N, 4), occurrence, intensity and probability (N, A)."""

    inputs: NDArray[Any]
    subjects: NDArray[Any]
    place: Floats
    occurrence: NDArray[np.int8]
    intensity: Floats
    probability: Floats

    def part(self, start: int, end: int) -> "_Piece":
        """Return rows `start` up to `end`."""
        return _Piece(*(values[start:end] for values in vars(self).values()))


def _read_file(file: Path, name: str, seen: dict[str, Path]) -> Iterator[FaceCodes]:
    columns, tables = _open(file)
    lacking = [column for column in _NEEDED if column not in columns]
    aus = _aus(columns)
    if lacking or not aus:
        raise InputError(f"has no column {lacking[0] if lacking else 'AU01_c'!r}", path=file, remedy=_AGAIN)
    held: list[_Piece] = []
    for first_row, table in tables:
        piece = _piece(table, aus, name, file, first_row)
        ends = np.flatnonzero(piece.inputs[1:] != piece.inputs[:-1]) + 1
        for start, end in zip([0, *ends], [*ends, len(piece.inputs)], strict=True):
            if held and held[0].inputs[0] != piece.inputs[start]:
                yield from _faces(held, aus, file, seen)
                held = []
            held.append(piece.part(start, end))
    if held:
        yield from _faces(held, aus, file, seen)


def _faces(held: Sequence[_Piece], aus: tuple[int, ...], file: Path, seen: dict[str, Path]) -> Iterator[FaceCodes]:
    """Yield each face of the one video whose rows are `held`."""
    name = str(held[0].inputs[0])
    if name in seen:
        where = "the rows of {} are in two places" if seen[name] == file else "{} has codes in " + str(seen[name])
        raise InputError(where.format(name), path=file, remedy="Keep the rows of each video together, and only once")
    seen[name] = file
    columns = zip(*(vars(piece).values() for piece in held), strict=True)
    whole = held[0] if len(held) == 1 else _Piece(*map(np.concatenate, columns))
    ids = whole.place[:, _FACE].astype(np.int64)
    stride = int(np.gcd.reduce(np.diff(np.unique(whole.place[:, _FRAME].astype(np.int64))))) or 1
    for face in np.unique(ids):
        rows = np.flatnonzero(ids == face)
        rows = rows[np.argsort(whole.place[rows, _FRAME], kind="stable")]
        frame, time_s = whole.place[rows, _FRAME].astype(np.int64), whole.place[rows, _TIME]
        if len(time_s) > 1 and (time_s == time_s[0]).all():  # photos one after the other, says OpenFace
            time_s = np.full(len(time_s), np.nan)
        _check_order(frame, time_s, f"{name}, face {face}", file)
        subjects = {str(subject) for subject in whole.subjects[rows]} - {""}
        if len(subjects) > 1:
            raise InputError(f"{name}, face {face}: has several subjects", path=file, remedy="Give a face one subject")
        yield FaceCodes(
            name,
            next(iter(subjects), ""),
            int(face),
            frame,
            time_s,
            whole.place[rows, _SUCCESS] == 1,
            aus,
            whole.occurrence[rows],
            whole.intensity[rows],
            whole.probability[rows],
            stride,
        )


def _check_order(frame: NDArray[np.int64], time_s: Floats, which: str, file: Path) -> None:
    twice = np.flatnonzero(np.diff(frame) == 0)
    if len(twice):
        raise InputError(f"{which}: frame {frame[twice[0]]} is there twice", path=file, remedy="Keep one row a frame")
    known = ~np.isnan(time_s)
    back = np.flatnonzero(np.diff(time_s[known]) < 0)
    if len(back) or known.any() != known.all():
        at = frame[known][back[0] + 1] if len(back) else frame[~known][0]
        what = "its time lies before the frame's before it" if len(back) else "its time is missing"
        raise InputError(f"{which}, frame {at}: {what}", path=file, remedy="Correct the column timestamp")


def _open(file: Path) -> tuple[list[str], Iterator[tuple[int, "pd.DataFrame"]]]:
    """Return a table's columns, without blanks around, and its rows piece by piece, each with its first row's number.

    Columns that nobody asks for are not read.
    """
    import pyarrow as pa

    try:
        if file.suffix.lower() == ".parquet":
            import pyarrow.parquet as pq

            opened = pq.ParquetFile(file, page_checksum_verification=True)
            names = list(opened.schema_arrow.names)
            return _plain(names, file), _numbered(_batches(opened, [names[at] for at in _wanted(names)]), file)
        _refuse_nul(file)
        names, mark = _header(file)
        return names, _numbered(_chunks(file, names, mark), file)
    except InputError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:  # pandas' errors are ValueErrors
        raise InputError(f"cannot be read as codes ({error})", path=file, remedy=_AGAIN) from error


def _refuse_nul(file: Path) -> None:
    """Raise InputError naming the row of the first NUL byte: readers would lose the rows around it."""
    row = 0
    with file.open("rb") as handle:
        while block := handle.read(1 << 20):
            place = block.find(b"\0")
            row += block.count(b"\n", 0, place if place >= 0 else len(block))
            if place >= 0:
                where = f"row {row}" if row else "the header"
                raise InputError(f"{where} holds a NUL byte, so it is damaged or no text", path=file, remedy=_AGAIN)


def _header(file: Path) -> tuple[list[str], str]:
    """Return a text table's columns and the mark between its cells."""
    with file.open(encoding="utf-8-sig", newline="") as handle:
        line = handle.readline()
    if not line.strip():
        raise InputError("is empty", path=file, remedy=_AGAIN)
    mark = max(",;\t", key=line.count)
    return _plain(next(csv.reader([line], delimiter=mark, skipinitialspace=True)), file), mark


def _plain(names: Sequence[str], file: Path) -> list[str]:
    plain = [name.strip() for name in names]
    twice = [name for name in plain if name and plain.count(name) > 1]
    if twice:
        raise InputError(f"has column {twice[0]} twice", path=file, remedy="Keep one of them")
    return plain


def _wanted(names: Sequence[str]) -> list[int]:
    mine = {*_TEXTS, *_PLACE}
    return [at for at, name in enumerate(names) if name.strip() in mine or _AU.fullmatch(name.strip())]


def _chunks(file: Path, names: list[str], mark: str) -> Iterator["pd.DataFrame"]:
    import pandas as pd

    wanted = [names[at] for at in _wanted(names)]
    with pd.read_csv(
        file,
        sep=mark,
        decimal="," if mark == ";" else ".",
        encoding="utf-8-sig",
        header=0,
        names=names,
        usecols=wanted,
        index_col=False,
        converters=dict.fromkeys(_TEXTS, from_cell),
        keep_default_na=False,  # a person may be called NA
        na_values={name: ["", *_BLANK] for name in wanted if name not in _TEXTS},
        skipinitialspace=True,
        low_memory=False,
        chunksize=ROWS_AT_A_TIME,
    ) as reader:
        yield from reader


def _batches(opened: Any, columns: list[str]) -> Iterator["pd.DataFrame"]:
    with opened:
        for batch in opened.iter_batches(batch_size=ROWS_AT_A_TIME, columns=columns):
            yield batch.to_pandas()


def _numbered(tables: Any, file: Path) -> Iterator[tuple[int, "pd.DataFrame"]]:
    """Yield the tables with their first row's number, from 1; raises InputError where reading fails half-way."""
    import pyarrow as pa

    row = 1
    try:
        for table in tables:
            table.columns = [name.strip() for name in table.columns]
            if len(table):
                yield row, table
            row += len(table)
    except InputError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"cannot be read as codes ({error})", path=file, remedy=_AGAIN) from error


def _piece(table: "pd.DataFrame", aus: tuple[int, ...], name: str, file: Path, first_row: int) -> _Piece:
    """Return the rows of `table` as arrays, checked."""
    rows = len(table)
    columns: dict[tuple[str, int], str] = {}
    for column in table.columns:
        if found := _AU.fullmatch(column):
            au = int(found[1])
            if (found[2], au) in columns:
                raise InputError(f"gives AU{au} in two columns", path=file, remedy="Keep one of them")
            columns[found[2], au] = column
    place = np.zeros((rows, len(_PLACE)))
    for at, column in enumerate(_PLACE):
        if column in table.columns:
            place[:, at] = _numbers(table, column, file, first_row)
    for at in (_FRAME, _FACE):
        bad = np.flatnonzero(~((place[:, at] >= 0) & (place[:, at] % 1 == 0)))  # an empty cell is none either
        if len(bad):
            _refuse(table, _PLACE[at], bad[0], "no whole number from 0", file, first_row)
    found_N = place[:, _SUCCESS] == 1
    values = {kind: np.full((rows, len(aus)), np.nan) for kind in _TOP}
    for (kind, au), column in columns.items():
        numbers = _numbers(table, column, file, first_row)
        bad = np.flatnonzero(
            found_N & ((numbers < 0) | (numbers > _TOP[kind]) | ((kind == "c") & (numbers % 1 != 0) & (numbers >= 0)))
        )
        if len(bad):
            wanted = "neither 0 nor 1" if kind == "c" else f"outside 0 to {_TOP[kind]:g}"
            _refuse(table, column, bad[0], wanted, file, first_row)
        values[kind][:, aus.index(au)] = np.where(found_N, numbers, np.nan)
    occurrence = np.where(np.isnan(values["c"]), -1, values["c"]).astype(np.int8)
    inputs, subjects = (_texts(table, column, blank) for column, blank in (("input", name), ("subject", "")))
    return _Piece(inputs, subjects, place, occurrence, values["r"], values["p"])


def _texts(table: "pd.DataFrame", column: str, blank: str) -> NDArray[Any]:
    if column not in table.columns:
        return np.full(len(table), blank, object)
    given = table[column]
    return np.where(given.isna(), blank, given.astype(object).astype(str).str.strip()).astype(object)


def _numbers(table: "pd.DataFrame", column: str, file: Path, first_row: int) -> Floats:
    """Return a column's numbers, NaN where it is empty; raises InputError where a cell is no number."""
    import pandas as pd

    given = table[column]
    if given.dtype.kind in "iufb":
        numbers = given.to_numpy(np.float64)
        bad = np.isinf(numbers)
    else:
        texts = given.astype(object).where(given.notna(), "").astype(str).str.strip()
        numbers = pd.to_numeric(texts, errors="coerce").to_numpy(np.float64)
        bad = ~np.isfinite(numbers) & ~texts.isin(["", *_BLANK]).to_numpy()
    if bad.any():
        _refuse(table, column, np.flatnonzero(bad)[0], "no number", file, first_row)
    return numbers


def _refuse(table: "pd.DataFrame", column: str, at: Any, what: str, file: Path, first_row: int) -> None:
    raise InputError(
        f"row {first_row + at}: {column} ({table[column].iloc[at]}) is {what}",
        path=file,
        remedy="Correct the cell, or code the video again",
    )
