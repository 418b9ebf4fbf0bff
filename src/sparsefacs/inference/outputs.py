"""Where overlays and plots go: one file for one input, a folder of files for several; checked before any work."""

from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

from ..errors import InputError
from ..files import readable, refuse_existing
from .sources import Source

_LONGEST = 240  # bytes; file systems take names of 255


def plan_outputs(
    path: Path | None, sources: Sequence[Source], suffixes: Callable[[Source], tuple[str, ...]], *, option: str
) -> dict[Source, Path]:
    """Return the file that `option` (its name, for messages) writes for each source; empty if `path` is None.

    A path with a suffix is one file, for one input. A path without is a folder, with a file for each input, named
    like it, in folders named like those that it lies in. suffixes: the endings possible for a source, the usual one
    first. Raises InputError if the path exists, if one file is to hold several inputs, or if its suffix is none of
    these.
    """
    if path is None:
        return {}
    refuse_existing(path, what=f"{option} output")
    if not path.suffix:
        return _in_folder(path, sources, suffixes)
    if len(sources) > 1:
        raise InputError(
            f"{option} names one file, but {len(sources)} inputs are to be coded",
            path=path,
            remedy=f"Give {option} a folder (a name without a suffix)",
        )
    possible = suffixes(sources[0])
    if path.suffix.lower() not in possible:
        raise InputError(
            f"{option} for {sources[0].path.name} cannot be a {path.suffix} file",
            path=path,
            remedy=f"End its name in {' or '.join(possible)}",
        )
    return {sources[0]: path}


def _in_folder(
    folder: Path, sources: Sequence[Source], suffixes: Callable[[Source], tuple[str, ...]]
) -> dict[Source, Path]:
    planned: dict[Source, Path] = {}
    taken: set[str] = set()
    for source in sources:
        place = source.place or PurePath(source.path.name)
        own = shortened(place.stem)
        stem, number = own, 2
        while str(place.with_name(stem)).lower() in taken:
            stem, number = f"{own}-{number}", number + 1
        taken.add(str(place.with_name(stem)).lower())
        planned[source] = folder / place.with_name(f"{stem}{suffixes(source)[0]}")
    return planned


def shortened(stem: str) -> str:
    """Return a name without its suffix as text, short enough that a suffix and a number can follow."""
    return readable(stem).encode()[:_LONGEST].decode(errors="ignore")
