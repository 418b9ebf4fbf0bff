"""A user's own photos and videos with a table of AU labels (CSV or Parquet; also OpenFace CSV and py-feat Fex).

A row is a face in a frame: a path (under SOURCE, or absolute) and, for a video, a frame number or a time in
seconds; a subject; AU columns. An empty entry is not labelled, never 0. Where a frame shows several faces, the labels
go to the face whose id the `face` column names, else to the largest. OpenFace and Fex tables need no subject (each
file is then its own), and without a path column belong to SOURCE, if that is one video, or to the video with the
table's stem. With a folder of tables as labels, every table in it is read.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...facs import parse_aus
from ..media import is_video, list_media
from ..store import UNLABELLED, Reject
from .columns import LabelTable, read_labels
from .plan import FaceLabel, MediaItem, Plan, Request, photo_frames

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
    media = _Media(request.source)
    tables = [read_labels(path, first_frame=request.first_frame) for path in _table_files(request.labels)]
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
            f"none of the files it names is found, for instance {first!r}",
            path=request.labels,
            remedy=f"Paths are looked for under {request.source}",
        )
    counted = request.first_frame is None and not _has_first(tables)
    notes = [*([_FROM_ONE] if counted else []), *_left_out(media, files)]
    return Plan(aus, tuple(_items(files, media.root)), tuple(missing.values()), tuple(notes))


class _Media:
    """Finds the media files that a table names."""

    def __init__(self, source: Path) -> None:
        self.files = files = list_media(source)
        self.root = source if source.is_dir() else source.parent
        self.only = source if source.is_file() else None
        self._names: defaultdict[str, list[Path]] = defaultdict(list)
        self._stems: defaultdict[str, list[Path]] = defaultdict(list)
        for path in files:
            self._names[path.name].append(path)
            if is_video(path) or self.only:
                self._stems[path.stem].append(path)

    def named(self, name: str) -> Path | None:
        """Return the file `name`: as it stands, under SOURCE, or by its last part if only one file has that."""
        given = Path(name.replace("\\", "/"))
        for candidate in (self.root / given, given):
            if candidate.is_file() and (given.is_absolute() or self._holds(candidate)):
                return candidate
        alike = self._names.get(given.name, [])
        return alike[0] if len(alike) == 1 else None

    def _holds(self, path: Path) -> bool:
        """Say whether a file lies under SOURCE: codes name files as they were given to `predict`."""
        return path.resolve().is_relative_to(self.root.resolve())

    def of_table(self, path: Path) -> Path | None:
        """Return the one video that a table without a path column belongs to."""
        alike = self._stems.get(path.stem, [])
        return self.only or (alike[0] if len(alike) == 1 else None)


def _table_files(labels: Path) -> list[Path]:
    if not labels.is_dir():
        return [labels]
    found = sorted(path for path in labels.iterdir() if path.suffix.lower() in {".csv", ".parquet"})
    if not found:
        raise InputError(
            "holds no CSV or Parquet table", path=labels, remedy="Give the label table, or a folder of them"
        )
    return found


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


def _left_out(media: _Media, files: dict[Path, _File]) -> list[str]:
    """Return the note that files under SOURCE are in no table, if some are."""
    named = {path.resolve() for path in files}
    count = sum(path.resolve() not in named for path in media.files)
    what = "1 file in SOURCE is" if count == 1 else f"{count} files in SOURCE are"
    return [f"{what} not named in the table and left out"] if count else []


def _add(
    table: LabelTable, aus: tuple[int, ...], media: _Media, files: dict[Path, _File], missing: dict[str, Reject]
) -> None:
    """Add the rows of `table` to `files`, and the files that are not found to `missing`."""
    names = _media_names(table, media, missing)
    if table.subject is None and table.kind == "plain":
        raise InputError("has no column subject", path=table.path, remedy=_SHOWN)
    found = {name: media.named(name) for name in dict.fromkeys(names)}
    for name in (name for name, path in found.items() if path is None):
        missing.setdefault(name, Reject(name, None, "named in the table but not found"))
    labels = _labels(table, aus)
    seen: dict[tuple[str, float | None, int | None], int] = {}
    for row, name in enumerate(names):
        place, label = _place(table, row, name), labels[row]
        first = seen.setdefault((name, place, label.face), row)
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


def _media_names(table: LabelTable, media: _Media, missing: dict[str, Reject]) -> list[str]:
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
    """Return each row's label, for `aus` in their order; a face id only where the table has several faces."""
    order = np.array([table.aus.index(au) if au in table.aus else -1 for au in aus])
    occurrence = np.where(order < 0, UNLABELLED, table.occurrence[:, order]).astype(np.int8)
    intensity = np.where(order < 0, np.nan, table.intensity[:, order]).astype(np.float32)
    faces: list[int | None] = [None] * len(occurrence)
    if table.face is not None and len(set(table.face[table.face >= 0])) > 1:
        faces = [int(face) if face >= 0 else None for face in table.face]
    return [FaceLabel(*row) for row in zip(occurrence, intensity, faces, strict=True)]


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


def _items(files: dict[Path, _File], root: Path) -> list[MediaItem]:
    """Return the items by name, a clip's photos side by side in order of their frames.

    A clip without a name is called after its video, or its photos' folder.
    """
    named = sorted((_relative(path, root), file) for path, file in files.items())
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
        times = tuple(sorted(file.by_time, key=lambda timed: timed[0]))
        items.append(MediaItem(file.path, name.as_posix(), *keys[number], frame, labels, times))
    return items


def _clip_by_clip(keys: list[tuple[str, str]], frames: dict[int, int]) -> list[int]:
    """Return the order of the files, given their clips and the frames of photos: clips as their first file comes."""
    first: dict[tuple[str, str], int] = {}
    for number, key in enumerate(keys):
        first.setdefault(key, number)
    return sorted(range(len(keys)), key=lambda number: (first[keys[number]], frames.get(number, 0), number))
