"""Whose faces a run may be judged on: nobody whom it has seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.joined import AnyStore, open_stores
from ..data.people import SeenPeople
from ..engine.run import RunFolder
from ..errors import InputError
from ..files import hash_json, read_json


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
    plan = read_json(RunFolder(run).protocol, what="the run's protocol", remedy="Train again")
    own = store is None or hash_json(store.info.as_json()) == plan["store_hash"]
    found = store or _training_store(plan)
    wanted = np.isin(found.strings("subject"), plan["fold"]["test"]) if own else ~_seen(plan).rows(found)
    if not wanted.any():
        raise InputError(
            "every subject of it was trained on", path=found.path, remedy="Name a store with other subjects"
        )
    return Unseen(found, np.flatnonzero(wanted), own, plan)


def _seen(plan: Mapping[str, Any]) -> SeenPeople:
    if "seen" in plan:
        return SeenPeople.from_json(plan["seen"])
    return SeenPeople(frozenset((None, str(name)) for name in plan["fold"]["train"]))  # a run of an earlier version


def _training_store(plan: Mapping[str, Any]) -> AnyStore:
    store = open_stores(plan["store"])
    if hash_json(store.info.as_json()) != plan["store_hash"]:
        raise InputError(
            "is no longer the store this run was trained on", path=store.path, remedy="Name the store to evaluate on"
        )
    return store
