"""Seeded draws that depend on names, not on order or on a library's random stream.

Every item gets a number from a hash of the seed and its own name; a draw takes the items with the lowest numbers.
So a larger draw holds a smaller one, other items do not matter, and the draw is the same on every machine.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # commands start quicker without numpy
    import numpy as np
    from numpy.typing import NDArray


def draw_keys(seed: int, purpose: str, names: Iterable[tuple[str | int, ...]]) -> "NDArray[np.uint64]":
    """Return one 64-bit draw number for each name (a tuple of strings and whole numbers)."""
    import numpy as np

    start = hashlib.blake2b(f"{seed}\x1f{purpose}".encode(), digest_size=8)
    numbers = bytearray()
    for name in names:
        keyed = start.copy()
        keyed.update("".join(f"\x1f{part}" for part in name).encode())
        numbers += keyed.digest()
    return np.frombuffer(bytes(numbers), dtype="<u8").astype(np.uint64)


def entry_keys(row_keys: "NDArray[np.uint64]", columns: int) -> "NDArray[np.uint64]":
    """Return the draw number of every entry, (M, A), from those of the M rows: SplitMix64 (Steele et al. 2014)."""
    import numpy as np

    step = np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        mixed = row_keys[:, None] + step * np.arange(1, columns + 1, dtype=np.uint64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)


def shuffled(seed: int, purpose: str, names: Sequence[str]) -> list[str]:
    """Return the distinct `names` in an order that depends on the seed and the names alone."""
    import numpy as np

    distinct = sorted({str(name) for name in names})
    keys = draw_keys(seed, purpose, ((name,) for name in distinct))
    return [distinct[place] for place in np.argsort(keys, kind="stable")]
