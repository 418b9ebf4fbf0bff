"""Optical flow of a store's faces, left in STORE/flow by `sparsefacs flow`; memory-mapped when read.

STORE/flow/flow.json           frames between (step), pixels a cell, algorithm, hash of the store, rows
STORE/flow/part-00000.npy …    float16 (rows, h, h, 2), `part_rows` rows each, the last fewer
STORE/flow/job.json            only while unfinished
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import hash_json
from ..records import FlowRecord, read_record
from .rows import Rows
from .store import Store

DESCRIPTION, JOB = "flow.json", "job.json"
_OPEN_PARTS = 64  # each holds a file open, and systems allow few hundred


def flow_folder(store: Store) -> Path:
    """Return where the flow of `store` lies, or is to lie."""
    return store.path / "flow"


def part_path(folder: Path, part: int) -> Path:
    """Return the file of part number `part`."""
    return folder / f"part-{part:05d}.npy"


def cells_across(size: int, cell: int) -> int:
    """Return how many cells of about `cell` pixels lie side by side on a face of `size` pixels."""
    return max(1, round(size / cell))


def store_hash(store: Store) -> str:
    """Return the hash of what `store` says of itself, by which its flow knows it."""
    return hash_json(store.info.as_json())


def has_flow(store: Store) -> bool:
    """Say whether `store` has flow, be it unfinished."""
    return any((flow_folder(store) / name).exists() for name in (DESCRIPTION, JOB))


def read_flow(folder: Path, *, remedy: str) -> dict[str, Any]:
    """Return the description of the flow in `folder`, with the target that older ones leave out.

    Raises InputError as `read_record` does.
    """
    return {"target": "later"} | read_record(
        folder / DESCRIPTION, FlowRecord, what="the description of the flow", remedy=remedy
    )


class StoredFlow:
    """The optical flow of one store's faces; each row is read when asked for.

    step: frames from a face to the later one; target: `later`, or `rest`, see `faces.flow`. Raises InputError when
    there is none, when it is unfinished, damaged or of another store.
    """

    def __init__(self, store: Store) -> None:
        self.folder = flow_folder(store)
        self._run = f"Run sparsefacs flow {store.path}"
        self._anew = f"Delete this folder, then run sparsefacs flow {store.path}"
        if not (self.folder / DESCRIPTION).exists():
            begun = (self.folder / JOB).exists()
            raise InputError(
                "its optical flow is unfinished" if begun else "has no optical flow", path=store.path, remedy=self._run
            )
        about = read_flow(self.folder, remedy=self._anew)
        if about.get("rows") != len(store) or about.get("store") != store_hash(store):
            raise InputError("holds the optical flow of another store", path=self.folder, remedy=self._anew)
        self.rows, self.step, self.part_rows = len(store), int(about["step"]), int(about["part_rows"])
        self.target = str(about["target"])
        self.side = cells_across(store.info.size, int(about["cell"]))
        for part in range(-(-self.rows // self.part_rows)):
            if not part_path(self.folder, part).exists():
                raise self._damaged(part, "is missing")
        self._part = lru_cache(maxsize=_OPEN_PARTS)(self._opened)

    def at(self, row: int) -> NDArray[np.float32]:
        """Return the flow of row `row`, (h, h, 2): x and y displacement in pixels of the stored face, NaN unknown."""
        if not 0 <= row < self.rows:
            raise IndexError(f"row {row} of the flow of {self.rows} faces")
        part, place = divmod(int(row), self.part_rows)
        return np.asarray(self._part(part)[place], np.float32)

    def _opened(self, part: int) -> NDArray[np.float16]:
        try:
            opened: NDArray[np.float16] = np.load(part_path(self.folder, part), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise self._damaged(part, f"cannot be read ({error})") from error
        rows = min(self.part_rows, self.rows - part * self.part_rows)
        if opened.shape != (rows, self.side, self.side, 2) or opened.dtype != np.float16:
            raise self._damaged(part, "is not as its description says")
        return opened

    def _damaged(self, part: int, problem: str) -> InputError:
        return InputError(f"this part of the flow {problem}", path=part_path(self.folder, part), remedy=self._anew)


class Flows:
    """The optical flow of `stores`, one store after the other; NaN for the faces of a store that has none.

    Raises InputError when no store has any, or when it was made over other steps or to another target.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        self._rows = Rows(stores)
        self._flows = [StoredFlow(store) if has_flow(store) else None for store in stores]
        known = [flow for flow in self._flows if flow is not None] or [StoredFlow(stores[0])]
        for other in known[1:]:
            if other.target != known[0].target:
                raise InputError(
                    f"its optical flow is to {other.target}, that of {known[0].folder} to {known[0].target}",
                    path=other.folder,
                    remedy="Delete one of them, then run sparsefacs flow with the same --target",
                )
            if other.target == "later" and other.step != known[0].step:
                raise InputError(
                    f"its optical flow is over {other.step} frames, that of {known[0].folder} over {known[0].step}",
                    path=other.folder,
                    remedy="Delete one of them, then run sparsefacs flow with the same --step",
                )
        self._unknown = np.full((known[0].side, known[0].side, 2), np.nan, np.float32)

    def at(self, row: int) -> NDArray[np.float32]:
        """Return the flow of row `row`, (h, h, 2): x and y displacement in pixels of the stored face, NaN unknown."""
        which, place = self._rows.place(row)
        flow = self._flows[which]
        return self._unknown if flow is None else flow.at(place)
