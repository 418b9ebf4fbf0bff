"""From a table of predictions to metrics.json, of one fold or of all folds together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.joined import AnyStore, known_intensity, known_occurrence, paths_of
from ..engine.run import RunFolder
from ..facs.units import column
from ..files import atomic_path, hash_json, read_json, write_json
from ..metrics.distributions import au_distributions
from ..metrics.scores import score
from ..protocols.selection import is_marked
from ..version import VERSION
from .contract import Task

if TYPE_CHECKING:
    import pandas as pd

_AGAIN = "Evaluate the run, or probe the encoder, again"
_PER_FOLD = (
    *("labels", "labelled_faces", "unlabelled_faces", "images_seen", "training_seconds", "config_hash"),
    *("selection", "selected_step", "threshold"),
)


@dataclass(frozen=True)
class Answered:
    """Which AUs were coded, and how: all that a score needs to know of who coded them."""

    task: Task
    aus: tuple[int, ...]


def table_of(
    answered: Answered, store: AnyStore, rows: NDArray[np.int64], coded_MA: NDArray[Any], fold: str, threshold: float
) -> "pd.DataFrame":
    """Return predictions.parquet's content for codes (M, A) of rows (M,) of a store: a row a face, with its truth."""
    import pandas as pd

    occurs = answered.task == "occurrence"
    kind, truth = (
        ("p", known_occurrence(store, answered.aus)) if occurs else ("r", known_intensity(store, answered.aus))
    )
    columns: dict[str, Any] = {
        "row": rows,
        "subject": store.strings("subject")[rows],
        "clip": store.strings("clip")[rows],
        "frame": store.numbers("frame")[rows],
        "time": store.numbers("time")[rows],
        "fold": fold,
        "threshold": threshold,
    }
    for number, au in enumerate(answered.aus):
        columns[column(au, kind)] = np.asarray(coded_MA[:, number], np.float32)
        columns[column(au, "true")] = truth[rows, number]
    return pd.DataFrame(columns)


def metrics_of(
    table: "pd.DataFrame", answered: Answered, config: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the content of metrics.json for a table of predictions; each row counts at its own fold's threshold."""
    kind = "p" if answered.task == "occurrence" else "r"
    predicted = table[[column(au, kind) for au in answered.aus]].to_numpy(np.float64)
    truth = table[[column(au, "true") for au in answered.aus]].to_numpy(np.float64)
    threshold = table["threshold"].to_numpy(np.float64)
    scores = score(
        answered.task,
        answered.aus,
        truth,
        predicted,
        table["subject"].to_numpy(dtype=np.str_),
        table["fold"].to_numpy(dtype=np.str_),
        threshold=threshold,
        seed=int(config["seed"]),
    )
    metrics = {"format": 1, "method": config["name"]} | scores
    if answered.task == "occurrence":
        metrics["distributions"] = au_distributions(answered.aus, truth, predicted, threshold[:, None])
    return metrics | {"provenance": dict(settings)}


def conditions(config: Mapping[str, Any], plan: Mapping[str, Any], tested: AnyStore) -> dict[str, Any]:
    """Return what any score must carry to be comparable: whose faces, which folds, labels and rule, with hashes.

    config: the run's, of which name, recipe and seed are told; plan: its protocol.json; tested: the store scored on.
    """
    return {
        "method": config["name"],
        "recipe": config["recipe"],
        "config_hash": hash_json(config),
        "seed": config["seed"],
        "store": paths_of(tested),
        "store_hash": hash_json(tested.info.as_json()),
        "store_source": tested.info.source.get("kind", "unknown"),
        "recipe_hash": tested.info.recipe_hash,
        "protocol": plan["protocol"]["name"],
        "protocol_hash": plan["protocol_hash"],
        "fold": plan["fold"]["name"],
        "labels": plan["labels"],
        "labelled_faces": plan["labelled_faces"],
        "unlabelled_faces": plan["unlabelled_faces"],
        "selection": plan.get("selection", "last"),
        "selection_rule": plan["selection_rule"],
        "version": VERSION,
    }


def write_scores(
    run: RunFolder, table: "pd.DataFrame", answered: Answered, config: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Write predictions.parquet and metrics.json of a table of predictions, and return the metrics.

    config: its name and seed are used; settings: what the numbers carry with them, as `evaluation.provenance`.
    """
    with atomic_path(run.predictions) as temporary:
        table.to_parquet(temporary, index=False)
    metrics = metrics_of(table, answered, config, settings)
    write_json(run.metrics, metrics)
    return metrics


def pool_folds(out: Path, folders: Sequence[Path]) -> dict[str, Any]:
    """Score the predictions of all folds together into `out`; per-fold scores stand beside the pooled ones.

    folders: of the folds, each scored, with metrics.json, predictions.parquet and config.yaml.
    """
    import pandas as pd

    runs = [RunFolder(folder) for folder in folders]
    each = [read_json(run.metrics, what="the record of the fold's scores", remedy=_AGAIN) for run in runs]
    table = pd.concat([pd.read_parquet(run.predictions) for run in runs], ignore_index=True)
    carried = [metrics["provenance"] for metrics in each]
    per_fold = {name: [settings.get(name) for settings in carried] for name in _PER_FOLD}
    settings = carried[0] | {"fold": "all", "per_fold": per_fold} | _agreed(per_fold)
    answered = Answered(each[0]["task"], tuple(each[0]["aus"]))
    return write_scores(RunFolder(out), table, answered, runs[0].read_config(), settings)


def _agreed(per_fold: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Return what is said of all folds at once: a choice on the test fold of any is a mark on all."""
    rules = per_fold["selection"]
    marked = next((rule for rule in rules if is_marked(rule)), rules[0])
    same = len(set(per_fold["threshold"])) == 1
    return {
        "selection": marked,
        "selected_step": None,
        "threshold": per_fold["threshold"][0] if same else None,
    }
