"""Clips: windows of frames of one face, of which one is the key frame, and batches of them.

A window never leaves the unbroken run of its key frame: where it would (the clip's edge, a gap, a lost face), the run's
nearest frame stands in, so that every window is full and none holds another person's or clip's frame.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .batches import Batch, FaceLoader
from .store import Store


class Tracks:
    """The unbroken runs of faces in `stores`, whose rows count through them in order.

    A track is one face of a clip; its frames follow each other at the track's own commonest distance, and a larger one
    breaks it.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        codes = [np.repeat(np.arange(len(stores)), [len(store) for store in stores])]
        for name in ("subject", "clip"):
            columns = np.concatenate([store.strings(name) for store in stores])
            codes.append(np.unique(columns, return_inverse=True)[1])
        codes.append(np.concatenate([store.numbers("face") for store in stores]).astype(np.int64))
        frame = np.concatenate([store.numbers("frame") for store in stores]).astype(np.int64)
        self.order: NDArray[np.int64] = np.lexsort((frame, *reversed(codes))).astype(np.int64)
        ordered = np.stack(codes)[:, self.order]
        same = np.r_[False, (ordered[:, 1:] == ordered[:, :-1]).all(axis=0)]
        step = np.r_[0, np.diff(frame[self.order])]
        track = np.cumsum(~same) - 1
        broken = ~same | (step > _commonest(track[same], step[same], int(track[-1]) + 1)[track])
        starts = np.flatnonzero(broken)
        run = np.cumsum(broken) - 1
        self.place = np.empty_like(self.order)  # of each row in `order`
        self.place[self.order] = np.arange(len(self.order))
        self._first = starts[run]
        self._last = np.r_[starts[1:], len(self.order)][run] - 1

    def windows(self, rows: NDArray[np.integer], length: int, key: int, step: int = 1) -> NDArray[np.int64]:
        """Return the rows (len(rows), length) of the windows in which each of `rows` stands at place `key`.

        step: every how many-th frame of the run is taken.
        """
        at = self.place[rows]
        places = at[:, None] + step * (np.arange(length) - key)
        places = np.clip(places, self._first[at, None], self._last[at, None])
        rows_BL: NDArray[np.int64] = self.order[places]
        return rows_BL

    def away_from(self, rows: NDArray[np.integer], labelled: NDArray[np.integer], length: int) -> NDArray[np.int64]:
        """Return those of `rows` no window of which, wherever its key stands, holds one of the rows `labelled`."""
        near = np.zeros(len(self.order), bool)
        for key in range(length):
            near[self.windows(labelled, length, key)] = True  # who sees a labelled row is seen from it
        kept: NDArray[np.int64] = np.asarray(rows, np.int64)[~near[rows]]
        return kept


def _commonest(track: NDArray[np.integer], step: NDArray[np.integer], tracks: int) -> NDArray[np.int64]:
    """Return the commonest distance of neighbouring frames in each track, the smaller of equals; 0 for lone frames."""
    found = np.zeros(tracks, np.int64)
    if len(track):
        pairs, counts = np.unique(np.stack([track, step]), axis=1, return_counts=True)
        for place in np.lexsort((-pairs[1], counts)):  # the commonest comes last and stays
            found[pairs[0, place]] = pairs[1, place]
    return found


class ClipLoader:
    """Loads clips: of each row asked for its window, whose key place moves from batch to batch (KS, 3.1.2).

    All frames of a clip are augmented alike. A batch is of len(rows) · length faces, clip after clip. keys: loads the
    key frames once more, in a view that is drawn apart.
    """

    def __init__(self, faces: FaceLoader, tracks: Tracks, length: int, keys: FaceLoader | None = None) -> None:
        self.faces, self.tracks, self.length, self.keys = faces, tracks, length, keys

    def load(self, rows: NDArray[np.int64], draw: int, first: int = 0) -> Batch:
        """Load the windows of `rows` as batch number `draw`, key frames at place draw mod length.

        first: the place of rows[0] in the whole batch of all processes.
        """
        key = draw % self.length
        windows = self.tracks.windows(rows, self.length, key)
        places = np.repeat(np.arange(first, first + len(rows)), self.length)
        batch = self.faces.load_at(windows.ravel(), draw, places)
        batch.length, batch.key = self.length, key
        batch.key_image = None if self.keys is None else self.keys.load(rows, draw, first).image
        return batch
