"""Early stop: after how many checks, what is kept, exact resume; and the validation loss as score."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from made_stores import build_store
from sparsefacs import InputError, api
from sparsefacs.data.store import Store
from sparsefacs.engine.config import resolve
from sparsefacs.engine.selection import Selector
from sparsefacs.engine.trainer import total_steps
from sparsefacs.engine.training_set import training_set
from sparsefacs.methods.contract import Setting
from sparsefacs.methods.mae_face import MAEFace
from sparsefacs.metrics.loss import entry_losses, loss_difference, mean_loss
from sparsefacs.networks.backbone import read_safetensors
from sparsefacs.networks.config import NetworkConfig
from sparsefacs.protocols.folds import make_protocol

SCORES = [0.1, 0.3, 0.5, 0.4, 0.5, 0.2, 0.9, 0.9, 0.9, 0.9]  # the third is the best for four checks
STOP = ("training.steps=10", "selection.checks=10", "selection.patience=3", "network.dropout=0.3")


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores by the number of the check, whatever the network answers."""
    monkeypatch.setattr(
        Selector, "_score", lambda self, _: (value := SCORES[len(self.history)], {"selection_f1": value})
    )


def fit(store: Store, out: Path, *settings: str, **more: object) -> dict:
    given = {"labels": "all", "selection__rule": "published-practice"} | more
    return api.train("mae-face", store.path, out, settings=settings, **given)  # type: ignore[arg-type]


def logged(run: Path) -> list[str]:
    return [line.split(",")[0] for line in (run / "log.csv").read_text().splitlines()[1:]]


def test_a_stall_of_so_many_checks_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    selector = Selector(
        Setting("occurrence", (1,), NetworkConfig()), (), np.arange(0), np.array([]), np.zeros(0), frozenset()
    )
    stalled = []
    for score in SCORES:
        selector.history.append({"step": len(stalled) + 1, "score": score})
        stalled.append(selector.stalled(3))
    assert stalled == [False, False, False, False, False, True, False, False, False, True]
    selector.history = [{"step": 1, "score": float("nan")}, {"step": 2, "score": float("nan")}]
    assert selector.stalled(2) and not selector.stalled(3), "an undefined score is not a better one"


def test_a_stalled_training_stops_and_a_resumed_one_stays_stopped(
    store: Store, tmp_path: Path, tiny_settings: tuple[str, ...], scored: None
) -> None:
    settings = (*tiny_settings, *STOP, "training.log_every=50", "training.checkpoint_every=50")
    fit(store, tmp_path / "run", *settings)
    run = tmp_path / "run"
    assert logged(run) == ["1", "2", "3", "4", "5", "6"]
    state = torch.load(run / "checkpoint" / "last.pt", weights_only=True)
    assert state["step"] == 6 and state["positions"]["labelled"] == 6
    kept = json.loads((run / "model.json").read_text())
    assert kept["step"] == 5  # of equal ones the latest
    before = read_safetensors(run / "model.safetensors")
    for name in ("model.json", "model.safetensors", "metrics.json"):
        (run / name).unlink()  # as if it had been killed after its last checkpoint
    fit(store, run, *settings, resume=True)
    assert json.loads((run / "model.json").read_text()) == kept
    after = read_safetensors(run / "model.safetensors")
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert torch.load(run / "checkpoint" / "last.pt", weights_only=True)["step"] == 6
    fit(store, run, *settings, resume=True)  # finished: nothing at all is done
    assert logged(run)[-1] == "6"


def test_a_training_interrupted_before_its_stop_resumes_bit_for_bit(
    store: Store, tmp_path: Path, tiny_settings: tuple[str, ...], scored: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (*tiny_settings, *STOP, "training.checkpoint_every=2")
    fit(store, tmp_path / "whole", *settings)

    def stop(self: object, step: int) -> None:
        if step == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MAEFace, "after_step", stop)
        with pytest.raises(InputError, match="--resume"):
            fit(store, tmp_path / "cut", *settings)
    fit(store, tmp_path / "cut", *settings, resume=True)
    for name in ("model.json", "model.safetensors"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    one, two = (torch.load(tmp_path / run / "checkpoint" / "last.pt", weights_only=True) for run in ("whole", "cut"))
    assert one["step"] == two["step"] == 6 and torch.equal(one["random"], two["random"])
    assert all(torch.equal(one["method"][key], two["method"][key]) for key in one["method"])
    assert logged(tmp_path / "cut") == logged(tmp_path / "whole")


def test_without_scores_it_takes_its_whole_length_and_says_so(
    store: Store, tmp_path: Path, tiny_settings: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    fit(store, tmp_path / "run", *tiny_settings, *STOP, selection__rule="last")
    assert logged(tmp_path / "run")[-1] == "10"
    assert "no score to stop early on" in capsys.readouterr().err


def test_the_loss_is_the_training_s(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    truth, logits = rng.integers(-1, 2, (30, 3)), rng.normal(size=(30, 3))
    known = torch.from_numpy(truth) >= 0
    by_torch = F.binary_cross_entropy_with_logits(
        torch.from_numpy(logits)[known], torch.from_numpy(truth)[known].double()
    )
    assert mean_loss("occurrence", truth, 1 / (1 + np.exp(-logits))) == pytest.approx(float(by_torch))
    assert mean_loss(
        "intensity", np.array([[5.0, np.nan], [1.0, 0.0]]), np.array([[0.0, 3], [1, 2.5]])
    ) == pytest.approx((1 + 0 + 0.25) / 3)
    assert np.isfinite(entry_losses("occurrence", np.array([[1]]), np.array([[0.0]]))).all()
    assert np.isnan(mean_loss("occurrence", np.full((2, 2), -1), np.zeros((2, 2))))


def test_a_paired_loss_against_resampling_by_hand() -> None:
    rng = np.random.default_rng(1)
    truth, people = rng.integers(0, 2, (40, 2)), np.repeat(["a", "b", "c", "d"], 10)
    first, second = rng.random((40, 2)), rng.random((40, 2))
    found = loss_difference("occurrence", truth, first, second, people, resamples=300)
    assert found["value"] == pytest.approx(
        mean_loss("occurrence", truth, first) - mean_loss("occurrence", truth, second)
    )
    per = entry_losses("occurrence", truth, first) - entry_losses("occurrence", truth, second)
    means = [per[people == name].mean() for name in "abcd"]
    assert min(means) <= found["low"] <= found["value"] <= found["high"] <= max(means)
    same = loss_difference("occurrence", truth, first, first, people, resamples=50)
    assert same == {"value": 0, "low": 0, "high": 0}
    assert np.isnan(loss_difference("occurrence", truth, first, second, np.repeat("a", 40), resamples=9)["low"])


def test_with_the_loss_as_score_the_lowest_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = np.random.default_rng(0).integers(0, 2, (80, 2))
    right = np.where(truth == 1, 0.9, 0.1)
    sure = np.where(truth == 1, 0.999, 0.001)
    sure[::8] = 1 - sure[::8]  # a better calibrated state has the lower loss, though a lower F1 too
    answers = iter([np.full_like(right, 0.5), right, sure])
    monkeypatch.setattr(Selector, "_coded", lambda self, network: next(answers).astype(np.float32))
    people = np.array([f"s{row % 20}" for row in range(80)])
    setting = Setting("occurrence", (1, 2), NetworkConfig())
    selector = Selector(setting, (), np.arange(80), people, truth, frozenset({1, 2, 3}), by_loss=True)
    network = torch.nn.Linear(1, 1)
    values = [selector.check(step, network) for step in (1, 2, 3)]
    assert [list(value) for value in values] == [["selection_loss"]] * 3
    assert values[0]["selection_loss"] == pytest.approx(np.log(2), rel=1e-5)
    assert values[1]["selection_loss"] == pytest.approx(-np.log(0.9), rel=1e-5)
    assert values[2]["selection_loss"] > values[0]["selection_loss"]
    assert selector.best is not None and selector.best["score"] == -values[1]["selection_loss"]
    assert selector.kept is not None and selector.kept["step"] == 2, "the last is clearly worse"


@pytest.mark.parametrize("task", ["occurrence", "intensity"])
def test_the_log_names_the_loss(task: str, store: Store, tmp_path: Path, tiny_settings: tuple[str, ...]) -> None:
    settings = (*tiny_settings, "training.steps=2", "selection.score=loss")
    fit(store, tmp_path / "run", *settings, selection__rule="validation", task=task)
    header = (tmp_path / "run" / "log.csv").read_text().splitlines()[0].split(",")
    assert "selection_loss" in header and "selection_f1" not in header and "selection_icc" not in header


def test_an_epoch_of_all_faces_is_as_long_at_any_budget(tmp_path: Path) -> None:
    store = build_store(tmp_path / "store", frames=40)
    subjects = store.strings("subject").tolist()
    fold = make_protocol("holdout:25%", subjects, 0).folds[0]
    lengths = {}
    for epoch_of in ("all", "labelled"):
        settings = ("training.epochs=20", f"training.epoch_of={epoch_of}", "data.labelled_batch=8")
        config = resolve("mae-face", settings=settings, aus=store.aus)
        sets = [training_set(store, None, fold, labels, config) for labels in ("every:1", "every:10")]
        assert sets[0].fold.train == sets[1].fold.train
        assert len(sets[0].labelled) == 10 * len(sets[1].labelled)
        lengths[epoch_of] = [total_steps(config, data.epoch_faces(config), 8) for data in sets]
    assert lengths["all"][0] == lengths["all"][1] == lengths["labelled"][0]
    assert lengths["labelled"][0][0] == 10 * lengths["labelled"][1][0]


def test_faces_without_a_label_of_the_task_are_in_no_epoch(tmp_path: Path) -> None:
    seen = iter(range(10**6))
    store = build_store(tmp_path / "store", hide=lambda truth: truth if next(seen) % 2 else np.full_like(truth, -1))
    fold = make_protocol("holdout:25%", store.strings("subject").tolist(), 0).folds[0]
    config = resolve("mae-face", settings=("training.epoch_of=all",), aus=store.aus)
    data = training_set(store, None, fold, "subjects:2", config)
    people = np.isin(store.strings("subject"), data.fold.train)
    assert data.epoch_faces(config) == people.sum() // 2 > len(data.labelled)


@pytest.mark.parametrize("rule", ["last", "validation"])
def test_people_without_a_visible_label_may_be_left_out(rule: str, tmp_path: Path) -> None:
    """As WSRTL's Fig. 6 leaves them out: nobody knows their faces, with labels or without."""
    store = build_store(tmp_path / "store", subjects=8, frames=3)
    fold = make_protocol("holdout:25%", store.strings("subject").tolist(), 0).folds[0]
    found = {}
    for others in ("keep", "leave-out"):
        settings = (f"data.others={others}", f"selection.rule={rule}")
        found[others] = training_set(
            store, None, fold, "subjects:3", resolve("wsrtl", settings=settings, aus=store.aus)
        )
    kept, left = found["keep"], found["leave-out"]
    assert np.array_equal(kept.labelled, left.labelled) and kept.fold.validation == left.fold.validation
    labelled = {*store.strings("subject")[left.labelled].tolist(), *left.fold.validation}
    assert len(labelled) == 3 and set(left.fold.train) == labelled - set(left.fold.validation)
    assert len(kept.unlabelled) > 0 and len(left.unlabelled) == 0
