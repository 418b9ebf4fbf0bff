"""What one coder, or program, says of videos and photos, read from any kind of file, a person of a video at a time."""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.adapters import answers
from ..data.adapters.columns import LabelTable, read_labels
from ..data.adapters.timed_labels import LabelsInStretches, spans_by_au, stretches_by_au
from ..errors import InputError
from ..row_files import TABLE_SUFFIXES, is_manifest
from .coded_tables import FaceCodes, is_codes, read_codes
from .formats import FORMATS, find_format
from .model import EVERYTHING, Asked, Event, EventFile, Recording, Span

_LABEL_SUFFIXES = (*TABLE_SUFFIXES, ".tsv", ".txt")
Person = tuple[str, int | None]
"""Subject, "" where unknown, and face id, None where unknown."""


@dataclass(frozen=True, eq=False)
class Coding:
    """What one side says of one person in one video or photo: frame by frame, or in stretches of time.

    video: as its file names it; named: whether the file names it, and is not just called after it. numbered: whether
    the numbers of its frames are the video's. predicted: whether a program coded. end_s, fps: of stretches, where the
    coded time or the video ends, infinity where untold; frames a second, None where untold.
    """

    video: str
    person: Person
    file: Path
    aus: tuple[int, ...]
    frames: FaceCodes | None = None
    stretches: LabelsInStretches | None = None
    named: bool = True
    numbered: bool = True
    predicted: bool = False
    end_s: float = math.inf
    fps: float | None = None


@dataclass(frozen=True)
class Side:
    """All that one side says: what kind of files, the codings, and what the user should know of how they were read."""

    path: Path
    what: str
    codings: tuple[Coding, ...]
    notes: tuple[str, ...]

    @property
    def aus(self) -> tuple[int, ...]:
        """The AUs it says anything of."""
        return tuple(sorted({au for coding in self.codings for au in coding.aus}))


def read_side(path: Path, asked: Asked, *, first_frame: int | None = None) -> Side:
    """Read codes, a file of events or a table of labels, or a folder of such files.

    first_frame: as of `read_labels`. In a folder a file that cannot be used is left out and noted. Raises InputError
    where nothing is left, and where a file of events does not say what was looked at.
    """
    files = _files(path)
    kinds: list[str] = []
    notes: list[str] = []
    codings: dict[tuple[str, Person], Coding] = {}
    problems: list[InputError] = []
    for file, name in files:
        try:
            kind, read = _read(file, name, asked, first_frame, notes)
            for coding in read:
                twice = codings.setdefault((coding.video, coding.person), coding)
                if twice is not coding:
                    raise InputError(
                        f"codes {coding.video}, which {twice.file.name} codes too",
                        path=file,
                        remedy="Give one of them a side",
                    )
        except _NotSaidError:
            raise
        except InputError as error:
            problems.append(error)
            continue
        kinds.append(kind)
    if not codings:
        raise problems[0] if problems else InputError("codes nothing", path=path, remedy="Give another file")
    what = ", ".join(dict.fromkeys(kinds))
    return Side(path, what, tuple(codings.values()), (*notes, *(f"left out: {problem}" for problem in problems)))


class _NotSaidError(InputError):
    """A file of events that does not say what was looked at: no file of the folder is worth anything without."""


def _files(path: Path) -> list[tuple[Path, str]]:
    """Return the files of a side, and what a video is called that they do not name."""
    if not path.exists():
        raise InputError("is not there", path=path, remedy="Check the name")
    if not path.is_dir():
        return [(path, path.stem)]
    endings = tuple({suffix for row in FORMATS.values() for suffix in row.suffixes} | set(_LABEL_SUFFIXES))
    found = sorted(
        file
        for file in path.rglob("*")
        if file.name.lower().endswith(endings) and not file.name.startswith(".") and not is_manifest(file)
    )
    if not found:
        raise InputError(
            "holds no codes, no table and no file of events", path=path, remedy="Give a file, or a folder of them"
        )
    return [(file, file.relative_to(path).with_suffix("").as_posix()) for file in found]


def _read(file: Path, name: str, asked: Asked, first_frame: int | None, notes: list[str]) -> tuple[str, list[Coding]]:
    if is_codes(file):
        return "codes", [_of_codes(face, file, name) for face in read_codes(file)]
    kind = find_format(file) if file.is_file() else None
    if kind is not None:
        told = kind.module.read(file, asked)
        notes.extend(told.told)
        return told.what, list(_of_events(told, asked, name))
    if answers.recognises(file):
        table = answers.read(file, asked.coder)
        notes.extend(table.notes)
        return f"answers of {asked.coder}" if asked.coder else "answers of all coders", list(_of_table(table, name))
    table = read_labels(file, first_frame=first_frame)
    return "table of labels", list(_of_table(table, name))


def _of_codes(face: FaceCodes, file: Path, name: str) -> Coding:
    slim = replace(face, intensity=face.intensity.astype(np.float32), probability=face.probability[:0])
    named = face.input != file.stem
    return Coding(
        face.input if named else name, (face.subject, face.face), file, face.aus, slim, named=named, predicted=True
    )


def _of_table(table: LabelTable, name: str) -> Iterator[Coding]:
    rows: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for row in range(len(table.occurrence)):
        face = -1 if table.face is None else int(table.face[row])
        rows[name if table.media is None else table.media[row], face].append(row)
    for (video, face), own in rows.items():
        yield _of_rows(table, video, None if face < 0 else face, np.array(own), named=table.media is not None)


def _of_rows(table: LabelTable, video: str, face: int | None, rows: NDArray[np.intp], *, named: bool) -> Coding:
    """Return what the rows of one face of one video or photo say."""
    subjects = {table.subject[row] for row in rows} if table.subject else {""}
    if len(subjects) > 1:
        raise InputError(
            f"{video} shows {len(subjects)} subjects", path=table.path, remedy="Tell them apart in a column face"
        )
    frame = np.full(len(rows), -1) if table.frame is None else table.frame[rows]
    time_s = np.full(len(rows), np.nan) if table.time is None else table.time[rows]
    numbered = bool((frame >= 0).all()) or len(rows) == 1
    if not numbered and np.isnan(time_s).any():
        at = rows[np.flatnonzero((frame < 0) & np.isnan(time_s))[0]] + 1 if (frame < 0).any() else rows[0] + 1
        raise InputError(
            f"row {at}: neither frame nor time is given for {video}", path=table.path, remedy="Fill one in"
        )
    order = np.argsort(frame if numbered else time_s, kind="stable")
    frame = np.maximum(frame[order], 0) + 1 if numbered else np.arange(1, len(rows) + 1)
    time_s = time_s[order]
    if (np.diff(frame if numbered else time_s) == 0).any():
        raise InputError(f"{video} has two rows for one frame", path=table.path, remedy="Keep one of them")
    if np.isnan(time_s).any() or (np.diff(time_s) < 0).any():
        time_s = np.full(len(rows), np.nan)
    subject = subjects.pop()
    frames = FaceCodes(
        video,
        subject,
        face or 0,
        frame,
        time_s,
        np.ones(len(rows), bool),
        table.aus,
        table.occurrence[rows[order]],
        table.intensity[rows[order]].astype(np.float64),
        np.zeros((0, len(table.aus))),
    )
    return Coding(video, (subject, face), table.path, table.aus, frames, named=named, numbered=numbered)


def _of_events(file: EventFile, asked: Asked, name: str) -> Iterator[Coding]:
    mentioned = [span.media for span in file.coded] + [event.media for event in file.events]
    for media in dict.fromkeys([*mentioned, *(row.name for row in file.recordings)]):
        told = next((row for row in file.recordings if row.name == media), Recording(media))
        for person in _people(file, media):
            coding = _of_person(file, media, person, asked)
            yield replace(
                coding,
                video=media or name,
                named=bool(media),
                fps=told.fps,
                end_s=min(coding.end_s, told.length_s or math.inf),
            )


def _people(file: EventFile, media: str) -> list[Person]:
    """Return the people of a video; what is said of nobody in particular holds for all of them."""
    people: set[Person] = {(event.subject, event.face) for event in file.events if event.media == media}
    people |= {(span.subject, span.face) for span in file.coded if span.media == media}
    named = {person for person in people if person != ("", None)}
    faced = {subject for subject, face in named if face is not None}
    return sorted(
        (person for person in named if person[1] is not None or person[0] not in faced), key=lambda p: (p[0], p[1] or 0)
    ) or [("", None)]


def _is_of(row: Event | Span, media: str, person: Person) -> bool:
    subject, face = person
    return row.media == media and row.subject in ("", subject) and row.face in (None, face)


def _of_person(file: EventFile, media: str, person: Person, asked: Asked) -> Coding:
    events = [event for event in file.events if _is_of(event, media, person)]
    coded = [span for span in file.coded if _is_of(span, media, person)]
    unknown = [fault.span for fault in file.faults if fault.span is not None and _is_of(fault.span, media, person)]
    if asked.coded == EVERYTHING:
        coded = [Span(media, "", 0.0, math.inf)]
    if not coded and (events or not file.coded):
        raise _NotSaidError(
            f"does not say which stretches of {media or 'the video'} were looked at, so that silence could mean absent "
            "or not coded",
            path=file.path,
            remedy="Name the behaviour, tier or code that marks them, --coded NAME; or say --coded all if the whole of "
            "each video was coded",
        )
    labels = LabelsInStretches(
        file.aus,
        stretches_by_au(events),
        spans_by_au(coded, file.aus),
        spans_by_au(unknown, file.aus),
        file.clock,
        person[1],
    )
    end_s = max((span.offset_s for span in coded), default=math.inf)
    return Coding(media, person, file.path, file.aus, stretches=labels, end_s=end_s)
