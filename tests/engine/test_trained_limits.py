"""Limits of a training: by the training people's base rates, and by nothing that a test or validation person shows."""

import json
from copy import deepcopy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edited import edit_record
from made_runs import same_weights, write_run
from made_stores import build_store
from sparsefacs import InputError, api
from sparsefacs.data.store import Store
from sparsefacs.engine.base_rates import faces_for_limits, trained_limits
from sparsefacs.engine.config import recipe_names, resolve
from sparsefacs.engine.run import RunFolder
from sparsefacs.engine.trained import load_trained
from sparsefacs.engine.training_set import TrainingSet, training_set
from sparsefacs.inference.evaluation import code_store
from sparsefacs.inference.model import load_coder
from sparsefacs.inference.pooling import limits_in
from sparsefacs.methods.registry import method_names
from sparsefacs.metrics.limits import Limits, base_rate_limits, base_rates
from sparsefacs.protocols.folds import make_protocol

AUS = (1, 4, 12)


def fit(store: Store, out: Path, settings: tuple[str, ...], method: str = "supervised", **more: object) -> dict:
    return api.train(method, store.path, out, settings=settings, **{"labels": "50%"} | more)  # type: ignore[arg-type]


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def data_of(store: Store, labels: str, *settings: str, beside: Store | None = None) -> TrainingSet:
    config = resolve("supervised", settings=(*settings, "aus=[1, 4, 12]"))
    people = sorted(set(store.strings("subject").tolist()))
    return training_set(store, beside, make_protocol("kfold:3", people).folds[0], labels, config)


@pytest.mark.parametrize("rule", ["last", "validation"])
def test_limits_are_those_of_the_kept_network_on_training_people(
    rule: str, store: Store, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    settings = (*tiny_settings, "training.steps=20", "network.dropout=0.3")
    metrics = fit(store, tmp_path / "run", settings, selection__rule=rule)
    run, coder = RunFolder(tmp_path / "run"), load_coder(tmp_path / "run")
    shown = pd.read_parquet(run.labels)
    subjects, fold = store.strings("subject"), read(run.protocol)["fold"]
    trained = np.isin(subjects, fold["train"])
    labels = store.occurrence(AUS)
    visible = np.full_like(labels, -1)
    rows = shown["row"].unique()
    visible[rows] = labels[rows]
    # people set aside to choose the epoch count by the faces whose labels may be seen
    aside = (
        np.isin(subjects, fold.get("validation", [])) & np.isin(np.arange(len(store)), rows) & (rule == "validation")
    )
    rates = base_rates(visible[trained | aside])
    wanted = base_rate_limits(code_store(coder, store, np.flatnonzero(trained | aside)), rates)
    assert coder.limits == pytest.approx(wanted.tolist(), abs=1e-4) and len(set(coder.limits)) == 3
    assert metrics["limits"] == metrics["provenance"]["limits"] == list(coder.limits)
    assert metrics["provenance"]["limit_rule"] == "base-rate"
    table = pd.read_parquet(run.predictions)
    assert "threshold" not in table and table["AU04_limit"].unique().tolist() == [coder.limits[1]]
    said, truth = table["AU04_p"] >= coder.limits[1], table["AU04_true"] == 1
    f1 = 2 * (truth & said).sum() / (truth.sum() + said.sum())
    assert metrics["pooled"]["per_au"]["4"]["f1"]["value"] == pytest.approx(f1)


def test_no_label_and_no_face_of_a_test_person_changes_them(tmp_path: Path, tiny_settings: tuple[str, ...]) -> None:
    settings = (*tiny_settings, "training.steps=12")
    plain = build_store(tmp_path / "plain")
    fit(plain, tmp_path / "a", settings)
    tested = read(tmp_path / "a" / "protocol.json")["fold"]["test"]
    subjects, changed = iter(plain.strings("subject").tolist()), []

    def flipped(truth: np.ndarray) -> np.ndarray:
        changed.append(next(subjects) in tested)
        return 1 - truth if changed[-1] else truth

    labels = build_store(tmp_path / "labels", hide=flipped)
    fit(labels, tmp_path / "b", settings)
    assert any(changed) and read(tmp_path / "b" / "model.json") == read(tmp_path / "a" / "model.json")
    darker = build_store(tmp_path / "darker")
    rows = np.flatnonzero(np.isin(darker.strings("subject"), tested))
    own = Store.face

    def face(self: Store, row: int) -> tuple[np.ndarray, np.ndarray]:
        image, points = own(self, row)
        return (image // 2, points) if self.path.name == "darker" and row in rows else (image, points)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "face", face)
        other = fit(darker, tmp_path / "c", settings)
    assert read(tmp_path / "c" / "model.json") == read(tmp_path / "a" / "model.json")
    assert other["pooled"] != read(tmp_path / "a" / "metrics.json")["pooled"], "their faces were indeed others"


def test_faces_are_the_unlabelled_ones_of_training_people_where_there_are_enough(tmp_path: Path) -> None:
    store = build_store(tmp_path / "many", subjects=9, frames=120)
    beside = build_store(tmp_path / "beside", subjects=2, seed=3, prefix="x")
    data = data_of(store, "5%", beside=beside)
    rows = faces_for_limits(data)
    apart = set(store.strings("subject")[data.validation])
    assert apart and apart <= set(data.fold.validation)
    assert set(store.strings("subject")[rows]) == set(data.fold.train) | apart
    own = len(data.unlabelled) - len(beside) + len(data.validation)
    assert not set(rows) & set(data.labelled) and len(rows) == len(set(rows)) == own
    few = faces_for_limits(data, 250)
    assert len(set(few)) == 250 and set(few) <= set(rows) and few[0] == rows[0] and few[-1] == rows[-1]
    assert set(np.diff(np.searchsorted(rows, few))) <= {1, 2, 3}, "evenly spread"
    little = data_of(build_store(tmp_path / "few"), "5%")
    every = np.sort(np.concatenate([little.labelled, little.unlabelled, little.validation]))
    assert faces_for_limits(little).tolist() == every.tolist()


@pytest.mark.parametrize("method", ["supervised", "adversarial", "knowledge-spreader"])
def test_a_resumed_run_has_the_same_limits(
    method: str, store: Store, tmp_path: Path, tiny_settings: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sparsefacs.methods.registry import method_class

    settings = (*tiny_settings, "training.steps=9", "training.checkpoint_every=4", "network.dropout=0.3")
    fit(store, tmp_path / "whole", settings, method)

    def stop(self: object, step: int) -> None:
        if step == 6:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(method_class(method), "after_step", stop)
        with pytest.raises(InputError, match="--resume"):
            fit(store, tmp_path / "cut", settings, method)
    fit(store, tmp_path / "cut", settings, method, resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "cut")
    assert read(tmp_path / "whole" / "model.json") == read(tmp_path / "cut" / "model.json")
    (tmp_path / "cut" / "model.json").unlink()  # stopped after the last step, before the model was described
    fit(store, tmp_path / "cut", settings, method, resume=True)
    assert read(tmp_path / "whole" / "model.json") == read(tmp_path / "cut" / "model.json")
    assert len(set(read(tmp_path / "cut" / "model.json")["limits"])) > 1


def test_the_rule_decides_and_the_network_stays_as_it_was(store: Store, tmp_path: Path) -> None:
    import torch

    small = {"backbone": "test_resnet", "input_size": 32}
    trained = load_trained(RunFolder(write_run(tmp_path / "run", small, size=32)))
    network, data = trained.network.train(), data_of(store, "50%")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    zeros = deepcopy(network)
    zeros.load_state_dict({name: value * 0 for name, value in before.items()})
    assert trained_limits(network, trained.setting, data, 0.35, "fixed") == Limits([0.5] * 3, "fixed")
    assert trained_limits(network, trained.setting, data, 0.35, "chosen") == Limits([0.35] * 3, "chosen")
    assert trained_limits(network, trained.setting, data, None, "chosen") == Limits([0.5] * 3, "fixed"), "on nobody"
    assert len(set(trained_limits(network, trained.setting, data, 0.35, "base-rate").values)) == 3
    assert trained_limits(zeros, trained.setting, data, 0.35, "base-rate").values == [0.5] * 3, "zeros answer one half"
    coded = data.coder.code(network, trained.setting, faces_for_limits(data))
    told = base_rates(data.occurrence[np.concatenate([data.labelled, data.validation])])
    wanted = [np.quantile(each, 1 - (rate * each.mean()) ** 0.5) for rate, each in zip(told, coded.T, strict=True)]
    found = trained_limits(network, trained.setting, data, 0.35, "chosen-frames")
    assert found.values == pytest.approx(wanted, abs=1e-4) and found.rule == "chosen-frames"
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_intensity_has_none(store: Store, tmp_path: Path, tiny_settings: tuple[str, ...]) -> None:
    metrics = fit(store, tmp_path / "run", (*tiny_settings, "training.steps=4"), task="intensity")
    assert read(tmp_path / "run" / "model.json")["limits"] == [0.5] * 3
    assert metrics["provenance"]["limit_rule"] == "fixed"
    assert not any("limit" in name for name in pd.read_parquet(tmp_path / "run" / "predictions.parquet"))


def test_papers_keep_one_half_and_small_recipes_have_limits_by_base_rate() -> None:
    for method in method_names():
        for recipe in recipe_names(method):
            rule = resolve(method, recipe).selection.threshold
            if recipe.startswith(("paper", "table", "ablation")):
                assert rule == "fixed", (method, recipe)
            elif "small" in recipe.split("-")[:1] and method != "constant":  # whose answer no limit turns round
                assert rule == "base-rate", (method, recipe)


def test_older_files_with_one_threshold_are_read(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"backbone": "test_resnet", "input_size": 32})
    path = RunFolder(run).model
    edit_record(path, {"threshold": 0.3}, "limits")
    assert load_coder(run).limits == (0.3, 0.3, 0.3)
    edit_record(path, {}, "threshold")
    with pytest.raises(InputError, match="lacks 'limits'"):
        load_coder(run)
    table = pd.DataFrame({"threshold": [0.2, 0.4], "AU01_p": [0.1, 0.9]})
    assert limits_in(table, (1, 12)).tolist() == [[0.2, 0.2], [0.4, 0.4]]
    assert limits_in(table.drop(columns="threshold"), (1, 12), (0.1, 0.7)).tolist() == [[0.1, 0.7]] * 2
    assert limits_in(table.drop(columns="threshold"), (1,)).tolist() == [[0.5]] * 2
    assert limits_in(pd.DataFrame({"AU12_limit": [0.2], "AU01_limit": [0.9]}), (1, 12)).tolist() == [[0.9, 0.2]]
