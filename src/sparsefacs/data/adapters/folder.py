"""Any folder of photos and videos, without labels.

    SOURCE/<subject>/<clip>.mp4          subject and clip by name
    SOURCE/<subject>/<clip>/<photo>.jpg  the same; the photos are the clip's frames
    SOURCE/<subject>/<photo>.jpg         a subject's photos: one clip, named as the subject
    SOURCE/<file>                        every file a subject and clip of its own, named by its stem

Deeper folders join the clip's name with `/`. Two files of one folder with one stem keep their suffix.
"""

from collections import Counter, defaultdict
from pathlib import Path

from ...facs import UNITS
from ..media import is_image, list_media
from .plan import MediaItem, Plan, Request, photo_frames


def plan_folder(request: Request) -> Plan:
    """Plan every photo and video under SOURCE (or SOURCE itself, a file); labels are not taken."""
    files = list_media(request.source)
    root = request.source if request.source.is_dir() else request.source.parent
    return Plan(request.aus or tuple(UNITS), tuple(media_items(files, root)))


def media_items(files: list[Path], root: Path) -> list[MediaItem]:
    """Return the items of `files`, all under `root`, with subject and clip by the folders they lie in."""
    names = [path.relative_to(root) for path in files]
    twins = Counter(name.with_suffix("") for name in names)
    clips: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    keys = []
    for number, name in enumerate(names):
        key = _subject_and_clip(name, alone=twins[name.with_suffix("")] == 1)
        keys.append(key)
        clips[key].append(number)
    frames: dict[int, int] = {}
    for members in clips.values():
        photos = [number for number in members if is_image(files[number])]
        frames.update(zip(photos, photo_frames([files[number].stem for number in photos]), strict=True))
    return [
        MediaItem(path, name.as_posix(), subject, clip, frames.get(number, 0))
        for number, (path, name, (subject, clip)) in enumerate(zip(files, names, keys, strict=True))
    ]


def _subject_and_clip(name: Path, *, alone: bool) -> tuple[str, str]:
    folders, own = name.parts[:-1], name.stem if alone else name.name
    if not folders:
        return own, own
    if is_image(name):
        return folders[0], "/".join(folders[1:]) or folders[0]
    return folders[0], "/".join((*folders[1:], own))
