import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pympi
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fake_elan import FakeElan
from sparsefacs.errors import InputError
from sparsefacs.events.formats import find_format
from sparsefacs.events.formats.elan import read, recognises, write
from sparsefacs.events.model import EVERYTHING, Asked, Event, EventFile, Fault, Recording, Span
from sparsefacs.events.names import Meaning, Names

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CLIP = "C:/My Videos/clip.mp4"


def reading(tmp_path: Path, fake: FakeElan, coded: str | None = None, names: Names | None = None) -> EventFile:
    return read(fake.save(tmp_path / "clip.eaf"), Asked(names or Names(), coded))


def told(file: EventFile) -> list[tuple]:
    return [(row.subject, row.au, row.onset_s, row.offset_s, row.side, row.intensity) for row in file.events]


def test_tiers_named_after_aus_tell_side_and_intensity(tmp_path) -> None:
    twelve = [(0, 500, "C"), (600, 900, "left D"), (1000, 1100, ""), (1200, 1300, "a polite one"), (1400, 1500, "0")]
    fake = FakeElan().tier("AU12", *twelve).tier("L4", (100, 200, "3,5"), PARTICIPANT="anna").tier("AU6@ben")
    fake.tier("brow lowerer@anna", (700, 800, "12"))
    file = reading(tmp_path, fake)
    assert told(file) == [
        ("", 12, 0.0, 0.5, None, 3.0),
        ("anna", 4, 0.1, 0.2, "left", 3.5),
        ("", 12, 0.6, 0.9, "left", 4.0),
        ("", 12, 1.0, 1.1, None, None),
        ("", 12, 1.2, 1.3, None, None),
    ]
    assert file.aus == (4, 6, 12)
    assert {row.media for row in file.events} == {CLIP} and file.recordings == (Recording(CLIP),)
    assert file.coded == ()
    assert any("'a polite one'" in note for note in file.notes)
    (fault,) = file.faults
    assert "another AU" in fault.problem and fault.where == "annotation a7 in tier brow lowerer@anna"
    assert fault.span == Span(CLIP, "anna", 0.7, 0.8, frozenset({4}))


def test_values_name_aus_but_trial_numbers_do_not(tmp_path) -> None:
    fake = (
        FakeElan(vocabulary=("AU1", "AU12", "other"))
        .tier("face@anna", (0, 100, "12C"), (200, 300, "1+L2"), (400, 500, "smirk"))
        .tier("trial", (0, 300, "1"), (300, 500, "2"))
        .tier("talk", (0, 400, "AU6, AU7"), (400, 450, "hello"), (450, 500, "12"))
    )
    file = reading(tmp_path, fake)
    assert told(file) == [
        ("", 6, 0.0, 0.4, None, None), ("", 7, 0.0, 0.4, None, None), ("anna", 12, 0.0, 0.1, None, 3.0),
        ("anna", 1, 0.2, 0.3, None, None), ("anna", 2, 0.2, 0.3, "left", None),
    ]  # fmt: skip
    assert file.aus == (1, 2, 6, 7, 12)
    assert file.unmapped == {"smirk": 1, "1": 1, "2": 1, "hello": 1, "12": 1}


def test_a_map_says_what_words_mean(tmp_path) -> None:
    fake = FakeElan().tier("talk", (0, 100, "smirk"), (100, 200, "1")).tier("AU6", (0, 50, ""))
    names = Names({"smirk": (Meaning(14, "left"),), "1": (Meaning(1),), "au6": ()})
    file = reading(tmp_path, fake, names=names)
    assert told(file) == [("", 14, 0.0, 0.1, "left", None), ("", 1, 0.1, 0.2, None, None)]
    assert file.unmapped == {}


def test_marks_of_presence_are_no_intensities(tmp_path) -> None:
    file = reading(tmp_path, FakeElan().tier("AU1", (0, 9, "1"), (9, 20, "0")).tier("AU2", (0, 9, "1"), (9, 20, "2")))
    assert [row.intensity for row in file.events] == [None, 1.0, 2.0]
    scale = reading(tmp_path, FakeElan().tier("AU12", (0, 9, "3"), (9, 20, "70"), (30, 40, "12C")))
    assert [row.intensity for row in scale.events] == [None, None, None]


def test_tiers_below_tell_of_their_parents(tmp_path) -> None:
    fake = (
        FakeElan()
        .tier("AU12", (0, 100, ""), (200, 300, ""), (400, 500, ""), (600, 700, ""))
        .below("intensity", "AU12", ("a1", "4"), ("a2", "0"))
        .below("AU12 - side", "AU12", ("a1", "B"))
        .below("certainty", "AU12", ("a1", "2"), ("a3", "?"))
        .below("comment", "intensity", ("a5", "AU6"))
        .tier("level", (610, 650, "B"), (650, 690, "C"), PARENT_REF="AU12")
    )
    file = reading(tmp_path, fake)
    assert told(file) == [
        ("", 6, 0.0, 0.1, None, None), ("", 12, 0.0, 0.1, "both", 4.0), ("", 12, 0.4, 0.5, None, None),
        ("", 12, 0.6, 0.7, None, None),
    ]  # fmt: skip
    assert [(fault.where, fault.span) for fault in file.faults] == [("annotation a4 in tier AU12", None)]
    assert "B, C" in file.faults[0].problem and file.unmapped == {}


def test_times_that_cannot_be_known_are_unknown(tmp_path) -> None:
    fake = (
        FakeElan()
        .tier("AU1", (0, None, "B"), (None, 400, "C"))  # the slot between them was never aligned
        .tier("AU2", (500, 900, ""))
        .below("face", "AU2", ("a3", "AU4"), ("a3", "AU7"))  # two parts of one annotation
        .below("AU5", "AU2", ("a99", ""), ("a7", ""))  # dangling, and of itself
        .tier("AU9", (300, 200, ""), (-100, 50, "A"), (700, 700, "E"))
        .tier("AU10", (0, 300, ""), (200, 400, ""))
    )
    file = reading(tmp_path, fake)
    unknown = {(next(iter(row.span.aus)), row.span.onset_s, row.span.offset_s) for row in file.faults if row.span}
    assert unknown == {
        (1, 0.0, 0.4), (4, 0.5, 0.9), (7, 0.5, 0.9), (5, 0.0, math.inf), (9, 0.2, 0.3), (9, -0.1, 0.05)
    }  # fmt: skip
    assert [(row.au, row.onset_s, row.offset_s) for row in file.events] == [
        (10, 0.0, 0.3), (10, 0.2, 0.4), (2, 0.5, 0.9), (9, 0.7, None)
    ]  # fmt: skip
    assert [row.where for row in file.faults if "overlaps" in row.problem] == ["annotation a12 in tier AU10"]


def test_what_was_looked_at_is_a_tier_or_a_value_or_everything(tmp_path) -> None:
    fake = (
        FakeElan()
        .tier("AU12", (100, 200, ""))
        .tier("Coded  part@anna", (0, 5000, "AU12"), (6000, 7000, ""))
        .tier("phases", (0, 300, "coded part"), (300, None, "coded part"))
    )
    assert reading(tmp_path, fake).coded == ()
    file = reading(tmp_path, fake, "coded part")
    assert file.coded == (
        Span(CLIP, "anna", 0.0, 5.0, frozenset({12})), Span(CLIP, "anna", 6.0, 7.0), Span(CLIP, "", 0.0, 0.3)
    )  # fmt: skip
    assert [row.where for row in file.faults] == ["annotation a5 in tier phases"]
    assert reading(tmp_path, fake, EVERYTHING).coded == (Span(CLIP, "", 0.0, math.inf),)


def test_media_offsets_units_and_other_videos(tmp_path) -> None:
    media = [
        {"MEDIA_URL": "file:///C:/My%20Videos/clip.wav", "MIME_TYPE": "audio/x-wav"},
        {"MEDIA_URL": "", "RELATIVE_MEDIA_URL": "./face 100%.mp4", "MIME_TYPE": "unknown", "TIME_ORIGIN": "2000"},
        {"MEDIA_URL": "file:///home/anna/side.mpg", "MIME_TYPE": "video/mpeg"},
    ]
    file = reading(tmp_path, FakeElan(media, "PAL-frames").tier("AU1", (25, 50, "")))
    (event,) = file.events
    assert (event.media, event.onset_s, event.offset_s) == ("face 100%.mp4", 3.0, 4.0)
    assert any("/home/anna/side.mpg" in note for note in file.notes) and any("2 s" in note for note in file.notes)
    nameless = reading(tmp_path, FakeElan([]).tier("AU1", (0, 100, "")))
    assert nameless.events[0].media == "clip" and any("names no video" in note for note in nameless.notes)


def test_two_annotators_in_one_file_are_told(tmp_path) -> None:
    file = reading(tmp_path, FakeElan().tier("AU1", ANNOTATOR="kim").tier("AU2", ANNOTATOR="lou"))
    assert any("kim, lou" in note for note in file.notes)


def test_files_that_pympi_writes_are_read(tmp_path) -> None:
    theirs = pympi.Elan.Eaf()
    theirs.add_linked_file("file:///data/clip.mp4")
    theirs.add_tier("AU12", part="anna")
    theirs.add_annotation("AU12", 1000, 1500, "C")
    theirs.to_file(tmp_path / "theirs.eaf")
    file = read(tmp_path / "theirs.eaf", Asked())
    assert told(file) == [("anna", 12, 1.0, 1.5, None, 3.0)] and file.events[0].media == "/data/clip.mp4"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("<ANNOTATION_DOCUMENT>", "cannot be read"),
        ("<TRANSCRIPT/>", "begins with 'TRANSCRIPT'"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><ANNOTATION_DOCUMENT>&b;</ANNOTATION_DOCUMENT>', "document type"),
        ('<?xml version="1.0" encoding="klingon"?><ANNOTATION_DOCUMENT/>', "cannot be read"),
        ('<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="fortnights"/></ANNOTATION_DOCUMENT>', "fortnights"),
    ],
)
def test_other_content_is_one_line(tmp_path, text, words) -> None:
    path = tmp_path / "clip.eaf"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read(path, Asked())
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)
    assert not recognises(tmp_path / "not there.eaf") and not recognises(tmp_path)
    with pytest.raises(InputError, match="not there"):
        read(tmp_path / "not there.eaf", Asked())


def test_files_are_known_by_their_content(tmp_path) -> None:
    path = tmp_path / "clip.eaf"
    path.write_text(FakeElan().text().replace("UTF-8", "UTF-16"), encoding="utf-16")
    assert find_format(path).name == "elan"
    assert read(path, Asked()).aus == ()


SAMPLE = (
    FakeElan(vocabulary=("AU1",))
    .tier("AU12", (0, None, "C"), (None, 900, "left"), PARTICIPANT="anna")
    .below("intensity", "AU12", ("a1", "4"))
    .below("face", "intensity", ("a3", "AU6"))
    .tier("coded", (0, 5000, "AU1+AU12"))
    .text()
)


@QUICK
@given(st.integers(0, len(SAMPLE) - 1), st.integers(0, 40), st.text(max_size=6))
def test_damaged_files_are_read_or_one_line(tmp_path, place, length, text) -> None:
    path = tmp_path / "damaged.eaf"
    path.write_text(SAMPLE[:place] + text + SAMPLE[place + length :], encoding="utf-8", errors="replace")
    try:
        read(path, Asked(coded="coded"))
    except InputError as error:
        assert "\n" not in str(error)


def test_what_is_written_is_an_elan_file(tmp_path) -> None:
    events = (
        Event("v/clip.mp4", "anna", 12, 0.1, 0.5, "left", 3.0, face=1, apex_s=0.3, cut="start"),
        Event("v/clip.mp4", "anna", 12, 0.2, 0.4, "right", 2.37, face=1, cut="both"),
        Event("v/clip.mp4", "", 6, 1.0, None),
    )
    file = EventFile(tmp_path, "events", (6, 7, 12), events, (Span("v/clip.mp4", "anna", 0.0, math.inf, face=1),))
    path = tmp_path / "out.eaf"
    write(path, replace(file, recordings=(Recording("v/clip.mp4", 25.0, 3.0),), notes=("shorter than .1 s left out",)))
    root = ElementTree.parse(path).getroot()
    assert root.get("VERSION") == root.get("FORMAT") == "3.0"
    order = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "LOCALE", "LANGUAGE", "CONSTRAINT"]
    places = [order.index(child.tag) for child in root]
    assert places == sorted(places)
    slots = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")}
    assert list(slots.values()) == sorted(slots.values())
    for tier in root.iter("TIER"):
        ends = [tuple(slots[row.get(f"TIME_SLOT_REF{n}")] for n in (1, 2)) for row in tier.iter("ALIGNABLE_ANNOTATION")]
        assert all(start < end for start, end in ends)
        assert all(before[1] <= after[0] for before, after in pairwise(ends))
    assert (media := root.find("HEADER/MEDIA_DESCRIPTOR")).get("MEDIA_URL") == "v/clip.mp4"
    assert media.get("RELATIVE_MEDIA_URL") == "./clip.mp4" and media.get("MIME_TYPE") == "video/mp4"
    assert any(entry.text == "shorter than .1 s left out" for entry in root.iter("PROPERTY"))
    theirs = pympi.Elan.Eaf(str(path))
    assert list(theirs.tiers) == ["coded face 1@anna", "AU6", "AU7", "AU12 face 1@anna", "AU12 face 1 (2)@anna"]
    assert theirs.get_annotation_data_for_tier("AU12 face 1@anna") == [
        (100, 500, "C, left, cut at start, apex 0.300 s")
    ]
    assert theirs.get_annotation_data_for_tier("coded face 1@anna") == [(0, 3000, "until the video's end")]
    assert theirs.tiers["AU12 face 1@anna"][2]["PARTICIPANT"] == "anna"


def test_one_file_holds_one_video(tmp_path) -> None:
    file = EventFile(tmp_path, "events", (1,), (Event("a.mp4", "", 1, 0.0, 1.0), Event("b.mp4", "", 1, 0.0, 1.0)))
    with pytest.raises(InputError, match="2 videos"):
        write(tmp_path / "out.eaf", file)
    assert not (tmp_path / "out.eaf").exists()


SECONDS = st.integers(0, 100_000).map(lambda ms: ms / 1000)
SUBJECTS = st.sampled_from(["", "anna", "ben & co <1>", "x@y (2)", "face 1"])
FACES = st.none() | st.integers(0, 3)


@st.composite
def some_events(draw: st.DrawFn) -> Event:
    onset, length = draw(SECONDS), draw(st.integers(2, 5000)) / 1000
    offset = draw(st.just(None) | st.just(round(onset + length, 3)))
    apex = None if offset is None else draw(st.just(None) | st.just(onset))
    level = draw(st.none() | st.integers(1, 5).map(float) | st.floats(0.01, 4.99))
    side = draw(st.sampled_from([None, "left", "right", "both"]))
    cut = draw(st.sampled_from(["", "start", "end", "both"]))
    au = draw(st.sampled_from([1, 2, 12]))
    return Event("v.mp4", draw(SUBJECTS), au, onset, offset, side, level, "", draw(FACES), apex, cut)


SPANS = st.builds(
    lambda subject, onset, length, aus, face: Span("v.mp4", subject, onset, round(onset + length, 3), aus, face),
    SUBJECTS,
    SECONDS,
    st.sampled_from([0.04, 12.5, math.inf]),
    st.sampled_from([None, frozenset({1}), frozenset({2, 12})]),
    FACES,
)


@QUICK
@given(
    st.lists(some_events(), max_size=6), st.lists(SPANS, max_size=4), SPANS, st.sampled_from(["media", "first-frame"])
)
def test_events_come_back_as_they_were(tmp_path, events, spans, unknown, clock) -> None:
    fault = Fault("its row was damaged", "row 3", unknown)
    file = EventFile(tmp_path, "events", (1, 2, 12, 20), tuple(events), tuple(spans), (fault,), clock=clock)
    write(tmp_path / "out.eaf", file)
    back = read(tmp_path / "out.eaf", Asked())
    key = repr
    assert sorted((replace(row, where="") for row in back.events), key=key) == sorted(events, key=key)
    assert sorted(back.coded, key=key) == sorted(spans, key=key)
    found = [row for row in back.faults if "overlaps" not in row.problem]
    assert [(row.problem, row.span) for row in found] == [(fault.problem, unknown)]
    assert (back.aus, back.clock, back.unmapped) == (file.aus, clock, {})
