"""Collections of up to millions of photos: names held compactly, folders listed once, names looked up in bulk."""

from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from .layout import folders

Encoded = NDArray[np.bytes_]
"""Names as UTF-8, in an array that can be sorted and searched."""


class Names(Sequence[str]):
    """A growing list of names that takes their bytes and eight more each, a tenth of what a list of str does."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._bytes, self._ends = bytearray(), array("q", [0])
        self.extend(names)

    def append(self, name: str) -> None:
        """Add `name`."""
        self._bytes += name.encode()
        self._ends.append(len(self._bytes))

    def extend(self, names: Iterable[str]) -> None:
        """Add all of `names`."""
        for name in names:
            self.append(name)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        place %= len(self)
        return self._bytes[self._ends[place] : self._ends[place + 1]].decode()


def encoded(names: Sequence[str]) -> Encoded:
    """Return `names` as an array."""
    return np.array([name.encode() for name in names], np.bytes_) if len(names) else np.zeros(0, "S1")


def decoded(name: bytes) -> str:
    """Return one entry of an `Encoded` array as text."""
    return bytes(name).decode()


def find_names(wanted: Encoded, known: Encoded) -> NDArray[np.int64]:
    """Return the place in `known` of each of `wanted` (N,), −1 where it is not there; the first if it is twice."""
    if not len(known):
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)
    return np.where(known[order[at]] == wanted, order[at], -1).astype(np.int64)


def list_file(name: str, source: Path, root: Path, *, data_set: str) -> Path:
    """Return the list file `name` of a data set: in SOURCE, in the folder `root` of its images, or one below these.

    Raises InputError when it is missing.
    """
    for place in (root, source, *folders(root), *folders(source)):
        if (place / name).is_file():
            return place / name
    raise InputError(
        f"{data_set}'s list {name} is missing", path=source, remedy=f"Copy {name} into this folder, as it was delivered"
    )


def broken(path: Path, row: int, problem: str) -> InputError:
    """Return the error that line `row` (from 1) of the list file `path` is not what it should be."""
    return InputError(f"line {row}: {problem}", path=path, remedy="Copy the file again, as it was delivered")
