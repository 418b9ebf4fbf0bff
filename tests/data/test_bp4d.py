"""BP4D and BP4D+: every quirk of the delivered trees, as the plan of `prepare` shows it."""

import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from label_trees import HEADER, occurrence, photos, write, write_track
from sparsefacs.data.adapters import MediaItem, Plan, Request, make_plan
from sparsefacs.data.matlab_points import FitPoints
from sparsefacs.errors import InputError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """F001/T1: 3 digits, coded inside its images, with intensity; F001/T2: 4 digits, frame 22 unscorable."""
    root = tmp_path / "BP4D"
    images, coding = root / "Sequences(2D+3D)", root / "AUCoding"
    photos(images / "F001" / "T1", range(1, 31))
    photos(images / "F001" / "T2", range(15, 31), digits=4, suffix=".JPG")
    occurrence(coding / "AU_OCC" / "F001_T1.csv", range(10, 21))
    occurrence(coding / "AU_OCC" / "F001_T2.csv", range(20, 31), flagged=(22,))
    lines = "".join(f"{frame},{9 if frame == 12 else frame % 6}\n" for frame in range(10, 21))
    write(coding / "AU_INT" / "AU06" / "F001_T1_AU06.csv", lines)
    return root


def plan(source: Path, name: str = "bp4d", **options: object) -> Plan:
    return make_plan(name, Request(source, **options))  # type: ignore[arg-type]


def of(planned: Plan, clip: str, subject: str = "F001") -> dict[int, MediaItem]:
    return {item.frame: item for item in planned.items if (item.subject, item.clip) == (subject, clip)}


def labelled(items: dict[int, MediaItem]) -> list[int]:
    return sorted(frame for frame, item in items.items() if item.by_frame)


def reasons(planned: Plan) -> dict[str, str]:
    return {reject.source: reject.reason for reject in planned.rejected}


def test_labels_meet_their_images_and_the_rest_is_unlabelled(tree: Path) -> None:
    found = plan(tree)
    one, two = of(found, "T1"), of(found, "T2")
    assert (len(found.items), sorted(one), sorted(two)) == (46, list(range(1, 31)), list(range(15, 31)))
    assert labelled(one) == list(range(10, 21))
    assert one[7].source == "F001/T1/007.jpg" and two[15].source == "F001/T2/0015.JPG"
    assert {(item.fps, item.alone, item.points) for item in found.items} == {(25.0, True, None)}
    (label,) = one[10].by_frame[10]
    expected = [-1 if au == 7 else int((10 + au) % 3 == 0) for au in found.aus]
    assert label.occurrence.tolist() == expected
    assert found.aus == tuple(HEADER)
    at = found.aus.index(6)
    assert [one[frame].by_frame[frame][0].intensity[at] for frame in (10, 11, 13)] == [4, 5, 1]
    assert np.isnan(one[12].by_frame[12][0].intensity).all()
    assert np.isnan(np.delete(label.intensity, at)).all()
    assert not found.rejected and not found.notes


def test_frames_that_could_not_be_scored_have_no_labels(tree: Path) -> None:
    found = plan(tree)
    assert labelled(of(found, "T2")) == [20, 21, 23, 24, 25, 26, 27, 28, 29, 30]
    assert found.facts["unscorable_frames"] == 1
    write(tree / "AUCoding" / "AU_INT" / "AU12" / "F001_T2_AU12.csv", "21,2\n22,3\n23,1\n")
    found = plan(tree)
    assert labelled(of(found, "T2")) == [20, 21, 23, 24, 25, 26, 27, 28, 29, 30]
    assert found.facts["intensity_aus"] == [6, 12]


def test_the_offset_is_found_over_all_sequences_and_can_be_set(tree: Path) -> None:
    found = plan(tree)
    assert found.facts["frame_offset"] == 0 and found.facts["frame_offset_found"] is True
    assert found.facts["frame_offset_matches"] == {"0": 22, "-1": 22, "1": 21}  # there is no image 31
    (tree / "Sequences(2D+3D)" / "F001" / "T2" / "0030.JPG").unlink()
    found = plan(tree)
    assert found.facts["frame_offset"] == -1 and "-1" in found.notes[0]
    shifted = of(found, "T1")
    assert labelled(shifted) == list(range(9, 20))
    (label,) = shifted[9].by_frame[9]
    assert label.occurrence[0] == int((10 + 1) % 3 == 0)
    given = plan(tree, frame_offset=0)
    assert given.facts["frame_offset"] == 0 and given.facts["frame_offset_found"] is False
    assert reasons(given) == {"F001/T2": "1 labelled frame has no image"}
    with pytest.raises(InputError, match="no labelled frame has an image"):
        plan(tree, frame_offset=500)


def test_any_coded_au_can_be_asked_for(tree: Path) -> None:
    found = plan(tree, aus=(12, 1))
    (label,) = of(found, "T1")[11].by_frame[11]
    assert found.aus == (12, 1) and label.occurrence.tolist() == [0, 1]
    with pytest.raises(InputError, match=r"F001_T1\.csv: has no column for AU5.*1,2,4,6"):
        plan(tree, aus=(5,))


def test_an_au_that_is_nowhere_coded_is_told_with_those_that_are(tree: Path) -> None:
    words = r"AUCoding: has no labels of AU7\..*It has AUs 1,2,4,6,10,12,14,15,17,23,24\.$"
    for aus in ((7,), (1, 7, 12)):  # its column is there, all 9
        with pytest.raises(InputError, match=words):
            plan(tree, aus=aus)
    write(tree / "AUCoding" / "AU_INT" / "AU07" / "F001_T1_AU07.csv", "11,2\n")
    assert plan(tree, aus=(7,)).aus == (7,)


def test_a_missing_label_file_is_told_where_others_have_it(tree: Path) -> None:
    coding, images = tree / "AUCoding", tree / "Sequences(2D+3D)"
    for subject, tasks in (("F002", ("T1", "T2")), ("M003", ("T1", "T2", "T5"))):
        for task in tasks:
            photos(images / subject / task, range(1, 31))
    occurrence(coding / "AU_OCC" / "F002_T2.csv", range(10, 21))
    occurrence(coding / "AU_OCC" / "M003_T1.csv", range(10, 21))
    write(coding / "AU_INT" / "AU12" / "F001_T1_AU12.csv", "10,0\n")
    write(coding / "AU_INT" / "AU06" / "M003_T2_AU06.csv", "10,0\n")
    assert reasons(plan(tree)) == {
        "F001/T2": "no intensity file of AU6: no intensity labels there",
        "F002/T1": "its occurrence file is missing: not labelled",
        "F002/T2": "no intensity file of AU6: no intensity labels there",
        "M003/T1": "no intensity file of AU6, AU12: no intensity labels there",
        "M003/T2": "its occurrence file is missing: only intensity is labelled",
    }
    told = "its occurrence file is missing: not labelled"
    assert reasons(plan(tree, aus=(1, 2))) == {"F002/T1": told, "M003/T2": told}


def test_intensity_that_is_not_there_is_told_once(tree: Path) -> None:
    assert not plan(tree, aus=(1,)).notes
    shutil.rmtree(tree / "AUCoding" / "AU_INT" / "AU06")
    for _ in range(2):
        found = plan(tree)
        assert found.notes == ("no intensity labels (AU_INT) here",) and not found.rejected
        shutil.rmtree(tree / "AUCoding" / "AU_INT", ignore_errors=True)


def test_the_copy_of_fera_2015_has_its_labels_one_folder_higher(tree: Path) -> None:
    coding = tree / "AUCoding"
    for path in sorted((coding / "AU_OCC").iterdir()):
        path.rename(coding / path.name)
    (coding / "AU_OCC").rmdir()
    assert labelled(of(plan(tree), "T1")) == list(range(10, 21))


@pytest.mark.parametrize("place", ["", "..", "AUCoding", "Sequences(2D+3D)"])
def test_source_may_be_one_folder_too_high_or_too_low(tree: Path, place: str) -> None:
    source = tree.parent if place == ".." else tree / place
    assert [item.source for item in plan(source).items] == [item.source for item in plan(tree).items]


def test_two_trees_side_by_side_are_not_guessed_between(tree: Path) -> None:
    (tree.parent / "copy" / "AUCoding").mkdir(parents=True)
    (tree.parent / "copy" / "Sequences(2D+3D)").mkdir()
    with pytest.raises(InputError, match="several folders laid out like BP4D: BP4D and copy"):
        plan(tree.parent)


def test_what_was_not_copied_is_told(tree: Path) -> None:
    images = tree / "Sequences(2D+3D)"
    for number in (12, 13, 19):
        (images / "F001" / "T1" / f"{number:03d}.jpg").unlink()
    photos(images / "M003" / "T8", range(4))
    for name in ("cover", "13b"):
        write(images / "M003" / "T8" / f"{name}.jpg")
    write(images / "M003" / "T8" / "0001.jpg")
    write(images / "M003" / "T8" / "Thumbs.db")
    occurrence(tree / "AUCoding" / "AU_OCC" / "F002_T1.csv", range(5))
    write(tree / "AUCoding" / "AU_OCC" / "notes.csv")
    found = plan(tree)
    assert reasons(found) == {
        "F001/T1": "3 labelled frames have no image",
        "F002/T1": "its images are missing",
        "M003/T8/13b.jpg": "is not named by a frame number",
        "M003/T8/cover.jpg": "is not named by a frame number",
        "M003/T8/001.jpg": "has the same frame number as 0001.jpg",
        "notes.csv": "is not named after a sequence, such as F001_T1.csv",
    }
    alone = of(found, "T8", "M003")
    assert sorted(alone) == [0, 1, 2, 3] and not labelled(alone)


def test_a_video_a_sequence(tree: Path) -> None:
    images = tree / "Sequences(2D+3D)"
    for name in ("M001/T1.avi", "M001/T2/film.avi", "M002_T1.AVI", "M001/T1/late.avi", "M001/readme.avi"):
        write(images / name)
    occurrence(tree / "AUCoding" / "AU_OCC" / "M001_T1.csv", range(1, 6))
    occurrence(tree / "AUCoding" / "AU_OCC" / "M002_T1.csv", range(3, 6))
    found = plan(tree)
    videos = {item.source: item for item in found.items if item.path.suffix.lower() == ".avi"}
    assert [(of.subject, of.clip) for of in videos.values()] == [("M001", "T1"), ("M001", "T2"), ("M002", "T1")]
    assert list(videos["M001/T1.avi"].by_frame) == [0, 1, 2, 3, 4]  # the first frame of the labels is number 1
    assert list(videos["M002_T1.AVI"].by_frame) == [2, 3, 4]
    assert videos["M001/T1.avi"].by_frame[2][0].occurrence[0] == int((3 + 1) % 3 == 0)
    assert not videos["M001/T2/film.avi"].by_frame and videos["M001/T2/film.avi"].alone
    assert "second video" in reasons(found)["M001/T1/late.avi"]
    shifted = plan(tree, frame_offset=-1)
    assert reasons(shifted)["M001/T1"] == "1 labelled frame has no image"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("0,1,2,4,6,7,10,12,14,15,17,23,24,99\n", "has a header but no labels"),
        ("10,0,1,0,0,9,0,0,1,0,0,0,0,0\n11,0,1,0,0,9,0,0,1,0,0,0,0,0\n", "line 1: is no header"),
        ("0;1;2\n10;0;1\n", "line 1: is no header"),
        ("PK\x03\x04 not text", "line 1: is no header"),
        ("0,1,2,99\n\n10,0,1,0\n11,0,x,0\n", "line 4: 'x' is no whole number"),
        ("0,1,2,99\n10,0,,0\n", "line 2: '' is no whole number"),
        ("0,1,2,99\n10,0,1.5,0\n", "line 2: '1.5' is no whole number"),
        ("0,1,2,99\n10,0,1,0\n11,0,1\n", "line 3: has 3 values where the header has 4"),
        ("0,1,2,99\n10,0,1,0\n11,0,5,0\n", "line 3: 5 is none of 0, 1 and 9"),
        ("0,1,2,99\n10,0,1,0\n10,0,1,0\n", "line 3: frame 10 comes twice"),
        ("0,1,2,99\n-4,0,1,0\n", "line 2: -4 is a frame number below 0"),
    ],
)
def test_a_bad_occurrence_file_is_named_with_its_line(tree: Path, text: str, words: str) -> None:
    path = write(tree / "AUCoding" / "AU_OCC" / "F001_T2.csv", text)
    with pytest.raises(InputError, match=words) as caught:
        plan(tree, aus=(1, 2))
    assert caught.value.path == path and "\n" not in str(caught.value)


def test_a_bad_intensity_file_and_second_files_are_refused(tree: Path) -> None:
    coding = tree / "AUCoding"
    path = write(coding / "AU_INT" / "AU06" / "F001_T2_AU06.csv", "20,0\n21,6\n")
    with pytest.raises(InputError, match=r"F001_T2_AU06\.csv: line 2: 6 is no intensity from 0 to 5, nor 9"):
        plan(tree)
    path.write_text("20,0\n21\n")
    with pytest.raises(InputError, match="line 2: has 1 values where a row `frame,intensity` has 2"):
        plan(tree)
    path.rename(path.with_name("F001_T2_AU12.csv"))
    with pytest.raises(InputError, match=r"is not named as F001_T1_AU06\.csv"):
        plan(tree)
    path.with_name("F001_T2_AU12.csv").unlink()
    (coding / "AU_OCC" / "F001_T2.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"F001_T2\.csv: cannot be read as text"):
        plan(tree)
    occurrence(coding / "AU_OCC" / "F001_T2.csv", range(20, 30))
    occurrence(coding / "F001_T2.csv", range(20, 30))
    with pytest.raises(InputError, match=r"second label file of F001/T2, beside AU_OCC/F001_T2\.csv"):
        plan(tree)


def test_a_wrong_folder_is_named_and_known_ones_are_recognised(tmp_path: Path) -> None:
    (tmp_path / "disfa" / "ActionUnit_Labels").mkdir(parents=True)
    (tmp_path / "plus" / "2D+3D" / "F001").mkdir(parents=True)
    (tmp_path / "plus" / "AUCoding").mkdir()
    (tmp_path / "nothing").mkdir()
    (tmp_path / "half" / "Sequences(2D+3D)").mkdir(parents=True)
    for name, words in (
        ("disfa", "is not BP4D as delivered.*ActionUnit_Labels.*--dataset disfa"),
        ("plus", r"2D\+3D. BP4D\+ is --dataset bp4d\+"),
        ("nothing", r"Point SOURCE at the folder that holds AUCoding and Sequences\(2D\+3D\)"),
        ("missing", "is not there"),
        ("half", "holds the images of BP4D but not their labels, AUCoding"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            plan(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
    (tmp_path / "half" / "AUCoding" / "AU_OCC").mkdir(parents=True)
    with pytest.raises(InputError, match="holds no AU label files"):
        plan(tmp_path / "half")
    occurrence(tmp_path / "half" / "AUCoding" / "AU_OCC" / "F001_T1.csv", range(4))
    with pytest.raises(InputError, match=r"no sequence has both.*F001/T1, images for none"):
        plan(tmp_path / "half")


def test_items_are_in_order_and_travel_to_other_processes(tree: Path) -> None:
    photos(tree / "Sequences(2D+3D)" / "F001" / "T10", range(995, 1003), digits=1)
    found = plan(tree)
    order = [(item.subject, item.clip, item.frame) for item in found.items]
    assert order == sorted(order)
    assert [item.source for item in pickle.loads(pickle.dumps(found.items))] == [item.source for item in found.items]
    copy = pickle.loads(pickle.dumps(found.items[9]))
    assert str(copy.as_json()) == str(plan(tree).items[9].as_json())  # as text, for NaN is not itself


def test_delivered_landmarks_are_the_kth_entry_for_the_kth_image(tree: Path) -> None:
    rng = np.random.default_rng(0)
    track = [rng.uniform(100, 400, (49, 2)) for _ in range(30)]
    broken: list[np.ndarray | None] = [*track]
    broken[4], broken[5] = None, np.full((49, 2), np.nan)
    write_track(tree / "2DFeatures" / "F001_T1.mat", broken)
    found = plan(tree, delivered_landmarks=True)
    assert found.landmarks == "49 points delivered with BP4D"
    assert reasons(found) == {"F001/T2": "its landmarks, 2DFeatures/F001_T2.mat, are missing"}
    items = of(found, "T1")
    points = items[1].points
    assert points is not None
    assert np.allclose(points.at(1), track[0], atol=1e-3)  # photos from 1: the first entry
    assert np.allclose(points.at(30), track[29], atol=1e-3)
    assert points.at(5) is None and points.at(6) is None and points.at(31) is None and points.at(0) is None
    assert len(pickle.dumps(points)) < 1000
    for number in range(1, 7):  # copied by half: the first photos are not there, the entries are
        (tree / "Sequences(2D+3D)" / "F001" / "T1" / f"{number:03d}.jpg").unlink()
    late = of(plan(tree, delivered_landmarks=True), "T1")[7].points
    assert late is not None and np.allclose(late.at(7), track[6], atol=1e-3)
    write(tree / "Sequences(2D+3D)" / "F001" / "T1" / "000.jpg")
    zero = of(plan(tree, delivered_landmarks=True), "T1")[7].points
    assert zero is not None and np.allclose(zero.at(7), track[7], atol=1e-3)


def test_landmark_files_that_are_none_are_told_once_a_sequence(tree: Path) -> None:
    with pytest.raises(InputError, match="holds no delivered landmarks, 2DFeatures"):
        plan(tree, delivered_landmarks=True)
    write(tree / "2DFeatures" / "F001_T1.mat", "no MATLAB file")
    with pytest.raises(InputError, match="no sequence has its delivered landmarks"):
        plan(tree, delivered_landmarks=True)
    write_track(tree / "2DFeatures" / "F001_T2.mat", [np.ones((66, 2))] * 20)
    found = plan(tree, delivered_landmarks=True)
    assert list(reasons(found)) == ["F001/T1"] and "holds no landmarks that can be read" in found.rejected[0].reason
    with pytest.raises(InputError, match="is not 49 points"):
        FitPoints(tree / "2DFeatures" / "F001_T2.mat").at(3)


@pytest.fixture
def plus(tmp_path: Path) -> Path:
    """F001 zipped (T1 coded, T2 not), M001 as folders, F002 a zip that is none."""
    root = tmp_path / "BP4D+"
    (root / "2D+3D").mkdir(parents=True)
    with zipfile.ZipFile(root / "2D+3D" / "F001.zip", "w") as opened:
        for task, digits in (("T1", 4), ("T2", 3)):
            for number in range(12):
                opened.writestr(f"F001/{task}/{number:0{digits}d}.jpg", b"x")
        opened.writestr("__MACOSX/F001/T1/._0003.jpg", b"x")
        opened.writestr("F001/T1/notes.txt", b"x")
    photos(root / "2D+3D" / "M001" / "T8", range(1, 9))
    write(root / "2D+3D" / "F002.zip", "no zip")
    aus = [1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 23, 24, 39]
    coding = root / "AUCoding"
    occurrence(coding / "AU_OCC" / "F001_T1.csv", range(1, 12), first="1", aus=aus, flagged=(3, 4))
    occurrence(coding / "AU_OCC" / "M001_T8.csv", range(2, 9), first="1", aus=aus)
    occurrence(coding / "AU_OCC" / "F002_T1.csv", range(2, 9), first="1", aus=aus)
    occurrence(coding / "AU_OCC" / "F003_T1.csv", range(2, 9), first="1", aus=aus)
    write(coding / "AU_INT" / "AU10" / "M001_T8_AU10.csv", "".join(f"{frame},3\n" for frame in range(2, 9)))
    return root


def test_bp4d_plus_is_read_from_zips_in_place(plus: Path) -> None:
    found = plan(plus, "bp4d+")
    one, two, eight = of(found, "T1"), of(found, "T2"), of(found, "T8", "M001")
    assert (len(one), len(two), len(eight)) == (12, 12, 8)
    assert one[3].path == plus / "2D+3D" / "F001.zip" and one[3].member == "F001/T1/0003.jpg"
    assert one[3].source == "F001/T1/0003.jpg" and eight[3].member is None
    assert labelled(one) == [1, 2, *range(5, 12)] and not labelled(two)
    assert found.facts["unscorable_frames"] == 2
    (label,) = eight[2].by_frame[2]
    assert label.intensity[found.aus.index(10)] == 3
    assert found.aus == tuple(HEADER)
    assert sorted(reasons(found)) == ["F002.zip", "F003/T1"]
    assert "cannot be read as a zip" in reasons(found)["F002.zip"]
    assert plan(plus, "bp4d+", aus=(5, 9)).aus == (5, 9)


def test_bp4d_plus_tells_of_missing_label_files_of_its_coded_tasks(plus: Path) -> None:
    for subject, tasks in (("M001", ("T1", "T2")), ("M002", ("T1", "T2", "T8"))):
        for task in tasks:
            photos(plus / "2D+3D" / subject / task, range(1, 9))
    occurrence(plus / "AUCoding" / "AU_OCC" / "M009_T2.csv", range(2, 9), aus=[*HEADER, 39])
    occurrence(plus / "AUCoding" / "AU_OCC" / "M002_T8.csv", range(2, 9), aus=[*HEADER, 39])
    found = {source: reason for source, reason in reasons(plan(plus, "bp4d+")).items() if source[0] == "M"}
    assert found == {
        "M001/T1": "its occurrence file is missing: not labelled",
        "M002/T1": "its occurrence file is missing: not labelled",
        "M002/T8": "no intensity file of AU10: no intensity labels there",
        "M009/T2": "its images are missing",
    }


def test_an_unzipped_subject_gives_the_same_plan(plus: Path) -> None:
    before = plan(plus, "bp4d+")
    with zipfile.ZipFile(plus / "2D+3D" / "F001.zip") as opened:
        opened.extractall(plus / "2D+3D")
    after = plan(plus, "bp4d+")
    assert [(item.source, sorted(item.by_frame)) for item in before.items] == [
        (item.source, sorted(item.by_frame)) for item in after.items
    ]
    assert "the folder F001 is read instead" in reasons(after)["F001.zip"]


def test_bp4d_is_not_bp4d_plus(tree: Path) -> None:
    with pytest.raises(InputError, match=r"is not BP4D.*BP4D is --dataset bp4d"):
        plan(tree, "bp4d+")
