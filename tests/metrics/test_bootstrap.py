"""Intervals: the weighted sums equal recomputing on repeated frames, and they cover what they should."""

import math

import numpy as np
import pytest

from sparsefacs.metrics import score
from sparsefacs.metrics.bootstrap import interval, mean_over_aus, resampled, subject_weights
from sparsefacs.metrics.intensity import IntensitySums
from sparsefacs.metrics.occurrence import OccurrenceSums, PairWins, WeightedRanks

AUS = (1, 4, 12)


def made(subjects=7, frames=30, seed=0):
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(subjects), frames)
    truth = rng.integers(0, 2, (len(subject), len(AUS))).astype(np.float64)
    offset = rng.normal(size=(subjects, len(AUS)))[subject] * 0.15
    predicted = np.round(np.clip(0.4 + 0.2 * truth + offset + 0.2 * rng.normal(size=truth.shape), 0, 1), 2)
    used = rng.random(truth.shape) < 0.8
    return truth, predicted, used, subject


@pytest.mark.parametrize("kind", ["occurrence", "intensity"])
def test_weights_equal_repeating_the_frames(kind):
    truth, predicted, used, subject = made()
    if kind == "intensity":
        truth, predicted = truth * 3 + predicted, predicted * 5

    def sums(rows):
        part = truth[rows], predicted[rows], used[rows], subject[rows]
        return OccurrenceSums(*part, 0.5, 100) if kind == "occurrence" else IntensitySums(*part)

    weights = np.concatenate([next(subject_weights(7, 20, 1)), np.eye(7) * 7])  # also one subject, seven times
    found = sums(np.arange(len(truth))).values(weights)
    for b, weight in enumerate(weights):
        rows = np.repeat(np.arange(len(truth)), weight[subject].astype(int))
        literal = sums(rows)
        expected = literal.values(np.ones((1, literal.shape[0])))
        for name in found:
            assert np.allclose(found[name][b], expected[name][0], atol=1e-9, equal_nan=True), name


def test_both_ways_to_the_auc_agree():
    truth, predicted, used, subject = made(12)
    weights = next(subject_weights(12, 60, 3))
    for a in range(len(AUS)):
        keep = used[:, a]
        part = truth[keep, a] > 0.5, predicted[keep, a], subject[keep], 12
        assert np.allclose(PairWins(*part).auc(weights), WeightedRanks(*part).auc(weights), atol=1e-12)
    nobody = np.zeros(0, bool), np.zeros(0), np.zeros(0, np.int64), 12
    assert np.isnan(PairWins(*nobody).auc(weights)).all() and np.isnan(WeightedRanks(*nobody).auc(weights)).all()


def test_pair_wins_against_literal_loops():
    truth, predicted, _, subject = made(4, 20)
    positive, value = truth[:, 0] > 0.5, predicted[:, 0]
    expected = np.zeros((4, 4))
    for i in np.flatnonzero(positive):
        for j in np.flatnonzero(~positive):
            expected[subject[i], subject[j]] += (value[i] > value[j]) + 0.5 * (value[i] == value[j])
    assert np.array_equal(PairWins(positive, value, subject, 4).wins_SS, expected)
    assert (expected % 1 == 0.5).any()  # ties are in it


def test_more_subjects_than_resamples():
    truth, predicted, used, subject = made(40, 3)
    marked = np.where(used, truth, -1)
    few = score("occurrence", AUS, marked, predicted, subject, resamples=39)
    many = score("occurrence", AUS, marked, predicted, subject, resamples=40)
    for au in map(str, AUS):
        one, other = few["pooled"]["per_au"][au]["auc"], many["pooled"]["per_au"][au]["auc"]
        assert one["value"] == pytest.approx(other["value"], abs=1e-12)
        assert abs(one["low"] - other["low"]) < 0.05


def test_weights_are_draws_with_replacement_of_the_subjects(monkeypatch):
    drawn = np.concatenate(list(subject_weights(9, 2000, 5)))
    assert drawn.shape == (2000, 9) and (drawn.sum(axis=1) == 9).all()
    assert np.abs(drawn.mean(axis=0) - 1).max() < 0.1 and drawn.max() > 3
    monkeypatch.setattr("sparsefacs.metrics.bootstrap._BLOCK_VALUES", 100)  # small blocks: the same draws
    assert np.array_equal(np.concatenate(list(subject_weights(9, 2000, 5))), drawn)


def test_subjects_all_alike_leave_no_width_and_one_subject_leaves_none():
    truth, predicted, used, _ = made(1, 50)
    marked = np.where(used, truth, -1)
    alike = score("occurrence", AUS, np.tile(marked, (6, 1)), np.tile(predicted, (6, 1)), np.repeat(np.arange(6), 50))
    alone = score("occurrence", AUS, marked, predicted, np.zeros(50))
    for name in ("f1", "auc", "accuracy"):
        six, one = alike["pooled"]["mean"][name], alone["pooled"]["mean"][name]
        assert six["low"] == pytest.approx(six["value"], abs=1e-12) == pytest.approx(six["high"], abs=1e-12)
        assert one["value"] == pytest.approx(six["value"], abs=1e-12)
        assert math.isnan(one["low"]) and math.isnan(one["high"])  # one person says nothing of others


def test_the_interval_is_that_of_people_not_of_frames():
    """Many frames of few, differing people: the interval must not shrink with the number of frames."""
    widths = []
    for frames in (20, 400):
        rng = np.random.default_rng(0)
        right = np.repeat(np.linspace(0.5, 1.0, 8), frames) > rng.random(8 * frames)
        truth = np.ones((8 * frames, 1))
        figure = score("occurrence", (12,), truth, right[:, None].astype(float), np.repeat(np.arange(8), frames))
        accuracy = figure["pooled"]["mean"]["accuracy"]
        widths.append(accuracy["high"] - accuracy["low"])
    assert widths[1] > 0.15 and widths[1] > 0.7 * widths[0]


def test_interval_covers_the_true_value():
    covered, trials = 0, 200
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        skill = rng.beta(8, 2, 30)  # accuracy of each of 30 people; its mean is 0.8
        right = rng.random((30, 20)) < skill[:, None]
        figure = score(
            "occurrence", (12,), np.ones((600, 1)), right.reshape(-1, 1).astype(float),
            np.repeat(np.arange(30), 20), resamples=200, seed=trial,
        )["pooled"]["mean"]["accuracy"]  # fmt: skip
        covered += figure["low"] <= 0.8 <= figure["high"]
    assert 0.88 <= covered / trials <= 0.99


def test_seed_decides():
    truth, predicted, used, subject = made()
    marked = np.where(used, truth, -1)
    first, again, other = (
        score("occurrence", AUS, marked, predicted, subject, resamples=100, seed=seed)["pooled"] for seed in (0, 0, 1)
    )
    assert first == again
    assert first["mean"]["f1"]["low"] != other["mean"]["f1"]["low"]
    assert first["mean"]["f1"]["value"] == other["mean"]["f1"]["value"]


def test_mean_keeps_the_aus_of_the_value_and_interval_skips_the_undefined():
    values = np.array([[0.2, np.nan, 0.4], [0.1, 0.9, np.nan], [np.nan, 0.9, np.nan]])
    assert np.allclose(mean_over_aus(values), [0.3, 0.1, np.nan], equal_nan=True)
    assert interval(np.array([np.nan, 1.0, 1.0]), people=3) == (1.0, 1.0)
    assert all(math.isnan(edge) for edge in interval(np.array([np.nan]), people=3))
    sums = IntensitySums(*made()[:3], np.zeros(210, np.int64))
    assert np.isnan(resampled(sums, 3, 0)["mse"][1:]).all()


def test_one_or_two_people_make_no_interval():
    assert all(math.isnan(edge) for edge in interval(np.array([0.4, 0.5, 0.6]), people=2))
    assert interval(np.array([0.4, 0.4]), people=2, fewest=2) == (0.4, 0.4)
