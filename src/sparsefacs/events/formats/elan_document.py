"""ELAN's file as its tiers and annotations, with times in milliseconds where they are known.

Parsed here and not by pympi, which raises KeyError, IndexError and plain Exception on files that lack something, keeps
one of two tiers of a name, follows circular references for ever, accepts entities, gives every part of a subdivision
its parent's whole time, and times without a value as None.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from ...data.media import is_video
from ...errors import InputError
from ..xml_files import read_xml

WHAT = "ELAN file"
_UNITS_MS = {"": 1.0, "milliseconds": 1.0, "pal-frames": 40.0, "ntsc-frames": 1001 / 30}
_LATEST_MS = 1e11


@dataclass(frozen=True, slots=True)
class Medium:
    """A media file: its name, and which of its moments (ms) is ELAN's time 0."""

    name: str
    origin_ms: float
    is_video: bool


@dataclass(slots=True)
class Annotation:
    """An annotation. start_ms, end_ms: its times, or, where `trouble` says that they are not known, bounds of them."""

    name: str
    tier: str
    value: str
    start_ms: float = 0.0
    end_ms: float = math.inf
    trouble: str = ""
    parent: str | None = None
    slots: tuple[str, str] = ("", "")

    @property
    def where(self) -> str:
        """Its place, for messages."""
        return f"annotation {self.name} in tier {self.tier}"


@dataclass(frozen=True)
class Tier:
    """A tier. choices: the words of its controlled vocabulary. parent: the tier that it depends on."""

    name: str
    participant: str
    annotator: str
    parent: str | None
    choices: tuple[str, ...]
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True)
class Document:
    """An ELAN file. odd: what in it could not be used, as (problem, where)."""

    media: tuple[Medium, ...]
    properties: Mapping[str, str]
    tiers: tuple[Tier, ...]
    odd: tuple[tuple[str, str], ...]


@dataclass
class _Slots:
    """The time slots: values in ms, and which slot follows or precedes one in the annotations of a tier."""

    values: dict[str, float]
    after: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    before: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def bounds(self, slot: str) -> tuple[float, float]:
        """Return the earliest and the latest that a slot can be: from its neighbours' times, where it has none."""
        if slot in self.values:
            return self.values[slot], self.values[slot]
        return max(self._near(slot, self.before), default=0.0), min(self._near(slot, self.after), default=math.inf)

    def _near(self, slot: str, steps: Mapping[str, set[str]]) -> list[float]:
        found, seen, waiting = [], {slot}, [slot]
        while waiting:
            for other in steps.get(waiting.pop(), ()):
                if other in self.values:
                    found.append(self.values[other])
                elif other not in seen:
                    seen.add(other)
                    waiting.append(other)
        return found


def read_document(path: Path) -> Document:
    """Read an ELAN file; raises InputError naming it for what is none, or is damaged."""
    root = read_xml(path, what=WHAT)
    if root.tag != "ANNOTATION_DOCUMENT":
        raise InputError(f"is no {WHAT}: it begins with {root.tag!r}", path=path, remedy="Give an .eaf file")
    header = root.find("HEADER")
    header = Element("HEADER") if header is None else header
    units = header.get("TIME_UNITS", "").strip().casefold()
    if units not in _UNITS_MS:
        raise InputError(f"counts time in {units!r}", path=path, remedy="Save it with times in milliseconds")
    odd: list[tuple[str, str]] = []
    slots = _Slots(_slot_values(root, _UNITS_MS[units], odd))
    words = _vocabularies(root)
    tiers = [
        Tier(
            tier.get("TIER_ID", ""),
            tier.get("PARTICIPANT", "").strip(),
            tier.get("ANNOTATOR", "").strip(),
            tier.get("PARENT_REF"),
            words.get(tier.get("LINGUISTIC_TYPE_REF", ""), ()),
            tuple(_annotations(tier, slots, odd)),
        )
        for tier in root.iter("TIER")
    ]
    _time(root, slots, tiers)
    return Document(tuple(_media(header, odd)), _properties(header), tuple(tiers), tuple(odd))


def _slot_values(root: Element, unit_ms: float, odd: list[tuple[str, str]]) -> dict[str, float]:
    values: dict[str, float] = {}
    for slot in root.iter("TIME_SLOT"):
        text = slot.get("TIME_VALUE")
        if text is None:
            continue
        value = _number(text)
        if value is None:
            odd.append((f"its time {text!r} is no number", f"time slot {slot.get('TIME_SLOT_ID')}"))
        else:
            values[slot.get("TIME_SLOT_ID", "")] = value * unit_ms
    return values


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < _LATEST_MS else None


def _media(header: Element, odd: list[tuple[str, str]]) -> Iterable[Medium]:
    for medium in header.iter("MEDIA_DESCRIPTOR"):
        name = _path_of(medium.get("MEDIA_URL") or medium.get("RELATIVE_MEDIA_URL") or "")
        origin = _number(medium.get("TIME_ORIGIN") or "0")
        if origin is None:
            odd.append(
                (f"its TIME_ORIGIN {medium.get('TIME_ORIGIN')!r} is no number, taken as 0", f"media file {name}")
            )
        if name:
            video = medium.get("MIME_TYPE", "").startswith("video") or is_video(Path(name))
            yield Medium(name, origin or 0.0, video)
    if not header.findall("MEDIA_DESCRIPTOR") and (name := _path_of(header.get("MEDIA_FILE", ""))):
        yield Medium(name, 0.0, True)


def _path_of(url: str) -> str:
    """Return the file's path in a URL such as `file:///C:/My%20Videos/a.mp4`; other addresses as they are."""
    plain = url.strip()
    if plain.lower().startswith("file:"):
        plain = plain[5:]
        if plain.startswith("///"):
            plain = plain[2:]
        if len(plain) > 2 and plain[0] == "/" and plain[2] == ":":  # a drive of Windows
            plain = plain[1:]
    elif "://" in plain:
        return plain
    return unquote(plain).removeprefix("./")


def _properties(header: Element) -> dict[str, str]:
    return {entry.get("NAME", ""): (entry.text or "").strip() for entry in header.iter("PROPERTY")}


def _vocabularies(root: Element) -> dict[str, tuple[str, ...]]:
    """Return the words that the annotations of a linguistic type are chosen from, by type."""
    words = {
        entry.get("CV_ID", ""): tuple(
            (value.text or "").strip() for value in entry.iter() if value.tag in ("CV_ENTRY", "CVE_VALUE")
        )
        for entry in root.iter("CONTROLLED_VOCABULARY")
    }
    types = root.iter("LINGUISTIC_TYPE")
    return {
        kind.get("LINGUISTIC_TYPE_ID", ""): words.get(kind.get("CONTROLLED_VOCABULARY_REF", ""), ()) for kind in types
    }


def _annotations(tier: Element, slots: _Slots, odd: list[tuple[str, str]]) -> Iterable[Annotation]:
    """Yield a tier's annotations, those with time slots noted in `slots`, their times not yet known."""
    name = tier.get("TIER_ID", "")
    for element in tier.iter():
        if element.tag not in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
            continue
        value = element.findtext("ANNOTATION_VALUE", "") or ""
        own = Annotation(element.get("ANNOTATION_ID", "(without id)"), name, " ".join(value.split()))
        if element.tag == "REF_ANNOTATION":
            own.parent = element.get("ANNOTATION_REF", "")
        else:
            own.slots = first, last = element.get("TIME_SLOT_REF1", ""), element.get("TIME_SLOT_REF2", "")
            if first and last:
                slots.after[first].add(last)
                slots.before[last].add(first)
        yield own


def _time(root: Element, slots: _Slots, tiers: Iterable[Tier]) -> None:
    """Fill in the annotations' times."""
    known = {slot.get("TIME_SLOT_ID", "") for slot in root.iter("TIME_SLOT")}
    own = [annotation for tier in tiers for annotation in tier.annotations]
    for annotation in (annotation for annotation in own if annotation.parent is None):
        (start, latest_start), (earliest_end, end) = (slots.bounds(slot) for slot in annotation.slots)
        annotation.start_ms, annotation.end_ms = start, end
        if missing := [slot for slot in annotation.slots if slot not in known]:
            annotation.trouble = f"its time slot {missing[0] or '(none)'} is not in the file"
        elif start != latest_start or earliest_end != end:
            annotation.trouble = "it was never aligned: a time slot of it has no time"
    by_name = {annotation.name: annotation for annotation in own}
    parts: defaultdict[tuple[str, str], int] = defaultdict(int)
    for annotation in own:
        if annotation.parent is not None:
            parts[annotation.tier, annotation.parent] += 1
    for annotation in (annotation for annotation in own if annotation.parent is not None):
        _time_of_parent(annotation, by_name, parts)


def _time_of_parent(
    annotation: Annotation, by_name: Mapping[str, Annotation], parts: Mapping[tuple[str, str], int]
) -> None:
    """Give an annotation the time of the one it refers to, through any number of others."""
    place, seen = annotation, {annotation.name}
    while place.parent is not None:
        if parts[place.tier, place.parent] > 1:
            annotation.trouble = "it is one of several parts of an annotation, whose limits have no times"
        above = by_name.get(place.parent)
        if above is None or above.name in seen:
            annotation.trouble = f"the annotation {place.parent or '(none)'} it refers to " + (
                "is not in the file" if above is None else "refers back to it"
            )
            return
        seen.add(above.name)
        place = above
    annotation.start_ms, annotation.end_ms = place.start_ms, place.end_ms
    annotation.trouble = annotation.trouble or place.trouble
