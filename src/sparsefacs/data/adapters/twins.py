"""Links to a photo or video that is there already: taken for another's, its frames could stand in training and test."""

import os
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ...files import as_named, is_folder, readable
from ..store import Reject
from .plan import LazyItems, MediaItem, Plan

_File = tuple[str, str | None]
"""Where a file really lies, and the photo's name in it where it is a zip."""


def without_twins(plan: Plan, source: Path) -> Plan:
    """Return the plan with each real file once, and the links to it among those turned down.

    Of several names of a file the one with labels is kept, else the file's own, else the first. source: what is
    prepared; that it is itself reached by a link is no matter. Memory grows with the number of links alone.
    """
    places = _Places(source)
    linked = {places.file(item) for item in plan.items if places.is_linked(item)}
    if not linked:
        return plan
    names: defaultdict[_File, list[int]] = defaultdict(list)
    for number, item in enumerate(plan.items):
        if (file := places.file(item)) in linked:
            names[file].append(number)
    rejected: dict[int, Reject] = {}
    for numbers in names.values():
        kept = min(numbers, key=lambda number: _rank(plan.items[number], places))
        there = places.name(plan.items[kept])
        for number in numbers:
            item = plan.items[number]
            if number != kept and item.path != plan.items[kept].path:
                reason = f"is the same file as one that is there already ({there}), by a link"
                rejected[number] = Reject(places.name(item), None, reason)
    kept_items = _Kept(plan.items, array("q", (n for n in range(len(plan.items)) if n not in rejected)))
    items = LazyItems(len(kept_items.numbers), kept_items.item) if rejected else plan.items
    return replace(plan, items=items, rejected=(*plan.rejected, *_in_order(rejected)))


def _rank(item: MediaItem, places: "_Places") -> tuple[bool, bool]:
    return not (item.by_frame or item.timed), places.is_linked(item)


def _in_order(rejected: dict[int, Reject]) -> Iterator[Reject]:
    return (rejected[number] for number in sorted(rejected))


class _Kept:
    """The items of some numbers."""

    def __init__(self, items: Sequence[MediaItem], numbers: "array[int]") -> None:
        self._items, self.numbers = items, numbers

    def item(self, place: int) -> MediaItem:
        return self._items[self.numbers[place]]


class _Places:
    """Where files really lie; each folder is looked up once, and of each file whether it is a link."""

    def __init__(self, source: Path) -> None:
        self._root = as_named(source if is_folder(source) else source.parent)
        self._real_root = os.path.realpath(self._root)
        self._folder = lru_cache(4096)(self._look_up)

    def _look_up(self, folder: Path) -> tuple[str, bool]:
        """Return where a folder really is, and whether a link leads there from the root, or from elsewhere."""
        real, named = os.path.realpath(folder), as_named(folder)
        if named.is_relative_to(self._root):
            named = self._real_root / named.relative_to(self._root)
        return real, real != str(named)

    def file(self, item: MediaItem) -> _File:
        """Return which file an item is of."""
        folder, _ = self._folder(item.path.parent)
        real = os.path.realpath(item.path) if item.path.is_symlink() else os.path.join(folder, item.path.name)  # noqa: PTH118
        return real, item.member

    def is_linked(self, item: MediaItem) -> bool:
        """Say whether a link leads to the item's file."""
        return item.path.is_symlink() or self._folder(item.path.parent)[1]

    def name(self, item: MediaItem) -> str:
        """Return the name that an item's file was found under."""
        path = as_named(item.path)
        inside = path.relative_to(self._root) if path.is_relative_to(self._root) else item.path
        return readable(inside / item.member if item.member else inside)
