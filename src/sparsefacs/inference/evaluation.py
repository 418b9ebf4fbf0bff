"""Scores of a run on faces it was not trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.joined import AnyStore, open_stores, paths_of
from ..data.people import SeenPeople
from ..engine.run import RunFolder
from ..errors import InputError
from ..facs.units import column
from ..files import atomic_path, hash_json, read_json, write_json
from ..metrics.distributions import au_distributions
from ..metrics.scores import score
from ..progress import progress
from ..version import VERSION
from .batching import code_faces
from .model import NetworkCoder, load_coder

BATCH = 128


def code_store(coder: NetworkCoder, store: AnyStore, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the codes (len(rows), A) of faces of a store; raises InputError if they are cut differently."""
    if store.info.recipe_hash != coder.recipe.hash:
        raise InputError(
            "its faces are cut differently from those the model learned on",
            path=store.path,
            remedy=f"Prepare it with --size {coder.recipe.size} and the version the model was trained with",
        )
    coded = []
    with progress("code held-out faces", len(rows), "faces") as bar:
        for first in range(0, len(rows), BATCH):
            part = rows[first : first + BATCH]
            faces, points = zip(*(store.face(int(row)) for row in part), strict=True)
            coded.append(code_faces(coder, np.stack(faces), np.stack(points)))
            bar.advance(len(part))
    return np.concatenate(coded)


def evaluate_run(path: Path, store: AnyStore | None = None) -> dict[str, Any]:
    """Score run `path` on its fold's test subjects, or on the people of another `store` that it has not seen.

    Not seen: neither trained on, labelled or not, nor used to choose the epoch. Writes predictions.parquet and
    metrics.json, into the run folder or into `on-<store name>/` of it, and returns the metrics. Raises InputError when
    no test subject is left or the AUs do not match.
    """
    run = RunFolder(path)
    coder = load_coder(path)
    plan = read_json(run.protocol, what="the run's protocol", remedy="Train again")
    own = store is None or hash_json(store.info.as_json()) == plan["store_hash"]
    tested = store or _training_store(plan)
    wanted = np.isin(tested.strings("subject"), plan["fold"]["test"]) if own else ~_seen(plan).rows(tested)
    rows = np.flatnonzero(wanted)
    if len(rows) == 0:
        raise InputError(
            "every subject of it was trained on", path=tested.path, remedy="Evaluate on a store with other subjects"
        )
    folder = run.path if own else run.path / f"on-{tested.path.name}"
    target = RunFolder(folder)
    table = predictions_table(coder, tested, rows, str(plan["fold"]["name"]))
    with atomic_path(target.predictions) as temporary:
        table.to_parquet(temporary, index=False)
    metrics = metrics_of(table, coder, run.read_config(), provenance(run, plan, tested))
    write_json(target.metrics, metrics)
    return metrics


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


def predictions_table(coder: NetworkCoder, store: AnyStore, rows: NDArray[np.int64], fold: str) -> pd.DataFrame:
    """Return a row a face: row, subject, clip, frame, time, fold, threshold, and per AU prediction and truth."""
    coded = code_store(coder, store, rows)
    kind, truth = (
        ("p", store.occurrence(coder.aus)) if coder.task == "occurrence" else ("r", store.intensity(coder.aus))
    )
    columns: dict[str, Any] = {
        "row": rows,
        "subject": store.strings("subject")[rows],
        "clip": store.strings("clip")[rows],
        "frame": store.numbers("frame")[rows],
        "time": store.numbers("time")[rows],
        "fold": fold,
        "threshold": coder.threshold,
    }
    for number, au in enumerate(coder.aus):
        columns[column(au, kind)] = coded[:, number]
        columns[column(au, "true")] = truth[rows, number]
    return pd.DataFrame(columns)


def metrics_of(
    table: pd.DataFrame, coder: NetworkCoder, config: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the content of metrics.json for a table of predictions; each row counts at its own fold's threshold."""
    kind = "p" if coder.task == "occurrence" else "r"
    predicted = table[[column(au, kind) for au in coder.aus]].to_numpy(np.float64)
    truth = table[[column(au, "true") for au in coder.aus]].to_numpy(np.float64)
    threshold = table["threshold"].to_numpy(np.float64)
    scores = score(
        coder.task,
        coder.aus,
        truth,
        predicted,
        table["subject"].to_numpy(dtype=np.str_),
        table["fold"].to_numpy(dtype=np.str_),
        threshold=threshold,
        seed=int(config["seed"]),
    )
    metrics = {"format": 1, "method": config["name"]} | scores
    if coder.task == "occurrence":
        metrics["distributions"] = au_distributions(coder.aus, truth, predicted, threshold[:, None])
    return metrics | {"provenance": dict(settings)}


def provenance(run: RunFolder, plan: Mapping[str, Any], tested: AnyStore) -> dict[str, Any]:
    """Return everything a number must carry to be comparable: hashes, seed, threshold, selection rule, cost."""
    config, model = run.read_config(), run.read_model()
    cost = pd.read_csv(run.log).iloc[-1] if run.log.exists() else None
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
        "selected_step": model.get("step"),
        "threshold": model["threshold"],
        "threshold_rule": config.get("selection", {}).get("threshold", "fixed"),
        "backbone": config["network"]["backbone"],
        "input_size": config["network"]["input_size"],
        "steps": None if cost is None else int(cost["step"]),
        "images_seen": None if cost is None else int(cost["images"]),
        "training_seconds": None if cost is None else float(cost["seconds"]),
        "version": VERSION,
    }
