"""Any folder of photos and videos, without labels.

    SOURCE/<subject>/<clip>.mp4          subject and clip by name
    SOURCE/<subject>/<clip>/<photo>.jpg  the same; the photos are the clip's frames
    SOURCE/<subject>/<photo>.jpg         a subject's photos: one clip, named as the subject
    SOURCE/<file>                        every file a subject and clip of its own, named by its stem

Deeper folders join the clip's name with `/`. Two files of one folder with one stem keep their suffix.
"""

from array import array
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from ...facs import UNITS
from ...files import is_folder
from ..media import is_image, is_media, list_media, media_below
from ..store import Reject
from .collection import Names
from .plan import LazyItems, MediaItem, Plan, Request, photo_frames


@dataclass
class _Media:
    """Photos and videos by name below root; twin: another file of the folder has the same stem."""

    root: Path
    names: Names = field(default_factory=Names)
    frames: "array[int]" = field(default_factory=lambda: array("l"))
    twins: bytearray = field(default_factory=bytearray)

    def add(self, name: str, frame: int = 0, *, twin: bool = False) -> None:
        self.names.append(name)
        self.frames.append(frame)
        self.twins.append(twin)

    def item(self, place: int) -> MediaItem:
        name = self.names[place]
        path = self.root / name
        return MediaItem(path, name, *_subject_and_clip(name, twin=bool(self.twins[place])), self.frames[place])


def plan_folder(request: Request) -> Plan:
    """Plan every photo and video under SOURCE (or SOURCE itself, a file); labels are not taken."""
    source = request.source
    media, rejected = _Media(source if is_folder(source) else source.parent), list[Reject]()
    if is_folder(source):
        loose: list[str] = []
        for subject, names in groupby(media_below(source, rejected, is_media), key=_subject):
            if subject:
                _add_subject(media, list(names))
            else:
                loose = list(names)
        _add_loose(media, loose)
    if not media.names:
        _add_loose(media, [path.name for path in list_media(source)])  # one file; or raises: missing, or empty
    return Plan(request.aus or tuple(UNITS), LazyItems(len(media.names), media.item), tuple(rejected))


def _add_subject(media: _Media, names: list[str]) -> None:
    """Add the files of one subject's folder: clip by clip, a clip's photos in order of their frames, then videos."""
    clips: dict[str, list[str]] = {}
    videos = [name for name in names if not _is_photo(name)]
    for name in names:
        if _is_photo(name):
            clips.setdefault(_subject_and_clip(name, twin=False)[1], []).append(name)
    for photos in clips.values():
        frames = photo_frames([_stem(name).rpartition("/")[2] for name in photos])
        for frame, name in sorted(zip(frames, photos, strict=True)):
            media.add(name, frame)
    stems = Counter(map(_stem, names)) if videos else Counter[str]()
    for name in videos:
        media.add(name, twin=stems[_stem(name)] > 1)


def _add_loose(media: _Media, names: list[str]) -> None:
    """Add files that lie in no subject's folder."""
    stems = Counter(map(_stem, names))
    for name in names:
        stem = _stem(name)
        media.add(name, photo_frames([stem])[0] if _is_photo(name) else 0, twin=stems[stem] > 1)


def _subject(name: str) -> str:
    return name.partition("/")[0] if "/" in name else ""


def _stem(name: str) -> str:
    """Return `name` without its suffix; media have one."""
    return name.rpartition(".")[0]


def _is_photo(name: str) -> bool:
    return is_image(Path(name))


def _subject_and_clip(name: str, *, twin: bool) -> tuple[str, str]:
    *inside, file = name.split("/")
    own = file if twin else _stem(file)
    if not inside:
        return own, own
    if _is_photo(name):
        return inside[0], "/".join(inside[1:]) or inside[0]
    return inside[0], "/".join((*inside[1:], own))
