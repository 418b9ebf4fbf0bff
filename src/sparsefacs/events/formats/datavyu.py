"""Datavyu's spreadsheets (.opf): a zip of `db`, the columns and cells as text, and `project`, the videos as YAML."""

import math
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...data.media import is_video
from ...errors import InputError
from ..collecting import Collected
from ..model import Asked, Event, EventFile, Fault, Span
from ..names import Meaning, intensity_of, side_of
from ..values import Told, are_levels, aus_in, told_by

WHAT = "Datavyu spreadsheet"
_MOST_BYTES = 256 << 20
_COLUMN = re.compile(r"(?P<name>[^(]*?)\s*\((?P<type>[A-Za-z]+)\s*(?P<rest>[,)].*)")
_CELL = re.compile(r"(\d+):(\d\d):(\d\d):(\d{3}),(\d+):(\d\d):(\d\d):(\d{3}),?(.*)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PLACE_S = 99 * 3600  # where Datavyu puts cells of damaged files
_RANKS = re.compile(r"intens|level|strength|degree|grade|score|rating", re.IGNORECASE)
_SIDES = re.compile(r"side|lateral|symm", re.IGNORECASE)
_UNNAMED = re.compile(r"(?:code|arg)\d*|val(?:ue)?s?|", re.IGNORECASE)
_MARKS = re.compile(r"presen|occur|^au", re.IGNORECASE)
_DOUBTS = re.compile(r"confiden|certain", re.IGNORECASE)
_PEOPLE = ("subject", "participant", "person", "who")
_WORDS_SHOWN = 12


@dataclass(frozen=True)
class _Cell:
    """A cell: times in seconds, a value for each code of its column."""

    onset_s: float
    offset_s: float
    values: tuple[str, ...]
    where: str


@dataclass
class _Column:
    name: str
    codes: tuple[str, ...]
    cells: list[_Cell] = field(default_factory=list)


def recognises(path: Path) -> bool:
    """Say whether the file at `path` looks like one of Datavyu's; books end in .opf too."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "db" in archive.namelist()
    except Exception:  # zipfile raises many kinds on damage
        return False


def read(path: Path, asked: Asked) -> EventFile:
    """Read a Datavyu spreadsheet; raises InputError naming it for what is none, or is damaged.

    A column is an AU, or its codes are AUs, or the values of its cells name AUs. Looked at are the cells of the column
    that `asked` names, or that have its word as value.
    """
    db, project, settings = _unzip(path)
    return _Reading(path, asked, project, settings).file(db)


def _unzip(path: Path) -> tuple[str, str, dict[str, str]]:
    """Return `db`, `project` ("" where there is none), and the settings of the videos by their names."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "db" not in names:
                raise InputError("is no Datavyu spreadsheet: it holds no `db`", path=path, remedy="Give an .opf file")
            if sum(entry.file_size for entry in archive.infolist()) > _MOST_BYTES:
                raise InputError("unpacks to over 256 MB, and is not read", path=path, remedy="Save it again")
            text = {
                name: archive.read(name).decode("utf-8", errors="replace")
                for name in names
                if name in ("db", "project") or name.isdigit()
            }
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError("is not there", path=path, remedy="Check the name") from error
    except Exception as error:  # zipfile and zlib raise many kinds on damage
        raise InputError(
            f"cannot be read as a {WHAT} ({error})", path=path, remedy="Save it again, or restore a copy"
        ) from error
    return text.pop("db"), text.pop("project", ""), text


class _Reading:
    """One file being read."""

    def __init__(self, path: Path, asked: Asked, project: str, settings: dict[str, str]) -> None:
        self.asked = asked
        self.found = Collected(path, WHAT, asked)
        self.shift_s = self._choose_video(path, project, settings)
        self.media = self.found.media[0]

    def file(self, db: str) -> EventFile:
        """Return all that it says."""
        for column in self._columns(db):
            meanings = self.asked.names.of(column.name)
            if self.asked.marks_coded(column.name):
                for cell in column.cells:
                    self._add_coded(cell)
            elif meanings:
                self._add_of_column(column, meanings)
            elif not self.asked.names.knows(column.name):
                self._add_of_codes(column)
        return self.found.finish()

    def _choose_video(self, path: Path, project: str, settings: dict[str, str]) -> float:
        """Note the video that the file is about, and return when it starts on Datavyu's time line, in seconds."""
        viewers = _viewers(project)
        if not viewers:
            self.found.media.append(path.stem)
            self.found.notes.append(f"it names no video, and is taken to be about {path.stem}")
            return 0.0
        chosen = next((one for one in viewers if is_video(Path(one[0].replace("\\", "/")))), viewers[0])
        self.found.media.append(chosen[0])
        others = [name for name, _ in viewers if name != chosen[0]]
        if others:
            self.found.notes.append(f"it is read for its first video, {chosen[0]}, and not for {', '.join(others)}")
        shift = re.search(r"^offset\s*[=:]\s*(-?\d{1,12})\s*$", settings.get(chosen[1], ""), re.MULTILINE)
        shift_s = int(shift[1]) / 1000 if shift else 0.0
        if shift_s:
            self.found.notes.append(
                f"its video starts at {shift_s:g} s of Datavyu's time line; times are moved by that"
            )
        return shift_s

    def _columns(self, db: str) -> list[_Column]:
        """Return the columns with their cells; lines that are neither are faults."""
        columns: list[_Column] = []
        for number, line in _lines(db):
            where = f"line {number} of its db"
            if cell := _CELL.fullmatch(line):
                if columns:
                    columns[-1].cells.append(_cell(cell, columns[-1], where))
                continue
            column = _COLUMN.match(line)
            if column is not None and (name := _unescaped(column["name"]).strip()):
                columns.append(_Column(name, _codes(column["rest"])))
            elif not (number == 1 and line.startswith("#")):
                known = self.asked.names.of(columns[-1].name) if columns else ()
                aus = frozenset(meaning.au for meaning in known) or None
                self.found.faults.append(
                    Fault("it is damaged, and nothing is known of its column", where, self._whole(aus))
                )
        return columns

    def _whole(self, aus: frozenset[int] | None) -> Span:
        return Span(self.media, "", 0.0, math.inf, aus)

    def _add_coded(self, cell: _Cell, subject: str = "") -> None:
        start_s, end_s = cell.onset_s - self.shift_s, cell.offset_s - self.shift_s
        self.found.add_coded(Span(self.media, subject, start_s, end_s), cell.where)

    def _add_of_column(self, column: _Column, meanings: Sequence[Meaning]) -> None:
        """Add the events of a column that is named after AUs, whose codes tell of them."""
        self.found.aus.update(meaning.au for meaning in meanings)
        aus = {meaning.au for meaning in meanings}
        telling = _telling(column)
        levels = {place: are_levels((cell.values[place] for cell in column.cells), aus) for place in telling}
        for cell in column.cells:
            told = [self._told(column.codes[place], cell.values[place], meanings) for place in telling]
            told = [
                one
                if levels[place] or not any(sign.isdigit() for sign in cell.values[place])
                else replace(one, intensity=None)
                for place, one in zip(telling, told, strict=True)
            ]
            self._add_each(column, cell, meanings, told)

    def _told(self, code: str, value: str, meanings: Sequence[Meaning]) -> Told:
        """Return what the value of a code tells of its column's AUs."""
        if _SIDES.search(code):
            return Told(side_of(value))
        told = told_by(value)
        if told.understood or told.absent or told.doubtful:
            return told
        named = aus_in(self.asked.names, value, "AU")
        if {meaning.au for meaning in named} == {meaning.au for meaning in meanings}:
            return Told(named[0].side, named[0].intensity)
        return Told()

    def _add_of_codes(self, column: _Column) -> None:
        """Add the events of a column whose codes are AUs, or whose cells name AUs."""
        other: Counter[str] = Counter()
        own = {place: self.asked.names.of(code) for place, code in enumerate(column.codes)}
        own = {place: meanings for place, meanings in own.items() if meanings}
        self.found.aus.update(meaning.au for meanings in own.values() for meaning in meanings)
        levels = {place: are_levels(cell.values[place] for cell in column.cells) for place in own}
        for cell in column.cells:
            if any(self.asked.marks_coded(value) for value in cell.values):
                self._add_coded(cell, _subject(column, cell))
            for place, meanings in own.items():
                told = told_by(cell.values[place])
                if cell.values[place] in ("", ".", "-"):
                    continue
                self._add_each(column, cell, meanings, [told if levels[place] else replace(told, intensity=None)])
            if not own:
                self._add_named(column, cell, other)
        if len(other) > _WORDS_SHOWN:
            other = Counter({column.name: len(column.cells)})
        self.found.unmapped.update(other)

    def _add_named(self, column: _Column, cell: _Cell, other: Counter[str]) -> None:
        """Add the events that a cell's values name, and count the values that are no AU."""
        named: list[tuple[Meaning, ...]] = []
        rest: list[Told] = []
        for code, value in zip(column.codes, cell.values, strict=True):
            if not value or code.casefold() in _PEOPLE or self.asked.marks_coded(value):
                continue
            if _SIDES.search(code):
                rest.append(Told(side_of(value)))
            elif _RANKS.search(code):
                rest.append(told_by(value))
            elif meanings := aus_in(self.asked.names, value, column.name if _UNNAMED.fullmatch(code) else code):
                named.append(meanings)
            elif side_of(value) or (_UNNAMED.fullmatch(code) and intensity_of(value) is not None and value.isalpha()):
                rest.append(told_by(value))
            elif not self.asked.names.knows(value):
                other[value] += 1
        for meanings in named:
            self._add_each(column, cell, meanings, rest)

    def _add_each(self, column: _Column, cell: _Cell, meanings: Sequence[Meaning], told: Sequence[Told]) -> None:
        """Add a cell's events, refined by what its codes tell."""
        if any(one.absent for one in told):
            return
        for meaning in meanings:
            event = Event(
                self.media,
                _subject(column, cell),
                meaning.au,
                cell.onset_s - self.shift_s,
                cell.offset_s - self.shift_s,
                next((one.side for one in told if one.side), meaning.side),
                next((one.intensity for one in told if one.intensity), meaning.intensity),
                f"column {column.name}, {cell.where}",
            )
            if any(one.doubtful for one in told):
                self.found.fault(f"AU{meaning.au}: a value says that it is not known", event)
            elif max(cell.onset_s, cell.offset_s) >= _PLACE_S:
                self.found.fault(f"AU{meaning.au}: Datavyu lost its times", event, 0.0, math.inf)
            elif cell.onset_s == cell.offset_s == 0:
                self.found.fault(f"AU{meaning.au}: its times were never set, both are 0", event, 0.0, math.inf)
            elif cell.offset_s == 0:
                self.found.unclosed(event, f"AU{meaning.au} from {event.onset_s:g} s on has no offset")
            else:
                self.found.add(event)


def _telling(column: _Column) -> list[int]:
    """Return the places of the codes that tell of the AU that a column is named after: the only one, or by name."""
    own = [place for place, code in enumerate(column.codes) if code.casefold() not in _PEOPLE]
    if len(own) == 1:
        return own
    kinds = (_RANKS, _SIDES, _MARKS)
    told = [place for place in own if any(kind.search(column.codes[place]) for kind in kinds)]
    told += [place for place in own if _UNNAMED.fullmatch(column.codes[place])]
    return sorted(place for place in told if not _DOUBTS.search(column.codes[place]))


def _subject(column: _Column, cell: _Cell) -> str:
    codes = zip(column.codes, cell.values, strict=True)
    return next((value for code, value in codes if code.casefold() in _PEOPLE), "")


def _lines(db: str) -> Iterator[tuple[int, str]]:
    """Yield each line that is not blank with its number; a backslash at its end joins the next line to it."""
    whole, first = "", 0
    for number, line in enumerate(db.lstrip("\ufeff").replace("\r\n", "\n").split("\n"), 1):
        first = first or number
        whole += line
        if (len(line) - len(line.rstrip("\\"))) % 2:
            whole += "\n"
            continue
        if whole.strip():
            yield first, whole
        whole, first = "", 0
    if whole.strip():
        yield first, whole


def _cell(found: re.Match[str], column: _Column, where: str) -> _Cell:
    times = [int(part[:9]) for part in found.groups()[:8]]
    onset_s, offset_s = (
        hours * 3600 + minutes * 60 + seconds + ms / 1000 for hours, minutes, seconds, ms in (times[:4], times[4:])
    )
    values = _values(found[9])
    padded = (*values, *("",) * len(column.codes))[: len(column.codes)]
    return _Cell(onset_s, offset_s, padded, where)


def _values(text: str) -> list[str]:
    """Return the values in `(left,C)`, commas in them escaped; or the one of an old column, without parentheses."""
    plain = text.strip()
    if not (plain.startswith("(") and plain.endswith(")")):
        return [_unescaped(plain).strip()]
    parts = re.split(r"(?<!\\)((?:\\\\)*),", plain[1:-1])
    joined = ["".join(pair) for pair in zip(parts[::2], [*parts[1::2], ""], strict=True)]
    return [_unescaped(part).strip() for part in joined]


def _codes(rest: str) -> tuple[str, ...]:
    """Return the names of a column's codes, of what follows its type: `true,)-side|NOMINAL,level|NOMINAL`."""
    _, dash, listed = rest.rpartition(")-")
    if not dash:
        return ("",)
    named = (entry.rpartition("|")[0] or entry for entry in re.split(r"(?<!\\),", listed))
    return tuple(_unescaped(name).strip(" <>") for name in named) or ("",)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def _viewers(project: str) -> list[tuple[str, str]]:
    """Return the videos that a project names, in order: path and the name of its settings."""
    import yaml

    class Loader(yaml.BaseLoader):
        """Reads tags such as `!project` as what they stand on: text, lists and mappings, nothing else."""

    def plain(loader: Any, suffix: str, node: Any) -> Any:
        del suffix
        return loader.construct_mapping(node, deep=True) if isinstance(node, yaml.MappingNode) else None

    Loader.add_multi_constructor("!", plain)
    try:
        content = yaml.load(project, Loader)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError):
        return []
    viewers = content.get("viewerSettings") if isinstance(content, dict) else None
    found: defaultdict[str, str] = defaultdict(str)
    for viewer in viewers if isinstance(viewers, list) else ():
        name = viewer.get("feed") if isinstance(viewer, dict) else None
        if isinstance(name, str) and name.strip():
            found.setdefault(name.strip(), str(viewer.get("settingsId") or ""))
    return list(found.items())
