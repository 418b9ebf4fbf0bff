"""Tables of events: this program's CSV, and a simple table that a user typed in a spreadsheet or wrote in R.

Needed are a column of onsets and one of names (AU12, lip corner puller …); wanted are one of offsets or durations.
Columns may have several names (`COLUMNS`), with a unit: `start (ms)`. Lines above the header are passed over.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...errors import InputError
from ...files import write_text
from ..model import Asked, EventFile
from ..sheets import first_lines, number, plain_column, read_table
from .event_rows import FIELDS, SELDOM, read_rows, rows_of, to_text

WHAT = "table of events"
COLUMNS: dict[str, tuple[str, ...]] = {
    "onset": ("onset", "start", "begin", "onset time", "start time", "begin time"),
    "offset": ("offset", "stop", "end", "offset time", "stop time", "end time"),
    "duration": ("duration",),
    "au": ("au", "behavior", "behaviour", "code", "action unit", "name", "label", "annotation", "event", "trial type"),
    "side": ("side",),
    "intensity": ("intensity", "level", "strength"),
    "letter": ("letter",),
    "apex": ("apex", "apex time", "peak"),
    "subject": ("subject", "participant", "person", "subject id", "participant id"),
    "face": ("face", "face id"),
    "media": ("media", "video", "file", "filename", "file name", "media file", "video file"),
    "cut": ("cut", "censored"),
    "aus": ("aus",),
    "clock": ("clock",),
    "comment": ("comment", "comments", "note", "notes"),
}
"""What each column may be called, in lower case, the first found; times also with a unit in seconds or milliseconds."""
_SECONDS = "times without a unit are read as seconds from the video's start"
_TIMES = ("onset", "offset", "duration", "apex")
_UNIT = re.compile(r"(?P<name>.+?) ?\(?\b(?P<unit>s|sec|secs|seconds|ms|msec|milliseconds)\)?")
_FOREIGN = {
    "behavior type", "behavioral category", "observation id", "observation", "event type", "time relative sf",
    "duration sf",
}  # fmt: skip


def recognises(path: Path) -> bool:
    """Say whether the file at `path` looks like a table of events, and not like an export of BORIS or Observer."""
    lines = [[plain_column(cell) for cell in cells] for cells in first_lines(path)]
    return next((not _FOREIGN & set(names) for names in lines if _is_header(names)), False)


def read(path: Path, asked: Asked) -> EventFile:
    """Read a table of events; raises InputError for what is no such table.

    A table without a column for videos belongs to the video with its own name.
    """
    table = read_table(path, is_header=_is_header)
    columns = _roles(table.columns)
    if not {"offset", "duration"} & set(columns):
        raise InputError(
            f"has no column of ends that is known; its columns are {', '.join(name for name in table.columns if name)}",
            path=path,
            remedy="Call it offset, end, stop or duration; if every row is a single moment, leave such a column empty",
        )
    rows = (
        (where, {role: _cell(row[name], scale) for role, (name, scale) in columns.items()})
        for where, row in table.rows()
    )
    file = read_rows(path, WHAT, rows, asked, media=path.stem)
    untold = any(role in columns and not _UNIT.fullmatch(columns[role][0]) for role in _TIMES)
    return replace(file, notes=(*file.notes, _SECONDS)) if untold and "cut" not in columns else file


def write(path: Path, file: EventFile) -> None:
    """Write `file` as CSV, whole or not at all."""
    rows = rows_of(file)
    columns = [name for name in FIELDS if name not in SELDOM or any(row.get(name) for row in rows)]
    write_text(path, to_text(columns, rows, ","))


def _is_header(names: Sequence[str]) -> bool:
    return {"onset", "au"} <= set(_roles(names))


def _roles(names: Sequence[str]) -> dict[str, tuple[str, float]]:
    """Return the column of each role that is there, and what its numbers are multiplied by to be seconds."""
    scales: dict[str, tuple[str, float]] = {}
    for name in names:
        found = _UNIT.fullmatch(name)
        if found:
            scales.setdefault(found["name"].strip(), (name, 0.001 if found["unit"].startswith("m") else 1.0))
    roles = {}
    for role, known in COLUMNS.items():
        for plain in known:
            if plain in names:
                roles[role] = (plain, 1.0)
            elif role in _TIMES and plain in scales:
                roles[role] = scales[plain]
            if role in roles:
                break
    return roles


def _cell(text: str, scale: float) -> str:
    value = number(text) if scale != 1.0 else None
    return text if value is None else str(round(value * scale, 9))
