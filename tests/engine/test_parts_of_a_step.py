"""Batches in parts, rates by the batch, compiled networks, and processes that torchrun starts."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from made_stores import build_store
from sparsefacs import InputError, api, representation
from sparsefacs.data.store import Store
from sparsefacs.engine.config import OptimiserConfig, resolve
from sparsefacs.engine.devices import make_fabric
from sparsefacs.engine.loop import Training, fit
from sparsefacs.engine.optimisers import make_optimisers
from sparsefacs.engine.pretrainer import make_views
from sparsefacs.engine.run import RunFolder
from sparsefacs.losses.reduction import global_mean
from sparsefacs.methods.contract import Pretraining, Setting, Update
from sparsefacs.methods.mae_face import MAEFace, MAEFaceConfig
from sparsefacs.networks.backbone import read_safetensors
from sparsefacs.networks.config import NetworkConfig

CHANGES = [
    "flip",
    "shift",
    "rotation",
    "scale",
    "brightness",
    "contrast",
    "saturation",
    "tint",
    "grey",
    "blur",
    "noise",
]
STILL = "{" + ", ".join(f"{name}: 0" for name in CHANGES) + "}"
TINY = (
    *("network.backbone=test_resnet", "network.options={}", "network.input_size=32", "data.unlabelled_batch=8"),
    *("training.precision='32'", "training.log_every=1", "method.hidden=16", "method.embedding=8"),
)


class Toy(Pretraining):
    """A linear map of faces' mean colours to their squares; its loss is a mean over faces."""

    def __init__(self, updates: int = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.map = nn.Linear(3, 3)
        self.count, self.steps, self.after = updates, [], []

    def updates(self, batches: object, step: int) -> Iterator[Update]:
        self.steps.append(step)
        for _ in range(self.count):
            colour = batches.views()[0].image.mean(dim=(2, 3))  # type: ignore[attr-defined]
            loss = global_mean((self.map(colour) - colour**2) ** 2)
            yield Update("map", loss, {"error": loss})

    def after_step(self, step: int) -> None:
        self.after.append(step)

    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        return {"map": list(self.map.parameters())}

    def trunk(self) -> nn.Module:  # type: ignore[override]
        return self.map


def trained(store: Store, out: Path, toy: Toy, *settings: str, steps: int = 3) -> Training:
    config = resolve(
        "pretrain/simclr", settings=(*TINY, f"data.augmentation={STILL}", *settings, f"training.steps={steps}")
    )
    out.mkdir()
    with ThreadPoolExecutor(1) as pool:
        views = make_views(store, np.arange(len(store)), config, pool)
        optimisers = make_optimisers(toy.parameters_by_optimiser(), config.optimiser, 8)
        training = Training(make_fabric(1, "32"), toy, optimisers, views, config, RunFolder(out), steps, 9.0)
        fit(training, 0, 0.0)
    return training


def log_of(run: Path) -> dict[str, list[float]]:
    rows = [line.split(",") for line in (run / "log.csv").read_text().splitlines()]
    return {name: [float(row[at] or "nan") for row in rows[1:]] for at, name in enumerate(rows[0]) if name != "seconds"}


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_parts_add_up_to_the_whole_batch(optimiser: str, store: Store, tmp_path: Path) -> None:
    whole, parts = Toy(), Toy()
    settings = (f"optimiser.name={optimiser}", "optimiser.lr=0.1", "optimiser.clip=0.01")
    one = trained(store, tmp_path / "one", whole, *settings)
    four = trained(store, tmp_path / "four", parts, *settings, "training.accumulate=4")
    start = Toy().map.weight
    assert (whole.map.weight - start).abs().max() > 1e-3
    for mine, other in zip(parts.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)
    assert parts.steps == list(range(12)) and whole.steps == [0, 1, 2]
    assert parts.after == whole.after == [0, 1, 2]
    assert one.batches.images() == four.batches.images() == 24
    assert four.batches.positions() == {"views": 12}
    logs = [log_of(tmp_path / name) for name in ("one", "four")]
    assert logs[0]["images"] == logs[1]["images"] == [8, 16, 24]
    np.testing.assert_allclose(logs[1]["error"], logs[0]["error"], rtol=1e-4)
    assert torch.load(tmp_path / "four" / "checkpoint" / "last.pt", weights_only=True)["positions"] == {"views": 12}


def test_several_updates_a_step_cannot_be_added_up(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"several updates a step.*accumulate"):
        trained(store, tmp_path / "run", Toy(updates=2), "training.accumulate=2")


def test_a_training_in_parts_resumes_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sparsefacs.methods.moco import MoCo

    faces = build_store(tmp_path / "faces", faces=True)
    settings = (*TINY, "method.queue=32", "training.accumulate=2", "training.steps=5", "training.checkpoint_every=2")

    def run(out: str, **more: object) -> None:
        representation.pretrain("moco", faces.path, tmp_path / out, settings=settings, **more)  # type: ignore[arg-type]

    run("whole")
    after = MoCo.after_step

    def stop(self: MoCo, step: int) -> None:
        after(self, step)
        if step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MoCo, "after_step", stop)
        with pytest.raises(InputError, match="--resume"):
            run("cut")
    run("cut", resume=True)
    one, two = (read_safetensors(tmp_path / name / "encoder.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert json.loads((tmp_path / "cut" / "encoder.json").read_text())["images_seen"] == 40


def test_parts_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match="no 3 equal parts"):
        resolve("pretrain/simclr", settings=("data.unlabelled_batch=8", "training.accumulate=3"))
    with pytest.raises(InputError, match="learns AUs"):
        resolve("mae-face", settings=("training.accumulate=2",))
    assert resolve("pretrain/simclr", settings=("data.unlabelled_batch=8", "training.accumulate=4")).training


def test_a_base_rate_grows_with_the_batch_and_betas_are_taken() -> None:
    weight = [nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))]
    config = OptimiserConfig(
        name="adamw", lr=7.0, base_lr=1.5e-4, betas=(0.9, 0.95), lr_of={"b": 0.5}, weight_decay=0.05
    )
    made = make_optimisers({"a": weight, "b": weight}, config, 4096)
    assert [group["lr"] for group in made["a"].param_groups] == pytest.approx([2.4e-3] * 2)
    assert made["b"].param_groups[0]["lr"] == 0.5
    assert all(group["betas"] == (0.9, 0.95) for group in made["a"].param_groups)
    assert [group["weight_decay"] for group in made["a"].param_groups] == [0.05, 0.0]
    assert OptimiserConfig(lr=3e-3).rate(4096) == 3e-3
    with pytest.raises(InputError, match=r"optimiser\.betas"):
        resolve("mae-face", settings=("optimiser.betas=[0.9, 1.0]",))


def test_layers_below_learn_by_the_decay_and_at_none_not_at_all() -> None:
    network = NetworkConfig(
        backbone="vit_tiny_patch16_224", options={"img_size": 32, "patch_size": 16, "depth": 2}, input_size=32
    )
    method = MAEFace(MAEFaceConfig(), Setting("occurrence", (1, 4), network))
    parts, depths = method.parameters_by_optimiser(), method.depths()

    def rates(decay: float, **more: Any) -> dict[str, float]:
        config = OptimiserConfig(name="adamw", lr=0.1, weight_decay=0.05, layer_decay=decay, **more)
        groups = make_optimisers(parts, config, 32, depths)["recogniser"].param_groups
        found = {id(p): float(group["base_lr"]) for group in groups for p in group["params"]}
        return {name: found[id(p)] for name, p in method.recogniser.named_parameters()}

    half = rates(0.5)
    assert half["head.weight"] == half["backbone.norm.weight"] == 0.1
    assert half["backbone.blocks.1.attn.qkv.weight"] == half["backbone.blocks.1.norm1.bias"] == 0.05
    assert half["backbone.blocks.0.mlp.fc1.weight"] == 0.025
    assert half["backbone.pos_embed"] == half["backbone.patch_embed.proj.weight"] == pytest.approx(0.0125)
    assert set(rates(1.0).values()) == {0.1}
    frozen = make_optimisers(parts, OptimiserConfig(name="adamw", lr=0.1, layer_decay=0, weight_decay=0.5), 32, depths)
    before = {name: p.detach().clone() for name, p in method.recogniser.named_parameters()}
    method.recogniser(torch.rand(2, 3, 32, 32)).square().sum().backward()
    frozen["recogniser"].step()
    moved = {name for name, p in method.recogniser.named_parameters() if not torch.equal(p, before[name])}
    assert "head.weight" in moved and not any("blocks" in name or "embed" in name for name in moved)
    with pytest.raises(InputError, match="layer_decay is for networks"):
        make_optimisers(parts, OptimiserConfig(layer_decay=0.65), 32, Toy().depths())


def test_a_whole_pretraining_takes_its_rate_from_its_batch(tmp_path: Path) -> None:
    faces = build_store(tmp_path / "faces", faces=True)
    settings = (*TINY, "optimiser.base_lr=0.32", "training.steps=1")
    representation.pretrain("simclr", faces.path, tmp_path / "pre", settings=settings)
    api.train("mae-face", faces.path, tmp_path / "run", settings=(*TINY[:3], "data.labelled_batch=16", *settings[-2:]))
    for name, rate in (("pre", 0.01), ("run", 0.02)):
        state = torch.load(tmp_path / name / "checkpoint" / "last.pt", weights_only=True)
        groups = next(iter(state["optimisers"].values()))["param_groups"]
        assert groups[0]["base_lr"] == pytest.approx(rate)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None and shutil.which("g++") is None, reason="no compiler here")
def test_a_compiled_training_learns_the_same(store: Store, tmp_path: Path) -> None:
    plain, compiled = Toy(), Toy()
    trained(store, tmp_path / "plain", plain, "optimiser.lr=0.1")
    trained(store, tmp_path / "compiled", compiled, "optimiser.lr=0.1", "training.compile=true")
    assert compiled.map._compiled_call_impl is not None and plain.map._compiled_call_impl is None
    np.testing.assert_allclose(log_of(tmp_path / "compiled")["error"], log_of(tmp_path / "plain")["error"], rtol=1e-4)
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    for mine, other in zip(compiled.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_torchrun_trains_as_devices_do_and_its_processes_stop_together(
    tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    """Through the command line, fold after fold: processes that the program starts, and those of torchrun."""
    build_store(tmp_path / "store")
    # at so small a rate, without running statistics, F1 stays as it is, so that the second check is one too many
    options = ("network.options={norm_layer: groupnorm1}", "optimiser.lr=1e-7")
    # steps 2 and 4 are scored, and so logged, though they are no multiples of log_every: by all processes or none
    checks = ("training.steps=8", "training.log_every=9", "selection.checks=4", "selection.patience=1")
    flags = [flag for setting in (*tiny_settings, *options, *checks) for flag in ("--set", setting)]
    own = ["-m", "sparsefacs", "train", "adversarial", str(tmp_path / "store")]
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    asked = ["--protocol", "kfold:2", "--fold", "all", "--labels", "50%", "--json", *flags]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for command in ([*own, str(tmp_path / "own"), "--devices", "2"], [*launch, *own, str(tmp_path / "run")]):
        done = subprocess.run(
            [sys.executable, *command, *asked],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
        assert "Error" not in done.stderr
    for name in ("fold-1/model.safetensors", "fold-2/model.safetensors", "fold-1/model.json", "fold-2/model.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "own" / name).read_bytes()
    for run in (tmp_path / "own", tmp_path / "run"):
        assert [log_of(run / fold)["step"] for fold in ("fold-1", "fold-2")] == [[1, 2, 4]] * 2
        assert json.loads((run / "metrics.json").read_text())["pooled"]["frames"] == 72


@pytest.mark.parametrize(
    ("world", "here", "devices", "expected"),
    [(2, 2, 1, (2, 1)), (2, 2, 2, (2, 1)), (8, 4, 1, (4, 2)), (8, 4, 4, (4, 2)), (1, 1, 1, (1, 1))],
)
def test_processes_and_machines_are_torchrun_s(
    world: int, here: int, devices: int, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sparsefacs.engine.devices import _started

    assert _started(devices) == (devices, 1)
    for name, value in (("TORCHELASTIC_RUN_ID", "x"), ("WORLD_SIZE", world), ("LOCAL_WORLD_SIZE", here)):
        monkeypatch.setenv(name, str(value))
    assert _started(devices) == expected
    with pytest.raises(InputError, match="Leave --devices out"):
        make_fabric(3, "32")
