"""Limits by base rate, by hand; F1 at one half beside F1 at the limits."""

import numpy as np
import pytest

from sparsefacs.evidence.fitting import RATE_UNKNOWN
from sparsefacs.metrics.distributions import au_distributions
from sparsefacs.metrics.limits import base_rate_limits, base_rates, described_limits, drawn_limits, rates_of_chosen
from sparsefacs.metrics.occurrence import OccurrenceSums
from sparsefacs.metrics.scores import mean_score, paired_difference, score


def test_rates_are_drawn_towards_that_of_all_labels() -> None:
    labels = np.array([[1, 0, -1], [1, 0, -1], [0, 0, -1], [0, -1, -1], [0, -1, -1]])
    mean = 2 / 8
    wanted = [(2 + 2 * mean) / 7, (0 + 2 * mean) / 5, (0 + 2 * mean) / 2]
    assert base_rates(labels).tolist() == pytest.approx(wanted)
    assert base_rates(np.where(labels < 0, np.nan, labels)).tolist() == pytest.approx(wanted)
    np.testing.assert_array_equal(base_rates(np.full((4, 2), -1)), [RATE_UNKNOWN] * 2)


def test_limits_are_the_quantiles_that_leave_the_rate_above() -> None:
    predicted = np.stack([np.linspace(0, 1, 11), np.linspace(0, 0.5, 11)], axis=1)
    assert base_rate_limits(predicted, np.array([0.2, 0.5])).tolist() == pytest.approx([0.8, 0.25])
    rng = np.random.default_rng(0)
    many, rates = rng.random((1000, 4)) ** 3, np.array([0.02, 0.1, 0.4, 0.7])
    limits = base_rate_limits(many, rates)
    assert (many >= limits).mean(axis=0).tolist() == pytest.approx(rates.tolist(), abs=0.002)


def test_limits_stay_within_bounds_and_pass_over_what_is_missing() -> None:
    predicted = np.array([[0.001, 0.999, np.nan, np.nan, 0.7], [0.002, 1.0, 0.3, np.nan, 0.6]])
    limits = base_rate_limits(predicted, np.array([0.5, 0.5, 0.5, 0.5, np.nan]))
    assert limits.tolist() == [0.01, 0.99, 0.3, 0.5, 0.5]
    assert base_rate_limits(np.empty((0, 2)), np.array([0.5, 0.1])).tolist() == [0.5, 0.5]


def test_an_older_description_tells_one_for_all() -> None:
    assert described_limits({"aus": [1, 2], "threshold": 0.3}) == (0.3, 0.3)
    assert described_limits({"aus": [1, 2], "limits": [0.1, 0.9]}) == (0.1, 0.9)


def made() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.integers(-1, 2, (90, 3)), rng.random((90, 3)), np.repeat(["a", "b", "c"], 30)


def test_f1_at_half_is_f1_at_limits_of_one_half() -> None:
    truth, predicted, subjects = made()
    limits = np.array([[0.2, 0.5, 0.8]])
    at_limits = score("occurrence", (1, 2, 4), truth, predicted, subjects, threshold=limits, resamples=40)
    at_half = score("occurrence", (1, 2, 4), truth, predicted, subjects, resamples=40)
    assert at_limits["limits"] == [0.2, 0.5, 0.8] and at_half["limits"] == [0.5, 0.5, 0.5]
    for au in ("1", "2", "4"):
        halves = at_half["pooled"]["per_au"][au]
        assert at_limits["pooled"]["per_au"][au]["f1_half"] == halves["f1_half"] == halves["f1"]
        assert (at_limits["pooled"]["per_au"][au]["f1"]["value"] == halves["f1"]["value"]) == (au == "2")
    assert at_limits["pooled"]["mean"]["f1_half"] == at_half["pooled"]["mean"]["f1"]


def test_limits_of_each_entry_are_those_of_its_row_and_au() -> None:
    truth, predicted, subjects = made()
    rng = np.random.default_rng(2)
    limits = rng.random((3, 3)).repeat(30, axis=0)
    found = score("occurrence", (1, 2, 4), truth, predicted, subjects, subjects, limits, resamples=20)
    assert found["limits"] is None
    for place, fold in enumerate("abc"):
        rows = subjects == fold
        alone = score(
            "occurrence", (1, 2, 4), truth[rows], predicted[rows], subjects[rows], None, limits[place * 30][None], 20
        )
        assert found["folds"][fold]["mean"]["f1"]["value"] == alone["pooled"]["mean"]["f1"]["value"]
    shifted = predicted - limits + 0.5  # at one half, the same are present
    assert mean_score("occurrence", truth, predicted, limits)["f1"] == mean_score("occurrence", truth, shifted)["f1"]
    less = paired_difference("occurrence", (1, 2, 4), truth, predicted, shifted, subjects, limits, 0.5, resamples=20)
    assert less["f1"]["value"] == 0 != less["f1_half"]["value"]
    distributed = au_distributions((1, 2, 4), truth, predicted, limits)
    assert distributed["predicted"] == au_distributions((1, 2, 4), truth, shifted)["predicted"]


def test_one_limit_a_row_is_still_taken() -> None:
    truth, predicted, _ = made()
    rows = np.linspace(0.1, 0.9, 90)
    one = mean_score("occurrence", truth, predicted, rows)
    assert one == mean_score("occurrence", truth, predicted, np.tile(rows[:, None], 3))
    used, alone = truth >= 0, np.zeros(90, np.int64)
    sums = OccurrenceSums(truth, predicted, used, alone, rows[:, None], 1).values(np.ones((1, 1)))
    assert np.mean(sums["f1"]) == pytest.approx(one["f1"])
    with pytest.raises(ValueError, match="broadcast"):
        mean_score("occurrence", truth, predicted, [0.1, 0.5, 0.9])


def test_rates_of_chosen_frames_lie_between() -> None:
    assert rates_of_chosen(np.array([0.4, 0.1]), np.array([0.1, 0.4])).tolist() == pytest.approx([0.2, 0.2])


def test_limits_of_few_people_are_drawn_to_those_that_a_coder_brings() -> None:
    own, brought = np.array([0.2, 0.5, 0.9]), np.array([0.6, np.nan, 0.9])
    few, many = (drawn_limits(own, brought, people) for people in (8, 8_000_000))
    between = np.exp(np.mean([np.log(0.2 / 0.8), np.log(0.6 / 0.4)]))
    assert few.tolist() == pytest.approx([between / (1 + between), 0.5, 0.9])
    assert many.tolist() == pytest.approx(own.tolist(), abs=1e-5)
    assert drawn_limits(np.array([1.0]), np.array([0.0]), 8).tolist() == pytest.approx([0.5]), "ends stay finite"
