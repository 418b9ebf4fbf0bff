"""Simulated coding: paired with random, on people whose labels are never learned from."""

from pathlib import Path

import numpy as np
import pytest

from made_stores import evident_store
from sparsefacs.experiments import active
from sparsefacs.experiments.active import People, compare, curve, frames_for


def test_scores_are_paired_and_kept(tmp_path: Path) -> None:
    people = People.of(evident_store(tmp_path / "s", subjects=9, frames=12), "holdout:33%", 0)
    kept = tmp_path / "curves"
    rows = compare(people, "none", ("random", "ours"), 2, (4, 12), resamples=20, kept=kept)
    assert [row["strategy"] for row in rows] == ["random", "ours"]
    for rule in ("f1", "f1_expected", "f1_labels", "auc"):
        values = [[each[rule]["value"] for each in row["scores"]] for row in rows]
        less = [each[f"{rule}_less"]["value"] for each in rows[1]["scores"]]
        assert less == pytest.approx(np.subtract(values[1], values[0]), abs=2e-4)
        assert {each[f"{rule}_less"]["value"] for each in rows[0]["scores"]} == {0.0}
    assert 0.5 < rows[1]["scores"][-1]["auc"]["value"] <= 1
    names = {path: path.stat().st_mtime_ns for path in kept.iterdir()}
    assert len(names) == 4
    assert compare(people, "none", ("random", "ours"), 2, (4, 12), resamples=20, kept=kept) == rows
    assert {path: path.stat().st_mtime_ns for path in kept.iterdir()} == names


def test_test_peoples_labels_change_no_choice(tmp_path: Path) -> None:
    people = People.of(evident_store(tmp_path / "s", subjects=9, frames=12), "holdout:33%", 0)
    subjects = people.store.strings("subject")
    assert not set(subjects[people.pool.train].tolist()) & set(subjects[people.test].tolist())
    features, weights = people.features("none"), np.ones((1, 3))
    before = curve(people, features, "ours", 0, (6,), weights)
    people.labels_MA[people.test] = 1 - people.labels_MA[people.test]
    after = curve(people, features, "ours", 0, (6,), weights)
    assert after[0, 3, 0] == pytest.approx(1 - before[0, 3, 0])  # the same answers: AUC alone is turned round


def test_frames_between_budgets() -> None:
    scores = [{"frames": n, "f1": {"value": v}} for n, v in ((8, 0.3), (32, 0.5), (128, 0.6))]
    assert frames_for(scores, "f1", 0.2) == 8
    assert frames_for(scores, "f1", 0.4) == pytest.approx(16)
    assert frames_for(scores, "f1", 0.6) == pytest.approx(128)
    assert frames_for(scores, "f1", 0.7) is None


def test_f1_is_that_of_the_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = People.of(evident_store(tmp_path / "s", subjects=9, frames=8), "holdout:33%", 0)
    monkeypatch.setattr(active, "base_rate_limits", lambda predicted, rates: np.full(len(rates), 0.4))
    weights = np.array([[1.0, 1, 1], [2, 0, 1]])
    found = curve(people, people.features("none"), "random", 0, (6,), weights)
    asked = [
        row for row, _ in active.choose("random", None, people.pool, np.empty(0, int), 6, np.random.default_rng([0, 7]))
    ]  # type: ignore[arg-type]
    beliefs = active.Beliefs.of_labels(people.features("none"), (1, 4, 12), np.array(asked), people.labels_MA[asked])
    truth, predicted = people.labels_MA[people.test], beliefs.probabilities(people.test)
    sums = active.OccurrenceSums(truth, predicted, truth >= 0, people.subject_T, 0.4, 2)
    assert found[0, 0] == pytest.approx(sums.values(weights)["f1"].mean(axis=1))
