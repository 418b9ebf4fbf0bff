"""BIDS events: `_events.tsv`, onset and duration first, and beside it a `.json` that describes the columns.

A duration of 0 is a point in time, `n/a` an empty cell. The levels of `trial_type` in the JSON file are the coders'
list. BIDS counts from the first frame; the JSON file of this program says so where times count from the media's start.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...facs import UNITS
from ...files import read_json, refuse_existing, write_json, write_text
from ..model import CLOCKS, Asked, Clock, EventFile
from ..sheets import first_lines, plain_column, read_table
from .event_rows import CODED, FIELDS, SELDOM, UNKNOWN, read_rows, rows_of, to_text

WHAT = "BIDS events"
_MISSING = "n/a"
_COUNTS = "CountsFrom"
_COLUMNS = ("onset", "duration", "trial_type", *(name for name in FIELDS[4:] if name != "clock"))
_SUBJECT = re.compile(r"sub-([a-zA-Z0-9+]+)_")
_REMEDY = "Correct it, or remove it: the table is read without it"
_WORDS = {
    "onset": "When the event begins",
    "duration": "How long it lasts; 0: a point in time; n/a of coded and unknown: until the video's end",
    "trial_type": "The action unit (AU) of the Facial Action Coding System, or what a stretch of the video is",
    "side": "Side of the face",
    "intensity": "Highest intensity, 1 to 5 for A to E",
    "letter": "Highest intensity as a letter",
    "apex": "When it is strongest",
    "subject": "The person",
    "face": "Number of the face in the video",
    "media": "The video",
    "cut": "At which end the event goes on unseen",
    "aus": "The action units that were looked at (coded), or of which nothing is known (unknown)",
    "comment": "Why nothing is known",
}


def recognises(path: Path) -> bool:
    """Say whether the file at `path` looks like BIDS events: its first columns are onset and duration."""
    lines = first_lines(path, 1)
    return bool(lines) and [plain_column(cell) for cell in lines[0][:2]] == ["onset", "duration"]


def read(path: Path, asked: Asked) -> EventFile:
    """Read BIDS events and, where it is there, the JSON file beside them; raises InputError for what is neither.

    Rows without a subject or a video take them from the file's name (`sub-01_task-talk_events.tsv`) where the table has
    no such column.
    """
    table = read_table(path)
    names = {"onset": "onset", "duration": "duration", "au": "trial type", **{name: name for name in FIELDS[4:]}}
    for needed in ("onset", "duration", "trial type"):
        if needed not in table.columns:
            raise InputError(
                f"has no column {needed.replace(' ', '_')}", path=path, remedy="Add it: BIDS events are read by it"
            )
    told = {role: name for role, name in names.items() if name in table.columns}
    rows = ((where, {role: _cell(row[name]) for role, name in told.items()}) for where, row in table.rows())
    described = _described(path)
    found = _SUBJECT.match(path.name)
    return read_rows(
        path,
        WHAT,
        rows,
        asked,
        media=path.stem.removesuffix("_events"),
        subject=found[1] if found and "subject" not in told else "",
        clock=_clock(described, path),
        listed=_listed(described, asked),
    )


def write(path: Path, file: EventFile) -> None:
    """Write the events and beside them, with the ending .json, the description of their columns.

    Raises InputError where another table's description is already there.
    """
    beside = path.with_suffix(".json")
    if not path.exists():
        refuse_existing(beside, what="description of the events")
    rows = rows_of(file)
    columns = [name for name in _COLUMNS if name not in SELDOM or any(row.get(name) for row in rows)]
    cells = [{name: _bids_cell(row, name) for name in columns} for row in rows]
    write_json(beside, _description(columns, file))
    write_text(path, to_text(columns, cells, "\t"))


def _cell(text: str) -> str:
    return "" if text.strip().lower() == _MISSING else text


def _bids_cell(row: Mapping[str, str], name: str) -> str:
    if name == "duration" and row["au"] not in (CODED, UNKNOWN):
        return row["duration"] or "0"
    return row.get("au" if name == "trial_type" else name) or _MISSING


def _described(path: Path) -> dict[str, Any]:
    """Return the description beside the table, empty where there is none."""
    beside = path.with_suffix(".json")
    if not beside.is_file():
        return {}
    content = read_json(beside, what="the description of the events", remedy=_REMEDY)
    if not isinstance(content, dict):
        raise InputError("is no description of columns", path=beside, remedy=_REMEDY)
    return content


def _clock(described: dict[str, Any], path: Path) -> Clock:
    onset = described.get("onset")
    told = onset.get(_COUNTS, "first-frame") if isinstance(onset, dict) else "first-frame"
    for clock in CLOCKS:
        if told == clock:
            return clock
    raise InputError(
        f"onset counts from {told!r}", path=path.with_suffix(".json"), remedy=f"Write one of {', '.join(CLOCKS)}"
    )


def _listed(described: dict[str, Any], asked: Asked) -> set[int]:
    """Return the AUs among the levels of trial_type."""
    column = described.get("trial_type")
    levels = column.get("Levels") if isinstance(column, dict) else None
    names = levels if isinstance(levels, dict) else {}
    return {meaning.au for name in names for meaning in asked.names.of(str(name))}


def _description(columns: list[str], file: EventFile) -> dict[str, Any]:
    """Return the description of the columns, as BIDS has it."""
    described: dict[str, Any] = {name: {"Description": _WORDS[name]} for name in columns}
    for name in ("onset", "duration", "apex"):
        described[name]["Units"] = "s"
    described["onset"][_COUNTS] = file.clock
    aus = sorted({*file.aus, *(event.au for event in file.events)})
    described["trial_type"]["Levels"] = {
        **{f"AU{au}": UNITS[au].name if au in UNITS else f"AU{au}" for au in aus},
        CODED: "A stretch that was looked at: an AU without an event there is absent",
        UNKNOWN: "A stretch in which nothing is known",
    }
    described["side"]["Levels"] = {side: side for side in ("left", "right", "both")}
    described["letter"]["Levels"] = dict(zip("ABCDE", ("trace", "slight", "marked", "severe", "maximum"), strict=True))
    return described
