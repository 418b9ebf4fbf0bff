"""Coding rows of a training's own stores with a network as it is, in float32: for choosing states and for limits."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.clips import Tracks
from ..data.evidence import EvidenceTable
from ..data.rows import Faces
from ..data.store import Store
from ..evidence.linear import LinearEvidence
from ..evidence.vectors import VECTOR_WIDTH
from ..networks.answers import answers, frame_features, settle_of, window_answers
from ..networks.clip_answers import is_of_clips, rows_in_clips

if TYPE_CHECKING:
    from torch import nn

    from ..methods.settings import Setting

AT_ONCE = 64

F32 = NDArray[np.float32]
Rows = NDArray[np.int64]


class RowCoder:
    """Codes rows over `stores` in order; what does not depend on a network is made once. No random number is drawn."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self.stores = stores
        self._faces = Faces(stores)
        self._tables: dict[bool, EvidenceTable] = {}
        self._kept: EvidenceTable | None = None
        self._begin: LinearEvidence | None = None

    @cached_property
    def _tracks(self) -> Tracks:
        return Tracks(self.stores)

    def table(self, *, person: bool) -> EvidenceTable:
        """Return the evidence of all rows, with or without the people's references."""
        if person not in self._tables:
            other = self._tables.get(not person)
            vectors = None if other is None else other.vectors_ME
            self._tables[person] = EvidenceTable(self.stores, person=person, vectors_ME=vectors)
        return self._tables[person]

    def face(self, row: int) -> tuple[NDArray[np.uint8], F32]:
        """Return the face of row `row`, RGB (H, W, 3) uint8, and its landmarks (68, 2), pixels of it."""
        return self._faces.face(row)

    def _in_parts(self, ask: Callable[..., F32], wanted: Rows) -> F32:
        answered = []
        for start in range(0, len(wanted), AT_ONCE):
            part = wanted[start : start + AT_ONCE]
            faces, points = zip(*(self._faces.face(int(row)) for row in part), strict=True)
            answered.append(ask(np.stack(faces), np.stack(points), part))
        return np.concatenate(answered)

    @property
    def kept(self) -> EvidenceTable | None:
        """Evidence with what frozen pixels say behind it, where it was kept."""
        return self._kept

    @property
    def begin(self) -> LinearEvidence | None:
        """The weights of a coder beneath that linear models begin from, where there is one."""
        return self._begin

    def keep(self, table: EvidenceTable, begin: LinearEvidence | None = None) -> None:
        """Keep evidence with what frozen pixels say behind it, and weights, for the network that is asked next."""
        self._kept, self._begin = table, begin

    def evidence(self, width: int, rows: Rows, encode: Callable[[Rows], F32], *, person: bool) -> EvidenceTable | None:
        """Return the evidence of `width` numbers a face, known for `rows`; None for 0: pixels alone are looked at."""
        if not width:
            return None
        table, kept = self.table(person=person), self._kept
        fits = kept is not None and kept.person == person and kept.vectors_ME.shape[1] == width > VECTOR_WIDTH
        if kept is not None and fits and np.isfinite(kept.vectors_ME[rows, -1]).all():
            return kept
        return table if width == VECTOR_WIDTH else table.further(rows, width, encode)

    def _encoder(self, network: "nn.Module", setting: "Setting") -> Callable[[Rows], F32]:
        """Return what gives what a network makes of rows by themselves, (M, E)."""
        head: Any = getattr(network, "evidence", None)
        own = None if head is None else self.table(person=head.person)

        def ask(faces: NDArray[np.uint8], points: F32, part: Rows) -> F32:
            vectors = None if own is None else own.vectors_ME[part]
            return frame_features(network, faces, points, setting.network, vectors)

        return lambda wanted: self._in_parts(ask, wanted)

    def compared(self, network: "nn.Module", setting: "Setting", rows: Rows) -> EvidenceTable | None:
        """Return the evidence of rows with the references that `network`, in evaluation mode, compares with; None where
        it looks at none.
        """
        head: Any = getattr(network, "evidence", None)
        if head is None:
            return None
        table = self.evidence(head.width, rows, self._encoder(network, setting), person=head.person)
        return None if table is None else table.settled(settle_of(network, setting.task))

    def code(self, network: "nn.Module", setting: "Setting", rows: Rows) -> F32:
        """Return what `network` codes on rows (M,), (M, A); it is left in the mode it was in."""
        training = network.training
        network.eval()
        sees, task = setting.network, setting.task
        table = self.compared(network, setting, rows)
        if is_of_clips(network):
            clips: Any = network

            def decode(windows: F32, coded: Rows) -> F32:
                return window_answers(network, windows, task, None if table is None else table.reference(coded))

            at, encode = (clips.clip_length, clips.key), self._encoder(network, setting)
            coded_MA = rows_in_clips(self._tracks, rows, at, encode, decode)
        else:

            def whole(faces: NDArray[np.uint8], points: F32, part: Rows) -> F32:
                return answers(network, faces, points, sees, task, None if table is None else table.of(part))

            coded_MA = self._in_parts(whole, rows)
        network.train(training)
        return coded_MA
