"""Training on a store's folds, and scoring what was trained: from what the user names to runs on disk."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .coders import is_coder_name
from .errors import InputError
from .files import refuse_existing, write_json
from .given import Aus, PathLike, Paths, Settings, listed, listed_aus

if TYPE_CHECKING:
    from .data.joined import AnyStore
    from .engine.config import RunConfig
    from .protocols.folds import Protocol

DEFAULT_PROTOCOL = "holdout:25%"


def train(
    method: str,
    store: Paths,
    out: PathLike,
    *,
    unlabelled: Paths | None = None,
    labels_from: PathLike | None = None,
    protocol: str = DEFAULT_PROTOCOL,
    fold: int | str = 1,
    labels: str = "all",
    recipe: str = "small",
    aus: Aus = (),
    settings: Settings = (),
    devices: int = 1,
    resume: bool = False,
    **overrides: Any,
) -> dict[str, Any]:
    """Train `method` on a store and score it on the fold's held-out subjects; return the metrics.

    store: one, or several to be joined (subjects are then called `corpus:subject`). fold: 1-based, or "all" for one
    run a fold in OUT/fold-1 … and pooled scores in OUT. labels_from: answers of `label`, in place of the store's
    labels, with limits by the rule for chosen frames unless another is set; people kept for the test are then tested
    on (nobody, in a store of one), or whom `protocol` names. overrides: dotted settings with `__` for the dot. A recipe
    with a sweep makes a run a value in OUT/setting-value, and the metrics of each are returned under `runs`. Raises
    InputError on anything the user can mend.
    """
    from .engine.config import read_sweep, sweep_runs

    given: dict[str, Any] = {"unlabelled": unlabelled, "protocol": protocol, "fold": fold, "labels": labels}
    given |= {"labels_from": None if labels_from is None else Path(labels_from)}
    given |= {"recipe": recipe, "aus": listed_aus(aus), "devices": devices} | overrides
    settings = listed(settings)
    sweep = read_sweep(method, recipe)
    if sweep is None:
        return _train_folds(method, store, Path(out), settings, resume, **given)
    runs = {
        str(run): _train_folds(method, store, run, [*settings, setting], resume and run.exists(), **given)
        for run, setting in sweep_runs(sweep, Path(out))
    }
    return {"runs": runs}


def _train_folds(
    method: str,
    store: Paths,
    out: Path,
    settings: Sequence[str],
    resume: bool,
    *,
    unlabelled: Paths | None,
    labels_from: Path | None,
    protocol: str,
    fold: int | str,
    labels: str,
    recipe: str,
    aus: Sequence[int],
    devices: int,
    **overrides: Any,
) -> dict[str, Any]:
    """Train one fold, or all, with one value of every setting; arguments as of `train`."""
    from .data.answered import with_answers
    from .data.joined import open_stores
    from .engine.config import resolve
    from .engine.processes import first_process
    from .engine.run import RunFolder
    from .inference.pooling import pool_folds

    if labels_from is not None and not any(each.startswith("selection.threshold") for each in settings):
        overrides = {"selection__threshold": "chosen-frames"} | overrides
    config = resolve(method, recipe, tuple(settings), aus=tuple(aus) or None, **overrides)
    labelled = open_stores(store)
    extra = None if unlabelled is None else open_stores(unlabelled)
    if labels_from is not None:
        kept = RunFolder(out).answers
        labelled = with_answers(labelled, kept if resume and kept.is_file() else labels_from)
    plan = make_plan(labelled, protocol, config.split_seed)
    for note in (*plan.notes, *start_notes(config, labelled)):
        print(f"note: {note}", file=sys.stderr)
    if str(fold) != "all":
        number = fold_number(fold, len(plan.folds))
        return _train_one(config, labelled, out, plan, number, labels, extra, devices, resume)
    if not resume:
        RunFolder(out).refuse_existing()
    folders = [out / f"fold-{number}" for number in range(1, len(plan.folds) + 1)]
    for number, folder in enumerate(folders, start=1):
        _train_one(config, labelled, folder, plan, number, labels, extra, devices, resume and folder.exists())
    return pool_folds(out, folders) if first_process() else {}


def start_notes(config: "RunConfig", store: "AnyStore") -> list[str]:
    """Return what is to be known of where a training begins: what a network leaves behind of the packaged coder."""
    from .engine.beneath import with_beneath
    from .methods.registry import method_class

    if not is_coder_name(config.network.init) or method_class(config.name).at_once:
        return []
    if with_beneath(config, store).network.beneath:
        return []
    return [
        "a network takes over the coder's pixels alone, and not what its linear models know; `train instant` takes "
        "over all, and was far ahead where both were measured (docs/methods/coder.md)"
    ]


def make_plan(store: "AnyStore", protocol: str, split_seed: int) -> "Protocol":
    """Return the protocol of that name for the people of `store`."""
    from .data.answered import tested_people
    from .data.people import person_names
    from .protocols.drawn import everyone, tested_on
    from .protocols.folds import make_protocol
    from .protocols.partitions import partition_people

    wanted = partition_people(str(protocol))
    for part in store.parts if wanted else ():
        group = part.info.source.get("people")
        if group not in (None, wanted):
            raise InputError(
                f"{protocol} divides the people of {wanted}, and these are of {group}",
                path=part.path,
                remedy="Use that data set's own protocol, or kfold:3",
            )
    people = store.strings("subject").tolist()
    if protocol == DEFAULT_PROTOCOL and (tested := tested_people(store)):
        return tested_on(tested, sorted(set(people)), person_names(store))
    if protocol == DEFAULT_PROTOCOL and len(set(people)) == 1 and store.parts[0].given is not None:
        return everyone(people)
    return make_protocol(protocol, people, split_seed, person=person_names(store))


def protocol(
    store: Paths,
    *,
    protocol: str = DEFAULT_PROTOCOL,
    labels: str = "all",
    unlabelled: Paths | None = None,
    out: PathLike | None = None,
    fold: int | str = "all",
    settings: Settings = (),
    aus: Aus = (),
    **overrides: Any,
) -> list[dict[str, Any]]:
    """Return the card of each fold, as `train` would write it to protocol.json, without training anything.

    The arguments are those of `train`; fold: 1-based, or "all". out: also write the folds there, as JSON that
    `protocol` takes again. Each card has besides `reach`, of `engine.reach`, and `warnings`: what cannot be learned or
    scored.
    """
    from .data.joined import open_stores
    from .engine.config import resolve_plan
    from .engine.plan import describe
    from .engine.reach import reach, warnings
    from .engine.training_set import training_set, with_aus

    labelled = open_stores(store)
    extra = None if unlabelled is None else open_stores(unlabelled)
    config = resolve_plan(tuple(listed(settings)), aus=listed_aus(aus) or None, **overrides)
    plan = make_plan(labelled, protocol, config.split_seed)
    config = with_aus(config, plan, labelled)
    chosen = plan.folds if str(fold) == "all" else [plan.folds[fold_number(fold, len(plan.folds)) - 1]]
    cards = []
    for each in chosen:
        data = training_set(labelled, extra, each, labels, config)
        found = reach(data, labelled, data.fold, config)
        told = {"reach": found, "warnings": warnings(found, learns=labels != "none", tests=bool(each.test))}
        cards.append(describe(labelled, extra, plan, data) | told)
    if out is not None:
        refuse_existing(Path(out), what="file of folds")
        write_json(Path(out), plan.as_json())
    return cards


def fold_number(fold: int | str, folds: int) -> int:
    """Return the 1-based number of a fold; raises InputError when there is none such."""
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
    from .engine.processes import first_process
    from .inference.evaluation import evaluate_run
    from .methods.registry import method_class
    from .networks.config import start_folder
    from .records import read_record
    from .run_records import MetricsRecord

    fold = plan.folds[number - 1]
    start = start_folder(config.network.init)
    own_start = None if start is None else start / f"fold-{number}"
    if own_start is not None and own_start.is_dir():  # a pre-training that has a run a fold
        config = config.model_copy(update={"network": config.network.model_copy(update={"init": str(own_start)})})
    own_teacher = Path(config.method.get("teacher") or "") / f"fold-{number}"
    if config.method.get("teacher") and own_teacher.is_dir():  # likewise
        config = config.model_copy(update={"method": config.method | {"teacher": str(own_teacher)}})
    if method_class(config.name).at_once:
        from .engine.instant import train_at_once

        run = train_at_once(config, store, out, plan, fold, labels, unlabelled, resume)
    else:
        from .engine.trainer import train_fold

        run = train_fold(config, store, out, plan, fold, labels, unlabelled, devices, resume)
    if not first_process():
        return {}
    if run.metrics.exists():
        return read_record(run.metrics, MetricsRecord, what="the scores", remedy="Evaluate the run again")
    if not fold.test:
        print("note: nobody is left to test on, so the run is not scored", file=sys.stderr)
        return {}
    if labels == "none" and not _has_labels(store):
        print(f"note: {store.path} has no labels, so the run is not scored", file=sys.stderr)
        return {}
    return evaluate_run(out, store)


def _has_labels(store: "AnyStore") -> bool:
    return bool((store.occurrence() >= 0).any() or (store.intensity() >= 0).any())


def evaluate(
    run: PathLike, store: PathLike | None = None, *, misalign: PathLike | None = None, csv: PathLike | None = None
) -> dict[str, Any]:
    """Score a run on its held-out subjects, or on another store; a folder of all folds is scored pooled.

    misalign: also score faces cut out ever worse, into this new folder, and return that as `alignment`; see
    `reports.alignment.misaligned_scores`. Not for a folder of all folds. csv: also write the predictions there.
    """
    if csv is not None:
        refuse_existing(Path(csv), what="CSV of predictions")
    if misalign is None:
        return _evaluate(run, store, csv)
    from .data.joined import open_stores
    from .inference.model import load_coder
    from .reports.alignment import misaligned_scores

    refuse_existing(Path(misalign), what="folder of the alignment report")
    load_coder(run)  # tells of a folder of all folds before any work
    metrics = _evaluate(run, store, csv)
    other = None if store is None else open_stores(store)
    return metrics | {"alignment": misaligned_scores(Path(run), Path(misalign), other)}


def _evaluate(run: PathLike, store: PathLike | None, csv: PathLike | None) -> dict[str, Any]:
    from .data.joined import open_stores
    from .inference.evaluation import evaluate_run
    from .inference.pooling import pool_folds

    beside = None if csv is None else Path(csv)
    folders = sorted(Path(run).glob("fold-*/"), key=lambda folder: int(folder.name.partition("-")[2]))
    if folders and store is None:
        for folder in folders:
            evaluate_run(folder)
        return pool_folds(Path(run), folders, beside)
    if folders:
        raise InputError(
            "holds several folds", path=run, remedy=f"Name one of them to evaluate on another store: {folders[0]}"
        )
    return evaluate_run(Path(run), None if store is None else open_stores(store), beside)
