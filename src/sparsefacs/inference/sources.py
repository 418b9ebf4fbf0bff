"""Which photos and videos a call of `predict` means."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from ..errors import InputError
from ..faces.video import is_image, is_video


@dataclass(frozen=True)
class Source:
    """One photo or video to code; `name` is what the codes call it.

    person: the folder of photos of one person that a photo lies in, None where it is by itself. subject: the name of
    the folder below the one given that it lies in, None where it lies in none. place: where a file made of it stands in
    a folder of such files.
    """

    path: Path
    person: str | None = None
    subject: str | None = None
    place: PurePath | None = None

    @property
    def name(self) -> str:
        """Return the path as given, with forward slashes."""
        return self.path.as_posix()

    @property
    def is_photo(self) -> bool:
        """Say whether it is a photo (else a video)."""
        return is_image(self.path)


def list_sources(inputs: Sequence[Path]) -> list[Source]:
    """Return the photos and videos that `inputs` (files, folders) name, in the order given, folders by name.

    Folders are searched with all folders in them; hidden files and files of other kinds in them are passed over. The
    photos within a sub-folder of a folder are one person's, as `prepare` has it, and stand before its videos.
    A file named twice is coded once. Raises InputError for no input, a name that is not there, a file that is named
    neither like a photo nor like a video, or a folder without either.
    """
    if not inputs:
        raise InputError("no input was given", remedy="Name a photo, a video or a folder of them")
    found: dict[Path, Source] = {}
    for given in map(Path, inputs):
        for source in _in_folder(given) if given.is_dir() else [_file(given)]:
            found.setdefault(source.path.resolve(), source)
    base = _common([given if given.is_dir() else given.parent for given in map(Path, inputs)])
    return [replace(source, place=_below(source.path, base)) for source in found.values()]


def _common(folders: Sequence[Path]) -> Path | None:
    """Return the folder that all `folders` lie in, None where that is the whole disk, or none."""
    try:
        common = Path(os.path.commonpath([folder.resolve() for folder in folders]))
    except ValueError:  # on several drives
        return None
    return None if common == Path(common.anchor) and len(set(folders)) > 1 else common


def _below(path: Path, base: Path | None) -> PurePath:
    folder = path.parent.resolve()
    if base is None or not folder.is_relative_to(base):
        return PurePath(folder.name, path.name)
    return PurePath(folder.relative_to(base), path.name)


def _in_folder(given: Path) -> list[Source]:
    inside = [path for path in given.rglob("*") if path.is_file() and (is_image(path) or is_video(path))]
    visible = [path for path in inside if not any(part.startswith(".") for part in path.relative_to(given).parts)]
    if not visible:
        raise InputError("holds no photo or video", path=given, remedy="Name a folder with photos or videos")
    sources = []
    for path in visible:
        first, *below = path.relative_to(given).parts
        person = (given / first).as_posix() if below and is_image(path) else None
        sources.append(Source(path, person, first if below else None))
    return sorted(sources, key=lambda one: (one.path.relative_to(given).parts[0], one.person is None, one.path))


def _file(given: Path) -> Source:
    if not given.is_file():
        raise InputError("is not there", path=given, remedy="Check the name")
    if not (is_image(given) or is_video(given)):
        kind = f"a {given.suffix} file" if given.suffix else "a file without a suffix"
        raise InputError(f"{kind} is neither photo nor video", path=given, remedy="Give for instance a .jpg or .mp4")
    return Source(given)
