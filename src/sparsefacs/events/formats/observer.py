"""The Observer XT's export of event data: text or Excel, a row for each start, stop and point."""

from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from ..collecting import Collected
from ..model import Asked, EventFile, Span
from ..sheets import Table, number, read_table, seconds
from .observer_log import Row, add_rows, kind_of

WHAT = "Observer XT export"
_TIMES = (
    "time relative sf",
    "relative time (seconds)",
    "time relative (seconds)",
    "time relative s",
    "time relative hmsf",
    "time relative hms",
)
_BEHAVIOURS = ("behavior", "behaviour")
_OBSERVATIONS = ("observation", "observation name")
_LOGS = ("event log", "event log file name")
_DURATIONS = ("duration sf", "duration (seconds)", "duration s")
_BEGINS = ("start observation", "observation start", "start of observation", "{start}")
_ENDS = ("stop observation", "observation stop", "end observation", "observation end", "end of observation", "{end}")
_NOBODY = ("no focal subject", "-")


def recognises(path: Path) -> bool:
    """Say whether the file at `path` looks like an export of Observer XT."""
    try:
        read_table(path, is_header=_is_header)
    except (InputError, OSError):
        return False
    return True


def read(path: Path, asked: Asked) -> EventFile:
    """Read an export; an observation stands for the video of its name.

    Looked at are the stretches of the behaviour that `asked` names, or from the observation's start to its stop where
    the export has rows of these. Raises InputError naming the file for what is none.
    """
    table = _table(path)
    found = Collected(path, WHAT, asked)
    clock = table.find(*_TIMES) or ""
    found.notes.append("its times count from the start of each observation, which is taken to be that of its video")
    if clock == "time relative hms":
        found.notes.append("its times are whole seconds: export Time_Relative_sf for exact ones")
    if further := _further_sheets(path):
        found.notes.append(f"only its first sheet is read, and not {', '.join(further)}")
    rows: list[Row] = []
    limits: dict[str, dict[str, float | None]] = {}
    for where, cells in table.rows():
        row = _row(table, clock, where, cells)
        if row is None:
            continue
        words = {_plain(row.behaviour), _plain(cells["event type"])}
        if words & {*_BEGINS, *_ENDS}:
            limits.setdefault(row.media, {})["start" if words & set(_BEGINS) else "stop"] = row.time_s
        elif row.behaviour:
            rows.append(row)
    add_rows(found, rows)
    if asked.coded is None:
        for media, own in limits.items():
            start_s, stop_s = own.get("start"), own.get("stop")
            if start_s is not None and stop_s is not None:
                found.add_coded(Span(media, "", start_s, stop_s), f"observation {media}")
    return found.finish()


def _is_header(columns: Sequence[str]) -> bool:
    return (
        "event type" in columns
        and any(name in columns for name in _BEHAVIOURS)
        and any(name in columns for name in _TIMES)
    )


def _table(path: Path) -> Table:
    try:
        return read_table(path, is_header=_is_header)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", path=path, remedy="Check the file") from error


def _row(table: Table, clock: str, where: str, cells: dict[str, str]) -> Row | None:
    """Return a line of the table, None for one without a behaviour, a type and a time."""
    behaviour = next((cells[name] for name in _BEHAVIOURS if name in cells), "")
    if not (behaviour or cells["event type"] or cells[clock]):
        return None
    observation = table.find(*_OBSERVATIONS)
    log = table.find(*_LOGS)
    duration = table.find(*_DURATIONS)
    subject = cells.get("subject", "")
    return Row(
        media=cells[observation] if observation and cells[observation] else table.path.stem,
        subject="" if _plain(subject) in _NOBODY else subject,
        behaviour=behaviour,
        modifiers=tuple((name, value) for name, value in cells.items() if name.startswith("modifier") and value),
        kind=kind_of(cells["event type"]),
        time_s=seconds(cells[clock]),
        duration_s=number(cells[duration]) if duration else None,
        where=where,
        log=cells[log] if log else "",
    )


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _further_sheets(path: Path) -> list[str]:
    """Return the names of an Excel file's sheets beyond the first."""
    if path.suffix.lower() != ".xlsx":
        return []
    from openpyxl import load_workbook

    book = load_workbook(path, read_only=True)
    try:
        return [str(name) for name in book.sheetnames[1:]]
    finally:
        book.close()
