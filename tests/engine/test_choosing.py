"""What the epoch and limits are chosen on: never the test fold unless asked, and then marked everywhere."""

import json
from pathlib import Path

import numpy as np
import pytest

from made_stores import build_store
from sparsefacs import InputError, api
from sparsefacs.data.store import Store
from sparsefacs.engine.config import resolve
from sparsefacs.engine.selection import Selector, check_steps
from sparsefacs.engine.training_set import training_set
from sparsefacs.methods.contract import Setting
from sparsefacs.metrics.scores import mean_score, score
from sparsefacs.networks.config import NetworkConfig
from sparsefacs.protocols.folds import make_protocol
from sparsefacs.protocols.selection import FOOTNOTE, MARK
from sparsefacs.reports.tables import text_table


def fit(store: Path, out: Path, settings: tuple[str, ...], **more: object) -> dict:
    return api.train("supervised", store, out, settings=settings, **{"labels": "all"} | more)  # type: ignore[arg-type]


def read(path: Path) -> dict:
    return json.loads(path.read_text())


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """A selector whose network's answers are scripted, one (M, A) array a check."""

    def make(truth: np.ndarray, answers: list[np.ndarray], **more: object) -> Selector:
        left = iter(answers)
        monkeypatch.setattr(Selector, "_coded", lambda self, network: next(left).astype(np.float32))
        setting = Setting("occurrence", (1, 2), NetworkConfig())
        people = np.array([f"s{row % 20}" for row in range(len(truth))])
        steps = frozenset(range(1, len(answers) + 1))
        return Selector(setting, (), np.arange(len(truth)), people, truth, steps, **more)  # type: ignore[arg-type]

    return make


class Weights:
    """Stands for a network whose weights tell at which step they were taken."""

    def __init__(self) -> None:
        self.step = 0

    def state_dict(self) -> dict:
        import torch

        return {"step": torch.tensor(self.step)}


def checked(selector: Selector, steps: int) -> list[float]:
    network, values = Weights(), []
    for step in range(1, steps + 1):
        network.step = step
        values.append(selector.check(step, network)["selection_f1"])
    return values


def test_the_best_state_is_kept_and_of_equal_ones_the_later(scripted) -> None:  # type: ignore[no-untyped-def]
    truth = np.array([[1, 0], [0, 1], [1, -1], [0, 1]])
    right = np.where(truth == 1, 0.9, 0.1)
    selector = scripted(truth, [1 - right, right, right, 1 - right], heed_luck=False)
    assert checked(selector, 4) == [0.0, 1.0, 1.0, 0.0]
    assert selector.kept["step"] == 3
    assert int(selector.kept["weights"]["step"]) == 3
    assert selector.kept["threshold"] == 0.5
    again = scripted(truth, [right])
    again.load(selector.state())
    assert again.kept["step"] == 3 and len(again.history) == 4


def test_luck_among_few_people_does_not_cut_a_training_short(scripted) -> None:  # type: ignore[no-untyped-def]
    """One wrong frame of eighty is luck: the later state is kept. Half of them wrong is not: the best one is."""
    truth = np.random.default_rng(0).integers(0, 2, (80, 2))
    right = np.where(truth == 1, 0.9, 0.1)
    nearly, bad = right.copy(), right.copy()
    nearly[0] = 1 - nearly[0]
    bad[::2] = 1 - bad[::2]
    selector = scripted(truth, [bad, right, nearly, bad])
    scores = checked(selector, 4)
    assert scores[1] == 1.0 > scores[2] > scores[3] == scores[0]
    assert selector.best["step"] == 2
    assert selector.kept["step"] == 3
    strict = scripted(truth, [bad, right, nearly, bad], heed_luck=False)
    checked(strict, 4)
    assert strict.kept["step"] == 2


@pytest.mark.parametrize("heed_luck", [True, False])
def test_a_state_whose_score_is_undefined_is_kept_only_where_none_has_one(scripted, heed_luck: bool) -> None:  # type: ignore[no-untyped-def]
    truth = np.array([[0, -1], [0, -1], [1, -1], [0, -1]])
    right = np.where(truth == 1, 0.9, 0.1)
    undefined = np.full(truth.shape, np.nan)  # as ICC is of a constant, and F1 where nothing is present or called
    selector = scripted(truth, [undefined, right, undefined], heed_luck=heed_luck)
    scores = checked(selector, 3)
    assert np.isnan(scores[0]) and scores[1] == 1.0 and np.isnan(scores[2])
    assert selector.kept["step"] == 2
    alone = scripted(truth, [undefined], heed_luck=heed_luck)
    checked(alone, 1)
    assert alone.kept["step"] == 1


def test_a_threshold_is_chosen_by_f1_near_one_half(scripted) -> None:  # type: ignore[no-untyped-def]
    truth = np.array([[1, 0], [0, 1], [1, 0], [0, 1]])
    low = np.where(truth == 1, 0.33, 0.22)  # every threshold over 0.22 and up to 0.33 is perfect
    selector = scripted(truth, [low], threshold_chosen=True)
    selector.check(1, Weights())
    assert selector.kept["threshold"] == 0.3
    by_hand = {at: mean_score("occurrence", truth, low, at)["f1"] for at in (0.2, 0.25, 0.3, 0.35)}
    assert by_hand[0.25] == by_hand[0.3] == 1.0 and by_hand[0.2] < 1.0 and by_hand[0.35] < 1.0


def test_checks_are_spread_over_the_training() -> None:
    assert check_steps(100, 4) == {25, 50, 75, 100}
    assert check_steps(3, 10) == {1, 2, 3}
    assert 7 in check_steps(7, 1)


def test_mean_score_is_the_score_without_intervals() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(-1, 2, (60, 3)), rng.random((60, 3))
    whole = score("occurrence", (1, 2, 4), truth, predicted, np.repeat(["a", "b", "c"], 20), resamples=5)
    found = mean_score("occurrence", truth, predicted)
    assert found == {name: pytest.approx(whole["pooled"]["mean"][name]["value"]) for name in whole["pooled"]["mean"]}


def test_validation_people_are_neither_trained_on_nor_tested(tmp_path: Path) -> None:
    store = build_store(tmp_path / "store", subjects=9)
    more = build_store(tmp_path / "more", subjects=12, seed=3)  # shares nine names
    subject, other = store.strings("subject"), more.strings("subject")
    for spec, labels in (("holdout:25%", "all"), ("kfold:3", "30%"), ("60-20-20", "subjects:4")):
        for fold in make_protocol(spec, subject.tolist(), 0).folds:
            data = training_set(store, more, fold, labels, resolve("adversarial", aus=store.aus))
            assert data.rule == "validation"
            used = np.concatenate([data.labelled, data.unlabelled])
            trained = set(np.concatenate([subject, other])[used])
            assert data.fold.validation and not trained & set(data.fold.validation)
            assert not trained & set(fold.test)
            assert set(subject[data.selection]) <= set(data.fold.validation)
            visible = data.visible.mask[data.selection]
            assert ((data.selection_truth >= 0) <= visible).all() and visible.any(axis=1).all()
            if spec == "60-20-20":
                assert data.fold.validation == fold.validation


def test_with_no_labelled_subject_to_spare_the_last_epoch_is_kept(
    store: Store, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    metrics = fit(store.path, tmp_path / "run", (*tiny_settings, "training.steps=4"), labels="subjects:1")
    assert metrics["provenance"]["selection"] == "last"
    assert metrics["provenance"]["selected_step"] == 4
    assert read(tmp_path / "run" / "protocol.json")["selection"] == "last"


def test_checks_change_nothing_in_the_training(store: Store, tmp_path: Path, tiny_settings: tuple[str, ...]) -> None:
    settings = (*tiny_settings, "training.steps=8", "network.dropout=0.3")
    losses = []
    for rule in ("last", "published-practice"):
        fit(store.path, tmp_path / rule, settings, selection__rule=rule)
        table = [line.split(",") for line in (tmp_path / rule / "log.csv").read_text().splitlines()]
        at = table[0].index("recognition")
        losses.append([row[at] for row in table[1:]])
        assert ("selection_f1" in table[0]) == (rule != "last")
    assert losses[0] == losses[1]


def test_the_choice_hangs_on_validation_labels_and_never_on_test_labels(
    tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    settings = (*tiny_settings, "training.steps=20", "selection.threshold=chosen")
    plain = build_store(tmp_path / "plain")
    fit(plain.path, tmp_path / "a", settings)
    plan = read(tmp_path / "a" / "protocol.json")
    subjects = iter(plain.strings("subject").tolist())
    flipped = build_store(
        tmp_path / "flipped", hide=lambda truth: 1 - truth if next(subjects) in plan["fold"]["test"] else truth
    )
    fit(flipped.path, tmp_path / "b", settings)
    for name in ("model.safetensors", "model.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert read(tmp_path / "a" / "metrics.json")["pooled"] != read(tmp_path / "b" / "metrics.json")["pooled"]


def test_published_practice_is_marked_on_every_table(
    store: Store, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    settings = (*tiny_settings, "training.steps=4", "selection.threshold=chosen")
    marked = fit(
        store.path, tmp_path / "marked", settings, selection__rule="published-practice", fold="all", protocol="kfold:2"
    )
    plain = fit(store.path, tmp_path / "plain", settings, fold="all", protocol="kfold:2")
    assert f"supervised {MARK}" in text_table(marked) and FOOTNOTE in text_table(marked)
    assert MARK not in text_table(plain)
    assert marked["provenance"]["selection"] == "published-practice"
    assert "test fold" in marked["provenance"]["selection_rule"]
    page = api.report(tmp_path / "page.html", [tmp_path / "marked", tmp_path / "plain"]).read_text()
    assert page.count(f"supervised {MARK}") > 5 and FOOTNOTE in page
    cells = page.partition('<section id="scores">')[2].partition("</section>")[0]
    column = [row.split("<td")[1] for row in cells.split("<tr>") if row.count("<td") >= 2]
    assert column and not any("best" in cell for cell in column), "a number chosen on the test fold is never the best"
    with pytest.raises(InputError, match="web page"):
        api.report(tmp_path / "page.pdf", [tmp_path / "plain"])


@pytest.mark.parametrize("rule", ["chosen", "base-rate"])
def test_folds_are_pooled_each_at_its_own_limits(
    rule: str, store: Store, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    import pandas as pd

    settings = (*tiny_settings, "training.steps=10", f"selection.threshold={rule}")
    metrics = fit(store.path, tmp_path / "cv", settings, fold="all", protocol="kfold:3")
    table = pd.read_parquet(tmp_path / "cv" / "predictions.parquet")
    each = [read(tmp_path / "cv" / f"fold-{k}" / "model.json")["limits"] for k in (1, 2, 3)]
    assert len(set(each[0])) == (1 if rule == "chosen" else 3)
    assert metrics["provenance"]["per_fold"]["limits"] == each and metrics["limits"] is None
    assert metrics["provenance"]["limit_rule"] == rule
    assert table.groupby("fold")["AU12_limit"].unique().map(list).tolist() == [[limits[2]] for limits in each]
    truth, said = table["AU12_true"] == 1, table["AU12_p"] >= table["AU12_limit"]
    f1 = 2 * (truth & said).sum() / (truth.sum() + said.sum())
    assert metrics["pooled"]["per_au"]["12"]["f1"]["value"] == pytest.approx(f1)


def test_a_threshold_cannot_be_chosen_on_nothing(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"selection\.threshold=chosen needs"):
        fit(store.path, tmp_path / "run", ("selection.threshold=chosen",), selection__rule="last")
