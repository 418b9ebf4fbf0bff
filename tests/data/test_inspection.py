"""What `inspect` tells of a store: clips, gaps, rejects, intensities, and what is missing of its data set."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from made_stores import build_store
from sparsefacs.cli import app
from sparsefacs.data.contact_sheet import _spread, active_aus, contact_sheet, geometry_picture
from sparsefacs.data.inspection import describe, inspect_store
from sparsefacs.data.published_counts import read_entry
from sparsefacs.data.store import FaceRow, Reject, Store, StoreInfo
from sparsefacs.data.store_writer import StoreWriter
from sparsefacs.errors import InputError
from sparsefacs.faces.alignment import FaceRecipe

AUS = (1, 12)


def one_pixel() -> bytes:
    encoded = io.BytesIO()
    Image.new("RGB", (1, 1), "grey").save(encoded, "PNG")
    return encoded.getvalue()


PIXEL = one_pixel()


def face(subject: str, clip: str, frame: int, occurrence=(1, 0), intensity=(np.nan, np.nan), source=None) -> FaceRow:
    return FaceRow(
        image=PIXEL,
        subject=subject,
        clip=clip,
        frame=frame,
        time=frame / 25,
        face=0,
        landmarks=np.zeros((68, 2), np.float32),
        matrix=np.eye(2, 3, dtype=np.float32),
        occurrence=np.array(occurrence, np.int8),
        intensity=np.array(intensity, np.float32),
        score=1.0,
        source=source or f"{subject}/{clip}/{frame:03d}.jpg",
    )


def write(path, rows: list[FaceRow], rejects=(), **source) -> Store:
    writer = StoreWriter(path, StoreInfo(AUS, FaceRecipe(size=32).as_json(), source), {"of": path.name})
    writer.write_part(0, rows, rejects)
    return writer.finish(1)


def tasks(leave_out=(), frames: int = 3) -> list[FaceRow]:
    return [
        face(subject, f"T{task}", frame)
        for subject in ("F001", "F002", "F003")
        for task in range(1, 9)
        if (subject, task) not in leave_out
        for frame in range(frames)
    ]


def as_json(found: dict) -> dict:
    return json.loads(json.dumps(found, allow_nan=False))


def test_a_part_of_bp4d_is_told_what_it_lacks(tmp_path) -> None:
    rows = tasks(leave_out=(("F003", 2), ("F003", 5)))
    rejects = [Reject("F001/T1/900.jpg", None, "no face was found"), Reject("M001/T1", None, "its images are missing")]
    store = write(tmp_path / "part", rows, rejects, dataset="bp4d", people="bp4d", notes=["a note"], frame_offset=1)
    found = as_json(inspect_store(store))
    missing = next(one for one in found["findings"] if one["kind"] == "missing_subjects")["names"]
    assert len(missing) == 38 and missing[0] == "F004" and missing[-1] == "M018"
    assert [one for one in found["findings"] if one["kind"] == "missing_clips"] == [
        {"kind": "missing_clips", "sentence": "F003 has no T2, T5", "subject": "F003", "names": ["T2", "T5"]}
    ]
    assert found["warnings"] == [
        "38 of 41 subjects are missing: F004–F023, M001–M018",
        "F003 has no T2, T5",
        "labelled frames: 66 here, 146,847 published, 146,423 in FG-Net's label lists; 1 frame rejected",
        "positives, here of published: AU1 66 of 31,042, AU12 0 of 82,530",
    ]
    assert found["dataset"] == "bp4d" and found["notes"] == ["a note"] and found["facts"] == {"frame_offset": 1}
    assert found["clips_table"][0] == {"subject": "F001", "clip": "T1", "faces": 3, "labelled": 3, "rejected": 1}
    assert len(found["clips_table"]) == 22 and found["rejected_unplaced"] == 1 and found["images"] == 68
    text = describe(inspect_store(store))
    for words in ("! F003 has no T2, T5", "! 38 of 41", "terms: by signed", "note: a note", "frame offset 1"):
        assert words in text
    assert max(map(len, text.splitlines()[1:])) <= 100


def test_a_whole_data_set_is_not_warned_of(tmp_path) -> None:
    entry = read_entry(
        {
            "title": "Small",
            "subjects": ["F001-F003"],
            "clips": ["T1-T8"],
            "counts": [{"name": "the release", "frames": 72, "positives": {"1": 72, "12": 0}}],
        }
    )
    store = write(tmp_path / "whole", tasks(), dataset="bp4d")
    found = inspect_store(store, entry)
    assert found["findings"] == [] and found["warnings"] == []
    assert "all that Small is published to hold is here" in describe(found)


def test_a_users_own_media_are_compared_with_nothing(tmp_path) -> None:
    for number, source in enumerate(({"dataset": "table"}, {"kind": "synthetic", "note": "synthetic faces"})):
        found = inspect_store(write(tmp_path / str(number), tasks(), **source))
        assert found["findings"] == [] and found["published"] is None and found["terms"] is None
        assert "published" not in describe(found)
    assert found["notes"] == ["synthetic faces"]


def test_cameras_and_frames_left_out_are_taken_into_account(tmp_path) -> None:
    rows = [face("SN001", camera, frame, source=f"{camera}.avi") for camera in ("left", "right") for frame in (0, 1)]
    store = write(tmp_path / "both", rows, dataset="disfa", cameras=["left", "right"])
    kinds = {one["kind"]: one for one in inspect_store(store)["findings"]}
    assert "clips_of_subject" not in kinds and kinds["frames"]["published"] == 2 * 130_814
    assert kinds["clip_frames"]["published"] == 4845
    less = write(tmp_path / "less", rows[:2], dataset="disfa", cameras=["left"], failed_tracking_frames_dropped=9)
    kinds = {one["kind"]: one for one in inspect_store(less)["findings"]}
    assert kinds["clip_frames"]["published"] == 4845 - 77  # SN001: 398–420 and 3190–3243
    assert "positives" not in kinds


def test_labels_gaps_and_intensities(tmp_path) -> None:
    nan = np.nan
    rows = [
        face("b", "x10", 0, (1, 0), (2, 0)),
        face("b", "x10", 1, (1, -1), (2.6, nan)),
        face("b", "x9", 0, (-1, -1)),
        face("a", "y", 0, (-1, -1)),
        face("c", "z", 0, (-1, 1), (nan, 5)),
    ]
    store = write(tmp_path / "gaps", rows)
    found = as_json(inspect_store(store))
    assert found["subjects_table"] == [
        {"subject": "a", "faces": 1, "labelled": 0},
        {"subject": "b", "faces": 3, "labelled": 2},
        {"subject": "c", "faces": 1, "labelled": 1},
    ]
    assert found["subjects_unlabelled"] == ["a"]
    assert [row["clip"] for row in found["clips_table"]] == ["y", "x9", "x10", "z"]
    assert [row["intensity_histogram"] for row in found["aus"]] == [[0, 0, 1, 1, 0, 0], [1, 0, 0, 0, 0, 1]]
    assert found["aus"][0]["gaps"] == pytest.approx(3 / 5) and found["aus"][1]["base_rate"] == 0.5
    assert (found["combinations"], found["label_patterns"]) == (1, 3)
    text = describe(found)
    assert "subjects without any label: a" in text and "x9 1 (none labelled), x10 2" in text
    bare = as_json(inspect_store(write(tmp_path / "bare", rows[2:4])))
    assert bare["aus"][0]["base_rate"] is None and bare["aus"][0]["intensity_histogram"] is None
    assert bare["combinations"] == 0 and bare["label_patterns"] == 0
    assert "AUs without any label: 1,12" in describe(bare)


def test_rejects_are_placed_in_their_clips(tmp_path) -> None:
    rows = [
        *(face("p", "c", frame, source=f"p/c/{frame}.jpg") for frame in (1, 2)),
        *(face("q", "v", frame, source="films/q.mp4") for frame in (1, 2)),
        face("r", "1", 0, source="mixed/r.jpg"),
        face("s", "1", 0, source="mixed/s.jpg"),
        face("t", "1", 0, source="single/t.jpg"),
    ]
    rejects = [
        Reject("p/c/3.jpg", None, "no face was found"),  # a photo among the photos of one clip
        Reject("p/c", None, "its landmarks are missing"),  # that clip as a whole
        Reject("films/q.mp4", 7, "no face was found"),  # a frame of a video that is here
        Reject("films/w.mp4", None, "cannot be read"),  # another video beside it
        Reject("mixed/u.jpg", None, "no face was found"),  # a folder of several people
        Reject("single/w.jpg", None, "no face was found"),  # beside one photo: nothing says whose it is
    ]
    found = inspect_store(write(tmp_path / "rejects", rows, rejects))
    assert {row["subject"]: row["rejected"] for row in found["clips_table"]} == {"p": 2, "q": 1, "r": 0, "s": 0, "t": 0}
    assert found["rejected_unplaced"] == 3 and found["rejected"]["no face was found"] == 4
    assert found["images"] == 6 + 5
    assert "3  of these belong to no clip that is here" in describe(found)


def test_many_clips_are_listed_up_to_a_limit(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("sparsefacs.data.inspection.LISTED", 5)
    rows = [face(f"p{number:02d}", "c", 0) for number in range(20)]
    found = inspect_store(write(tmp_path / "many", rows))
    assert len(found["clips_table"]) == len(found["subjects_table"]) == 5 and found["clips_left_out"] == 15
    text = describe(found)
    assert "  and 15 more subjects" in text


def test_active_aus_in_words() -> None:
    nan = np.nan
    for occurrence, intensity, words in (
        ((1, 0, 1), (3, 1, nan), ["1C", "12"]),
        ((-1, -1, -1), (5, 0, 1.4), ["1E", "12A"]),
        ((0, 0, 0), (nan, nan, nan), ["–"]),
        ((0, -1, 1), (nan, nan, nan), ["12", "?"]),
        ((-1, -1, -1), (nan, nan, nan), ["?"]),
    ):
        assert active_aus((1, 2, 12), np.array(occurrence, np.int8), np.array(intensity, np.float32)) == words


def found_at(sheet: np.ndarray, image: np.ndarray) -> tuple[int, int] | None:
    height, width = image.shape[:2]
    for y, x in np.argwhere((sheet == image[0, 0]).all(axis=-1)):
        if np.array_equal(sheet[y : y + height, x : x + width], image):
            return int(y), int(x)
    return None


def test_the_contact_sheet_shows_the_faces_that_are_there(tmp_path) -> None:
    store = build_store(tmp_path / "store", subjects=3, frames=8, size=128)
    path = contact_sheet(store, tmp_path / "sheet.png", faces=18)
    with Image.open(path) as opened:
        sheet = np.asarray(opened.convert("RGB")).astype(int)
    places = {row: place for row in range(len(store)) if (place := found_at(sheet, store.image(row))) is not None}
    shown = [0, 2, 3, 4, 6, 7]  # six of a clip's eight frames, evenly spread
    assert list(places) == [8 * subject + frame for subject in range(3) for frame in shown]
    lines = {y for y, _ in places.values()}
    assert len(lines) == 3 and all(
        len({places[8 * subject + frame][0] for frame in shown}) == 1 for subject in range(3)
    )
    assert [places[16 + frame][1] - places[16][1] for frame in shown] == [136 * column for column in range(6)]
    assert (sheet == (176, 0, 0)).all(axis=-1).any()  # AU labels in red
    with pytest.raises(InputError, match="already exists"):
        contact_sheet(store, path)
    with pytest.raises(InputError, match="PNG"):
        contact_sheet(store, tmp_path / "sheet.pdf")
    assert geometry_picture(store, tmp_path / "geometry.png", faces=1, side=128).exists()


def test_the_contact_sheet_prefers_labelled_faces_and_people(tmp_path) -> None:
    store = build_store(tmp_path / "store", subjects=6, frames=8)
    known = np.full((6, 8), False)
    known[1:4, 5:7] = True  # two faces of three people

    class Sparse:
        def occurrence(self):
            return np.where(known.reshape(-1, 1), store.occurrence(), -1)

        def intensity(self):
            return np.full((48, 3), np.nan)

        strings, numbers = store.strings, store.numbers

    grid = _spread(Sparse(), 18)
    assert [name for name, _ in grid] == ["s01", "s02", "s03"]
    for name, rows in grid:
        frames = [row - 8 * int(name[1:]) for row in rows]
        assert len(frames) == 6 and frames == sorted(frames) and {5, 6} <= set(frames)
    assert len(_spread(Sparse(), 36)) == 6, "others fill up"


def test_the_command_draws_both_pictures_beside_one_json_object(tmp_path) -> None:
    write(tmp_path / "store", tasks(), dataset="bp4d")
    sheet, picture = tmp_path / "sheet.png", tmp_path / "picture.png"
    asked = ["inspect", str(tmp_path / "store"), "--sheet", str(sheet), "--picture", str(picture), "--faces", "2"]
    result = CliRunner().invoke(app, [*asked, "--json"])
    assert result.exit_code == 0 and json.loads(result.stdout)["warnings"]
    with Image.open(sheet) as drawn, Image.open(picture) as geometry:
        assert drawn.size[0] < 1000 and geometry.size == (2048, 512)
    result = CliRunner().invoke(app, ["inspect", str(tmp_path / "store")])
    assert "! 38 of 41 subjects are missing: F004–F023, M001–M018" in result.stdout
