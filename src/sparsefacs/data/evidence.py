"""The evidence of a store's faces: what their points and blendshapes tell, and their person's reference."""

from collections.abc import Callable, Sequence
from copy import copy
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..evidence.activity import Settle
from ..evidence.blendshapes import BLENDSHAPES
from ..evidence.linear import evidence_of
from ..evidence.reference import PersonSample, no_reference, person_samples
from ..evidence.vectors import SHAPES, VECTOR_WIDTH, face_vectors
from .store import Store

F32 = NDArray[np.float32]
Rows = NDArray[np.integer]
_AT_ONCE = 2_000  # faces whose points are worked on at a time: they fit the cache, which is five times as fast


def store_vectors(store: Store) -> F32:
    """Return the evidence vectors (M, VECTOR_WIDTH) of a store's faces, NaN where it has no blendshapes."""
    landmarks = store.vectors("landmarks").reshape(-1, 68, 2)
    shapes = store.optional_vectors("blendshapes", len(BLENDSHAPES))
    parts = [slice(first, first + _AT_ONCE) for first in range(0, len(store), _AT_ONCE)]
    made = [face_vectors(landmarks[part], shapes[part]) for part in parts]
    return np.concatenate(made) if made else np.empty((0, VECTOR_WIDTH), np.float32)


class EvidenceTable:
    """The evidence of the faces of `stores`, whose rows count through them in order. No label is read.

    person: with references, each made of all faces of its person in a store; without, nobody has one.
    """

    def __init__(self, stores: Sequence[Store], *, person: bool, vectors_ME: F32 | None = None) -> None:
        self.stores, self.person = stores, person
        if vectors_ME is None:
            vectors_ME = np.concatenate([store_vectors(store) for store in stores])
        self.vectors_ME: F32 = vectors_ME

    @property
    def knows_blendshapes(self) -> bool:
        """Whether any face has blendshapes."""
        return bool(np.isfinite(self.vectors_ME[:, SHAPES]).any())

    @cached_property
    def people(self) -> NDArray[np.int64]:
        """Whose face each row shows, (M,), as numbers; somebody is another person in another store."""
        names = [f"{n}/{name}" for n, store in enumerate(self.stores) for name in store.strings("subject").tolist()]
        return np.asarray(np.unique(np.array(names), return_inverse=True)[1], np.int64)

    @cached_property
    def _samples(self) -> list[PersonSample]:
        """What each person's reference is made of."""
        sources = [
            f"{source}\0{clip}"
            for store in self.stores
            for source, clip in zip(store.strings("source").tolist(), store.strings("clip").tolist(), strict=True)
        ]
        frames = np.concatenate([store.numbers("frame") for store in self.stores])
        times = np.concatenate([store.numbers("time") for store in self.stores])
        return person_samples(self.vectors_ME, self.people, sources, frames, times)

    def reference(self, rows: Rows) -> F32:
        """Return the reference (B, E + 1) of the person that each of `rows` shows."""
        width = self.vectors_ME.shape[1]
        if not self.person or not len(rows):
            return no_reference(len(rows), width)
        people, place = np.unique(self.people[rows], return_inverse=True)
        return np.stack([self._samples[one].reference(width) for one in people.tolist()])[place]

    def of(self, rows: Rows) -> F32:
        """Return the evidence (B, 2E + 1) of rows (B,), as `evidence.linear.evidence_of` has it."""
        return evidence_of(self.vectors_ME[rows], self.reference(rows))

    def settled(self, settle: Settle | None) -> "EvidenceTable":
        """Return the table whose references `settle` moves; this one for None."""
        if settle is None or not self.person:
            return self
        samples = [sample.settled(settle) for sample in self._samples]
        moved = copy(self)  # with whose each face is, which takes long to find for many
        moved._samples = samples
        return moved

    def further(self, rows: Rows, width: int, encode: Callable[[NDArray[np.int64]], F32]) -> "EvidenceTable":
        """Return the table of longer vectors, (M, width), in which `rows` are known, and where their people are
        compared, all faces of theirs.

        encode: rows (N,) to features whose last `width` numbers are the vectors.
        """
        shown = np.isin(self.people, self.people[rows]) if self.person else np.isin(np.arange(len(self.people)), rows)
        wanted = np.flatnonzero(shown)
        vectors_ME = np.full((len(self.vectors_ME), width), np.nan, np.float32)
        vectors_ME[wanted] = encode(wanted)[:, -width:]
        return EvidenceTable(self.stores, person=self.person, vectors_ME=vectors_ME)
