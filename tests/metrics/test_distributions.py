"""AU distributions against literal loops."""

import json
import math

import numpy as np
import pytest

from sparsefacs.errors import InputError
from sparsefacs.files import without_nan
from sparsefacs.metrics import au_distributions
from sparsefacs.metrics.bootstrap import mean_over_aus
from sparsefacs.metrics.distributions import DistributionSums

AUS = (1, 2, 12, 25)


def made(seed=0, frames=120):
    rng = np.random.default_rng(seed)
    truth = (rng.random((frames, 4)) < [0.3, 0.5, 0.1, 0.4]).astype(float)
    truth[:, 1] = np.where(rng.random(frames) < 0.6, truth[:, 0], truth[:, 1])
    truth[rng.random(truth.shape) < 0.2] = -1
    predicted = rng.random(truth.shape)
    predicted[rng.random(truth.shape) < 0.1] = np.nan
    return truth, predicted


def literal(present, used):
    aus = present.shape[1]
    marginal, conditional = [], np.full((aus, aus), np.nan)
    for j in range(aus):
        values = [present[m, j] for m in range(len(present)) if used[m, j]]
        marginal.append(sum(values) / len(values))
    for i in range(aus):
        for j in range(aus):
            given = [present[m, j] for m in range(len(present)) if used[m, i] and used[m, j] and present[m, i]]
            if given:
                conditional[i, j] = sum(given) / len(given)
    return marginal, conditional


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_against_loops(threshold):
    truth, predicted = made()
    found = au_distributions(AUS, truth, predicted, threshold)
    used = (truth >= 0) & ~np.isnan(predicted)
    true_m, true_c = literal(truth == 1, used)
    predicted_m, predicted_c = literal(np.nan_to_num(predicted, nan=0) >= threshold, used)
    assert np.allclose(found["true"]["marginal"], true_m) and np.allclose(found["true"]["conditional"], true_c)
    assert np.allclose(found["predicted"]["marginal"], predicted_m)
    assert np.allclose(found["predicted"]["conditional"], predicted_c)
    cells = [abs(true_c[i, j] - predicted_c[i, j]) for i in range(4) for j in range(4)]
    assert np.allclose(np.ravel(found["difference"]["conditional"]), cells)
    assert found["difference"]["mean_conditional"] == pytest.approx(sum(cells) / 16)  # the zero diagonal included
    assert found["difference"]["mean_conditional_off_diagonal"] == pytest.approx(sum(cells) / 12)
    assert np.diag(found["difference"]["conditional"]).tolist() == [0, 0, 0, 0]
    marginal = [abs(a - b) for a, b in zip(true_m, predicted_m, strict=True)]
    assert found["difference"]["mean_marginal"] == pytest.approx(sum(marginal) / 4)
    assert found["entries"] == used.sum() and found["frames"] == used.any(axis=1).sum() and found["aus"] == list(AUS)


def test_direction_row_is_the_condition():
    truth = np.array([[1, 1], [1, 0], [1, 0], [0, 0]])
    conditional = au_distributions((6, 12), truth, truth.astype(float))["true"]["conditional"]
    assert conditional[0][1] == pytest.approx(1 / 3) and conditional[1][0] == 1


def test_masked_entries_never_contribute():
    truth, predicted = made(1)
    before = au_distributions(AUS, truth, predicted)
    changed = np.where(truth < 0, 0.97, predicted)
    assert au_distributions(AUS, np.where(truth < 0, np.nan, truth), changed) == before


def test_perfect_prediction_differs_nowhere_and_never_seen_is_nan():
    truth = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 0], [1, 0, 0]])
    found = au_distributions((1, 2, 4), truth, truth.astype(float))
    assert found["difference"]["mean_marginal"] == 0 and found["difference"]["mean_conditional"] == 0
    assert all(math.isnan(value) for value in found["true"]["conditional"][1])
    assert found["difference"]["undefined_conditionals"] == 3
    json.dumps(without_nan(found), allow_nan=False)


def test_nothing_to_compare():
    with pytest.raises(InputError, match="no labelled entry"):
        au_distributions((1,), np.array([[-1]]), np.array([[0.5]]))
    with pytest.raises(ValueError, match="shapes differ"):
        au_distributions((1, 2), np.array([[1]]), np.array([[0.5]]))


def test_people_who_count_twice_count_as_if_they_stood_there_twice():
    truth, predicted = made()
    subject = np.repeat([0, 1, 2], 40)
    used = (truth >= 0) & ~np.isnan(predicted)
    sums = DistributionSums(truth, predicted, used, subject, np.full(truth.shape, 0.6))
    weights = np.array([[1, 1, 1], [2, 0, 1], [0, 1, 3]])
    found = sums.values(weights.astype(float))
    for b, times in enumerate(weights):
        rows = np.repeat(np.arange(len(truth)), times[subject])
        told = au_distributions(AUS, truth[rows], predicted[rows], 0.6)["difference"]
        assert np.allclose(found["marginal-difference"][b], told["marginal"])
        assert mean_over_aus(found["mean-difference"][[b]])[0] == pytest.approx(told["mean_conditional"])
    assert sums.shape == (3, 4)


def test_an_au_that_is_never_present_is_left_out():
    truth, predicted = made()
    truth[:, 2] = 0
    used = (truth >= 0) & ~np.isnan(predicted)
    found = DistributionSums(truth, predicted, used, np.zeros(len(truth), int), 0.5).values(np.ones((1, 1)))
    told = au_distributions(AUS, truth, predicted)["difference"]
    assert np.isnan(found["mean-difference"][0]).tolist() == [False, False, True, False]
    cells = np.array(told["conditional"])[[0, 1, 3]]
    assert np.allclose(found["mean-difference"][0, [0, 1, 3]], np.nanmean(cells, axis=1))
