"""The person's reference: what a face is compared with, made of that person's other faces, no label read.

It is the median of a bounded sample of the person's evidence. On synthetic faces whose resting looks differ, means,
quantiles and means weighted towards the least active frames were no better (docs/measured.md). What rests on few
moments weighs little: see `evidence.linear`.
"""

import hashlib
import heapq
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .activity import Settle

F32 = NDArray[np.float32]

SAMPLE = 256  # faces that a reference rests on at most
MOMENT_S = 0.5  # faces of one clip nearer in time than this tell about the same
NEUTRAL_MOMENTS = 20
"""Moments that a given reference counts at least: somebody says that its faces rest, so that few of them tell as much
as many whose expressions have to cancel out."""


def reference_width(width: int) -> int:
    """Return the length of a reference of evidence of `width` numbers: as many, and the number of other moments."""
    return width + 1


def no_reference(count: int, width: int) -> F32:
    """Return the references (count, width + 1) of faces of whom no other is known: the population's stands in."""
    return np.concatenate([np.full((count, width), np.nan, np.float32), np.zeros((count, 1), np.float32)], axis=1)


@dataclass
class PersonSample:
    """The faces of one person so far, of which SAMPLE are kept: those whose names have the smallest hashes.

    So the sample is bounded, and depends neither on the order in which faces come nor on anything random. settle: what
    moves a reference by how active the person is.
    """

    settle: Settle | None = None
    _kept: "list[tuple[int, int, F32]]" = field(default_factory=list)
    _moments: set[tuple[Hashable, int]] = field(default_factory=set)
    _count: int = 0
    _made: F32 | None = None

    def add(self, source: str, index: int, time_s: float | None, vector: F32) -> None:
        """Take one face: `vector` of frame `index` of `source` (a clip or file), `time_s` seconds into it.

        time_s: None for a photo, which is a moment of its own. A face without any evidence is passed over.
        """
        if np.isfinite(vector).any():
            self.add_known(source, index, time_s, vector)

    def add_known(self, source: str, index: int, time_s: float | None, vector: F32) -> None:
        """Take one face that has evidence, as `add` does."""
        self._count += 1
        before = len(self._moments)
        self._moments.add((source, index if time_s is None else int(time_s / MOMENT_S)))
        if self.settle is not None and len(self._moments) > before:  # which the reference is trusted by
            self._made = None
        digest = hashlib.blake2b(f"{source}\0{index}".encode(errors="surrogatepass"), digest_size=8).digest()
        item = (-int.from_bytes(digest, "big"), self._count, vector)
        if len(self._kept) < SAMPLE:
            heapq.heappush(self._kept, item)
        elif item[0] > self._kept[0][0]:
            heapq.heapreplace(self._kept, item)
        else:
            return
        self._made = None

    def settled(self, settle: Settle) -> "PersonSample":
        """Return a sample of the same faces whose reference `settle` moves; neither may be added to."""
        return replace(self, settle=settle, _made=None)

    @property
    def moments(self) -> int:
        """How many moments the faces come from: one that stands still tells no more the longer it is looked at."""
        return len(self._moments)

    def reference(self, width: int) -> F32:
        """Return the reference (width + 1,): the median of what is kept, and the number of moments beside a face's own.

        NaN and 0 where nothing is known.
        """
        return self._reference(width, self.moments - 1)

    def given_reference(self, width: int) -> F32:
        """Return the reference (width + 1,) for other faces than those of the sample, which are said to be at rest."""
        return self._reference(width, max(self.moments, NEUTRAL_MOMENTS))

    def _reference(self, width: int, moments: int) -> F32:
        if not self._kept:
            return np.append(np.full(width, np.nan, np.float32), np.float32(0))
        if self._made is None:
            ordered = sorted(self._kept, key=lambda item: item[:2])  # in which order faces came has no part
            sample_KE = np.stack([vector for _, _, vector in ordered])
            self._made = _median(sample_KE)
            if self.settle is not None:
                self._made = self.settle(sample_KE, np.append(self._made, np.float32(moments)))[:-1]
        return np.append(self._made, np.float32(moments))


def _median(sample_KE: F32) -> F32:
    """Return the median (E,) of each number over the faces that have it, NaN where none has."""
    known = np.isfinite(sample_KE)
    ordered = np.sort(np.where(known, sample_KE, np.inf), axis=0)
    count = known.sum(axis=0)
    column = np.arange(sample_KE.shape[1])
    low, high = ordered[np.maximum(count - 1, 0) // 2, column], ordered[count // 2 % len(ordered), column]
    middle = np.where(count % 2 == 1, low, (low + high) / 2)
    return np.asarray(np.where(count > 0, middle, np.nan), np.float32)


def person_samples(
    vectors_ME: F32, person_M: NDArray[np.integer], source_M: Sequence[str], frame_M: NDArray[np.integer],
    time_M: NDArray[np.floating],
) -> list[PersonSample]:  # fmt: skip
    """Return the sample of each of P people, of all faces of theirs among M.

    person_M: whose each face is, 0 to P − 1; source_M: the clip or file that it comes from, with number and seconds.
    """
    samples = [PersonSample() for _ in range(int(person_M.max(initial=-1)) + 1)]
    people, frames, times = person_M.tolist(), frame_M.tolist(), time_M.tolist()
    for row in np.flatnonzero(np.isfinite(vectors_ME).any(axis=1)).tolist():
        samples[people[row]].add_known(source_M[row], frames[row], times[row], vectors_ME[row])
    return samples
