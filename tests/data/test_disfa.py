"""DISFA and DISFA+: every quirk of the delivered trees, as the plan of `prepare` shows it."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from label_trees import photos, write
from sparsefacs.data.adapters import MediaItem, Plan, Request, find_data_set, make_plan
from sparsefacs.data.adapters.disfa import AUS, failed_tracking
from sparsefacs.data.matlab_points import PtsPoints
from sparsefacs.errors import InputError


def intensities(folder: Path, subject: str, frames: int, aus: tuple[int, ...] = AUS) -> None:
    """Write a subject's AU files: AU k of frame f has intensity (f + k) mod 6; frames count from 1."""
    for au in aus:
        rows = "".join(f"{frame},{(frame + au) % 6}\n" for frame in range(1, frames + 1))
        write(folder / subject / f"{subject}_au{au}.txt", rows)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """SN001 and SN010 (a frame shorter) with both cameras, SN031 with the left one only."""
    root = tmp_path / "DISFA"
    for subject, frames in (("SN001", 420), ("SN010", 419), ("SN031", 420)):
        intensities(root / "ActionUnit_Labels", subject, frames)
        write(root / "Videos_LeftCamera" / f"LeftVideo{subject}_comp.avi")
    for subject in ("SN001", "SN010"):
        write(root / "Video_RightCamera" / f"RightVideo{subject}_Comp.avi")
    return root


def plan(source: Path, name: str = "disfa", **options: object) -> Plan:
    return make_plan(name, Request(source, **options))  # type: ignore[arg-type]


def by_name(planned: Plan) -> dict[tuple[str, str], MediaItem]:
    return {(item.subject, item.clip): item for item in planned.items}


def reasons(planned: Plan) -> dict[str, str]:
    return {reject.source: reject.reason for reject in planned.rejected}


def test_intensity_is_read_and_means_occurrence_from_two_on(tree: Path) -> None:
    found = plan(tree)
    assert found.aus == AUS and not found.rejected
    assert list(by_name(found)) == [("SN001", "left"), ("SN010", "left"), ("SN031", "left")]
    item = by_name(found)["SN001", "left"]
    assert item.source == "Videos_LeftCamera/LeftVideoSN001_comp.avi" and item.alone and not item.skip
    assert list(item.by_frame) == list(range(420))  # label frame 1 is the video's first, 0
    (label,) = item.by_frame[0]
    assert label.intensity.tolist() == [(1 + au) % 6 for au in AUS]
    assert label.occurrence.tolist() == [int((1 + au) % 6 >= 2) for au in AUS]
    assert len(by_name(found)["SN010", "left"].by_frame) == 419
    assert found.facts == {"cameras": ["left"], "active_from_intensity": 2}


def test_cameras(tree: Path) -> None:
    right = plan(tree, camera="right")
    assert list(by_name(right)) == [("SN001", "right"), ("SN010", "right")]
    assert reasons(right) == {"SN031": "its video of the right camera is missing"}
    both = plan(tree, camera="both")
    order = [("SN001", "left"), ("SN001", "right"), ("SN010", "left"), ("SN010", "right"), ("SN031", "left")]
    assert list(by_name(both)) == order
    assert both.items[1].source == "Video_RightCamera/RightVideoSN001_Comp.avi"
    assert len(both.items[1].by_frame) == 420
    with pytest.raises(InputError, match="of the left camera"):
        plan(tree, camera="both", delivered_landmarks=True)


def test_frames_with_failed_tracking_are_left_out_on_demand(tree: Path) -> None:
    listed = failed_tracking()
    assert len(listed) == 13 and sum(map(len, listed.values())) == 4670
    assert min(listed["SN001"]) == 397 and max(listed["SN011"]) == 4844  # the list counts from 1
    found = plan(tree, drop_failed_tracking=True, camera="both")
    for camera in ("left", "right"):
        item = by_name(found)["SN001", camera]
        assert item.skip == listed["SN001"]
        assert list(item.by_frame) == [*range(397)]
    assert len(by_name(found)["SN010", "left"].by_frame) == 419
    assert found.facts["failed_tracking_frames_dropped"] == 46
    assert by_name(found)["SN001", "left"].as_json() != by_name(plan(tree))["SN001", "left"].as_json()


def test_a_frame_missing_from_one_file_is_unlabelled_for_that_au(tree: Path) -> None:
    path = tree / "ActionUnit_Labels" / "SN001" / "SN001_au4.txt"
    path.write_text("1,3\n3,0\n421,5\n")
    item = by_name(plan(tree))["SN001", "left"]
    at = AUS.index(4)
    assert [item.by_frame[frame][0].occurrence[at] for frame in (0, 1, 2)] == [1, -1, 0]
    assert np.isnan(item.by_frame[1][0].intensity[at])
    last = item.by_frame[420][0]
    assert last.occurrence[at] == 1 and (np.delete(last.occurrence, at) == -1).all()
    assert list(by_name(plan(tree, aus=(4,)))["SN001", "left"].by_frame) == [0, 2, 420]


def test_what_was_not_copied_is_told(tree: Path) -> None:
    (tree / "Videos_LeftCamera" / "LeftVideoSN031_comp.avi").unlink()
    write(tree / "Videos_LeftCamera" / "LeftVideoSN032_comp.avi")
    write(tree / "Videos_LeftCamera" / "LeftVideoSN032_comp.mp4")
    for au in (9, 12):
        (tree / "ActionUnit_Labels" / "SN010" / f"SN010_au{au}.txt").unlink()
    found = plan(tree)
    assert reasons(found) == {
        "SN010": "no label file of AU9, AU12: not labelled there",
        "SN031": "its video of the left camera is missing",
        "Videos_LeftCamera/LeftVideoSN032_comp.mp4": "is a second video of SN032, beside LeftVideoSN032_comp.avi",
    }
    assert not by_name(found)["SN032", "left"].by_frame
    assert by_name(found)["SN010", "left"].by_frame[5][0].occurrence[AUS.index(12)] == -1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("frame,intensity\n1,0\n", "line 1: 'frame' is no whole number"),
        ("1,0\n2,6\n", "line 2: 6 is no intensity from 0 to 5"),
        ("1,0\n2,9\n", "line 2: 9 is no intensity from 0 to 5"),
        ("0,0\n1,0\n", "line 1: 0 is a frame number below 1"),
        ("1,0\n2\n", "line 2: has 1 values"),
        ("1,0\n2,3\n2,3\n", "line 3: frame 2 comes twice"),
    ],
)
def test_a_bad_label_file_is_named_with_its_line(tree: Path, text: str, words: str) -> None:
    path = write(tree / "ActionUnit_Labels" / "SN010" / "SN010_au9.txt", text)
    with pytest.raises(InputError, match=words) as caught:
        plan(tree)
    assert caught.value.path == path and "\n" not in str(caught.value)


def test_wrong_files_and_folders(tree: Path, tmp_path: Path) -> None:
    labels = tree / "ActionUnit_Labels"
    with pytest.raises(InputError, match="AU7 is not coded in DISFA"):
        plan(tree, aus=(7,))
    assert len(plan(labels).items) == len(plan(tree.parent).items) == 3
    stray = write(labels / "SN001" / "SN010_au1.txt", "1,0\n")
    with pytest.raises(InputError, match="lies in the folder of SN001"):
        plan(tree)
    stray.rename(labels / "SN001" / "SN001_au01.txt")
    with pytest.raises(InputError, match="second label file of AU"):
        plan(tree)
    (tmp_path / "bp4d" / "Sequences(2D+3D)").mkdir(parents=True)
    with pytest.raises(InputError, match=r"is not DISFA as delivered.*Sequences\(2D\+3D\)\. BP4D is --dataset bp4d"):
        plan(tmp_path / "bp4d")
    (tmp_path / "half" / "ActionUnit_Labels").mkdir(parents=True)
    with pytest.raises(InputError, match="holds no subject's labels"):
        plan(tmp_path / "half")
    intensities(tmp_path / "half" / "ActionUnit_Labels", "SN001", 3)
    with pytest.raises(InputError, match="no subject has both AU labels and a video"):
        plan(tmp_path / "half")
    (tmp_path / "videos" / "Videos_LeftCamera").mkdir(parents=True)
    with pytest.raises(InputError, match="no ActionUnit_Labels in it"):
        plan(tmp_path / "videos")


def test_delivered_landmarks_count_from_zero_or_in_sn031_from_one(tree: Path) -> None:
    with pytest.raises(InputError, match="holds no delivered landmarks, Landmark_Points"):
        plan(tree, delivered_landmarks=True)
    top = tree / "Landmark_Points"
    track = np.random.default_rng(0).uniform(100, 400, (6, 66, 2))
    for subject, name in (("SN001", "SN001_{:04d}_lm.mat"), ("SN031", "l0{:04d}_lm.mat")):
        folder = top / subject / ("tmp_frame_lm" if subject == "SN001" else "frame_lm")
        folder.mkdir(parents=True)
        for number, points in enumerate(track, int(subject == "SN031")):
            if number != 4:
                scipy.io.savemat(folder / name.format(number), {"pts": points + 1})  # MATLAB counts pixels from 1
    found = plan(tree, delivered_landmarks=True)
    assert found.landmarks == "66 points delivered with DISFA"
    assert [item.subject for item in found.items] == ["SN001", "SN031"]
    missing = "its landmarks, Landmark_Points/SN010, are missing"
    assert reasons(found) == {"Videos_LeftCamera/LeftVideoSN010_comp.avi": missing}
    one, other = (item.points for item in found.items)
    assert one is not None and other is not None
    assert np.allclose(one.at(0), track[0], atol=1e-3) and np.allclose(one.at(5), track[5], atol=1e-3)
    assert np.allclose(other.at(0), track[0], atol=1e-3) and np.allclose(other.at(5), track[5], atol=1e-3)
    assert one.at(4) is None and other.at(3) is None and one.at(6) is None
    folder = top / "SN001" / "tmp_frame_lm"
    scipy.io.savemat(folder / "SN001_0004_lm.mat", {"pts": np.full((66, 2), np.nan)})
    scipy.io.savemat(folder / "SN001_0006_lm.mat", {"pts": np.zeros((49, 2))})
    scipy.io.savemat(folder / "SN001_0007_lm.mat", {"points": np.zeros((66, 2))})
    write(folder / "SN001_0008_lm.mat", "no MATLAB file at all, but text that is long enough to have a header" * 4)
    assert one.at(4) is None
    for frame in (6, 7, 8):
        with pytest.raises(InputError, match=f"SN001_000{frame}_lm.mat: holds no landmarks that can be read"):
            one.at(frame)


@pytest.mark.parametrize("junk", ["0", "4", "130", "200", "zeros", "random", "hdf5"])
def test_a_landmark_file_of_junk_is_told_by_name(junk: str, tmp_path: Path) -> None:
    path = tmp_path / "SN001_0000_lm.mat"
    scipy.io.savemat(path, {"pts": np.random.default_rng(0).uniform(100, 400, (66, 2))}, do_compression=junk == "200")
    real = path.read_bytes()
    content = {
        "zeros": bytes(400),
        "random": np.random.default_rng(1).bytes(400),
        "hdf5": b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(388) + b"\x89HDF\r\n\x1a\n",
    }
    path.write_bytes(content[junk] if junk in content else real[: int(junk)])
    with pytest.raises(InputError, match=r"SN001_0000_lm\.mat: holds no landmarks that can be read") as caught:
        PtsPoints(tmp_path, "SN001_{:04d}_lm.mat").at(0)
    assert "\n" not in str(caught.value)


@pytest.fixture
def plus(tmp_path: Path) -> Path:
    """Two trials of SN001, one of SN003 in a folder of its own name; photos from 000."""
    root = tmp_path / "DISFA+"
    for place, frames in (("SN001/A1_AU1_TrialNo_1", 8), ("SN001/Y3", 5), ("SN003/SN003/A1_AU1_TrialNo_1", 4)):
        photos(root / "Images" / place, range(frames))
        for au in AUS:
            gap = " " if au % 2 else "\t  "
            rows = "".join(f"{frame:03d}.jpg{gap}{(frame + au) % 6}\n" for frame in range(frames - 1))
            write(root / "Labels" / place / f"AU{au}.txt", f"# AU{au} intensity\n{rows}\n")
    return root


def test_disfa_plus_trials_are_clips_of_photos(plus: Path) -> None:
    found = plan(plus, "disfa+")
    clips: dict[tuple[str, str], list[MediaItem]] = {}
    for item in found.items:
        clips.setdefault((item.subject, item.clip), []).append(item)
    assert {key: len(of) for key, of in clips.items()} == {
        ("SN001", "A1_AU1_TrialNo_1"): 8,
        ("SN001", "Y3"): 5,
        ("SN003", "A1_AU1_TrialNo_1"): 4,
    }
    first = clips["SN001", "Y3"]
    assert [item.frame for item in first] == [0, 1, 2, 3, 4]
    assert [len(item.by_frame) for item in first] == [1, 1, 1, 1, 0]
    (label,) = first[2].by_frame[2]
    assert label.intensity.tolist() == [(2 + au) % 6 for au in AUS]
    assert label.occurrence.tolist() == [int((2 + au) % 6 >= 2) for au in AUS]
    assert first[2].source == "SN001/Y3/002.jpg" and first[2].alone and first[2].fps == 20
    assert len(found.notes) == 1 and "also in DISFA" in found.notes[0] and not found.rejected


def test_disfa_plus_shares_its_people_with_disfa() -> None:
    assert find_data_set("disfa+").people == find_data_set("disfa").people == "disfa"


def test_disfa_plus_tells_what_is_missing_and_wrong(plus: Path, tree: Path) -> None:
    (plus / "Images" / "SN001" / "Y3" / "002.jpg").unlink()
    for number in range(4):
        (plus / "Images" / "SN003" / "SN003" / "A1_AU1_TrialNo_1" / f"{number:03d}.jpg").unlink()
    assert reasons(plan(plus, "disfa+")) == {
        "SN001/Y3": "1 labelled frame has no image",
        "SN003/A1_AU1_TrialNo_1": "its images are missing",
    }
    path = plus / "Labels" / "SN001" / "Y3" / "AU1.txt"
    for text, words in (
        ("000.jpg 0\n001.jpg 7\n", "line 2: 7 is no intensity"),
        ("000.jpg 0\n\n# x\nframe 3\n", "line 4: 'frame' is no photo"),
        ("000.jpg\n", "line 1: '' is no whole number"),
        ("# nothing\n", "holds no labels"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=words) as caught:
            plan(plus, "disfa+")
        assert caught.value.path == path
    with pytest.raises(InputError, match=r"is not DISFA\+ as delivered.*DISFA is --dataset disfa"):
        plan(tree, "disfa+")
