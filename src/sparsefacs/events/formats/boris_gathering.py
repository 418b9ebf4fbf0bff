"""From BORIS's observations to events: names, what was looked at, what is doubtful and why."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

from ..model import EVERYTHING, Asked, Event, EventFile, Fault, Recording, Span
from ..names import LETTERS, Meaning, Side, letter_of
from .boris_queue import Piece, Queue
from .boris_words import (
    CODED,
    TO_THE_END,
    UNKNOWN,
    Modified,
    ModifierSets,
    Stretch,
    modifier_words,
    person_of,
    read_modifiers,
    read_remarks,
    without_face,
)

_Aus = frozenset[int] | None


@dataclass(frozen=True)
class Observation:
    """What one observation holds. where: it, in words. interval: seconds in its queue that were looked at, if it says.

    ours: we wrote it, so that its behaviour `coded` marks what was looked at.
    """

    where: str
    queue: Queue
    stretches: Sequence[Stretch]
    sets: ModifierSets
    interval: tuple[float, float] | None = None
    ours: bool = False


@dataclass
class Gathering:
    """Takes in a file's observations, one by one, and gives them as events."""

    path: Path
    what: str
    asked: Asked
    aus: set[int] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    clock_is_first_frame: bool = False
    _events: list[tuple[int, Event]] = field(default_factory=list)
    _coded: list[tuple[int, Span]] = field(default_factory=list)
    _unmapped: Counter[str] = field(default_factory=Counter)
    _unread: Counter[str] = field(default_factory=Counter)
    _recordings: dict[str, Recording] = field(default_factory=dict)
    _marked: bool = False
    _count: int = 0

    def listed(self, code: str) -> None:
        """Take in a behaviour of the coder's list."""
        self.aus.update(meaning.au for meaning in self.asked.names.of(code))

    def lost(self, problem: str, where: str, queue: Queue, aus: _Aus = None, subject: str = "") -> None:
        """Tell of a line that cannot be used: labels of `aus` (None: all) in these videos are unknown."""
        name, face = person_of(subject)
        spans = [Span(medium.name, name, 0.0, math.inf, aus, face) for medium in queue.media]
        self._fault(problem, where, spans)

    def matters(self, code: str, ours: bool, *, counts: bool = True) -> bool:
        """Say whether a behaviour is an AU or marks something; if it is neither, and `counts`, count it."""
        if self.marks_coded(code, ours=ours) or self.asked.names.of(code) or (ours and code in {CODED, UNKNOWN}):
            return True
        if counts and not self.asked.names.knows(code):
            self._unmapped[code] += 1
        return False

    def marks_coded(self, code: str, *, ours: bool) -> bool:
        """Say whether a behaviour marks what was looked at: the one asked for, else `coded` in what we wrote."""
        return self.asked.marks_coded(code) or (self.asked.coded is None and ours and code == CODED)

    def observation(self, seen: Observation) -> None:
        """Take in an observation."""
        self._count += 1
        for medium in seen.queue.media:
            self._recordings.setdefault(medium.name, Recording(medium.name, medium.fps, medium.length_s))
        marked = False
        for stretch in seen.stretches:
            if self.marks_coded(stretch.code, ours=seen.ours):
                marked = self._looked_at(seen, stretch) or marked
            elif stretch.code == UNKNOWN and seen.ours:
                self._doubtful(seen, stretch)
            elif meanings := self.asked.names.of(stretch.code):
                self._event(seen, stretch, meanings)
            else:
                self.matters(stretch.code, seen.ours)
        self._marked = self._marked or marked
        if self.asked.coded == EVERYTHING:
            self._coded += [(self._count, Span(one.name, "", 0.0, math.inf)) for one in seen.queue.media]
            if seen.interval is not None:
                self.notes.append(f"{seen.where}: looked at as a whole, as asked, although it has an interval")
        elif self.asked.coded is None and not marked and seen.interval is not None:
            begin, end = (place - seen.queue.behind_s for place in seen.interval)
            for piece in seen.queue.pieces(max(begin, 0.0), end):
                end_s = piece.onset_s if piece.offset_s is None else piece.offset_s
                self._coded.append((self._count, Span(piece.media, "", piece.onset_s, end_s)))

    def result(self) -> EventFile:
        """Return all that was taken in."""
        self._overlaps()
        self._twice()
        if self._unread:
            words = ", ".join(f"{word} ({count})" for word, count in sorted(self._unread.items()))
            self.notes.append(f"modifiers that tell neither side nor intensity: {words}")
        asked = self.asked
        if asked.coded not in {None, EVERYTHING} and not self._marked:
            self.notes.append(f"no stretch of {asked.coded!r}, which marks what was looked at")
        return EventFile(
            self.path,
            self.what,
            tuple(sorted(self.aus | {event.au for _, event in self._events})),
            tuple(event for _, event in self._events),
            tuple(dict.fromkeys(span for _, span in self._coded)),
            tuple(self.faults),
            dict(self._unmapped),
            tuple(self._recordings.values()),
            "first-frame" if self.clock_is_first_frame else "media",
            tuple(dict.fromkeys(self.notes)),
        )

    def _fault(self, problem: str, where: str, spans: Sequence[Span] = ()) -> None:
        self.faults += [Fault(problem, where, span) for span in spans or (None,)]

    def _placed(self, seen: Observation, stretch: Stretch, aus: _Aus) -> list[Piece] | None:
        """Return a stretch's parts in the videos; None, with a fault, where it is doubtful or cannot be placed."""
        if not seen.queue.media:
            self._fault(f"{stretch.code} belongs to no video", stretch.where)
            return None
        onset = seen.queue.position(stretch.onset_s)
        offset = stretch.offset_s
        if offset is not None and math.isfinite(offset):
            offset = seen.queue.position(offset)
        pieces = seen.queue.pieces(onset, offset)
        if not pieces:
            problem = f"{stretch.code} lies in a queue of videos whose lengths are not told"
            self.lost(stretch.problem or problem, stretch.where, seen.queue, aus, stretch.subject)
            return None
        problem = stretch.problem
        if not problem and pieces[0].onset_s < 0:
            problem = f"{stretch.code} begins at {pieces[0].onset_s:g} s, before its video does"
        if not problem:
            return pieces
        spans = [_span(replace(piece, onset_s=max(piece.onset_s, 0.0)), stretch, aus) for piece in pieces]
        spans = [span for span in spans if span.offset_s > span.onset_s]
        self._fault(problem, stretch.where, () if self.marks_coded(stretch.code, ours=seen.ours) else spans)
        return None

    def _looked_at(self, seen: Observation, stretch: Stretch) -> bool:
        """Take in a stretch that was looked at, for the AUs among its modifiers or all; say whether there is one."""
        if stretch.offset_s is None:
            self._fault(f"{stretch.code} is a moment, not a stretch that was looked at", stretch.where)
            return True
        aus = self._aus_of(stretch)
        pieces = self._placed(seen, stretch, aus or None) if aus is not None else None
        for piece in pieces or ():
            span = _span(piece, stretch, aus or None)
            if seen.ours and TO_THE_END in stretch.comment:
                span = replace(span, offset_s=math.inf)
            self._coded.append((self._count, span))
        return True

    def _doubtful(self, seen: Observation, stretch: Stretch) -> None:
        """Take in a stretch that we marked as doubtful; the comment says why."""
        aus = self._aus_of(stretch)
        problem = without_face(stretch.comment).removesuffix(TO_THE_END).removesuffix("; ") or "marked as unknown"
        end = math.inf if TO_THE_END in stretch.comment else stretch.offset_s
        if aus is not None and end is not None:
            self._placed(seen, replace(stretch, problem=problem, offset_s=end), aus or None)

    def _aus_of(self, stretch: Stretch) -> frozenset[int] | None:
        """Return the AUs among a stretch's modifiers, none for all; None, with a fault, for a word that is no AU."""
        words = [word for text in stretch.modifiers for word in modifier_words(text)]
        found = {word: self.asked.names.of(word) for word in words}
        unknown = [word for word, meanings in found.items() if not meanings]
        if unknown:
            self._fault(f"{stretch.code} has the modifier {unknown[0]!r}, which is no AU", stretch.where)
            return None
        return frozenset(meaning.au for meanings in found.values() for meaning in meanings)

    def _event(self, seen: Observation, stretch: Stretch, meanings: Sequence[Meaning]) -> None:
        """Take in a stretch of a behaviour that means AUs."""
        self.aus.update(meaning.au for meaning in meanings)
        told = read_modifiers(stretch.code, stretch.modifiers, seen.sets)
        self._unread.update(told.unread)
        if told.intensity == 0 and not stretch.problem:
            stretch = replace(stretch, problem=f"{stretch.code} has intensity 0, which is no event")
        pieces = self._placed(seen, stretch, frozenset(meaning.au for meaning in meanings)) or ()
        problems = [told.problem] if told.problem else []
        for meaning in meanings if pieces else ():
            side, intensity, problem = _agreed(stretch.code, meaning, told)
            problems += [problem] if problem else []
            made = (_made(stretch, piece, meaning.au, side, intensity) for piece in pieces)
            self._events += [(self._count, event) for event in made]
        for problem in dict.fromkeys(problems):
            if pieces:
                self._fault(f"{problem}: none is taken", stretch.where)

    def _overlaps(self) -> None:
        """Leave out events that overlap an earlier one of the same AU, person and side: what holds is not known."""
        groups: dict[object, list[Event]] = defaultdict(list)
        for count, event in self._events:
            if event.offset_s is not None:
                groups[count, event.media, event.subject, event.face, event.au, event.side].append(event)
        left_out: set[int] = set()
        for group in groups.values():
            last, until = group[0], 0.0
            for event in sorted(group, key=lambda event: event.onset_s):
                end = event.offset_s if event.offset_s is not None else event.onset_s
                if event.onset_s < until:
                    left_out.add(id(event))
                    span = Span(event.media, event.subject, event.onset_s, end, frozenset({event.au}))
                    problem = f"AU{event.au} from {event.onset_s:g} s overlaps with that of {last.where}"
                    self.faults.append(Fault(problem, event.where, span))
                else:
                    last, until = event, end
        self._events = [(count, event) for count, event in self._events if id(event) not in left_out]

    def _twice(self) -> None:
        """Tell of AUs that two observations of one video code in the same stretch: which of them holds is not known."""
        coded: dict[tuple[int, str], list[Span]] = defaultdict(list)
        for count, span in self._coded:
            coded[count, span.media].append(span)
        counts: dict[tuple[str, str, int], dict[int, Event]] = defaultdict(dict)
        for count, event in self._events:
            counts[event.media, event.subject, event.au].setdefault(count, event)
        for (media, subject, au), firsts in counts.items():
            for one, other in combinations(firsts, 2):
                common = _common(coded[one, media], coded[other, media], subject, au)
                if not common:
                    continue
                spans = [Span(media, subject, onset, offset, frozenset({au})) for onset, offset in common]
                problem = f"AU{au} of {media} is coded in another observation too ({firsts[one].where})"
                self._fault(f"{problem}: keep one coder to a file", firsts[other].where, spans)


def _span(piece: Piece, stretch: Stretch, aus: frozenset[int] | None) -> Span:
    end = piece.offset_s if piece.offset_s is not None else piece.onset_s
    subject, face = person_of(stretch.subject)
    face = read_remarks(stretch.comment).face if face is None else face
    return Span(piece.media, subject, piece.onset_s, end, aus, face)


def _agreed(code: str, meaning: Meaning, told: Modified) -> tuple[Side | None, float | None, str]:
    """Return side and intensity of an AU by its name and its modifiers, and where these contradict each other."""
    problem, side, intensity = "", meaning.side or told.side, meaning.intensity or told.intensity
    if meaning.side and told.side and meaning.side != told.side:
        problem, side = f"{code} has the side {told.side} among its modifiers", None
    if meaning.intensity and told.intensity and meaning.intensity != told.intensity:
        problem, intensity = f"{code} has another intensity, {told.intensity:g}, among its modifiers", None
    return side, intensity, problem


def _made(stretch: Stretch, piece: Piece, au: int, side: Side | None, intensity: float | None) -> Event:
    remarks = read_remarks(stretch.comment)
    subject, face = person_of(stretch.subject)
    face = remarks.face if face is None else face
    exact = remarks.intensity
    if exact is not None and intensity is not None and intensity == LETTERS.index(letter_of(exact)) + 1:
        intensity = exact  # as long as the coder left the letter as it was
    apex, end = remarks.apex_s, piece.offset_s if piece.offset_s is not None else piece.onset_s
    if apex is not None and not piece.onset_s <= apex <= end:
        apex = None
    cut = piece.cut if remarks.cut in {"", piece.cut} else remarks.cut if not piece.cut else "both"
    where = stretch.where
    return Event(piece.media, subject, au, piece.onset_s, piece.offset_s, side, intensity, where, face, apex, cut)


def _common(one: Iterable[Span], other: Iterable[Span], subject: str, au: int) -> list[tuple[float, float]]:
    """Return where two lists of stretches that were looked at meet for an AU of a person."""
    ours, theirs = (
        [span for span in spans if span.subject in {"", subject} and (span.aus is None or au in span.aus)]
        for spans in (one, other)
    )
    met = ((max(a.onset_s, b.onset_s), min(a.offset_s, b.offset_s)) for a in ours for b in theirs)
    return [(onset, offset) for onset, offset in met if onset < offset]
