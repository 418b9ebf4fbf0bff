"""Two processes that torchrun started, stopped in a step and started again: the weights of a run never stopped."""

from pathlib import Path
from typing import Any
from unittest import mock

import torch

from made_runs import same_weights
from made_stores import build_store
from process_pair import ProcessPair, free_port, torchrun_s
from sparsefacs import InputError, representation
from sparsefacs.data.batches import FaceLoader
from sparsefacs.methods.simclr import SimCLR

SETTINGS = (
    *("network.backbone=test_resnet", "network.options={}", "network.input_size=32", "data.unlabelled_batch=8"),
    *("training.precision='32'", "training.log_every=1", "method.hidden=16", "method.embedding=8", "data.workers=1"),
    *("training.steps=5", "training.checkpoint_every=2"),
)


def pretrained(rank: int, world: int, port: int, store: str, out: str, stop: int | None, resume: bool) -> None:
    """Pre-train in one of the processes, stopping in step `stop`; note which rows it loads."""
    torch.set_num_threads(1)
    after, load, loaded = SimCLR.after_step, FaceLoader.load, set()

    def after_step(self: Any, step: int) -> None:
        after(self, step)
        if step == stop:
            raise KeyboardInterrupt

    def noted(self: Any, rows: Any, draw: int, first: int = 0) -> Any:
        loaded.add((draw, first, len(rows)))
        return load(self, rows, draw, first)

    with (
        torchrun_s(rank, world, port),
        mock.patch.object(SimCLR, "after_step", after_step),
        mock.patch.object(FaceLoader, "load", noted),
    ):
        try:
            representation.pretrain("simclr", store, out, settings=SETTINGS, resume=resume)
            stopped = False
        except InputError as error:
            assert stop is not None and "--resume" in str(error), error
            stopped = True
    assert stopped == (stop is not None)
    assert {(first, count) for _, first, count in loaded} == {(rank * 4, 4)}, "not its own half of each batch"
    first_draw = min(draw for draw, _, _ in loaded)
    assert first_draw == (2 if resume else 0), "it goes on from the checkpoint"


def test_two_processes_go_on_where_they_stopped(tmp_path: Path, two_processes: ProcessPair) -> None:
    faces = build_store(tmp_path / "faces", faces=True)
    assert len(list(faces.path.glob("data-*.arrow"))) == 6

    def run(name: str, stop: int | None = None, resume: bool = False) -> Path:
        two_processes(pretrained, free_port(), str(faces.path), str(tmp_path / name), stop, resume)
        return tmp_path / name

    whole = run("whole")
    run("cut", stop=3)
    assert not (tmp_path / "cut" / "encoder.safetensors").exists()
    assert same_weights(run("cut", resume=True), whole)
