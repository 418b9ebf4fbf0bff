import json
import math
from types import SimpleNamespace

import krippendorff
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score

from made_codes import face_codes, save_codes
from sparsefacs.data.adapters.timed_labels import LabelsInStretches
from sparsefacs.errors import InputError
from sparsefacs.events import codings
from sparsefacs.events.agreement import Matching, compare
from sparsefacs.events.codings import spans_by_au, stretches_by_au
from sparsefacs.events.model import Asked, Event, EventFile, Fault, Recording, Span

WHOLE = Span("clip.mp4", "", 0.0, 4.0)


@pytest.fixture
def event_files(tmp_path, monkeypatch):
    """Returns a function that makes a file of events `name` of a kind of its own."""
    made = {}
    kind = SimpleNamespace(module=SimpleNamespace(read=lambda path, asked: made[path]))
    monkeypatch.setattr(codings, "find_format", lambda path: kind if path in made else None)

    def make(name, events, coded=(WHOLE,), **told):
        path = tmp_path / name
        path.write_text("")
        made[path] = EventFile(path, "made events", told.pop("aus", (1, 12)), tuple(events), tuple(coded), **told)
        return path

    return make


def event(au, onset, offset, **told):
    return Event(told.pop("media", "clip.mp4"), told.pop("subject", ""), au, onset, offset, **told)


def coders(seed=0, frames=100, flips=0.15):
    """Return two coders' occurrence of two AUs, in runs as faces show them."""
    rng = np.random.default_rng(seed)
    first = (np.cumsum(rng.random((frames, 2)) < 0.1, axis=0) % 2).astype(np.int8)
    return first, np.where(rng.random((frames, 2)) < flips, 1 - first, first).astype(np.int8)


def save_labels(file, occurrence, **columns):
    pd.DataFrame(columns | {"AU1": occurrence[:, 0], "AU12": occurrence[:, 1]}).to_csv(file, index=False)
    return file


def test_stretches_are_laid_on_frames_as_one_by_one():
    rng = np.random.default_rng(3)
    for _ in range(30):
        gaps = rng.choice([0, 0, 0.05, 0.5], 30)
        shown = rng.choice([0.002, 0.033, 0.04, 0.4], 30)
        starts = np.cumsum(np.r_[0, (shown + gaps)[:-1]])
        moments = rng.permutation(np.r_[starts, starts + shown, rng.uniform(0, starts[-1], 10)])[:24].reshape(-1, 2)
        moments = np.sort(np.round(moments, rng.choice([3, 9])), axis=1)
        strong = rng.choice([math.nan, 2, 4], 6)
        events = [
            event(12, a, None if point < 0.2 else b, intensity=None if math.isnan(level) else level)
            for (a, b), point, level in zip(moments[:6], rng.random(6), strong, strict=True)
        ]
        spans = [Span("", "", a, b) for a, b in moments[6:]]
        labels = LabelsInStretches(
            (1, 12), stretches_by_au(events), spans_by_au(spans[:3], (1, 12)), spans_by_au(spans[3:4], (12,))
        )
        occurrence, intensity = labels.over(starts, starts + shown)
        for frame, (start, end) in enumerate(zip(starts, starts + shown, strict=True)):
            told = labels.at(start, end)
            assert occurrence[frame].tolist() == (told[0].occurrence.tolist() if told else [-1, -1])
            np.testing.assert_array_equal(intensity[frame], told[0].intensity if told else [np.nan] * 2)


def test_codes_and_a_table_of_labels_meet_at_their_frames(tmp_path, event_files):
    first, second = coders()
    first[10:14] = -1
    codes = save_codes(tmp_path / "codes.csv", face_codes(first))
    save_labels(tmp_path / "anna.csv", second[:90], path=r"C:\videos\Clip.MP4", frame=np.arange(90))
    told = compare(codes, tmp_path / "anna.csv", out=tmp_path / "out.csv")
    used = np.r_[0:10, 14:90]
    assert (told.common, told.only_a, told.only_b, told.videos, told.people) == (86, 10, 4, 1, 1)
    for place, au in enumerate((1, 12)):
        kappa = cohen_kappa_score(first[used, place], second[used, place])
        assert told.figures[au]["kappa"].value == pytest.approx(kappa)
        assert told.figures[au]["f1"].value == pytest.approx(f1_score(second[used, place], first[used, place]))
    table = pd.read_csv(tmp_path / "out.csv").set_index(["au", "coefficient"])
    assert table.loc[("AU12", "kappa"), "value"] == round(told.figures[12]["kappa"].value, 6)
    assert table.loc[("AU1", "icc_3_1"), "undefined"] == "no frame has an intensity from both"
    assert table.loc[("mean", "kappa"), "value"] == pytest.approx(
        np.mean([told.figures[au]["kappa"].value for au in (1, 12)]), abs=1e-6
    )
    json.dumps(told.as_json(), allow_nan=True)


@pytest.mark.parametrize("fps", [25, 30000 / 1001, None])
def test_events_are_compared_at_the_codes_own_frames(tmp_path, event_files, fps):
    rng = np.random.default_rng(1)
    time_s = np.cumsum(rng.choice([0.02, 0.04, 0.2], 80)) if fps is None else np.arange(80) / fps
    first, second = coders(frames=80)
    runs = [
        event(au, time_s[a], time_s[b])
        for place, au in enumerate((1, 12))
        for a, b in np.flatnonzero(np.diff(np.r_[0, second[:-1, place], 0])).reshape(-1, 2)
    ]
    coded = Span("clip.mp4", "", 0, time_s[-1])
    told = compare(
        event_files("anna.ev", runs, [coded]), save_codes(tmp_path / "codes.parquet", face_codes(first, time_s=time_s))
    )
    assert (told.common, told.only_a, told.only_b) == (79, 0, 1)
    assert any("start of the media file" in note for note in told.notes)
    for place, au in enumerate((1, 12)):
        kappa = cohen_kappa_score(first[:79, place], second[:79, place])
        assert told.figures[au]["kappa"].value == pytest.approx(kappa)


def test_two_files_of_events_meet_at_the_rate_asked_for_and_only_where_both_looked(event_files):
    a = event_files("anna.ev", [event(12, 0.5, 1.5), event(12, 2.0, 3.0), event(12, 3.5, 3.9)])
    b = event_files(
        "ben.ev",
        [event(12, 0.7, 1.5), event(12, 2.7, 3.0)],
        [Span("clip.mp4", "", 0.0, 3.0)],
        faults=(Fault("no end", "row 3", Span("clip.mp4", "", 0.0, 0.2, frozenset({1}))),),
    )
    told = compare(a, b, fps=10)
    assert (told.common, told.only_a, told.only_b) == (30, 10, 0)
    assert told.frames == {1: 28, 12: 30}  # of AU1 Ben's file has a line that could not be used
    assert told.events[12] == (2, 2)
    figures = told.figures[12]
    assert (figures["base_a"].value, figures["base_b"].value) == pytest.approx((2 / 3, 11 / 30))
    assert figures["event_f1"].value == figures["event_precision"].value == 0.5  # the later onset is too far away
    wider = compare(a, b, fps=10, matching=Matching(onset_tolerance_s=0.7, overlap=0.3)).figures[12]
    assert wider["event_f1"].value == 1
    assert told.figures[1]["kappa"].why == "both say absent throughout"
    assert told.figures[1]["event_recall"].why == "neither has an event in a stretch that both coded"
    assert any("κ" in line and "AU1: both say absent" in line for line in told.undefined)
    assert any("row 3: no end" in note for note in told.notes)


def test_frames_coded_one_by_one_say_nothing_of_events(tmp_path):
    """They agree with the codes in every frame, and no event of codes is as short as one of them."""
    codes = face_codes(np.tile(np.arange(20) % 10 < 5, (2, 1)).T)
    save_codes(tmp_path / "codes.csv", codes)
    frames = np.array([0, 3, 4, 9, 12, 19])
    occurrence = codes.occurrence[frames]
    labels = save_labels(tmp_path / "labels.csv", occurrence, path=codes.input, frame=frames)
    told = compare(labels, tmp_path / "codes.csv")
    assert told.figures[12]["kappa"].value == 1
    assert math.isnan(told.figures[12]["event_f1"].value) and told.events[12] == (0, 0)
    assert told.figures[12]["event_f1"].why == "neither has an event in a stretch that both coded"
    whole = save_labels(tmp_path / "whole.csv", codes.occurrence, path=codes.input, frame=np.arange(20))
    assert compare(whole, tmp_path / "codes.csv").figures[12]["event_f1"].value == 1


def test_letters_are_compared_with_levels(event_files):
    a = event_files("anna.ev", [event(12, 0.5, 1.5, intensity=2.0), event(12, 2, 3, intensity=4.0)])
    b = event_files("ben.ev", [event(12, 0.5, 1.5, intensity=3.0), event(12, 2, 3, intensity=5.0)])
    figures = compare(a, b, fps=10).figures[12]
    rated = [np.repeat([0, low, 0, high, 0], [5, 10, 5, 10, 10]) for low, high in ((2, 4), (3, 5))]
    for kind in ("ordinal", "interval"):
        expected = krippendorff.alpha(rated, level_of_measurement=kind)
        assert figures[f"alpha_{kind}"].value == pytest.approx(expected)


def test_labels_by_time_go_to_the_frame_shown_then(tmp_path, event_files):
    first, second = coders(frames=50)
    codes = save_codes(tmp_path / "codes.csv", face_codes(first))
    at = np.arange(0, 50, 5)
    save_labels(tmp_path / "ben.csv", second[at], path="clip.mp4", time=np.round(at / 25 + 0.01, 3))
    told = compare(tmp_path / "ben.csv", codes)
    assert (told.common, told.only_a, told.only_b) == (10, 0, 40)
    assert told.figures[12]["base_a"].value == second[at, 1].mean()
    assert told.figures[12]["base_b"].value == first[at, 1].mean()


def test_photos_are_compared_without_events(tmp_path, event_files):
    photos = [face_codes([row], time_s=[math.nan], input=f"{n}.jpg") for n, row in enumerate([[1, 0], [0, 1], [1, 1]])]
    codes = save_codes(tmp_path / "codes.csv", *photos)
    save_labels(tmp_path / "ben.csv", np.array([[1, 0], [1, 1]]), path=["in/0.jpg", "in/1.jpg"])
    told = compare(codes, tmp_path / "ben.csv")
    assert (told.common, told.videos) == (2, 2) and told.alone == ("only A codes 2.jpg, face 0: B has no such video",)
    assert told.figures[12]["kappa"].value == 1
    assert told.figures[12]["event_f1"].why == "frames without times have no events"
    assert told.figures[12]["time_icc_3_1"].why == "no video has a share of time from both"


def test_people_are_matched_by_subject_then_face_and_the_rest_told(tmp_path):
    first, second = coders()
    faces = [face_codes(first, face=n, subject=s) for n, s in enumerate(["P01", "P02", ""])]
    a = save_codes(tmp_path / "a.csv", *faces)
    others = [face_codes(second, face=5, subject="P02"), face_codes(first, face=2), face_codes(first, face=9)]
    told = compare(a, save_codes(tmp_path / "b.csv", *others))
    assert told.common == 200 and told.alone == (
        "only A codes clip.mp4, P01, face 0: the other side does not tell who this is",
        "only B codes clip.mp4, face 9: the other side does not tell who this is",
    )


def test_a_person_without_a_name_is_the_main_face_only_where_that_is_asked_for(tmp_path, event_files):
    first, _ = coders()
    stranger = np.where(np.arange(100)[:, None] < 90, -1, first).astype(np.int8)
    codes = save_codes(tmp_path / "codes.csv", face_codes(stranger), face_codes(first, face=1))
    anna = event_files("anna.ev", [event(12, 0.5, 1.5)])
    with pytest.raises(InputError, match=r"does not tell who this is \(and 2 more\)"):
        compare(anna, codes)
    told = compare(anna, codes, main_face=True)
    assert told.common == 100
    assert told.alone == ("only B codes clip.mp4, face 0: its other faces were seen in more frames",)


def test_a_video_without_a_common_frame_makes_no_person(tmp_path):
    first, second = coders()
    lost = np.where(np.arange(100)[:, None] < 50, -1, first).astype(np.int8)
    a = save_codes(tmp_path / "a.csv", face_codes(first), face_codes(lost, input="b.mp4"))
    b = save_codes(tmp_path / "b.csv", face_codes(second), face_codes(first[:50], input="b.mp4"))
    told = compare(a, b)
    assert (told.common, told.only_a, told.only_b, told.videos, told.people) == (100, 50, 50, 1, 1)
    assert told.notes == ("b.mp4: no frame is coded by both",)


def test_one_video_a_side_needs_no_name_but_two_do(tmp_path):
    first, second = coders()
    a = save_codes(tmp_path / "anna.csv", face_codes(first), with_input=False)
    b = save_codes(tmp_path / "ben.csv", face_codes(second), with_input=False)
    assert compare(a, b).common == 100
    other = save_codes(tmp_path / "other.csv", face_codes(second, input="other.mp4"))
    named = save_codes(tmp_path / "named.csv", face_codes(second))
    with pytest.raises(InputError, match=r"only A codes other\.mp4, face 0: B has no such video"):
        compare(other, named)


def test_intervals_are_over_people_where_there_are_enough(tmp_path, event_files):
    for side in (0, 1):
        (tmp_path / str(side)).mkdir()
        for person in range(4):
            occurrence = coders(person)[side]
            codes = face_codes(occurrence, occurrence * 3.0, subject=f"P{person}", input=f"{person}.mp4")
            save_codes(tmp_path / str(side) / f"{person}.csv", codes)
    told, again = (compare(tmp_path / "0", tmp_path / "1", resamples=200) for _ in range(2))
    assert told.people == 4 and "4 people" in told.intervals
    for name in ("kappa", "icc_2_1", "time_icc_2_1", "event_f1"):
        figure = told.figures[12][name]
        assert figure.low < figure.value < figure.high and figure == again.figures[12][name]
    assert told.figures[None]["kappa"].low < told.figures[None]["kappa"].high
    (tmp_path / "1" / "3.csv").unlink()
    (tmp_path / "1" / "2.csv").write_text("broken\n1\n")
    fewer = compare(tmp_path / "0", tmp_path / "1")
    assert "too few people (2)" in fewer.intervals and math.isnan(fewer.figures[12]["kappa"].low)
    assert any("2.csv" in note and "left out" in note for note in fewer.notes) and len(fewer.alone) == 2


def test_what_cannot_be_compared_is_one_line(tmp_path, event_files):
    first, _ = coders()
    codes = save_codes(tmp_path / "codes.csv", face_codes(first))
    numbers = save_labels(tmp_path / "numbers.csv", first, path="clip.mp4", frame=np.arange(100))
    silent = event_files("silent.ev", [event(12, 1, 2)], [], recordings=(Recording("clip.mp4", 25, 4.0),))
    with pytest.raises(InputError, match=r"does not say which stretches of clip\.mp4 were looked at"):
        compare(silent, codes)
    with pytest.raises(InputError, match="--fps 25"):
        compare(numbers, event_files("b.ev", [event(12, 1, 2)]))
    assert compare(numbers, silent, asked=Asked(coded="all"), fps=25).common == 100
    other = event_files("other.ev", [], [WHOLE], aus=(4,))
    with pytest.raises(InputError, match="no AU is coded by both"):
        compare(codes, other)
    with pytest.raises(InputError, match="has no frame that B codes too"):
        compare(codes, event_files("late.ev", [], [Span("clip.mp4", "", 10, 20)]))
    with pytest.raises(InputError, match=r"gone\.csv: is not there"):
        compare(codes, tmp_path / "gone.csv")
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(InputError, match="already exists"):
        compare(codes, codes, out=tmp_path / "out.csv")


def test_several_faces_of_one_person_s_video_are_told_apart(tmp_path):
    first, second = coders()
    faces = [face_codes(codes, subject="P04", face=face) for face, codes in enumerate((first, second))]
    told = compare(save_codes(tmp_path / "a.csv", *faces), save_codes(tmp_path / "b.csv", *faces))
    assert told.common == 200 and told.figures[12]["kappa"].value == 1


def test_videos_are_matched_by_the_folders_that_both_sides_tell(tmp_path):
    first, _ = coders()
    names = ("P01/x.mp4", "P02/x.mp4", "day1/rec.mp4")
    here = save_codes(tmp_path / "a.csv", *(face_codes(first, input=name) for name in names))
    there = ("study/P01/X.MP4", "../study/P02/x", "day2/rec.mp4")
    told = compare(here, save_codes(tmp_path / "b.csv", *(face_codes(first, input=name) for name in there)))
    assert told.videos == 2 and told.common == 200
    assert sorted(line.split(":")[0] for line in told.alone) == [
        "only A codes day1/rec.mp4, face 0", "only B codes day2/rec.mp4, face 0"
    ]  # fmt: skip
