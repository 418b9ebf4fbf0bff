"""Which photos and videos a call of `predict` means."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.media import check_media_file, first_of, is_image, is_media, media_below
from ..data.store import Reject
from ..errors import InputError
from ..files import is_folder, readable


@dataclass(frozen=True)
class Source:
    """One photo or video to code; `name` is what the codes call it.

    person: the folder of photos of one person that a photo lies in, None where it is by itself.
    """

    path: Path
    person: str | None = None

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
    A file named twice is coded once. rejected: takes what in a folder cannot be read (see `media_below`). Raises
    InputError for no input, a name that is not there, a file that is named neither like a photo nor like a video, or a
    folder without either.
    """
    if not inputs:
        raise InputError("no input was given", remedy="Name a photo, a video or a folder of them")
    passed_over: list[Reject] = [] if rejected is None else rejected
    found: dict[Path, Source] = {}
    for given in map(Path, inputs):
        for source in _in_folder(given, passed_over) if is_folder(given) else [_file(given)]:
            found.setdefault(source.path.resolve(), source)
    return list(found.values())


def _in_folder(given: Path, rejected: list[Reject]) -> list[Source]:
    before, prefix = len(rejected), given.as_posix() + "/"
    names = list(media_below(given, rejected, is_media, prefix, text_only=False))
    if not names:
        problem = "holds no photo or video" + first_of(rejected[before:])
        raise InputError(problem, path=readable(given), remedy="Name a folder with photos or videos")
    sources = []
    for path in (given / name.removeprefix(prefix) for name in names):
        first, *below = path.relative_to(given).parts
        sources.append(Source(path, readable(given / first) if below and is_image(path) else None))
    return sorted(sources, key=lambda one: (one.path.relative_to(given).parts[0], one.person is None, one.path))


def _file(given: Path) -> Source:
    check_media_file(given)
    return Source(given)
