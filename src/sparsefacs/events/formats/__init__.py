"""Other programs' files of events, by name: one module and one row here for each.

A module has `recognises(path) -> bool`, a cheap look at name and content; `read(path, asked) -> EventFile`; and, where
the kind is also written, `write(path, file) -> None`, whose file `read` gives back with the same events.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from ...errors import InputError
from ..model import Asked, EventFile


class _Module(Protocol):
    """What a format's module offers."""

    def recognises(self, path: Path) -> bool:
        """Say whether the file at `path` looks like one of this kind."""

    def read(self, path: Path, asked: Asked) -> EventFile:
        """Read it; raises InputError naming the file, and the place in it, for what is no such file."""

    def write(self, path: Path, file: EventFile) -> None:
        """Write `file`, whole or not at all."""


@dataclass(frozen=True)
class Format:
    """A kind of file.

    name: for `--format`; what: in words; suffixes: of its files, the first of those written; one_video: a file is of
    one video.
    """

    name: str
    what: str
    suffixes: tuple[str, ...]
    place: str
    written: bool = False
    one_video: bool = False

    @property
    def module(self) -> _Module:
        """The module that reads it; imported when asked for."""
        return cast(_Module, import_module(f"{__package__}.{self.place}"))


FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format("boris", "BORIS project", (".boris", ".boris.gz"), "boris", written=True),
        Format("elan", "ELAN annotations", (".eaf",), "elan", written=True, one_video=True),
        Format("datavyu", "Datavyu spreadsheet", (".opf",), "datavyu"),
        Format("observer-project", "Observer XT data", (".odx",), "observer_project"),
        Format("bids", "BIDS events", (".tsv",), "bids", written=True),
        Format("csv", "table of events", (".csv",), "event_table", written=True),
        Format("boris-table", "BORIS export", (".csv", ".tsv", ".txt", ".xlsx"), "boris_tables"),
        Format("observer", "Observer XT export", (".csv", ".txt", ".xlsx"), "observer"),
        Format("table", "table of events", (".tsv", ".txt", ".xlsx"), "event_table"),
    )
}
"""Every kind of file of events by its name; a file is of the first that recognises it."""


def find_format(path: Path) -> Format | None:
    """Return the kind of file of events that the file at `path` is; None where it is none."""
    if not path.is_file():
        return None
    name = path.name.lower()
    alike = [row for row in FORMATS.values() if name.endswith(row.suffixes)]
    return next((row for row in alike if row.module.recognises(path)), None)


def format_to_write(name: str | None, path: Path) -> Format:
    """Return the kind to write: the one called `name`, or that of `path`'s ending; raises InputError for none."""
    kinds = {row.name: row for row in FORMATS.values() if row.written}
    if name is not None and name not in kinds:
        raise InputError(f"events are not written as {name!r}", remedy=f"Choose one of: {', '.join(kinds)}")
    if name is not None:
        other = [row for row in kinds.values() if path.name.lower().endswith(row.suffixes) and row.name != name]
        if other and not path.name.lower().endswith(kinds[name].suffixes):
            raise InputError(
                f"ends like a file of {other[0].what}, not of {kinds[name].what}",
                path=path,
                remedy="Give the other ending, or leave --format out",
            )
        return kinds[name]
    for row in kinds.values():
        if path.name.lower().endswith(row.suffixes):
            return row
    endings = ", ".join(row.suffixes[0] for row in kinds.values())
    raise InputError("does not say what kind of file to write", path=path, remedy=f"End its name in one of {endings}")
