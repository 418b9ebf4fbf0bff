"""The Python face of the program: one function a stage; the command line is a thin skin over these."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .coders import LATEST, coder_folder, coder_names, is_coder_name, read_card
from .errors import InputError
from .facs import parse_aus
from .files import refuse_existing, write_json

One = TypeVar("One", bound=str | Path)
if TYPE_CHECKING:
    from .data.joined import AnyStore
    from .data.store import Store
    from .engine.config import RunConfig
    from .faces.flow import FlowSummary
    from .inference.contract import Coder
    from .inference.many.folder import FolderSummary
    from .inference.many.gather import Gathered
    from .inference.origin import Origin
    from .inference.outcome import Summary
    from .protocols.folds import Protocol
    from .shards import Shard

PathLike = str | Path
Paths = PathLike | Sequence[PathLike]
"""One path, or several."""
Settings = str | Sequence[str]
Aus = int | str | Sequence[int]
"""AUs as 12, "1,2,12" or (1, 2, 12)."""
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
    """Turn images and videos into store `out` of aligned faces; settings as of `faces.prepare.make_store`."""
    from .faces.prepare import prepare as run

    return run(Path(source), Path(out), labels=None if labels is None else Path(labels), **settings)


def prepare_shard(
    source: PathLike, out: PathLike, shard: "Shard", *, labels: PathLike | None = None, **settings: Any
) -> "Store | None":
    """Make a shard's share of store `out`; return the store once it is whole, None while others' parts are lacking."""
    from .faces.prepare import make_store

    labels = None if labels is None else Path(labels)
    return make_store(Path(source), Path(out), shard=shard, labels=labels, **settings)


def flow(store: PathLike, **settings: Any) -> "FlowSummary":
    """Compute the optical flow of a store's clips into STORE/flow; settings as of `faces.flow.flow`."""
    from .faces.flow import flow as run

    return run(Path(store), **settings)


def inspect(store: PathLike) -> dict[str, Any]:
    """Return counts, AU base rates, label gaps and rejects of a store."""
    from .data.inspection import inspect_store
    from .data.store import Store

    return inspect_store(Store(store))


def methods(name: str, *, aus: Aus = DEFAULT_AUS, recipe: str | None = None) -> dict[str, Any]:
    """Return parameters, GFLOPs, input size and paper of a method's recipe (default: the paper's)."""
    from .engine.config import recipe_names, resolve
    from .methods.cost import method_cost, pretraining_cost
    from .methods.registry import PRETRAIN, pretraining_names

    chosen = recipe or next((r for r in recipe_names(name) if r.startswith("paper")), "small")
    config = resolve(name, chosen)
    cost = method_cost(name, config.method_config(), config.network, config.task, listed_aus(aus))
    if name in pretraining_names():
        known = recipe_names(PRETRAIN + name)
        ahead = resolve(PRETRAIN + name, next((r for r in (chosen, chosen.partition("-")[0]) if r in known), "small"))
        cost |= pretraining_cost(name, ahead.method_config(), ahead.network)
    return {"recipe": chosen} | cost


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
    for note in plan.notes:
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


def listed(given: One | Sequence[One]) -> tuple[One, ...]:
    """Return what was given as one text or path, or several, as several: a text is never taken letter by letter."""
    return (given,) if isinstance(given, str | Path) else tuple(given)


def listed_aus(given: Aus) -> tuple[int, ...]:
    """Return AUs given in any way; raises InputError for what is none, 0 too."""
    return parse_aus((given,) if isinstance(given, int) else given)


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
    from .records import MetricsRecord, read_record

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


def export(run: PathLike, out: PathLike, *, batch: int | None = None) -> dict[str, Any]:
    """Write a run's network to one .onnx file that codes faces without torch or the run; return what it says of itself.

    batch: faces a call, None for any number. See `inference.export.export`.
    """
    from .inference.export import export as write

    return write(run, out, batch=batch)


def load(run: PathLike = LATEST, *, threads: int | None = None) -> "Coder":
    """Return the model of a run, an exported .onnx file or a packaged coder: call it on aligned faces.

    They are RGB, (B, S, S, 3) uint8; landmarks (B, 68, 2), pixels of them, are its second argument. Default: the
    packaged coder. threads: of an exported file; None: all cores but one.
    """
    if is_coder_name(str(run)):
        run = coder_folder(str(run))
    if Path(run).suffix.lower() == ".onnx":
        from .inference.onnx_model import OnnxCoder

        return OnnxCoder(run, threads)
    from .inference.model import load_coder

    return load_coder(run)


def predict(
    inputs: Paths,
    out: PathLike,
    run: PathLike = LATEST,
    *,
    overlay: PathLike | None = None,
    plot: PathLike | None = None,
    reference: Paths = (),
    causal: bool = False,
    smooth: float | None = None,
    every: int = 1,
    fps: float | None = None,
    **many: Any,
) -> "Summary | FolderSummary":
    """Code photos, folders and videos into a CSV or Parquet file `out`, with a .json beside it that says how; or, where
    `out` has no suffix or is a folder, each video into a file of its own there.

    run: a run folder, an exported .onnx file, or a packaged coder's name. reference: photos or videos of a resting face
    that all faces are compared with, for inputs of one person; causal: compare a face only with what was seen of it
    before. Both concern models that look at the person. smooth: seconds of a window over which a video's codes are
    smoothed; see `inference.pipeline.predict`. every, fps: which frames are coded, see `inference.sampling.Sampling`.
    many: codes, shard and workers, for a folder; see `inference.many.folder.predict_folder`.
    """
    from .inference.origin import origin_of
    from .inference.pipeline import Way
    from .inference.pipeline import predict as code
    from .inference.sampling import Sampling

    way = Way(tuple(map(Path, listed(reference))), causal, smooth, Sampling(every, fps))
    shown, out = [Path(path) for path in listed(inputs)], Path(out)
    if out.is_dir() or not out.suffix:
        from .inference.many.folder import predict_folder

        if overlay is not None or plot is not None:
            option = "--plot" if overlay is None else "--overlay"
            raise InputError(f"{option} goes with one table", path=out, remedy="Give --out a name ending in .csv")
        return predict_folder(partial(_load_with_origin, run), shown, out, way, **many)
    if many:
        options = ", ".join(f"--{'format' if name == 'codes' else name}" for name in many)
        raise InputError(f"{options}: for many files", path=out, remedy="Give --out a folder, a name without a suffix")
    coder = load(run)
    return code(
        coder,
        shown,
        out,
        overlay=None if overlay is None else Path(overlay),
        plot=None if plot is None else Path(plot),
        reference=way.reference,
        causal=causal,
        smooth=smooth,
        sampling=way.sampling,
        origin=origin_of(run, coder),
    )


def _load_with_origin(run: PathLike) -> "tuple[Coder, Origin]":
    from .inference.origin import origin_of

    coder = load(run, threads=1)  # as of every network of many files, see `inference.threads`
    return coder, origin_of(run, coder)


def gather(folder: PathLike, out: PathLike | None = None, **settings: Any) -> "Gathered":
    """Check a folder of codes and join its tables into one, `out`; settings as of `inference.many.gather.gather`."""
    from .inference.many.gather import gather as run

    return run(Path(folder), None if out is None else Path(out), **settings)


def coder_and_inputs(given: Sequence[Path]) -> tuple[Path, list[Path]]:
    """Return what codes, and what is coded, of what was given to `predict`: a coder may stand first.

    Raises InputError where nothing is left to code.
    """
    from .engine.run import RunFolder

    first = given[0]
    if not (is_coder_name(str(first)) or first.suffix.lower() == ".onnx" or RunFolder(first).begun):
        return Path(LATEST), list(given)
    if len(given) < 2:
        raise InputError("codes faces, but no photo or video was named", path=first, remedy="Name one behind it")
    return first, list(given[1:])


def coders() -> list[dict[str, Any]]:
    """Return the cards of the packaged coders, oldest first."""
    return [read_card(name) for name in coder_names()]


def coder_card(name: str = LATEST) -> dict[str, Any]:
    """Return the card of a packaged coder: what it is, how it was made, its terms, its scores, what it cannot do."""
    return read_card(coder_folder(name).name)


def report(out: PathLike, results: Paths, *, codes: Paths = (), stills: Paths = ()) -> Path:
    """Write one self-contained HTML page that compares results; codes and stills are what `predict` wrote."""
    from .reports.page import report as write

    return write(
        Path(out),
        [Path(path) for path in listed(results)],
        codes=[Path(path) for path in listed(codes)],
        stills=[Path(path) for path in listed(stills)],
    )
