"""Two gloo processes make the same gradients as one."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from made_stores import build_store
from process_pair import ProcessPair
from sparsefacs.data.batches import Batch, Batches
from sparsefacs.data.store import Store
from sparsefacs.engine.config import resolve
from sparsefacs.engine.devices import share_gradients
from sparsefacs.engine.evidence import learn_evidence
from sparsefacs.engine.trainer import make_method
from sparsefacs.engine.training_set import make_batches, training_set
from sparsefacs.protocols.folds import make_protocol

# vit: no batch statistics, which are a process's own by nature
SETTINGS = (
    "network.backbone=test_vit",
    "network.input_size=160",
    "data.labelled_batch=4",
    "data.unlabelled_batch=4",
)


STEPS = (0, 4)  # mae-face mixes the faces of the first by mixup, of the second by CutMix


class InDouble:
    """A batch source in double precision, so that gradients are compared without rounding."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    def labelled(self) -> Batch:
        return self._wide(self._batches.labelled())

    def unlabelled(self) -> Batch | None:
        batch = self._batches.unlabelled()
        return None if batch is None else self._wide(batch)

    def labels(self, count: int) -> torch.Tensor:
        return self._batches.labels(count).double()

    @staticmethod
    def _wide(batch: Batch) -> Batch:
        wide = {"image": batch.image.double(), "occurrence": batch.occurrence.double()}
        return replace(batch, **wide, intensity=batch.intensity.double())


def gradients(rank: int, world: int, folder: str, method_name: str) -> None:
    torch.set_num_threads(1)
    if world > 1:
        torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    store = Store(f"{folder}/store")
    config = resolve(method_name, settings=SETTINGS, aus=store.aus)
    fold = make_protocol("holdout:25%", store.strings("subject").tolist(), 0).folds[0]
    data = training_set(store, None, fold, "entries:40%", config)
    made = make_method(config)
    learn_evidence(made, data, config)
    method: nn.Module = made.double()
    collected = []
    with ThreadPoolExecutor(1) as pool:
        batches = InDouble(make_batches(data, config, method.needs(), pool, rank, world))
        for update in chain.from_iterable(method.updates(batches, step) for step in STEPS):
            parameters = method.parameters_by_optimiser()[update.optimiser]
            for parameter in parameters:
                parameter.grad = None
            update.loss.backward()
            share_gradients(parameters)
            collected += [p.grad.flatten().clone() for p in parameters if p.grad is not None]
    if rank == 0:
        np.save(f"{folder}/gradient-{world}.npy", torch.cat(collected).numpy())
    if world > 1:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize("method", ["supervised", "adversarial", "mae-face"])
def test_two_processes_equal_one(method: str, tmp_path: Path, two_processes: ProcessPair) -> None:
    build_store(tmp_path / "store", frames=4, aus=(1, 2, 4, 6, 12))
    gradients(0, 1, str(tmp_path), method)
    two_processes(gradients, str(tmp_path), method)
    one, two = np.load(tmp_path / "gradient-1.npy"), np.load(tmp_path / "gradient-2.npy")
    assert np.abs(one).max() > 1e-4
    np.testing.assert_allclose(two, one, rtol=1e-9, atol=1e-12)
