"""What a coder's lines in BORIS say: START and STOP make a stretch, modifiers tell side and intensity."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ..names import Side, intensity_of, side_of
from ..sheets import number

Status = Literal["START", "STOP", "POINT"]
OURS = "Written by sparsefacs"
"""What the descriptions of our own projects say, and their observations' too."""
FIRST_FRAME = "times count from the first frame"
CODED, UNKNOWN = "coded", "unknown"
TO_THE_END = "to the end"
_NOTHING = {"", "none", "na"}
_KEY = re.compile(r"\s\([^()]*\)$")  # BORIS shows a modifier's key behind it: "left (l)"
_FACE = re.compile(r"face (\d{1,6})", re.IGNORECASE)
_FACE_OF = re.compile(r"(?:(?P<subject>.*\S) )?(?P<bracket>\()?face (?P<face>\d{1,6})(?(bracket)\))", re.IGNORECASE)
_NO_SUBJECT = "no focal subject"
_CUTS: dict[str, Literal["start", "end", "both"]] = {
    "cut at start": "start", "cut at end": "end", "cut at both ends": "both",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a coder; time_s on the observation's clock; modifiers one of each set; where: its place in the file."""

    time_s: float
    subject: str
    code: str
    modifiers: tuple[str, ...]
    status: Status
    where: str
    comment: str = ""

    @property
    def key(self) -> tuple[str, str, tuple[str, ...]]:
        """What START and STOP have in common."""
        return self.subject, self.code, self.modifiers


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a behaviour on the observation's clock; offset None: a point. problem: why it is doubtful."""

    onset_s: float
    offset_s: float | None
    subject: str
    code: str
    modifiers: tuple[str, ...]
    where: str
    comment: str = ""
    problem: str = ""


def toggled(rows: Iterable[Row]) -> list[Row]:
    """Return lines of states with START and STOP by turns, as BORIS takes them: in the order of their times."""
    seen: dict[object, int] = defaultdict(int)
    told = []
    for row in sorted(rows, key=lambda row: row.time_s):
        status: Status = "STOP" if seen[row.key] % 2 else "START"
        seen[row.key] += 1
        told.append(row if row.status == "POINT" else replace(row, status=status))
    return told


def paired(rows: Iterable[Row]) -> Iterator[Stretch]:
    """Yield the stretches between START and STOP of one subject, behaviour and modifiers, and the doubtful ones.

    Lines are taken in the file's order; where START and STOP do not take turns in it, in the order of their times.
    """
    groups: dict[object, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.key].append(row)
    for group in groups.values():
        yield from (_stretch(row, None) for row in group if row.status == "POINT")
        states = [row for row in group if row.status != "POINT"]
        turns = all((row.status == "STOP") == bool(place % 2) for place, row in enumerate(states))
        yield from _pairs(states if turns else sorted(states, key=lambda row: row.time_s))


def _pairs(rows: Sequence[Row]) -> Iterator[Stretch]:
    begun: Row | None = None
    again, closed = "", 0.0
    for row in rows:
        if row.status == "START":
            if begun is None:
                begun, again = row, ""
            else:
                again = f"{row.code} starts again at {row.time_s:g} s without having stopped since {begun.time_s:g} s"
                begun = replace(begun, where=row.where)
        elif begun is None:
            problem = f"{row.code} stops at {row.time_s:g} s without a start"
            yield replace(_stretch(row, row.time_s, problem), onset_s=min(closed, row.time_s))
            closed = row.time_s
        elif row.time_s < begun.time_s:
            problem = f"{row.code} ends at {row.time_s:g} s, before it begins at {begun.time_s:g} s"
            yield replace(_stretch(row, begun.time_s, problem), where=begun.where)
            begun = None
        else:
            comment = "; ".join(text for text in (begun.comment, row.comment) if text)
            yield replace(_stretch(begun, row.time_s, again), comment=comment)
            begun, closed = None, row.time_s
    if begun is not None:
        problem = again or f"{begun.code} starts at {begun.time_s:g} s and never stops"
        yield _stretch(begun, math.inf, problem)


def _stretch(row: Row, offset_s: float | None, problem: str = "") -> Stretch:
    if offset_s == row.time_s and not problem:
        offset_s = None  # begun and ended at one moment: one frame, as a point event
    return Stretch(row.time_s, offset_s, row.subject, row.code, row.modifiers, row.where, row.comment, problem)


@dataclass
class ModifierSets:
    """The words each set of modifiers has: declared by behaviour and place of the set, else those seen at the place.

    They tell what "B" means: an intensity, but "both" beside "L" and "R".
    """

    declared: Mapping[tuple[str, int], frozenset[str]] = field(default_factory=dict)
    seen: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))

    def see(self, modifiers: Sequence[str]) -> None:
        """Take in one event's modifiers."""
        for place, text in enumerate(modifiers):
            self.seen[place].update(modifier_words(text))

    def tells_side(self, code: str, place: int, word: str) -> bool:
        """Say whether a word that may be a side or an intensity is a side, as the others of its set are."""
        words = self.declared.get((code, place)) or self.seen.get(place, set())
        sides = word in words and any(side_of(word) and intensity_of(word) is None for word in words)
        return sides and not any(intensity_of(word) is not None and side_of(word) is None for word in words)


@dataclass(frozen=True, slots=True)
class Modified:
    """What modifiers say. unread: words that are neither side nor intensity. problem: where they contradict."""

    side: Side | None = None
    intensity: float | None = None
    unread: tuple[str, ...] = ()
    problem: str = ""


def modifier_words(text: str) -> tuple[str, ...]:
    """Return the words chosen in one set of modifiers, without keys; none for "None"."""
    whole = _KEY.sub("", text.strip())
    parts = [whole] if intensity_of(whole) is not None else whole.split(",")  # "3,5" is a number
    words = (_KEY.sub("", part.strip()) for part in parts)
    return tuple(word for word in words if word.casefold() not in _NOTHING)


def read_modifiers(code: str, modifiers: Sequence[str], sets: ModifierSets) -> Modified:
    """Return the side and intensity that an event's modifiers tell; a number with a unit is no intensity."""
    sides: list[Side] = []
    strengths: list[float] = []
    unread: list[str] = []
    for place, text in enumerate(modifiers):
        for word in modifier_words(text):
            side, strength = side_of(word), intensity_of(word)
            if side is not None and (strength is None or sets.tells_side(code, place, word)):
                sides.append(side)
            elif strength is not None:
                strengths.append(strength)
            else:
                unread.append(word)
    several = len(set(strengths)) > 1
    problem = f"{code} has several intensities ({', '.join(f'{one:g}' for one in strengths)})" if several else ""
    side = None if not sides else sides[0] if len(set(sides)) == 1 else "both"
    return Modified(side, strengths[0] if strengths and not several else None, tuple(unread), problem)


@dataclass(frozen=True, slots=True)
class Remarks:
    """What a comment of ours says: face as in codes, moment of the peak, exact intensity, ends that were cut."""

    face: int | None = None
    apex_s: float | None = None
    intensity: float | None = None
    cut: Literal["", "start", "end", "both"] = ""


def read_remarks(comment: str) -> Remarks:
    """Return what a comment says in our words; all others are passed over."""
    found = Remarks()
    for text in (part.strip() for part in comment.split(";")):
        word, _, value = text.partition(" ")
        if (face := face_of(text)) is not None:
            found = replace(found, face=face)
        elif text in _CUTS:
            found = replace(found, cut=_CUTS[text])
        elif word == "apex" and value.endswith(" s"):
            found = replace(found, apex_s=number(value[:-2]))
        elif word == "intensity":
            found = replace(found, intensity=number(value))
    return found


def write_remarks(remarks: Remarks) -> str:
    """Return the comment that `read_remarks` reads."""
    told = [
        f"face {remarks.face}" if remarks.face is not None else "",
        f"apex {remarks.apex_s:.3f} s" if remarks.apex_s is not None else "",
        f"intensity {remarks.intensity!r}" if remarks.intensity is not None else "",
        next((words for words, cut in _CUTS.items() if cut == remarks.cut), ""),
    ]
    return "; ".join(text for text in told if text)


def face_of(text: str) -> int | None:
    """Return the number in "face 3", None where `text` is something else."""
    found = _FACE.fullmatch(text.strip())
    return int(found[1]) if found else None


def without_face(comment: str) -> str:
    """Return a comment without the face that it begins with."""
    first, _, rest = comment.partition("; ")
    return rest if face_of(first) is not None else comment


def person_of(text: str) -> tuple[str, int | None]:
    """Return the subject and the face in BORIS's subject: "anna", "face 1", or "anna (face 1)"."""
    name = " ".join(text.split())
    found = _FACE_OF.fullmatch(name)
    if found is not None and bool(found["subject"]) == bool(found["bracket"]):
        return found["subject"] or "", int(found["face"])
    return ("" if name.casefold() == _NO_SUBJECT else name), None


def person_text(subject: str, face: int | None, *, several: bool) -> str:
    """Return BORIS's subject for a person, and, where a video shows several faces, which of them it is."""
    if face is None or (subject and not several):
        return subject
    return f"{subject} (face {face})" if subject else f"face {face}"
