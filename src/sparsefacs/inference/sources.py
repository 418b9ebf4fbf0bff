"""Which photos and videos a call of `predict` means."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from ..data.media import check_media_file, first_of, is_image, is_media, media_below
from ..data.store import Reject
from ..errors import InputError
from ..files import as_named, is_folder, readable


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
        """Return the path as given, with forward slashes, as text that can be written."""
        return readable(self.path)

    @property
    def is_photo(self) -> bool:
        """Say whether it is a photo (else a video)."""
        return is_image(self.path)


def list_sources(inputs: Sequence[Path], rejected: list[Reject] | None = None) -> list[Source]:
    """Return the photos and videos that `inputs` (files, folders) name, in the order given, folders by name.

    Folders are searched with all folders in them; hidden files and files of other kinds in them are passed over. The
    photos within a sub-folder of a folder are one person's, as `prepare` has it, and stand before its videos.
    A file named twice is coded once. rejected: takes what in a folder cannot be read (see `media_below`), but for links
    to folders that are searched under another name. Raises InputError for no input, a name that is not there, a file
    that is named neither like a photo nor like a video, or a folder without either.
    """
    if not inputs:
        raise InputError("no input was given", remedy="Name a photo, a video or a folder of them")
    passed_over: list[Reject] = []
    found: dict[Path, Source] = {}
    for given in map(Path, inputs):
        for source in _in_folder(given, passed_over) if is_folder(given) else [_file(given)]:
            found.setdefault(source.path.resolve(), source)
    if rejected is not None:
        searched = [given.resolve() for given in map(Path, inputs) if is_folder(given)]
        rejected += [one for one in dict.fromkeys(passed_over) if not _is_link_into(Path(one.source), searched)]
    base = _common([given if is_folder(given) else given.parent for given in map(Path, inputs)])
    return [replace(source, place=_below(source.path, base)) for source in found.values()]


def _is_link_into(path: Path, searched: Sequence[Path]) -> bool:
    """Say whether `path` is a link to one of the folders `searched`, or to one in them that is not hidden."""
    if not (is_folder(path) and path.is_symlink()):
        return False
    below = [path.resolve().relative_to(one) for one in searched if path.resolve().is_relative_to(one)]
    return any(not any(part.startswith(".") for part in one.parts) for one in below)


def _common(folders: Sequence[Path]) -> Path | None:
    """Return the folder that all `folders` lie in, None where that is the whole disk, or none.

    A link lies where it was named: what it leads to may be on another disk.
    """
    try:
        common = Path(os.path.commonpath([as_named(folder) for folder in folders]))
    except ValueError:  # on several drives
        return None
    return None if common == Path(common.anchor) and len(set(folders)) > 1 else common


def _below(path: Path, base: Path | None) -> PurePath:
    """Return a file's place below the folder that all inputs lie in, as text that can be written."""
    folder = as_named(path.parent)
    if base is None or not folder.is_relative_to(base):
        return PurePath(readable(Path(folder.name, path.name)))
    return PurePath(readable(folder.relative_to(base) / path.name))


def _in_folder(given: Path, rejected: list[Reject]) -> list[Source]:
    before, prefix = len(rejected), given.as_posix() + "/"
    names = list(media_below(given, rejected, is_media, prefix, text_only=False))
    if not names:
        problem = "holds no photo or video" + first_of(rejected[before:])
        raise InputError(problem, path=readable(given), remedy="Name a folder with photos or videos")
    sources = []
    for path in (given / name.removeprefix(prefix) for name in names):
        first, *below = path.relative_to(given).parts
        person = readable(given / first) if below and is_image(path) else None
        sources.append(Source(path, person, readable(first) if below else None))
    return sorted(sources, key=lambda one: (one.path.relative_to(given).parts[0], one.person is None, one.path))


def _file(given: Path) -> Source:
    check_media_file(given)
    return Source(given)
