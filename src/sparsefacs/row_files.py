"""Tables that are written a row at a time, as CSV or Parquet: memory does not grow with them."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from .errors import InputError
from .files import atomic_path, to_cell

Cell = str | int | float | None
TABLE_SUFFIXES = (".csv", ".parquet")
MANIFEST, JOB = "manifest.csv", ".predict"
"""In a folder of codes: the table that says what the others are of, and the folder of the work that makes them."""
ROWS_PER_GROUP = 1024  # rows of a Parquet file held in memory at a time


def check_table_path(path: Path, what: str, otherwise: str = "") -> None:
    """Raise InputError unless `path`, where `what` (in the plural) are written, ends in .csv or .parquet.

    otherwise: what else can be given in its place, after "or".
    """
    if path.suffix.lower() not in TABLE_SUFFIXES:
        remedy = f"End its name in .csv or .parquet{otherwise and f', or {otherwise}'}"
        raise InputError(f"{what} are written as CSV or Parquet", path=path, remedy=remedy)


def is_manifest(path: Path) -> bool:
    """Say whether a table holds no codes but says what those in its folder are of."""
    return path.name == MANIFEST and (path.parent / JOB).is_dir()


class RowWriter(Protocol):
    """Takes the rows of the table one by one."""

    def write(self, row: list[Cell]) -> None:
        """Write one row, in the order of the columns; None is an empty cell."""


@contextmanager
def open_rows(path: Path, types: Mapping[str, str]) -> Iterator[RowWriter]:
    """Open a table at `path`; it appears under that name, whole, when the block ends without an error.

    types: each column's type, as Arrow names it (string, int8, int32, float32, float64); a CSV has none. Raises
    InputError for a full disk.
    """
    with atomic_path(path, new=True) as temporary:
        if path.suffix.lower() == ".csv":
            with temporary.open("w", newline="", encoding="utf-8") as handle:
                yield _CsvRows(handle, list(types))
        else:
            rows = _ParquetRows(temporary, types)
            try:
                yield rows
            finally:
                rows.close()


class _CsvRows:
    def __init__(self, handle: IO[str], columns: list[str]) -> None:
        self._writer = csv.writer(handle, lineterminator="\n")
        self._writer.writerow(columns)

    def write(self, row: list[Cell]) -> None:
        self._writer.writerow([to_cell(cell) if isinstance(cell, str) else cell for cell in row])


class _ParquetRows:
    def __init__(self, path: Path, types: Mapping[str, str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in types.items()])
        self._file = pq.ParquetWriter(path, self._schema, write_page_checksum=True)
        self._held: list[list[Cell]] = []

    def write(self, row: list[Cell]) -> None:
        self._held.append(row)
        if len(self._held) == ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        if self._held:
            self._flush()
        self._file.close()

    def _flush(self) -> None:
        import pyarrow as pa

        arrays = [
            pa.array(values, type=field.type)
            for values, field in zip(zip(*self._held, strict=True), self._schema, strict=True)
        ]
        self._file.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._held = []
