"""Events as a file that ELAN opens (EAF 3.0): a tier for each AU and person, and one of the coded stretches."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from ...errors import InputError
from ...files import from_folder, write_bytes
from ..model import Event, EventFile, Span
from ..names import letter_of

MARK, CLOCK = "sparsefacs", "sparsefacs:clock"
CODED, UNKNOWN = "coded", "unknown"
UNTIL_END = "until the video's end"
POINT_MS = 1
"""An annotation of this length in a file of ours is a point in time; every other is longer."""

_TYPE = "events"
_MIME = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".mpg": "video/mpeg", ".mpeg": "video/mpeg",
}  # fmt: skip
_CONSTRAINTS = {
    "Time_Subdivision": "Time subdivision of parent annotation's time interval, no time gaps allowed within this "
    "interval",
    "Symbolic_Subdivision": "Symbolic subdivision of a parent annotation. Annotations refering to the same parent are "
    "ordered",
    "Symbolic_Association": "1-1 association with a parent annotation",
    "Included_In": "Time alignable annotations within the parent annotation's time interval, gaps are allowed",
}
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, order=True)
class _Stretch:
    """A row of a tier: times in whole ms."""

    start: int
    end: int
    value: str


@dataclass(frozen=True, order=True)
class _Kind:
    """Which tier a stretch belongs to: those that are no AU's first."""

    order: int
    name: str
    subject: str
    face: int


def write(path: Path, file: EventFile) -> None:
    """Write the events of one video to `path`, whole or not at all.

    Raises InputError for events of several videos, since ELAN has one time line a file.
    """
    spans = (*file.coded, *(fault.span for fault in file.faults if fault.span is not None))
    named = {event.media for event in file.events} | {span.media for span in spans}
    named |= {row.name for row in file.recordings}
    media = sorted(named - {""})
    if len(media) > 1:
        raise InputError(
            f"is to hold the events of {len(media)} videos, and an ELAN file has room for one",
            path=path,
            remedy="Write a file for each video",
        )
    tiers = _tiers(file)
    root = _root(media[0] if media else "", file, path)
    times = SubElement(root, "TIME_ORDER")
    # Slots of its own for each annotation: one that is moved in ELAN takes no other with it.
    ends = [ms for _, rows in tiers for row in rows for ms in (row.start, row.end)]
    slots = {place: f"ts{number}" for number, place in enumerate(sorted(range(len(ends)), key=ends.__getitem__), 1)}
    for place, name in slots.items():
        SubElement(times, "TIME_SLOT", TIME_SLOT_ID=name, TIME_VALUE=str(ends[place]))
    number = 0
    for attributes, rows in tiers:
        tier = SubElement(root, "TIER", attributes)
        for row in rows:
            number += 1
            annotation = SubElement(
                SubElement(tier, "ANNOTATION"),
                "ALIGNABLE_ANNOTATION",
                ANNOTATION_ID=f"a{number}",
                TIME_SLOT_REF1=slots[2 * number - 2],
                TIME_SLOT_REF2=slots[2 * number - 1],
            )
            SubElement(annotation, "ANNOTATION_VALUE").text = row.value
    SubElement(root, "LINGUISTIC_TYPE", GRAPHIC_REFERENCES="false", LINGUISTIC_TYPE_ID=_TYPE, TIME_ALIGNABLE="true")
    for name, description in _CONSTRAINTS.items():
        SubElement(root, "CONSTRAINT", DESCRIPTION=description, STEREOTYPE=name)
    ElementTree.indent(root, "    ")
    write_bytes(path, ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True) + b"\n")


def _root(media: str, file: EventFile, path: Path) -> Element:
    root = Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": MARK,
            "DATE": "1970-01-01T00:00:00+00:00",  # the same events make the same file; ELAN writes its own when saving
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
        },
    )
    header = SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    if media:
        here = from_folder(media, path)
        name = here or Path(media.replace("\\", "/")).name
        media = Path(media).resolve().as_posix() if here else media
        SubElement(
            header,
            "MEDIA_DESCRIPTOR",
            MEDIA_URL=_clean(_url(media)),
            MIME_TYPE=_MIME.get(Path(name).suffix.lower(), "video/*"),
            RELATIVE_MEDIA_URL=_clean(f"./{_url(name)}"),
        )
    properties = {MARK: "events", CLOCK: file.clock}
    properties |= {f"{MARK}:note {number}": note for number, note in enumerate(file.notes, 1)}
    properties["lastUsedAnnotationId"] = str(len(file.events) + len(file.coded) + len(file.faults))
    for key, value in properties.items():
        SubElement(header, "PROPERTY", NAME=key).text = _clean(value)
    return root


def _url(media: str) -> str:
    """Return a path as ELAN writes it: not escaped, but for what looks like an escape."""
    plain = re.sub(r"%(?=[0-9a-fA-F]{2})", "%25", media.replace("\\", "/"))
    if "://" in plain:
        return media
    if plain.startswith("/"):
        return f"file://{plain}"
    return f"file:///{plain}" if re.match(r"[A-Za-z]:/", plain) else plain


def _tiers(file: EventFile) -> list[tuple[dict[str, str], Sequence[_Stretch]]]:
    """Return each tier's attributes and rows; what overlaps is in tiers of its own, since ELAN allows none in one."""
    rows: defaultdict[_Kind, list[_Stretch]] = defaultdict(list)
    seen = {event.au for event in file.events}
    for au in file.aus:
        people = {_kind(span, au, f"AU{au}") for span in file.coded if span.face is not None}
        if len(people) > 1:  # whose an AU is that a coder adds, only its tier can tell
            rows |= {kind: [] for kind in people}
        elif au not in seen:
            rows[_Kind(au, f"AU{au}", "", -1)] = []
    for event in file.events:
        rows[_kind(event, event.au, f"AU{event.au}")].append(_event_row(event))
    last = _last_ms(file)
    for span in file.coded:
        rows[_kind(span, -2, CODED)].append(_span_row(span, span.remark, last))
    for fault in file.faults:
        if fault.span is not None:
            rows[_kind(fault.span, -1, UNKNOWN)].append(_span_row(fault.span, fault.problem, last))
    found: list[tuple[dict[str, str], Sequence[_Stretch]]] = []
    for kind in sorted(rows):
        lanes = _lanes(rows[kind])
        found.extend((_attributes(kind, lane), own) for lane, own in enumerate(lanes or [[]]))
    return found


def _attributes(kind: _Kind, lane: int) -> dict[str, str]:
    name = kind.name + (f" face {kind.face}" if kind.face >= 0 else "") + (f" ({lane + 1})" if lane else "")
    own = {"LINGUISTIC_TYPE_REF": _TYPE, "TIER_ID": f"{name}@{kind.subject}" if kind.subject else name}
    return own | ({"PARTICIPANT": kind.subject} if kind.subject else {})


def _kind(of: Event | Span, order: int, name: str) -> _Kind:
    return _Kind(order, name, _clean(of.subject), -1 if of.face is None else of.face)


def _lanes(rows: Iterable[_Stretch]) -> list[list[_Stretch]]:
    lanes: list[list[_Stretch]] = []
    for row in sorted(rows):
        lane = next((lane for lane in lanes if lane[-1].end <= row.start), None)
        if lane is None:
            lanes.append(lane := [])
        lane.append(row)
    return lanes


def _event_row(event: Event) -> _Stretch:
    start = max(round(event.onset_s * 1000), 0)
    if event.offset_s is None:
        return _Stretch(start, start + POINT_MS, ", ".join(_value(event)))
    return _Stretch(start, max(round(event.offset_s * 1000), start + POINT_MS + 1), ", ".join(_value(event)))


def _value(event: Event) -> Iterator[str]:
    """Yield what an annotation says of its event, for coders to read and change."""
    if event.intensity is not None and event.intensity > 0:
        level = min(float(event.intensity), 5.0)
        yield letter_of(level) if level.is_integer() else format(Decimal(repr(level)), "f")
    if event.side is not None:
        yield event.side
    if event.cut:
        yield f"cut at {'both ends' if event.cut == 'both' else event.cut}"
    if event.apex_s is not None:
        yield f"apex {event.apex_s:.3f} s"


def _span_row(span: Span, words: str, last: int) -> _Stretch:
    aus = "+".join(f"AU{au}" for au in sorted(span.aus)) if span.aus else ""
    value = f"{aus}: {words}" if aus and words else aus or words
    start = max(round(span.onset_s * 1000), 0)
    if math.isinf(span.offset_s):
        return _Stretch(start, max(last, start + 1), _clean(f"{value} {UNTIL_END}".strip()))
    return _Stretch(start, max(round(span.offset_s * 1000), start + 1), _clean(value))


def _last_ms(file: EventFile) -> int:
    """Return where the video ends, as far as the file knows."""
    lengths = [row.length_s for row in file.recordings if row.length_s is not None]
    ends = [event.onset_s if event.offset_s is None else event.offset_s for event in file.events]
    ends += [span.offset_s for span in file.coded if math.isfinite(span.offset_s)]
    return round(1000 * max((*lengths, *ends), default=1.0))


def _clean(text: str) -> str:
    """Return `text` without what XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
