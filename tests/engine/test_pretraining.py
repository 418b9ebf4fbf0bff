"""Pre-training: no label read, exact resume, two processes, the people kept out, and what starts from it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from made_runs import same_weights, weights_of
from made_stores import build_store
from process_pair import ProcessPair
from sparsefacs import InputError, api, cli, representation
from sparsefacs.data.batches import Batch, Views
from sparsefacs.data.store import Store
from sparsefacs.engine.config import resolve
from sparsefacs.engine.devices import share_gradients
from sparsefacs.engine.held_out import HeldOut
from sparsefacs.engine.pretrainer import make_pretraining, make_views, pretraining_rows
from sparsefacs.engine.trainer import make_method
from sparsefacs.inference.encoder import load_encoder
from sparsefacs.methods.registry import pretraining_class
from sparsefacs.networks.autoencoder import sincos_2d
from sparsefacs.networks.backbone import read_safetensors

NAMES = ("kdsrl", "simclr", "moco", "mae-face")
FAST = ("network.input_size=32", "data.unlabelled_batch=8", "training.precision='32'", "training.log_every=1")
TINY = (
    *FAST,
    *("network.backbone=test_resnet", "network.options={}", "method.hidden=16", "method.embedding=8"),
)
VIT = "{img_size: 32, patch_size: 8, depth: 2, embed_dim: 24, num_heads: 2}"
TINY_VIT = ("network.backbone=vit_tiny_patch16_224", f"network.options={VIT}")
SETTINGS = {
    "kdsrl": (*TINY, "method.predictor_hidden=8"),
    "moco": (*TINY, "method.queue=32"),
    "simclr": TINY,
    "mae-face": (*FAST, *TINY_VIT, "method.decoder={width: 16, depth: 1, heads: 2}"),
}


def fit(name: str, store: Path, out: Path, *more: str, **rest: object) -> dict:
    settings = (*SETTINGS[name], *(more or ("training.steps=4",)))
    return representation.pretrain(name, store, out, settings=settings, **rest)  # type: ignore[arg-type]


@pytest.fixture
def faces(tmp_path: Path) -> Store:
    return build_store(tmp_path / "faces", faces=True)


@pytest.mark.parametrize("name", NAMES)
def test_labels_change_nothing(name: str, faces: Store, tmp_path: Path) -> None:
    other = build_store(tmp_path / "other", faces=True, hide=lambda truth: 1 - truth)
    bare = build_store(tmp_path / "bare", faces=True, hide=lambda truth: np.full_like(truth, -1))
    fit(name, faces.path, tmp_path / "a")
    fit(name, other.path, tmp_path / "b")
    fit(name, bare.path, tmp_path / "c")
    assert same_weights(tmp_path / "a", tmp_path / "b") and same_weights(tmp_path / "a", tmp_path / "c")
    fit(name, faces.path, tmp_path / "d", seed=1)
    assert not same_weights(tmp_path / "a", tmp_path / "d")


def test_no_label_is_in_a_batch(faces: Store) -> None:
    config = resolve("pretrain/kdsrl", settings=TINY)
    with ThreadPoolExecutor(1) as pool:
        first, second = make_views(faces, np.arange(len(faces)), config, pool).views()
    assert first.occurrence.shape == (8, 0) and first.intensity.shape == (8, 0)
    assert (first.row == second.row).all()
    assert not torch.equal(first.image, second.image)
    assert torch.equal(first.landmarks, second.landmarks), "KDSRL's views differ in colour alone"


@pytest.mark.parametrize("name", ["moco", "mae-face"])
def test_people_left_out_are_scored_and_change_nothing(
    name: str, faces: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    within, score, autocast = [0], HeldOut.score, Fabric.autocast

    @contextmanager
    def counted(fabric: Fabric) -> Iterator[None]:
        within[0] += 1
        with autocast(fabric):
            yield
        within[0] -= 1

    def scored(held_out: HeldOut, method: Any) -> dict[str, float]:
        assert within[0] == 1, "in the precision of the training, each time"
        return score(held_out, method)

    monkeypatch.setattr(Fabric, "autocast", counted)
    monkeypatch.setattr(HeldOut, "score", scored)
    for checks in (1, 2):
        steps = ("training.steps=4", f"selection.checks={checks}")
        fit(name, faces.path, tmp_path / str(checks), *steps, protocol="split:70-30")
    assert same_weights(tmp_path / "1", tmp_path / "2")
    log = pd.read_csv(tmp_path / "2" / "log.csv").set_index("step")
    told = json.loads((tmp_path / "2" / "encoder.json").read_text())
    held = [column for column in log if column.startswith("held_out_")]
    assert held and log[held].notna().all(axis=1).to_dict() == {1: False, 2: True, 3: False, 4: True}
    assert log.loc[4, held].to_dict() == pytest.approx({column: told[column] for column in held}, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_run_resumes_bit_for_bit(
    name: str, faces: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ("training.steps=7", "training.checkpoint_every=3")
    fit(name, faces.path, tmp_path / "whole", *settings)
    kind = pretraining_class(name)
    whole_step = kind.after_step

    def stop(self: object, step: int) -> None:
        whole_step(self, step)  # type: ignore[arg-type]
        if step == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(kind, "after_step", stop)
        with pytest.raises(InputError, match="--resume"):
            fit(name, faces.path, tmp_path / "cut", *settings)
    fit(name, faces.path, tmp_path / "cut", *settings, resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "cut")
    with pytest.raises(InputError, match="other settings"):
        fit(name, faces.path, tmp_path / "cut", *settings, resume=True, seed=3)


class InDouble:
    def __init__(self, views: Views) -> None:
        self._views = views

    def views(self) -> tuple[Batch, Batch]:
        both = self._views.views()
        for batch in both:
            batch.image = batch.image.double()
        return both

    def faces(self) -> Batch:
        batch = self._views.faces()
        batch.image = batch.image.double()
        return batch


def gradients(rank: int, world: int, folder: str, name: str) -> None:
    torch.set_num_threads(1)
    if world > 1:
        torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    store = Store(f"{folder}/store")
    # no batch statistics, which are a process's own by nature: instance normalisation in their place
    normalised = () if name == "mae-face" else ("network.options={norm_layer: groupnorm1}",)
    settings = (*SETTINGS[name], *normalised, "data.unlabelled_batch=4")
    config = resolve(f"pretrain/{name}", settings=settings)
    method: nn.Module = make_pretraining(config).double()
    with ThreadPoolExecutor(1) as pool:
        views = InDouble(make_views(store, np.arange(len(store)), config, pool, rank, world))
        for update in method.updates(views, 0):
            parameters = method.parameters_by_optimiser()[update.optimiser]
            update.loss.backward()
            share_gradients(parameters)
    flat = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
    if rank == 0:
        np.savez(
            f"{folder}/{name}-{world}.npz", gradient=flat.numpy(), queue=getattr(method, "queue", flat[:0]).numpy()
        )
    if world > 1:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_equal_one(name: str, tmp_path: Path, two_processes: ProcessPair) -> None:
    build_store(tmp_path / "store", frames=4, faces=True)
    gradients(0, 1, str(tmp_path), name)
    two_processes(gradients, str(tmp_path), name)
    one, two = (np.load(tmp_path / f"{name}-{world}.npz") for world in (1, 2))
    assert np.abs(one["gradient"]).max() > 1e-6
    np.testing.assert_allclose(two["gradient"], one["gradient"], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(two["queue"], one["queue"], rtol=1e-5, atol=1e-6)


def test_the_teacher_of_moco_is_not_the_student_and_moves_by_one_minus_m() -> None:
    config = resolve("pretrain/moco", settings=(*TINY, "method.momentum=0.9", "method.queue=32"))
    moco = make_pretraining(config)
    before = [p.clone() for p in moco.key_g.parameters()]
    assert not {id(p) for p in moco.key_f.parameters()} & {id(p) for p in moco.f.parameters()}
    with torch.no_grad():
        for p in moco.g.parameters():
            p.add_(1.0)
    moco.after_step(0)
    for old, new, student in zip(before, moco.key_g.parameters(), moco.g.parameters(), strict=True):
        torch.testing.assert_close(new, 0.9 * old + 0.1 * student)
    assert not any(p.requires_grad for p in [*moco.key_f.parameters(), *moco.key_g.parameters()])
    assert not set(map(id, moco.parameters_by_optimiser()["query"])) & set(map(id, moco.key_f.parameters()))


def test_keys_take_the_places_of_the_oldest() -> None:
    moco = make_pretraining(resolve("pretrain/moco", settings=(*TINY, "method.queue=5")))
    for number in range(3):
        moco._enqueue(torch.full((2, 8), float(number)))
    assert moco.queue[:, 0].tolist() == [2.0, 0.0, 1.0, 1.0, 2.0] and int(moco.place) == 1


def test_test_people_are_kept_out_and_a_start_that_saw_them_is_refused(
    faces: Store, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    settings = (*tiny_settings, "network.options={}", "training.steps=2")
    fit("kdsrl", faces.path, tmp_path / "all")
    made = fit("kdsrl", faces.path, tmp_path / "cv", protocol="kfold:3", fold="all")
    assert len(made["runs"]) == 3
    for number in (1, 2, 3):
        plan = json.loads((tmp_path / "cv" / f"fold-{number}" / "protocol.json").read_text())
        assert not {name for _, name in plan["seen"]["persons"]} & set(plan["fold"]["test"])
        rows = pretraining_rows(faces, None)
        assert plan["faces"] < len(rows)
    started = {"settings": settings, "protocol": "kfold:3", "fold": "all", "network__init": str(tmp_path / "cv")}
    metrics = api.train("kdsrl", faces.path, tmp_path / "probe", **started)  # type: ignore[arg-type]
    assert set(metrics["folds"]) == {"1", "2", "3"}
    with pytest.raises(InputError, match=r"trained on faces of 2 people that fold"):
        api.train("kdsrl", faces.path, tmp_path / "leak", settings=settings, network__init=str(tmp_path / "all"))
    other = build_store(tmp_path / "strangers", faces=True, prefix="x")
    api.train("kdsrl", other.path, tmp_path / "run", settings=settings, network__init=str(tmp_path / "all"))
    with pytest.raises(InputError, match="trained on"):
        api.evaluate(tmp_path / "run", faces.path)  # seen in pre-training, though not in training


@pytest.mark.parametrize("method", ["kdsrl", "supervised", "adversarial"])
def test_every_method_starts_from_the_trunk(
    method: str, faces: Store, tmp_path: Path, tiny_settings: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    fit("simclr", faces.path, tmp_path / "pre")
    kept = weights_of(tmp_path / "pre")
    settings = (*tiny_settings, "network.options={}", f"network.init={tmp_path / 'pre'}")
    network = make_method(resolve(method, settings=settings, aus=(1, 4, 12))).predictor()
    state = {
        key.partition("network." if method == "kdsrl" else "backbone.")[2]: v for key, v in network.state_dict().items()
    }
    assert all(torch.equal(state[key], kept[key]) for key in kept)
    with pytest.raises(InputError, match="does not fit"):
        make_method(resolve(method, settings=(*settings, "network.backbone=resnet18"), aus=(1, 4, 12)))


@pytest.mark.parametrize("pool", ["token", "avg"])
def test_a_recogniser_starts_from_all_of_a_masked_autoencoder_s_encoder(
    pool: str, faces: Store, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    fit("mae-face", faces.path, tmp_path / "pre", protocol="holdout:25%")
    kept = weights_of(tmp_path / "pre")
    vit = (*TINY_VIT, f"network.options.global_pool={pool}")
    settings = (*tiny_settings, *vit, "training.steps=1")
    network = make_method(resolve("supervised", settings=(*settings, f"network.init={tmp_path / 'pre'}"), aus=(1, 4)))
    state = {key.removeprefix("backbone."): value for key, value in network.predictor().state_dict().items()}
    shared = [key for key in kept if pool == "token" or not key.startswith("norm.")]
    assert all(torch.equal(state[key], kept[key]) for key in shared)
    assert ("fc_norm.weight" in state) == (pool == "avg")
    made = api.train("supervised", faces.path, tmp_path / "run", settings=settings, network__init=str(tmp_path / "pre"))
    assert made["pooled"]["frames"] > 0
    with pytest.raises(InputError, match="does not fit"):
        make_method(
            resolve(
                "supervised",
                settings=(*settings, "network.options.depth=3", f"network.init={tmp_path / 'pre'}"),
                aus=(1, 4),
            )
        )


def test_a_masked_autoencoder_leaves_what_timm_loads_and_its_decoder(faces: Store, tmp_path: Path) -> None:
    import timm
    import yaml

    fit("mae-face", faces.path, tmp_path / "pre", "training.steps=3", "training.accumulate=2")
    network = timm.create_model("vit_tiny_patch16_224", num_classes=0, **yaml.safe_load(VIT))
    network.load_state_dict(weights_of(tmp_path / "pre"), strict=True)
    assert torch.equal(network.pos_embed[0], sincos_2d(24, 4)), "positions are fixed"
    beside = read_safetensors(tmp_path / "pre" / "auxiliary.safetensors")
    started = make_pretraining(resolve("pretrain/mae-face", settings=SETTINGS["mae-face"]))
    nn.ModuleDict(started.kept_beside()).load_state_dict(beside, strict=True)
    assert json.loads((tmp_path / "pre" / "encoder.json").read_text())["images_seen"] == 24
    encoder = load_encoder(tmp_path / "pre")
    images, points = (np.stack(each) for each in zip(*(faces.face(row) for row in range(3)), strict=True))
    image = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    with torch.no_grad():
        known = network.eval().forward_features(image)[:, 1:].mean(dim=1)
    np.testing.assert_allclose(encoder.features(images, points), known.numpy(), atol=1e-5)


def test_one_view_alone_is_loaded_where_one_is_drawn(faces: Store) -> None:
    config = resolve("pretrain/mae-face", settings=SETTINGS["mae-face"])
    with ThreadPoolExecutor(1) as pool:
        views, both = (make_views(faces, np.arange(len(faces)), config, pool) for _ in range(2))
        for _ in range(2):
            assert torch.equal(views.faces().image, both.views()[0].image)
        assert views.second.position == 0 and views.images() == both.images() == 16
        for one, other in zip(views.views(), both.views(), strict=True):
            assert torch.equal(one.image, other.image), "the second view follows the first"


def test_a_frozen_trunk_stays_as_it_was_and_a_tuned_one_does_not(
    faces: Store, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    fit("kdsrl", faces.path, tmp_path / "pre", protocol="holdout:25%")
    kept = weights_of(tmp_path / "pre")
    for frozen in (True, False):
        settings = (*tiny_settings, "network.options={}", "training.steps=3", f"method.frozen={str(frozen).lower()}")
        out = tmp_path / f"run-{frozen}"
        api.train("kdsrl", faces.path, out, settings=settings, network__init=str(tmp_path / "pre"))
        after = read_safetensors(out / "model.safetensors")
        equal = [torch.equal(after[f"trunk.network.{key}"], kept[key]) for key in kept]
        assert all(equal) if frozen else not all(equal)


def test_encoders_of_every_kind_give_features(faces: Store, tmp_path: Path, tiny_settings: tuple[str, ...]) -> None:
    for name in NAMES:
        fit(name, faces.path, tmp_path / name, "training.steps=1")
    pairs = [faces.face(row) for row in range(5)]
    images, points = (np.stack(each) for each in zip(*pairs, strict=True))
    for name, regions in (
        ("kdsrl", None),
        ("kdsrl", False),
        ("simclr", None),
        ("moco", True),
        ("mae-face", None),
        ("mae-face", True),
    ):
        encoder = load_encoder(tmp_path / name, regions=regions)
        features = encoder.features(images, points)
        assert features.shape == (5, encoder.width) and np.ptp(features, axis=0).max() > 0
        assert encoder.seen.rows(faces).all()
    blank = load_encoder(tmp_path / "kdsrl", start="none")
    assert not blank.seen.rows(faces).any()
    assert not np.allclose(blank.features(images, points), load_encoder(tmp_path / "kdsrl").features(images, points))
    api.train("supervised", faces.path, tmp_path / "run", settings=(*tiny_settings, "training.steps=1"))
    trained = load_encoder(tmp_path / "run")
    assert trained.features(images, points).shape == (5, trained.width)


def test_through_the_command_line(
    faces: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [
        flag for setting in (*TINY, "method.predictor_hidden=8", "training.steps=2") for flag in ("--set", setting)
    ]
    words = ["pretrain", "kdsrl", str(faces.path), str(tmp_path / "run"), *flags]
    command = [sys.executable, "-m", "sparsefacs", *words, "--devices", "2", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runs"][0]["images_seen"] == 16
    assert "no label is read" in done.stderr
    monkeypatch.setattr(sys, "argv", ["sparsefacs", *words])
    with pytest.raises(SystemExit) as again:
        cli.main()
    assert again.value.code == 2 and "already exists" in capsys.readouterr().err


def test_reconstructions_are_logged(faces: Store, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fit("mae-face", faces.path, tmp_path / "run", "training.steps=2")
    log = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert log.Tags()["images"] == ["reconstruction"] and "reconstruction" in log.Tags()["scalars"]
    (picture,) = log.Images("reconstruction")
    assert picture.step == 2 and picture.width == 3 * picture.height // 4 and picture.encoded_image_string


@pytest.mark.parametrize("name", ["kdsrl", "mae-face"])
def test_probes_and_features_through_the_command_line(
    name: str, faces: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import pandas as pd

    from sparsefacs import cli

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sparsefacs", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return int(stopped.value.code or 0), *capsys.readouterr()

    fit(name, faces.path, tmp_path / "cv", "training.steps=2", protocol="kfold:2", fold="all")
    chosen = ("--protocol", "kfold:2", "--fold", "all", "--labels", "50%")
    code, out, err = call("probe", tmp_path / "cv", faces.path, tmp_path / "probe", *chosen, "--json")
    assert code == 0, err
    metrics = json.loads(out)
    assert set(metrics["folds"]) == {"1", "2"} and metrics["pooled"]["frames"] == len(faces)
    fold = ("--protocol", "kfold:2", "--fold", "1")
    code, out, err = call("probe", tmp_path / "cv", faces.path, tmp_path / "knn", *fold, "--kind", "knn", "--json")
    assert code == 0 and json.loads(out)["pooled"]["subjects"] == 3, err
    code, _, err = call("probe", tmp_path / "cv" / "fold-1", faces.path, tmp_path / "leak", "--protocol", "kfold:2",
                        "--fold", "2")  # fmt: skip
    assert code == 2 and "was trained on" in err and "Traceback" not in err
    table, picture = tmp_path / "f.parquet", tmp_path / "map.png"
    code, out, err = call("features", tmp_path / "cv" / "fold-1", faces.path, "--out", table, "--picture", picture,
                          "--regions", "face", "--json")  # fmt: skip
    assert code == 0, err
    told = json.loads(out)
    assert len(pd.read_parquet(table)) == len(faces) and picture.stat().st_size > 1000
    assert told["width"] == sum(name[1:].isdigit() for name in pd.read_parquet(table).columns)


def test_a_sweep_is_a_run_a_value(faces: Store, tmp_path: Path) -> None:
    made = fit("kdsrl", faces.path, tmp_path / "sweep", recipe="sweep-lambda-small")
    assert len(made["runs"]) == 5
    runs = [tmp_path / "sweep" / f"intra_weight-{value}" for value in (0, 0.01, 0.1, 0.5, 1)]
    assert [read(run)["method"]["intra_weight"] for run in runs] == [0, 0.01, 0.1, 0.5, 1]
    assert all(read(run)["method"]["alpha"] == 1.0 for run in runs), "the base recipe's setting"
    assert not same_weights(runs[0], runs[4])


def read(run: Path) -> dict:
    import yaml

    return yaml.safe_load((run / "config.yaml").read_text())


def test_a_refused_network_leaves_no_folder_in_the_way(faces: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="takes pictures of 96 pixels"):
        representation.pretrain("mae-face", faces.path, tmp_path / "run", settings=("network.input_size=48",))
    assert not (tmp_path / "run").exists()
