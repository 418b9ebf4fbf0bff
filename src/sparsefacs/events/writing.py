"""`sparsefacs events`: codes in, a file of events out, in the form that a coder's own program reads."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import InputError
from ..files import refuse_existing
from .coded_tables import FaceCodes, read_codes
from .finding import Rules, coded_spans, find_events
from .formats import Format, format_to_write
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
        remedy = "Code one first; photos, and a video whose frames all have the same time, have no events"
        raise problems[0] if problems else InputError("holds no codes of a video with times", path=codes, remedy=remedy)
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
    files = _files(file, kind)
    for each in files:
        kind.module.write(each.path, each)
    counts = Counter(event.au for event in file.events)
    return Written(
        tuple(each.path for each in files),
        len(file.recordings),
        {au: counts[au] for au in file.aus},
        sum(bool(event.cut) for event in file.events),
        (rules.words, *(str(problem) for problem in problems)),
    )


def _files(file: EventFile, kind: Format) -> list[EventFile]:
    """Return what is written to which file: one, or, where a file is of one video and there are several, one each."""
    videos = [row.name for row in file.recordings]
    if not kind.one_video or len(videos) == 1:
        return [file]
    if file.path.name.lower().endswith(kind.suffixes):
        raise InputError(
            f"is to hold {len(videos)} videos, and a file of {kind.what} is of one",
            path=file.path,
            remedy=f"Name a folder, with --format {kind.name}",
        )
    split = []
    for video, name in zip(videos, _names(videos), strict=True):
        split.append(
            replace(
                file,
                path=file.path / f"{name}{kind.suffixes[0]}",
                events=tuple(event for event in file.events if event.media == video),
                coded=tuple(span for span in file.coded if span.media == video),
                recordings=tuple(row for row in file.recordings if row.name == video),
            )
        )
    return split


def _names(videos: list[str]) -> list[str]:
    """Return a file's name for each video, with its folders where it has some, no two alike."""
    names: list[str] = []
    for video in videos:
        parts = [part for part in PurePosixPath(video.replace("\\", "/")).parts if part not in ("/", "..", ".")]
        name = PurePosixPath(*parts).with_suffix("").as_posix().replace(":", "") or "video"
        taken = sum(name == other or other.startswith(f"{name} (") for other in names)
        names.append(f"{name} ({taken + 1})" if taken else name)
    return names


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
