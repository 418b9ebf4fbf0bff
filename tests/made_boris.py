"""Fake files as BORIS 1 to 9 write them, quirks included: projects, and what BORIS exports from them."""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sparsefacs.events.model import EventFile

Line = Sequence[Any]
SETS = {
    "0": {"name": "side", "description": "", "type": 0, "ask at stop": False, "values": ["left (l)", "right (r)"]},
    "1": {"name": "intensity", "type": 0, "values": list("ABCDE")},
}
KINDS = {"AU12": "State event", "AU1": "Point event", "talks": "State event", "seen": "State event"}

WINDOWS = "C:\\Videos\\P 01\\a.mp4"
LINES = [
    [0.5, "", "seen", "", "", 12], [1.0, "Anna", "AU12", "left|B", "", 25], [2.0, "", "AU1", "", "raised", "NA"],
    [3.0, "Anna", "AU12", "left|B", "", 75], [3.5, "Anna", "talks", "", "", 80], [4.0, "Anna", "talks", "", "", 90],
    [5.0, "Anna", "AU12", "right|None", "", 12], [5.25, "Anna", "AU12", "right|None", "", 12],
    [9.5, "", "seen", "", "", 9],
]  # fmt: skip


def behaviours(kinds: Mapping[str, str] = KINDS, sets: Mapping[str, Any] | str | None = None) -> dict[str, Any]:
    """Return a list of behaviours, by code and type."""
    fields = {"description": "", "color": "", "category": "", "excluded": "", "coding map": ""}
    modifiers = SETS if sets is None else sets
    return {
        str(place): {"type": kind, "key": code[-1:].lower(), "code": code, "modifiers": modifiers, **fields}
        for place, (code, kind) in enumerate(kinds.items())
    }


def observation(
    events: Iterable[Line],
    *,
    players: Mapping[str, Sequence[str]] | None = None,
    lengths: Mapping[str, float] | None = None,
    fps: float = 25.0,
    offset: float = 0.0,
    interval: Sequence[float] | None = (0, 0),
    kind: str = "MEDIA",
    **more: Any,
) -> dict[str, Any]:
    """Return an observation; lines have three to seven entries, as the versions differ."""
    shown = {"1": ["a.mp4"]} if players is None else players
    names = [name for queue in shown.values() for name in queue]
    found: dict[str, Any] = {
        "file": {str(player): list(shown.get(str(player), ())) for player in range(1, 9)},
        "type": kind,
        "date": "2024-05-06T10:11:12.345",
        "description": "",
        "time offset": offset,
        "events": [list(line) for line in events],
        "independent_variables": {"age": "12"},
        "close_behaviors_between_videos": False,
        "media_info": {
            "length": dict(lengths) if lengths is not None else dict.fromkeys(names, 10.0),
            "fps": dict.fromkeys(names, fps),
            "hasVideo": dict.fromkeys(names, True),
            "hasAudio": dict.fromkeys(names, False),
            "offset": dict.fromkeys(shown, 0.0),
        },
    }
    if interval is not None:  # new in version 8
        found["observation time interval"] = list(interval)
    return {**found, **more}


def project(observations: Mapping[str, Any], *, version: str | None = "7.0", **more: Any) -> dict[str, Any]:
    """Return a project."""
    found: dict[str, Any] = {
        "time_format": "hh:mm:ss",
        "project_date": "2024-05-06T10:00:00",
        "project_name": "smiles",
        "project_description": "",
        "subjects_conf": {"0": {"key": "1", "name": "Anna", "description": ""}},
        "behaviors_conf": behaviours(),
        "observations": dict(observations),
        "behavioral_categories": [],
        "independent_variables": {"0": {"label": "age", "description": "", "type": "numeric"}},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    if version is not None:
        found["project_format_version"] = version
    return {**found, **more}


def one(events: Iterable[Line], **more: Any) -> dict[str, Any]:
    """Return a project of one observation."""
    return project({"first": observation(events, **more)})


def brief(file: EventFile) -> list[tuple[Any, ...]]:
    """Return media, subject, AU, onset, offset, side and intensity of all events, by video and time."""
    events = sorted(file.events, key=lambda event: (event.media, event.onset_s))
    return [(e.media, e.subject, e.au, e.onset_s, e.offset_s, e.side, e.intensity) for e in events]


def save(path: Path, content: Any, *, before: bytes = b"", encoding: str = "utf-8") -> Path:
    """Write a project, gzipped where the name ends in `.gz`."""
    raw = before + json.dumps(content, ensure_ascii=False).encode(encoding)
    path.write_bytes(gzip.compress(raw) if path.name.endswith(".gz") else raw)
    return path


def lines_of(path: Path) -> list[list[Any]]:
    """Return the events of a project's only observation."""
    content = path.read_bytes()
    told = json.loads(gzip.decompress(content) if path.name.endswith(".gz") else content)
    (only,) = told["observations"].values()
    return only["events"]


def exported(content: Mapping[str, Any], *, version: int) -> list[list[str]]:
    """Return the cells of BORIS's tabular export of the only observation. version: 7, 8 (its earlier ones) or 9."""
    ((name, seen),) = content["observations"].items()
    events = _with_status(content, seen)
    width = max((line[3].count("|") + 1 for line in events if line[3]), default=0)
    rows: list[list[str]] = []
    if version == 7:
        rows += [["Observation id", name], [""], ["Media file(s)"], [""]]
        rows += [[f"Player #{player}", media] for player, queue in seen["file"].items() for media in queue]
        rows += [[""], ["Observation date", seen["date"].replace("T", " ")], [""]]
        rows += [["Description", seen["description"]], [""], ["Time offset (s)", str(seen["time offset"])], [""]]
        rows += [["independent variables"], ["variable", "value"], ["age", "12"], [""]]
        head = ["Time", "Media file path", "Total length", "FPS", "Subject", "Behavior", "Behavioral category"]
        rows.append([*head, *(f"Modifier {place + 1}" for place in range(width)), "Comment", "Status"])
        for time, subject, code, modifiers, comment, status in events:
            media = _media_at(seen, time - seen["time offset"])
            start = [f"{time:g}", media, f"{_total(seen):.3f}", "25.0", subject, code, ""]
            rows.append([*start, *_parts(modifiers, width), comment, status])
    else:
        offset = ["Time offset (s)"] if version == 9 else []
        head = [
            "Observation id",
            "Observation date",
            "Description",
            "Observation duration",
            "Observation type",
            "Source",
        ]
        head += [*offset, "Media duration (s)", "FPS", "age", "Subject", "Behavior", "Behavioral category"]
        tail = ["Behavior type", "Time", "Media file name", "Image index", "Image file path", "Comment"]
        rows.append([*head, *(f"Modifier #{place + 1}" for place in range(width)), *tail])
        for time, subject, code, modifiers, comment, status in events:
            start = [name, seen["date"].replace("T", " "), seen["description"], "9.9", "Media file(s)", _source(seen)]
            start += [str(seen["time offset"])] if offset else []
            start += [_facts(seen, "length"), _facts(seen, "fps"), "12", subject, code, ""]
            media = _media_at(seen, time)  # as BORIS does, which forgets the time offset
            rows.append([*start, *_parts(modifiers, width), status, f"{time:.3f}", media, "NA", "NA", comment])
    longest = max(len(row) for row in rows)
    return [row + [""] * (longest - len(row)) for row in rows]


def aggregated(content: Mapping[str, Any], *, version: int) -> list[list[str]]:
    """Return the cells of BORIS's export of aggregated events of all observations, in version 7, 8 or 9."""
    rows: list[list[str]] = []
    width = 0
    for name, seen in content["observations"].items():
        open_: dict[Any, Any] = {}
        for time, subject, code, modifiers, comment, status in _with_status(content, seen):
            width = max(width, modifiers.count("|") + 1 if modifiers else 0)
            key = (subject, code, modifiers)
            if status == "START":
                open_[key] = (time, comment)
                continue
            begin, first = open_.pop(key) if status == "STOP" else (time, comment)
            who, last = subject or "No focal subject", comment if status == "STOP" else ""
            state = status == "STOP"
            times = [
                "STATE" if state else "POINT",
                f"{begin:.3f}",
                f"{time:.3f}",
                f"{time - begin:.3f}" if state else "NA",
            ]
            about = [name, seen["date"].replace("T", " "), seen["description"]]
            media = _media_at(seen, begin)
            if version == 7:
                rows.append([*about, media, "10.000", "25.0", "12", who, code, "", modifiers, *times, first, last])
                continue
            about += ["Media file", _source(seen)]
            about += [str(seen["time offset"])] if version == 9 else []
            about += ["9.900", _facts(seen, "length"), _facts(seen, "fps"), "12", who, "3.5", code, "Not defined"]
            rows.append([*about, modifiers, *times, media, "NA", "NA", "", "", first, last])
    head = ["Observation id", "Observation date", "Description"]
    if version == 7:
        head += ["Media file", "Total length", "FPS", "age", "Subject", "Behavior", "Behavioral category", "Modifiers"]
        head += ["Behavior type", "Start (s)", "Stop (s)", "Duration (s)", "Comment start", "Comment stop"]
        return [head, *rows]
    head += ["Observation type", "Source", *(["Time offset (s)"] if version == 9 else [])]
    head += [
        "Coding duration" if version == 9 else "Total duration",
        "Media duration (s)",
        "FPS (frame/s)",
        "age",
        "Subject",
    ]
    head += ["Observation duration by subject by observation", "Behavior", "Behavioral category"]
    place = len(head)
    head += [*(f"Modifier #{number + 1}" for number in range(width)), "Behavior type", "Start (s)", "Stop (s)"]
    head += ["Duration (s)", "Media file name", "Image index start", "Image index stop"]
    head += ["Image file path start", "Image file path stop", "Comment start", "Comment stop"]
    return [head, *([*row[:place], *_parts(row[place], width), *row[place + 1 :]] for row in rows)]


def save_table(
    path: Path, rows: Sequence[Sequence[str]], *, separator: str = ",", comma: bool = False, before: str = ""
) -> Path:
    """Write a table as text or, by the name's ending, Excel; comma: decimals as German programs save them."""
    cells = [[_comma(cell) if comma else cell for cell in row] for row in rows]
    if path.suffix == ".xlsx":
        from openpyxl import Workbook

        book = Workbook()
        sheet = book.active
        for row in cells:
            sheet.append([_typed(cell) for cell in row])
        book.save(path)
        return path
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\r\n").writerows(cells)
    path.write_text(before + text.getvalue(), encoding="utf-8", newline="")
    return path


def _typed(cell: str) -> str | float | None:
    try:
        return float(cell)
    except ValueError:
        return cell or None


def _comma(cell: str) -> str:
    return cell.replace(".", ",") if isinstance(_typed(cell), float) else cell


def _with_status(content: Mapping[str, Any], seen: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    states = {one["code"] for one in content["behaviors_conf"].values() if "State" in one["type"]}
    count: dict[Any, int] = {}
    told = []
    for time, subject, code, modifiers, comment, *_ in seen["events"]:
        key = (subject, code, modifiers)
        status = "POINT" if code not in states else "STOP" if count.get(key, 0) % 2 else "START"
        count[key] = count.get(key, 0) + 1
        told.append((time, subject, code, modifiers, comment, status))
    return told


def _parts(modifiers: str, width: int) -> list[str]:
    parts = modifiers.split("|") if width else []
    return parts + [""] * (width - len(parts))


def _total(seen: Mapping[str, Any]) -> float:
    return max(sum(seen["media_info"]["length"].get(name, 0.0) for name in queue) for queue in seen["file"].values())


def _media_at(seen: Mapping[str, Any], time: float) -> str:
    start = 0.0
    for name in seen["file"]["1"]:
        length = seen["media_info"]["length"].get(name, 1e9)
        if start <= time < start + length:
            return str(name)
        start += length
    return "Not found"


def _source(seen: Mapping[str, Any]) -> str:
    return "|".join(f"player #{player}:" + ";".join(queue) for player, queue in seen["file"].items() if queue)


def _facts(seen: Mapping[str, Any], key: str) -> str:
    facts = seen["media_info"][key]
    return "|".join(";".join(f"{facts[name]:.3f}" for name in queue) for queue in seen["file"].values() if queue)
