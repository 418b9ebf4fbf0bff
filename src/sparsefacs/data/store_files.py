"""The files of a finished store, opened with nothing believed that can be checked.

Small files are checked when the store is opened. A part (an Arrow file) is read whole and checked when the first of its
faces is asked for, once a process: opening stays quick however large a store is, and nothing is learned from or tested
on a part that was not checked.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BaseModel, Field

from ..errors import InputError
from ..files import sha256_file
from ..records import Record, check_sum, read_record
from .face_row import schema

if TYPE_CHECKING:
    import pyarrow as pa

STATE, DESCRIPTION = "state.json", "dataset_info.json"
_REQUIRED = (
    *("image", "subject", "clip", "frame", "time", "face", "landmarks", "matrix"),
    *("occurrence", "intensity", "score", "source"),
)


class _DataFile(BaseModel):
    filename: Annotated[str, Field(pattern=r"^[\w.-]+\.arrow$")]  # no folder: it lies in the store


class _StateRecord(Record):
    files: Annotated[list[_DataFile], Field(alias="_data_files", min_length=1)]


class StoreFiles:
    """Opens the files of the store in `folder`, of which its store.json says `record`; raises InputError on damage."""

    def __init__(self, folder: Path, record: Mapping[str, Any], remedy: str) -> None:
        self._folder, self._remedy = folder, remedy
        self._sums: Mapping[str, str] = record.get("sha256", {})
        state = self._read(STATE, _StateRecord)
        self._read(DESCRIPTION, Record)
        self._names = [each["filename"] for each in state["_data_files"]]
        told = record.get("part_faces", [])
        self._ends = np.cumsum(told) if len(told) == len(self._names) else np.zeros(0, np.int64)
        if self._sums and (set(self._names) - set(self._sums) or not len(self._ends)):
            raise InputError("names other files than the store has", path=folder / STATE, remedy=remedy)
        self._sound: set[int] = set()

    def _read(self, name: str, schema: type[Record]) -> dict[str, Any]:
        check_sum(self._folder / name, self._sums, remedy=self._remedy)
        return read_record(
            self._folder / name, schema, what="this part of the store's description", remedy=self._remedy
        )

    def load(self, aus: int) -> "pa.Table":
        """Return the data, memory-mapped; raises InputError where they are not those of a store of so many AUs."""
        try:
            found = mapped(self._folder / name for name in self._names)
            wanted = schema(aus)
            odd = next((name for name in _REQUIRED if found.schema.field(name).type != wanted.field(name).type), "")
        except Exception as error:  # of a damaged file, pyarrow raises almost any kind
            raise InputError(
                f"the store's data cannot be read ({error or type(error).__name__})",
                path=self._folder,
                remedy=self._remedy,
            ) from error
        if odd:
            raise InputError(f"its column {odd} is of another kind", path=self._folder, remedy=self._remedy)
        return found

    def check(self, row: int, piece: "pa.Array") -> None:
        """Raise InputError where the part that holds face `row` is damaged; piece: the stored faces around it."""
        if not len(self._ends):  # of an older version: no sums, but nothing may reach outside of the file
            self.refuse_bad(piece, "image")
            return
        part = int(np.searchsorted(self._ends, row, side="right"))
        if part in self._sound:
            return
        path = self._folder / self._names[part]
        stat = path.stat()
        if _digest(path, stat.st_size, stat.st_mtime_ns) != self._sums[path.name]:
            raise InputError(
                "is damaged: it was changed after it was written (SHA-256)", path=path, remedy=self._remedy
            )
        self._sound.add(part)

    def refuse_bad(self, column: "pa.Array | pa.ChunkedArray", name: str) -> None:
        """Raise InputError where texts or pictures of a column would reach outside of it, or are not UTF-8."""
        import pyarrow as pa

        try:
            column.validate(full=True)
        except (pa.ArrowException, ValueError) as error:
            raise InputError(f"its column {name} is damaged", path=self._folder, remedy=self._remedy) from error


def mapped(parts: Iterable[Path]) -> "pa.Table":
    """Return the rows of Arrow streams, one after the other, memory-mapped."""
    import pyarrow as pa

    tables = []
    for part in parts:
        with pa.ipc.open_stream(pa.memory_map(str(part))) as stream:
            tables.append(stream.read_all())
    return pa.concat_tables(tables)


@lru_cache(maxsize=4096)
def _digest(path: Path, size: int, changed_ns: int) -> str:
    """Return the SHA-256 of a file; size, changed_ns: of the file, so that a changed one is read again."""
    del size, changed_ns
    return sha256_file(path)
