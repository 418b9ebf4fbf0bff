"""A coder's answers, as `sparsefacs label` writes them: a CSV to which rows are added and none is ever changed.

    path,frame,time,face,subject,clip,coder,why,test,given_at,seconds,AU01_c,AU01_r,…,sides,note,state

A row says what one coder answered of one face. The last answer of a coder on a face holds; a row `withdrawn` (an undo)
takes back the last one before it. An empty AU cell is "cannot be judged" and no label, never 0. The state stands last,
so that a line which a power cut has torn cannot be taken for a whole one.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, cast

from ..errors import InputError
from ..facs.units import UNITS, column
from ..files import from_cell, to_cell

State = Literal["coded", "unusable", "skipped", "withdrawn"]
STATES: tuple[State, ...] = ("coded", "unusable", "skipped", "withdrawn")
_BEFORE = (
    *("path", "frame", "time", "face", "subject", "clip"),
    *("coder", "why", "test", "given_at", "seconds"),
)
_AFTER = ("sides", "note", "state")
_CELL = re.compile(r"AU0*(\d+)_c")
_REMEDY = "Name a new file, or one that `sparsefacs label` wrote; a table of labels is for `prepare --labels`"


class FaceKey(NamedTuple):
    """Which face an answer is about: file, person, clip, frame of the clip from 0, and face as in the store.

    path: as the store names it; of a video whose codes were corrected the whole path (see `answer_rows`).
    """

    path: str
    subject: str
    clip: str
    frame: int
    face: int


@dataclass(frozen=True)
class Answer:
    """What one coder said of one face.

    occurrence: AU → 1 present, 0 absent; an AU that is not there could not be judged. intensity: AU → 0–5 (A–E are
    1–5), where it was told. sides: AU → L or R, of AUs on one side only. time_s: of the frame, None for photos.
    seconds: how long the coder looked. test: whether the face is kept for scoring.
    """

    key: FaceKey
    coder: str
    state: State
    occurrence: Mapping[int, int] = field(default_factory=dict)
    intensity: Mapping[int, int] = field(default_factory=dict)
    sides: Mapping[int, str] = field(default_factory=dict)
    note: str = ""
    why: str = ""
    test: bool = False
    time_s: float | None = None
    seconds: float = 0.0
    given_at: str = ""


def header(aus: tuple[int, ...]) -> list[str]:
    """Return the columns of a file of answers on `aus`."""
    cells = [name for au in aus for name in (column(au, "c"), column(au, "r"))]
    return [*_BEFORE, *cells, *_AFTER]


def header_aus(columns: Iterable[str]) -> tuple[int, ...] | None:
    """Return the AUs of a file of answers with these columns; None where it is no such file."""
    names = list(columns)
    aus = tuple(int(found[1]) for name in names if (found := _CELL.fullmatch(name)))
    return aus if aus and set(aus) <= set(UNITS) and names == header(aus) else None


def as_line(answer: Answer, aus: tuple[int, ...]) -> bytes:
    """Return an answer as a line of the file."""
    key = answer.key
    row: list[str] = [
        *(to_cell(key.path), str(key.frame), "" if answer.time_s is None else f"{answer.time_s:.6f}", str(key.face)),
        *(to_cell(key.subject), to_cell(key.clip), to_cell(answer.coder), answer.why, str(int(answer.test))),
        *(answer.given_at, f"{answer.seconds:.1f}"),
        *(str(told.get(au, "")) for au in aus for told in (answer.occurrence, answer.intensity)),
        " ".join(f"{side}{au}" for au, side in answer.sides.items()),
        to_cell(answer.note),
        answer.state,
    ]
    return as_csv(row)


def as_csv(row: list[str]) -> bytes:
    """Return cells as a line of CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(row)
    return out.getvalue().encode("utf-8", "surrogatepass")


def whole_lines(content: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the lines of a CSV, each with the place where it ends; a line break within quotes ends none."""
    held, place = b"", 0
    for piece in re.split(rb"(?<=\n)", content):
        held += piece
        if held.endswith(b"\n") and held.count(b'"') % 2 == 0:
            place += len(held)
            yield held, place
            held = b""
    if held:
        yield held, place + len(held)


def parse(line: bytes, aus: tuple[int, ...], path: Path, where: str) -> Answer | None:
    """Return the answer of one line, None where the line is torn; raises InputError for values that cannot be."""
    columns = header(aus)
    try:
        text = line.decode("utf-8").rstrip("\r\n")
        cells = next(csv.reader([text], strict=True), []) if "\n" not in text else next(csv.reader(io.StringIO(text)))
    except (UnicodeDecodeError, csv.Error):
        return None
    if len(cells) != len(columns) or cells[-1] not in STATES:
        return None
    row = dict(zip(columns, cells, strict=True))
    try:
        return _answer(row, aus)
    except (ValueError, KeyError) as error:
        raise InputError(f"{where}: cannot be read ({error})", path=path, remedy="Correct the line") from error


def _answer(row: Mapping[str, str], aus: tuple[int, ...]) -> Answer:
    occurrence = {au: _one_of(row[column(au, "c")], "01") for au in aus if row[column(au, "c")]}
    intensity = {au: _one_of(row[column(au, "r")], "012345") for au in aus if row[column(au, "r")]}
    sides = {int(word[1:]): word[0] for word in row["sides"].split()}
    if not set(sides.values()) <= {"L", "R"}:
        raise ValueError(f"sides {row['sides']}")
    return Answer(
        FaceKey(
            from_cell(row["path"]),
            from_cell(row["subject"]),
            from_cell(row["clip"]),
            int(row["frame"]),
            int(row["face"] or 0),
        ),
        from_cell(row["coder"]),
        cast(State, row["state"]),
        occurrence,
        intensity,
        sides,
        from_cell(row["note"]),
        row["why"],
        row["test"] == "1",
        float(row["time"]) if row["time"] else None,
        float(row["seconds"] or 0),
        row["given_at"],
    )


def _one_of(cell: str, allowed: str) -> int:
    if len(cell) != 1 or cell not in allowed:
        raise ValueError(f"{cell} is none of {', '.join(allowed)}")
    return int(cell)


class Standing:
    """The answers that hold, as rows come one after the other.

    held: coder → face → the answers given and not withdrawn, the last one holds. order: coder → faces in the order of
    those answers, one entry an answer.
    """

    def __init__(self) -> None:
        self.held: dict[str, dict[FaceKey, list[Answer]]] = {}
        self.order: dict[str, list[FaceKey]] = {}

    def add(self, answer: Answer) -> None:
        """Take the next row."""
        held = self.held.setdefault(answer.coder, {})
        order = self.order.setdefault(answer.coder, [])
        if answer.state != "withdrawn":
            held.setdefault(answer.key, []).append(answer)
            order.append(answer.key)
        elif given := held.get(answer.key):
            given.pop()
            if not given:
                del held[answer.key]
            del order[len(order) - 1 - order[::-1].index(answer.key)]

    @property
    def coders(self) -> list[str]:
        """The coders, in order of their first answer."""
        return [coder for coder, held in self.held.items() if held]

    def of(self, coder: str) -> dict[FaceKey, Answer]:
        """Return what holds of one coder."""
        return {key: given[-1] for key, given in self.held.get(coder, {}).items()}

    def merged(self) -> dict[FaceKey, Answer]:
        """Return one answer a face: of coders who both coded it, that of whoever answered first in the file."""
        found: dict[FaceKey, Answer] = {}
        for coder in self.coders:
            for key, answer in self.of(coder).items():
                if key not in found or (not found[key].occurrence and answer.occurrence):
                    found[key] = answer
        return found


@dataclass(frozen=True)
class AnswerTable:
    """A file of answers, read: AUs, what holds, whether its last line was torn, and its bytes."""

    path: Path
    aus: tuple[int, ...]
    standing: Standing
    torn: bool
    content: bytes

    def of(self, coder: str | None) -> dict[FaceKey, Answer]:
        """Return what holds of `coder`, or of all (see `Standing.merged`); raises InputError for nobody's name."""
        if coder is None:
            return self.standing.merged()
        if coder not in self.standing.coders:
            known = ", ".join(self.standing.coders) or "nobody"
            raise InputError(f"has no answer of {coder}", path=self.path, remedy=f"It has answers of {known}")
        return self.standing.of(coder)


def is_answers(path: Path) -> bool:
    """Say whether the file at `path` begins as a file of answers does."""
    try:
        with path.open("rb") as handle:
            return _aus_of(handle.readline(1 << 16)) is not None
    except OSError:
        return False


def _aus_of(line: bytes) -> tuple[int, ...] | None:
    return header_aus(line.decode("utf-8-sig", "replace").rstrip("\r\n").split(","))


def read_answers(path: Path) -> AnswerTable:
    """Read a file of answers; a torn last line is passed over. Raises InputError for what is none, or is damaged."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", path=path, remedy="Check the name") from error
    aus, _, answers, torn = split_answers(content, path)
    standing = Standing()
    for answer in answers:
        standing.add(answer)
    return AnswerTable(path, aus, standing, torn, content)


def split_answers(content: bytes, path: Path) -> tuple[tuple[int, ...], int, list[Answer], bool]:
    """Return the AUs of a file of answers, where its whole lines end, the answers, and whether a torn line follows."""
    lines = whole_lines(content)
    first, end = next(lines, (b"", 0))
    aus = _aus_of(first)
    if aus is None:
        raise InputError("is no file of answers of `sparsefacs label`", path=path, remedy=_REMEDY)
    answers, whole, torn = parse_lines(lines, aus, path, 2)
    return aus, max(end, whole), answers, torn


def parse_lines(
    lines: Iterable[tuple[bytes, int]], aus: tuple[int, ...], path: Path, number: int
) -> tuple[list[Answer], int, bool]:
    """Return the answers of lines, the first of them line `number`, where whole ones end, and whether one is torn.

    Raises InputError where a line that is not the last is torn.
    """
    answers: list[Answer] = []
    whole, torn_at = 0, 0
    for at, (line, end) in enumerate(lines, start=number):
        if torn_at:
            raise InputError(f"line {torn_at} is damaged", path=path, remedy="Correct the line, or take it out")
        answer = parse(line, aus, path, f"line {at}")
        if answer is None:
            torn_at = at
            continue
        answers.append(answer)
        whole = end
    return answers, whole, bool(torn_at)
