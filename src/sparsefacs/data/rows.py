"""Rows that count through several stores in order."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .store import Store


class Rows:
    """The rows of `stores`, one store after the other."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self._first_rows = np.cumsum([0, *(len(store) for store in stores)])

    def place(self, row: int) -> tuple[int, int]:
        """Return which store row `row` lies in, and its row there."""
        which = int(np.searchsorted(self._first_rows, row, side="right")) - 1
        return which, row - int(self._first_rows[which])


class Faces:
    """The faces of `stores`, one store after the other; each is read when asked for, and none is kept."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self._stores, self._rows = stores, Rows(stores)

    def face(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return the face of row `row`, RGB (H, W, 3) uint8, and its landmarks (68, 2), pixels of it."""
        which, place = self._rows.place(row)
        return self._stores[which].face(place)
