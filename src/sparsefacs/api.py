"""The Python face of the program: one function a stage; the command line is a thin skin over these."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InputError
from .files import refuse_existing, write_json

if TYPE_CHECKING:
    from .data.joined import AnyStore
    from .data.store import Store
    from .engine.config import RunConfig
    from .inference.model import NetworkCoder
    from .inference.pipeline import Summary
    from .protocols.folds import Protocol

PathLike = str | Path
DEFAULT_PROTOCOL = "holdout:25%"
DEFAULT_AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)


def synth(out: PathLike, **settings: Any) -> "Store":
    """Render AU-labelled synthetic faces into store `out`; settings as of `synthetic.pipeline.synth`."""
    from .synthetic.pipeline import synth as run

    return run(Path(out), **settings)


def synth_tree(out: PathLike, layout: str, **settings: Any) -> Path:
    """Write a fake delivered tree of data set `layout`, for `prepare`; settings as of `synthetic.trees.write_tree`."""
    from .synthetic.trees import write_tree

    return write_tree(Path(out), layout, **settings)


def prepare(source: PathLike, out: PathLike, *, labels: PathLike | None = None, **settings: Any) -> "Store":
    """Turn images and videos into store `out` of aligned faces; settings as of `faces.prepare.prepare`."""
    from .faces.prepare import prepare as run

    return run(Path(source), Path(out), labels=None if labels is None else Path(labels), **settings)


def inspect(store: PathLike) -> dict[str, Any]:
    """Return counts, AU base rates, label gaps and rejects of a store."""
    from .data.inspection import inspect_store
    from .data.store import Store

    return inspect_store(Store(store))


def methods(name: str, *, aus: Sequence[int] = DEFAULT_AUS, recipe: str | None = None) -> dict[str, Any]:
    """Return parameters, GFLOPs, input size and paper of a method's recipe (default: the paper's)."""
    from .engine.config import recipe_names, resolve
    from .methods.cost import method_cost, pretraining_cost
    from .methods.registry import PRETRAIN, pretraining_names

    chosen = recipe or next((r for r in recipe_names(name) if r.startswith("paper")), "small")
    config = resolve(name, chosen)
    cost = method_cost(name, config.method_config(), config.network, config.task, tuple(aus))
    if name in pretraining_names():
        ahead = resolve(PRETRAIN + name, chosen if chosen in recipe_names(PRETRAIN + name) else "small")
        cost |= pretraining_cost(name, ahead.method_config(), ahead.network)
    return {"recipe": chosen} | cost


def train(
    method: str,
    store: PathLike | Sequence[PathLike],
    out: PathLike,
    *,
    unlabelled: PathLike | None = None,
    protocol: str = DEFAULT_PROTOCOL,
    fold: int | str = 1,
    labels: str = "all",
    recipe: str = "small",
    aus: Sequence[int] = (),
    settings: Sequence[str] = (),
    devices: int = 1,
    resume: bool = False,
    **overrides: Any,
) -> dict[str, Any]:
    """Train `method` on a store and score it on the fold's held-out subjects; return the metrics.

    store: one, or several to be joined (subjects are then called `corpus:subject`). fold: 1-based, or "all" for one
    run a fold in OUT/fold-1 … and pooled scores in OUT. overrides: dotted settings with `__` for the dot.
    Raises InputError on anything the user can mend.
    """
    from .data.joined import open_stores
    from .engine.config import resolve
    from .engine.devices import first_process

    config = resolve(method, recipe, tuple(settings), aus=tuple(aus) or None, **overrides)
    labelled = open_stores(store)
    extra = None if unlabelled is None else open_stores(unlabelled)
    plan = _plan(labelled, protocol, config)
    for note in plan.notes:
        print(f"note: {note}", file=sys.stderr)
    out = Path(out)
    if str(fold) != "all":
        number = _fold_number(fold, len(plan.folds))
        return _train_one(config, labelled, out, plan, number, labels, extra, devices, resume)
    if not resume:
        refuse_existing(out, what="run folder")
    folders = [out / f"fold-{number}" for number in range(1, len(plan.folds) + 1)]
    for number, folder in enumerate(folders, start=1):
        _train_one(config, labelled, folder, plan, number, labels, extra, devices, resume and folder.exists())
    return _pool(out, folders) if first_process() else {}


def _plan(store: "AnyStore", protocol: str, config: "RunConfig") -> "Protocol":
    from .data.people import person_names
    from .protocols.folds import make_protocol

    return make_protocol(protocol, store.strings("subject").tolist(), config.split_seed, person=person_names(store))


def protocol(
    store: PathLike | Sequence[PathLike],
    *,
    protocol: str = DEFAULT_PROTOCOL,
    labels: str = "all",
    unlabelled: PathLike | None = None,
    out: PathLike | None = None,
    settings: Sequence[str] = (),
    aus: Sequence[int] = (),
    **overrides: Any,
) -> list[dict[str, Any]]:
    """Return the card of each fold, as `train` would write it to protocol.json, without training anything.

    The arguments are those of `train`. out: also write the folds there, as JSON that `protocol` takes again.
    """
    from .data.joined import open_stores
    from .engine.config import resolve
    from .engine.trainer import describe, training_set, with_aus

    labelled = open_stores(store)
    extra = None if unlabelled is None else open_stores(unlabelled)
    config = resolve("supervised", "small", tuple(settings), aus=tuple(aus) or None, **overrides)
    plan = _plan(labelled, protocol, config)
    config = with_aus(config, plan, labelled)
    cards = [
        describe(labelled, extra, plan, training_set(labelled, extra, fold, labels, config)) for fold in plan.folds
    ]
    if out is not None:
        refuse_existing(Path(out), what="file of folds")
        write_json(Path(out), plan.as_json())
    return cards


def pretrain(
    method: str,
    store: PathLike | Sequence[PathLike],
    out: PathLike,
    *,
    protocol: str | None = None,
    fold: int | str = 1,
    recipe: str = "small",
    settings: Sequence[str] = (),
    devices: int = 1,
    resume: bool = False,
    **overrides: Any,
) -> dict[str, Any]:
    """Learn a representation from the faces of a store without reading a label; return what the encoder is.

    protocol, fold: keep the people out whom that fold tests on, so that the encoder may be judged or trained on it
    (fold "all": one run a fold in OUT/fold-1 …, which `train --fold all --init OUT` takes). Without a protocol all
    faces are learned from. A recipe with a sweep makes a run a value in OUT/setting-value. Raises InputError on anything
    the user can mend.
    """
    from .engine.config import read_sweep
    from .methods.registry import PRETRAIN

    out = Path(out)
    given = {"protocol": protocol, "fold": fold, "recipe": recipe, "devices": devices, "resume": resume} | overrides
    if sweep := read_sweep(PRETRAIN + method, recipe):
        key, values = sweep
        made = [
            _pretrain_one(
                method, store, out / f"{key.rpartition('.')[2]}-{value}", [*settings, f"{key}={value}"], given
            )
            for value in values
        ]
        return {"runs": [run for runs in made for run in runs]}
    return {"runs": _pretrain_one(method, store, out, settings, given)}


def _pretrain_one(
    method: str, store: PathLike | Sequence[PathLike], out: Path, settings: Sequence[str], given: dict[str, Any]
) -> list[dict[str, Any]]:
    """Pre-train once, or once a fold, and return what each encoder is; settings and arguments as of `pretrain`."""
    from .data.joined import open_stores
    from .engine.config import resolve
    from .engine.devices import first_process
    from .engine.pretrainer import pretrain_fold
    from .methods.registry import PRETRAIN

    overrides = dict(given)
    protocol, fold, recipe, devices, resume = (
        overrides.pop(name) for name in ("protocol", "fold", "recipe", "devices", "resume")
    )
    resume = resume and out.exists()
    config = resolve(PRETRAIN + method, recipe, tuple(settings), **overrides)
    faces = open_stores(store)
    plan = None if protocol is None else _plan(faces, protocol, config)
    if plan is None or str(fold) != "all":
        kept = None if plan is None else plan.folds[_fold_number(fold, len(plan.folds)) - 1]
        runs = [pretrain_fold(config, faces, out, plan, kept, devices, resume)]
    else:
        if not resume:
            refuse_existing(out, what="run folder")
        runs = []
        for number, each in enumerate(plan.folds, start=1):
            folder = out / f"fold-{number}"
            runs.append(pretrain_fold(config, faces, folder, plan, each, devices, resume and folder.exists()))
    return [json.loads(run.encoder.read_text(encoding="utf-8")) for run in runs] if first_process() else []


def _fold_number(fold: int | str, folds: int) -> int:
    if not str(fold).isdigit() or not 1 <= int(fold) <= folds:
        raise InputError(f"there is no fold {fold}", remedy=f"This protocol has folds 1 to {folds}, or say --fold all")
    return int(fold)


def _train_one(
    config: "RunConfig",
    store: "AnyStore",
    out: Path,
    plan: "Protocol",
    number: int,
    labels: str,
    unlabelled: "AnyStore | None",
    devices: int,
    resume: bool,
) -> dict[str, Any]:
    from .engine.devices import first_process
    from .engine.trainer import train_fold
    from .inference.evaluation import evaluate_run

    fold = plan.folds[number - 1]
    own_start = Path(config.network.init) / f"fold-{number}"
    if own_start.is_dir():  # a pre-training that has a run a fold
        config = config.model_copy(update={"network": config.network.model_copy(update={"init": str(own_start)})})
    run = train_fold(config, store, out, plan, fold, labels, unlabelled, devices, resume)
    if not first_process():
        return {}
    if run.metrics.exists():
        return dict(json.loads(run.metrics.read_text(encoding="utf-8")))
    return evaluate_run(out, store)


def _pool(out: Path, folders: Sequence[Path]) -> dict[str, Any]:
    """Score the predictions of all folds together; per-fold scores stand beside the pooled ones."""
    import pandas as pd

    from .engine.run import RunFolder
    from .files import atomic_path
    from .inference.evaluation import metrics_of
    from .inference.model import load_coder

    runs = [RunFolder(folder) for folder in folders]
    table = pd.concat([pd.read_parquet(run.predictions) for run in runs], ignore_index=True)
    first = json.loads(runs[0].metrics.read_text(encoding="utf-8"))
    over = _over_folds(runs)
    settings = first["provenance"] | {"fold": "all"} | over | _agreed(over["per_fold"])
    metrics = metrics_of(table, load_coder(folders[0]), runs[0].read_config(), settings)
    target = RunFolder(out)
    with atomic_path(target.predictions) as temporary:
        table.to_parquet(temporary, index=False)
    write_json(target.metrics, metrics)
    return metrics


def _over_folds(runs: Sequence[Any]) -> dict[str, Any]:
    """Return what a pooled score has to say per fold: cost and label counts, in fold order."""
    each = [json.loads(run.metrics.read_text(encoding="utf-8"))["provenance"] for run in runs]
    names = (
        *("labels", "labelled_faces", "unlabelled_faces", "images_seen", "training_seconds", "config_hash"),
        *("selection", "selected_step", "threshold"),
    )
    return {"per_fold": {name: [settings[name] for settings in each] for name in names}}


def _agreed(per_fold: dict[str, list[Any]]) -> dict[str, Any]:
    """Return what is said of all folds at once: a choice on the test fold of any is a mark on all."""
    from .protocols.selection import is_marked

    rules = per_fold["selection"]
    marked = next((rule for rule in rules if is_marked(rule)), rules[0])
    same = len(set(per_fold["threshold"])) == 1
    return {
        "selection": marked,
        "selected_step": None,
        "threshold": per_fold["threshold"][0] if same else None,
    }


def evaluate(run: PathLike, store: PathLike | None = None) -> dict[str, Any]:
    """Score a run on its held-out subjects, or on another store; a folder of all folds is scored pooled."""
    from .data.joined import open_stores
    from .inference.evaluation import evaluate_run

    folders = sorted(Path(run).glob("fold-*/"), key=lambda folder: int(folder.name.partition("-")[2]))
    if folders and store is None:
        for folder in folders:
            evaluate_run(folder)
        return _pool(Path(run), folders)
    if folders:
        raise InputError(
            "holds several folds", path=run, remedy=f"Name one of them to evaluate on another store: {folders[0]}"
        )
    return evaluate_run(Path(run), None if store is None else open_stores(store))


def load(run: PathLike) -> "NetworkCoder":
    """Return the trained model of a run: call it on aligned faces (B, S, S, 3) uint8 RGB."""
    from .inference.model import load_coder

    return load_coder(run)


def predict(
    run: PathLike,
    inputs: Sequence[PathLike],
    out: PathLike,
    *,
    overlay: PathLike | None = None,
    plot: PathLike | None = None,
) -> "Summary":
    """Code photos, folders and videos into a CSV or Parquet file `out`."""
    from .inference.pipeline import predict as code

    return code(
        load(run),
        [Path(path) for path in inputs],
        Path(out),
        overlay=None if overlay is None else Path(overlay),
        plot=None if plot is None else Path(plot),
    )


def report(
    out: PathLike, results: Sequence[PathLike], *, codes: Sequence[PathLike] = (), stills: Sequence[PathLike] = ()
) -> Path:
    """Write one self-contained HTML page that compares results; codes and stills are what `predict` wrote."""
    from .reports.page import report as write

    return write(
        Path(out),
        [Path(path) for path in results],
        codes=[Path(path) for path in codes],
        stills=[Path(path) for path in stills],
    )
