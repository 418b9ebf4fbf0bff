"""CASIA-WebFace: faces without AU labels, a folder an identity.

    SOURCE/0000045/001.jpg …     (or SOURCE/CASIA-WebFace/0000045/…)

An identity is a subject; every photo is a clip of its own, since its photos have nothing but the person in common.
"""

from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ...facs import UNITS
from ..media import media_below
from ..store import Reject
from .collection import Names
from .layout import folders, wrong_folder
from .plan import LazyItems, MediaItem, Plan, Request

_IDENTITIES = (("0000045",),)


@dataclass(frozen=True)
class _Photos:
    root: Path
    names: Names  # identity/photo

    def item(self, place: int) -> MediaItem:
        name = self.names[place]
        identity, _, photo = name.partition("/")
        return MediaItem(self.root / name, name, identity, photo.rpartition(".")[0], alone=True)


def plan_casia_webface(request: Request) -> Plan:
    """Plan every photo in a folder whose name is a number; raises InputError when there is none."""
    root = _root(request.source)
    rejected: list[Reject] = []
    names, empty = Names(), 0
    for folder in folders(root):
        if folder.name.isdecimal():
            before = len(names)
            names.extend(media_below(folder, rejected, prefix=f"{folder.name}/"))
            empty += len(names) == before
    if not names:
        raise InputError("the identity folders hold no images", path=root, remedy="Unpack or copy CASIA-WebFace again")
    notes = (f"{empty} identity folders hold no images",) if empty else ()
    return Plan(request.aus or tuple(UNITS), LazyItems(len(names), _Photos(root, names).item), tuple(rejected), notes)


def _root(source: Path) -> Path:
    """Return the folder of the identities: SOURCE, or the one folder in it that holds some."""
    if not source.is_dir():
        raise InputError(
            "is a file, not a folder" if source.exists() else "is not there",
            path=source,
            remedy="Point SOURCE at the folder of identities, CASIA-WebFace",
        )
    for folder in (source, *folders(source)):
        if any(inside.name.isdecimal() for inside in folders(folder)):
            return folder
    raise wrong_folder(source, "CASIA-WebFace", _IDENTITIES)
