"""Trainings that look at evidence: instant, whose labels reach it, old stores, holes, resume, and the pixels' worth."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from made_runs import same_weights, weights_of
from made_stores import evident_store, without_columns
from sparsefacs import InputError, api
from sparsefacs.data.store import Store
from sparsefacs.engine.run import RunFolder
from sparsefacs.evidence.fitting import pixel_gain, usual_gain
from sparsefacs.evidence.vectors import meaning_of
from sparsefacs.protocols.folds import make_protocol
from sparsefacs.training import DEFAULT_PROTOCOL

PERSON = ("network.evidence=person",)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return evident_store(tmp_path_factory.mktemp("evident") / "store")


def held_out(store: Store) -> tuple[str, ...]:
    return make_protocol(DEFAULT_PROTOCOL, store.strings("subject").tolist(), 0).folds[0].test


def auc(metrics: dict[str, Any]) -> float:
    return float(metrics["pooled"]["mean"]["auc"]["value"])


def test_instant_learns_in_no_step_and_is_a_run_like_any(seen: Store, tmp_path: Path) -> None:
    metrics = api.train("instant", seen.path, tmp_path / "run", recipe="evidence")
    assert auc(metrics) > 0.95
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {"config.yaml", "protocol.json", "model.safetensors", "model.json", "predictions.parquet"}
    assert api.evaluate(tmp_path / "run")["pooled"] == metrics["pooled"]
    api.report(tmp_path / "report.html", [tmp_path / "run"])
    assert "instant" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_instant_is_the_same_to_the_last_digit_whatever_the_seed(seen: Store, tmp_path: Path) -> None:
    for number in (1, 2):
        api.train("instant", seen.path, tmp_path / str(number), recipe="evidence", labels="20%", seed=number)
    assert same_weights(tmp_path / "1", tmp_path / "2")


def test_instant_codes_intensity(seen: Store, tmp_path: Path) -> None:
    metrics = api.train("instant", seen.path, tmp_path / "run", recipe="evidence", task="intensity")
    assert metrics["pooled"]["mean"]["icc"]["value"] > 0.6


def test_aus_that_nothing_tells_are_left_out_unless_they_were_asked_for(
    seen: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A store without labels names all AUs there are, of which no blendshape means some."""
    monkeypatch.setattr("sparsefacs.engine.instant.meaning_of", lambda au: meaning_of(au) * (au != 4))
    given: dict[str, Any] = {"recipe": "evidence", "labels": "none"}
    assert api.train("instant", seen.path, tmp_path / "run", **given)["aus"] == [1, 12]
    assert "note: AU4 left out" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"nothing tells AU4: .*Add --aus 1"):
        api.train("instant", seen.path, tmp_path / "asked", aus=(1, 4), **given)
    assert not (tmp_path / "asked").exists()
    one = evident_store(
        tmp_path / "one",
        change=lambda who, labels, points: (labels if who == "s00" else np.where([0, 1, 0], -1, labels), points),
    )
    assert (one.occurrence()[:, 1] >= 0).any()
    with pytest.raises(InputError, match="nothing tells AU4"):  # in the fold that may not see it
        api.train("instant", one.path, tmp_path / "folds", recipe="evidence", protocol="kfold:2", fold="all")


def test_instant_answers_without_a_label_and_others_say_that_they_do_not(seen: Store, tmp_path: Path) -> None:
    assert auc(api.train("instant", seen.path, tmp_path / "run", recipe="evidence", labels="none")) > 0.9
    assert weights_of(tmp_path / "run")["evidence.face_EA"].any()
    with pytest.raises(InputError, match=r"left to train on.*instant"):
        api.train("supervised", seen.path, tmp_path / "other", labels="none")


def test_faces_without_any_label_are_enough_to_begin_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blank = evident_store(tmp_path / "blank", change=lambda who, labels, points: (labels * 0 - 1, points), graded=False)
    assert api.train("instant", blank.path, tmp_path / "run", recipe="evidence", labels="none") == {}
    assert "not scored" in capsys.readouterr().err
    assert weights_of(tmp_path / "run")["evidence.change_EA"].any()


def test_what_is_looked_at_is_chosen(seen: Store, tmp_path: Path) -> None:
    scores = {}
    for name, settings in {
        "geometry": ("network.evidence=geometry", "method.blendshapes=false"),
        "person": (*PERSON, "method.blendshapes=false"),
        "all": PERSON,
    }.items():
        scores[name] = auc(api.train("instant", seen.path, tmp_path / name, recipe="evidence", settings=settings))
        head = weights_of(tmp_path / name)
        assert bool(torch.isinf(head["evidence.scale_E"]).any()) == (name != "all")
    assert scores["geometry"] < scores["person"] < scores["all"]
    with pytest.raises(InputError, match=r"network\.evidence=person"):
        api.train("instant", seen.path, tmp_path / "none", recipe="evidence", settings=("network.evidence=pixels",))


@pytest.mark.parametrize("method", ["instant", "supervised", "kdsrl", "knowledge-spreader"])
def test_nothing_of_the_people_tested_on_reaches_a_training_or_its_limits(
    method: str, seen: Store, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    held = held_out(seen)

    def other(who: str, labels: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (1 - labels, points + np.linspace(0, 5, 136).reshape(68, 2)) if who in held else (labels, points)

    small = () if method == "instant" else (*tiny_settings, "training.steps=3", *PERSON)
    if method == "knowledge-spreader":
        small = (*small, "method.width=8", "method.heads=2", "method.hidden=8", "method.feedforward=8")
    changed = evident_store(tmp_path / "changed", change=other)
    for name, store in (("one", seen), ("two", changed)):
        recipe = "evidence" if method == "instant" else "small"
        api.train(method, store.path, tmp_path / name, labels="50%", settings=small, recipe=recipe)
    assert same_weights(tmp_path / "one", tmp_path / "two")
    assert RunFolder(tmp_path / "one").read_model()["limits"] == RunFolder(tmp_path / "two").read_model()["limits"]


def test_labels_of_the_people_tested_on_never_reach_their_codes(seen: Store, tmp_path: Path) -> None:
    held = held_out(seen)

    def flipped(who: str, labels: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (1 - labels if who in held else labels), points

    changed = evident_store(tmp_path / "changed", change=flipped)
    codes = []
    for name, store in (("one", seen), ("two", changed)):
        api.train("instant", store.path, tmp_path / name, recipe="evidence")
        table = pd.read_parquet(tmp_path / name / "predictions.parquet")
        codes.append(table[[column for column in table if column.endswith("_p")]].to_numpy())
    np.testing.assert_array_equal(*codes)


def test_a_store_made_before_evidence_trains_with_what_it_has_and_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evident_store(tmp_path / "old")
    old = without_columns(tmp_path / "old", "blendshapes", "pose")
    assert auc(api.train("instant", old.path, tmp_path / "run", recipe="evidence")) > 0.7
    told = capsys.readouterr().err
    assert "no blendshapes" in told and "prepare" in told
    api.train("instant", evident_store(tmp_path / "new").path, tmp_path / "other", recipe="evidence")
    assert "no blendshapes" not in capsys.readouterr().err


@pytest.mark.parametrize("method", ["instant", "supervised"])
def test_points_that_are_not_numbers_are_no_evidence(
    method: str, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    holes = evident_store(tmp_path / "holes", blank=True)
    settings = () if method == "instant" else (*tiny_settings, "training.steps=3", *PERSON)
    recipe = "evidence" if method == "instant" else "small"
    assert auc(api.train(method, holes.path, tmp_path / "run", settings=settings, recipe=recipe)) > 0.6
    table = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert np.isfinite(table[[column for column in table if column.endswith("_p")]].to_numpy()).all()


def test_a_training_with_evidence_resumes_bit_for_bit(
    seen: Store, tmp_path: Path, tiny_settings: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sparsefacs.methods.supervised import Supervised

    settings = (*tiny_settings, "training.steps=9", "training.checkpoint_every=4", *PERSON)
    whole = api.train("supervised", seen.path, tmp_path / "whole", labels="50%", settings=settings)

    def stop(self: object, step: int) -> None:
        if step == 6:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Supervised, "after_step", stop)
        with pytest.raises(InputError, match="--resume"):
            api.train("supervised", seen.path, tmp_path / "cut", labels="50%", settings=settings)
    resumed = api.train("supervised", seen.path, tmp_path / "cut", labels="50%", settings=settings, resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "cut") and resumed["pooled"] == whole["pooled"]


def test_evidence_puts_a_network_of_noise_where_evidence_is(
    seen: Store, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    scores = {}
    for use in ("pixels", "person"):
        settings = (*tiny_settings, "training.steps=20", f"network.evidence={use}")
        scores[use] = auc(api.train("supervised", seen.path, tmp_path / use, settings=settings))
    assert scores["person"] > 0.95 and scores["pixels"] < 0.8
    gain = float(weights_of(tmp_path / "person")["evidence.gain"])
    assert gain < 0.2  # its pixels are noise, which the people set aside tell


def test_the_worth_of_pixels_is_that_under_which_labels_are_likeliest() -> None:
    rng = np.random.default_rng(0)
    pixels, known = rng.normal(0, 2, (4000, 3)), rng.normal(0, 1, (4000, 3))
    labels = (rng.random((4000, 3)) < 1 / (1 + np.exp(-(known + 0.6 * pixels)))).astype(float)
    coded = 1 / (1 + np.exp(-pixels))
    assert pixel_gain(coded, known, labels, 0.1) == pytest.approx(0.6, abs=0.06)
    noise = 1 / (1 + np.exp(-rng.normal(0, 2, (4000, 3))))
    assert pixel_gain(noise, known, labels, 0.5) < 0.08
    assert pixel_gain(coded, known, np.full((4000, 3), np.nan), 0.37) == pytest.approx(0.37, abs=1e-3)
    assert usual_gain(0) == 0 and usual_gain(1500) == 0.5 < usual_gain(15000) < 1


def test_a_teacher_of_evidence_teaches_a_student_of_pixels_with_it(
    seen: Store, tmp_path: Path, tiny_settings: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sparsefacs.networks.instant import InstantNetwork

    api.train("instant", seen.path, tmp_path / "teacher", recipe="evidence")
    given: list[torch.Tensor | None] = []
    forward = InstantNetwork.forward

    def spy(self: InstantNetwork, image: Any, landmarks: Any = None, evidence: Any = None) -> torch.Tensor:
        given.append(evidence)
        return forward(self, image, landmarks, evidence)

    monkeypatch.setattr(InstantNetwork, "forward", spy)
    settings = (*tiny_settings, "training.steps=2", "network.evidence=pixels", f"method.teacher={tmp_path / 'teacher'}")
    api.train("distil", seen.path, tmp_path / "student", settings=settings)
    assert given and all(evidence is not None and torch.isfinite(evidence).all() for evidence in given)
    assert not [name for name in weights_of(tmp_path / "student") if "evidence" in name]


def test_features_of_a_run_hold_its_evidence(seen: Store, tmp_path: Path) -> None:
    from sparsefacs.evidence.vectors import VECTOR_WIDTH
    from sparsefacs.inference.encoder import load_encoder
    from sparsefacs.inference.features import extract_features

    api.train("instant", seen.path, tmp_path / "run", recipe="evidence")
    encoder = load_encoder(tmp_path / "run")
    assert encoder.width == 2 * VECTOR_WIDTH
    found = extract_features(encoder, seen, np.arange(20))
    person = np.unique(seen.strings("subject")[:20], return_inverse=True)[1]
    assert found[:, 3].std() > 0.1 and np.isfinite(found).all()
    change = found[:, VECTOR_WIDTH:]
    assert abs(float(np.median(change[person == 0], axis=0).mean())) < 0.1  # about the person's own median
