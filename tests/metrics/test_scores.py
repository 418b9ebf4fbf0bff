"""Scores against scikit-learn and pingouin, by hand, and under every kind of missing entry."""

import json
import math

import numpy as np
import pytest

from sparsefacs.errors import InputError
from sparsefacs.files import without_nan
from sparsefacs.metrics import paired_difference, score
from sparsefacs.metrics.intensity import icc_3_1

AUS = (1, 2, 4, 12)
M, S = 400, 10


def made(seed=0, task="occurrence"):
    rng = np.random.default_rng(seed)
    subject = np.array([f"S{i % S}" for i in range(M)])
    if task == "occurrence":
        truth = (rng.random((M, len(AUS))) < 0.3).astype(np.float64)
        predicted = np.round(np.clip(0.35 + 0.25 * truth + 0.2 * rng.normal(size=truth.shape), 0, 1), 2)  # with ties
    else:
        truth = rng.integers(0, 6, (M, len(AUS))).astype(np.float64)
        predicted = np.clip(truth * 0.6 + rng.normal(size=truth.shape), 0, 5)
    hidden = rng.random(truth.shape) < 0.15
    truth[hidden] = -1 if task == "occurrence" else np.nan
    return truth, predicted, subject


def metric(result, au, name, part="value"):
    return result["pooled"]["per_au"][str(au)][name][part]


def same(a, b):
    return json.dumps(without_nan(a)) == json.dumps(without_nan(b))


def test_occurrence_agrees_with_scikit_learn():
    from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

    truth, predicted, subject = made()
    result = score("occurrence", AUS, truth, predicted, subject, threshold=0.4, resamples=50)
    means = []
    for a, au in enumerate(AUS):
        used = truth[:, a] >= 0
        y, p = truth[used, a], predicted[used, a]
        assert metric(result, au, "f1") == pytest.approx(f1_score(y, p >= 0.4), abs=1e-12)
        assert metric(result, au, "accuracy") == pytest.approx(accuracy_score(y, p >= 0.4), abs=1e-12)
        assert metric(result, au, "auc") == pytest.approx(roc_auc_score(y, p), abs=1e-12)
        assert metric(result, au, "auc", "entries") == used.sum()
        assert metric(result, au, "f1", "positives") == y.sum()
        means.append(f1_score(y, p >= 0.4))
    mean = result["pooled"]["mean"]["f1"]
    assert mean["value"] == pytest.approx(np.mean(means), abs=1e-12)
    assert mean["aus"] == list(AUS) and mean["entries"] == (truth >= 0).sum() == result["pooled"]["entries"]
    assert result["pooled"]["frames"] == M and result["pooled"]["subjects"] == S and result["pooled"]["lost"] == 0


def test_intensity_agrees_with_pingouin_and_definition():
    import pandas as pd
    import pingouin

    truth, predicted, subject = made(task="intensity")
    result = score("intensity", AUS, truth, predicted, subject, resamples=20)
    for a, au in enumerate(AUS):
        used = ~np.isnan(truth[:, a])
        y, p = truth[used, a], predicted[used, a]
        n = len(y)
        table = pd.DataFrame({"face": np.tile(np.arange(n), 2), "rater": np.repeat([0, 1], n), "score": np.r_[y, p]})
        icc = pingouin.intraclass_corr(table, targets="face", raters="rater", ratings="score")
        icc = icc[icc["Type"].isin(["ICC3", "ICC(C,1)"])]["ICC"].iloc[0]
        assert metric(result, au, "icc") == pytest.approx(icc, abs=1e-9)
        assert metric(result, au, "mse") == pytest.approx(np.mean((y - p) ** 2), abs=1e-12)
        assert metric(result, au, "mae") == pytest.approx(np.mean(np.abs(y - p)), abs=1e-12)
        assert metric(result, au, "mae", "entries") == n


def test_icc_of_shrout_and_fleiss():
    """Their Table 2, raters 2 and 4 by the mean squares: BMS and EMS from a two-way table, by hand."""
    x, y = np.array([2.0, 1, 4, 1, 5, 2]), np.array([8.0, 2, 8, 6, 9, 7])
    grand, rows = np.mean([x, y]), (x + y) / 2
    bms = 2 * np.sum((rows - grand) ** 2) / 5
    residual = np.stack([x - rows - x.mean() + grand, y - rows - y.mean() + grand])
    ems = np.sum(residual**2) / 5
    result = score("intensity", (6,), x[:, None], y[:, None], np.arange(6), resamples=5)
    assert metric(result, 6, "icc") == pytest.approx((bms - ems) / (bms + ems), abs=1e-12)
    shifted = score("intensity", (6,), x[:, None], y[:, None] - 3, np.arange(6), resamples=5)
    assert metric(shifted, 6, "icc") == pytest.approx(metric(result, 6, "icc"), abs=1e-12)  # an offset costs nothing


def test_by_hand():
    truth = np.array([[1], [1], [1], [0], [0], [-1]])
    predicted = np.array([[0.9], [0.5], [0.2], [0.5], [0.1], [0.99]])  # 0.5 is called present
    result = score("occurrence", (12,), truth, predicted, np.array(list("aabbcc")), resamples=10)
    assert metric(result, 12, "f1") == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert metric(result, 12, "accuracy") == pytest.approx(3 / 5)
    assert metric(result, 12, "auc") == pytest.approx((1 + 1 + 0.5 + 1 + 0 + 1) / 6)
    assert metric(result, 12, "f1", "entries") == 5 and metric(result, 12, "f1", "positives") == 3


@pytest.mark.parametrize("task", ["occurrence", "intensity"])
def test_masked_entries_never_contribute(task):
    truth, predicted, subject = made(1, task)
    folds = np.array(["a", "b"])[np.arange(M) % 2]
    before = score(task, AUS, truth, predicted, subject, folds, resamples=40)
    masked = ~(truth >= 0)
    for junk in (0.0, 0.999, np.nan):
        changed = predicted.copy()
        changed[masked] = junk
        assert same(score(task, AUS, truth, changed, subject, folds, resamples=40), before)
    other_mark = np.where(masked, np.nan if task == "occurrence" else -1, truth)
    assert same(score(task, AUS, other_mark, predicted, subject, folds, resamples=40), before)
    random = np.random.default_rng(9).permutation(M)  # the order of rows does not matter either
    again = score(task, AUS, truth[random], predicted[random], subject[random], folds[random], resamples=40)
    assert again["pooled"]["entries"] == before["pooled"]["entries"]
    for name, figure in again["pooled"]["mean"].items():
        assert figure["low"] == pytest.approx(before["pooled"]["mean"][name]["low"], abs=1e-9)


def test_lost_faces_are_left_out_and_counted():
    truth, predicted, subject = made(2)
    lost = predicted.copy()
    lost[:30] = np.nan
    unlabelled = truth.copy()
    unlabelled[:30] = -1
    one = score("occurrence", AUS, truth, lost, subject, resamples=30)["pooled"]
    other = score("occurrence", AUS, unlabelled, predicted, subject, resamples=30)["pooled"]
    assert one["lost"] == (truth[:30] >= 0).sum() and other["lost"] == 0
    assert same(one["per_au"], other["per_au"]) and same(one["mean"], other["mean"])


@pytest.mark.parametrize("task", ["occurrence", "intensity"])
def test_a_single_missing_prediction_is_left_out_like_a_missing_label(task):
    truth, predicted, subject = made(5, task)
    gone = np.random.default_rng(5).random(truth.shape) < 0.2
    one = score(task, AUS, truth, np.where(gone, np.nan, predicted), subject, resamples=30)["pooled"]
    other = score(task, AUS, np.where(gone, np.nan, truth), predicted, subject, resamples=30)["pooled"]
    assert one["lost"] == (gone & (truth >= 0)).sum() > 0
    assert same(one["per_au"], other["per_au"])


def test_undefined_values_are_nan_and_left_out_of_the_mean():
    truth = np.array([[0, 1, 0, -1], [0, 1, 0, -1], [0, 0, 0, -1], [0, 1, 0, -1]])
    predicted = np.array([[0.1, 0.9, 0.9, 0.9]] * 4) + np.array([[0], [0], [-0.05], [0]])
    result = score("occurrence", AUS, truth, predicted, np.array(list("aabb")), resamples=30)
    assert math.isnan(metric(result, 1, "f1")) and math.isnan(metric(result, 1, "auc"))
    assert math.isnan(metric(result, 1, "f1", "low"))
    assert metric(result, 4, "f1") == 0 and metric(result, 1, "accuracy") == 1
    assert math.isnan(metric(result, 12, "accuracy")) and metric(result, 12, "accuracy", "entries") == 0
    mean = result["pooled"]["mean"]
    assert mean["f1"]["aus"] == [2, 4] and mean["f1"]["entries"] == 8
    assert mean["f1"]["value"] == pytest.approx((6 / 7 + 0) / 2)
    assert mean["auc"]["aus"] == [2] and mean["accuracy"]["aus"] == [1, 2, 4]
    json.dumps(without_nan(result), allow_nan=False)


def test_constant_intensities_have_no_icc():
    truth = np.array([[2.0, 1.0]] * 6)
    predicted = np.array([[0.3, 0.1 * i] for i in range(6)])
    result = score("intensity", (6, 12), truth, predicted, np.array(list("aabbcc")), resamples=20)
    assert math.isnan(metric(result, 6, "icc")) and metric(result, 12, "icc") == 0
    assert metric(result, 6, "mse") == pytest.approx(1.7**2)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 2.7, 1e-3])
def test_rounding_is_not_variation(value):
    """A resample may hold only faces of one constant pair of values, away from the mean of all."""
    x, y, n = np.full(7, value), np.full(7, -value / 3), np.array(7.0)
    sums = [np.asarray(sum(terms)) for terms in (x, y, x * x, y * y, x * y)]
    assert np.isnan(icc_3_1(n, *sums))


def test_folds_and_their_mean():
    truth, predicted, subject = made(3)
    folds = np.array([f"part{int(name[1:]) % 3 + 1}" for name in subject])
    result = score("occurrence", AUS, truth, predicted, subject, folds, resamples=25)
    assert list(result["folds"]) == ["part1", "part2", "part3"]
    for name, scores in result["folds"].items():
        rows = folds == name
        alone = score("occurrence", AUS, truth[rows], predicted[rows], subject[rows], resamples=25)
        assert same(scores, alone["pooled"])
    values = [scores["per_au"]["4"]["f1"]["value"] for scores in result["folds"].values()]
    assert result["fold_mean"]["per_au"]["4"]["f1"] == {"value": pytest.approx(np.mean(values)), "folds": 3}
    means = [scores["mean"]["auc"]["value"] for scores in result["folds"].values()]
    assert result["fold_mean"]["mean"]["auc"]["value"] == pytest.approx(np.mean(means))
    single = score("occurrence", AUS, truth, predicted, subject, np.repeat("holdout", M), resamples=25)
    assert "fold_mean" not in single and same(single["folds"]["holdout"], single["pooled"])
    many = score("occurrence", AUS, truth, predicted, subject, np.arange(M) % 11 + 1, resamples=2)
    assert list(many["folds"]) == [str(i) for i in range(1, 12)]


def test_paired_difference():
    truth, better, subject = made(4)
    worse = np.clip(better + np.random.default_rng(4).normal(size=better.shape) * 0.3, 0, 1)
    nothing = paired_difference("occurrence", AUS, truth, better, better, subject, resamples=50)
    assert nothing["f1"]["value"] == nothing["f1"]["low"] == nothing["f1"]["high"] == 0
    told = paired_difference("occurrence", AUS, truth, better, worse, subject, resamples=300)
    single = [score("occurrence", AUS, truth, p, subject, resamples=2)["pooled"]["mean"] for p in (better, worse)]
    assert told["auc"]["value"] == pytest.approx(single[0]["auc"]["value"] - single[1]["auc"]["value"], abs=1e-12)
    assert 0 < told["auc"]["low"] < told["auc"]["value"] < told["auc"]["high"]
    assert told["auc"]["entries"] == (truth >= 0).sum() and set(told["auc"]["per_au"]) == {str(au) for au in AUS}


def test_what_cannot_be_scored():
    truth, predicted, subject = made()
    with pytest.raises(InputError, match="no labelled entry"):
        score("occurrence", AUS, np.full_like(truth, -1), predicted, subject)
    with pytest.raises(InputError, match="not a probability"):
        score("occurrence", AUS, truth, predicted, subject, threshold=1.5)
    with pytest.raises(ValueError, match="shapes differ"):
        score("occurrence", AUS[:3], truth, predicted, subject)
    with pytest.raises(ValueError, match="occurrence is 0 or 1"):
        score("occurrence", AUS, truth + 1, predicted, subject)
    with pytest.raises(ValueError, match="infinite"):
        score("occurrence", AUS, truth, predicted + np.inf, subject)


def test_every_face_lost_in_a_fold_gives_nan_not_a_crash():
    truth, predicted, subject = made()
    folds = np.where(np.arange(M) < 50, "lost", "kept")
    predicted[:50] = np.nan
    result = score("occurrence", AUS, truth, predicted, subject, folds, resamples=5)
    lost = result["folds"]["lost"]
    assert lost["entries"] == 0 and lost["lost"] == (truth[:50] >= 0).sum() and lost["subjects"] == 0
    assert math.isnan(lost["mean"]["f1"]["value"]) and lost["mean"]["f1"]["aus"] == []
    assert result["fold_mean"]["mean"]["f1"]["folds"] == 1
