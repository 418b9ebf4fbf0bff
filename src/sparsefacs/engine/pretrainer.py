"""From a store to a pre-trained trunk: faces in two views, no label read, the same loop as a training."""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.batches import FaceLoader, FaceStream, RowStream, Views
from ..data.joined import AnyStore, paths_of
from ..data.people import SeenPeople
from ..data.store import UNLABELLED
from ..files import hash_json
from ..methods.contract import Pretraining, Setting
from ..methods.registry import pretraining_class
from ..protocols.folds import Fold, Protocol
from .checkpoint import load_checkpoint
from .config import RunConfig
from .devices import make_fabric
from .held_out import HeldOut
from .lineage import lineage
from .loop import Training, fit
from .optimisers import make_optimisers
from .run import RunFolder
from .selection import check_steps
from .trainer import total_steps, with_precision

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def pretraining_rows(store: AnyStore, fold: Fold | None) -> NDArray[np.int64]:
    """Return the rows to learn from: every face, or those of the people whom `fold` does not test on."""
    if fold is None:
        return np.arange(len(store))
    return np.flatnonzero(np.isin(store.strings("subject"), (*fold.train, *fold.validation)))


def make_views(
    store: AnyStore, rows: NDArray[np.int64], config: RunConfig, pool: ThreadPoolExecutor, rank: int = 0, world: int = 1
) -> Views:
    """Return the streams of `rows` for process `rank` of `world`: one order of faces, two augmentations of each.

    The labels of a batch are blank: none is read.
    """
    blank = np.broadcast_to(np.int8(UNLABELLED), (len(store), 0)), np.broadcast_to(np.float32(np.nan), (len(store), 0))

    def stream(salt: int) -> FaceStream:
        loader = FaceLoader(
            store.parts,
            *blank,
            config.network.input_size,
            config.data.augmentation,
            config.seed * 10 + salt,
            crop=config.network.crop,
        )
        drawn = config.data.unlabelled_batch // config.training.accumulate
        order = RowStream(rows, drawn, config.seed * 10 + 4)
        return FaceStream(loader, order, pool, rank, world)

    return Views(stream(4), stream(5))


def make_pretraining(config: RunConfig) -> Pretraining:
    """Return the pre-training, its weights drawn from the seed."""
    import torch

    torch.manual_seed(config.seed)
    kind: Any = pretraining_class(config.name)
    made: Pretraining = kind(config.method_config(), Setting(config.task, (), config.network))
    return made


def describe(store: AnyStore, protocol: Protocol | None, fold: Fold | None, rows: NDArray[np.int64]) -> dict[str, Any]:
    """Return the content of protocol.json: whose faces are learned from, with hashes."""
    names = np.unique(store.strings("subject")[rows]).tolist()
    return {
        "protocol": None if protocol is None else protocol.as_json(),
        "protocol_hash": None if protocol is None else protocol.hash,
        "fold": None if fold is None else fold.as_json(),
        "store": paths_of(store),
        "store_hash": hash_json(store.info.as_json()),
        "recipe_hash": store.info.recipe_hash,
        "faces": len(rows),
        "subjects": len(names),
        "seen": SeenPeople.of(store, names, None).as_json(),
    }


def pretrain_fold(
    config: RunConfig,
    store: AnyStore,
    out: Path,
    protocol: Protocol | None = None,
    fold: Fold | None = None,
    devices: int = 1,
    resume: bool = False,
) -> RunFolder:
    """Pre-train on the faces of `store` into run folder `out`; with `resume`, go on where an earlier one stopped.

    Raises InputError when `out` exists without `resume`, or holds a run of other settings.
    """
    run = RunFolder(out)
    config = with_precision(config, run, resume)
    rows = pretraining_rows(store, fold)
    plan = describe(store, protocol, fold, rows)
    fabric = make_fabric(devices, config.training.precision)
    fabric.launch()
    # what cannot be built is told before there is a run folder, which would be in the way of the next attempt
    method = None if resume and run.encoder.exists() else make_pretraining(config)
    with ExitStack() as stack:
        stack.callback(run.release)
        if fabric.is_global_zero:
            run.begin(config.as_json(), plan, resume)
            people = f"{plan['subjects']} people" + (
                f", fold {fold.name} of {protocol.name}" if fold and protocol else ""
            )
            print(f"learns from {len(rows):,} faces of {people}; no label is read", file=sys.stderr)
        fabric.barrier()
        if method is None:
            return run
        pool = stack.enter_context(ThreadPoolExecutor(config.data.workers))
        left_out = np.setdiff1d(np.flatnonzero(np.isin(store.strings("subject"), fold.test if fold else ())), rows)
        _train(fabric, config, method, store, rows, left_out, run, pool, resume)
    fabric.barrier()
    return run


def _train(
    fabric: "Fabric",
    config: RunConfig,
    method: Pretraining,
    store: AnyStore,
    rows: NDArray[np.int64],
    left_out: NDArray[np.int64],
    run: RunFolder,
    pool: ThreadPoolExecutor,
    resume: bool,
) -> None:
    import torch

    method.to(fabric.device).to(memory_format=torch.channels_last)
    parts, faces = method.parameters_by_optimiser(), config.data.unlabelled_batch
    optimisers = make_optimisers(parts, config.optimiser, faces, method.depths())

    def placed(rows: NDArray[np.int64]) -> Views:
        made = make_views(store, rows, config, pool, fabric.global_rank, fabric.world_size)
        made.place = lambda batch: batch.to(fabric.device)
        return made

    views = placed(rows)
    batch = config.data.unlabelled_batch
    steps, per_epoch = total_steps(config, len(rows), batch)
    start, before = 0, 0.0
    if resume and run.checkpoint.exists():
        start, before = load_checkpoint(run.checkpoint, method, optimisers, views, None)
    checked = frozenset[int]() if not len(left_out) else check_steps(steps, config.selection.checks)
    held_out = HeldOut(placed(left_out), checked) if checked else None
    training = Training(fabric, method, optimisers, views, config, run, steps, per_epoch, None, checked, held_out)
    fit(training, start, before)
    with fabric.autocast():  # as in the log
        scores = {} if held_out is None else held_out.score(method)
    if fabric.is_global_zero:
        trunk = method.trunk()
        if beside := method.kept_beside():
            run.write_auxiliary(torch.nn.ModuleDict(beside).state_dict())
        run.write_encoder(
            trunk.network.state_dict(),
            {
                "format": 1,
                "pretraining": config.name,
                "network": config.network.model_dump(mode="json") | {"init": "none"},
                "level": trunk.level,
                "regions": method.regions,
                "recipe": store.info.recipe,
                "steps": steps,
                "images_seen": views.images(),
                **scores,
                "lineage": lineage(store.parts, config),
            },
        )
