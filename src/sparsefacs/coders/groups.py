"""Scores of a coder by what its synthetic people look like: skin tone, age, sex."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.joined import AnyStore, open_stores
from ..engine.run import RunFolder
from ..facs import column
from ..files import read_json
from ..metrics.scores import score
from ..synthetic.appearance import load_appearance
from ..synthetic.identity import make_subject

_SKIN = ((0.12, "dark"), (0.35, "medium"), (2.0, "light"))  # upper end of the mean linear red, green and blue
_AGE = ((0.2, "to about 35"), (0.45, "to about 50"), (2.0, "over 50"))


def scores_by_group(run: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Return, of a finished coder run, skin tone, age and sex → group → people, mean F1 and AUC on its test people.

    An AU counts where both classes are in every group of its kind, so that groups are compared on the same AUs.
    """
    folder = RunFolder(run)
    plan = read_json(folder.protocol, what="the protocol", remedy="Train again")
    table = pd.read_parquet(folder.predictions)
    store = open_stores(plan["store"])
    who = table["subject"].to_numpy()
    traits = {name: _traits(store, name) for name in np.unique(who)}
    aus = [int(name[2:4]) for name in table.columns if name.endswith("_true")]
    truth, coded, limits = (table[[column(au, kind) for au in aus]].to_numpy() for kind in ("true", "p", "limit"))
    found = {}
    for kind in ("skin tone", "age", "sex"):
        groups = np.array([traits[name][kind] for name in who])
        names = np.unique(groups).tolist()
        both = [a for a in range(len(aus)) if all(_two_classes(truth[groups == name, a]) for name in names)]
        found[kind] = {
            name: _scored(groups == name, [aus[a] for a in both], truth[:, both], coded[:, both], limits[:, both], who)
            for name in names
            if both
        }
    return found


def _two_classes(truth_M: NDArray[Any]) -> bool:
    return bool((truth_M == 0).any() and (truth_M == 1).any())


def _scored(
    rows: NDArray[np.bool_], aus: list[int], truth: NDArray[Any], coded: NDArray[Any], limits: NDArray[Any],
    who: NDArray[Any],
) -> dict[str, float]:  # fmt: skip
    mean = score("occurrence", aus, truth[rows], coded[rows], who[rows], threshold=limits[rows], resamples=0)
    means = mean["pooled"]["mean"]
    told = {name: round(float(means[name]["value"]), 3) for name in ("f1", "auc")}
    return {"people": len(np.unique(who[rows])), **told}


def _traits(store: AnyStore, subject: str) -> dict[str, str]:
    """Return the groups of a synthetic subject, drawn again from the seed of their store."""
    part = next(p for p in store.parts if store.subject_name(p, subject.rpartition(":")[2]) == subject)
    source = part.info.source
    person = make_subject(source["seed"], int(subject.rpartition(":")[2][1:]), load_appearance(source["appearance"]))
    return {
        "skin tone": _group(float(np.mean(person.colours.skin)), _SKIN),
        "age": _group(person.age, _AGE),
        "sex": "female" if person.female >= 0.5 else "male",
    }


def _group(value: float, ends: tuple[tuple[float, str], ...]) -> str:
    return next(name for end, name in ends if value < end)
