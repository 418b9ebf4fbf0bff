"""Scores of a row over its seeds, of what is not a frame: pseudo labels."""

from pathlib import Path

import numpy as np

from sparsefacs.experiments.scores import Scored, draw, over_seeds, paired, read_pseudo_labels
from sparsefacs.metrics.distributions import DistributionSums
from sparsefacs.records import write_record

OURS = {"a": [8, 10, 4, 4], "b": [2, 10, 0, 0], "c": [9, 20, 5, 10]}
THEIRS = {"a": [6, 10, 1, 4], "b": [1, 10, 0, 0], "c": [9, 20, 5, 10]}


def test_pseudo_labels_are_resampled_by_training_people_and_compared_in_pairs(tmp_path: Path) -> None:
    found = []
    for name, counts in (("ours", OURS), ("theirs", THEIRS)):
        (tmp_path / name).mkdir()
        write_record(tmp_path / name / "pseudo-labels.json", {"by_subject": counts})
        found.append(read_pseudo_labels([tmp_path / name]))
    ours, theirs = found
    assert ours is not None and theirs is not None and ours.people == ("a", "b", "c")
    one, two = draw([ours, theirs], resamples=200)
    told = over_seeds([one])
    assert told["pseudo-labels"]["value"] == round(19 / 40, 5)
    assert told["confirmed-pseudo-labels"]["value"] == round(9 / 14, 5)
    assert told["pseudo-labels"]["low"] < 19 / 40 < told["pseudo-labels"]["high"]
    assert told["pseudo-labels"]["per_au"] == {}
    less = paired([one], [two])
    assert less is not None and less["pseudo-labels"]["value"] == round(19 / 40 - 16 / 40, 5)
    assert 0 <= less["pseudo-labels"]["low"] < less["pseudo-labels"]["high"] <= 0.2  # between those of one person each


def test_folds_of_a_run_are_added_up_and_a_run_without_has_none(tmp_path: Path) -> None:
    for name, counts in (("fold-1", {"a": [8, 10, 4, 4]}), ("fold-2", {"b": [2, 10, 0, 0], "a": [1, 2, 0, 1]})):
        (tmp_path / name).mkdir()
        write_record(tmp_path / name / "pseudo-labels.json", {"by_subject": counts})
    both = read_pseudo_labels([tmp_path / "fold-1", tmp_path / "fold-2"])
    assert both is not None and both.people == ("a", "b")
    assert draw([both], resamples=2)[0].values["pseudo-labels"][0].tolist() == [11 / 22]
    assert read_pseudo_labels([tmp_path]) is None


def test_a_distance_has_no_interval_but_its_difference_has(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth, subject = (rng.random((200, 3)) < 0.4).astype(float), np.repeat(np.arange(10), 20)
    used = np.ones(truth.shape, bool)
    drawn = draw(
        [
            Scored((1, 2, 4), DistributionSums(truth, told, used, subject, 0.5), tuple("abcdefghij"), "k", 200)
            for told in (np.where(rng.random(truth.shape) < 0.1, 1 - truth, truth), np.ones(truth.shape))
        ],
        resamples=200,
    )
    near, far = (over_seeds([each])["mean-difference"] for each in drawn)
    assert not {"low", "high"} & {*near, *far} and near["value"] < far["value"]
    less, values = paired([drawn[0]], [drawn[1]]), [each.values["mean-difference"].mean(axis=1) for each in drawn]
    assert less is not None
    wanted = 2 * (values[0][0] - values[1][0]) - np.percentile(values[0][1:] - values[1][1:], [97.5, 2.5])
    np.testing.assert_allclose([less["mean-difference"][end] for end in ("low", "high")], wanted, atol=1e-5)
