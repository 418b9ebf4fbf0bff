"""Every kind of label table, told apart by what is in it."""

from pathlib import Path
from typing import Protocol

from ...events.sheets import SHEET_SUFFIXES
from ...row_files import is_manifest
from . import answers, facereader, imotions
from .columns import LabelTable, read_labels

TABLE_SUFFIXES = (".csv", ".parquet", ".tsv", ".xlsx")


class _Program(Protocol):
    """What the module of a program's tables offers."""

    def recognises(self, path: Path) -> bool:
        """Say whether the file at `path` looks like one of its tables."""

    def read(self, path: Path) -> LabelTable:
        """Read it; raises InputError naming file and line."""


_PROGRAMS: tuple[_Program, ...] = (answers, facereader, imotions)


def read_label_table(path: Path, *, first_frame: int | None = None) -> LabelTable:
    """Read a label table of this program, of its user, or of another program.

    first_frame: as in `read_labels`. Raises InputError naming the file, the row at fault and the remedy.
    """
    program = _program_of(path)
    return program.read(path) if program else read_labels(path, first_frame=first_frame)


def tables_in(folder: Path) -> list[Path]:
    """Return the label tables in a folder by name; a .txt file is one where another program's table is in it."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not path.name.startswith((".", "~$"))
        and not is_manifest(path)
        and (path.suffix.lower() in TABLE_SUFFIXES or (path.suffix.lower() == ".txt" and _program_of(path)))
    )


def _program_of(path: Path) -> _Program | None:
    if path.suffix.lower() not in SHEET_SUFFIXES or not path.is_file():
        return None
    return next((program for program in _PROGRAMS if program.recognises(path)), None)
