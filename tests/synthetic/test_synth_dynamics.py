"""Generated label sequences against the real data sets' statistics; no rendering."""

import numpy as np
import pytest

from sparsefacs.errors import InputError
from sparsefacs.synthetic import label_sequences
from sparsefacs.synthetic.dynamics import (
    DEFAULT_AUS,
    LEVELS,
    clip_track,
    dynamics,
    intensity_of,
    joint_probability,
    run_lengths,
    subject_share,
    tetrachoric,
)
from sparsefacs.synthetic.motion import make_clip
from sparsefacs.synthetic.profiles import load_profile

SAMPLES = {"bp4d": (240, 2, 489), "disfa": (160, 1, 2400)}


@pytest.fixture(scope="module", params=["bp4d", "disfa"])
def sample(request):
    profile = load_profile(request.param)
    return profile, label_sequences(request.param, profile.aus, *SAMPLES[request.param], seed=1)


def test_base_rates_follow_the_profile(sample):
    profile, labels = sample
    generated = labels.reshape(-1, len(profile.aus)).mean(axis=0)
    target = np.array([profile.rate(au) for au in profile.aus])
    assert np.abs(generated - target).max() < 0.045
    assert np.abs(generated - target).mean() < 0.02


def test_co_occurrence_follows_the_profile(sample):
    profile, labels = sample
    flat = labels.reshape(-1, len(profile.aus)).astype(float)
    generated = (flat.T @ flat) / flat.sum(axis=0)[:, None]
    target = np.array([[profile.conditional(row, column) for column in profile.aus] for row in profile.aus])
    error = np.abs(generated - target)[~np.eye(len(profile.aus), dtype=bool)]
    independent = np.abs(np.array([profile.rate(au) for au in profile.aus])[None] - target)
    assert error.mean() < 0.045
    assert error.mean() < 0.4 * independent[~np.eye(len(profile.aus), dtype=bool)].mean()


def test_median_runs_follow_the_profile(sample):
    profile, labels = sample
    ratios = []
    for a, au in enumerate(profile.aus):
        runs = [run_lengths(clip[:, a] > 0)[0] for subject in labels for clip in subject]
        ratios.append(np.median(np.concatenate(runs)) / profile.runs(au)[0][1])
    assert np.exp(np.abs(np.log(ratios)).mean()) < 1.35
    assert min(ratios) > 0.5 and max(ratios) < 2


def test_subjects_differ_as_much_as_in_the_profile(sample):
    profile, labels = sample
    spread = labels.mean(axis=(1, 2)).std(axis=0)
    target = np.array([profile.spread(au) for au in profile.aus])
    # clips as short as these add sampling spread on top of the subjects' own
    assert (spread > 0.75 * target).all()
    assert (spread < 2.2 * target).all()


def test_labels_ask_for_no_more_than_they_need():
    one = label_sequences("bp4d", (12, 6), 2, 2, 30, seed=3)
    again = label_sequences("bp4d", (6, 12), 2, 2, 30, seed=3)
    assert one.shape == (2, 2, 30, 2)
    np.testing.assert_array_equal(one, again[..., ::-1])
    assert (label_sequences("bp4d", (12, 6), 6, 2, 30, seed=4)[:2] != one).any()


def test_weights_are_smooth_and_levels_agree_with_occurrence():
    for name, active in (("bp4d", 1), ("disfa", 2)):
        process = dynamics(name, DEFAULT_AUS)
        assert process.lowest == LEVELS[active - 1]
        for subject in range(4):
            track = clip_track(process, 0, subject, 0, 300)
            np.testing.assert_array_equal(track.occurrence == 1, track.intensity >= active)
            assert track.weights.min() >= 0 and track.weights.max() <= 1
            assert np.abs(np.diff(track.weights, axis=0)).max() < 0.5


def test_clip_does_not_depend_on_other_clips():
    whole = make_clip("bp4d", (1, 12, 45), 9, 3, 1, 40)
    again = make_clip("bp4d", (1, 12, 45), 9, 3, 1, 40)
    np.testing.assert_array_equal(whole.intensity, again.intensity)
    assert whole.poses == again.poses
    assert make_clip("bp4d", (1, 12, 45), 9, 3, 0, 40).poses != whole.poses
    assert all(abs(pose.yaw) <= 25 for pose in whole.poses)


def test_blinks_are_labelled_only_when_listed():
    clip = make_clip("bp4d", (45,), 0, 0, 0, 500)
    assert 0.01 < clip.occurrence.mean() < 0.2
    assert clip.intensity.max() == 5


def test_tetrachoric_inverts_the_bivariate_normal():
    from scipy.stats import multivariate_normal, norm

    first, second, rho = 0.3, 0.15, 0.6
    h, k = norm.isf(first), norm.isf(second)
    both = multivariate_normal.cdf([-h, -k], cov=[[1, rho], [rho, 1]])
    assert tetrachoric(first, second, both) == pytest.approx(rho, abs=2e-3)
    assert joint_probability(first, second, np.linspace(-0.5, 0.5, 101))[50] == pytest.approx(first * second, abs=1e-6)


def test_subject_share_gives_the_spread():
    from scipy.stats import norm

    share = subject_share(0.2, 0.15)
    offsets = np.random.default_rng(0).standard_normal(200_000)
    rates = norm.cdf((np.sqrt(share) * offsets - norm.isf(0.2)) / np.sqrt(1 - share))
    assert rates.std() == pytest.approx(0.15, abs=0.005)
    assert rates.mean() == pytest.approx(0.2, abs=0.005)


def test_intensity_thresholds():
    np.testing.assert_array_equal(
        intensity_of(np.array([0, 0.149, 0.15, 0.3, 0.5, 0.7, 0.88, 1])), [0, 0, 1, 2, 3, 4, 5, 5]
    )


def test_unknown_profile_is_told():
    with pytest.raises(InputError, match="bp4d or disfa"):
        label_sequences("ck+", (1,), 1, 1, 2, seed=0)
