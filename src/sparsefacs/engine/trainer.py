"""From a store and a configuration to a trained run: folds, visible labels, streams, optimisers, loop, model."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.batches import Batch, Batches, FaceLoader, FaceStream, LabelStream, RowStream
from ..data.store import UNLABELLED, Store
from ..errors import InputError
from ..files import hash_json, read_json, refuse_existing, write_json
from ..methods.contract import Method, Setting
from ..methods.registry import method_class
from ..protocols.budgets import VisibleLabels, apply_budget
from ..protocols.folds import Fold, Protocol
from .checkpoint import load_checkpoint
from .config import RunConfig
from .devices import make_fabric
from .loop import Training, fit
from .optimisers import make_optimisers
from .run import RunFolder

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class TrainingSet:
    """The faces a fold trains on: rows (over the stores in order) with and without visible labels, and the labels."""

    stores: tuple[Store, ...]
    labelled: NDArray[np.int64]
    unlabelled: NDArray[np.int64]
    occurrence: NDArray[np.int8]
    intensity: NDArray[np.float32]
    visible: VisibleLabels


def training_set(store: Store, unlabelled: Store | None, fold: Fold, labels: str, config: RunConfig) -> TrainingSet:
    """Return what fold `fold` may train on under label budget `labels`.

    Faces of test subjects are left out of every part, the unlabelled store included (subjects match by name).
    Raises InputError when no label is left, or the stores hold faces cut differently.
    """
    aus = config.aus
    subject = store.strings("subject")
    rows = np.flatnonzero(np.isin(subject, fold.train))
    occurrence, intensity = store.occurrence(aus), store.intensity(aus)
    if config.task == "intensity":
        occurrence = np.full_like(occurrence, UNLABELLED)
    else:
        intensity = np.full_like(intensity, np.nan)
    visible = apply_budget(
        labels,
        subject=subject,
        clip=store.strings("clip"),
        frame=store.numbers("frame"),
        occurrence=occurrence,
        intensity=intensity,
        rows=rows,
        seed=config.split_seed,
    )
    occurrence, intensity = visible.hide(occurrence, intensity)
    labelled = np.flatnonzero(visible.mask.any(axis=1))
    if len(labelled) == 0:
        raise InputError(
            f"no {config.task} label of AUs {','.join(map(str, aus))} is left to train on",
            path=store.path,
            remedy="Use a larger --labels budget, or a store with labels of the training subjects",
        )
    free = np.setdiff1d(rows, labelled)
    stores: tuple[Store, ...] = (store,)
    if unlabelled is not None:
        if unlabelled.info.recipe_hash != store.info.recipe_hash:
            raise InputError(
                "its faces are cut differently from the labelled store's",
                path=unlabelled.path,
                remedy="Prepare both with the same --size and version",
            )
        others = np.flatnonzero(~np.isin(unlabelled.strings("subject"), fold.test))
        free = np.concatenate([free, len(store) + others])
        stores = (store, unlabelled)
        blank = (len(unlabelled), len(aus))
        occurrence = np.concatenate([occurrence, np.full(blank, UNLABELLED, np.int8)])
        intensity = np.concatenate([intensity, np.full(blank, np.nan, np.float32)])
    return TrainingSet(stores, labelled, free, occurrence, intensity, visible)


def make_batches(
    data: TrainingSet, config: RunConfig, use_unlabelled: bool, pool: ThreadPoolExecutor, rank: int = 0, world: int = 1
) -> Batches:
    """Return the streams of `data` for process `rank` of `world`; all are functions of the seed."""
    seed, sizes = config.seed, config.data

    def stream(rows: NDArray[np.int64], size: int, salt: int) -> FaceStream:
        loader = FaceLoader(
            data.stores,
            data.occurrence,
            data.intensity,
            config.network.input_size,
            config.data.augmentation,
            seed * 10 + salt,
        )
        return FaceStream(loader, RowStream(rows, size, seed * 10 + salt), pool, rank, world)

    free = data.unlabelled if use_unlabelled and len(data.unlabelled) else None
    return Batches(
        labelled_faces=stream(data.labelled, sizes.labelled_batch, 1),
        unlabelled_faces=None if free is None else stream(free, sizes.unlabelled_batch, 2),
        label_vectors=LabelStream(data.occurrence[data.labelled], seed * 10 + 3, rank, world),
    )


def make_method(config: RunConfig) -> Method:
    """Return the method, its weights drawn from the seed."""
    import torch

    torch.manual_seed(config.seed)
    return method_class(config.name)(config.method_config(), Setting(config.task, config.aus, config.network))


def total_steps(config: RunConfig, labelled: int) -> tuple[int, float]:
    """Return the number of steps, and steps a pass over the labelled faces takes."""
    per_epoch = max(labelled / config.data.labelled_batch, 1.0)
    if config.training.steps is not None:
        return config.training.steps, per_epoch
    return max(1, round((config.training.epochs or 1) * per_epoch)), per_epoch


def describe(
    store: Store, unlabelled: Store | None, protocol: Protocol, fold: Fold, data: TrainingSet
) -> dict[str, Any]:
    """Return the content of protocol.json: who trains, who tests, which labels are seen, with their hashes."""
    return {
        "protocol": protocol.as_json(),
        "protocol_hash": protocol.hash,
        "fold": {"name": fold.name, "train": list(fold.train), "test": list(fold.test)},
        "labels": data.visible.as_json(),
        "store": str(store.path.resolve()),
        "store_hash": hash_json(store.info.as_json()),
        "recipe_hash": store.info.recipe_hash,
        "unlabelled_store": None if unlabelled is None else str(unlabelled.path.resolve()),
        "labelled_faces": len(data.labelled),
        "unlabelled_faces": len(data.unlabelled),
        "selection_rule": "last epoch (no choice was made on any score)",
    }


def train_fold(
    config: RunConfig,
    store: Store,
    out: Path,
    protocol: Protocol,
    fold: Fold,
    labels: str,
    unlabelled: Store | None = None,
    devices: int = 1,
    resume: bool = False,
) -> RunFolder:
    """Train one fold into the run folder `out`; with `resume`, go on where an earlier training stopped.

    Raises InputError when `out` exists without `resume`, or holds a run of other settings.
    """
    run = RunFolder(out)
    config = config.model_copy(update={"aus": config.aus or store.aus})
    data = training_set(store, unlabelled, fold, labels, config)
    plan = describe(store, unlabelled, protocol, fold, data)
    fabric = make_fabric(devices, config.training.precision)
    fabric.launch()
    if fabric.is_global_zero:
        _begin(run, config, plan, data, resume)
    fabric.barrier()
    if run.model.exists():
        return run
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(config.data.workers))
        _train(fabric, config, data, run, pool, resume)
    fabric.barrier()
    return run


def _begin(run: RunFolder, config: RunConfig, plan: dict[str, Any], data: TrainingSet, resume: bool) -> None:
    if resume and run.config.exists():
        kept = read_json(run.protocol, what="the run's protocol", remedy="Delete the run folder and train again")
        if run.read_config() != config.as_json() or kept != plan:
            raise InputError(
                "holds a run with other settings, folds or labels",
                path=run.path,
                remedy="Resume with the very command that began it, or choose another folder",
            )
        return
    refuse_existing(run.path, what="run folder")
    run.path.mkdir(parents=True, exist_ok=True)
    data.visible.save(run.labels)
    write_json(run.protocol, plan)
    run.write_config(config.as_json())


def _train(
    fabric: "Fabric", config: RunConfig, data: TrainingSet, run: RunFolder, pool: ThreadPoolExecutor, resume: bool
) -> None:
    import torch

    method = make_method(config)
    method.to(fabric.device).to(memory_format=torch.channels_last)
    optimisers = make_optimisers(method.parameters_by_optimiser(), config.optimiser)
    batches = make_batches(data, config, method.uses_unlabelled(), pool, fabric.global_rank, fabric.world_size)

    def place(batch: Batch) -> Batch:
        return batch.to(fabric.device)

    batches.place = place
    start, before = 0, 0.0
    if resume and run.checkpoint.exists():
        start, before = load_checkpoint(run.checkpoint, method, optimisers, batches)
    steps, per_epoch = total_steps(config, len(data.labelled))
    training = Training(fabric, method, optimisers, batches, config, run, steps, per_epoch)
    fit(training, start, before)
    if fabric.is_global_zero:
        setting = Setting(config.task, config.aus, config.network)
        run.write_model(setting, data.stores[0].info.recipe, config.name, method.predictor().state_dict())
