"""Writing BORIS projects of format 7.0, which BORIS 7 to 9 open, so that a coder can go on with them there."""

import gzip
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ...errors import InputError
from ...facs import UNITS
from ...files import from_folder, write_bytes
from ..model import Event, EventFile, Recording, Span
from ..names import LETTERS, letter_of
from .boris_words import CODED, FIRST_FRAME, OURS, TO_THE_END, UNKNOWN, Remarks, person_text, write_remarks

_VERSION = "7.0"
_DATE = "2000-01-01T00:00:00"  # BORIS wants one; the same events make the same file
_KEYS = "123456789abcdefghijklmnopqrstuvwxyz"
_PLAYERS = range(1, 9)
_Line = list[Any]


def write(path: Path, file: EventFile) -> None:
    """Write events, what was looked at and what is doubtful as a BORIS project, gzipped where `path` ends in `.gz`.

    A video is an observation, an AU a state behaviour with modifiers for side and intensity. Raises InputError where
    events overlap that BORIS could not tell apart.
    """
    content = json.dumps(_project(path, file), indent=1, allow_nan=False).encode("ascii") + b"\n"
    write_bytes(path, gzip.compress(content, mtime=0) if path.name.lower().endswith(".gz") else content)


def _project(path: Path, file: EventFile) -> dict[str, Any]:
    aus = sorted({*file.aus, *(event.au for event in file.events)})
    observations = _observations(path, file)
    names = {line[1] for seen in observations.values() for line in seen["events"]}
    notes = "".join(f" {note}." for note in file.notes)
    clock = f" In it {FIRST_FRAME} of a video." if file.clock == "first-frame" else ""
    return {
        "time_format": "hh:mm:ss",
        "project_date": _DATE,
        "project_name": path.name.split(".")[0],
        "project_description": f"{OURS}: the behaviour {CODED} marks what was looked at.{clock}{notes}",
        "project_format_version": _VERSION,
        "subjects_conf": {
            str(place): {"key": "", "name": name, "description": ""}
            for place, name in enumerate(sorted(name for name in names if name))
        },
        "behaviors_conf": {str(place): entry for place, entry in enumerate(_behaviours(aus))},
        "observations": observations,
        "behavioral_categories": [],
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }


def _key(place: int) -> str:
    return _KEYS[place] if place < len(_KEYS) else ""


def _behaviours(aus: Sequence[int]) -> list[dict[str, Any]]:
    """Return the list of behaviours: what was looked at, what is doubtful, and the AUs."""
    of_aus = {"0": _set("AUs", 1, [f"AU{au}" for au in aus])}
    told = {"0": _set("side", 0, ["left", "right", "both"]), "1": _set("intensity", 0, list(LETTERS))}
    rows = [
        (CODED, "Looked at, for the AUs among its modifiers or for all: without an event they are absent", of_aus),
        (UNKNOWN, "Not known, for the AUs among its modifiers or for all", of_aus),
        *((f"AU{au}", UNITS[au].name if au in UNITS else "", told) for au in aus),
    ]
    return [
        {
            "type": "State event",
            "key": _key(place),
            "code": code,
            "description": description,
            "color": "",
            "category": "",
            "modifiers": modifiers,
            "excluded": "",
            "coding map": "",
        }
        for place, (code, description, modifiers) in enumerate(rows)
    ]


def _set(name: str, kind: int, values: list[str]) -> dict[str, Any]:
    """Return a set of modifiers; kind: 0 for one of its values, 1 for several."""
    return {"name": name, "description": "", "type": kind, "ask at stop": False, "values": values}


def _observations(path: Path, file: EventFile) -> dict[str, Any]:
    events: dict[str, list[Event]] = defaultdict(list)
    for event in file.events:
        events[event.media].append(event)
    spans: dict[str, list[tuple[str, str, Span]]] = defaultdict(list)
    for span in file.coded:
        spans[span.media].append((CODED, span.remark, span))
    for fault in file.faults:
        if fault.span is not None:
            spans[fault.span.media].append((UNKNOWN, fault.problem, fault.span))
    told = {recording.name: recording for recording in file.recordings}
    found: dict[str, Any] = {}
    for media in dict.fromkeys((*told, *events, *spans)):
        faces = {event.face for event in events[media]} | {span.face for _, _, span in spans[media]}
        lines = _Lines(path, media, several=len(faces - {None}) > 1)
        for event in sorted(events[media], key=lambda event: (event.onset_s, event.offset_s or event.onset_s)):
            lines.event(event)
        last = max((line[0] for _, line in lines.done), default=0.0)
        recording = told.get(media, Recording(media))
        for code, comment, span in _merged(spans[media]):
            lines.span(code, comment, span, max(recording.length_s or 0.0, last))
        found[_name(media, found)] = _observation(recording, from_folder(media, path) or media, lines.sorted())
    return found


def _name(media: str, taken: Mapping[str, object]) -> str:
    """Return an observation's name: that of its video, without folders if that is enough."""
    plain = (PureWindowsPath(media) if "\\" in media else PurePosixPath(media)).name.strip() or "video"
    tries = (plain, media.strip(), *(f"{plain} ({number})" for number in range(2, len(taken) + 3)))
    return next(name for name in tries if name and name not in taken)


def _observation(recording: Recording, name: str, lines: list[_Line]) -> dict[str, Any]:
    """Return an observation of a video; name: as BORIS finds it, from the project's folder."""
    facts = {"length": recording.length_s, "fps": recording.fps and round(recording.fps, 6)}
    info: dict[str, Any] = {key: {name: value} if value is not None else {} for key, value in facts.items()}
    return {
        "file": {str(player): [name] if player == 1 else [] for player in _PLAYERS},
        "type": "MEDIA",
        "date": _DATE,
        "description": f"{OURS}: the behaviour {CODED} marks what was looked at.",
        "time offset": 0.0,
        "events": lines,
        "observation time interval": [0, 0],
        "independent_variables": {},
        "visualize_spectrogram": False,
        "visualize_waveform": False,
        "media_creation_date_as_offset": False,
        "media_scan_sampling_duration": 0,
        "image_display_duration": 1,
        "close_behaviors_between_videos": False,
        "media_info": {
            **info,
            "hasVideo": {name: True},
            "hasAudio": {name: False},
            "offset": {str(player): 0.0 for player in _PLAYERS},
        },
    }


class _Lines:
    """The lines of one observation: two for each stretch."""

    def __init__(self, path: Path, media: str, *, several: bool) -> None:
        self.path, self.media, self._several = path, media, several
        self.done: list[tuple[bool, _Line]] = []  # whether it is a START
        self._stretches: dict[tuple[str, str, str], list[tuple[float, float]]] = defaultdict(list)

    def event(self, event: Event) -> None:
        """Add an event."""
        exact = event.intensity is not None and event.intensity not in {1, 2, 3, 4, 5}
        remarks = Remarks(
            self._unsaid(event.subject, event.face),
            event.apex_s,
            event.intensity if exact else None,
            event.cut,
        )
        letter = letter_of(event.intensity) if event.intensity is not None else "None"
        modifiers = f"{event.side or 'None'}|{letter}"
        onset = round(event.onset_s, 3)
        offset = onset if event.offset_s is None else max(round(event.offset_s, 3), onset + 0.001)
        self._add(
            onset, offset, self._who(event.subject, event.face), f"AU{event.au}", modifiers, write_remarks(remarks)
        )

    def span(self, code: str, comment: str, span: Span, length_s: float) -> None:
        """Add a stretch that was looked at or is doubtful."""
        onset, offset = round(span.onset_s, 3), span.offset_s
        if math.isinf(offset):
            offset = max(length_s, onset + 0.001)
            comment = f"{comment}; {TO_THE_END}" if comment else TO_THE_END
        aus = ",".join(f"AU{au}" for au in sorted(span.aus)) if span.aus is not None else "None"
        face = self._unsaid(span.subject, span.face)
        comment = "; ".join(text for text in (f"face {face}" if face is not None else "", comment) if text)
        self._add(onset, max(round(offset, 3), onset + 0.001), self._who(span.subject, span.face), code, aus, comment)

    def _who(self, subject: str, face: int | None) -> str:
        return person_text(subject, face, several=self._several)

    def _unsaid(self, subject: str, face: int | None) -> int | None:
        """Return the face where the subject does not say it, so that the comment must."""
        return face if subject and not self._several else None

    def _add(self, onset_s: float, offset_s: float, subject: str, code: str, modifiers: str, comment: str) -> None:
        offset_s = round(offset_s, 3)
        self._stretches[subject, code, modifiers].append((onset_s, offset_s))
        self.done.append((True, [onset_s, subject, code, modifiers, comment, "NA"]))
        self.done.append((False, [offset_s, subject, code, modifiers, "", "NA"]))

    def sorted(self) -> list[_Line]:
        """Return all lines as BORIS orders them; raises InputError where START and STOP would not take turns."""
        for (subject, code, _), stretches in self._stretches.items():
            stretches.sort()
            for (_, end), (begin, _) in pairwise(stretches):
                if begin < end:
                    who = f" of {subject}" if subject else ""
                    raise InputError(
                        f"cannot hold two events of {code}{who} in {self.media} that overlap at {begin:g} s",
                        path=self.path,
                        remedy="Write a CSV table, or give the faces different subjects",
                    )
        return [line for _, line in sorted(self.done, key=lambda one: (*one[1][:3], one[0]))]


def _merged(spans: Iterable[tuple[str, str, Span]]) -> Iterable[tuple[str, str, Span]]:
    """Yield stretches with those joined that overlap and have the same behaviour, subject and AUs."""
    groups: dict[object, list[tuple[str, str, Span]]] = defaultdict(list)
    for code, comment, span in spans:
        groups[code, span.subject, span.face, span.aus].append((code, comment, span))
    for group in groups.values():
        group.sort(key=lambda one: (one[2].onset_s, one[2].offset_s))
        code, comment, last = group[0]
        for _, other, span in group[1:]:
            if round(span.onset_s, 3) < round(last.offset_s, 3):
                end = max(last.offset_s, span.offset_s)
                last = replace(last, offset_s=end)
                comment = comment if other in comment else f"{comment}; {other}"
            else:
                yield code, comment, last
                comment, last = other, span
        yield code, comment, last
