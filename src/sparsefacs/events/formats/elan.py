"""ELAN's files (.eaf): a tier is an AU whose annotations tell side and intensity, or its annotations name AUs."""

import math
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..collecting import Collected
from ..model import Asked, Event, EventFile, Fault, Span
from ..names import Meaning, intensity_of, side_of
from ..values import Told, are_levels, aus_in, told_by
from ..xml_files import begins_with
from .elan_document import WHAT, Annotation, Document, Tier, read_document
from .elan_writing import CLOCK, CODED, MARK, POINT_MS, UNKNOWN, UNTIL_END, write

__all__ = ["read", "recognises", "write"]

_FACE = re.compile(r" face (\d{1,6})$")
_LANE = re.compile(r" \(\d+\)$")
_AUS = re.compile(r"(AU\d{1,4}(?:\+AU\d{1,4})*)(?::|$)")
_RANKS = re.compile(r"intens|level|strength|degree|grade|score|rating", re.IGNORECASE)
_SIDES = re.compile(r"side|lateral|symm", re.IGNORECASE)
_DOUBTS = re.compile(r"confiden|certain", re.IGNORECASE)
_WORDS_SHOWN = 12  # a tier with more words that are no AU, such as of speech, is named in place of them


@dataclass(frozen=True)
class _Place:
    """Whom and what a tier is about. base: its name without person and face. meanings: the AUs that it names."""

    tier: Tier
    base: str
    subject: str
    face: int | None
    meanings: tuple[Meaning, ...]


def recognises(path: Path) -> bool:
    """Say whether the file at `path` looks like one of ELAN's."""
    return begins_with(path, b"ANNOTATION_DOCUMENT")


def read(path: Path, asked: Asked) -> EventFile:
    """Read an ELAN file; raises InputError naming it for what is none, or is damaged.

    Looked at are the annotations of the tier that `asked` names, or that have its word as value; in a file that
    `write` made, those of its tier `coded`.
    """
    document = read_document(path)
    return _Reading(path, asked, document).file()


class _Reading:
    """One file being read."""

    def __init__(self, path: Path, asked: Asked, document: Document) -> None:
        self.asked, self.document = asked, document
        self.ours = MARK in document.properties
        self.found = Collected(path, WHAT, asked)
        self.found.faults.extend(Fault(*odd) for odd in document.odd)
        if document.properties.get(CLOCK) == "first-frame":
            self.found.clock = "first-frame"
        self.origin_ms = self._choose_medium(path)
        self.media = self.found.media[0]
        self.places = [self._place(tier) for tier in document.tiers]
        self.by_name = {place.tier.name: place for place in self.places}
        self.children: defaultdict[str, list[_Child]] = defaultdict(list)
        for place in self.places:
            if place.tier.parent in self.by_name and place.tier.parent != place.tier.name:
                self.children[place.tier.parent].append(_Child(place, place.tier.annotations))

    def file(self) -> EventFile:
        """Return all that it says."""
        for place in self.places:
            base = place.base.casefold()
            if self.asked.marks_coded(place.tier.name) or self.asked.marks_coded(place.base):
                self._add_coded(place)
            elif self.ours and base == CODED:
                if self.asked.coded is None:
                    self._add_coded(place)
            elif self.ours and base == UNKNOWN:
                self._add_unknown(place)
            elif place.meanings and not self._is_of_parent(place):
                self._add_events(place)
            elif not self.asked.names.knows(place.base):
                self._add_values(place)
        annotators = sorted({place.tier.annotator for place in self.places} - {""})
        if len(annotators) > 1:
            self.found.notes.append(f"the tiers of its annotators {', '.join(annotators)} are read together")
        return self.found.finish()

    def _is_of_parent(self, place: _Place) -> bool:
        """Say whether a tier is about the AUs that the tier it depends on is named after: "AU12 - intensity"."""
        above = self.by_name.get(place.tier.parent or "")
        return (
            above is not None and above is not place and _numbers(above.meanings) == _numbers(place.meanings) != set()
        )

    def _choose_medium(self, path: Path) -> float:
        """Note the video that the file is about, and return which of its moments (ms) is time 0."""
        media = self.document.media
        if not media:
            self.found.media.append(path.stem)
            self.found.notes.append(f"it names no video, and is taken to be about {path.stem}")
            return 0.0
        chosen = next((medium for medium in media if medium.is_video), media[0])
        self.found.media.append(chosen.name)
        others = [medium.name for medium in media if medium.is_video and medium is not chosen]
        if others:
            self.found.notes.append(f"it is read for its first video, {chosen.name}, and not for {', '.join(others)}")
        if chosen.origin_ms:
            self.found.notes.append(f"its times count from {chosen.origin_ms / 1000:g} s of {chosen.name} on")
        return chosen.origin_ms

    def _place(self, tier: Tier) -> _Place:
        base, subject = tier.name.strip(), tier.participant
        if subject and base.endswith(f"@{subject}"):
            base = base[: -len(subject) - 1]
        elif "@" in base:
            base, _, told = base.rpartition("@")
            subject = subject or told.strip()
        face = None
        if self.ours:
            base = _LANE.sub("", base)
            if found := _FACE.search(base):
                base, face = base[: found.start()], int(found[1])
        return _Place(tier, base.strip(), subject, face, self.asked.names.of(base))

    def _seconds(self, ms: float) -> float:
        return (ms + self.origin_ms) / 1000

    def _event(self, place: _Place, meaning: Meaning, annotation: Annotation) -> Event:
        start, end = annotation.start_ms, annotation.end_ms
        point = self.ours and 0 < end - start <= POINT_MS
        return Event(
            self.media,
            place.subject,
            meaning.au,
            self._seconds(start),
            None if point else self._seconds(end),
            meaning.side,
            meaning.intensity,
            annotation.where,
            place.face,
        )

    def _span(self, place: _Place, annotation: Annotation, aus: frozenset[int] | None) -> Span:
        start_s, end_s = self._seconds(annotation.start_ms), self._seconds(annotation.end_ms)
        if self.ours and annotation.value.endswith(UNTIL_END):
            end_s = math.inf
        return Span(self.media, place.subject, start_s, end_s, aus, place.face)

    def _add_coded(self, place: _Place) -> None:
        for annotation in place.tier.annotations:
            self._add_coded_one(place, annotation)

    def _add_coded_one(self, place: _Place, annotation: Annotation) -> None:
        if annotation.trouble:
            self.found.faults.append(Fault(f"{annotation.trouble}; it is not taken as coded", annotation.where))
        else:
            self.found.add_coded(self._span(place, annotation, _aus_of(annotation.value)), annotation.where)

    def _add_unknown(self, place: _Place) -> None:
        for annotation in place.tier.annotations:
            problem = annotation.value.removesuffix(UNTIL_END).strip()
            if found := _AUS.match(problem):
                problem = problem[found.end() :].strip()
            span = self._span(place, annotation, _aus_of(annotation.value))
            self.found.faults.append(Fault(problem or "marked as unknown", annotation.where, span))

    def _add_events(self, place: _Place) -> None:
        """Add the events of a tier that is named after AUs."""
        self.found.aus.update(meaning.au for meaning in place.meanings)
        values = [annotation.value for annotation in place.tier.annotations]
        levels = self.ours or are_levels(values, _numbers(place.meanings))
        odd: Counter[str] = Counter()
        for annotation in place.tier.annotations:
            if self.asked.marks_coded(annotation.value):
                self._add_coded_one(place, annotation)
                continue
            told = self._told(place, annotation.value)
            if told is None:
                named = f"it names another AU than its tier does: {annotation.value!r}"
                self._add_each(place, place.meanings, annotation, Told(doubtful=True), named)
                continue
            odd[annotation.value] += not told.understood
            if not levels and any(sign.isdigit() for sign in annotation.value):
                told = replace(told, intensity=None)
            self._add_each(place, place.meanings, annotation, told)
        if words := ", ".join(repr(word) for word, count in odd.most_common(_WORDS_SHOWN) if count):
            self.found.notes.append(
                f"in tier {place.tier.name} these values say no more than that it is there: {words}"
            )

    def _told(self, place: _Place, value: str) -> Told | None:
        """Return what a value says of its tier's AUs, None where it names others."""
        told = told_by(value)
        if told.understood or told.absent or told.doubtful:
            return told
        named = aus_in(self.asked.names, value, "AU")
        if not named:
            return told
        if _numbers(named) != _numbers(place.meanings):
            return None
        return Told(named[0].side, named[0].intensity)

    def _add_values(self, place: _Place) -> None:
        """Add the events of a tier whose values name AUs; count the words that are none."""
        if self._is_of_parent(place):
            return
        context = _context(place)
        named = {word: aus_in(self.asked.names, word, context) for word in {*place.tier.choices} - {""}}
        self.found.aus.update(meaning.au for meanings in named.values() for meaning in meanings)
        other: Counter[str] = Counter()
        read = 0
        for annotation in place.tier.annotations:
            meanings = aus_in(self.asked.names, annotation.value, context)
            if self.asked.marks_coded(annotation.value):
                self._add_coded_one(place, annotation)
                read += 1
            elif meanings:
                self._add_each(place, meanings, annotation, Told())
                read += 1
            elif annotation.value and not self.asked.names.knows(annotation.value):
                other[annotation.value] += 1
        if place.tier.parent and all(told_by(word).understood for word in other):
            return  # a dependent tier, which tells of its parent's
        if len(other) > _WORDS_SHOWN or not (read or other):
            known = self.asked.names.knows(place.tier.name)
            other = Counter() if known else Counter({place.tier.name: len(place.tier.annotations)})
        self.found.unmapped.update(other)

    def _add_each(
        self, place: _Place, meanings: Sequence[Meaning], annotation: Annotation, told: Told, why: str = ""
    ) -> None:
        """Add an annotation's events, refined by what its value and the tiers below tell."""
        below = [self._below(place, annotation)] if not told.absent else []
        if told.absent or any(one.absent for one in below):
            return
        for meaning in meanings:
            event = self._event(place, meaning, annotation)
            if annotation.trouble:
                self.found.fault(f"AU{meaning.au}: {annotation.trouble}", event)
                continue
            if told.doubtful or any(one.doubtful for one in below):
                problem = f"AU{meaning.au}: {why or f'its value {annotation.value!r} says that it is not known'}"
                self.found.fault(problem, event)
                continue
            for one in (told, *below):
                event = _refined(event, one)
            self.found.add(event)

    def _below(self, place: _Place, annotation: Annotation) -> Told:
        """Return what the annotations in tiers that depend on this one tell of it: side and intensity."""
        side, intensity = None, None
        for child in self.children[place.tier.name]:
            tier, context = child.place.tier.name, _context(child.place)
            if _DOUBTS.search(tier) or (child.place.meanings and not self._is_of_parent(child.place)):
                continue
            values = sorted({other.value for other in child.under(annotation)} - {""})
            if any(aus_in(self.asked.names, value, context) for value in values):
                continue
            told = [_told_below(child.place.base, value) for value in values]
            if len(values) > 1 and any(one != Told() for one in told):
                problem = f"tier {tier} says {', '.join(values)} of it, of which none is taken"
                self.found.faults.append(Fault(problem, annotation.where))
                continue
            for one in told:
                if one.absent or one.doubtful:
                    return one
                side, intensity = one.side or side, one.intensity or intensity
        return Told(side, intensity)


class _Child:
    """A tier that depends on another, and which of its annotations belong to one of that."""

    def __init__(self, place: _Place, annotations: Sequence[Annotation]) -> None:
        self.place = place
        self.by_parent: defaultdict[str, list[Annotation]] = defaultdict(list)
        for annotation in annotations:
            if annotation.parent is not None:
                self.by_parent[annotation.parent].append(annotation)
        aligned = (annotation for annotation in annotations if annotation.parent is None and not annotation.trouble)
        self.aligned = sorted(aligned, key=_middle)
        self.middles = [_middle(annotation) for annotation in self.aligned]

    def under(self, parent: Annotation) -> list[Annotation]:
        """Return the annotations that refer to `parent`, and those that lie within its time."""
        first, last = (bisect_left(self.middles, ms) for ms in (parent.start_ms, parent.end_ms))
        return [*self.by_parent.get(parent.name, ()), *self.aligned[first:last]]


def _middle(annotation: Annotation) -> float:
    return (annotation.start_ms + annotation.end_ms) / 2


def _numbers(meanings: Sequence[Meaning]) -> set[int]:
    return {meaning.au for meaning in meanings}


def _context(place: _Place) -> str:
    """Return the name that tells whether bare numbers in a tier are AUs; none for a tier of ranks or sides."""
    return "" if any(kind.search(place.base) for kind in (_RANKS, _SIDES, _DOUBTS)) else place.base


def _told_below(tier: str, value: str) -> Told:
    """Return what a value in a dependent tier tells; numbers only in one that is named as intensity."""
    if _SIDES.search(tier):
        return Told(side_of(value))
    told = told_by(value)
    ranks = _RANKS.search(tier) is not None
    number = intensity_of(value) is not None and any(sign.isdigit() for sign in value)
    if not told.understood or ((number or told.absent or told.doubtful) and not ranks):
        return Told()
    return told


def _refined(event: Event, told: Told) -> Event:
    inside = told.apex_s is not None and event.offset_s is not None and event.onset_s <= told.apex_s <= event.offset_s
    return replace(
        event,
        side=told.side or event.side,
        intensity=told.intensity or event.intensity,
        cut=told.cut or event.cut,
        apex_s=told.apex_s if inside else event.apex_s,
    )


def _aus_of(value: str) -> frozenset[int] | None:
    """Return the AUs that a coded stretch is about, None where it says none: written out, as in AU1+AU12."""
    found = _AUS.match(value.removesuffix(UNTIL_END).strip())
    return frozenset(int(word[2:]) for word in found[1].split("+")) if found else None
