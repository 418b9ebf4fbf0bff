"""What callers of the program's Python give: paths, AUs and settings, one or several."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from .facs import parse_aus

One = TypeVar("One", bound=str | Path)

PathLike = str | Path
Paths = PathLike | Sequence[PathLike]
"""One path, or several."""
Settings = str | Sequence[str]
Aus = int | str | Sequence[int]
"""AUs as 12, "1,2,12" or (1, 2, 12)."""


def listed(given: One | Sequence[One]) -> tuple[One, ...]:
    """Return what was given as one text or path, or several, as several: a text is never taken letter by letter."""
    return (given,) if isinstance(given, str | Path) else tuple(given)


def listed_aus(given: Aus) -> tuple[int, ...]:
    """Return AUs given in any way; raises InputError for what is none, 0 too."""
    return parse_aus((given,) if isinstance(given, int) else given)
