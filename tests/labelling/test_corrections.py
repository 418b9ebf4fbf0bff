"""Correcting codes: which moments are walked through, what is shown of them, and what becomes of the corrections."""

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from made_answers import said
from made_stores import build_store
from sparsefacs.data.adapters.plan import Request
from sparsefacs.data.adapters.table import plan_table
from sparsefacs.data.answered import with_answers
from sparsefacs.data.answers import read_answers
from sparsefacs.errors import InputError
from sparsefacs.events.coded_tables import read_codes
from sparsefacs.labelling.corrections import moments
from sparsefacs.labelling.listing import answers_of
from sparsefacs.labelling.opening import correct_codes

FRAMES = 80


def make_video(path: Path) -> Path:
    """Write 80 frames whose left half has the frame's number, times 3, as grey; the right half is black."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(25), options={"qscale": "1"})
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        for frame in range(FRAMES):
            image = np.zeros((64, 128, 3), np.uint8)
            image[:, :64] = 3 * frame
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def codes(path: Path, share: np.ndarray, *, video="clip.mp4", lost=()) -> Path:
    """Write codes of one face: AU12 has these probabilities (N,), AU4 none; it is present from .5 on."""
    frames = np.arange(len(share))
    table = pd.DataFrame({"input": video, "subject": "", "frame": frames + 1, "face_id": 0, "timestamp": frames / 25})
    table["confidence"] = 1.0
    table["success"] = np.where(np.isin(frames, lost), 0, 1)
    table[["face_x0", "face_y0", "face_x1", "face_y1"]] = [22.0, 22.0, 42.0, 42.0]
    for au, chance in ((1, np.full(len(share), 0.01)), (4, np.full(len(share), 0.02)), (12, share)):
        table[f"AU{au:02d}_c"], table[f"AU{au:02d}_p"] = (chance >= 0.5).astype(int), chance
    table.to_csv(path, index=False)
    return path


def smile() -> np.ndarray:
    """Return probabilities: absent, in doubt around frame 20, suddenly present from frame 50 on."""
    share = np.full(FRAMES, 0.03)
    share[20] = 0.48
    share[19], share[21] = 0.25, 0.25
    share[50:] = 0.95
    return share


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "clip.mp4")


@pytest.fixture
def correct(video, tmp_path):
    """Return a session on the moments of the video, and its file of corrections."""
    told = codes(tmp_path / "codes.csv", smile())
    with correct_codes(video, told, tmp_path / "c.csv", (), coder="anna", later=lambda work: work()) as session:
        yield session, tmp_path / "c.csv"


def test_moments_are_where_codes_doubt_jump_or_flicker(tmp_path):
    share = np.full(FRAMES, 0.03)
    share[[10, 11]] = 0.9  # two frames alone: 0.08 s
    share[40] = 0.45
    (face,) = read_codes(codes(tmp_path / "codes.csv", share))
    found = moments(face, (1, 4, 12))
    assert [(moment.place, moment.why) for moment in found] == [(10, "sudden"), (40, "doubt")]
    (calm,) = read_codes(codes(tmp_path / "calm.csv", np.full(FRAMES, 0.03)))
    assert moments(calm, (1, 4, 12)) == []
    step = np.full(FRAMES, 0.03)
    step[30:] = 0.95
    (face,) = read_codes(codes(tmp_path / "step.csv", step))
    for stride, wanted in ((3, [(30, "sudden")]), (10, [])):  # .12 s apart, and .4 s: time enough for a face to move
        thinned = replace(face, frame=face.frame * stride, time_s=face.time_s * stride, stride=stride)
        assert [(moment.place, moment.why) for moment in moments(thinned, (1, 4, 12))] == wanted


def test_it_walks_through_them_in_time_and_begins_with_the_codes(correct):
    session, _ = correct
    found = session.next("tab")
    first = found["face"]
    assert found["progress"]["faces"] == 2
    assert (first["frame"], first["why"], first["prefill"]) == (20, "doubt", {1: 0, 4: 0, 12: 0})
    assert first["beliefs"][12] == pytest.approx(0.48)
    assert [session.faces.keys[row].frame for row in first["around"]] == list(range(45))
    second = session.answer("tab", said(first["row"], 12))["face"]
    assert (second["frame"], second["why"], second["prefill"][12]) == (50, "sudden", 1)
    assert session.answer("tab", said(second["row"], 12))["face"] is None
    assert session.undo("tab")["face"]["frame"] == 50


def test_faces_are_cut_out_of_the_frame_that_is_meant(correct):
    session, _ = correct
    for row in (0, 20, len(session.faces.keys) - 1):
        picture = np.asarray(Image.open(io.BytesIO(session.faces.picture(row))))
        assert picture.mean() == pytest.approx(3 * session.faces.keys[row].frame, abs=4)
        assert picture.shape[:2] == (34, 34)  # of a face 20 wide
    usual = session.faces.reference(0)
    assert session.faces.believed(usual)[12] == pytest.approx(0.03)


def test_corrections_are_a_table_of_labels_of_the_video(correct, video):
    session, path = correct
    row = session.next("tab")["face"]["row"]
    session.answer("tab", said(row, 4, 12))
    (answer,) = read_answers(path).of("anna").values()
    assert (answer.key.path, answer.key.frame, answer.time_s) == (str(video.resolve()), 20, 0.8)
    (item,) = plan_table(Request(video, path)).items
    assert item.by_frame[20][0].occurrence.tolist() == [0, 1, 1]


def test_what_is_corrected_once_is_not_asked_again(video, tmp_path):
    told = codes(tmp_path / "codes.csv", smile(), lost=range(22, 30))
    for frame in (20, 50):
        with correct_codes(video, told, tmp_path / "c.csv", (12,), coder="anna", later=lambda work: work()) as session:
            face = session.next("tab")["face"]
            assert face["frame"] == frame
            session.answer("tab", {**said(face["row"]), "occurrence": {"12": 1}})


@pytest.mark.parametrize(
    ("share", "given", "message"),
    [
        (smile(), {"video": "other.mp4"}, "has no codes of clip.mp4"),
        (np.full(FRAMES, 0.03), {}, "no moment of doubt"),
    ],
)
def test_codes_of_another_video_and_codes_without_doubt_are_told(video, tmp_path, share, given, message):
    told = codes(tmp_path / "codes.csv", share, **given)
    with (
        pytest.raises(InputError, match=message),
        correct_codes(video, told, tmp_path / "c.csv", (), coder="anna"),
    ):
        pass
    assert not (tmp_path / "c.csv").exists()


@pytest.fixture
def two_of_a_name(video, tmp_path, monkeypatch):
    """Return a folder, the current one, with v/anna/clip.mp4 and v/ben/clip.mp4, which is another video."""
    for name in ("anna", "ben"):
        (tmp_path / "v" / name).mkdir(parents=True)
        (tmp_path / "v" / name / "clip.mp4").write_bytes(video.read_bytes() + b"\0" * (name == "ben"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def both_coded(folder, *, subject=True) -> Path:
    """Write codes of both; anna's doubt is at frame 20, ben's at frame 60."""
    tables = []
    for name, at in (("anna", 20), ("ben", 60)):
        share = np.full(FRAMES, 0.03)
        share[at] = 0.48
        table = pd.read_csv(codes(folder / "one.csv", share, video=f"v/{name}/clip.mp4"))
        tables.append(table.assign(subject=name if subject else ""))
    pd.concat(tables).to_csv(folder / "codes.csv", index=False)
    (folder / "one.csv").unlink()
    return folder / "codes.csv"


@pytest.mark.parametrize(("name", "frame"), [("anna", 20), ("ben", 60)])
def test_of_two_videos_of_a_name_the_codes_of_the_one_that_is_given_are_corrected(two_of_a_name, name, frame):
    told = both_coded(two_of_a_name)
    for number, video in enumerate((Path(f"v/{name}/clip.mp4"), two_of_a_name / "v" / name / "clip.mp4")):
        with correct_codes(video, told, Path(f"c{number}.csv"), (), coder="a", later=lambda work: work()) as session:
            assert session.next("tab")["face"]["frame"] == frame
            # the rest as in a store of the folder that was coded
            path = str((two_of_a_name / "v" / name / "clip.mp4").resolve())
            assert session.faces.keys[0][:3] == (path, name, "clip")


def coded_apart(folder: Path, where: str) -> Path:
    """Correct anna's and ben's videos, each coded in a call of its own, in one file; return it.

    where: whether they were named from above, or from within their folders.
    """
    for name, at in (("anna", 20), ("ben", 20)):  # the same moment of either, so that only the video tells them apart
        share = np.full(FRAMES, 0.03)
        share[at] = 0.48
        given = {"above": f"v/{name}/clip.mp4", "within": "clip.mp4"}[where]
        told = codes(folder / f"{name}.csv", share, video=given)
        video = folder / "v" / name / "clip.mp4"
        with correct_codes(video, told, folder / "c.csv", (), coder="a", later=lambda work: work()) as session:
            face = session.next("tab")["face"]
            assert face["frame"] == 20, "the other's answer is not this one's"
            session.answer("tab", said(face["row"], *{"anna": (4,), "ben": (12,)}[name]))
    return folder / "c.csv"


@pytest.mark.parametrize("where", ["above", "within"])
def test_corrections_of_two_videos_of_a_name_that_were_coded_apart_stay_apart(two_of_a_name, where):
    answers = coded_apart(two_of_a_name, where)
    wanted = {"anna": [0, 1, 0], "ben": [0, 0, 1]}
    for name, labels in wanted.items():
        video = two_of_a_name / "v" / name / "clip.mp4"
        for number, (source, file) in enumerate(((f"v/{name}/clip.mp4", "clip.mp4"), (str(video), "clip.mp4"))):
            store = build_store(
                two_of_a_name / f"{name}{number}", subjects=1, frames=30, prefix="clip", source={"source": source},
                file=file,
            )  # fmt: skip
            found = with_answers(store, answers).occurrence((1, 4, 12))
            assert np.flatnonzero((found >= 0).any(axis=1)).tolist() == [20] and found[20].tolist() == labels
        whole = build_store(two_of_a_name / f"{name}-of-v", frames=30, source={"source": "v"}, file=f"{name}/clip.mp4")
        assert with_answers(whole, answers).occurrence((1, 4, 12))[20].tolist() == labels
        assert answers_of(whole, answers, (1, 4, 12))[20] == dict(zip((1, 4, 12), labels, strict=True))
    items = plan_table(Request(two_of_a_name / "v", answers)).items
    assert {item.source: item.by_frame[20][0].occurrence.tolist() for item in items} == {
        f"{name}/clip.mp4": labels for name, labels in wanted.items()
    }


def test_corrections_that_could_be_of_either_of_two_videos_are_refused(two_of_a_name, monkeypatch):
    """A store made from within the folder of its video, which tells no folder, looked at from elsewhere."""
    answers = coded_apart(two_of_a_name, "within")
    store = build_store(two_of_a_name / "store", frames=30, source={"source": "clip.mp4"}, file="clip.mp4")
    with pytest.raises(InputError, match=r"c\.csv: holds corrections of 2 videos clip\.mp4 \(.*anna.*ben") as caught:
        with_answers(store, answers)
    assert "a file of their own" in str(caught.value)
    monkeypatch.chdir(two_of_a_name / "v" / "ben")
    assert with_answers(store, answers).occurrence((1, 4, 12))[20].tolist() == [0, 0, 1], "from there it can be told"


def test_a_study_that_was_moved_keeps_its_corrections(two_of_a_name):
    answers = coded_apart(two_of_a_name, "above")
    old = {"source": "/old/disk/v"}
    for name, labels in (("anna", [0, 1, 0]), ("ben", [0, 0, 1])):
        store = build_store(two_of_a_name / name, frames=30, source=old, file=f"{name}/clip.mp4")
        assert with_answers(store, answers).occurrence((1, 4, 12))[20].tolist() == labels


def test_codes_of_another_video_of_that_name_are_refused_and_of_a_copy_taken(two_of_a_name, video, capsys):
    told = codes(two_of_a_name / "codes.csv", smile(), video="v/ben/clip.mp4")
    answers = two_of_a_name / "c.csv"
    with (
        pytest.raises(InputError, match=r"of v/ben/clip\.mp4, which is another file than v/anna/clip\.mp4"),
        correct_codes(Path("v/anna/clip.mp4"), told, answers, (), coder="a"),
    ):
        pass
    Path("copy").mkdir()
    copy = Path("copy/clip.mp4")
    copy.write_bytes(Path("v/ben/clip.mp4").read_bytes())
    with correct_codes(copy, told, answers, (), coder="a", later=lambda work: work()) as session:
        assert session.next("tab")["face"]["frame"] == 20
    Path("v/ben/clip.mp4").unlink()  # the codes' own is elsewhere now
    with correct_codes(copy, told, answers, (), coder="a", later=lambda work: work()):
        assert "the codes of v/ben/clip.mp4 are taken to be of copy/clip.mp4" in capsys.readouterr().err
    with (
        pytest.raises(InputError, match=r"codes of 2 videos clip\.mp4"),
        correct_codes(copy, both_coded(two_of_a_name), answers, (), coder="a"),
    ):
        pass


def test_codes_in_a_folder_of_tables_are_corrected_too(two_of_a_name):
    for name, at in (("anna", 20), ("ben", 60)):
        share = np.full(FRAMES, 0.03)
        share[at] = 0.48
        folder = two_of_a_name / "codes" / name
        folder.mkdir(parents=True)
        codes(folder / "clip.csv", share, video=f"v/{name}/clip.mp4")
    video = Path("v/ben/clip.mp4")
    with correct_codes(video, Path("codes"), Path("c.csv"), (), coder="a", later=lambda work: work()) as session:
        face = session.next("tab")["face"]
        assert face["frame"] == 60
        assert Image.open(io.BytesIO(session.faces.picture(face["row"]))).size == (34, 34)  # where its table says


def test_a_video_shorter_than_its_codes_is_told(video, tmp_path):
    told = codes(tmp_path / "codes.csv", np.concatenate([smile(), np.full(40, 0.5)]))
    with correct_codes(video, told, tmp_path / "c.csv", (), coder="anna", later=lambda work: work()) as session:
        with pytest.raises(InputError, match="fewer frames than its codes"):
            session.faces.picture(len(session.faces.keys) - 1)
        session.faces.picture(0)
