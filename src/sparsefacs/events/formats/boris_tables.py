"""Tables that BORIS exports: tabular events (a line for each START, STOP and POINT) and aggregated ones (from, to).

Columns of BORIS 7 (names, values and videos above the table, and a column Status), 8 and 9. No export tells the
observation's time interval, those of version 7 not where the videos of a queue start, and most of 8 no time offset.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from ...errors import InputError
from ..model import Asked, EventFile
from ..sheets import SHEET_SUFFIXES, Table, read_table, seconds
from .boris_gathering import Gathering, Observation
from .boris_queue import Medium, Queue
from .boris_words import OURS, ModifierSets, Row, Status, Stretch, paired

_AGAIN = "Export it again from BORIS, or use the project itself (.boris)"
_HEAD_BYTES = 65536
_KINDS = ("behavior type", "status")
_MEDIA = ("media file name", "media file path", "media file")
_UNTOLD = {"", "na", "none", "not found", "live"}
_PLAYER = re.compile(r"(?:^|\|)\s*player #\d+:\s*", re.IGNORECASE)
_MODIFIER = re.compile(r"modifier #?(\d{1,3})")


def recognises(path: Path) -> bool:
    """Say whether `path` is a table with the columns of a BORIS export."""
    name = path.name.lower()
    if not name.endswith(SHEET_SUFFIXES):
        return False
    if not name.endswith(".xlsx"):
        try:
            with path.open("rb") as handle:
                head = handle.read(_HEAD_BYTES).replace(b"\0", b"").lower()
        except OSError:  # who reads it as another kind says so
            return False
        if b"behavior" not in head:
            return False
    try:
        read_table(path, is_header=_is_header)
    except InputError:
        return False
    return True


def read(path: Path, asked: Asked) -> EventFile:
    """Read an export of BORIS; raises InputError for what is none.

    Looked at is only what the behaviour says that `asked` names, or all; AUs are those that occur.
    """
    table = read_table(path, is_header=_is_header)
    aggregated = _is_aggregated(table.columns)
    gathering = Gathering(path, "BORIS export, aggregated" if aggregated else "BORIS export", asked)
    gathering.notes.append("an export lists only behaviours that occur: an AU never coded is none of the coder's")
    modifiers = _modifier_columns(table)
    groups: dict[str, _Group] = {}
    for where, row in table.rows():
        name = row.get("observation id", "")
        group = groups.get(name)
        if group is None:
            group = groups[name] = _group(name, where, row, table, gathering)
        line = _Line(where, row, tuple(part for column in modifiers for part in _split(row[column])))
        group.sets.see(line.modifiers)
        group.add(line, gathering, aggregated)
    for group in groups.values():
        gathering.observation(group.observation())
    return gathering.result()


def _is_header(columns: Sequence[str]) -> bool:
    has = set(columns)
    if not {"subject", "behavior"} <= has:
        return False
    return _is_aggregated(columns) or ("time" in has and any(kind in has for kind in _KINDS))


def _is_aggregated(columns: Sequence[str]) -> bool:
    return {"start (s)", "stop (s)"} <= set(columns)


def _modifier_columns(table: Table) -> list[str]:
    """Return the columns of the sets of modifiers, in order."""
    found = {name: _MODIFIER.fullmatch(name) for name in table.columns}
    numbered = {name: int(match[1]) for name, match in found.items() if match}
    return sorted(numbered, key=numbered.__getitem__) or [name for name in table.columns if name == "modifiers"]


def _split(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split("|"))


@dataclass(frozen=True)
class _Line:
    """A line of the table and its modifiers, one of each set."""

    where: str
    cells: Mapping[str, str]
    modifiers: tuple[str, ...]

    @property
    def kind(self) -> str:
        """START, STOP, POINT or STATE, if it is as BORIS writes it."""
        return self.first(*_KINDS).strip().upper()

    def first(self, *columns: str) -> str:
        """Return the first of these cells that is not empty."""
        return next((self.cells[name] for name in columns if self.cells.get(name)), "")


@dataclass
class _Group:
    """The lines of one observation. only: its videos' lengths are not told: lines of all but this video are lost."""

    told: str
    queue: Queue
    ours: bool
    only: str | None = None
    sets: ModifierSets = field(default_factory=ModifierSets)
    rows: list[Row] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    warned: bool = False

    def observation(self) -> Observation:
        """Return the observation."""
        return Observation(self.told, self.queue, (*self.stretches, *paired(self.rows)), self.sets, ours=self.ours)

    def add(self, line: _Line, gathering: Gathering, aggregated: bool) -> None:
        """Take in a line; what cannot be used becomes a fault."""
        code, subject = line.cells["behavior"].strip(), line.cells["subject"]
        if not code:
            gathering.lost("has no behaviour: labels of the whole video are unknown", line.where, self.queue)
            return
        if not gathering.matters(code, self.ours, counts=line.kind != "STOP"):
            return
        gathering.listed(code)
        if not self.queue.media:
            if not self.warned:
                gathering.lost(f"{self.told} names no video: its events are left out", line.where, self.queue)
            self.warned = True
            return
        media = _media_of(line)
        if self.only is not None and media and media != self.only:
            problem = f"{code} lies in {media}, and this export does not tell how long the videos before it are"
            gathering.lost(problem, line.where, Queue((Medium(media),)), _aus(code, gathering), subject)
            return
        problem = self._interval(line, code, subject) if aggregated else self._moment(line, code, subject)
        if problem:
            gathering.lost(f"{code} {problem}", line.where, self.queue, _aus(code, gathering), subject)

    def _moment(self, line: _Line, code: str, subject: str) -> str:
        """Take in a START, STOP or POINT; return what is wrong with it, if anything."""
        status, time = line.kind, line.cells["time"]
        when = seconds(time)
        if when is None:
            return f"has no time ({time[:20]!r})"
        if status not in {"START", "STOP", "POINT"}:
            return f"has the type {status[:20]!r}, which is none of START, STOP and POINT"
        told = cast(Status, status)
        self.rows.append(Row(when, subject, code, line.modifiers, told, line.where, line.first("comment")))
        return ""

    def _interval(self, line: _Line, code: str, subject: str) -> str:
        """Take in a stretch; return what is wrong with it, if anything."""
        begin, end = line.cells["start (s)"], line.cells["stop (s)"]
        onset, offset = seconds(begin), seconds(end)
        if onset is None:
            return f"has no start ({begin[:20]!r})"
        comments = (line.cells.get(name, "") for name in ("comment start", "comment stop", "comment"))
        problem = ""
        if line.kind == "POINT" or offset == onset:
            offset = None
        elif offset is None:
            offset, problem = float("inf"), f"{code} starts at {onset:g} s and has no stop ({end[:20]!r})"
        elif offset < onset:
            problem = f"{code} ends at {offset:g} s, before it begins at {onset:g} s"
            onset, offset = offset, onset
        comment = "; ".join(text for text in comments if text)
        self.stretches.append(Stretch(onset, offset, subject, code, line.modifiers, line.where, comment, problem))
        return ""


def _aus(code: str, gathering: Gathering) -> frozenset[int] | None:
    return frozenset(meaning.au for meaning in gathering.asked.names.of(code)) or None


def _media_of(line: _Line) -> str:
    """Return the video a line names, empty where it names none."""
    name = line.first(*_MEDIA)
    return "" if name.casefold() in _UNTOLD else name


def _group(name: str, where: str, row: Mapping[str, str], table: Table, gathering: Gathering) -> _Group:
    """Return an observation's videos by its first line and what stands above the table."""
    line = _Line(where, row, ())
    above = list(_above(table))
    known = dict(above)
    told = f"observation {name or known.get('observation id', '')!r}"
    description = line.first("description") or known.get("description", "")
    offset = line.first("time offset (s)") or known.get("time offset (s)", "")
    if "time offset (s)" not in row and "time offset (s)" not in known:
        gathering.notes.append("this export does not tell the observation's time offset: none is taken")
    offset_s = seconds(offset) if offset and offset.casefold() not in _UNTOLD else 0.0
    if offset_s is None:
        raise InputError(f"{where}: {offset[:20]!r} is no time offset", path=table.path, remedy=_AGAIN)
    media = _queue(line, told, gathering)
    if not media:
        listed = [value for key, value in above if key.startswith("player #")]
        first = [value for key, value in above if key == "player #1"] or listed
        media = [Medium(value, None, _positive(line.first("fps", "fps (frame/s)"))) for value in first]
    if not media:
        names = dict.fromkeys(_media_of(_Line(at, cells, ())) for at, cells in table.rows() if _same(name, cells))
        if table.find("source", *_MEDIA) is None:
            names = {name or known.get("observation id", "") or table.path.stem: None}
            gathering.notes.append(f"no column names the video: {next(iter(names))!r} is taken for its name")
        media = [Medium(one, None, _positive(line.first("fps", "fps (frame/s)"))) for one in names if one]
    only = None
    if len(media) > 1 and any(medium.length_s is None for medium in media[:-1]):
        only, media = media[0].name, media[:1]
    return _Group(told, Queue(tuple(media), offset_s), OURS in description, only)


def _same(name: str, cells: Mapping[str, str]) -> bool:
    return cells.get("observation id", "") == name


def _above(table: Table) -> Iterator[tuple[str, str]]:
    """Yield the names and values above the table, as BORIS 7 writes them."""
    for cells in table.before:
        if len(cells) > 1 and cells[0]:
            yield " ".join(cells[0].split()).casefold(), cells[1]


def _queue(line: _Line, told: str, gathering: Gathering) -> list[Medium]:
    """Return the first player's videos in "player #1:a.mp4;b.mp4|player #2:c.mp4", with lengths and frame rates."""
    source, kind = line.first("source"), line.first("observation type").casefold()
    if kind and not kind.startswith("media"):
        return []
    players = [part for part in _PLAYER.split(source) if part]
    if not players or players[0].casefold() in _UNTOLD:
        return []
    if len(players) > 1:
        gathering.notes.append(f"{told} shows several videos at once: events are taken for one player's, {players[0]}")
    names = [name.strip() for name in players[0].split(";") if name.strip()]
    lengths, rates = (
        line.first(*columns).split("|")[0].split(";") for columns in (("media duration (s)",), ("fps", "fps (frame/s)"))
    )
    pad = [""] * len(names)
    return [
        Medium(name, _positive(length), _positive(rate))
        for name, length, rate in zip(names, lengths + pad, rates + pad, strict=False)
    ]


def _positive(text: str) -> float | None:
    found = seconds(text)
    return found if found is not None and found > 0 else None
