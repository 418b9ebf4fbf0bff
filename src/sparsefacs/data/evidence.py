"""The evidence of a store's faces: what their points and blendshapes tell, and their person's reference."""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..evidence.activity import Settle
from ..evidence.blendshapes import BLENDSHAPES
from ..evidence.linear import evidence_of
from ..evidence.reference import no_reference, references
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
    settle: what moves a reference by how active its person is.
    """

    def __init__(
        self, stores: Sequence[Store], *, person: bool, vectors_ME: F32 | None = None, settle: Settle | None = None
    ) -> None:
        self.stores, self.person, self._settle = stores, person, settle
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
    def _references(self) -> F32:
        """The reference of each person, (P, E + 1)."""
        sources = [
            f"{source}\0{clip}"
            for store in self.stores
            for source, clip in zip(store.strings("source").tolist(), store.strings("clip").tolist(), strict=True)
        ]
        frames = np.concatenate([store.numbers("frame") for store in self.stores])
        times = np.concatenate([store.numbers("time") for store in self.stores])
        return references(self.vectors_ME, self.people, sources, frames, times, self._settle)

    def reference(self, rows: Rows) -> F32:
        """Return the reference (B, E + 1) of the person that each of `rows` shows."""
        if not self.person:
            return no_reference(len(rows), self.vectors_ME.shape[1])
        return self._references[self.people[rows]]

    def of(self, rows: Rows) -> F32:
        """Return the evidence (B, 2E + 1) of rows (B,), as `evidence.linear.evidence_of` has it."""
        return evidence_of(self.vectors_ME[rows], self.reference(rows))

    def settled(self, settle: Settle | None) -> "EvidenceTable":
        """Return the table whose references `settle` moves; this one for None."""
        if settle is None:
            return self
        return EvidenceTable(self.stores, person=self.person, vectors_ME=self.vectors_ME, settle=settle)

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
