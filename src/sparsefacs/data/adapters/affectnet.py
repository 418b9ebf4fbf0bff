"""AffectNet, both releases: faces without AU labels.

    full    Manual_Annot/Manually_Annotated_Images/<folder>/<file>, training.csv, validation.csv
    small   train_set|val_set/images/<number>.jpg, train_set|val_set/annotations/<number>_lnd.npy

Every picture is a subject of its own, since its people are not told apart; the clip is the split, train or val. The
full release marks pictures without a face by expression 10; they are rejected. AffectNet's own 68 landmarks can be
used: a column of the CSV files, `;` between the numbers, or an array a picture.
"""

import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...facs import UNITS
from ..delivered import DeliveredPoints
from ..media import is_text, media_below
from ..store import Reject
from .collection import Names, broken, encoded, find_names, list_file
from .layout import find_root, folders, listed, part
from .plan import LazyItems, MediaItem, Plan, Request

_FULL, _SMALL = ("Manually_Annotated_Images",), (("train_set",), ("val_set",))
_HOLDER = ("Manual_Annot",)
_SPLITS = {"training.csv": "train", "validation.csv": "val"}
_PATH, _POINTS, _EXPRESSION = "subDirectory_filePath", "facial_landmarks", "expression"
_NO_FACE = b"10"
_AGAIN = "Copy the file again, as it was delivered"


@dataclass(frozen=True, slots=True)
class _RowPoints:
    """Landmarks in a row of a CSV file: where it starts, its length in bytes and checksum, and in which column."""

    path: Path
    start: int
    length: int
    checksum: int
    column: int

    def at(self, frame: int) -> NDArray[np.float32] | None:
        """Return the points (68, 2), whatever the frame; raises InputError when they are not there."""
        del frame
        try:
            with self.path.open("rb") as handle:
                handle.seek(self.start)
                numbers = handle.read(self.length).split(b",")[self.column].split(b";")
            return np.array(numbers, np.float64).astype(np.float32).reshape(68, 2)
        except (OSError, ValueError, IndexError) as error:
            raise InputError("a row's landmarks are not 68 points", path=self.path, remedy=_AGAIN) from error

    def as_json(self) -> Any:
        """Return file, place and checksum of the row."""
        return [self.path.name, self.start, self.checksum]


@dataclass(frozen=True, slots=True)
class _ArrayPoints:
    """Landmarks in a .npy file."""

    path: Path

    def at(self, frame: int) -> NDArray[np.float32] | None:
        """Return the points (68, 2), whatever the frame; raises InputError when they are not there."""
        del frame
        try:
            return np.asarray(np.load(self.path, allow_pickle=False), np.float32).reshape(68, 2)
        except (OSError, ValueError, EOFError, TypeError) as error:
            raise InputError("its landmarks are not 68 points", path=self.path, remedy=_AGAIN) from error

    def as_json(self) -> Any:
        """Return the file's name and size."""
        return [self.path.name, self.path.stat().st_size]


@dataclass
class _Full:
    """The pictures of the full release by row of the CSV files; file: which of `lists` a picture is in."""

    root: Path
    folder: str
    lists: list[Path]
    delivered: bool
    names: Names = field(default_factory=Names)  # path below the folder of the images
    file: "array[int]" = field(default_factory=lambda: array("B"))
    column: list[int] = field(default_factory=list)
    start: "array[int]" = field(default_factory=lambda: array("Q"))
    length: "array[int]" = field(default_factory=lambda: array("Q"))
    checksum: "array[int]" = field(default_factory=lambda: array("L"))

    def item(self, place: int) -> MediaItem:
        name, which = self.names[place], self.file[place]
        points: DeliveredPoints | None = None
        if self.delivered:
            row = self.start[place], self.length[place], self.checksum[place]
            points = _RowPoints(self.lists[which], *row, self.column[which])
        source = f"{self.folder}/{name}"
        clip = _SPLITS[self.lists[which].name.lower()]
        return MediaItem(self.root / source, source, name.rpartition(".")[0], clip, alone=True, points=points)


@dataclass(frozen=True)
class _Small:
    root: Path
    names: Names  # split/images/photo
    delivered: bool

    def item(self, place: int) -> MediaItem:
        name = self.names[place]
        split, _, photo = name.split("/")
        stem = photo.rpartition(".")[0]
        points = _ArrayPoints(self.root / split / "annotations" / f"{stem}_lnd.npy") if self.delivered else None
        clip = split.lower().removesuffix("_set")
        return MediaItem(self.root / name, name, f"{clip}/{stem}", clip, alone=True, points=points)


def plan_affectnet(request: Request) -> Plan:
    """Plan every picture of either release; raises InputError when it is neither, or a list is missing or broken."""
    either = f"either {_HOLDER[0]} or {listed(_SMALL)}"
    root = find_root(request.source, (_FULL, _HOLDER, *_SMALL), "AffectNet", either)
    holder = part(root, _HOLDER)
    if holder is None and part(root, _FULL) is None:
        return _plan_small(root, request)
    return _plan_full(holder if holder is not None and part(root, _FULL) is None else root, request)


def _plan(request: Request, photos: _Full | _Small, rejected: list[Reject], *notes: str) -> Plan:
    return Plan(
        request.aus or tuple(UNITS),
        LazyItems(len(photos.names), photos.item),
        tuple(rejected),
        notes,
        {"release": "full" if isinstance(photos, _Full) else "small"},
        landmarks="68 points delivered with AffectNet" if request.delivered_landmarks else None,
    )


def _plan_full(root: Path, request: Request) -> Plan:
    images = part(root, _FULL)
    if images is None:
        raise InputError(f"holds no folder {_FULL[0]}", path=root, remedy="Unpack or copy AffectNet's images into it")
    lists = [list_file(name, request.source, root, data_set="AffectNet") for name in _SPLITS]
    rejected: list[Reject] = []
    present = encoded(list(media_below(images, rejected)))
    photos = _Full(root, images.name, lists, request.delivered_landmarks)
    listed = 0
    for path in lists:
        listed += _add_rows(photos, path, present, rejected)
    if not photos.names:
        raise InputError(
            "holds none of the pictures that training.csv and validation.csv name",
            path=images,
            remedy="Unpack or copy AffectNet's images into it",
        )
    strangers = len(present) - listed
    more = (f"{strangers} pictures are not named in the CSV files and were left out",) if strangers > 0 else ()
    return _plan(request, photos, rejected, *more)


def _add_rows(photos: _Full, path: Path, present: NDArray[np.bytes_], rejected: list[Reject]) -> int:
    """Add the pictures that the list `path` names to `photos` or `rejected`; return how many of them are there."""
    rows = _rows(path)
    names = Names()
    start, length, checksum, no_face = array("Q"), array("Q"), array("L"), array("B")
    header = _header(path)
    for place, words, line in rows:
        name = words[header[_PATH]].decode(errors="surrogateescape").strip().replace("\\", "/")
        if not name or name.startswith("/") or ".." in name.split("/") or not is_text(name, []):
            raise broken(path, len(names) + 2, f"{name!r} is no picture's name")
        names.append(name)
        start.append(place)
        length.append(len(line))
        checksum.append(zlib.crc32(line))
        no_face.append(words[header[_EXPRESSION]].strip() == _NO_FACE)
    found = find_names(encoded(names), present) >= 0
    for row, is_there in enumerate(found.tolist()):
        if no_face[row] or not is_there:
            reason = f"no face according to {path.name}" if no_face[row] else f"named in {path.name} but not found"
            rejected.append(Reject(f"{photos.folder}/{names[row]}", None, reason))
            continue
        photos.names.append(names[row])
        photos.file.append(photos.lists.index(path))
        photos.start.append(start[row])
        photos.length.append(length[row])
        photos.checksum.append(checksum[row])
    photos.column.append(header[_POINTS])
    return int(found.sum())


def _header(path: Path) -> dict[str, int]:
    """Return which column each name stands over; raises InputError when one that is needed is missing."""
    with path.open("rb") as handle:
        names = handle.readline().decode("utf-8-sig", errors="replace").strip().split(",")
    columns = {name.strip(): place for place, name in enumerate(names)}
    for name in (_PATH, _POINTS, _EXPRESSION):
        if name not in columns:
            raise InputError(f"is not AffectNet's list: it has no column {name}", path=path, remedy=_AGAIN)
    return columns


def _rows(path: Path) -> Iterator[tuple[int, list[bytes], bytes]]:
    """Yield where each row below the header starts, its columns, and its bytes."""
    with path.open("rb") as handle:
        columns = handle.readline().count(b",")
        place = handle.tell()
        for row, line in enumerate(handle, start=2):
            if line.strip():
                words = line.split(b",")
                if len(words) != columns + 1:
                    raise broken(path, row, f"has {len(words)} columns, not {columns + 1}")
                yield place, words, line.rstrip(b"\r\n")
            place += len(line)


def _plan_small(root: Path, request: Request) -> Plan:
    rejected: list[Reject] = []
    photos = _Small(root, Names(), request.delivered_landmarks)
    missing = [names[0] for names in _SMALL if part(root, names) is None]
    for split in (path for path in folders(root) if path.name.lower() in ("train_set", "val_set")):
        images, annotations = part(split, ("images",)), part(split, ("annotations",))
        if images is None:
            raise InputError("holds no folder images", path=split, remedy="Unpack or copy AffectNet again")
        if request.delivered_landmarks and annotations is None:
            raise InputError(
                "holds no folder annotations, where the landmarks are",
                path=split,
                remedy="Unpack or copy AffectNet again, or leave out --landmarks delivered",
            )
        prefix = f"{split.name}/{images.name}/"
        names = [prefix + name for name in media_below(images, rejected) if "/" not in name]
        if request.delivered_landmarks and annotations is not None:
            arrays = set(media_below(annotations, [], lambda path: path.name.endswith("_lnd.npy")))
            lacking = [name for name in names if f"{Path(name).stem}_lnd.npy" not in arrays]
            rejected.extend(Reject(name, None, "its landmarks (_lnd.npy) are missing") for name in lacking)
            without = set(lacking)
            names = [name for name in names if name not in without]
        photos.names.extend(sorted(names, key=lambda name: (len(name), name)))
    if not photos.names:
        raise InputError(
            "holds no pictures in train_set/images and val_set/images",
            path=root,
            remedy="Unpack or copy AffectNet again",
        )
    return _plan(request, photos, rejected, *(f"{name} is not there; the other half is used" for name in missing))
