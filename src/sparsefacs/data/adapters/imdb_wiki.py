"""IMDB-WIKI, the cropped faces: no AU labels.

    SOURCE/imdb_crop/imdb.mat, SOURCE/imdb_crop/01/nm0000001_….jpg …
    SOURCE/wiki_crop/wiki.mat, SOURCE/wiki_crop/00/….jpg …       (one of the two is enough)

A subject is the celebrity in imdb and the picture in wiki, whose people are not told apart; every picture is a clip.
`face_score` −∞ says that no face was found, a number as `second_face_score` that a second one was.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...facs import UNITS
from ..media import is_text, media_below
from ..store import Reject
from .collection import Names, encoded, find_names
from .layout import find_root, folders
from .plan import LazyItems, MediaItem, Plan, Request

_FOLDERS = ("imdb_crop", "wiki_crop")
_AGAIN = "Copy the file again, as it was delivered"


@dataclass(frozen=True)
class _Photos:
    root: Path
    names: Names  # path below root
    subjects: Names

    def item(self, place: int) -> MediaItem:
        name = self.names[place]
        picture = name.rpartition(".")[0]
        return MediaItem(self.root / name, name, self.subjects[place] or picture, picture, alone=True)


@dataclass
class _Listed:
    """What a .mat file says: paths (N), face scores (N), second face scores (N), celebrities (N, or none)."""

    paths: list[str]
    score: NDArray[np.float64]
    second: NDArray[np.float64]
    people: list[str] | None


def plan_imdb_wiki(request: Request) -> Plan:
    """Plan the pictures that the .mat files name; without a face by their lists, or not found, they are rejected.

    Raises InputError when neither folder is there, a .mat file is missing or broken, or no picture is found.
    """
    root = find_root(request.source, [(name,) for name in _FOLDERS], "IMDB-WIKI", " or ".join(_FOLDERS))
    rejected: list[Reject] = []
    photos = _Photos(root, Names(), Names())
    two_faces = strangers = 0
    for folder in (path for path in folders(root) if path.name.lower() in _FOLDERS):
        kind = folder.name.lower().removesuffix("_crop")
        table = folder / f"{kind}.mat"
        listed = _read(table, kind)
        present = encoded(list(media_below(folder, rejected)))
        wanted = encoded(listed.paths)
        found = find_names(wanted, present) >= 0
        faceless = listed.score == -np.inf
        for path, is_there, no_face in zip(listed.paths, found.tolist(), faceless.tolist(), strict=True):
            if no_face or not is_there:
                reason = f"no face according to {table.name}" if no_face else f"named in {table.name} but not found"
                rejected.append(Reject(f"{folder.name}/{path}", None, reason))
        kept = found & ~faceless
        two_faces += int((kept & ~np.isnan(listed.second)).sum())
        strangers += int((find_names(present, wanted) < 0).sum())
        for row in np.flatnonzero(kept).tolist():
            photos.names.append(f"{folder.name}/{listed.paths[row]}")
            photos.subjects.append(listed.people[row] if listed.people is not None else "")
    if not photos.names:
        raise InputError(
            "holds none of the pictures that its .mat files name",
            path=root,
            remedy="Unpack or copy imdb_crop and wiki_crop again",
        )
    return Plan(
        request.aus or tuple(UNITS),
        LazyItems(len(photos.names), photos.item),
        tuple(rejected),
        (f"{strangers} pictures are not named in the .mat files and were left out",) if strangers else (),
        {"two_faces": two_faces},
    )


def _read(path: Path, kind: str) -> _Listed:
    """Return what the .mat file says; raises InputError when it is missing or not what it should be."""
    if not path.is_file():
        raise InputError(
            f"IMDB-WIKI's list {path.name} is missing", path=path, remedy=f"Copy it into {path.parent.name}"
        )
    table = _load(path, kind)
    try:
        paths = [str(name).replace("\\", "/") for name in np.atleast_1d(table["full_path"])]
        score, second = (np.atleast_1d(table[name]).astype(np.float64) for name in ("face_score", "second_face_score"))
        people = _people(table) if kind == "imdb" else None
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise InputError(f"is not IMDB-WIKI's list ({error})", path=path, remedy=_AGAIN) from error
    if not len(paths) == len(score) == len(second) or (people is not None and len(people) != len(paths)):
        raise InputError("its columns have different lengths", path=path, remedy=_AGAIN)
    unsafe = next(
        (name for name in paths if name.startswith("/") or ".." in name.split("/") or not is_text(name, [])), ""
    )
    if unsafe:
        raise InputError(f"names a picture outside its folder, {unsafe!r}", path=path, remedy=_AGAIN)
    return _Listed(paths, score, second, people)


def _load(path: Path, kind: str) -> Any:
    """Return the structure `kind` of a MATLAB file, as a record that is indexed by its columns' names."""
    from scipy.io import loadmat

    try:
        content = loadmat(path, squeeze_me=True, variable_names=[kind])
    except Exception as error:  # whatever a broken file makes the reader stumble over
        raise InputError(f"cannot be read as a MATLAB file ({error})", path=path, remedy=_AGAIN) from error
    if kind not in content or content[kind].dtype.names is None:
        raise InputError(f"holds no table {kind}", path=path, remedy=_AGAIN)
    return content[kind][()]


def _people(table: Any) -> list[str]:
    """Return the celebrity of each picture: the name that its number stands for, numbers being from 1."""
    names = [str(name) for name in np.atleast_1d(table["celeb_names"])]
    numbers = np.atleast_1d(table["celeb_id"]).astype(np.int64)
    if len(numbers) and not (numbers.min() >= 1 and numbers.max() <= len(names)):
        raise ValueError("a celeb_id without a name")
    return [names[number - 1] for number in numbers.tolist()]
