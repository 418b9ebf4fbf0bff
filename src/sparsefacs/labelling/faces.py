"""What the page shows: faces by row, the frames around each, and the person's reference face."""

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ..data.answer_rows import face_keys
from ..data.answers import FaceKey
from ..data.store import Store
from ..errors import InputError
from ..evidence.vectors import face_vectors

if TYPE_CHECKING:
    import pyarrow as pa

AROUND = 24  # frames shown before and after
_SAMPLE = 256  # faces that a person's usual look rests on at most


class Faces(Protocol):
    """Faces that can be asked for, by row from 0."""

    keys: list[FaceKey]

    def picture(self, row: int) -> bytes:
        """Return the face as JPEG or PNG."""

    def time_s(self, row: int) -> float | None:
        """Return the seconds into its clip, None for a photo."""

    def around(self, row: int) -> list[int]:
        """Return the rows of the same face in the frames around, itself among them, in order."""

    def reference(self, row: int) -> int | None:
        """Return the row that shows how the person usually looks; None where there is no other face of theirs."""

    def coded(self, row: int) -> Mapping[int, int]:
        """Return AU → 0 or 1 that the coder begins with; an AU that is not there begins as absent."""


class StoreFaces:
    """The faces of a store; nothing of it but names and numbers is held."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.keys = face_keys(store)
        self._times = store.numbers("time")
        codes = [_codes(store.texts(name)) for name in ("source", "subject", "clip")]
        frames = store.numbers("frame")
        columns = [codes[1], codes[2], _videos(codes[0], frames), store.numbers("face")]
        self._order = np.lexsort((frames, *reversed(columns)))
        self._place = np.empty_like(self._order)
        self._place[self._order] = np.arange(len(self._order))
        ordered = np.stack([column[self._order] for column in columns])
        self._run = np.cumsum(np.r_[False, (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)])
        self._person = codes[1]

    def picture(self, row: int) -> bytes:
        """Return the face as it is stored, JPEG or PNG."""
        return self.store.encoded(row)

    def time_s(self, row: int) -> float | None:
        """Return the seconds into its clip, None where the store tells none."""
        time = float(self._times[row])
        return None if np.isnan(time) else time

    def around(self, row: int) -> list[int]:
        """Return the rows of the same face in the frames around, itself among them, in order."""
        at = int(self._place[row])
        first = max(at - AROUND, int(np.searchsorted(self._run, self._run[at], "left")))
        last = min(at + AROUND + 1, int(np.searchsorted(self._run, self._run[at], "right")))
        found: list[int] = self._order[first:last].tolist()
        return found

    def reference(self, row: int) -> int | None:
        """Return the face nearest to the median of what its person's points and blendshapes tell."""
        return self._usual(int(self._person[row]))

    @lru_cache(maxsize=4096)  # noqa: B019 -- lives as long as the page does
    def _usual(self, person: int) -> int | None:
        rows = self._of_person(person)
        if len(rows) < 2:
            return None
        picked = rows[np.unique(np.linspace(0, len(rows) - 1, _SAMPLE).astype(int))]
        vectors = face_vectors(self._taken("landmarks", picked).reshape(-1, 68, 2), self._shapes(picked))
        vectors = vectors[:, np.isfinite(vectors).all(axis=0)]
        if not vectors.shape[1]:
            return int(picked[len(picked) // 2])
        middle, spread = np.median(vectors, axis=0), vectors.std(axis=0) + 1e-6
        return int(picked[np.abs((vectors - middle) / spread).mean(axis=1).argmin()])

    @cached_property
    def _by_person(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        order = np.argsort(self._person, kind="stable")
        return order, self._person[order]

    def _of_person(self, person: int) -> NDArray[np.int64]:
        order, people = self._by_person
        return order[np.searchsorted(people, person, "left") : np.searchsorted(people, person, "right")]

    def _shapes(self, rows: NDArray[np.int64]) -> NDArray[np.float32] | None:
        return self._taken("blendshapes", rows) if self.store.has("blendshapes") else None

    def coded(self, row: int) -> Mapping[int, int]:
        """Return nothing: nobody is to be led."""
        del row
        return {}

    def _taken(self, column: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return a vector column of `rows` alone, (N, length)."""
        chunks = self.store.texts(column).chunks
        firsts = np.cumsum([0, *(len(chunk) for chunk in chunks)])
        places = np.searchsorted(firsts, rows, "right") - 1
        found = [chunks[at][int(row - firsts[at])].values for row, at in zip(rows, places, strict=True)]
        return np.stack([np.asarray(one.to_numpy(zero_copy_only=False), np.float32) for one in found])


def _codes(texts: "pa.ChunkedArray") -> NDArray[np.int64]:
    """Return each text's number, (M,)."""
    import pyarrow.compute as pc

    found = pc.rank(texts, tiebreaker="dense") if len(texts) else texts
    return np.asarray(found.to_numpy(), np.int64) - 1


def _videos(source: NDArray[np.int64], frame: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return which video each face is of, (M,): files of one frame are photos, and all count as 0."""
    count = int(source.max(initial=0)) + 1
    first, last = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
    np.minimum.at(first, source, frame)
    np.maximum.at(last, source, frame)
    return np.where(first == last, 0, np.arange(1, count + 1))[source]


def check_rows(faces: Faces, row: int) -> int:
    """Return `row`; raises InputError where there is no such face."""
    if not 0 <= row < len(faces.keys):
        raise InputError(f"there is no face {row}", remedy="Reload the page")
    return row
