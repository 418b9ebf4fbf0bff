"""Batches in double precision and gradients of one step, on one process or several."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch

from sparsefacs.data.batches import Batch, Batches
from sparsefacs.data.store import Store
from sparsefacs.engine.config import resolve
from sparsefacs.engine.devices import share_gradients
from sparsefacs.engine.trainer import make_method
from sparsefacs.engine.training_set import make_batches, training_set
from sparsefacs.protocols.folds import make_protocol


class InDouble:
    """A batch source in double precision, so that gradients are compared without rounding."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    def labelled(self) -> Batch:
        return _wide(self._batches.labelled())

    def unlabelled(self) -> Batch | None:
        batch = self._batches.unlabelled()
        return None if batch is None else _wide(batch)

    def unlabelled_views(self) -> tuple[Batch, Batch] | None:
        views = self._batches.unlabelled_views()
        return None if views is None else (_wide(views[0]), _wide(views[1]))

    def every(self) -> Batch:
        return _wide(self._batches.every())

    def labels(self, count: int) -> torch.Tensor:
        return self._batches.labels(count).double()


def _wide(batch: Batch) -> Batch:
    parts = {f.name: getattr(batch, f.name) for f in fields(batch)}
    return replace(batch, **{n: p.double() for n, p in parts.items() if torch.is_tensor(p) and p.is_floating_point()})


def save_gradients(
    rank: int, world: int, folder: str, store: str, methods: dict[str, tuple[str, ...]], labels: str
) -> None:
    """Save the gradients of one step of every method (name → settings) to FOLDER/gradients-WORLD.npz.

    Batch statistics, a process's own by nature, stand still.
    """
    torch.set_num_threads(1)
    if world > 1:
        torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    opened = Store(store)
    found = {}
    for name, settings in methods.items():
        config = resolve(name, settings=settings, aus=opened.aus)
        fold = make_protocol("holdout:25%", opened.strings("subject").tolist(), 0).folds[0]
        data = training_set(opened, None, fold, labels, config)
        method: Any = make_method(config, 8).double().eval()
        collected = []
        with ThreadPoolExecutor(1) as pool:
            batches = InDouble(make_batches(data, config, method.needs(), pool, rank, world))
            for step in (0, 5):
                for update in method.updates(batches, step):
                    parameters = method.parameters_by_optimiser()
                    wanted = [p for key in (update.optimiser, *update.also) for p in parameters[key]]
                    for parameter in wanted:
                        parameter.grad = None
                    update.loss.backward()
                    share_gradients(wanted)
                    collected += [p.grad.flatten().clone() for p in wanted if p.grad is not None]
        found[name] = torch.cat(collected).numpy()
    if rank == 0:
        np.savez(f"{folder}/gradients-{world}.npz", **found)
    if world > 1:
        torch.distributed.destroy_process_group()
