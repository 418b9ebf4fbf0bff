"""What gets a table of its own: each video, and the photos of each folder."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from ...errors import InputError
from ...files import readable, sha256_file
from ...row_files import MANIFEST
from ..outputs import shortened
from ..sources import Source

PHOTOS = "photos"


@dataclass(frozen=True)
class Unit:
    """A video, or the photos of a folder.

    input: the video's name, or the folder's. place: of its table in the folder of codes, without ending: by its name
    alone, until it is `placed`. size: bytes of its files, 0 where one is not there.
    """

    input: str
    place: str
    sources: tuple[Source, ...]
    size: int

    def files(self, *, known: Mapping[str, Mapping[str, Any]] | None = None) -> list[dict[str, Any]]:
        """Return name, bytes, SHA-256 and time of change of each file, as records hold them.

        known: what a record says, by name; a file of the same bytes and time is not read again. Raises InputError for a
        file that cannot be read.
        """
        told = []
        for source in self.sources:
            try:
                stat = source.path.stat()
                before = (known or {}).get(source.name, {})
                same = (before.get("bytes"), before.get("changed_ns")) == (stat.st_size, stat.st_mtime_ns)
            except OSError as error:
                problem = f"cannot be read ({error.strerror or error})"
                raise InputError(problem, path=source.name, remedy="Check that it is there") from error
            digest = before["sha256"] if same else sha256_file(source.path)
            told.append({"input": source.name, "bytes": stat.st_size, "sha256": digest, "changed_ns": stat.st_mtime_ns})
        return told


def units_of(sources: Sequence[Source]) -> list[Unit]:
    """Return the units that `sources` make; the disk is asked for the size of each file."""
    groups: dict[tuple[str, PurePath], list[Source]] = {}
    for source in sources:
        groups.setdefault(_group(source), []).append(source)
    return [Unit(name, place.as_posix(), tuple(group), _size(group)) for (name, place), group in groups.items()]


def placed(units: Sequence[Unit], known: Mapping[str, str]) -> list[Unit]:
    """Return `units`, each at the place that is `known` for its input, else at a new one.

    Raises InputError where a new one's place is another input's, since then the inputs were named otherwise before.
    """
    inputs = {place.lower(): name for name, place in known.items()}
    taken = {*inputs, PurePath(MANIFEST).stem}
    found = []
    for unit in units:
        place = known.get(unit.input)
        if place is None:
            place = _free(unit.input, PurePath(unit.place), taken, inputs)
            taken.add(place.lower())
        found.append(replace(unit, place=place))
    return found


def _group(source: Source) -> tuple[str, PurePath]:
    """Return the input that a file belongs to, and the place of its table by its own name."""
    place = source.place or PurePath(source.path.name)
    if not source.is_photo:
        return source.name, place.with_name(shortened(place.stem))
    folder = readable(source.path.parent)
    depth = 0
    if source.person is not None:
        folder = source.person
        depth = len(PurePath(source.name).relative_to(folder).parts) - 1
    return folder, place.parents[depth] / PHOTOS


def _free(name: str, natural: PurePath, taken: Iterable[str], inputs: Mapping[str, str]) -> str:
    own, number, place = natural.name, 2, natural
    while place.as_posix().lower() in taken:
        other = inputs.get(place.as_posix().lower())
        if other is not None and PurePath(other).with_suffix("") != PurePath(name).with_suffix(""):
            raise InputError(
                f"the folder of codes has under {place.as_posix()} the codes of {other}",
                path=name,
                remedy="Name the inputs as before, or choose another folder for --out",
            )
        place, number = natural.with_name(f"{own}-{number}"), number + 1
    return place.as_posix()


def _size(sources: Sequence[Source]) -> int:
    def size(path: Path) -> int:
        try:
            return path.stat().st_size
        except OSError:
            return 0

    return sum(size(source.path) for source in sources)
