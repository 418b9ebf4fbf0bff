"""What gets a table of its own: each video, and the photos of each folder."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from ...data.media import is_video
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

    A new one's table stands beside those of the files that it lies beside, whatever other inputs are given with it.
    Raises InputError where a new one's place is another input's, or it is a known one under another name: then the
    inputs were named otherwise before.
    """
    _refuse_renamed([unit.input for unit in units if unit.input not in known], known)
    folders = _table_folders(known)
    inputs = {place.lower(): name for name, place in known.items()}
    taken = {*inputs, PurePath(MANIFEST).stem}
    found = []
    for unit in units:
        place = known.get(unit.input)
        if place is None:
            place = _free(unit.input, _beside_others(unit, folders), taken, inputs)
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
            raise _named_otherwise(name, other, place.as_posix())
        place, number = natural.with_name(f"{own}-{number}"), number + 1
    return place.as_posix()


def _named_otherwise(name: str, other: str, place: str) -> InputError:
    problem = f"the folder of codes has under {place} the codes of {other}"
    return InputError(problem, path=name, remedy="Name the inputs as before, or choose another folder for --out")


def _refuse_renamed(new: Sequence[str], known: Mapping[str, str]) -> None:
    """Raise InputError where one of the `new` inputs is a known one, named by a link or from another folder."""
    if not new or not known:
        return
    real = lru_cache(None)(os.path.realpath)  # a folder once, not each file in it: links to files are told elsewhere

    def key(name: str, place: str) -> str:
        path = PurePath(name)
        return real(path) if _is_photos(name, place) else os.path.join(real(path.parent), path.name)  # noqa: PTH118

    by_key = {key(name, place): name for name, place in known.items()}
    for name in new:
        other = by_key.get(key(name, "" if is_video(Path(name)) else PHOTOS))
        if other is not None:
            raise _named_otherwise(name, other, known[other])


def _is_photos(name: str, place: str) -> bool:
    """Say whether an input with that place is the photos of a folder."""
    return PurePath(place).name.startswith(PHOTOS) and not is_video(Path(name))


def _table_folders(known: Mapping[str, str]) -> dict[PurePath, PurePath]:
    """Return where in the folder of codes the tables of each folder of inputs are."""
    found: dict[PurePath, PurePath] = {}
    for name, place in known.items():
        folder, tables = PurePath(name), PurePath(place).parent
        if not _is_photos(name, place):
            folder = folder.parent
        found.setdefault(folder, tables)
        while folder.name and folder.name == tables.name:
            folder, tables = folder.parent, tables.parent
            found.setdefault(folder, tables)
    return found


def _beside_others(unit: Unit, folders: Mapping[PurePath, PurePath]) -> PurePath:
    """Return a new unit's place: as the tables of its folder lie, or of the nearest above; else by its own name."""
    name, natural = PurePath(unit.input), PurePath(unit.place)
    folder = name.parent if unit.sources and not unit.sources[0].is_photo else name
    for above in (folder, *folder.parents):
        if above in folders and ".." not in (inside := folder.relative_to(above)).parts:
            return folders[above] / inside / natural.name
    return natural


def _size(sources: Sequence[Source]) -> int:
    def size(path: Path) -> int:
        try:
            return path.stat().st_size
        except OSError:
            return 0

    return sum(size(source.path) for source in sources)
