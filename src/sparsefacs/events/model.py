"""What every file of events is turned into: events, stretches that were looked at, and what could not be understood."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .names import Names, Side

Clock = Literal["media", "first-frame"]
"""What a time counts from: the start of the media file, as players show it, or the video's first frame."""
CLOCKS: tuple[Clock, ...] = ("media", "first-frame")

_WORDS_SHOWN = 8

EVERYTHING = "all"
"""What `--coded` says of a video that was looked at from its first frame to its last."""


@dataclass(frozen=True, slots=True)
class Event:
    """A stretch in which a face shows an AU.

    media: the video, as the file names it. subject: "" where the file tells none. onset_s, offset_s: seconds, the
    offset the first moment without; None: a point in time, which is one frame. side: None where it is not told.
    intensity: 1–5 for A–E, None where it is not told. where: the place in its file, for messages ("row 12"). face: as
    in codes. apex_s: the moment of its peak. cut: at which of its ends the event goes on unseen.
    """

    media: str
    subject: str
    au: int
    onset_s: float
    offset_s: float | None
    side: Side | None = None
    intensity: float | None = None
    where: str = ""
    face: int | None = None
    apex_s: float | None = None
    cut: Literal["", "start", "end", "both"] = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a video for some AUs (None: all of the file's): looked at, or one that nothing is known of.

    subject: "" for every person. offset_s: infinity for the video's end. face: as in codes, None for every face.
    remark: what ELAN and BORIS show of it besides, for the coder to read.
    """

    media: str
    subject: str
    onset_s: float
    offset_s: float
    aus: frozenset[int] | None = None
    face: int | None = None
    remark: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """A line of a file that could not be used: what was wrong, where; its stretch, whose labels are then unknown."""

    problem: str
    where: str
    span: Span | None = None

    @property
    def line(self) -> str:
        """Place and problem in a line."""
        return f"{self.where}: {self.problem}" if self.where else self.problem


@dataclass(frozen=True, slots=True)
class Recording:
    """A video that a file speaks of: name as given; frames a second and length in seconds, None where not told."""

    name: str
    fps: float | None = None
    length_s: float | None = None


@dataclass(frozen=True)
class EventFile:
    """A file of events, read.

    what: the kind of file in words ("BORIS project"). aus: those the coders had on their list; silence about one of
    them inside a stretch of `coded` means that it was absent. coded: stretches that were looked at; empty where the
    file does not say. faults: lines left out; where a fault has a span, labels inside it are unknown. unmapped: words
    that are no AU, with how often they occur. recordings: the videos. clock: what its times count from. notes: what
    the reader took for granted.
    """

    path: Path
    what: str
    aus: tuple[int, ...]
    events: tuple[Event, ...]
    coded: tuple[Span, ...] = ()
    faults: tuple[Fault, ...] = ()
    unmapped: Mapping[str, int] = field(default_factory=dict)
    recordings: tuple[Recording, ...] = ()
    clock: Clock = "media"
    notes: tuple[str, ...] = ()

    @property
    def told(self) -> Iterator[str]:
        """What the user should know of how the file was read, a line each."""
        name = self.path.name
        yield f"{name} is read as {self.what}"
        yield from (f"{name}: {note}" for note in self.notes)
        yield from (f"{name}: {fault.line}" for fault in self.faults)
        if self.unmapped:
            words = Counter(self.unmapped).most_common()
            shown = ", ".join(f"{word!r} ({count})" for word, count in words[:_WORDS_SHOWN])
            more = f" and {len(words) - _WORDS_SHOWN} more" if len(words) > _WORDS_SHOWN else ""
            yield f"{name}: words that are no AU, left out: {shown}{more} (--map FILE says what they mean)"


@dataclass(frozen=True)
class Asked:
    """What the user says of a file: what names mean, and which behaviour, tier or code marks what was looked at.

    coded: such a name, EVERYTHING, or None where the file itself must say. coder: whose answers are meant, of a file of
    `sparsefacs label`; None: all.
    """

    names: Names = field(default_factory=Names)
    coded: str | None = None
    coder: str | None = None

    def marks_coded(self, name: str) -> bool:
        """Say whether `name` is the behaviour, tier or code that marks what was looked at."""
        return self.coded is not None and self.coded != EVERYTHING and same_name(name, self.coded)


def same_name(one: str, other: str) -> bool:
    """Say whether two names are the same but for blanks and case."""
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()
