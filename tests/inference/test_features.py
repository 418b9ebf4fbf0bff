"""Features of a store's faces, and the table they are written to."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from cell_encoder import CellEncoder
from made_stores import build_store
from sparsefacs import representation
from sparsefacs.data.joined import open_stores
from sparsefacs.errors import InputError
from sparsefacs.inference.features import extract_features, feature_columns, write_features


def test_rows_in_the_order_asked_and_in_equal_batches(store):
    encoder = CellEncoder()
    rows = np.array([60, 3, 3, *range(20, 40)])
    found = extract_features(encoder, store, rows)
    assert found.shape == (23, 9) and found.dtype == np.float32
    for row, features in zip(rows.tolist(), found, strict=True):
        face, landmarks = store.face(row)
        assert np.array_equal(encoder.features(face[None], landmarks[None])[0], features)
    assert set(encoder.batches) == {16, 1}
    assert encoder.batches.count(16) == 2


def test_a_joined_store_gives_each_stores_faces(tmp_path):
    parts = [build_store(tmp_path / name, subjects=2, frames=3, seed=i) for i, name in enumerate("ab")]
    joined = open_stores([part.path for part in parts])
    both = extract_features(CellEncoder(), joined, np.arange(12))
    each = [extract_features(CellEncoder(), part, np.arange(6)) for part in parts]
    assert np.array_equal(both, np.concatenate(each)) and not np.array_equal(*each)


def test_no_rows(store):
    assert extract_features(CellEncoder(), store, np.array([], np.int64)).shape == (0, 9)


def test_faces_cut_differently_and_diverged_encoders_are_refused(store):
    with pytest.raises(InputError, match="cut differently"):
        extract_features(CellEncoder(size=64), store, np.arange(3))
    broken = CellEncoder()
    broken.features = lambda faces, landmarks: np.full((len(faces), 9), np.nan, np.float32)
    with pytest.raises(InputError, match=r"row 2.*diverged"):
        extract_features(broken, store, np.arange(2, 5))


def test_the_table_holds_what_was_given(tmp_path, monkeypatch):
    monkeypatch.setattr("sparsefacs.inference.features.CELLS_PER_GROUP", 9 * 5)  # five rows

    def hide(truth):
        return np.where([False, truth[0] > 0, False], -1, truth)

    store = build_store(tmp_path / "store", subjects=3, frames=4, hide=hide)
    rows = np.array([11, 2, 7, 0, 5, 9, 1])
    features = extract_features(CellEncoder(), store, rows)
    path = tmp_path / "out" / "features.parquet"
    write_features(path, store, rows, features, (4, 12), {"encoder": "cells"})
    table = pd.read_parquet(path)
    labels = ["AU04_c", "AU12_c", "AU04_r", "AU12_r"]
    assert list(table.columns) == ["row", "subject", "clip", "frame", *labels, *feature_columns(9)]
    assert np.array_equal(table[feature_columns(9)].to_numpy(np.float32), features)
    assert (
        table["row"].tolist() == rows.tolist() and table["subject"].tolist() == store.strings("subject")[rows].tolist()
    )
    assert table["frame"].tolist() == store.numbers("frame")[rows].tolist() and set(table["clip"]) == {"c1"}
    truth = store.occurrence((4, 12))[rows]
    assert (truth < 0).any() and (truth >= 0).any()
    assert np.array_equal(table[labels[:2]].to_numpy(float, na_value=-1), truth)
    assert np.array_equal(table[labels[2:]].to_numpy(float), store.intensity((4, 12))[rows])
    assert pq.read_schema(path).metadata[b"encoder"] == b"cells"
    assert [entry.name for entry in path.parent.iterdir()] == ["features.parquet"]


def test_a_table_that_cannot_be_written_leaves_nothing(store, tmp_path, monkeypatch):
    rows, features = np.arange(4), np.zeros((4, 9), np.float32)
    with pytest.raises(InputError, match=r"\.parquet"):
        write_features(tmp_path / "features.csv", store, rows, features, (1,))
    with pytest.raises(InputError, match="AU25"):
        write_features(tmp_path / "f.parquet", store, rows, features, (25,))
    before = tmp_path / "whole" / "f.parquet"
    write_features(before, store, rows, features, (1,))
    content = before.read_bytes()

    def full(*_given, **_named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(InputError, match="No space left"):
        write_features(before, store, rows, features + 1, (1,))
    assert before.read_bytes() == content and [entry.name for entry in before.parent.iterdir()] == ["f.parquet"]


def test_names_of_features_sort_as_they_count():
    assert feature_columns(2) == ["f000", "f001"]
    assert feature_columns(1001)[-1] == "f1000" and feature_columns(1001)[0] == "f0000"
    assert feature_columns(1001) == sorted(feature_columns(1001))


def test_the_faces_themselves_are_features_too(tmp_path, monkeypatch):
    faces = build_store(tmp_path / "faces", subjects=2, frames=3)
    monkeypatch.chdir(tmp_path)
    told = representation.features("pixels", faces.path, tmp_path / "map.parquet", picture=tmp_path / "map.png")
    assert told["encoder"] == "the faces themselves" and told["width"] == 3 * 32 * 32
    table = pd.read_parquet(tmp_path / "map.parquet")
    first = table[feature_columns(told["width"])].to_numpy()[0] if len(table) else None
    assert first is not None and np.allclose(first, faces.image(0).transpose(2, 0, 1).ravel() / 255 - 0.5, atol=1e-5)
