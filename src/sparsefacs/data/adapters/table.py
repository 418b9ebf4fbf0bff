"""A user's own photos and videos with a table of AU labels (text, Excel or Parquet; also other programs' tables).

A row is a face in a frame: a path (under SOURCE, or absolute) and, for a video, a frame number or a time in
seconds; a subject; AU columns. An empty entry is not labelled, never 0. A path that names folders is found only in
these, so that no label goes to a file of the same name elsewhere; a bare name is found where one file has it. Where a
frame shows several faces, the labels go to the face that stands where the row's box or landmarks are; without these to
the face whose number the `face` column names (in a photo from left to right, from 0; in a video in order of
appearance, and of those who appear together from left to right); else to the largest. OpenFace and Fex tables need no
subject (each file is then its own), and without a path column belong to SOURCE, if that is one video, or to the video
with the table's stem. With a folder of tables as labels, every table in it is read.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...events.formats import find_format
from ...events.model import Clock
from ...facs import parse_aus
from ...files import is_folder
from ..media import is_video, why_unread
from ..store import UNLABELLED, Reject
from .columns import LabelTable, unused_notes
from .event_files import plan_events
from .label_tables import read_label_table, tables_in
from .named_media import NamedMedia
from .plan import FaceLabel, MediaItem, Plan, Request, TimedLabels, photo_frames
from .timed_labels import LabelsAtTimes

_FROM_ONE = "frame numbers are read as counting from 0 and none is 0: if yours count from 1, give --first-frame 1"
_SHOWN = "Columns needed: path, subject, frame or time (for videos), and AU columns"


@dataclass
class _File:
    """What the tables say of one photo or video."""

    path: Path
    subject: str
    clip: str | None
    by_frame: defaultdict[int, list[FaceLabel]] = field(default_factory=lambda: defaultdict(list))
    by_time: list[tuple[float, FaceLabel]] = field(default_factory=list)


def plan_table(request: Request) -> Plan:
    """Plan the files that the label tables name; a file not found is rejected, none found is an InputError."""
    if request.labels is None:
        raise InputError("labels are missing", path=request.source, remedy="Give the table with --labels FILE")
    media = NamedMedia(request.source, by_name=request.by_name)
    given = _label_files(request.labels)
    events = [(path, kind) for path in given if (kind := find_format(path)) is not None]
    if events and len(events) == len(given):
        return plan_events(request, events, media)
    if events:
        tables_too = next(path for path in given if path not in dict(events))
        raise InputError(
            f"holds files of events ({events[0][0].name}) and tables of frames ({tables_too.name})",
            path=request.labels,
            remedy="Give one kind at a time",
        )
    _refuse_event_options(request)
    tables = [read_label_table(path, first_frame=request.first_frame) for path in given]
    available = sorted({au for table in tables for au in table.aus})
    aus = parse_aus(request.aus) if request.aus else tuple(available)
    absent = [au for au in aus if au not in available]
    if absent:
        raise InputError(
            f"has no labels of AU{absent[0]}",
            path=request.labels,
            remedy=f"It has AUs {','.join(map(str, available))}",
        )
    files: dict[Path, _File] = {}
    missing: dict[str, Reject] = {}
    for table in tables:
        _add(table, aus, media, files, missing)
    if not files:
        first = next(iter(missing), "")
        raise InputError(
            f"none of the files it names is found, for instance {first!r}{media.elsewhere(first)}",
            path=request.labels,
            remedy=f"Paths are looked for under {request.source}",
        )
    counted = request.first_frame is None and not _has_first(tables)
    told = dict.fromkeys(note for table in tables for note in table.notes)
    notes = [*told, *media.notes, *([_FROM_ONE] if counted else []), *unused_notes(tables), *_left_out(media, files)]
    items = _items(files, media.root, request.clock or "first-frame")
    return Plan(aus, tuple(items), (*missing.values(), *media.rejected), tuple(notes))


def _label_files(labels: Path) -> list[Path]:
    if not is_folder(labels):
        return [labels]
    tables = set(tables_in(labels))
    found = sorted(
        path
        for path in labels.rglob("*")
        if path in tables or (not path.name.startswith((".", "~$")) and path.is_file() and find_format(path))
    )
    if not found:
        raise InputError(
            "holds no label table (.csv, .tsv, .xlsx, .parquet) and no file of events",
            path=labels,
            remedy="Give the file of labels, or a folder of them",
        )
    return found


def _refuse_event_options(request: Request) -> None:
    """Raise InputError for an option that a table of frames has no use for."""
    for option, given in (("--coded", request.coded), ("--person", request.person), ("--map", request.names)):
        if given is not None:
            raise InputError(
                f"is a table of frames, to which {option} says nothing",
                path=request.labels,
                remedy=f"Leave out {option}; it is for files of events (BORIS, ELAN …)",
            )


def _has_first(tables: list[LabelTable]) -> bool:
    """Say whether a row of the plain tables is a video's frame 0, or none of their rows is a video's frame."""
    numbers = [
        int(table.frame[row])
        for table in tables
        if table.kind == "plain" and table.frame is not None
        for row, name in enumerate(table.media or ())
        if table.frame[row] >= 0 and is_video(Path(name))
    ]
    return not numbers or min(numbers) == 0


def _left_out(media: NamedMedia, files: dict[Path, _File]) -> list[str]:
    """Return the note that files under SOURCE are in no table, if some are."""
    named = {path.resolve() for path in files}
    count = sum(path.resolve() not in named for path in media.files)
    what = "1 file in SOURCE is" if count == 1 else f"{count} files in SOURCE are"
    return [f"{what} not named in the table and left out"] if count else []


def _add(
    table: LabelTable, aus: tuple[int, ...], media: NamedMedia, files: dict[Path, _File], missing: dict[str, Reject]
) -> None:
    """Add the rows of `table` to `files`, and the files that are not found to `missing`."""
    names = _media_names(table, media, missing)
    if table.subject is None and table.kind == "plain":
        raise InputError("has no column subject", path=table.path, remedy=_SHOWN)
    found = media.find(dict.fromkeys(names))
    for name in (name for name, path in found.items() if path is None):
        reason = why_unread(Path(name)) or f"named in the table but not found{media.elsewhere(name)}"
        missing.setdefault(name, Reject(name, None, reason))
    labels = _labels(table, aus)
    seen: dict[tuple[object, ...], int] = {}
    for row, name in enumerate(names):
        place, label = _place(table, row, name), labels[row]
        first = seen.setdefault((name, place, label.face, label.box), row)
        if first != row:
            raise InputError(
                f"rows {first + 1} and {row + 1} label the same frame of {name}",
                path=table.path,
                remedy="Keep one of them, or tell faces apart in a column `face`",
            )
        path = found[name]
        if path is None:
            continue
        entry = files.setdefault(path, _new_file(table, row, path, media.root))
        subject = (table.subject[row] if table.subject else "") or entry.subject
        if subject != entry.subject:
            raise InputError(
                f"row {row + 1}: {name} belongs to subject {subject} here and to {entry.subject} above",
                path=table.path,
                remedy="Give every file one subject",
            )
        if place is None:
            entry.by_frame[0].append(label)
        elif _has_frame(table, row):
            entry.by_frame[int(place)].append(label)
        else:
            entry.by_time.append((place, label))


def _media_names(table: LabelTable, media: NamedMedia, missing: dict[str, Reject]) -> list[str]:
    """Return the file that each row of `table` names; none, and a reject, when the table's own video is not there."""
    named = set(table.media or ())
    alone = table.kind != "plain" and len(named) == 1 and media.named(*named) is None
    if table.media is not None and not (alone and media.of_table(table.path)):  # the one video may have been renamed
        return table.media
    if table.kind == "plain":
        raise InputError("has no column path", path=table.path, remedy=_SHOWN)
    own = media.of_table(table.path)
    if own is None:
        missing[str(table.path)] = Reject(table.path.name, None, f"no video named {table.path.stem} under SOURCE")
        return []
    return [str(own.resolve())] * len(table.occurrence)


def _labels(table: LabelTable, aus: tuple[int, ...]) -> list[FaceLabel]:
    """Return each row's label, for `aus` in their order; a face's number only where the table has several faces."""
    order = np.array([table.aus.index(au) if au in table.aus else -1 for au in aus])
    occurrence = np.where(order < 0, UNLABELLED, table.occurrence[:, order]).astype(np.int8)
    intensity = np.where(order < 0, np.nan, table.intensity[:, order]).astype(np.float32)
    faces: list[int | None] = [None] * len(occurrence)
    if table.face is not None and (table.kind == "answers" or len(set(table.face[table.face >= 0])) > 1):
        faces = [int(face) if face >= 0 else None for face in table.face]
    boxes: list[tuple[float, float, float, float] | None] = [None] * len(occurrence)
    if table.box is not None:
        boxes = [None if np.isnan(box[0]) else (box[0], box[1], box[2], box[3]) for box in table.box.tolist()]
    return [FaceLabel(*row) for row in zip(occurrence, intensity, faces, boxes, strict=True)]


def _has_frame(table: LabelTable, row: int) -> bool:
    return table.frame is not None and bool(table.frame[row] >= 0)


def _place(table: LabelTable, row: int, name: str) -> float | None:
    """Return where in its video a row belongs (frame number, else time), None for a photo; refuse a missing one."""
    if not is_video(Path(name)):
        return None
    if table.frame is not None and _has_frame(table, row):
        return float(table.frame[row])
    if table.time is not None and not np.isnan(table.time[row]):
        return float(table.time[row])
    raise InputError(
        f"row {row + 1}: neither frame nor time is given for the video {name}", path=table.path, remedy=_SHOWN
    )


def _new_file(table: LabelTable, row: int, path: Path, root: Path) -> _File:
    stem = _relative(path, root).with_suffix("").as_posix()
    return _File(path, (table.subject[row] if table.subject else "") or stem, table.clip[row] if table.clip else None)


def _relative(path: Path, root: Path) -> Path:
    absolute, base = path.resolve(), root.resolve()
    return absolute.relative_to(base) if absolute.is_relative_to(base) else path


def _items(files: dict[Path, _File], root: Path, clock: Clock) -> list[MediaItem]:
    """Return the items by name, a clip's photos side by side in order of their frames.

    A clip without a name is called after its video, or its photos' folder.
    """
    named = sorted(
        ((_relative(path, root), file) for path, file in files.items()), key=lambda one: (one[0], one[1].path)
    )
    clips: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    keys = []
    for number, (name, file) in enumerate(named):
        folder = name.parent.as_posix()
        own = name.with_suffix("").as_posix() if is_video(name) or folder == "." else folder
        keys.append((file.subject, file.clip or own))
        if not is_video(name):
            clips[keys[-1]].append(number)
    frames: dict[int, int] = {}
    for members in clips.values():
        frames.update(zip(members, photo_frames([named[number][0].stem for number in members]), strict=True))
    items = []
    for number in _clip_by_clip(keys, frames):
        name, file = named[number]
        frame = frames.get(number, 0)
        labels = {at if is_video(name) else frame: tuple(given) for at, given in sorted(file.by_frame.items())}
        items.append(MediaItem(file.path, name.as_posix(), *keys[number], frame, labels, _timed(file, clock)))
    return items


def _timed(file: _File, clock: Clock) -> tuple[TimedLabels, ...]:
    if not file.by_time:
        return ()
    times, labels = zip(*sorted(file.by_time, key=lambda timed: timed[0]), strict=True)
    return (LabelsAtTimes(times, labels, clock),)


def _clip_by_clip(keys: list[tuple[str, str]], frames: dict[int, int]) -> list[int]:
    """Return the order of the files, given their clips and the frames of photos: clips as their first file comes."""
    first: dict[tuple[str, str], int] = {}
    for number, key in enumerate(keys):
        first.setdefault(key, number)
    return sorted(range(len(keys)), key=lambda number: (first[keys[number]], frames.get(number, 0), number))
