"""The Observer XT's observational data (.odx): XML of the coding scheme and each observation's event log.

Its maker publishes no description; read is what programs that read such files agree on. An event has an absolute
TIMESTAMP, a STATE (1 starts, 2 stops, 3 is a point), a SUBJECT, a BEHAVIOR and its MODIFIERs.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element

from ...errors import InputError
from ..collecting import Collected
from ..model import Asked, EventFile, Fault, Span
from ..xml_files import begins_with, read_xml
from .observer_log import Kind, Row, add_rows

WHAT = "Observer XT data"
_STATES: dict[str, Kind] = {"1": "start", "2": "stop", "3": "point"}
_FIRST_RECORDING = 1980
_REMEDY = "Export its event data as text or Excel, with Time_Relative_sf, and give that"


def recognises(path: Path) -> bool:
    """Say whether the file at `path` looks like Observer's; orchestrations of BizTalk and cars' files end alike."""
    return begins_with(path, b"OBS_OBSERVATION", b"nxmlvos", b"CDS_BEHAVIOR", b"MET_METADATA")


def read(path: Path, asked: Asked) -> EventFile:
    """Read an .odx file; an observation stands for the video of its name.

    Looked at are the stretches of the behaviour that `asked` names. Raises InputError naming the file for what is none,
    and where no observation says when it began, from which its times count.
    """
    root = read_xml(path, what=WHAT)
    observations = list(root.iter("OBS_OBSERVATION"))
    if not observations:
        raise InputError("holds no observation of The Observer XT", path=path, remedy=_REMEDY)
    found = Collected(path, WHAT, asked)
    for name in _texts(root, "CDS_BEHAVIOR", "CDS_ELE_NAME"):
        found.aus.update(meaning.au for meaning in asked.names.of(name))
    placed = 0
    rows: list[Row] = []
    for observation in observations:
        media = observation.get("NAME", "").strip() or path.stem
        began = _began(observation)
        if began is None:
            problem = "it does not say when it began, so that its times cannot be placed in the video"
            span = Span(media, "", 0.0, float("inf"))
            found.faults.append(Fault(problem, f"observation {media}", span))
            found.media.append(media)
            continue
        placed += 1
        rows.extend(_rows(observation, media, began))
        if media not in found.media:
            found.media.append(media)
    if not placed:
        raise InputError("does not say when its observations began", path=path, remedy=_REMEDY)
    found.notes.append("its times count from the start of each observation, which is taken to be that of its video")
    add_rows(found, rows)
    return found.finish()


def _rows(observation: Element, media: str, began: datetime) -> Iterator[Row]:
    logs = list(observation.iter("OBS_EVENT_LOG")) or [observation]
    for number, log in enumerate(logs, 1):
        name = log.get("NAME") or (str(number) if len(logs) > 1 else "")
        for place, event in enumerate(log.iter("OBS_EVENT"), 1):
            behaviour = event.find(".//OBS_EVENT_BEHAVIOR")
            word = "" if behaviour is None else behaviour.get("NAME", "").strip()
            if not word:
                continue
            subject = event.find(".//OBS_EVENT_SUBJECT")
            time = _time(event.findtext(".//OBS_EVENT_TIMESTAMP", ""))
            yield Row(
                media=media,
                subject="" if subject is None else subject.get("NAME", "").strip(),
                behaviour=word,
                modifiers=tuple(_modifiers(event)),
                kind=_STATES.get(event.findtext(".//OBS_EVENT_STATE", "").strip(), ""),
                time_s=None if time is None else (time - began).total_seconds(),
                duration_s=None,
                where=f"observation {media}, event {place}" + (f" of log {name}" if name else ""),
                log=name,
            )


def _modifiers(event: Element) -> Iterator[tuple[str, str]]:
    for modifier in event.iter("OBS_EVENT_BEHAVIOR_MODIFIER"):
        value = (modifier.text or "").strip() or modifier.get("NAME", "").strip()
        if value:
            yield modifier.get("CLASS", "").strip() or "modifier", value


def _began(observation: Element) -> datetime | None:
    """Return when an observation began: told as a start beside its events, or by times without a real date."""
    events = [time for text in _texts(observation, "OBS_EVENT", "OBS_EVENT_TIMESTAMP") if (time := _time(text))]
    for element in _beside_events(observation):
        told = [*element.attrib.items(), (element.tag, element.text or "")]
        for name, text in told:
            if "START" in name.upper() and (time := _time(text)) is not None:
                return time
    if events and max(events).year < _FIRST_RECORDING:
        return min(events).replace(hour=0, minute=0, second=0, microsecond=0)
    return None


def _beside_events(observation: Element) -> Iterator[Element]:
    """Yield an observation and what is in it, but not its events."""
    waiting = [observation]
    while waiting:
        element = waiting.pop(0)
        yield element
        waiting.extend(child for child in element if child.tag != "OBS_EVENT")


def _texts(root: Element, tag: str, inner: str) -> Iterator[str]:
    for element in root.iter(tag):
        yield element.findtext(f".//{inner}", "").strip()


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=None)
    except ValueError:
        return None
