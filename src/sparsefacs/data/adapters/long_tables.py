"""Label tables as columns of text: a row for each frame, so that they are long; how cells stand, `sheets` says."""

import csv
import io
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import InputError
from ...events.sheets import plain_column, read_lines, read_text

HeaderTest = Callable[[Sequence[str]], bool]
_EMPTY = frozenset({"", "nan", "na", "n/a", "none", "null"})
_LINES_SEARCHED = 200
_AGAIN = "Save it again as CSV"


def read_frame(
    path: Path, is_header: HeaderTest | None = None, *, once: Callable[[str], bool] = bool
) -> tuple[pd.DataFrame, list[tuple[str, ...]]]:
    """Return a table's cells as text, each row under its line's number in the file, and the lines above the header.

    Blank rows are left out; empty cells are NaN. is_header: tells the header, of plain column names; None: the first
    line. once: says of a name whether it may stand there only once. Raises InputError for what is no such table.
    """
    if path.suffix.lower() == ".xlsx":
        above, names, rows = _from_sheet(path, is_header)
    else:
        above, names, rows = _from_text(path, is_header)
    extra = rows.iloc[:, len(names) :].notna()
    if extra.to_numpy().any():
        line = extra.index[extra.any(axis=1)][0]
        raise InputError(f"line {line}: has more cells than there are columns", path=path, remedy="Correct the line")
    rows = rows.iloc[:, : len(names)].dropna(how="all")
    twice = [name for place, name in enumerate(names) if name in names[:place] and once(name)]
    if twice and is_header is None:
        raise InputError(f"has column {twice[0]} twice", path=path, remedy="Keep one of them")
    rows.columns = pd.Index(_distinct(names))
    return rows, above


def decimal_points(cells: pd.Series) -> pd.Series:
    """Return the cells of a column with decimal commas as points; numbers are left as they are."""
    if pd.api.types.is_numeric_dtype(cells):
        return cells
    texts = cells.astype("string").str.strip()
    comma = texts.str.contains(",", regex=False).fillna(False) & ~texts.str.contains(".", regex=False).fillna(False)
    return texts.mask(comma, texts.str.replace(",", ".", n=1, regex=False)).astype(object)


def cell_numbers(cells: pd.Series, path: Path, scale: float = 1.0) -> NDArray[np.float64]:
    """Return a column's numbers times `scale` (N,), NaN where empty; raises InputError for the first that is none."""
    values = pd.to_numeric(decimal_points(cells), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    bad = ~np.isfinite(values) & ~cells.isna().to_numpy()
    for place in np.flatnonzero(bad).tolist():
        text = str(cells.iloc[place]).strip()
        if text.lower() not in _EMPTY:
            raise InputError(
                f"line {cells.index[place]}: {cells.name} is {text!r}, not a number",
                path=path,
                remedy="Export it again, or leave the cell empty",
            )
    return np.where(np.isfinite(values), values * scale, np.nan)


def _from_text(path: Path, is_header: HeaderTest | None) -> tuple[list[tuple[str, ...]], list[str], pd.DataFrame]:
    text, mark = read_text(path)
    above: list[tuple[str, ...]] = []
    handle = io.StringIO(text, newline="")
    try:
        reader = csv.reader(handle, delimiter=mark, skipinitialspace=True)
        for cells in islice(reader, _LINES_SEARCHED):
            names = [cell.strip() for cell in cells]
            if _is_header(names, is_header):
                break
            above.append(tuple(names))
        else:
            raise _no_header(above, path)
        line = reader.line_num
        below = handle.tell()
        width = max(len(names), 1 + max((row.count(mark) for row in handle), default=0))
        handle.seek(below)
        rows = pd.read_csv(
            handle,
            sep=mark,
            names=list(range(width)),
            header=None,
            dtype=str,
            skipinitialspace=True,
            skip_blank_lines=False,
            index_col=False,
        )
    except pd.errors.EmptyDataError:
        rows = pd.DataFrame(columns=range(len(names)), dtype=str)
    except InputError:
        raise
    except (ValueError, csv.Error, pd.errors.ParserError) as error:  # pyarrow's errors are ValueErrors
        raise InputError(f"cannot be read as a table ({error})", path=path, remedy=_AGAIN) from error
    while names and not names[-1]:
        names.pop()
    rows.index = pd.RangeIndex(line + 1, line + 1 + len(rows))
    return above, names, rows


def _from_sheet(path: Path, is_header: HeaderTest | None) -> tuple[list[tuple[str, ...]], list[str], pd.DataFrame]:
    lines = read_lines(path)
    above: list[tuple[str, ...]] = []
    for place, (_, cells) in enumerate(lines[:_LINES_SEARCHED]):
        if _is_header(cells, is_header):
            names, below = list(cells), lines[place + 1 :]
            break
        above.append(cells)
    else:
        raise _no_header(above, path)
    while names and not names[-1]:
        names.pop()
    rows = pd.DataFrame([row for _, row in below], index=[number for number, _ in below], dtype=object)
    rows = rows.reindex(columns=range(max(len(names), rows.shape[1])))
    return above, names, rows.mask(rows.isna() | (rows == ""), np.nan)


def _is_header(names: Sequence[str], test: HeaderTest | None) -> bool:
    return any(names) if test is None else test([plain_column(name) for name in names])


def _no_header(above: Sequence[tuple[str, ...]], path: Path) -> InputError:
    what = "it has no line of column names that is known" if any(map(any, above)) else "it is empty"
    return InputError(f"cannot be read as a table ({what})", path=path, remedy=_AGAIN)


def _distinct(names: Sequence[str]) -> list[str]:
    """Return the names, with a number after those that came before, and after empty ones."""
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if name and seen[name] == 1 else f"{name} ({seen[name]})")
    return distinct
