import numpy as np
import pandas as pd
import pytest

from made_codes import face_codes, save_codes
from sparsefacs.errors import InputError
from sparsefacs.events.finding import Rules
from sparsefacs.events.summary import summarise, summarise_face

LOST = [-1, -1]
RULES = Rules(bridge_s=0, shortest_s=0)


def test_shares_means_and_events_are_those_counted_by_hand(tmp_path):
    occurrence = [[1, 0], [1, 1], LOST, [0, 1], [0, 0], [1, 0], [1, 0], [0, 0]]
    intensity = [[2, 0], [4, 3], [np.nan] * 2, [0, 1], [0, 0], [1, 0], [1, 0], [0, 0]]
    save_codes(tmp_path / "codes.csv", face_codes(occurrence, intensity, fps=4, subject="P01"))
    told = summarise(tmp_path / "codes.csv", tmp_path / "out.csv", rules=RULES)
    table = pd.read_csv(tmp_path / "out.csv").set_index("au")
    assert (told.rows, told.inputs, told.faces, told.aus) == (2, 1, 1, (1, 12))
    assert table["input"].unique() == ["clip.mp4"] and table["subject"].unique() == ["P01"]
    assert table["frames"].unique() == [8] and table["seconds"].unique() == [2]
    assert table["scorable"].unique() == [0.875] and table["coded"].unique() == [1.75]
    assert table["present"].tolist() == [round(4 / 7, 6), round(2 / 7, 6)]
    assert table["intensity_mean"].tolist() == [round(8 / 7, 6), round(4 / 7, 6)]
    assert table["intensity_max"].tolist() == [4, 3]
    # AU1: begun before the video until the face is lost; then half a second. AU12 is cut by the loss, before and after
    assert table["events"].tolist() == [2, 2] and table["events_cut"].tolist() == [1, 2]
    assert table["event_mean_s"].tolist() == [0.5, 0.25]
    assert table["events_per_minute"].tolist() == [round(2 * 60 / 1.75, 6)] * 2
    assert table["together_AU12"][1] == table["together_AU01"][12] == round(1 / 7, 6)
    assert table["jaccard_AU12"][1] == round(1 / 5, 6) and np.isnan(table["jaccard_AU12"][12])
    assert table["event_rule"].unique() == [RULES.words]


def test_frames_weigh_as_long_as_they_are_shown():
    face = face_codes([[1, 0], [0, 0], [0, 0]], [[4, 0], [1, 0], [0, 0]], time_s=[0, 0.6, 0.8])
    summary = summarise_face(face, RULES)
    assert summary.seconds == pytest.approx(1.2)  # the last frame: as long as frames usually are, 0.4 s
    assert summary.by_au[0, :4] == pytest.approx([1.2, 0.5, 2.6 / 1.2, 4])


def test_photos_count_alike_and_have_no_events(tmp_path):
    photos = [face_codes([row], time_s=[np.nan], input=f"{name}.jpg") for name, row in (("a", [1, 0]), ("b", LOST))]
    save_codes(tmp_path / "codes.parquet", *photos)
    summarise(tmp_path / "codes.parquet", tmp_path / "out.csv")
    table = pd.read_csv(tmp_path / "out.csv")
    assert table["input"].tolist() == ["a.jpg", "a.jpg", "b.jpg", "b.jpg"]
    np.testing.assert_array_equal(table["present"], [1, 0, np.nan, np.nan])
    assert table["scorable"].tolist() == [1, 1, 0, 0]
    assert table[["seconds", "events", "events_per_minute"]].isna().all(axis=None)


def test_wide_and_long_say_the_same_in_both_formats(tmp_path):
    rng = np.random.default_rng(0)
    for name, aus in (("a", (1, 12)), ("b", (4, 12))):
        codes = face_codes(rng.integers(0, 2, (60, 2)), rng.uniform(0, 5, (60, 2)), aus=aus, input=f"{name}.mp4")
        save_codes(tmp_path / f"{name}.csv", codes)
    long = tmp_path / "long.parquet"
    summarise(tmp_path, long)
    (tmp_path / "later").mkdir()
    told = summarise(tmp_path / "a.csv", tmp_path / "later" / "wide.csv", wide=True)
    table, wide = pd.read_parquet(long), pd.read_csv(tmp_path / "later" / "wide.csv").iloc[0]
    assert table["au"].tolist() == [1, 12, 4, 12] and told.rows == 1
    assert {"together_AU01", "together_AU04", "jaccard_AU12"} <= set(table.columns)
    first = table[(table["input"] == "a.mp4") & (table["au"] == 1)].iloc[0]
    for name in ("coded", "present", "intensity_mean", "events", "event_mean_s"):
        assert wide[f"AU01_{name}"] == pytest.approx(first[name])
    assert wide["AU01_AU12_jaccard"] == pytest.approx(first["jaccard_AU12"])
    assert np.isnan(first["jaccard_AU04"])


def test_a_broken_file_is_told_and_the_rest_summarised(tmp_path):
    folder = tmp_path / "codes"
    folder.mkdir()
    save_codes(folder / "a.csv", face_codes([[1, 0]] * 9))
    (folder / "b.csv").write_text("frame,success\n1,1\n")
    told = summarise(folder, tmp_path / "out.csv")
    assert told.rows == 2 and len(told.problems) == 1 and "b.csv" in told.problems[0]
    with pytest.raises(InputError, match="already exists"):
        summarise(folder, tmp_path / "out.csv")
    (folder / "a.csv").unlink()
    with pytest.raises(InputError, match=r"b\.csv"):
        summarise(folder, tmp_path / "other.csv")
    assert not (tmp_path / "other.csv").exists()
