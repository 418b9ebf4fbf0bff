import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sparsefacs.data.adapters import DATA_SETS, Request, find_data_set, make_plan
from sparsefacs.data.adapters.columns import read_labels
from sparsefacs.data.adapters.folder import plan_folder
from sparsefacs.data.adapters.table import plan_table
from sparsefacs.data.store import Reject
from sparsefacs.errors import InputError
from sparsefacs.inference.sources import list_sources


@pytest.fixture
def media_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    for name in ("a/one.mp4", "b/two.mp4", "c/walk/img_001.jpg", "c/walk/img_007.jpg", "solo.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def write(folder: Path, text: str, name: str = "labels.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_folders_give_subject_clip_and_frame(media_folder) -> None:
    plan = plan_folder(Request(media_folder))
    assert [(item.source, item.subject, item.clip, item.frame) for item in plan.items] == [
        ("a/one.mp4", "a", "one", 0),
        ("b/two.mp4", "b", "two", 0),
        ("c/walk/img_001.jpg", "c", "walk", 1),
        ("c/walk/img_007.jpg", "c", "walk", 7),
        ("solo.png", "solo", "solo", 0),
    ]


def test_empty_is_unlabelled_and_every_spelling_is_read(tmp_path) -> None:
    table = read_labels(
        write(tmp_path, "path,subject,AU1,AU02_c,AU4_occ,AU12_r,AU6_intensity,AU09_p\nx.png,s,1,,0,2.5,,0.3\n")
    )
    assert table.aus == (1, 2, 4, 6, 12)
    assert table.occurrence.tolist() == [[1, -1, 0, -1, -1]]
    assert np.isnan(table.intensity[0, :4]).all() and table.intensity[0, 4] == 2.5


def test_parquet_and_semicolons_are_read_alike(tmp_path) -> None:
    frame = pd.DataFrame({"path": ["x.png", "y.png"], "subject": ["s", "t"], "AU12": [1.0, np.nan]})
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", sep=";", index=False)
    for name in ("t.parquet", "t.csv"):
        assert read_labels(tmp_path / name).occurrence.tolist() == [[1], [-1]]


def test_openface_counts_from_one_and_its_lost_frames_say_nothing(media_folder, tmp_path) -> None:
    text = (
        "frame, face_id, timestamp, confidence, success, AU12_r, AU12_c\n"
        "1, 0, 0.0, 0.98, 1, 2.1, 1\n2, 0, 0.04, 0.02, 0, 0.0, 0\n"
    )
    plan = plan_table(Request(media_folder, write(tmp_path, text, "one.csv")))
    (item,) = plan.items
    assert item.source == "a/one.mp4"
    assert item.by_frame[0][0].occurrence.tolist() == [1]
    assert item.by_frame[0][0].intensity.tolist() == [pytest.approx(2.1)]
    assert item.by_frame[1][0].occurrence.tolist() == [-1]
    assert item.by_frame[0][0].face is None


def test_codes_of_this_program_are_labels_of_the_files_that_were_coded(media_folder, tmp_path, monkeypatch) -> None:
    """Their inputs are named as they were given to `predict`, and only some are known to be somebody's."""
    (media_folder / "b" / "one.mp4").write_bytes(b"x")  # so that the last part of a name does not tell which
    head = "input,subject,frame,face_id,timestamp,confidence,success,AU12_c\n"
    monkeypatch.chdir(tmp_path)
    text = head + "media/a/one.mp4,ann,1,0,0.0,1,1,1\nmedia/b/one.mp4,,1,0,0.0,1,1,0\n"
    plan = plan_table(Request(media_folder, write(tmp_path, text)))
    assert [(item.source, item.subject) for item in plan.items] == [("a/one.mp4", "ann"), ("b/one.mp4", "b/one")]
    renamed = head + "elsewhere/long_name.mp4,,1,0,0.0,1,1,1\n"
    (item,) = plan_table(Request(media_folder / "b" / "two.mp4", write(tmp_path, renamed))).items
    assert (item.source, item.by_frame[0][0].occurrence.tolist()) == ("two.mp4", [1])
    with pytest.raises(InputError, match="none of the files it names is found, for instance 'elsewhere/long_name"):
        plan_table(Request(media_folder, write(tmp_path, renamed)))


def test_a_folder_of_openface_tables(media_folder, tmp_path) -> None:
    labels = tmp_path / "tables"
    labels.mkdir()
    for name in ("one.csv", "two.csv", "three.csv"):
        write(labels, "frame,face_id,timestamp,confidence,success,AU04_c\n1,0,0,1,1,1\n", name)
    plan = plan_table(Request(media_folder, labels))
    assert [item.source for item in plan.items] == ["a/one.mp4", "b/two.mp4"]
    assert len(plan.rejected) == 1 and plan.rejected[0].source == "three.csv"


PLAIN = "path,subject,frame,AU1\na/one.mp4,s,{0},1\na/one.mp4,s,{1},0\nb/two.mp4,s,{1},0\nsolo.png,s,,1\n"


def test_frames_numbered_from_one_are_told(media_folder, tmp_path) -> None:
    def notes(text: str, **options: int) -> str:
        request = Request(media_folder, write(tmp_path, text, "one.csv"), **options)
        return " ".join(plan_table(request).notes)

    told = "frame numbers are read as counting from 0 and none is 0: if yours count from 1, give --first-frame 1"
    assert told in notes(PLAIN.format(1, 2))
    assert told not in notes(PLAIN.format(0, 1))
    assert told not in notes(PLAIN.format(1, 2), first_frame=0)
    assert told not in notes(PLAIN.format(1, 2), first_frame=1)
    assert told not in notes("path,subject,time,AU1\na/one.mp4,s,0.04,1\n")
    assert told not in notes("path,subject,frame,AU1\nsolo.png,s,3,1\n")
    assert told not in notes("frame,face_id,timestamp,confidence,success,AU04_c\n2,0,0,1,1,1\n")


def test_files_that_no_row_names_are_counted(media_folder, tmp_path) -> None:
    def notes(text: str, source: Path = media_folder) -> tuple[str, ...]:
        return plan_table(Request(source, write(tmp_path, text))).notes

    solo = "path,subject,AU1\nsolo.png,s,1\n"
    most = solo + "c/walk/img_001.jpg,c,1\nc/../c/walk/img_007.jpg,c,1\n"
    assert notes(solo) == ("4 files in SOURCE are not named in the table and left out",)
    assert notes(most) == ("2 files in SOURCE are not named in the table and left out",)
    (media_folder / "b" / "two.mp4").unlink()
    assert notes(most) == ("1 file in SOURCE is not named in the table and left out",)
    assert notes(f"path,subject,frame,AU1\n{media_folder}/a/one.mp4,a,0,1\n{most[17:]}") == ()
    assert notes(solo, media_folder / "solo.png") == ()


def test_fex_probabilities_become_occurrence(media_folder, tmp_path) -> None:
    text = "frame,FaceRectX,FaceScore,AU01,AU12,input\n0,5,0.99,0.49,0.5,/old/a/one.mp4\n1,,,,,/old/a/one.mp4\n"
    (item,) = plan_table(Request(media_folder, write(tmp_path, text))).items
    assert item.by_frame[0][0].occurrence.tolist() == [0, 1]
    assert item.by_frame[1][0].occurrence.tolist() == [-1, -1]


def test_several_faces_are_told_apart_by_their_column(media_folder, tmp_path) -> None:
    text = "path,subject,face,AU1\nsolo.png,s,0,1\nsolo.png,s,1,0\n"
    (item,) = plan_table(Request(media_folder, write(tmp_path, text))).items
    assert [label.face for label in item.by_frame[0]] == [0, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("subject,AU1\ns,1\n", "no column path"),
        ("path,AU1\nsolo.png,1\n", "no column subject"),
        ("path,subject\nsolo.png,s\n", "no AU column"),
        ("path,subject,AU99\nsolo.png,s,1\n", "AU99 is not a known"),
        ("path,subject,AU1,AU01_c\nsolo.png,s,1,1\n", "both give AU1"),
        ("path,subject,AU1\nsolo.png,s,1\nsolo.png,s,9\n", "row 2: 9"),
        ("path,subject,AU1_r\nsolo.png,s,5.5\n", "outside 0 to 5"),
        ("path,subject,AU1\nsolo.png,s,yes\n", "not a number"),
        ("path,subject,AU1\nsolo.png,s,1\nsolo.png,s,0\n", "rows 1 and 2 label the same frame"),
        ("path,subject,AU1\na/one.mp4,s,1\n", "neither frame nor time"),
        ("path,subject,frame,AU1\na/one.mp4,s,-1,1\n", "before the first"),
        ("path,subject,frame,AU1\na/one.mp4,s,0,1\na/one.mp4,t,1,1\n", "belongs to subject t"),
        ("path,subject,AU1\n,s,1\n", "path is empty"),
        ("path,subject,AU1\nnowhere.png,s,1\n", "none of the files"),
        ("path,subject,x_0,AU1\nsolo.png,s,nan,1\n", "landmark x_0 is not a number"),
        ("path,subject,AU1\n", "no rows"),
        ("", "cannot be read"),
    ],
)
def test_bad_tables_are_one_line_with_file_and_row(media_folder, tmp_path, text, words) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=words) as caught:
        plan_table(Request(media_folder, path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_requests(media_folder, tmp_path) -> None:
    good = write(tmp_path, "path,subject,AU1\nsolo.png,s,1\n")
    for request, words in (
        (Request(media_folder), "labels are missing"),
        (Request(media_folder, tmp_path / "none.csv"), "not there"),
        (Request(media_folder, good, aus=(12,)), "no labels of AU12"),
        (Request(tmp_path / "none", good), "not there"),
    ):
        with pytest.raises(InputError, match=words):
            plan_table(request)
    (tmp_path / "x.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="cannot be read"):
        read_labels(tmp_path / "x.parquet")
    with pytest.raises(InputError, match="no data set"):
        find_data_set("nonesuch")
    assert {"bp4d", "bp4d+", "disfa", "disfa+", "celeba", "folder", "table"} <= set(DATA_SETS)
    labelled = {name for name, row in DATA_SETS.items() if row.labelled}
    assert labelled == {"bp4d", "bp4d+", "disfa", "disfa+", "emotionet", "table"}
    with pytest.raises(InputError, match="takes no --labels"):
        make_plan("folder", Request(media_folder, good))


def test_kind_same_base_name_never_joins_other_folders(media_folder, tmp_path) -> None:
    """A label goes to no file of the same name in another folder, whichever way the table names its own."""

    def planned(*names: str, source: Path = media_folder) -> tuple[list[str], list[str]]:
        rows = "".join(f"{name},s{number},0,1\n" for number, name in enumerate(names))
        plan = plan_table(Request(source, write(tmp_path, f"path,subject,frame,AU1\n{rows}")))
        return [item.source for item in plan.items], [reject.source for reject in plan.rejected]

    (media_folder / "b" / "one.mp4").write_bytes(b"x")
    (media_folder / "a" / "one.mp4").unlink()
    assert planned("a/one.mp4", "b/two.mp4") == (["b/two.mp4"], ["a/one.mp4"])
    assert planned("/old/a/one.mp4", "solo.png") == (["solo.png"], ["/old/a/one.mp4"])
    assert planned("/old/b/one.mp4", r"C:\data\b\two.mp4") == (["b/one.mp4", "b/two.mp4"], [])
    assert planned("one.mp4", "media/b/two.mp4", "./c/walk/img_001.jpg")[0] == [
        "b/one.mp4",
        "b/two.mp4",
        "c/walk/img_001.jpg",
    ]
    assert planned("/x/walk/img_001.jpg", "solo.png")[1] == ["/x/walk/img_001.jpg"]
    assert planned("/old/1/b/one.mp4", "/old/2/b/one.mp4", "solo.png")[0] == ["solo.png"]
    assert planned("/old/b/one.mp4", "b/two.mp4", source=media_folder / "b") == (["one.mp4", "two.mp4"], [])
    with pytest.raises(InputError, match=r"a file of that name is in .*media/b: correct the path, leave its folders"):
        planned("a/one.mp4", source=media_folder / "b")
    (media_folder / "a" / "one.mp4").write_bytes(b"x")
    with pytest.raises(InputError, match="2 files have that name: name their folders"):
        planned("one.mp4")


def test_kind_face_numbers_boxes_are_read_from_every_table(tmp_path) -> None:
    points = ",".join(f"{axis}_{point}" for axis in "xy" for point in range(68))
    numbers = ",".join(str(100 + 2 * point) for point in range(68)) + "," + ",".join(["50"] * 67 + ["90"])
    for text in (
        "path,subject,face_x0,face_y0,face_x1,face_y1,AU1\na.png,s,100,50,234,90,1\na.png,s,,,,,1\n",
        "input,FaceRectX,FaceRectY,FaceRectWidth,FaceRectHeight,FaceScore,AU1\na.png,100,50,134,40,.9,1\na.png,,,,,,\n",
        f"frame,timestamp,confidence,success,{points},AU1_c\n1,0,1,1,{numbers},1\n2,0,0,0,{'0,' * 136}0\n",
    ):
        box = read_labels(write(tmp_path, text)).box
        assert box is not None and box[0].tolist() == [100, 50, 234, 90]
        assert np.isnan(box[1]).all()
    assert read_labels(write(tmp_path, "path,subject,AU1\na.png,s,1\n")).box is None


def test_kind_folders_that_cannot_be_listed_and_formats_not_read_are_named(media_folder, tmp_path, monkeypatch) -> None:
    (media_folder / "loop.png").symlink_to("loop.png")
    (media_folder / "a" / "gone.mp4").symlink_to("nowhere.mp4")
    (media_folder / "a" / "lost+found").mkdir()
    for name in ("x.gif", "x.HEIC", "x.avif", "x.jp2", "x.txt"):
        (media_folder / name).write_bytes(b"x")
    listed = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "lost+found":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    told = {
        "loop.png": "cannot be read (Too many levels of symbolic links)",
        "a/gone.mp4": "is not there",
        "a/lost+found": "the folder cannot be listed (Permission denied)",
        "x.gif": "GIF is not read: save it as MP4 in its place",
        "x.HEIC": "HEIC is not read: save it as PNG or JPEG in its place",
        "x.avif": "AVIF is not read: save it as PNG or JPEG in its place",
        "x.jp2": "JPEG 2000 is not read: save it as PNG or JPEG in its place",
    }
    table = write(tmp_path, "path,subject,AU1\nsolo.png,s,1\n" + "n" * 300 + ".png,s,1\n")
    for plan in (plan_folder(Request(media_folder)), plan_table(Request(media_folder, table))):
        assert told.items() <= {reject.source: reject.reason for reject in plan.rejected}.items()
    assert [item.source for item in plan_folder(Request(media_folder)).items][-1] == "solo.png"
    rejected: list[Reject] = []
    assert [Path(source.name).name for source in list_sources([media_folder], rejected)] == [
        "one.mp4",
        "two.mp4",
        "img_001.jpg",
        "img_007.jpg",
        "solo.png",
    ]
    assert {reject.source.removeprefix(f"{media_folder}/"): reject.reason for reject in rejected} == told
    hollow = tmp_path / "hollow"
    hollow.mkdir()
    (hollow / "a.gif").write_bytes(b"x")
    for look in (lambda: plan_folder(Request(hollow)), lambda: list_sources([hollow])):
        with pytest.raises(InputError, match=r"a\.gif: GIF is not read"):
            look()


def test_kind_same_base_name_a_table_belongs_to_the_video_beside_it(media_folder, tmp_path) -> None:
    """A table without paths that lies in one folder of SOURCE is of no video of its name in another."""
    (media_folder / "a" / "two.csv").write_text("frame,timestamp,confidence,success,AU04_c\n1,0,1,1,1\n")
    (media_folder / "b" / "two.csv").write_text("frame,timestamp,confidence,success,AU04_c\n1,0,1,1,1\n")
    plan = plan_table(Request(media_folder, media_folder / "b" / "two.csv"))
    assert [item.source for item in plan.items] == ["b/two.mp4"]
    with pytest.raises(InputError, match="none of the files"):
        plan_table(Request(media_folder, media_folder / "a" / "two.csv"))
    plan = plan_table(Request(media_folder, write(tmp_path, "path,subject,frame,AU1\ntwo.mp4,s,0,1\n")))
    assert any("two.mp4 in b" in note for note in plan.notes), "a name without a folder, found in one, is told"
