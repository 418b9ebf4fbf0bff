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
from ..files import atomic_path, hash_json, without_nan, write_text
from ..metrics.distributions import au_distributions
from ..metrics.limits import HALF
from ..metrics.scores import score
from ..protocols.selection import is_marked
from ..records import read_parquet, read_record, write_record
from ..run_records import MetricsRecord
from ..version import VERSION
from .contract import Task

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
_AGAIN = "Evaluate the run, or probe the encoder, again"
_PER_FOLD = (
    *("labels", "labelled_faces", "unlabelled_faces", "images_seen", "training_seconds", "config_hash"),
    *("selection", "selected_step", "limits"),
)


@dataclass(frozen=True)
class Answered:
    """Which AUs were coded, and how: all that a score needs to know of who coded them."""

    task: Task
    aus: tuple[int, ...]


def table_of(
    answered: Answered,
    store: AnyStore,
    rows: NDArray[np.int64],
    coded_MA: NDArray[Any],
    fold: str,
    limits: Sequence[float],
) -> "pd.DataFrame":
    """Return predictions.parquet's content for codes (M, A) of rows (M,) of a store: a row a face, with its truth.

    limits: of each AU the probability from which it counts as present; intensity has none.
    """
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
    }
    for number, au in enumerate(answered.aus):
        columns[column(au, kind)] = np.asarray(coded_MA[:, number], np.float32)
        columns[column(au, "true")] = truth[rows, number]
        if occurs:
            columns[column(au, "limit")] = float(limits[number])
    return pd.DataFrame(columns)


def limits_in(table: "pd.DataFrame", aus: Sequence[int], otherwise: Sequence[float] | None = None) -> Floats:
    """Return the limits (M, A) of `aus` at which each row of a table of predictions counts.

    Older tables hold one `threshold` for all AUs. otherwise: of each AU, where the table says nothing; one half.
    """
    limits_MA = np.empty((len(table), len(aus)))
    limits_MA[:] = HALF if otherwise is None else np.asarray(otherwise, np.float64)
    if "threshold" in table.columns:
        limits_MA[:] = table["threshold"].to_numpy(np.float64)[:, None]
    for number, au in enumerate(aus):
        if (name := column(au, "limit")) in table.columns:
            limits_MA[:, number] = table[name].to_numpy(np.float64)
    return limits_MA


def metrics_of(
    table: "pd.DataFrame", answered: Answered, config: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the content of metrics.json for a table of predictions; each row counts at its own fold's limits."""
    kind = "p" if answered.task == "occurrence" else "r"
    predicted = table[[column(au, kind) for au in answered.aus]].to_numpy(np.float64)
    truth = table[[column(au, "true") for au in answered.aus]].to_numpy(np.float64)
    limits_MA = limits_in(table, answered.aus)
    scores = score(
        answered.task,
        answered.aus,
        truth,
        predicted,
        table["subject"].to_numpy(dtype=np.str_),
        table["fold"].to_numpy(dtype=np.str_),
        threshold=limits_MA,
        seed=int(config["seed"]),
    )
    metrics = {"format": 1, "method": config["name"]} | scores
    if answered.task == "occurrence":
        metrics["distributions"] = au_distributions(answered.aus, truth, predicted, limits_MA)
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
    run: RunFolder,
    table: "pd.DataFrame",
    answered: Answered,
    config: Mapping[str, Any],
    settings: Mapping[str, Any],
    csv: Path | None = None,
) -> dict[str, Any]:
    """Write predictions.parquet and metrics.json of a table of predictions, and return the metrics.

    config: its name and seed are used; settings: what the numbers carry with them, as `evaluation.provenance`.
    csv: also write the predictions there, as programs of statistics read them: what is not labelled is empty.
    """
    with atomic_path(run.predictions) as temporary:
        table.to_parquet(temporary, index=False, write_page_checksum=True)
    if csv is not None:
        truths = [column(au, "true") for au in answered.aus]
        labelled = table[truths].where(table[truths] >= 0)
        if answered.task == "occurrence":
            labelled = labelled.astype("Int8")
        write_text(csv, table.assign(**labelled).to_csv(index=False, lineterminator="\n"))
    metrics: dict[str, Any] = without_nan(metrics_of(table, answered, config, settings))
    write_record(run.metrics, metrics)
    return metrics


def pool_folds(out: Path, folders: Sequence[Path], csv: Path | None = None) -> dict[str, Any]:
    """Score the predictions of all folds together into `out`; per-fold scores stand beside the pooled ones.

    folders: of the folds, each scored, with metrics.json, predictions.parquet and config.yaml. csv: as of
    `write_scores`.
    """
    import pandas as pd

    runs = [RunFolder(folder) for folder in folders]
    told = "the record of the fold's scores"
    each = [read_record(run.metrics, MetricsRecord, what=told, remedy=_AGAIN) for run in runs]
    answered = Answered(each[0]["task"], tuple(each[0]["aus"]))
    table = pd.concat([_renewed(read_predictions(run, answered), answered) for run in runs], ignore_index=True)
    carried = [_with_limits(metrics) for metrics in each]
    per_fold = {name: [settings.get(name) for settings in carried] for name in _PER_FOLD}
    settings = carried[0] | {"fold": "all", "per_fold": per_fold} | _agreed(per_fold)
    return write_scores(RunFolder(out), table, answered, runs[0].read_config(), settings, csv)


def read_predictions(run: RunFolder, answered: Answered) -> "pd.DataFrame":
    """Return predictions.parquet of `run`; raises InputError where it is damaged, or not of these AUs."""
    kind = "p" if answered.task == "occurrence" else "r"
    columns = [column(au, each) for au in answered.aus for each in (kind, "true")]
    wanted = ("row", "subject", "clip", "frame", "time", "fold", *columns)
    return read_parquet(run.predictions, what="the table of predictions", remedy=_AGAIN, columns=wanted)


def _renewed(table: "pd.DataFrame", answered: Answered) -> "pd.DataFrame":
    """Return an older table of predictions, with one `threshold`, as they are now, with a limit an AU."""
    if "threshold" not in table.columns:
        return table
    limits = dict(zip(answered.aus, limits_in(table, answered.aus).T, strict=True))
    told = limits if answered.task == "occurrence" else {}
    return table.drop(columns="threshold").assign(**{column(au, "limit"): each for au, each in told.items()})


def _with_limits(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a fold's numbers carry, with a limit an AU also where they were scored at one `threshold`."""
    told = dict(metrics.get("provenance") or {})
    if (threshold := told.pop("threshold", None)) is not None:
        told |= {"limits": [threshold] * len(metrics["aus"]), "limit_rule": told.pop("threshold_rule", "fixed")}
    return told


def _agreed(per_fold: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Return what is said of all folds at once: a choice on the test fold of any is a mark on all."""
    rules = per_fold["selection"]
    marked = next((rule for rule in rules if is_marked(rule)), rules[0])
    limits = per_fold["limits"]
    return {
        "selection": marked,
        "selected_step": None,
        "limits": limits[0] if all(each == limits[0] for each in limits) else None,
    }
