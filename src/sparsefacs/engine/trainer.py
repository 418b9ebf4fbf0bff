"""From a store and a configuration to a trained run: folds, visible labels, streams, optimisers, loop, model."""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.batches import Batch, Batches
from ..data.joined import AnyStore
from ..files import sha256_file
from ..methods.contract import Method, Setting
from ..methods.registry import method_class
from ..protocols.folds import Fold, Protocol
from .base_rates import trained_limits
from .beneath import with_beneath
from .checkpoint import load_checkpoint
from .config import RunConfig
from .devices import make_fabric, resolved
from .evidence import learn_evidence, weigh_pixels
from .lineage import lineage
from .loop import Training, fit
from .optimisers import make_optimisers
from .plan import describe, keep_labels, print_start
from .run import RunFolder
from .selection import Selector, check_steps
from .trained import load_trained
from .training_set import TrainingSet, make_batches, training_set, with_aus

if TYPE_CHECKING:
    from lightning_fabric import Fabric


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
    config = with_precision(with_beneath(with_aus(config, protocol, store), store), run, resume)
    data = training_set(store, unlabelled, fold, labels, config)
    plan = describe(store, unlabelled, protocol, data)
    if (teacher := config.teacher_run()) is not None:
        plan["teacher"] = {"run": teacher, "weights": sha256_file(RunFolder(teacher).weights)}
    fabric = make_fabric(devices, config.training.precision)
    fabric.launch()
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(config.data.workers))
        stack.callback(run.release)
        finished = resume and run.model.exists()
        # what cannot be built is told before there is a run folder, which would be in the way of the next attempt
        built = None if finished else _build(fabric, config, data, pool)
        if fabric.is_global_zero:
            run.begin(config.as_json(), plan, resume, first=lambda: keep_labels(data, run))
            print_start(config, store, data, plan)
            if built is not None and built[0].needs().unlabelled and built[1].unlabelled_faces is None:
                print(
                    f"note: there are no faces without labels, so {config.name} learns from labelled ones alone; "
                    "a smaller --labels or --unlabelled STORE gives it some",
                    file=sys.stderr,
                )
        fabric.barrier()
        if built is not None:
            _train(fabric, config, data, run, built, resume)
    fabric.barrier()
    return run


def with_precision(config: RunConfig, run: RunFolder, resume: bool) -> RunConfig:
    """Return the configuration with its precision named: as asked, else as `run` began, else what pays here."""
    precision: Any = config.training.precision
    if precision == "auto" and resume and run.config.exists():
        precision = run.read_config()["training"]["precision"]
    training = config.training.model_copy(update={"precision": resolved(precision)})
    return config.model_copy(update={"training": training})


def _build(fabric: "Fabric", config: RunConfig, data: TrainingSet, pool: ThreadPoolExecutor) -> tuple[Method, Batches]:
    """Return the method and its streams on this process's device; raises InputError for what does not fit together."""
    import torch

    method = make_method(config, _steps(config, data)[0])
    learn_evidence(method, data, config)
    method.to(fabric.device).to(memory_format=torch.channels_last)
    rows = np.concatenate([data.labelled, data.unlabelled])
    method.take_references(lambda network, setting: data.coder.compared(network, setting, rows))
    batches = make_batches(data, config, method.needs(), pool, fabric.global_rank, fabric.world_size)

    def place(batch: Batch) -> Batch:
        return batch.to(fabric.device)

    batches.place = place
    return method, batches


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
    parts, faces = method.parameters_by_optimiser(), config.data.labelled_batch
    optimisers = make_optimisers(parts, config.optimiser, faces, method.depths())
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
        network = deepcopy(method.predictor())
        if kept is not None:
            network.load_state_dict(kept["weights"])
        if method.weighs_pixels:
            weigh_pixels(network, data, config)
        chosen = None if kept is None else float(kept["threshold"])
        if beside := method.kept_beside():
            run.write_auxiliary(nn.ModuleDict(beside).state_dict())
        run.write_model(
            setting,
            data.stores[0].info.recipe,
            config.name,
            network.state_dict(),
            limits=trained_limits(network, setting, data, chosen, config.selection.threshold),
            step=steps if kept is None else kept["step"],
            settings=config.method,
            lineage=lineage(data.stores, config),
        )


def _selector(data: TrainingSet, config: RunConfig, checked: frozenset[int]) -> Selector:
    """Return what chooses the epoch, after the steps `checked`."""
    return Selector(
        setting=Setting(config.task, config.aus, config.network),
        coder=data.coder,
        rows=data.selection,
        subject_M=data.selection_subject,
        truth_MA=data.selection_truth,
        steps=checked,
        heed_luck=data.rule == "validation",
        threshold_chosen=config.selection.threshold == "chosen",
        by_loss=config.selection.score == "loss",
    )
