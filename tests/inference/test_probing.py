"""Probes of a fake encoder under the protocol of a training: folds, budgets, people kept apart, the folder's files."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from cell_encoder import CellEncoder
from edited import edit_record
from made_stores import build_store
from sparsefacs import api
from sparsefacs.data.store import Store
from sparsefacs.engine.config import resolve
from sparsefacs.engine.trainer import describe
from sparsefacs.engine.training_set import training_set, with_aus
from sparsefacs.errors import InputError
from sparsefacs.inference.features import extract_features
from sparsefacs.inference.pooling import pool_folds
from sparsefacs.inference.probing import ProbeSettings, probe_encoder
from sparsefacs.metrics.probing import knn_probabilities
from sparsefacs.protocols.budgets import VisibleLabels
from sparsefacs.protocols.folds import make_protocol
from sparsefacs.reports import report
from sparsefacs.reports.results import read_results

AUS = (1, 4, 12)
PROBABILITIES = ["AU01_p", "AU04_p", "AU12_p"]
SETTINGS = {
    "knn": ProbeSettings("knn", neighbours=10),
    "linear": ProbeSettings("linear"),
    "knn of intensity": ProbeSettings("knn", task="intensity", neighbours=10),
    "linear of intensity": ProbeSettings("linear", task="intensity"),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return build_store(tmp_path_factory.mktemp("probed") / "store", subjects=6, frames=16)


@pytest.fixture(scope="module")
def protocol(store):
    return make_protocol("kfold:3", store.strings("subject").tolist())


def read(path):
    return json.loads(path.read_text())


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_all_folds_into_folders_and_pooled(store, protocol, tmp_path, settings):
    metrics = probe_encoder(CellEncoder(), store, protocol, tmp_path / "probe", settings)
    assert metrics["method"] == f"{settings.kind} of cells" and metrics["task"] == settings.task
    assert metrics["aus"] == list(AUS) and sorted(metrics["folds"]) == ["1", "2", "3"]
    good = {"occurrence": ("auc", 0.95), "intensity": ("icc", 0.75)}[settings.task]
    assert metrics["pooled"]["mean"][good[0]]["value"] > good[1]
    assert metrics["pooled"]["frames"] == len(store) and metrics["pooled"]["subjects"] == 6
    carried = metrics["provenance"]
    assert carried["fold"] == "all" and carried["protocol_hash"] == protocol.hash and carried["encoder"] == "cells"
    assert carried["per_fold"]["labelled_faces"] == [64, 64, 64] and carried["limits"] == [0.5] * len(carried["limits"])
    table = pd.read_parquet(tmp_path / "probe" / "predictions.parquet")
    assert sorted(table["row"]) == list(range(len(store)))
    for number, fold in enumerate(protocol.folds, start=1):
        folder = tmp_path / "probe" / f"fold-{number}"
        names = ["config.yaml", "labels.parquet", "metrics.json", "predictions.parquet", "protocol.json"]
        assert sorted(entry.name for entry in folder.iterdir()) == names
        assert set(pd.read_parquet(folder / "predictions.parquet")["subject"]) == set(fold.test)
        assert read(folder / "metrics.json")["provenance"]["fold"] == fold.name


@pytest.mark.parametrize("labels", ["all", "25%", "entries:40%", "subjects:3"])
def test_the_labels_and_people_are_those_of_a_training(store, protocol, tmp_path, labels):
    """The card equals a training's, but for the rule of choosing an epoch: hashes agree, so results compare."""
    probe_encoder(CellEncoder(), store, protocol, tmp_path / "probe", folds=[2], labels=labels)
    config = with_aus(resolve("supervised", "small", selection__rule="last"), protocol, store)
    data = training_set(store, None, protocol.folds[1], labels, config)
    told = read(tmp_path / "probe" / "protocol.json")
    assert told.pop("checksum") and told == describe(store, None, protocol, data)
    assert VisibleLabels.load(tmp_path / "probe" / "labels.parquet").hash == data.visible.hash
    chosen = with_aus(resolve("supervised", "small"), protocol, store)
    assert training_set(store, None, protocol.folds[1], labels, chosen).visible.hash == data.visible.hash
    table = pd.read_parquet(tmp_path / "probe" / "predictions.parquet")
    features = extract_features(CellEncoder(), store, np.arange(len(store)))
    tested = np.flatnonzero(np.isin(store.strings("subject"), protocol.folds[1].test))
    expected = knn_probabilities(features[data.labelled], data.occurrence[data.labelled], features[tested])
    assert np.array_equal(table["row"], tested)
    assert np.allclose(table[PROBABILITIES], expected, atol=1e-5, equal_nan=True)


def with_labels(store, path, change):
    """Copy the store with labels changed: `change` maps occurrence (M, A) and subjects (M,) to new occurrence."""
    import pyarrow as pa

    shutil.copytree(store.path, path)
    changed = change(store.occurrence().copy(), store.strings("subject"))
    first = 0
    for file in sorted(path.glob("data-*.arrow")):
        table = pa.ipc.open_stream(file.read_bytes()).read_all()
        values = pa.array(changed[first : first + len(table)].tolist(), table.schema.field("occurrence").type)
        place = table.schema.get_field_index("occurrence")
        with pa.ipc.new_stream(str(file), table.schema) as stream:
            stream.write_table(table.set_column(place, table.schema.field(place), values))
        first += len(table)
    edit_record(path / "store.json", {}, "sha256", "part_faces")
    return Store(path)


@pytest.mark.parametrize("kind", ["knn", "linear"])
def test_labels_of_test_people_are_never_used(store, protocol, tmp_path, kind):
    tested = protocol.folds[0].test

    def flip(occurrence, subjects):
        occurrence[np.isin(subjects, tested)] = 1 - occurrence[np.isin(subjects, tested)]
        return occurrence

    flipped = with_labels(store, tmp_path / "flipped", flip)
    assert not np.array_equal(flipped.occurrence(), store.occurrence())
    metrics, tables = [], []
    for number, each in enumerate([store, flipped]):
        out = tmp_path / f"probe-{number}"
        metrics.append(probe_encoder(CellEncoder(), each, protocol, out, ProbeSettings(kind), folds=[1]))
        tables.append(pd.read_parquet(out / "predictions.parquet"))
    assert np.array_equal(tables[0][PROBABILITIES], tables[1][PROBABILITIES])
    auc = [each["pooled"]["mean"]["auc"]["value"] for each in metrics]
    assert auc[0] == pytest.approx(1 - auc[1]) and auc[0] > 0.9


def test_labels_of_training_people_matter_but_hidden_ones_do_not(store, protocol, tmp_path):
    """Flipping labels outside the budget changes no prediction; flipping those inside turns them round."""
    probe_encoder(CellEncoder(), store, protocol, tmp_path / "whole", folds=[1], labels="subjects:2")
    shown = VisibleLabels.load(tmp_path / "whole" / "labels.parquet").mask
    before = pd.read_parquet(tmp_path / "whole" / "predictions.parquet")[PROBABILITIES]
    for name, mask in (("hidden", ~shown), ("visible", shown)):
        changed = with_labels(store, tmp_path / name, lambda occ, _, mask=mask: np.where(mask, 1 - occ, occ))
        probe_encoder(CellEncoder(), changed, protocol, tmp_path / f"{name}-probe", folds=[1], labels="subjects:2")
        after = pd.read_parquet(tmp_path / f"{name}-probe" / "predictions.parquet")[PROBABILITIES]
        expected = before if name == "hidden" else 1 - before
        assert np.allclose(after, expected, atol=1e-6)


def test_an_encoder_that_has_seen_test_people_is_refused(store, protocol, tmp_path):
    tested = protocol.folds[1].test
    knows_one = CellEncoder(seen=[tested[0], *protocol.folds[1].train])
    with pytest.raises(InputError, match=rf"1 of the 2 test subjects of fold 2 \({tested[0]}; 16 of their 32 faces\)"):
        probe_encoder(knows_one, store, protocol, tmp_path / "probe", folds=[2])
    with pytest.raises(InputError, match="was trained on"):
        probe_encoder(CellEncoder(seen=protocol.folds[1].train), store, protocol, tmp_path / "probe")
    assert not knows_one.batches and not (tmp_path / "probe").exists()
    probe_encoder(CellEncoder(seen=[*protocol.folds[1].train, "zz"]), store, protocol, tmp_path / "probe", folds=[2])
    seen = read(tmp_path / "probe" / "protocol.json")["seen"]["persons"]
    assert [None, "zz"] in seen and [None, tested[0]] not in seen


def test_the_same_again_and_from_features_given(store, protocol, tmp_path):
    first = probe_encoder(CellEncoder(), store, protocol, tmp_path / "a", SETTINGS["linear"], labels="25%")
    idle = CellEncoder()
    given = extract_features(CellEncoder(), store, np.arange(len(store)))
    second = probe_encoder(idle, store, protocol, tmp_path / "b", SETTINGS["linear"], labels="25%", features_ND=given)
    assert not idle.batches
    assert first == second
    assert (tmp_path / "a" / "predictions.parquet").read_bytes() == (
        tmp_path / "b" / "predictions.parquet"
    ).read_bytes()


def test_only_faces_that_are_needed_are_encoded(store, protocol, tmp_path):
    encoder = CellEncoder()
    probe_encoder(encoder, store, protocol, tmp_path / "probe", folds=[1], labels="subjects:1")
    assert sum(encoder.batches) == 48  # 16 labelled faces, 32 to test on


def test_several_folds_of_more(store, protocol, tmp_path):
    metrics = probe_encoder(CellEncoder(), store, protocol, tmp_path / "probe", folds=[1, 3])
    assert sorted(metrics["folds"]) == ["1", "3"]
    assert sorted(entry.name for entry in (tmp_path / "probe").iterdir()) == [
        *("fold-1", "fold-3", "metrics.json", "predictions.parquet")
    ]


def test_what_cannot_be_is_said_before_anything_is_written(store, protocol, tmp_path):
    with pytest.raises(InputError, match="no fold 4"):
        probe_encoder(CellEncoder(), store, protocol, tmp_path / "probe", folds=[4])
    with pytest.raises(InputError, match="cut differently"):
        probe_encoder(CellEncoder(size=64), store, protocol, tmp_path / "probe")
    assert not (tmp_path / "probe").exists()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "note").write_text("mine")
    with pytest.raises(InputError, match="already exists"):
        probe_encoder(CellEncoder(), store, protocol, tmp_path / "taken")
    bad = ({"kind": "tree"}, {"neighbours": 0}, {"temperature": 0.0}, {"c": -1.0}, {"class_weight": "some"})
    for wrong in bad:
        with pytest.raises(InputError):
            ProbeSettings(**wrong)


def test_the_report_compares_probes(store, protocol, tmp_path):
    outs = [tmp_path / kind for kind in ("knn", "linear")]
    for out in outs:
        probe_encoder(CellEncoder(), store, protocol, out, SETTINGS[out.name])
    labels = [result.label for result in read_results(outs)]
    assert labels == ["knn of cells", "linear of cells"]
    config = yaml.safe_load((outs[0] / "fold-1" / "config.yaml").read_text())
    assert config["probe"] == {"kind": "knn", "neighbours": 10, "temperature": 0.07}
    page = report(tmp_path / "report.html", outs).read_text()
    assert "linear of cells" in page and "compare their scores with care" not in page


def test_pooling_equals_that_of_trained_folds(store, tmp_path, tiny_settings):
    api.train(
        *("supervised", store.path, tmp_path / "run"),
        protocol="kfold:3", fold="all", settings=tiny_settings, training__steps=2,
    )  # fmt: skip
    pool_folds(tmp_path / "again", [tmp_path / "run" / f"fold-{number}" for number in (1, 2, 3)])
    for name in ("metrics.json", "predictions.parquet"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


@pytest.mark.parametrize("kind", ["knn", "linear"])
def test_limits_are_by_base_rate_on_faces_whose_labels_are_hidden(kind, tmp_path):
    many = build_store(tmp_path / "many", subjects=6, frames=80)
    folds = make_protocol("kfold:3", many.strings("subject").tolist())
    out = tmp_path / "probe"
    metrics = probe_encoder(CellEncoder(), many, folds, out, ProbeSettings(kind), folds=[1], labels="10%")
    carried = metrics["provenance"]
    assert carried["limit_rule"] == "base-rate" and len(set(carried["limits"])) == 3
    table = pd.read_parquet(out / "predictions.parquet")
    assert [table[f"AU{au:02d}_limit"].unique().tolist() for au in AUS] == [[each] for each in carried["limits"]]
    called = np.stack([table[f"AU{au:02d}_p"] >= limit for au, limit in zip(AUS, carried["limits"], strict=True)], 1)
    rates = many.occurrence(AUS)[np.isin(many.strings("subject"), folds.folds[0].train)].mean(axis=0)
    assert np.abs(called.mean(axis=0) - rates).max() < 0.2
    test_labels = build_store(tmp_path / "flipped", subjects=6, frames=80, hide=_flipped(many, folds.folds[0].test))
    other = probe_encoder(
        CellEncoder(), test_labels, folds, tmp_path / "other", ProbeSettings(kind), folds=[1], labels="10%"
    )
    assert other["provenance"]["limits"] == carried["limits"] and other["pooled"] != metrics["pooled"]


def _flipped(store, people):
    subjects = iter(store.strings("subject").tolist())
    return lambda truth: 1 - truth if next(subjects) in people else truth


def test_older_folds_with_one_threshold_are_pooled(store, protocol, tmp_path):
    probe_encoder(CellEncoder(), store, protocol, tmp_path / "probe", SETTINGS["knn"])
    folders = [tmp_path / "probe" / f"fold-{number}" for number in (1, 2, 3)]
    table = pd.read_parquet(folders[0] / "predictions.parquet")
    limits = [f"AU{au:02d}_limit" for au in AUS]
    table.drop(columns=limits).assign(threshold=0.3).to_parquet(folders[0] / "predictions.parquet")
    told = read(folders[0] / "metrics.json")["provenance"]
    del told["limits"], told["limit_rule"]
    older = told | {"threshold": 0.3, "threshold_rule": "chosen"}
    edit_record(folders[0] / "metrics.json", {"provenance": older})
    pooled = pool_folds(tmp_path / "pooled", folders)
    assert pooled["provenance"]["per_fold"]["limits"] == [[0.3] * 3, [0.5] * 3, [0.5] * 3]
    assert pooled["limits"] is None and pooled["provenance"]["limits"] is None
    table = pd.read_parquet(tmp_path / "pooled" / "predictions.parquet")
    assert "threshold" not in table
    assert table.groupby("fold")["AU04_limit"].unique().map(list).tolist() == [[0.3], [0.5], [0.5]]
