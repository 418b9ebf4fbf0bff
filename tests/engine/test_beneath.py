"""A network begun from a coder keeps it beneath: what its pixels say is evidence, its linear models the beginning."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from made_runs import same_weights, weights_of
from made_stores import evident_store
from sparsefacs import InputError, api
from sparsefacs.coders import coder_folder
from sparsefacs.data.store import Store
from sparsefacs.engine import light
from sparsefacs.engine.beneath import coder_beneath
from sparsefacs.engine.config import resolve
from sparsefacs.engine.run import RunFolder
from sparsefacs.inference.evaluation import code_store
from sparsefacs.inference.model import load_coder
from sparsefacs.inference.onnx_model import OnnxCoder
from sparsefacs.methods.registry import method_class
from sparsefacs.training import start_notes

NETWORK = ("network.backbone=resnet10t", "network.options={channels: [8, 8, 8, 8]}", "network.input_size=32")
FEW = ("training.steps=2", "data.labelled_batch=8", "training.precision=32", "selection.checks=1")
UNLABELLED = dict.fromkeys(("fixmatch", "mean-teacher"), ("data.unlabelled_batch=4",))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return evident_store(tmp_path_factory.mktemp("evident") / "store", sides=True)


@pytest.fixture(scope="module")
def coder(seen: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("coder") / "run"
    api.train("coder", seen.path, out, settings=(*NETWORK, *FEW))
    return out


def train(store: Store, out: Path, coder: Path, method: str = "supervised", *more: str, **options: Any) -> Path:
    settings = (*NETWORK, *FEW, *UNLABELLED.get(method, ()), *more)
    api.train(
        method, store.path, out, **{"labels": "40%", "network__init": str(coder), "settings": settings, **options}
    )
    return out


@pytest.mark.parametrize("method", ["supervised", "fixmatch"])
def test_its_pixels_stay_and_its_linear_models_begin(method: str, seen: Store, coder: Path, tmp_path: Path) -> None:
    """Few labels leave the answers near the coder's, of which pixels that have learned nothing yet know none."""
    run = train(seen, tmp_path / "run", coder, method)
    assert RunFolder(run).read_model()["limit_rule"] == "base-rate", "limits of networks are by the rates of labels"
    own, its = weights_of(run), weights_of(coder)
    kept = {name.removeprefix("said."): value for name, value in own.items() if name.startswith("said.")}
    assert kept and all(torch.equal(value, its[f"pixels.{name}"]) for name, value in kept.items())
    assert RunFolder(run).read_model()["network"]["beneath"]["said"] == 9
    assert own["evidence.own_EA"].shape == (its["evidence.own_EA"].shape[0], 3)
    apart = own["evidence.own_EA"] - its["evidence.own_EA"][:, :3]
    assert 0 < apart.abs().max() < 0.2 * its["evidence.own_EA"][:, :3].abs().max()


@pytest.mark.parametrize("method", ["supervised", "instant"])
def test_the_coder_is_loaded_once(
    method: str, seen: Store, coder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pixels and linear models; a network's own pixels begin from the file too, as from any start."""
    read, loaded = light.read_arrays, []

    def counted(path: Path) -> dict[str, np.ndarray]:
        loaded.append(path.parent)
        return read(path)

    monkeypatch.setattr(light, "read_arrays", counted)
    if method == "instant":
        api.train(method, seen.path, tmp_path / "run", settings=(*NETWORK, "method.said=9"), network__init=str(coder))
    else:
        train(seen, tmp_path / "run", coder, method)
    assert loaded.count(coder) == 1
    start_notes(resolve("supervised", settings=("network.init=coder",)), seen)
    assert coder_folder() not in loaded, "what is told of it is enough for a note"


def test_it_codes_alike_in_one_step_in_two_and_exported(seen: Store, coder: Path, tmp_path: Path) -> None:
    run = train(seen, tmp_path / "run", coder)
    assert api.export(run, tmp_path / "run.onnx")["max_difference"] < 1e-4
    learned, exported = load_coder(run), OnnxCoder(tmp_path / "run.onnx")
    assert learned.known == exported.known > 99 and learned.person and exported.person
    rows = np.arange(12)
    wanted = code_store(learned, seen, rows)
    np.testing.assert_allclose(code_store(exported, seen, rows), wanted, atol=1e-4)
    assert wanted.std(axis=0).min() > 0.01
    faces, points = (np.stack(each) for each in zip(*(seen.face(row) for row in range(12)), strict=True))
    alone = learned.decode(learned.encode(faces, points)[:, None])
    np.testing.assert_allclose(learned(faces, points), alone, atol=1e-5)  # nothing but pixels is known


def test_labels_of_nobody_tested_on_have_a_part_and_a_resumed_run_is_the_same(
    seen: Store, coder: Path, tmp_path: Path
) -> None:
    one = train(seen, tmp_path / "one", coder)
    tested = api.protocol(seen.path)[0]["fold"]["test"]
    other = evident_store(
        tmp_path / "other",
        sides=True,
        change=lambda who, labels, points: (1 - labels if who in tested else labels, points),
    )
    two = train(other, tmp_path / "two", coder)
    assert all(torch.equal(value, weights_of(two)[name]) for name, value in weights_of(one).items())
    (one / "metrics.json").unlink()
    train(seen, one, coder, resume=True)  # it is found to be the run that was asked for
    assert (one / "metrics.json").exists()


@pytest.mark.parametrize("method", ["supervised", "fixmatch", "mean-teacher", "adversarial"])
def test_an_interrupted_training_resumes_bit_for_bit(
    method: str, seen: Store, coder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its coder is laid beneath anew, and what was learned above goes on: weights, limits and scores are the same."""
    settings = ("training.steps=6", "training.checkpoint_every=2", "selection.checks=3", "network.dropout=0.3")
    train(seen, tmp_path / "whole", coder, method, *settings)
    kind: Any = method_class(method)
    after, done = kind.after_step, []

    def stop(self: Any, step: int) -> None:
        after(self, step)
        done.append(step)
        if step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(kind, "after_step", stop)
        with pytest.raises(InputError, match="stopped by the user in step 4"):
            train(seen, tmp_path / "cut", coder, method, *settings)
        patch.setattr(kind, "after_step", lambda self, step: (after(self, step), done.append(step))[0])
        train(seen, tmp_path / "cut", coder, method, *settings, resume=True)
    assert done == [0, 1, 2, 3, 2, 3, 4, 5], "it went on after the last state that was saved"
    assert same_weights(tmp_path / "whole", tmp_path / "cut")
    for told in ("limits", "step"):
        one, two = (RunFolder(tmp_path / name).read_model()[told] for name in ("whole", "cut"))
        assert one == two, told
    states = [
        torch.load(RunFolder(tmp_path / name).checkpoint, weights_only=True)["method"] for name in ("whole", "cut")
    ]
    assert any(".said." in name for name in states[0]) and states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.parametrize(
    ("method", "setting", "kept"),
    [
        ("supervised", "seed=0", True),
        ("kdsrl", "seed=0", True),
        ("supervised", "network.evidence=geometry", False),
        ("supervised", "network.input_size=64", False),
        ("tcl", "seed=0", False),
        ("instant", "seed=0", False),
    ],
)
def test_who_keeps_the_packaged_coder(method: str, setting: str, kept: bool) -> None:
    config = resolve(method, "small", ("network.init=coder", setting))
    assert (coder_beneath(config) is not None) == kept
    assert "beneath" not in config.as_json()["network"], "what is not there is not told"
