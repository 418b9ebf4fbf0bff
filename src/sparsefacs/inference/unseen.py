"""Whose faces a run may be judged on: nobody whom it has seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.answered import with_answers
from ..data.joined import AnyStore, open_stores
from ..data.people import SeenPeople
from ..engine.run import RunFolder
from ..errors import InputError
from ..files import hash_json
from ..records import read_record
from ..run_records import PlanRecord


@dataclass(frozen=True)
class Unseen:
    """Rows of a store that a run has not seen. own: the store is the one it was trained on; plan: its protocol.json."""

    store: AnyStore
    rows: NDArray[np.int64]
    own: bool
    plan: Mapping[str, Any]


def unseen_faces(run: str | Path, store: AnyStore | None = None) -> Unseen:
    """Return the faces of the fold's test people in the run's store, or of people not seen in another `store`.

    Not seen: neither trained on, labelled or not, nor used to choose the epoch. Raises InputError when there is none,
    or the run's store is no longer there.
    """
    plan = read_record(RunFolder(run).protocol, PlanRecord, what="the run's protocol", remedy="Train again")
    own = store is None or hash_json(store.info.as_json()) == plan["store_hash"]
    if own and plan.get("fold") is None:
        raise InputError("kept nobody out to test on", path=run, remedy="Name a run that was made with a protocol")
    found = store or _training_store(plan, RunFolder(run))
    wanted = np.isin(found.strings("subject"), plan["fold"]["test"]) if own else ~SeenPeople.of_plan(plan).rows(found)
    if not wanted.any():
        raise InputError(
            "every subject of it was trained on", path=found.path, remedy="Name a store with other subjects"
        )
    return Unseen(found, np.flatnonzero(wanted), own, plan)


def _training_store(plan: Mapping[str, Any], run: RunFolder) -> AnyStore:
    store = open_stores(plan["store"])
    if run.answers.is_file():
        store = with_answers(store, run.answers)
    if hash_json(store.info.as_json()) != plan["store_hash"]:
        raise InputError(
            "is no longer the store this run was trained on", path=store.path, remedy="Name the store to evaluate on"
        )
    return store
