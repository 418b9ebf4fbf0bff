import csv
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from sparsefacs.errors import InputError
from sparsefacs.evidence.pose import openface_angles
from sparsefacs.inference.codes import CodedFace, CodedFrame, CodesWriter, code_columns, open_codes

AUS = (1, 12)


def face(face_id, *codes):
    box, points = np.array([1, 2, 30.123, 40], np.float32), np.zeros((68, 2), np.float32)
    return CodedFace(face_id, 0.9, box, points, np.array(codes, np.float32))


def frame(index, faces=(), lost=(), time_s=None):
    return CodedFrame("a.mp4", index, index / 10 if time_s is None else time_s, tuple(faces), tuple(lost), None, "ann")


def write(path, frames, *, task="occurrence", limits=(0.5, 0.5)):
    with open_codes(path, code_columns(AUS)) as rows:
        writer = CodesWriter(rows, AUS, task, limits)
        for one in frames:
            writer.write(one)
    return writer


def test_columns_are_openfaces_plus_probabilities():
    columns = code_columns(AUS)
    assert columns[:7] == ["input", "subject", "frame", "face_id", "timestamp", "confidence", "success"]
    assert columns[-6:] == ["AU01_c", "AU12_c", "AU01_r", "AU12_r", "AU01_p", "AU12_p"]


def test_occurrence_row_has_probability_and_presence_and_no_intensity(tmp_path):
    write(tmp_path / "c.csv", [frame(0, [face(0, 0.25, 0.75)])])
    row = pd.read_csv(tmp_path / "c.csv").iloc[0]
    assert (row["frame"], row["success"], row["confidence"]) == (1, 1, 0.9)
    assert (row["AU01_c"], row["AU12_c"], row["AU01_p"], row["AU12_p"]) == (0, 1, 0.25, 0.75)
    assert np.isnan(row["AU01_r"]) and row["face_x1"] == pytest.approx(30.12)


def test_each_au_counts_from_its_own_limit(tmp_path):
    frames = [frame(0, [face(0, 0.19, 0.79)]), frame(1, [face(0, 0.2, 0.79)]), frame(2, [face(0, 0.19, 0.8)])]
    write(tmp_path / "c.csv", frames, limits=(0.2, 0.8))
    table = pd.read_csv(tmp_path / "c.csv")
    assert table[["AU01_c", "AU12_c"]].to_numpy().tolist() == [[0, 0], [1, 0], [0, 1]]


def test_intensity_row_has_intensity_and_no_probability(tmp_path):
    write(tmp_path / "c.csv", [frame(0, [face(0, 0.5, 3.25)])], task="intensity", limits=(1.0, 1.0))
    row = pd.read_csv(tmp_path / "c.csv").iloc[0]
    assert (row["AU01_r"], row["AU12_r"], row["AU01_c"], row["AU12_c"]) == (0.5, 3.25, 0, 1)
    assert np.isnan(row["AU12_p"])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_head_s_turn_and_the_reference_stand_after_the_box(tmp_path, suffix):
    columns, path = code_columns(AUS), tmp_path / f"c{suffix}"
    assert columns[columns.index("face_y1") + 1 :][:5] == ["pose_Rx", "pose_Ry", "pose_Rz", "reference", "AU01_c"]
    pose = np.array([10.0, -5.0, 3.0], np.float32)
    told = replace(face(0, 0.1, 0.9), pose=pose, reference=4)
    write(
        path, [frame(0, [told]), frame(1, [replace(told, pose=pose * np.nan, reference=0)]), frame(2, [face(0, 1, 1)])]
    )
    table = pd.read_csv(path) if suffix == ".csv" else pd.read_parquet(path)
    angles = table[["pose_Rx", "pose_Ry", "pose_Rz"]]
    np.testing.assert_allclose(angles.iloc[0], openface_angles(pose), atol=1e-4)
    assert angles[1:].isna().all(axis=None)
    assert table["reference"][:2].tolist() == [4, 0] and np.isnan(table["reference"][2])
    if suffix == ".parquet":
        types = {field.name: str(field.type) for field in pq.read_schema(path)}
        assert (types["pose_Rx"], types["reference"], types["AU01_c"]) == ("float", "int32", "int8")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_lost_face_is_success_0_and_empty_never_zero(tmp_path, suffix):
    path = tmp_path / f"c{suffix}"
    write(path, [frame(0, [face(0, 0.1, 0.9)]), frame(1, lost=[0])])
    table = pd.read_csv(path) if suffix == ".csv" else pd.read_parquet(path)
    lost = table.iloc[1]
    assert (lost["frame"], lost["face_id"], lost["success"]) == (2, 0, 0)
    assert (lost["input"], lost["subject"]) == ("a.mp4", "ann")
    assert lost.drop(["input", "subject", "frame", "face_id", "timestamp", "success"]).isna().all()


def test_csv_and_parquet_hold_the_same(tmp_path):
    frames = [frame(i, [face(0, i / 3000, 0.5), face(1, 0.2, 0.3)], [2] if i % 7 == 0 else []) for i in range(1500)]
    for suffix in (".csv", ".parquet"):
        write(tmp_path / f"c{suffix}", frames)
    comma, parquet = pd.read_csv(tmp_path / "c.csv"), pd.read_parquet(tmp_path / "c.parquet")
    assert len(parquet) == 3000 + 215
    pd.testing.assert_frame_equal(comma, parquet, check_dtype=False, rtol=1e-6)


def test_frames_before_the_first_face_are_lost_rows_of_it(tmp_path):
    write(tmp_path / "c.csv", [frame(0), frame(1), frame(2, [face(3, 0.1, 0.9)])])
    table = pd.read_csv(tmp_path / "c.csv")
    assert table[["frame", "face_id", "success"]].values.tolist() == [[1, 3, 0], [2, 3, 0], [3, 3, 1]]
    assert table["timestamp"].tolist() == [0.0, 0.1, 0.2]


def test_no_face_at_all_leaves_only_the_header(tmp_path):
    writer = write(tmp_path / "c.csv", [frame(0), frame(1)])
    with (tmp_path / "c.csv").open() as handle:
        assert list(csv.reader(handle)) == [code_columns(AUS)]
    assert writer.take_counts() == (0, 0)
    write(tmp_path / "c.parquet", [frame(0)])
    assert pd.read_parquet(tmp_path / "c.parquet").shape == (0, len(code_columns(AUS)))


def test_next_source_forgets_the_faceless_frames_before(tmp_path):
    with open_codes(tmp_path / "c.csv", code_columns(AUS)) as rows:
        writer = CodesWriter(rows, AUS, "occurrence", (0.5, 0.5))
        writer.write(frame(0))
        writer.next_source()
        writer.write(frame(0, [face(0, 0.1, 0.9)]))
        assert writer.take_counts() == (1, 0)
    assert len(pd.read_csv(tmp_path / "c.csv")) == 1


def test_other_suffix_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"codes\.xlsx.*\.csv or \.parquet"):
        write(tmp_path / "codes.xlsx", [])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_error_midway_leaves_no_file(tmp_path, suffix):
    def frames():
        yield frame(0, [face(0, 0.1, 0.9)])
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write(tmp_path / f"c{suffix}", frames())
    assert list(tmp_path.iterdir()) == []
