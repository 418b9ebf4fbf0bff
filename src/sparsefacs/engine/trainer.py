"""From a store and a configuration to a trained run: folds, visible labels, streams, optimisers, loop, model."""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.augmentation import AugmentationConfig, check_flow
from ..data.batches import Batch, Batches, FaceLoader, FaceStream, LabelStream, Loader, RowStream
from ..data.clips import ClipLoader, Tracks
from ..data.joined import AnyStore, paths_of
from ..data.people import SeenPeople, people_of, person_names, same_people
from ..data.store import UNLABELLED, Store
from ..errors import InputError
from ..faces.alignment import FaceRecipe
from ..files import hash_json, read_json, sha256_file
from ..methods.contract import Method, Needs, Setting
from ..methods.registry import method_class
from ..networks.backbone import start_folder
from ..protocols.budgets import VisibleLabels, apply_budget, budget_card
from ..protocols.card import card_text, protocol_card
from ..protocols.combinations import kept_combinations
from ..protocols.folds import Fold, Protocol
from ..protocols.selection import SelectionRule, draw_validation
from .checkpoint import load_checkpoint
from .config import RunConfig
from .devices import make_fabric
from .loop import Training, fit
from .optimisers import make_optimisers
from .run import RunFolder
from .selection import FIXED_THRESHOLD, Selector, check_steps
from .trained import load_trained

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class TrainingSet:
    """The faces a fold trains on: rows (over the stores in order) with and without visible labels, and the labels.

    fold: as it is in effect, validation subjects taken out of the training ones. rule: the selection rule in effect.
    selection, selection_truth, selection_subject: the rows (of the labelled store) that the epoch is chosen on, their
    labels (M, A) of the task, −1 or NaN where hidden, and subjects. budget: what `budget_card` says of the visible
    labels. seen: whose faces have a part in the training or in choosing from it. labelled_before: how many faces of the
    training people carry labels of the task in the store, whatever the budget.
    """

    stores: tuple[Store, ...]
    fold: Fold
    rule: SelectionRule
    labelled: NDArray[np.int64]
    unlabelled: NDArray[np.int64]
    occurrence: NDArray[np.int8]
    intensity: NDArray[np.float32]
    visible: VisibleLabels
    budget: dict[str, Any]
    selection: NDArray[np.int64]
    selection_truth: NDArray[Any]
    selection_subject: NDArray[np.str_]
    seen: SeenPeople
    labelled_before: int

    def epoch_faces(self, config: RunConfig) -> int:
        """Return how many faces an epoch has: so that with `epoch_of: all` a budget changes no length."""
        return self.labelled_before if config.training.epoch_of == "all" else len(self.labelled)


def training_set(
    store: AnyStore, unlabelled: AnyStore | None, fold: Fold, labels: str, config: RunConfig
) -> TrainingSet:
    """Return what fold `fold` may train on under label budget `labels`, and what it chooses its epoch on.

    The budget is of all labels that anyone looks at before the test: training and validation subjects together.
    Faces of test and validation people are left out of every part that is trained on, the unlabelled store included.
    Raises InputError when no label is left, or the stores hold faces cut differently.
    """
    subject = store.strings("subject")
    given = _task_labels(store, config)
    budgeted = np.flatnonzero(np.isin(subject, (*fold.train, *fold.validation)))
    visible = apply_budget(
        labels,
        subject=subject,
        clip=store.strings("clip"),
        frame=store.numbers("frame"),
        occurrence=given[0],
        intensity=given[1],
        rows=budgeted,
        seed=config.split_seed,
    )
    budget = budget_card(visible, config.aus, *given, subject, budgeted)
    if config.task == "occurrence":
        clip, frame = store.strings("clip"), store.numbers("frame")
        budget["combinations"] = kept_combinations(
            visible.mask, given[0], subject, clip, frame, budgeted, config.split_seed
        )
    occurrence, intensity = visible.hide(*given)
    shown = visible.mask.any(axis=1)
    fold, rule = _with_validation(fold, np.unique(subject[shown]).tolist(), store, config)
    training = np.isin(subject, fold.train)
    labelled = np.flatnonzero(shown & training)
    if len(labelled) == 0:
        raise InputError(
            f"no {config.task} label of AUs {','.join(map(str, config.aus))} is left to train on",
            path=store.path,
            remedy="Use a larger --labels budget, or a store with labels of the training subjects",
        )
    truths = given if rule == "published-practice" else (occurrence, intensity)
    truth = truths[1] if config.task == "intensity" else truths[0]
    chosen_on = {"validation": fold.validation, "published-practice": fold.test, "last": ()}[rule]
    selection = np.flatnonzero(np.isin(subject, chosen_on) & (truth >= 0).any(axis=1))
    free = np.flatnonzero(training & ~shown)
    stores = store.parts
    if unlabelled is not None:
        free = np.concatenate([free, len(store) + _rows_beside(store, unlabelled, fold)])
        stores = (*stores, *unlabelled.parts)
        blank = (len(unlabelled), len(config.aus))
        occurrence = np.concatenate([occurrence, np.full(blank, UNLABELLED, np.int8)])
        intensity = np.concatenate([intensity, np.full(blank, np.nan, np.float32)])
    seen = SeenPeople.of(store, (*fold.train, *fold.validation), unlabelled) | _seen_before(config, store, fold)
    return TrainingSet(
        stores,
        fold,
        rule,
        labelled,
        free,
        occurrence,
        intensity,
        visible,
        budget,
        selection,
        truth[selection],
        subject[selection],
        seen,
        int(((given[1] if config.task == "intensity" else given[0])[training] >= 0).any(axis=1).sum()),
    )


def _rows_beside(store: AnyStore, unlabelled: AnyStore, fold: Fold) -> NDArray[np.int64]:
    """Return the rows of the unlabelled store that may be trained on: nobody who is tested or validated on.

    Raises InputError when it is the labelled store, or holds faces cut differently.
    """
    if {part.path.resolve() for part in store.parts} & {part.path.resolve() for part in unlabelled.parts}:
        raise InputError(
            "is the labelled store itself",
            path=unlabelled.path,
            remedy="Leave --unlabelled out: its faces without visible labels are used as it is",
        )
    if unlabelled.info.recipe_hash != store.info.recipe_hash:
        raise InputError(
            "its faces are cut differently from the labelled store's",
            path=unlabelled.path,
            remedy="Prepare both with the same --size, --landmarks and version",
        )
    people = people_of(store)
    kept_apart = [people[name] for name in (*fold.test, *fold.validation)]
    return np.flatnonzero(~same_people(unlabelled, kept_apart))


def _seen_before(config: RunConfig, store: AnyStore, fold: Fold) -> SeenPeople:
    """Return whose faces the start weights and the teacher have seen.

    Raises InputError when someone tested on is among them, or the teacher learned on faces cut differently.
    """
    teacher = config.method_config().teacher_run()
    start = start_folder(config.network.init)
    seen = SeenPeople(frozenset()) if start is None else _seen_by(RunFolder(start), store, fold)
    if teacher is None:
        return seen
    run = RunFolder(teacher)
    if FaceRecipe(**run.read_model()["recipe"]).hash != store.info.recipe_hash:
        raise InputError(
            "the teacher learned on faces cut differently from the store's",
            path=run.path,
            remedy="Name a teacher trained on this store, or prepare both with the same --size and --landmarks",
        )
    return seen | _seen_by(run, store, fold)


def _seen_by(run: RunFolder, store: AnyStore, fold: Fold) -> SeenPeople:
    """Return whose faces a run has seen; raises InputError when someone tested on is among them."""
    plan = read_json(run.protocol, what="the protocol of the run to start from", remedy="Train it again")
    seen = SeenPeople.from_json(plan["seen"])
    known = seen.rows(store) & np.isin(store.strings("subject"), fold.test)
    if known.any():
        people = len(np.unique(store.strings("subject")[known]))
        raise InputError(
            f"was trained on faces of {people} people that fold {fold.name} tests on",
            path=run.path,
            remedy="Train that run on other people, or with --protocol, --fold and --split-seed as here",
        )
    return seen


def _task_labels(store: AnyStore, config: RunConfig) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return the store's labels (M, A) of the AUs in question, those of the other task left out."""
    occurrence, intensity = store.occurrence(config.aus), store.intensity(config.aus)
    if config.task == "intensity":
        return np.full_like(occurrence, UNLABELLED), intensity
    return occurrence, np.full_like(intensity, np.nan)


def _with_validation(fold: Fold, labelled: list[str], store: AnyStore, config: RunConfig) -> tuple[Fold, SelectionRule]:
    """Return the fold and the rule in effect: with too few labelled subjects to spare one, the last epoch is kept."""
    rule = config.selection.rule
    if rule != "validation":
        return fold, rule
    if not fold.validation:
        drawn = draw_validation(
            fold.train, labelled, config.selection.share, config.split_seed, person=person_names(store)
        )
        fold = fold.with_validation(drawn)
    return fold, rule if set(labelled) & set(fold.validation) else "last"


def make_batches(
    data: TrainingSet, config: RunConfig, needs: Needs, pool: ThreadPoolExecutor, rank: int = 0, world: int = 1
) -> Batches:
    """Return the streams of `data` for process `rank` of `world`; all are functions of the seed."""
    seed, sizes, length = config.seed, config.data, needs.clip_length
    tracks = None if length is None else Tracks(data.stores)

    def stream(rows: NDArray[np.int64], size: int, order: int, view: AugmentationConfig, chance: int) -> FaceStream:
        check_flow(view, needs.flow_side)
        loader = FaceLoader(
            data.stores,
            data.occurrence,
            data.intensity,
            needs.side or config.network.input_size,
            view,
            seed * 10 + chance,
            needs.flow_side,
            config.network.crop,
        )
        drawn: Loader = loader if tracks is None or length is None else ClipLoader(loader, tracks, length)
        return FaceStream(drawn, RowStream(rows, size, seed * 10 + order), pool, rank, world)

    weak, strong = sizes.augmentation, sizes.strong or sizes.augmentation
    unlabelled = data.unlabelled
    if tracks is not None and length is not None:
        unlabelled = tracks.away_from(unlabelled, data.labelled, length)
    free = unlabelled if needs.unlabelled and len(unlabelled) else None
    return Batches(
        labelled_faces=stream(data.labelled, sizes.labelled_batch, 1, weak, 1),
        unlabelled_faces=None if free is None else stream(free, sizes.unlabelled_batch, 2, weak, 2),
        label_vectors=LabelStream(data.occurrence[data.labelled], seed * 10 + 3, rank, world),
        second_view=None if free is None or not needs.two_views else stream(free, sizes.unlabelled_batch, 2, strong, 5),
    )


def with_aus(config: RunConfig, protocol: Protocol, store: AnyStore) -> RunConfig:
    """Return the configuration with its AUs named: as asked, else those the protocol scores, else all of the store."""
    return config.model_copy(update={"aus": config.aus or protocol.aus.get(config.task) or store.aus})


def make_method(config: RunConfig, steps: int = 0) -> Method:
    """Return the method for a training of `steps`, its weights drawn from the seed, with its teacher if it has one."""
    import torch

    torch.manual_seed(config.seed)
    kind: Any = method_class(config.name)
    settings = config.method_config()
    made: Method = kind(settings, Setting(config.task, config.aus, config.network, steps))
    if (teacher := settings.teacher_run()) is not None:
        trained = load_trained(RunFolder(teacher))
        made.take_teacher(trained.network, trained.setting)
    return made


def total_steps(config: RunConfig, faces: int, batch: int) -> tuple[int, float]:
    """Return the number of steps, and steps a pass over `faces` faces takes, `batch` a step."""
    per_epoch = max(faces / batch, 1.0)
    if config.training.steps is not None:
        return config.training.steps, per_epoch
    return max(1, round((config.training.epochs or 1) * per_epoch)), per_epoch


def _steps(config: RunConfig, data: TrainingSet) -> tuple[int, float]:
    """Return the training's steps, and those of an epoch."""
    return total_steps(config, data.epoch_faces(config), config.data.labelled_batch)


def describe(store: AnyStore, unlabelled: AnyStore | None, protocol: Protocol, data: TrainingSet) -> dict[str, Any]:
    """Return the content of protocol.json: who trains, who tests, which labels are seen, with their hashes."""
    facts = {
        "store": paths_of(store),
        "store_hash": hash_json(store.info.as_json()),
        "recipe_hash": store.info.recipe_hash,
        "unlabelled_store": None if unlabelled is None else str(unlabelled.path.resolve()),
        "labelled_faces": len(data.labelled),
        "unlabelled_faces": len(data.unlabelled),
        "seen": data.seen.as_json(),
    }
    return protocol_card(protocol, data.fold, data.budget, data.rule, facts)


def train_fold(
    config: RunConfig,
    store: AnyStore,
    out: Path,
    protocol: Protocol,
    fold: Fold,
    labels: str,
    unlabelled: AnyStore | None = None,
    devices: int = 1,
    resume: bool = False,
) -> RunFolder:
    """Train one fold into the run folder `out`; with `resume`, go on where an earlier training stopped.

    Raises InputError when `out` exists without `resume`, or holds a run of other settings.
    """
    run = RunFolder(out)
    config = with_aus(config, protocol, store)
    data = training_set(store, unlabelled, fold, labels, config)
    plan = describe(store, unlabelled, protocol, data)
    if (teacher := config.method_config().teacher_run()) is not None:
        plan["teacher"] = {"run": teacher, "weights": sha256_file(RunFolder(teacher).weights)}
    fabric = make_fabric(devices, config.training.precision)
    fabric.launch()
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(config.data.workers))
        finished = resume and run.model.exists()
        # what cannot be built is told before there is a run folder, which would be in the way of the next attempt
        built = None if finished else _build(fabric, config, data, pool)
        if fabric.is_global_zero:
            run.begin(config.as_json(), plan, resume, first=lambda: data.visible.save(run.labels))
            print(card_text(plan), file=sys.stderr)
            _print_notes(config, data, built)
        fabric.barrier()
        if built is not None:
            _train(fabric, config, data, run, built, resume)
    fabric.barrier()
    return run


def _build(fabric: "Fabric", config: RunConfig, data: TrainingSet, pool: ThreadPoolExecutor) -> tuple[Method, Batches]:
    """Return the method and its streams on this process's device; raises InputError for what does not fit together."""
    import torch

    method = make_method(config, _steps(config, data)[0])
    method.to(fabric.device).to(memory_format=torch.channels_last)
    batches = make_batches(data, config, method.needs(), pool, fabric.global_rank, fabric.world_size)

    def place(batch: Batch) -> Batch:
        return batch.to(fabric.device)

    batches.place = place
    return method, batches


def _print_notes(config: RunConfig, data: TrainingSet, built: tuple[Method, Batches] | None) -> None:
    """Tell what is not as was asked for."""
    if config.selection.rule != data.rule:
        print("note: no labelled subject can be spared to validate on, so the last epoch is kept", file=sys.stderr)
    if data.rule == "last" and config.selection.patience is not None:
        print("note: there is no score to stop early on, so the training takes its whole length", file=sys.stderr)
    if built is not None and built[0].needs().unlabelled and built[1].unlabelled_faces is None:
        print(
            f"note: there are no faces without labels, so {config.name} learns from labelled ones alone; "
            "a smaller --labels or --unlabelled STORE gives it some",
            file=sys.stderr,
        )


def _train(
    fabric: "Fabric",
    config: RunConfig,
    data: TrainingSet,
    run: RunFolder,
    built: tuple[Method, Batches],
    resume: bool,
) -> None:
    from torch import nn

    method, batches = built
    optimisers = make_optimisers(method.parameters_by_optimiser(), config.optimiser, config.data.labelled_batch)
    steps, per_epoch = _steps(config, data)
    checked = frozenset[int]() if data.rule == "last" else check_steps(steps, config.selection.checks)
    selector = _selector(data, config, checked) if checked and fabric.is_global_zero else None
    start, before = 0, 0.0
    if resume and run.checkpoint.exists():
        start, before = load_checkpoint(run.checkpoint, method, optimisers, batches, selector)
    training = Training(fabric, method, optimisers, batches, config, run, steps, per_epoch, selector, checked)
    fit(training, start, before)
    if fabric.is_global_zero:
        setting = Setting(config.task, config.aus, config.network)
        kept = None if selector is None else selector.kept
        if beside := method.kept_beside():
            run.write_auxiliary(nn.ModuleDict(beside).state_dict())
        run.write_model(
            setting,
            data.stores[0].info.recipe,
            config.name,
            method.predictor().state_dict() if kept is None else kept["weights"],
            threshold=FIXED_THRESHOLD if kept is None else kept["threshold"],
            step=steps if kept is None else kept["step"],
            settings=config.method,
        )


def _selector(data: TrainingSet, config: RunConfig, checked: frozenset[int]) -> Selector:
    """Return what chooses the epoch, after the steps `checked`."""
    return Selector(
        setting=Setting(config.task, config.aus, config.network),
        stores=data.stores,
        rows=data.selection,
        subject_M=data.selection_subject,
        truth_MA=data.selection_truth,
        steps=checked,
        heed_luck=data.rule == "validation",
        threshold_chosen=config.selection.threshold == "chosen",
        by_loss=config.selection.score == "loss",
    )
