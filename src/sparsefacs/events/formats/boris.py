"""BORIS projects (`.boris`, `.boris.gz`): JSON with a list of behaviours and, per observation, videos and events.

The format is that of BORIS 1 to 9 (Friard & Gamba 2016, doi:10.1111/2041-210X.12584).
"""

import gzip
import json
import math
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..model import Asked, EventFile
from ..sheets import number
from .boris_gathering import Gathering, Observation
from .boris_queue import Medium, Queue
from .boris_words import FIRST_FRAME, OURS, ModifierSets, Row, Stretch, modifier_words, paired, toggled
from .boris_writer import write

__all__ = ["read", "recognises", "write"]

_AGAIN = "Open it in BORIS, check it there (File, Project, Check project integrity) and save it again"
_WITHOUT_VIDEO = {"LIVE": "was observed live, without a video", "IMAGES": "is of single pictures, without a video"}


def recognises(path: Path) -> bool:
    """Say whether `path` is named as BORIS projects are."""
    return path.name.lower().endswith((".boris", ".boris.gz"))


def read(path: Path, asked: Asked) -> EventFile:
    """Read a BORIS project; raises InputError for what is none.

    Looked at is what the behaviour says that `asked` names (in projects of ours `coded`), else the observation's time
    interval. Times are moved to the video that was shown at them, without the observation's time offset.
    """
    project = _load(path)
    description = str(project.get("project_description", ""))
    gathering = Gathering(path, "BORIS project", asked, clock_is_first_frame=FIRST_FRAME in description)
    kinds, sets = _behaviours(project, path, gathering)
    for name, content in _table(project.get("observations"), "observations", path).items():
        told = f"observation {name!r}"
        raw = _table(content, told, path)
        gathering.observation(_observation(raw, told, kinds, sets, gathering, OURS in description))
    return gathering.result()


def _load(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except FileNotFoundError as error:
        raise InputError("is not there", path=path, remedy="Check the name") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot be read ({error})", path=path, remedy="Copy it again") from error
    try:
        project = _json(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"is no BORIS project: no JSON ({error})", path=path, remedy=_AGAIN) from error
    return _table(project, "a BORIS project", path)


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except UnicodeDecodeError:  # BORIS writes in Windows' own encoding where nobody told it otherwise
        return json.loads(content.decode("cp1252", errors="replace"))


def _table(value: object, what: str, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        said = "is missing" if value is None else "is not as BORIS writes it"
        raise InputError(f"{what} {said}", path=path, remedy=_AGAIN)
    return value


def _behaviours(
    project: Mapping[str, Any], path: Path, gathering: Gathering
) -> tuple[dict[str, str], dict[tuple[str, int], frozenset[str]]]:
    """Return the kind of each behaviour, "state" or "point", and the words of its sets of modifiers."""
    kinds: dict[str, str] = {}
    sets: dict[tuple[str, int], frozenset[str]] = {}
    for place, content in _table(project.get("behaviors_conf"), "behaviors_conf", path).items():
        told = f"behaviour {place} of behaviors_conf"
        behaviour = _table(content, told, path)
        code, kind = behaviour.get("code"), behaviour.get("type")
        if not isinstance(code, str) or not isinstance(kind, str):
            raise InputError(f"{told} has no code or no type", path=path, remedy=_AGAIN)
        found = [word for word in ("state", "point") if word in kind.lower()]
        if len(found) == 1:
            kinds[code.strip()] = found[0]
        gathering.listed(code)
        for number_, values in enumerate(_declared(behaviour.get("modifiers"))):
            words = frozenset(word for value in values for word in modifier_words(value))
            if words:
                sets[code.strip(), number_] = words
    return kinds, sets


def _declared(modifiers: object) -> Iterator[list[str]]:
    """Yield the values of each set of modifiers; before version 4 they were text, sets parted by |, values by comma."""
    if isinstance(modifiers, str):
        yield from (part.split(",") for part in modifiers.split("|") if modifiers)
    elif isinstance(modifiers, dict):
        for key in sorted(modifiers, key=lambda key: (len(key), key)):
            one = modifiers[key]
            values = one.get("values") if isinstance(one, dict) else None
            yield [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _observation(
    raw: dict[str, Any],
    told: str,
    kinds: Mapping[str, str],
    declared: Mapping[tuple[str, int], frozenset[str]],
    gathering: Gathering,
    ours: bool,
) -> Observation:
    path = gathering.path
    lines = raw.get("events")
    if not isinstance(lines, list):
        raise InputError(f"{told} has no list of events", path=path, remedy=_AGAIN)
    ours = ours or OURS in str(raw.get("description", ""))
    kind = str(raw.get("type", "MEDIA")).upper()
    queue = Queue(()) if kind in _WITHOUT_VIDEO else _queue(raw, told, gathering)
    if not queue.media:
        if lines:
            reason = _WITHOUT_VIDEO.get(kind, "names no video")
            gathering.lost(f"{reason}: its {len(lines)} events are left out", told, queue)
        return Observation(told, queue, (), ModifierSets())
    sets = ModifierSets(declared)
    states: list[Row] = []
    stretches: list[Stretch] = []
    unknown: set[tuple[str, str]] = set()
    for place, line in enumerate(lines, start=1):
        where = f"event {place} of {told}"
        row = _row(line, where, queue, gathering, ours)
        if row is None:
            continue
        sets.see(row.modifiers)
        if row.code in kinds:
            states.append(row if kinds[row.code] == "state" else _as_point(row))
        elif gathering.matters(row.code, ours) and (row.code, row.subject) not in unknown:
            unknown.add((row.code, row.subject))
            aus = frozenset(meaning.au for meaning in gathering.asked.names.of(row.code))
            problem = f"{row.code} is not in the list of behaviours: whether it lasts is not known"
            gathering.listed(row.code)
            gathering.lost(problem, where, queue, aus or None, row.subject)
    stretches += paired(toggled(states))
    interval = _interval(raw.get("observation time interval"), told, gathering)
    return Observation(told, queue, stretches, sets, interval, ours)


def _as_point(row: Row) -> Row:
    return Row(row.time_s, row.subject, row.code, row.modifiers, "POINT", row.where, row.comment)


def _row(line: object, where: str, queue: Queue, gathering: Gathering, ours: bool) -> Row | None:
    """Return a line of events (time, subject, code, modifiers, comment, …); None, with a fault, for what is none."""
    if not isinstance(line, list) or len(line) < 3 or not isinstance(line[2], str) or not isinstance(line[1], str):
        gathering.lost("has no time, subject and behaviour: labels of the whole video are unknown", where, queue)
        return None
    subject, code = line[1], line[2].strip()
    modifiers, comment = (str(part) if part is not None else "" for part in (*line[3:5], "", "")[:2])
    time_s = _number(line[0])
    if time_s is None:
        if gathering.matters(code, ours):
            aus = frozenset(meaning.au for meaning in gathering.asked.names.of(code))
            gathering.listed(code)
            gathering.lost(f"{code} has no time ({str(line[0])[:20]!r})", where, queue, aus or None, subject)
        return None
    parts = tuple(part.strip() for part in modifiers.split("|")) if modifiers else ()
    return Row(time_s, subject, code, parts, "START", where, comment)


def _queue(raw: Mapping[str, Any], told: str, gathering: Gathering) -> Queue:
    """Return the videos of the first player that shows any, with what moves their times."""
    players = raw.get("file")
    if isinstance(players, list):  # before version 1, a list with the video of each player
        players = {str(place): [name] for place, name in enumerate(players, start=1)}
    players = {key: names for key, names in _table(players, f"file of {told}", gathering.path).items() if names}
    for names in players.values():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f"file of {told} is no list of videos", path=gathering.path, remedy=_AGAIN)
    info = raw.get("media_info")
    info = info if isinstance(info, dict) else {}
    parts = {key: value if isinstance(value, dict) else {} for key, value in info.items()}
    seen = parts.get("hasVideo", {})
    ordered = sorted(players, key=lambda key: (len(key), key))
    player = next((key for key in ordered if any(seen.get(name) is not False for name in players[key])), None)
    if player is None:
        return Queue(())
    if len(ordered) > 1:
        shown = ", ".join(players[player])
        gathering.notes.append(f"{told} shows several videos at once: events are taken for one player's, {shown}")
    dated = raw.get("media_creation_date_as_offset") is True
    media = []
    for name in players[player]:
        shift = _number(parts.get("media_creation_time", {}).get(name)) if dated else 0.0
        if shift is None:
            problem = f"{told} counts times from when {name} was made, which it does not tell"
            raise InputError(problem, path=gathering.path, remedy=_AGAIN)
        length, fps = (_positive(parts.get(key, {}).get(name)) for key in ("length", "fps"))
        media.append(Medium(name, length, fps, shift))
    offset = _offset(raw.get("time offset"), told, gathering.path)
    behind = 0.0 if player == ordered[0] else _offset(parts.get("offset", {}).get(player), told, gathering.path)
    return Queue(tuple(media), offset, behind)


def _offset(value: object, told: str, path: Path) -> float:
    if value is None:
        return 0.0
    offset = _number(value)
    if offset is None:
        raise InputError(f"time offset of {told} is no number ({str(value)[:20]!r})", path=path, remedy=_AGAIN)
    return offset


def _interval(value: object, told: str, gathering: Gathering) -> tuple[float, float] | None:
    """Return the seconds of the queue that were to be looked at; None where [0, 0] says that none were set."""
    if value is None:
        return None
    ends = [_number(end) for end in value] if isinstance(value, list) else []
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        raise InputError(f"time interval of {told} is not two numbers", path=gathering.path, remedy=_AGAIN)
    begin, end = ends[0], ends[1]
    if begin == end == 0:
        return None
    end = end or math.inf  # BORIS stops at an end other than 0
    if begin < 0 or end <= begin:
        gathering.lost(f"has a time interval of nothing, {begin:g} to {end:g} s", told, Queue(()))
        return None
    return begin, end


def _positive(value: object) -> float | None:
    found = _number(value)
    return found if found is not None and found > 0 else None


def _number(value: object) -> float | None:
    """Return a finite number, which older versions wrote as text; None for anything else."""
    if isinstance(value, str):
        return number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
