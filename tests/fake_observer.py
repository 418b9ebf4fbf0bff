"""Small exports of The Observer XT as it writes them, and its .odx."""

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

COLUMNS = (
    "Date_Time_Absolute_dmy_hmsf", "Date_dmy", "Time_Absolute_hms", "Time_Absolute_f", "Time_Relative_hmsf",
    "Time_Relative_hms", "Time_Relative_f", "Time_Relative_sf", "Duration_sf", "Observation", "Event_Log", "Subject",
    "Behavior", "Modifier_1", "Modifier_2", "Event_Type", "Comment",
)  # fmt: skip

Line = tuple[str, str, str, str, float | None, float | None, str]
"""Observation, subject, behaviour, type ("State start" …), time and duration in s, modifiers as in "C/left"."""


def cells(line: Line) -> list[str | float | None]:
    """Return a line's cells, in the order of `COLUMNS`."""
    observation, subject, behaviour, kind, time, duration, modifiers = line
    first, _, second = modifiers.partition("/")
    row = dict.fromkeys(COLUMNS, "") | {
        "Date_dmy": "01-05-2024", "Time_Relative_sf": time, "Duration_sf": duration, "Observation": observation,
        "Event_Log": "Event Log 1", "Subject": subject, "Behavior": behaviour, "Modifier_1": first,
        "Modifier_2": second, "Event_Type": kind,
    }  # fmt: skip
    return [row[name] for name in COLUMNS]


def save(path: Path, lines: Sequence[Line], *, separator: str = ",", encoding: str = "utf-8") -> Path:
    """Write an export to `path`, as text or Excel; with semicolons, decimals have commas. Lines end in a separator."""
    rows = [list(COLUMNS), *(cells(line) for line in lines)]
    if path.suffix == ".xlsx":
        from openpyxl import Workbook

        book = Workbook()
        for row in rows:
            book.worksheets[0].append(row)
        book.save(path)
        return path

    def shown(value: str | float | None) -> str:
        if isinstance(value, float):
            return f"{value:.6f}".replace(".", "," if separator == ";" else ".")
        return "" if value is None else f'"{value}"'

    text = "".join(separator.join(shown(cell) for cell in row) + separator + "\r\n" for row in rows)
    path.write_text(text, encoding=encoding)
    return path


def odx(events: Sequence[tuple[str, str, str, str, str]], *, start: str = "", name: str = "clip.mp4") -> str:
    """Return an .odx of one observation: (timestamp, state, subject, behaviour, modifier as in "Intensity=C")."""
    rows = ""
    for time, state, subject, behaviour, modifier in events:
        group, _, value = modifier.partition("=")
        inside = f"<OBS_EVENT_BEHAVIOR_MODIFIER CLASS={quoteattr(group)}>{value}</OBS_EVENT_BEHAVIOR_MODIFIER>"
        rows += (
            f"<OBS_EVENT><OBS_EVENT_TIMESTAMP>{time}</OBS_EVENT_TIMESTAMP><OBS_EVENT_STATE>{state}</OBS_EVENT_STATE>"
            f"<OBS_EVENT_SUBJECT NAME={quoteattr(subject)}/><OBS_EVENT_BEHAVIOR NAME={quoteattr(behaviour)}>"
            f"{inside if modifier else ''}</OBS_EVENT_BEHAVIOR></OBS_EVENT>"
        )
    began = f' START_DATETIME="{start}"' if start else ""
    return (
        '<?xml version="1.0" encoding="utf-8"?><VOS xmlns="nxmlvosobservations"><MET_METADATA><MET_PROJECT_NAME>x'
        "</MET_PROJECT_NAME></MET_METADATA><CDS_CODING_SCHEME><CDS_BEHAVIOR><CDS_ELE_ID>1</CDS_ELE_ID><CDS_ELE_NAME>"
        "AU4</CDS_ELE_NAME></CDS_BEHAVIOR></CDS_CODING_SCHEME><OBS_OBSERVATIONS>"
        f'<OBS_OBSERVATION NAME="{name}"{began}><OBS_EVENT_LOGS>'
        f'<OBS_EVENT_LOG CREATION_DATETIME="2024-05-03 09:00:00.0">{rows}</OBS_EVENT_LOG></OBS_EVENT_LOGS>'
        "</OBS_OBSERVATION></OBS_OBSERVATIONS></VOS>"
    )
