"""EmotioNet: a list of URLs with AU labels, and the pictures that were fetched from them.

    SOURCE/<list>.tsv (.txt, .csv; or --labels)   URL, original URL or id, AU1 … AU60: 1, 0, 999 or −1 not known
    SOURCE/…/<picture>                            named as its URL ends, in any folder

Every picture is a subject of its own, since its people are not told apart.
"""

import re
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...facs import UNITS, parse_aus
from ..media import is_text, media_below
from ..store import UNLABELLED, Reject
from .collection import Names, broken, encoded, find_names
from .layout import mistaken
from .plan import FaceLabel, LazyItems, MediaItem, Plan, Request

_AU = re.compile(r"\s*AU[\s_]*0*(\d+)\s*", re.IGNORECASE)
_KNOWN = {b"1": 1, b"0": 0, b"999": UNLABELLED, b"-1": UNLABELLED, b"": UNLABELLED}
_SUFFIXES = {".tsv", ".txt", ".csv"}
_COLUMNS = 62  # URL, original URL or id, AU1 to AU60: where no names stand above the columns


@dataclass
class _Lists:
    """What the lists say: base names of the URLs (N), occurrence (N × A, flat), AUs outside FACS UNITS."""

    names: Names = field(default_factory=Names)
    occurrence: "array[int]" = field(default_factory=lambda: array("b"))
    others: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Photos:
    root: Path
    names: Names  # path below root
    occurrence: NDArray[np.int8]

    def item(self, place: int) -> MediaItem:
        name, occurrence = self.names[place], self.occurrence[place]
        own = name.rpartition("/")[2]
        label = FaceLabel(occurrence, np.full(len(occurrence), np.nan, np.float32))
        labels = {0: (label,)} if (occurrence != UNLABELLED).any() else {}
        return MediaItem(self.root / name, name, own, own, by_frame=labels, alone=True)


def plan_emotionet(request: Request) -> Plan:
    """Plan the pictures that the lists name; URLs without a picture are counted in one reject.

    Raises InputError when there is no list, no picture of it, or a list is not what it should be.
    """
    source = request.source
    if not source.is_dir():
        problem = "is a file, not a folder" if source.exists() else "is not there"
        raise InputError(problem, path=source, remedy="Point SOURCE at the folder of EmotioNet's pictures")
    paths = _list_files(request)
    heads = [_au_columns(path) for path in paths]
    known = sorted({au for head in heads for au in head if au in UNITS})
    aus = parse_aus(request.aus) if request.aus else tuple(known)
    absent = [au for au in aus if au not in known]
    if absent:
        raise InputError(
            f"has no labels of AU{absent[0]}", path=paths[0], remedy=f"It has AUs {','.join(map(str, known))}"
        )
    lists = _Lists()
    for path, head in zip(paths, heads, strict=True):
        _read(path, head, aus, lists)
    return _joined(source, paths[0], aus, lists)


def _joined(source: Path, path: Path, aus: tuple[int, ...], lists: _Lists) -> Plan:
    """Return the plan of the pictures under `source` that are in the lists, in the pictures' order."""
    rejected: list[Reject] = []
    names = Names(media_below(source, rejected))
    own = encoded([unquote(name.rpartition("/")[2]) for name in names])
    urls = encoded(lists.names)
    _, which, count = np.unique(urls, return_inverse=True, return_counts=True)
    shared = count[which] > 1
    row, first = find_names(own, urls), find_names(own, own) == np.arange(len(own))
    missing = int((find_names(urls, own) < 0).sum())
    kept, places = Names(), array("q")
    strangers = 0
    for place, name in enumerate(names):
        if row[place] < 0:
            strangers += 1
        elif shared[row[place]]:
            rejected.append(Reject(name, None, "several URLs of the list end in this name"))
        elif not first[place]:
            rejected.append(Reject(name, None, "another picture of this name comes before it"))
        else:
            kept.append(name)
            places.append(int(row[place]))
    if not kept:
        raise InputError("names no picture that is there", path=path, remedy=f"They are looked for under {source}")
    if missing:
        rejected.append(Reject(path.name, None, f"{missing} URLs have no picture under SOURCE"))
    occurrence = np.array(lists.occurrence, np.int8).reshape(-1, len(aus))[np.array(places)]
    notes = [f"{strangers} pictures are not in the list and were left out"] if strangers else []
    if lists.others:
        others = ", ".join(f"AU{au}" for au in sorted(lists.others))
        notes.append(f"{others}: no action units that this program knows, left out")
    facts = {"urls": len(lists.names), "urls_without_picture": missing}
    return Plan(aus, LazyItems(len(kept), _Photos(source, kept, occurrence).item), tuple(rejected), tuple(notes), facts)


def _list_files(request: Request) -> list[Path]:
    """Return the lists: --labels, or the files directly in SOURCE whose first line reads like one."""
    if request.labels is not None and not request.labels.is_dir():
        if not request.labels.is_file():
            raise InputError("the list of URLs is not there", path=request.labels, remedy="Check the name")
        return [request.labels]
    folder = request.labels or request.source
    found = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in _SUFFIXES and path.is_file()]
    lists = [path for path in found if _reads_like_one(path)]
    if not lists:
        problem = "holds no list of URLs and AUs (.tsv, .txt or .csv)"
        raise mistaken(folder, "EmotioNet", problem) or InputError(
            problem, path=folder, remedy="Give EmotioNet's list with --labels FILE"
        )
    return lists


def _first_words(path: Path) -> list[str]:
    with path.open("rb") as handle:
        return handle.readline().decode("utf-8-sig", errors="replace").rstrip("\r\n").split("\t")


def _reads_like_one(path: Path) -> bool:
    words = _first_words(path)
    return any(_AU.fullmatch(word) for word in words) or (len(words) == _COLUMNS and "://" in words[0])


def _au_columns(path: Path) -> dict[int, int]:
    """Return AU → column of a list; without names above, the columns are AU1 to AU60 in order."""
    words = _first_words(path)
    columns = {int(found[1]): place for place, word in enumerate(words) if (found := _AU.fullmatch(word))}
    if not columns and len(words) == _COLUMNS and "://" in words[0]:
        columns = {place - 1: place for place in range(2, _COLUMNS)}
    if not columns:
        raise InputError(
            "is not EmotioNet's list: no AU column is separated by tabs",
            path=path,
            remedy="Give the list as delivered: URL, original URL, AU1 to AU60",
        )
    return columns


def _read(path: Path, columns: dict[int, int], aus: tuple[int, ...], lists: _Lists) -> None:
    """Add the rows of the list `path` to `lists`."""
    lists.others |= {au for au in columns if au not in UNITS}
    wanted = [columns.get(au) for au in aus]
    width = max(columns.values()) + 1
    with path.open("rb") as handle:
        for row, line in enumerate(handle, start=1):
            words = line.rstrip(b"\r\n").split(b"\t")
            if not line.strip() or (row == 1 and b"://" not in words[0]):
                continue
            if len(words) < width:
                raise broken(path, row, f"has {len(words)} columns, not {width}")
            try:
                labels = [UNLABELLED if at is None else _KNOWN[words[at].strip()] for at in wanted]
            except KeyError as error:
                raise broken(path, row, f"{error.args[0].decode(errors='replace')!r} is not 1, 0, 999 or -1") from None
            name = _base_name(words[0].decode(errors="surrogateescape"))
            lists.names.append(name if is_text(name, []) else "")
            lists.occurrence.extend(labels)


def _base_name(url: str) -> str:
    """Return the file name that a URL ends in; "" where it ends in none."""
    return unquote(urlsplit(url.strip().strip("'\"")).path).rpartition("/")[2]
