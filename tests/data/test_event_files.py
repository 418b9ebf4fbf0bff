"""Files of events as labels: whose they are, what was looked at, which frames they are of; never a guess."""

from pathlib import Path

import pytest

from sparsefacs.data.adapters import Plan, Request, make_plan
from sparsefacs.errors import InputError

HEADER = "media,subject,face,au,onset,offset,intensity\n"


def plan_table(request: Request) -> Plan:
    """As `prepare --dataset table` does, which also says which options that takes."""
    return make_plan("table", request)


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    for name in ("P01/a.mp4", "P02/b.mp4", "c.mp4"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).write_bytes(b"x")
    return tmp_path / "videos"


def table(folder: Path, *rows: str, name: str = "events.csv") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return path


def occurrence(plan: Plan, place: int, *starts: float) -> list[list[list[int]]]:
    """Return the labels of frames of a tenth of a second that begin at `starts`, those of each face."""
    (item,) = [plan.items[place]]
    found = [[label for timed in item.timed for label in timed.at(start, start + 0.1)] for start in starts]
    return [[label.occurrence.tolist() for label in labels] for labels in found]


def test_events_label_the_frames_that_were_looked_at(videos: Path, tmp_path: Path) -> None:
    labels = table(
        tmp_path, "a.mp4,anna,,coded,0,1,", "a.mp4,anna,,AU12,.2,.4,C", "a.mp4,anna,,smirk,.3,.5,", "a.mp4,,,4,2,3,",
        "b.mp4,bert,,coded,1,2,", "gone.mp4,carl,,AU1,0,1,",
    )  # fmt: skip
    plan = plan_table(Request(videos, labels))
    assert [(item.source, item.subject, item.clip) for item in plan.items] == [
        ("P01/a.mp4", "anna", "P01/a"), ("P02/b.mp4", "bert", "P02/b")
    ]  # fmt: skip
    assert plan.aus == (1, 4, 12)
    assert occurrence(plan, 0, 0.1, 0.2, 0.3, 0.4, 1.0) == [[[0, 0, 0]], [[0, 0, 1]], [[0, 0, 1]], [[0, 0, 0]], []]
    assert occurrence(plan, 1, 0.9, 1.0) == [[], [[0, 0, 0]]]
    assert plan.items[0].timed[0].at(0.2, 0.3)[0].intensity[2] == 3
    assert [(reject.source, reject.reason) for reject in plan.rejected] == [
        ("gone.mp4", "coded in events.csv but not found")
    ]
    told = "\n".join(plan.notes)
    assert "read as table of events" in told and "'smirk' (1)" in told and "frame shown at its" in told


def test_nothing_is_guessed_of_what_was_looked_at(videos: Path, tmp_path: Path) -> None:
    labels = table(tmp_path, "c.mp4,,,AU12,.2,.4,")
    with pytest.raises(InputError, match=r"events\.csv: does not say which stretches of c\.mp4 .* --coded all"):
        plan_table(Request(videos, labels))
    assert occurrence(plan_table(Request(videos, labels, coded="all")), 0, 0, 0.2, 50) == [[[0]], [[1]], [[0]]]
    labels = table(tmp_path, "c.mp4,,,AU12,.2,.4,", "c.mp4,,,session,.1,.3,")
    assert occurrence(plan_table(Request(videos, labels, coded="Session")), 0, 0, 0.1, 0.2, 0.3) == [
        [], [[0]], [[1]], []
    ]  # fmt: skip


def test_a_line_that_cannot_be_used_leaves_its_stretch_without_labels(videos: Path, tmp_path: Path) -> None:
    labels = table(tmp_path, "c.mp4,,,coded,0,9,", "c.mp4,,,AU12,3,2,", "c.mp4,,,AU4,5,6,")
    plan = plan_table(Request(videos, labels))
    assert occurrence(plan, 0, 1, 2.5, 5) == [[[0, 0]], [[0, -1]], [[1, 0]]]
    assert not plan.rejected, "a line is no file that gave no face"
    assert [note for note in plan.notes if note.startswith("events.csv: row 3")], plan.notes


def test_people_of_one_video_are_told_apart_or_refused(videos: Path, tmp_path: Path) -> None:
    labels = table(tmp_path, "c.mp4,Anna,,AU12,.2,.4,", "c.mp4,Bert,,AU4,.2,.4,", "c.mp4,,,coded,0,1,")
    with pytest.raises(InputError, match=r"codes 2 people in c\.mp4: Anna, Bert\. .*--person NAME"):
        plan_table(Request(videos, labels))
    plan = plan_table(Request(videos, labels, person="anna "))
    assert plan.items[0].subject == "Anna" and occurrence(plan, 0, 0.2) == [[[0, 1]]]
    with pytest.raises(InputError, match=r"nobody called 'Carl'\. It has Anna, Bert"):
        plan_table(Request(videos, labels, person="Carl"))


def test_faces_of_one_video_have_labels_each(videos: Path, tmp_path: Path) -> None:
    labels = table(
        tmp_path, "c.mp4,,0,AU12,.2,.4,", "c.mp4,,1,AU12,.4,.6,", "c.mp4,,0,coded,0,1,", "c.mp4,,1,coded,0,.5,"
    )
    plan = plan_table(Request(videos, labels))
    assert [timed.at(0, 0.1)[0].face for timed in plan.items[0].timed] == [0, 1]
    assert occurrence(plan, 0, 0.2, 0.4, 0.6) == [[[1], [0]], [[0], [1]], [[0]]]


def test_words_that_hold_an_au_are_read_and_others_are_named(videos: Path, tmp_path: Path) -> None:
    labels = table(tmp_path, "c.mp4,,,Smile (AU12),.2,.4,", "c.mp4,,,AU12?,.6,.8,", "c.mp4,,,coded,0,1,")
    plan = plan_table(Request(videos, labels))
    assert occurrence(plan, 0, 0.2, 0.5) == [[[1]], [[0]]]
    assert any("'AU12?' (1)" in note for note in plan.notes)


def test_a_table_without_ends_is_not_read_as_moments(videos: Path, tmp_path: Path) -> None:
    labels = tmp_path / "e.csv"
    labels.write_text("video,au,onset,Ende\nc.mp4,coded,0,9\nc.mp4,AU4,1,2\n")
    with pytest.raises(InputError, match=r"e\.csv: has no column of ends .* video, au, onset, ende"):
        plan_table(Request(videos, labels))


def test_a_mark_that_is_not_there_is_named(videos: Path, tmp_path: Path) -> None:
    labels = table(tmp_path, "c.mp4,,,AU12,.2,.4,", "c.mp4,,,session,0,1,")
    with pytest.raises(InputError, match=r"has no stretch of 'sesion' in c\.mp4 that can be used; .*'session'"):
        plan_table(Request(videos, labels, coded="sesion"))


def test_folders_may_be_given_up_by_asking_for_it(videos: Path, tmp_path: Path) -> None:
    labels = table(tmp_path, r"D:\x\1\A.MP4,,,AU12,.2,.4,", r"D:\x\1\A.MP4,,,coded,0,1,")
    with pytest.raises(InputError, match=r"a file of that name is in .*P01: .*--by-name"):
        plan_table(Request(videos, labels))
    assert [item.source for item in plan_table(Request(videos, labels, by_name=True)).items] == ["P01/a.mp4"]


def test_a_video_has_one_coding(videos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "coders"
    for name in ("one.csv", "two.csv"):
        table(folder, "c.mp4,,,AU12,.2,.4,", "c.mp4,,,coded,0,1,", name=name)
    with pytest.raises(InputError, match=r"two\.csv: codes c\.mp4, which one\.csv codes too\. .*agreement"):
        plan_table(Request(videos, folder))


def test_words_mean_what_the_map_says(videos: Path, tmp_path: Path) -> None:
    labels = table(tmp_path, "c.mp4,,,grin,.2,.4,", "c.mp4,,,talk,.2,.4,", "c.mp4,,,coded,0,1,")
    with pytest.raises(InputError, match=r"nothing that is known as an AU: .*'grin'.* --map FILE"):
        plan_table(Request(videos, labels))
    words = tmp_path / "words.csv"
    words.write_text("name;au;intensity\nGrin;12;D\ntalk;;\n")
    plan = plan_table(Request(videos, labels, names=words))
    assert plan.aus == (12,) and plan.items[0].timed[0].at(0.2, 0.3)[0].intensity.tolist() == [4]
    assert not any("no AU" in note for note in plan.notes)


def test_what_does_not_go_together_is_one_line(videos: Path, tmp_path: Path) -> None:
    frames = tmp_path / "both" / "frames.csv"
    events = table(frames.parent, "c.mp4,,,AU12,.2,.4,", "c.mp4,,,coded,0,1,")
    frames.write_text("path,subject,frame,AU12\nc.mp4,s,0,1\n")
    with pytest.raises(InputError, match=r"holds files of events .* and tables of frames"):
        plan_table(Request(videos, frames.parent))
    for option in ({"coded": "all"}, {"person": "s"}, {"names": events}):
        with pytest.raises(InputError, match="is a table of frames, to which --"):
            plan_table(Request(videos, frames, **option))
    with pytest.raises(InputError, match="has no labels of AU1"):
        plan_table(Request(videos, events, aus=(1,)))
    with pytest.raises(InputError, match=r"none of the videos it codes is found, for instance 'x.mp4'"):
        plan_table(Request(videos, table(tmp_path, "x.mp4,,,AU12,.2,.4,", "x.mp4,,,coded,0,1,")))


def test_observations_called_after_their_video_and_folders_that_moved_are_found(videos: Path, tmp_path: Path) -> None:
    labels = table(tmp_path, "b,,,AU12,.2,.4,", "b,,,coded,0,1,")
    assert [item.source for item in plan_table(Request(videos, labels)).items] == ["P02/b.mp4"]
    labels = table(tmp_path, r"D:\study\c.mp4,,,AU12,.2,.4,", r"D:\study\c.mp4,,,coded,0,1,")
    plan = plan_table(Request(videos, labels))
    assert [item.source for item in plan.items] == ["c.mp4"]
    assert any("D:/study is a folder of another computer" in note for note in plan.notes)
    labels = table(tmp_path, r"D:\1\c.mp4,,,AU12,.2,.4,", r"D:\2\c.mp4,,,coded,0,1,")
    with pytest.raises(InputError, match="none of the videos"):
        plan_table(Request(videos, labels))


def test_the_clock_asked_for_is_taken(videos: Path, tmp_path: Path) -> None:
    labels = table(tmp_path, "c.mp4,,,AU12,.2,.4,", "c.mp4,,,coded,0,1,")
    for asked, taken in (("media", "media"), ("first-frame", "first-frame"), (None, "media")):
        assert plan_table(Request(videos, labels, clock=asked)).items[0].timed[0].clock == taken
