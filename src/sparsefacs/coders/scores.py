"""Scores of a coder on synthetic people it has not seen: by what they look like, how sure it may be, left and right."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.joined import AnyStore, open_stores
from ..data.sides import side_labels
from ..engine.run import RunFolder
from ..facs import column
from ..inference.evaluation import told_of_rows
from ..inference.model import load_coder
from ..methods.coder_settings import SIDED
from ..metrics.scores import score
from ..records import read_parquet, read_record
from ..run_records import PlanRecord
from ..synthetic.appearance import load_appearance
from ..synthetic.identity import make_subject

_SKIN = ((0.12, "dark"), (0.35, "medium"), (2.0, "light"))  # upper end of the mean linear red, green and blue
_AGE = ((0.2, "to about 35"), (0.45, "to about 50"), (2.0, "over 50"))


def _predictions(folder: RunFolder) -> pd.DataFrame:
    return read_parquet(folder.predictions, what="the table of predictions", remedy="Evaluate the run again")


def scores_by_group(run: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Return, of a finished coder run, skin tone, age and sex → group → people, mean F1 and AUC on its test people.

    An AU counts where both classes are in every group of its kind, so that groups are compared on the same AUs.
    """
    folder = RunFolder(run)
    plan = read_record(folder.protocol, PlanRecord, what="the protocol", remedy="Train again")
    table = _predictions(folder)
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


def reliability(run: Path, bins: int = 10) -> list[dict[str, float]]:
    """Return, for probabilities in tenths, how many there are, their mean, and how often the AU is there."""
    table = _predictions(RunFolder(run))
    aus = [int(name[2:4]) for name in table.columns if name.endswith("_true")]
    truth, coded = (table[[column(au, kind) for au in aus]].to_numpy().ravel() for kind in ("true", "p"))
    known = np.isfinite(coded) & (truth >= 0)
    place = np.minimum((coded[known] * bins).astype(int), bins - 1)
    return [
        {
            "from": round(n / bins, 3),
            "answers": int((place == n).sum()),
            "told": round(float(coded[known][place == n].mean()), 3),
            "true": round(float(truth[known][place == n].mean()), 3),
        }
        for n in range(bins)
        if (place == n).any()
    ]


def further_scores(run: Path) -> dict[str, float]:
    """Return how well a coder tells intensity (mean ICC(3,1), MAE) and sides on its test people.

    side: among faces and AUs that act two levels or more stronger on one side, the share where it tells that side.
    """
    coder, folder = load_coder(run), RunFolder(run)
    store = open_stores(read_record(folder.protocol, PlanRecord, what="the protocol", remedy="Train again")["store"])
    rows = _predictions(folder)["row"].to_numpy()
    told = told_of_rows(coder, store, rows)[:, len(coder.aus) :]
    count, sided = len(coder.aus), [a for a, au in enumerate(coder.aus) if au in SIDED]
    truth = store.intensity(coder.aus)[rows]
    who = store.strings("subject")[rows]
    mean = score("intensity", coder.aus, truth, told[:, :count], who, resamples=0)["pooled"]["mean"]
    left, right = told[:, count : count + len(sided)], told[:, count + len(sided) :]
    wanted = side_labels(store.parts, coder.aus)[rows][:, :, sided]
    apart, found = wanted[:, 0] - wanted[:, 1], left - right
    plain = np.abs(apart) >= 2
    return {
        "icc": round(float(mean["icc"]["value"]), 3),
        "mae": round(float(mean["mae"]["value"]), 3),
        "side": round(float((np.sign(found[plain]) == np.sign(apart[plain])).mean()), 3) if plain.any() else 0.0,
        "side_cases": int(plain.sum()),
    }


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
