"""`sparsefacs events`: codes in, a file of events out, in the form that a coder's own program reads."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import refuse_existing
from .coded_tables import FaceCodes, read_codes
from .finding import Rules, coded_spans, find_events
from .formats import format_to_write
from .model import EventFile, Recording


@dataclass(frozen=True)
class Written:
    """What was written: the files, the events of each AU, how many are cut, and what could not be used."""

    files: tuple[Path, ...]
    videos: int
    events: dict[int, int]
    cut: int
    notes: tuple[str, ...]


def write_events(codes: Path, out: Path, *, rules: Rules | None = None, form: str | None = None) -> Written:
    """Write the events of the codes file (or folder of them) `codes` to `out`; form: a name of `formats.FORMATS`.

    Default: what the ending of `out` says. Raises InputError where there is no video in the codes, and for an `out`
    that exists.
    """
    rules = rules or Rules()
    kind = format_to_write(form, out)
    refuse_existing(out)
    problems: list[InputError] = []
    faces = list(_videos(codes, problems))
    if not faces:
        raise problems[0] if problems else InputError("holds no codes of a video", path=codes, remedy="Code one first")
    found = [(face, find_events(face, rules), coded_spans(face)) for face in faces]
    file = EventFile(
        path=out,
        what=kind.what,
        aus=tuple(sorted({au for face in faces for au in face.aus})),
        events=tuple(event for _, events, _ in found for event in events),
        coded=tuple(span for _, _, spans in found for span in spans),
        recordings=tuple(_recordings(faces)),
        clock="first-frame",
        notes=(rules.words,),
    )
    kind.module.write(out, file)
    counts = Counter(event.au for event in file.events)
    return Written(
        (out,),
        len(file.recordings),
        {au: counts[au] for au in file.aus},
        sum(bool(event.cut) for event in file.events),
        (rules.words, *(str(problem) for problem in problems)),
    )


def _videos(codes: Path, problems: list[InputError]) -> list[FaceCodes]:
    return [face for face in read_codes(codes, problems=problems) if not np.isnan(face.time_s).any()]


def _recordings(faces: list[FaceCodes]) -> list[Recording]:
    """Return the videos: their frames a second, as they usually follow each other, and their length."""
    told: dict[str, Recording] = {}
    for face in faces:
        step = float(np.median(face.shown_s))
        length = float(face.time_s[-1] + face.shown_s[-1])
        known = told.get(face.input)
        longest = max(length, known.length_s or 0.0) if known else length
        told[face.input] = Recording(face.input, 1 / step if step > 0 else None, longest)
    return list(told.values())
