import pandas as pd
import pytest

from sparsefacs.inference.pipeline import predict

pytestmark = pytest.mark.media


def code(coder, media, name, tmp_path):
    summary = predict(coder, [media / name], tmp_path / "c.csv")
    return summary, pd.read_csv(tmp_path / "c.csv")


def test_five_faces_five_rows(coder, media, tmp_path):
    _, table = code(coder, media, "multi_face.jpg", tmp_path)
    assert table["face_id"].tolist() == [0, 1, 2, 3, 4] and (table["success"] == 1).all()
    assert table["face_x0"].is_monotonic_increasing


def test_face_that_leaves_is_marked_lost(coder, media, tmp_path):
    _, table = code(coder, media, "face_noface.mov", tmp_path)
    assert table["frame"].tolist() == list(range(1, 170)) and set(table["face_id"]) == {0}
    assert (table["success"][:68] == 1).all() and (table["success"][78:] == 0).all()


def test_no_face_no_rows(coder, media, tmp_path):
    summary, table = code(coder, media, "no_face.mp4", tmp_path)
    assert len(table) == 0 and "no face was found in any of its 95 frames" in summary.messages()[0]


@pytest.mark.slow
def test_one_face_through_a_hand_over_it(coder, media, tmp_path):
    _, table = code(coder, media, "woman_smiling.mp4", tmp_path)
    assert table["frame"].tolist() == list(range(1, 473)) and set(table["face_id"]) == {0}
    assert table["success"].mean() > 0.9
