"""Scores of a row over its seeds, by people and of pseudo labels, and differences in pairs."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from jobs_here import TINY, in_this_process, made_store
from sparsefacs.experiments import outcome
from sparsefacs.experiments.pages import _compared
from sparsefacs.experiments.reproduction import reproduce
from sparsefacs.experiments.scores import Drawn, Scored, draw, over_seeds, paired, read_pseudo_labels, read_scores
from sparsefacs.experiments.speed import coding_speed
from sparsefacs.metrics.distributions import DistributionSums
from sparsefacs.records import write_record
from sparsefacs.reports.comparison import Difference, difference
from sparsefacs.reports.results import read_results

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


def test_scores_over_seeds_and_paired_differences_agree_with_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_this_process(monkeypatch)
    made = reproduce(
        "adversarial", "table-1", tmp_path / "out", stores=[made_store(tmp_path / "faces", 9)], settings=TINY
    )
    assert "Some rows are of one seed" in (made.out / "results.md").read_text()
    folders = [tmp_path / "out/runs/bp4d/all" / name / "seed-0" for name in ("Ours", "O-wlc")]
    ours, theirs = draw([read_scores(folder) for folder in folders])
    pooled = json.loads((folders[0] / "metrics.json").read_text())["pooled"]["mean"]
    found = over_seeds([ours])
    for metric in ("f1", "auc", "accuracy"):
        for key in ("value", "low", "high"):
            assert found[metric][key] == pytest.approx(pooled[metric][key], abs=1e-5), (
                "one seed: the run's own interval"
            )
    expected = difference(*read_results(folders))
    assert isinstance(expected, Difference)
    told = paired([ours], [theirs])
    assert told is not None
    assert [told["f1"][key] for key in ("value", "low", "high")] == pytest.approx(
        [expected.mean[key] for key in ("value", "low", "high")], abs=1e-5
    )
    speed = coding_speed(folders[0])
    assert speed["faces_per_second"] > 0 and coding_speed(folders[0]) == speed, "measured once, then kept"
    both = over_seeds([ours, theirs])["f1"]
    assert both["value"] == pytest.approx(np.mean(both["seeds"]), abs=1e-4)


class _Sums:
    """One AU, whose metric is the mean of a value per person."""

    def __init__(self, values: list[float]) -> None:
        self.values_S, self.shape = np.array(values), (len(values), 1)

    def values(self, weights_BS: np.ndarray) -> dict[str, np.ndarray]:
        with np.errstate(invalid="ignore"):
            return {"f1": (weights_BS @ self.values_S / weights_BS.sum(axis=1))[:, None]}


def _scored(values: dict[str, float], key: str = "") -> Scored:
    return Scored((1,), _Sums(list(values.values())), tuple(values), key, len(values))


def test_intervals_are_over_people_and_seeds() -> None:
    people = {f"person {i}": i / 40 for i in range(40)}
    alone = draw([_scored(people)])
    moved = draw([_scored(people), _scored({name: value + 0.5 for name, value in people.items()})])
    one, two = (over_seeds(drawn)["f1"] for drawn in (alone, moved))
    assert two["seeds"] == pytest.approx([0.4875, 0.9875]) and two["value"] == pytest.approx(0.7375)
    assert one["high"] - one["low"] < 0.2 and two["high"] - two["low"] > 0.5, "how far seeds differ counts"
    assert over_seeds(draw([_scored(people)] * 3))["f1"] == one | {"seeds": [0.4875] * 3}, "equal seeds add nothing"
    better = draw([_scored(people), _scored({name: value + 0.1 for name, value in people.items()})])
    told = paired(better, draw([_scored(people)] * 2))
    assert told is not None and (told["f1"]["low"], told["f1"]["high"]) == pytest.approx((0.0, 0.1)), "people cancel"
    assert told["f1"]["value"] == pytest.approx(0.05)


def test_seeds_that_test_other_people_share_the_draws_of_those_in_both() -> None:
    halves = [{f"person {i}": float(i % 7) for i in chosen} for chosen in (range(20), range(10, 30))]
    first, second, again = draw([_scored(halves[0], "a"), _scored(halves[1], "b"), _scored(halves[0], "a")])
    assert np.array_equal(first.values["f1"], again.values["f1"]), "the same people, resampled alike"
    resamples = [drawn.values["f1"][1:, 0] for drawn in (first, second)]
    assert 0.2 < np.corrcoef(*resamples)[0, 1] < 0.8, "half of the people are shared"
    assert paired([first, second], [second, first]) is None, "not scored on the same"
    missing = Drawn((1,), {"f1": np.concatenate([first.values["f1"][:1], np.full((1000, 1), np.nan)])}, "a", 20, 20)
    assert not np.isnan(over_seeds([first, missing])["f1"]["low"]), "a seed that is not drawn does not spoil the draw"


def test_differences_that_claims_rest_on_are_computed_beside_the_baseline_s(monkeypatch: pytest.MonkeyPatch) -> None:
    def finished(labels: str, row: str, value: float) -> Any:
        run = SimpleNamespace(data="d", labels=labels, row=SimpleNamespace(name=row), seed=0, place=("d", labels, row))
        values = {metric: np.full((11, 1), value) for metric in ("f1", "auc")}
        return outcome._Finished((run,), (Drawn((1,), values, "same", 20, 20),))  # type: ignore[arg-type]

    pairs = [(("*", "*", "new"), ("*", "*", "old"), ("f1",)), (("d", "5%", "new"), ("d", "all", "new"), ("auc",))]
    monkeypatch.setattr(outcome, "wanted", lambda *_: iter(pairs))
    groups = [finished("5%", "new", 0.5), finished("5%", "old", 0.3), finished("all", "new", 0.6)]
    told = outcome._compared(SimpleNamespace(paper="p", key="k"), groups)  # type: ignore[arg-type]
    first, second = (list(each.values()) for each in told)
    assert first == ["d", "5%", "new", "old", "5%", "f1", *[pytest.approx(0.2)] * 3]
    assert second == ["d", "5%", "new", "new", "all", "auc", *[pytest.approx(-0.1)] * 3]
    cells = [
        [cell.text for cell in line] for line in _compared({"scale": "paper", "paper": "p", "compared": told}).rows
    ]
    assert cells[0] == ["new less old", "d", "5%", "F1", "+0.200 [+0.200, +0.200]"]
    assert cells[1][0] == "new less its own at all"
    both = told[0] | {"against_labels": "all"}  # another row at other labels, as in WSRTL's Fig. 6
    table = _compared({"scale": "paper", "paper": "p", "compared": [both]})
    assert table.rows[0][0].text == "new less old at all"
