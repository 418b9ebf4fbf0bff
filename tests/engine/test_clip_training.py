"""Methods of clips in training: two processes as one, exact resume, hidden labels, and codes of a video."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torch import nn

from made_runs import same_weights
from made_stores import build_store
from process_pair import ProcessPair
from sparsefacs import api
from sparsefacs.data.store import Store
from sparsefacs.engine.config import recipe_names
from sparsefacs.methods.registry import method_class
from step_gradients import save_gradients

TINY = (
    *("network.backbone=test_resnet", "network.options={}", "network.input_size=32", "network.init=none"),
    *("data.labelled_batch=2", "data.unlabelled_batch=2", "data.workers=1", "training.precision='32'"),
    "method.clip_length=3",
)
SPREADER = (*TINY, "method.width=8", "method.heads=2", "method.hidden=8", "method.feedforward=8")
SETTINGS = {"knowledge-spreader": (*SPREADER, "method.unlabelled_after=0.3", "method.ramp=0.6"), "tcl": TINY}


@pytest.fixture
def films(tmp_path: Path) -> Store:
    return build_store(tmp_path / "films", frames=12)


def test_two_processes_equal_one(films: Store, tmp_path: Path, two_processes: ProcessPair) -> None:
    still = {"knowledge-spreader": (*SETTINGS["knowledge-spreader"], "method.dropout=0"), "tcl": TINY}
    rest = (str(tmp_path), str(films.path), still, "one-per-clip:6")
    save_gradients(0, 1, *rest)
    two_processes(save_gradients, *rest)
    one, two = np.load(tmp_path / "gradients-1.npz"), np.load(tmp_path / "gradients-2.npz")
    for name in one:
        assert np.abs(one[name]).max() > 1e-4
        np.testing.assert_allclose(two[name], one[name], rtol=1e-8, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("name", SETTINGS)
def test_an_interrupted_training_resumes_bit_for_bit(
    name: str, films: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (*SETTINGS[name], "training.steps=6", "training.checkpoint_every=2", "data.workers=2")
    more = {"labels": "one-per-clip:6", "settings": settings}
    api.train(name, films.path, tmp_path / "whole", **more)  # type: ignore[arg-type]

    def stop(self: nn.Module, step: int) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(method_class(name), "after_step", stop)
        with pytest.raises(Exception, match="stopped by the user"):
            api.train(name, films.path, tmp_path / "cut", **more)  # type: ignore[arg-type]
    api.train(name, films.path, tmp_path / "cut", resume=True, **more)  # type: ignore[arg-type]
    assert same_weights(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("name", SETTINGS)
def test_hidden_and_test_labels_change_nothing(name: str, films: Store, tmp_path: Path) -> None:
    more = {"labels": "one-per-clip:6", "settings": (*SETTINGS[name], "training.steps=4")}
    api.train(name, films.path, tmp_path / "a", **more)  # type: ignore[arg-type]
    seen = np.zeros(len(films), bool)
    seen[pd.read_parquet(tmp_path / "a" / "labels.parquet")["row"].to_numpy()] = True
    rows = iter(seen)
    other = build_store(tmp_path / "other", frames=12, hide=lambda truth: truth if next(rows) else 1 - truth)
    assert (other.occurrence()[~seen] != films.occurrence()[~seen]).all()
    api.train(name, other.path, tmp_path / "b", **more)  # type: ignore[arg-type]
    assert same_weights(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(
    ("name", "recipe"),
    [(name, recipe) for name in SETTINGS for recipe in recipe_names(name) if recipe != "clip-length"],
)
def test_every_recipe_trains(name: str, recipe: str, films: Store, tmp_path: Path) -> None:
    settings = SPREADER if name == "knowledge-spreader" else TINY
    more = {"labels": "one-per-clip:6", "settings": (*settings, "training.steps=2")}
    metrics = api.train(name, films.path, tmp_path / "run", recipe=recipe, **more)  # type: ignore[arg-type]
    assert metrics["pooled"]["frames"] > 0


def test_all_labels_and_the_lengths_of_the_sweep(films: Store, tmp_path: Path) -> None:
    """With all labels no clip is without one; the clip-length sweep makes a run a length."""
    settings = [each for each in SPREADER if "clip_length" not in each]
    made = api.train(
        "knowledge-spreader",
        films.path,
        tmp_path / "sweep",
        recipe="clip-length",
        settings=(*settings, "training.steps=1"),
    )
    assert {Path(run).name for run in made["runs"]} == {f"clip_length-{length}" for length in range(2, 10)}


def test_a_video_is_coded_with_a_row_a_frame(films: Store, tmp_path: Path) -> None:
    photo = pytest.importorskip("skimage.data").astronaut()[0:200, 100:356]
    import av

    with av.open(str(tmp_path / "film.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 256, 200, "yuv420p"
        for _ in range(9):
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(photo), format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    settings = (*SETTINGS["knowledge-spreader"], "training.steps=1")
    api.train("knowledge-spreader", films.path, tmp_path / "run", labels="50%", settings=settings)
    api.predict([tmp_path / "film.mp4"], tmp_path / "codes.csv", tmp_path / "run")
    codes = pd.read_csv(tmp_path / "codes.csv")
    assert codes["frame"].tolist() == list(range(1, 10)) and (codes["success"] == 1).all()
    assert codes.filter(like="_p").notna().all().all()
