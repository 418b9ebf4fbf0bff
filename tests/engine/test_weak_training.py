"""WSRTL and its comparisons in training: two processes as one, exact resume, hidden labels, every variant by recipe."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from made_runs import same_weights
from made_stores import build_store
from process_pair import ProcessPair
from sparsefacs import InputError, api, cli
from sparsefacs.data.store import Store
from sparsefacs.engine.config import read_recipe, recipe_names
from sparsefacs.methods.registry import method_class
from step_gradients import save_gradients

SIDE = 64
NARROW = "network.options={channels: [16, 24, 24, 32]}"
NETWORK = ("network.backbone=test_resnet", NARROW, f"network.input_size={SIDE}", "network.crop=1")
BATCHES = ("data.labelled_batch=4", "data.unlabelled_batch=4", "data.workers=1", "training.precision='32'")
PARTS = ("method.recogniser.cells=2", "method.recogniser.feedforward=16", "method.inpainting.width=16")
COMPARISONS = ("pseudo-label", "fixmatch", "mixmatch", "mean-teacher", "cutmix", "rotation", "exemplar", "jigsaw")
TINY = (*NETWORK, *BATCHES, *PARTS, "method.jigsaw.orders=10")


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of faces with optical flow."""
    store = build_store(tmp_path_factory.mktemp("weak") / "store", size=SIDE, frames=8, aus=(1, 4, 12, 15), faces=True)
    api.flow(store.path, workers=1)
    return store


def test_two_processes_equal_one(faces: Store, tmp_path: Path, two_processes: ProcessPair) -> None:
    methods = dict.fromkeys(("wsrtl", *COMPARISONS), (*TINY, "method.recogniser.dropout=0"))
    rest = (str(tmp_path), str(faces.path), methods, "entries:40%")
    save_gradients(0, 1, *rest)
    two_processes(save_gradients, *rest)
    one, two = np.load(tmp_path / "gradients-1.npz"), np.load(tmp_path / "gradients-2.npz")
    for name in one:
        assert np.abs(one[name]).max() > 1e-4
        np.testing.assert_allclose(two[name], one[name], rtol=1e-8, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("name", ["wsrtl", "mean-teacher", "fixmatch"])
def test_an_interrupted_training_resumes_bit_for_bit(
    name: str, faces: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (*TINY, "training.steps=6", "training.checkpoint_every=2")
    more = {"labels": "50%", "settings": settings}
    whole = api.train(name, faces.path, tmp_path / "whole", **more)  # type: ignore[arg-type]
    after_step = method_class(name).after_step

    def stop(self: nn.Module, step: int) -> None:
        after_step(self, step)
        if step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(method_class(name), "after_step", stop)
        with pytest.raises(Exception, match="stopped by the user"):
            api.train(name, faces.path, tmp_path / "cut", **more)  # type: ignore[arg-type]
    resumed = api.train(name, faces.path, tmp_path / "cut", resume=True, **more)  # type: ignore[arg-type]
    assert same_weights(tmp_path / "whole", tmp_path / "cut")
    assert resumed["pooled"]["mean"] == whole["pooled"]["mean"]


def test_hidden_and_test_labels_change_nothing(faces: Store, tmp_path: Path) -> None:
    """Labels that the budget hides and those of test people are turned over: the trained network is the same."""
    settings = (*TINY, "training.steps=3")
    api.train("wsrtl", faces.path, tmp_path / "a", labels="count:12", settings=settings)
    visible = _visible(tmp_path / "a", faces)
    rows = iter(visible)

    def turned(truth: np.ndarray) -> np.ndarray:
        return np.where(next(rows), truth, 1 - truth)

    other = build_store(tmp_path / "other", size=SIDE, frames=8, aus=(1, 4, 12, 15), faces=True, hide=turned)
    api.flow(other.path, workers=1)
    assert (other.occurrence() != faces.occurrence()).any()
    api.train("wsrtl", other.path, tmp_path / "b", labels="count:12", settings=settings)
    assert same_weights(tmp_path / "a", tmp_path / "b")


def _visible(run: Path, store: Store) -> np.ndarray:
    """Return which labels (M, A) the run could see."""
    import pandas as pd

    table = pd.read_parquet(run / "labels.parquet")
    mask = np.zeros((len(store), len(store.aus)), bool)
    mask[table["row"].to_numpy()] = True
    return mask


VARIANTS = [("wsrtl", recipe) for recipe in recipe_names("wsrtl") if not recipe.startswith("fig5")]
VARIANTS += [(name, recipe) for name in COMPARISONS for recipe in recipe_names(name)]


@pytest.mark.parametrize(("name", "recipe"), VARIANTS)
def test_every_variant_trains_from_its_recipe_through_the_command_line(
    name: str,
    recipe: str,
    faces: Store,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = [word for each in (*TINY, "training.steps=2") for word in ("--set", each)]
    words = ["train", name, str(faces.path), str(tmp_path / "run"), "--labels", "50%", "--recipe", recipe, "--json"]
    monkeypatch.setattr(sys, "argv", ["sparsefacs", *words, "--init", "none", *settings])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    out, err = capsys.readouterr()
    assert not stopped.value.code, err
    assert json.loads(out)["pooled"]["frames"] > 0
    log = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert "nan" not in log[-1] and len(log) > 1


def test_the_small_recipe_s_rates_fit_whatever_parts_are_left(faces: Store, tmp_path: Path) -> None:
    for number, parts in enumerate(("[]", "[flow]", "[inpainting]")):
        settings = (*TINY, "training.steps=1", f"method.auxiliary={parts}")
        api.train("wsrtl", faces.path, tmp_path / f"run-{number}", settings=settings)


def test_the_sweep_of_figure_5_makes_a_run_a_value(faces: Store, tmp_path: Path) -> None:
    settings = (*TINY, "training.steps=1")
    made = api.train("wsrtl", faces.path, tmp_path / "sweep", recipe="fig5-lambdaf-small", settings=settings)
    values = read_recipe("wsrtl", "fig5-lambdaf-small")["sweep"]["method.flow.weight"]
    assert [Path(run).name for run in made["runs"]] == [f"weight-{value}" for value in values]
    assert len({json_weight(tmp_path / "sweep" / f"weight-{value}") for value in values}) == len(values)


def json_weight(run: Path) -> float:
    import yaml

    return float(yaml.safe_load((run / "config.yaml").read_text())["method"]["flow"]["weight"])


def test_what_cannot_be_trained_is_told_before_there_is_a_run_folder(tmp_path: Path) -> None:
    store = build_store(tmp_path / "store", size=SIDE, frames=8, aus=(1, 4, 12, 15), faces=True)
    settings = (*TINY, "training.steps=1")
    with pytest.raises(InputError, match="has no optical flow"):
        api.train("wsrtl", store.path, tmp_path / "run", labels="50%", settings=settings)
    with pytest.raises(InputError, match="do not fit into a face"):
        api.train("wsrtl", store.path, tmp_path / "run", settings=(*settings, "method.recogniser.cells=50"))
    assert not (tmp_path / "run").exists()
    api.flow(store.path, workers=1)  # the remedy, and the same command again
    api.train("wsrtl", store.path, tmp_path / "run", labels="50%", settings=settings)


def test_a_method_that_finds_no_faces_without_labels_says_so(
    faces: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for labels, told in (("all", True), ("50%", False)):
        api.train("fixmatch", faces.path, tmp_path / labels, labels=labels, settings=(*TINY, "training.steps=1"))
        assert ("fixmatch learns from labelled ones alone" in capsys.readouterr().err) == told
