"""The loop: exact resume, α = 0, hidden labels, threads, NaN, and who may be trained on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from made_runs import same_weights, weights_of
from made_stores import build_store
from sparsefacs import InputError, api
from sparsefacs.data.store import Store
from sparsefacs.engine import devices
from sparsefacs.engine.config import resolve
from sparsefacs.engine.run import RunFolder
from sparsefacs.engine.training_set import training_set
from sparsefacs.inference.pooling import Answered, write_scores
from sparsefacs.methods import supervised
from sparsefacs.protocols.folds import make_protocol


def fit(method: str, store: Path, out: Path, settings: tuple[str, ...], **more: object) -> dict:
    return api.train(method, store, out, settings=settings, **{"labels": "50%"} | more)  # type: ignore[arg-type]


def test_a_run_learns_and_leaves_every_file(store: Store, tmp_path: Path, tiny_settings: tuple[str, ...]) -> None:
    metrics = fit("supervised", store.path, tmp_path / "run", (*tiny_settings, "training.steps=100"), labels="all")
    assert metrics["pooled"]["mean"]["auc"]["value"] > 0.8
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {"config.yaml", "protocol.json", "labels.parquet", "log.csv", "model.safetensors", "model.json"}
    assert names >= {"predictions.parquet", "metrics.json", "checkpoint", "tensorboard"}


def test_alpha_zero_is_the_supervised_baseline_bit_for_bit(
    store: Store, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    steps = "training.steps=6"
    fit("supervised", store.path, tmp_path / "base", (*tiny_settings, steps))
    fit("adversarial", store.path, tmp_path / "zero", (*tiny_settings, steps, "method.alpha=0"))
    fit("adversarial", store.path, tmp_path / "some", (*tiny_settings, steps, "method.alpha=0.5"))
    assert same_weights(tmp_path / "base", tmp_path / "zero")
    assert not same_weights(tmp_path / "base", tmp_path / "some")


def test_intensity_is_learned_too(store: Store, tmp_path: Path, tiny_settings: tuple[str, ...]) -> None:
    metrics = fit(
        "supervised", store.path, tmp_path / "r", (*tiny_settings, "training.steps=150"), labels="all", task="intensity"
    )
    assert metrics["pooled"]["mean"]["icc"]["value"] > 0.4
    with pytest.raises(InputError, match="does not learn intensity"):
        fit("adversarial", store.path, tmp_path / "a", tiny_settings, task="intensity")


@pytest.mark.parametrize("method", ["supervised", "adversarial", "mae-face"])
def test_an_interrupted_run_resumes_bit_for_bit(
    method: str, store: Store, tmp_path: Path, tiny_settings: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sparsefacs.methods.registry import method_class

    settings = (*tiny_settings, "training.steps=9", "training.checkpoint_every=4", "network.dropout=0.3")
    whole = fit(method, store.path, tmp_path / "whole", settings)
    kind = method_class(method)

    def stop(self: object, step: int) -> None:
        if step == 6:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(kind, "after_step", stop)
        with pytest.raises(InputError, match="--resume"):
            fit(method, store.path, tmp_path / "cut", settings)
    resumed = fit(method, store.path, tmp_path / "cut", settings, resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "cut")
    assert resumed["pooled"] == whole["pooled"]
    rows = [line.split(",")[0] for line in (tmp_path / "cut" / "log.csv").read_text().splitlines()[1:]]
    assert rows == [str(step) for step in range(1, 10)]


def test_kill_nine_and_resume_equal_an_uninterrupted_run(
    store: Store, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    settings = [*tiny_settings, "training.steps=40", "training.checkpoint_every=5"]
    flags = [flag for setting in settings for flag in ("--set", setting)]
    command = [sys.executable, "-m", "sparsefacs", "train", "adversarial", str(store.path)]
    tail = ["--labels", "50%", *flags]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    killed = subprocess.Popen([*command, str(tmp_path / "cut"), *tail], env=environment, stderr=subprocess.DEVNULL)
    checkpoint = tmp_path / "cut" / "checkpoint" / "last.pt"
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert checkpoint.exists()
    assert not (tmp_path / "cut" / "model.json").exists()
    for name in ("cut", "whole"):
        fit("adversarial", store.path, tmp_path / name, tuple(settings), resume=name == "cut")
    assert same_weights(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize(
    ("has", "maker", "pays"),
    [
        (("amx_tile", "avx512_bf16"), "vendor_id\t: GenuineIntel", True),
        (("avx512_bf16",), "vendor_id\t: GenuineIntel", False),
        (("avx512_bf16",), "Intel64 Family 6 Model 143 Stepping 8, GenuineIntel", False),
        (("avx512_bf16",), "vendor_id\t: AuthenticAMD", True),
        ((), "vendor_id\t: AuthenticAMD", False),
    ],
)
def test_bfloat16_is_taken_where_products_of_it_gain(
    has: tuple[str, ...], maker: str, pays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_cpu_has", has.__contains__)
    monkeypatch.setattr(devices, "_cpu_maker", lambda: maker)
    assert devices.bf16_pays("cpu") is pays


def test_the_precision_that_pays_is_kept_by_the_run_and_told_by_its_scores(
    store: Store, tmp_path: Path, tiny_settings: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without bfloat16 products goes on in bfloat16 with what another began so."""
    settings = (*tiny_settings, "training.steps=4", "training.checkpoint_every=2", "training.precision=auto")
    for pays in (True, False):
        monkeypatch.setattr(devices, "bf16_pays", lambda device, pays=pays: pays)
        metrics = fit("supervised", store.path, tmp_path / str(pays), settings)
        assert metrics["provenance"]["precision"] == ("bf16" if pays else "32")
    assert not same_weights(tmp_path / "True", tmp_path / "False")
    plain = fit("supervised", store.path, tmp_path / "plain", (*settings, "training.precision=32"))
    assert plain["provenance"]["precision"] == "32"
    assert same_weights(tmp_path / "plain", tmp_path / "False")
    begun = weights_of(tmp_path / "True")
    (tmp_path / "True" / "model.json").unlink()
    fit("supervised", store.path, tmp_path / "True", settings, resume=True)
    assert all(torch.equal(value, begun[name]) for name, value in weights_of(tmp_path / "True").items())


def test_resume_refuses_other_settings_and_train_refuses_an_existing_folder(
    store: Store, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    settings = (*tiny_settings, "training.steps=2")
    fit("supervised", store.path, tmp_path / "run", settings)
    with pytest.raises(InputError, match="already exists"):
        fit("supervised", store.path, tmp_path / "run", settings)
    with pytest.raises(InputError, match="other settings"):
        fit("supervised", store.path, tmp_path / "run", settings, seed=1, resume=True)


@pytest.mark.parametrize("method", ["adversarial", "mae-face"])
def test_hidden_and_test_labels_change_nothing(method: str, tmp_path: Path, tiny_settings: tuple[str, ...]) -> None:
    """Whatever labels lie outside the budget or on test subjects, the trained weights are the same."""
    settings = (*tiny_settings, "training.steps=5")
    plain = build_store(tmp_path / "plain")
    fit(method, plain.path, tmp_path / "a", settings, labels="subjects:2")
    plan = (tmp_path / "a" / "protocol.json").read_text()
    from sparsefacs.protocols.budgets import VisibleLabels

    seen = VisibleLabels.load(tmp_path / "a" / "labels.parquet").mask
    shown = iter(seen)

    def flip_unseen(truth: np.ndarray) -> np.ndarray:
        return np.where(next(shown), truth, 1 - truth).astype(np.int8)

    other = build_store(tmp_path / "other", hide=flip_unseen)
    assert (other.occurrence() != plain.occurrence()).mean() > 0.5
    fit(method, other.path, tmp_path / "b", settings, labels="subjects:2")
    assert same_weights(tmp_path / "a", tmp_path / "b")
    assert "subjects:2" in plan


def test_thread_count_changes_nothing(store: Store, tmp_path: Path, tiny_settings: tuple[str, ...]) -> None:
    settings = (*tiny_settings, "training.steps=4")
    fit("adversarial", store.path, tmp_path / "one", (*settings, "data.workers=1"))
    fit("adversarial", store.path, tmp_path / "three", (*settings, "data.workers=3"))
    assert same_weights(tmp_path / "one", tmp_path / "three")


def test_a_seed_changes_the_run(store: Store, tmp_path: Path, tiny_settings: tuple[str, ...]) -> None:
    settings = (*tiny_settings, "training.steps=2")
    fit("supervised", store.path, tmp_path / "a", settings)
    fit("supervised", store.path, tmp_path / "b", settings, seed=5)
    assert not same_weights(tmp_path / "a", tmp_path / "b")


def test_nan_stops_with_the_name_of_the_loss_term(
    store: Store, tmp_path: Path, tiny_settings: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "occurrence_loss", lambda logits, labels: logits.sum() * float("nan"))
    with pytest.raises(InputError, match=r"loss term 'recognition' is not a number in step 1.*optimiser\.lr"):
        fit("supervised", store.path, tmp_path / "run", (*tiny_settings, "training.steps=2"))


@pytest.mark.parametrize("spec", ["holdout:25%", "kfold:3"])
@pytest.mark.parametrize("labels", ["all", "5%", "missing:30%", "entries:30%", "subjects:2"])
def test_no_test_subject_is_ever_trained_on(store: Store, spec: str, labels: str, tmp_path: Path) -> None:
    more = build_store(tmp_path / "more", subjects=9, seed=3)  # shares the names s00 … s05 with the first store
    config = resolve("adversarial", aus=store.aus)
    for fold in make_protocol(spec, store.strings("subject").tolist(), 0).folds:
        data = training_set(store, more, fold, labels, config)
        subjects = np.concatenate([store.strings("subject"), more.strings("subject")])
        used = np.concatenate([data.labelled, data.unlabelled])
        assert not set(subjects[used]) & set(fold.test)
        assert len(np.intersect1d(data.labelled, data.unlabelled)) == 0
        assert (data.occurrence[data.unlabelled] == -1).all()
        assert (data.occurrence[np.isin(subjects, fold.test)] == -1).all()
        assert set(subjects[data.unlabelled]) & {"s06", "s07", "s08"}


def test_all_folds_are_pooled(store: Store, tmp_path: Path, tiny_settings: tuple[str, ...]) -> None:
    settings = (*tiny_settings, "training.steps=2")
    metrics = fit("supervised", store.path, tmp_path / "cv", settings, fold="all", protocol="kfold:3")
    assert metrics["pooled"]["frames"] == len(store)
    assert set(metrics["folds"]) == {"1", "2", "3"}
    again = api.evaluate(tmp_path / "cv", csv=tmp_path / "cv.csv")
    assert again["pooled"] == metrics["pooled"]
    assert len(pd.read_csv(tmp_path / "cv.csv")) == len(store)


def test_predictions_are_written_for_statistics_with_empty_cells_where_nothing_is_labelled(tmp_path: Path) -> None:
    given = pd.DataFrame({"subject": ["a", "b", "b"], "fold": "1", "AU12_p": [0.25, 0.5, np.nan]})
    given = given.assign(AU12_true=np.array([1, 0, -1], np.int8), AU12_limit=0.3)
    answered, settings = Answered("occurrence", (12,)), {"seed": 0, "name": "supervised"}
    write_scores(RunFolder(tmp_path), given, answered, settings, {}, tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text().splitlines() == [
        "subject,fold,AU12_p,AU12_true,AU12_limit", "a,1,0.25,1,0.3", "b,1,0.5,0,0.3", "b,1,,,0.3",
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"p\.csv: the CSV of predictions already exists"):
        api.evaluate(tmp_path, csv=tmp_path / "p.csv")


def test_evaluation_on_another_store_leaves_trained_subjects_out(
    store: Store, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    fit("supervised", store.path, tmp_path / "run", (*tiny_settings, "training.steps=2"))
    other = build_store(tmp_path / "other", subjects=8, seed=9)
    metrics = api.evaluate(tmp_path / "run", other.path)
    assert metrics["pooled"]["subjects"] == 8 - 4  # four of the six shared names were trained on
    assert (tmp_path / "run" / "on-other" / "metrics.json").exists()
