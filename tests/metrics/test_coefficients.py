import warnings
from itertools import permutations

import krippendorff
import numpy as np
import pandas as pd
import pingouin
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score, matthews_corrcoef

from sparsefacs.metrics.agreement import (
    COEFFICIENTS,
    PeopleTallies,
    Tally,
    cohen_kappa,
    frame_table,
    free_marginal_kappa,
    icc_2_1,
    interval_alpha,
    level_table,
    match_events,
    mcc,
    moments,
    nominal_alpha,
    ordinal_alpha,
)

SEEDS = range(6)


def two_coders(seed, frames=60):
    """Return two codings of three AUs: alike, unlike and rare, with unknown frames."""
    rng = np.random.default_rng(seed)
    first = (rng.random((frames, 3)) < [0.5, 0.3, 0.05]).astype(np.int8)
    second = np.where(rng.random((frames, 3)) < [0.1, 0.5, 0.1], 1 - first, first).astype(np.int8)
    first[rng.random(frames) < 0.1], second[rng.random(frames) < 0.1] = -1, -1
    first[0], first[1], second[:2] = 0, 1, [[1], [1]]
    return first, second


def two_ratings(seed, *, whole, frames=40):
    rng = np.random.default_rng(seed)
    first = rng.uniform(0, 5, (frames, 2))
    second = np.clip(first + rng.normal(0.5, [0.3, 2], (frames, 2)), 0, 5)
    first[rng.random((frames, 2)) < 0.1] = np.nan
    return (np.round(first), np.round(second)) if whole else (first, second)


def tally(first, second, **told):
    ratings = told.get("ratings", (np.full(first.shape, np.nan),) * 2)
    shares = told.get("shares", (np.full((1, first.shape[1]), np.nan),) * 2)
    events = np.array(told.get("events", np.zeros((first.shape[1], 3))), float)
    return Tally(frame_table(first, second), moments(*ratings), *level_table(*ratings), moments(*shares), events)


@pytest.mark.parametrize("seed", SEEDS)
def test_occurrence_coefficients_are_those_of_sklearn_and_krippendorff(seed):
    first, second = two_coders(seed)
    table = frame_table(first, second)
    told = tally(first, second).values()
    for au in range(3):
        both = (first[:, au] >= 0) & (second[:, au] >= 0)
        a, b = first[both, au], second[both, au]
        assert table[au].sum() == both.sum()
        assert cohen_kappa(table)[au] == pytest.approx(cohen_kappa_score(a, b))
        assert mcc(table)[au] == pytest.approx(matthews_corrcoef(a, b))
        assert free_marginal_kappa(table)[au] == pytest.approx(2 * np.mean(a == b) - 1)
        alpha = krippendorff.alpha([a, b], level_of_measurement="nominal", value_domain=[0, 1])
        assert nominal_alpha(table)[au] == pytest.approx(alpha)
        assert told["f1"][au] == pytest.approx(f1_score(a, b))
        assert (told["base_a"][au], told["base_b"][au]) == pytest.approx((a.mean(), b.mean()))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("whole", [True, False])
def test_intensity_coefficients_are_those_of_pingouin_and_krippendorff(seed, whole):
    first, second = two_ratings(seed, whole=whole)
    sums, (levels, between) = moments(first, second), level_table(first, second)
    told = tally(np.zeros(first.shape, np.int8), np.zeros(first.shape, np.int8), ratings=(first, second)).values()
    assert (between == 0).all() == whole
    for au in range(2):
        both = ~np.isnan(first[:, au])
        a, b = first[both, au], second[both, au]
        assert interval_alpha(sums)[au] == pytest.approx(krippendorff.alpha([a, b], level_of_measurement="interval"))
        icc = pingouin_icc(a, b)
        assert told["icc_3_1"][au] == pytest.approx(icc["ICC3"], abs=1e-6)
        assert icc_2_1(sums)[au] == pytest.approx(icc["ICC2"], abs=1e-6)
        if whole:
            alpha = krippendorff.alpha([a, b], level_of_measurement="ordinal")
            assert ordinal_alpha(levels)[au] == told["alpha_ordinal"][au] == pytest.approx(alpha)
        else:
            assert np.isnan(told["alpha_ordinal"][au])


def pingouin_icc(a, b):
    long = pd.DataFrame({"target": [*range(len(a))] * 2, "rater": ["a"] * len(a) + ["b"] * len(b), "value": [*a, *b]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = pingouin.intraclass_corr(long, targets="target", raters="rater", ratings="value")
    names = table["Type"].str.replace("(A,1)", "2").str.replace("(C,1)", "3")
    return dict(zip(names, table["ICC"], strict=True))


@pytest.mark.parametrize(
    ("a", "b", "undefined", "why"),
    [
        ([0, 0, 0], [0, 0, 0], {"kappa", "mcc", "alpha", "f1"}, "both say absent throughout"),
        ([1, 1, 1], [1, 1, 1], {"kappa", "mcc", "alpha"}, "both say present throughout"),
        ([0, 0, 0], [0, 1, 1], {"mcc"}, "A says absent throughout"),
        ([0, 1, 0], [1, 1, 1], {"mcc"}, "B says present throughout"),
        ([0, 0, 0], [1, 1, 1], {"mcc"}, "A says absent throughout and B says present throughout"),
        ([-1, 0, 1], [0, -1, -1], {"base_a", "base_b", "kappa", "kappa_free", "mcc", "alpha", "f1"}, "no frame"),
    ],
)
def test_constant_coders_leave_undefined_what_has_no_value_and_say_why(a, b, undefined, why):
    one = tally(*(np.array(coded, np.int8)[:, None] for coded in (a, b)))
    values = one.values()
    of_frames = ("base_a", "base_b", "kappa", "kappa_free", "mcc", "alpha", "f1")
    assert {name for name in of_frames if np.isnan(values[name][0])} == undefined
    alone = one.of_au(0)
    assert all(COEFFICIENTS[name].why(alone).startswith(why) for name in undefined)
    if "alpha" not in undefined:
        assert values["kappa"][0] == pytest.approx(cohen_kappa_score(a, b))
        assert values["alpha"][0] == pytest.approx(krippendorff.alpha([a, b], level_of_measurement="nominal"))


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        ([np.nan, 1], [2, np.nan], "no frame has an intensity from both"),
        ([np.nan, 1], [2, 2], "only one frame has an intensity from both"),
        ([3.3] * 4, [3.3] * 4, "an intensity never varies"),
        ([3.3] * 4, [1.1] * 4, "an intensity never varies"),
    ],
)
def test_intensities_that_say_nothing_are_undefined(a, b, why):
    ratings = tuple(np.array(values, float)[:, None] for values in (a, b))
    one = tally(np.zeros(ratings[0].shape, np.int8), np.zeros(ratings[0].shape, np.int8), ratings=ratings)
    alone = one.of_au(0)
    for name in ("icc_3_1", "icc_2_1"):
        assert np.isnan(one.values()[name][0]) and COEFFICIENTS[name].why(alone) == why


def test_alphas_of_degenerate_ratings_are_those_of_krippendorff():
    for a, b in (([1, 2], [2, 1]), ([0, 0, 0], [0, 0, 5]), ([1, 1, 1, 4], [4, 4, 4, 1]), ([2, 2, 2], [3, 3, 3])):
        ratings = tuple(np.array(values, float)[:, None] for values in (a, b))
        expected = [krippendorff.alpha([a, b], level_of_measurement=kind) for kind in ("interval", "ordinal")]
        found = interval_alpha(moments(*ratings))[0], ordinal_alpha(level_table(*ratings)[0])[0]
        assert found == pytest.approx(expected)
    same = np.full((3, 1), 2.2)
    assert np.isnan(interval_alpha(moments(same, same))).all()
    assert np.isnan(ordinal_alpha(level_table(np.round(same), np.round(same))[0])).all()


def test_people_count_as_often_as_they_are_drawn():
    coders = [two_coders(seed) for seed in range(3)]
    ratings = [two_ratings(seed, whole=True, frames=60) for seed in range(3)]
    ratings = [tuple(np.pad(values, ((0, 0), (0, 1))) for values in pair) for pair in ratings]
    events = [[[1, 2, 3]] * 3, [[0, 1, 0]] * 3, [[2, 2, 2]] * 3]
    people = [tally(*coders[s], ratings=ratings[s], events=events[s]) for s in range(3)]
    drawn = PeopleTallies(people).values(np.array([[1, 1, 1], [2, 0, 1]], float))
    for row, chosen in enumerate(([0, 1, 2], [0, 0, 2])):
        frames = [np.concatenate([coders[s][side] for s in chosen]) for side in (0, 1)]
        rated = [np.concatenate([ratings[s][side] for s in chosen]) for side in (0, 1)]
        whole = tally(*frames, ratings=rated, events=np.sum([events[s] for s in chosen], axis=0)).values()
        for name, values in whole.items():
            np.testing.assert_allclose(drawn[name][row], values, err_msg=name)


@pytest.mark.parametrize("seed", range(20))
def test_as_many_events_match_as_can(seed):
    rng = np.random.default_rng(seed)
    first, second = (
        np.stack([starts, starts + rng.uniform(0.2, 2, len(starts))], axis=1)
        for starts in (rng.uniform(0, 4, 4), rng.uniform(0, 4, 5))
    )
    tolerance, overlap = rng.choice([0.3, 1, np.inf]), rng.choice([0, 0.25, 0.6])
    pairs = match_events(first, second, onset_tolerance_s=tolerance, overlap=overlap)
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)
    assert all(may_match(first[a], second[b], tolerance, overlap) for a, b in pairs)
    most = max(
        sum(may_match(first[a], second[b], tolerance, overlap) for a, b in enumerate(chosen))
        for chosen in permutations(range(5), 4)
    )
    assert len(pairs) == most


def may_match(one, two, tolerance, overlap):
    common = max(0, min(one[1], two[1]) - max(one[0], two[0]))
    return abs(one[0] - two[0]) <= tolerance and common >= overlap * (np.ptp(one) + np.ptp(two) - common)
