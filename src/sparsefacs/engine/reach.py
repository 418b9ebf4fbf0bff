"""What a training can learn and what can be scored of it, counted before it starts: people and active frames an AU."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.joined import AnyStore
from ..metrics.bootstrap import FEWEST_PEOPLE
from ..protocols.folds import Fold
from .config import RunConfig
from .training_set import TrainingSet, task_labels

ACTIVE_FROM = 1.0  # intensity from which a frame shows the AU
Counts = dict[str, dict[str, int]]


def reach(data: TrainingSet, store: AnyStore, fold: Fold, config: RunConfig) -> dict[str, Counts]:
    """Return `train` and `test` → AU → labels, active, people (with labels), active_people (who show it).

    To train on are the visible labels of the fold's training people, to test on all labels of those tested.
    """
    subject = store.strings("subject")
    given = task_labels(store, config)
    intensity = config.task == "intensity"
    own = (data.intensity if intensity else data.occurrence)[data.labelled]
    tested = np.isin(subject, fold.test)
    return {
        "train": _counts(own, subject[data.labelled], config),
        "test": _counts(given[1 if intensity else 0][tested], subject[tested], config),
    }


def _counts(truth_MA: NDArray[Any], subject_M: NDArray[np.str_], config: RunConfig) -> Counts:
    found = {}
    for column, au in enumerate(config.aus):
        labelled = truth_MA[:, column] >= 0  # NaN is not
        active = truth_MA[:, column] >= ACTIVE_FROM
        found[str(au)] = {
            "labels": int(labelled.sum()),
            "active": int(active.sum()),
            "people": len(np.unique(subject_M[labelled])),
            "active_people": len(np.unique(subject_M[active])),
        }
    return found


def warnings(found: dict[str, Counts], *, learns: bool = True, tests: bool = True) -> list[str]:
    """Return what cannot be learned, scored or given an interval, a sentence each.

    learns: labels may be learned from; tests: there is somebody to test on.

    An AU of which labels say nothing else than present, or nothing else than absent, cannot be learned.
    """
    told = []
    for side, verb, remedy in (
        ("train", "learned: the labels to train on", "code frames that do, raise --labels, or leave it out with --aus"),
        (
            "test",
            "scored: the labels of the people tested",
            "code frames that do, or take --protocol kfold:3 --fold all",
        ),
    ):
        if not (learns if side == "train" else tests):
            continue
        counts = found[side]
        never = [au for au, one in counts.items() if not one["active"]]
        always = [au for au, one in counts.items() if one["labels"] and one["active"] == one["labels"]]
        for aus, what in ((never, "never show"), (always, "always show")):
            if aus:
                them = "it" if len(aus) == 1 else "them"
                told.append(f"{_named(aus)} cannot be {verb} {what} {them}" + (f"; {remedy}" if aus is never else ""))
    if learns and (alone := [au for au, one in found["train"].items() if one["active_people"] == 1]):
        told.append(f"{_named(alone)}: one person alone shows {'it' if len(alone) == 1 else 'them'} in training")
    people = max((one["people"] for one in found["test"].values()), default=0)
    if tests and people < FEWEST_PEOPLE:
        told.append(
            f"{people} {'person' if people == 1 else 'people'} with labels to test on: too few people for an interval; "
            "--protocol kfold:3 --fold all tests everybody once and pools them"
        )
    return told


def _named(aus: list[str]) -> str:
    return f"AU{', AU'.join(aus)}"
