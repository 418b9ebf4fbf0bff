"""Tables as other programs write them: text with any separator, decimal comma and encoding, or Excel."""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ..errors import InputError
from ..files import bytes_of

SHEET_SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx")
_SEPARATORS = "\t;,"
_AGAIN = "Export it again, as CSV in UTF-8 for instance"
_TOP_BYTES = 65536
_LINES_COMPARED = 2000
_QUOTED = re.compile(r'"[^"]*"')
_CLOCK = re.compile(r"(?P<minus>-)?(?:(?P<h>\d{1,4}):)?(?P<m>\d{1,6}):(?P<s>\d{1,9}(?:[.,]\d+)?)")


@dataclass(frozen=True)
class Table:
    """A table with a header: columns in plain lower case, cells as text without blanks around.

    lines: (number of the line in its file, from 1; cells). before: the lines above the header.
    """

    path: Path
    columns: tuple[str, ...]
    lines: tuple[tuple[int, tuple[str, ...]], ...]
    before: tuple[tuple[str, ...], ...] = ()

    def rows(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield ("row 7", cells by column) of every line that is not blank; missing cells are empty."""
        for number, cells in self.lines:
            padded = (*cells, *("",) * (len(self.columns) - len(cells)))
            yield f"row {number}", dict(zip(self.columns, padded, strict=False))

    def find(self, *names: str) -> str | None:
        """Return the first of `names` that is a column, else None."""
        return next((name for name in names if name in self.columns), None)


def read_lines(path: Path) -> list[tuple[int, tuple[str, ...]]]:
    """Return the lines of a table that are not blank, with their numbers from 1; cells as text, blanks trimmed.

    Text may be UTF-8, UTF-16 with its mark, or Windows-1252; separated by tabs, semicolons or commas, whichever the
    line with most of them has. Of an Excel file the first sheet is read. Raises InputError for what is no such table.
    """
    if not path.is_file():
        raise InputError("is not there", path=path, remedy="Check the name")
    raw = _from_excel(path) if path.suffix.lower() == ".xlsx" else _from_text(path)
    return [(number, cells) for number, cells in raw if any(cells)]


def first_lines(path: Path, count: int = 60) -> list[tuple[str, ...]]:
    """Return a table's first lines, to tell its kind by: as `read_lines`, but cheap, and none for what is no table."""
    try:
        if path.suffix.lower() == ".xlsx":
            raw = _from_excel(path, count)
        else:
            with path.open("rb") as handle:
                content = handle.read(_TOP_BYTES)
            whole = len(content) < _TOP_BYTES
            raw = _rows(*_with_separator(content if whole else content[: content.rfind(b"\n") + 1], path), path)
        return [cells for _, cells in raw[:count] if any(cells)]
    except (InputError, OSError):
        return []


def read_text(path: Path) -> tuple[str, str]:
    """Return a text table's content and the mark between its cells; raises InputError for what is no text."""
    if not path.is_file():
        raise InputError("is not there", path=path, remedy="Check the name")
    return _with_separator(bytes_of(path), path)


def read_table(path: Path, *, is_header: Callable[[Sequence[str]], bool] | None = None) -> Table:
    """Read a table; is_header: tells the header line, of plain column names, from lines above it. Default: the first.

    Raises InputError for an unreadable file, one without the header, and one with a column twice.
    """
    lines = read_lines(path)
    for place, (_, cells) in enumerate(lines):
        columns = tuple(plain_column(cell) for cell in cells)
        if is_header is None or is_header(columns):
            named = [name for name in columns if name]
            twice = sorted({name for name in named if named.count(name) > 1})
            if twice:
                raise InputError(f"has column {twice[0]} twice", path=path, remedy="Keep one of them")
            return Table(path, columns, tuple(lines[place + 1 :]), tuple(cells for _, cells in lines[:place]))
    what = "is empty" if not lines else "has no line of column names that is known"
    raise InputError(what, path=path, remedy=_AGAIN)


def plain_column(text: str) -> str:
    """Return a column's name in lower case with single blanks: `" Start  (s)"` is `start (s)`."""
    return " ".join(text.replace("_", " ").split()).casefold()


def number(text: str) -> float | None:
    """Return the number in a cell, decimal comma or point; None where it is empty or none."""
    plain = text.strip().replace("\u2212", "-")
    if "," in plain and "." not in plain:
        plain = plain.replace(",", ".")
    try:
        value = float(plain)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def seconds(text: str) -> float | None:
    """Return the seconds in a cell: a number of seconds, or a clock such as 00:01:02.345; None where it is neither."""
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return number(text)
    value = int(found["h"] or 0) * 3600 + int(found["m"]) * 60 + float(found["s"].replace(",", "."))
    return -value if found["minus"] else value


def _from_text(path: Path) -> list[tuple[int, tuple[str, ...]]]:
    return _rows(*_with_separator(bytes_of(path), path), path)


def _with_separator(content: bytes, path: Path) -> tuple[str, str]:
    place = content.find(b"\0")
    if place >= 0 and not content.startswith((b"\xff\xfe", b"\xfe\xff")):  # readers would lose the rows around it
        row = content.count(b"\n", 0, place)
        where = f"row {row}" if row else "the header"
        raise InputError(f"{where} holds a NUL byte, so it is damaged or no text", path=path, remedy=_AGAIN)
    text = _decoded(content)
    lines = [_QUOTED.sub("", line) for line in islice(io.StringIO(text, newline=None), _LINES_COMPARED)]
    return text, max(_SEPARATORS, key=lambda mark: _regularity(lines, mark))


def _rows(text: str, separator: str, path: Path) -> list[tuple[int, tuple[str, ...]]]:
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
        return [(reader.line_num, tuple(cell.strip() for cell in row)) for row in reader]
    except csv.Error as error:
        raise InputError(f"cannot be read as a table ({error})", path=path, remedy=_AGAIN) from error


def _regularity(lines: list[str], mark: str) -> int:
    """Return how many lines have `mark` as often as most of those that have it, give or take one."""
    counts = Counter(line.count(mark) for line in lines)
    del counts[0]
    if not counts:
        return 0
    usual = counts.most_common(1)[0][0]
    return counts[usual - 1] + counts[usual] + counts[usual + 1]


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _from_excel(path: Path, count: int | None = None) -> list[tuple[int, tuple[str, ...]]]:
    from openpyxl import load_workbook

    try:
        book = load_workbook(path, read_only=True, data_only=True)
        try:
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # some programs write wrong ones
            return [
                (line, tuple(_text(value) for value in cells))
                for line, cells in enumerate(sheet.iter_rows(max_row=count, values_only=True), start=1)
            ]
        finally:
            book.close()
    except Exception as error:  # openpyxl raises KeyError, BadZipFile, ParseError … on damage
        raise InputError(f"cannot be read as an Excel file ({error})", path=path, remedy=_AGAIN) from error


def _text(value: object) -> str:
    """Return an Excel cell as text: times of day as clocks, whole numbers without a point."""
    from datetime import datetime, time, timedelta

    if value is None:
        return ""
    if isinstance(value, timedelta):
        return str(value.total_seconds())
    if isinstance(value, datetime | time):
        return value.strftime("%H:%M:%S.%f")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
