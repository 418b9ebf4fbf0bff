"""Rows that count through several stores in order."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .store import Store


class Faces:
    """The faces of `stores`, one store after the other; each is read when asked for, and none is kept."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self._stores = stores
        self._first_rows = np.cumsum([0, *(len(store) for store in stores)])

    def face(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return the face of row `row`, RGB (H, W, 3) uint8, and its landmarks (68, 2), pixels of it."""
        which = int(np.searchsorted(self._first_rows, row, side="right")) - 1
        return self._stores[which].face(row - int(self._first_rows[which]))
