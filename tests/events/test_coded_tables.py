import io

import numpy as np
import pandas as pd
import pytest

from made_codes import face_codes, save_codes
from sparsefacs.errors import InputError
from sparsefacs.events import coded_tables
from sparsefacs.events.coded_tables import is_codes, read_codes

NAN = np.nan
OPENFACE = """frame, face_id, timestamp, confidence, success, gaze_0_x, AU01_r, AU12_r, AU12_c, AU28_c
1, 0, 0.000, 0.98, 1, 0.1, 0.50, 2.10, 1.00, 0.00
2, 0, 0.033, 0.98, 1, 0.1, 0.40, 1.10, 0.00, 1.00
3, 0, 0.067, 0.00, 0, 0.0, 0.00, 0.00, 0.00, 0.00
"""


def codes_table():
    """Two videos, the first with a second face from its second frame on, and a photo."""
    rows = [
        ("a.mp4", "P01", 1, 0, 0.0, 1, 1, 2.5, 0.9),
        ("a.mp4", "P01", 2, 0, 0.04, 0, None, None, None),
        ("a.mp4", "P02", 2, 1, 0.04, 1, 0, 0.5, 0.1),
        ("a.mp4", "P01", 3, 0, 0.12, 1, 0, 0.0, 0.2),
        ("a.mp4", "P02", 3, 1, 0.12, 1, 1, 1.5, 0.6),
        ("b.mp4", "", 1, 0, 0.0, 1, 1, 5.0, 1.0),
        ("c.jpg", "007", 1, 0, None, 1, 0, 0.25, 0.3),
    ]
    names = ["input", "subject", "frame", "face_id", "timestamp", "success", "AU12_c", "AU12_r", "AU12_p"]
    return pd.DataFrame(rows, columns=names)


def save(table, path):
    if path.suffix == ".parquet":
        table.to_parquet(path, row_group_size=2)
    else:
        table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("at_a_time", [1, 2, 8192])
def test_each_video_and_face_comes_whole_however_the_file_is_cut(tmp_path, monkeypatch, suffix, at_a_time):
    monkeypatch.setattr(coded_tables, "ROWS_AT_A_TIME", at_a_time)
    faces = list(read_codes(save(codes_table(), tmp_path / f"codes{suffix}")))
    assert [(face.input, face.subject, face.face) for face in faces] == [
        ("a.mp4", "P01", 0), ("a.mp4", "P02", 1), ("b.mp4", "", 0), ("c.jpg", "007", 0),
    ]  # fmt: skip
    first, second, _, photo = faces
    assert first.aus == (12,) and first.frame.tolist() == [1, 2, 3] and second.frame.tolist() == [2, 3]
    assert first.success.tolist() == [True, False, True]
    assert first.occurrence[:, 0].tolist() == [1, -1, 0]
    np.testing.assert_array_equal(first.intensity[:, 0], [2.5, NAN, 0])
    np.testing.assert_allclose(first.probability[:, 0], [0.9, NAN, 0.2])
    assert np.isnan(photo.time_s).all() and photo.intensity.item() == 0.25


def test_openfaces_tables_are_read_with_blanks_in_names_and_zeros_of_lost_faces(tmp_path):
    (tmp_path / "P01 smile.csv").write_text(OPENFACE)
    [face] = read_codes(tmp_path / "P01 smile.csv")
    assert (face.input, face.subject, face.face, face.aus) == ("P01 smile", "", 0, (1, 12, 28))
    np.testing.assert_array_equal(face.occurrence, [[-1, 1, 0], [-1, 0, 1], [-1, -1, -1]])
    np.testing.assert_array_equal(face.intensity, [[0.5, 2.1, NAN], [0.4, 1.1, NAN], [NAN] * 3])
    assert np.isnan(face.probability).all()


def test_a_table_saved_by_a_german_excel_is_read(tmp_path):
    table = pd.read_csv(io.StringIO(OPENFACE), skipinitialspace=True)
    table.to_csv(tmp_path / "a.csv", sep=";", decimal=",", index=False, encoding="utf-8-sig")
    [face] = read_codes(tmp_path / "a.csv")
    assert face.intensity[:2, 1].tolist() == [2.1, 1.1] and face.time_s.tolist() == [0.0, 0.033, 0.067]


def test_a_folder_is_read_file_by_file_and_what_is_broken_is_named(tmp_path):
    (tmp_path / "day 2").mkdir()
    (tmp_path / "day 2" / "clip.csv").write_text(OPENFACE)
    (tmp_path / "clip.csv").write_text(OPENFACE)
    (tmp_path / "notes.csv").write_text("who,what\nme,this\n")
    with pytest.raises(InputError, match=r"notes\.csv: has no column 'frame'"):
        list(read_codes(tmp_path))
    problems = []
    assert [face.input for face in read_codes(tmp_path, problems=problems)] == ["clip", "day 2/clip"]
    assert [problem.path.name for problem in problems] == ["notes.csv"]


def test_frames_are_shown_until_the_next_by_their_own_times(tmp_path):
    table = pd.read_csv(io.StringIO(OPENFACE), skipinitialspace=True).iloc[[0, 1, 1, 1]]
    table["frame"], table["timestamp"] = [1, 2, 3, 7], [0.0, 0.04, 0.12, 0.28]
    [face] = read_codes(save(table, tmp_path / "a.csv"))
    np.testing.assert_allclose(face.shown_s, [0.04, 0.08, 0.04, 0.04])  # frames 4 to 6 have no row


@pytest.mark.parametrize(
    ("cell", "value", "words"),
    [
        ((1, "AU12_r"), "much", r"row 2: AU12_r \(much\) is no number"),
        ((1, "AU12_r"), 5.5, r"row 2: AU12_r \(5\.5\) is outside 0 to 5"),
        ((0, "AU12_c"), 0.5, r"row 1: AU12_c \(0\.5\) is neither 0 nor 1"),
        ((1, "frame"), None, "row 2: frame .* is no whole number"),
        ((1, "frame"), 1, "frame 1 is there twice"),
        ((1, "timestamp"), -1, "frame 2: its time lies before"),
        ((1, "timestamp"), None, "frame 2: its time is missing"),
    ],
)
@pytest.mark.parametrize("at_a_time", [1, 8192])
def test_a_bad_cell_is_named_by_its_row(tmp_path, monkeypatch, cell, value, words, at_a_time):
    monkeypatch.setattr(coded_tables, "ROWS_AT_A_TIME", at_a_time)
    table = pd.read_csv(io.StringIO(OPENFACE), skipinitialspace=True).astype(object)
    table.loc[cell] = value
    with pytest.raises(InputError, match=words):
        list(read_codes(save(table, tmp_path / "a.csv")))


def test_what_is_no_codes_file_is_refused_in_a_line(tmp_path):
    table = codes_table()
    apart = save(table.iloc[[0, 5, 1]], tmp_path / "apart.csv")
    with pytest.raises(InputError, match=r"rows of a\.mp4 are in two places"):
        list(read_codes(apart))
    table["AU12_r "] = 1.0
    with pytest.raises(InputError, match="has column AU12_r twice"):
        list(read_codes(save(table, tmp_path / "twice.csv")))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "nul.csv").write_text(OPENFACE.replace("0.40", "0.4\0"))
    with pytest.raises(InputError, match=r"nul\.csv: row 2 holds a NUL byte"):
        list(read_codes(tmp_path / "nul.csv"))
    for name in ("broken.parquet", "empty.csv", "none.csv"):
        assert not is_codes(tmp_path / name)
        with pytest.raises(InputError, match=name):
            list(read_codes(tmp_path / name))
    assert is_codes(apart)


def test_what_cannot_be_used_holds_no_rows(tmp_path):
    for name in ("a", "b"):
        save_codes(tmp_path / f"{name}.csv", face_codes([[1, 0]] * 3, input="same.mp4"))
    problems: list[InputError] = []
    assert len(list(read_codes(tmp_path, problems=problems))) == 1
    assert [error.__traceback__ for error in problems] == [None], "its frames would hold what was read"
