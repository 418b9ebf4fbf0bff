"""BORIS projects and exports become events, stretches looked at and faults; what we write is read the same again."""

import copy
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import made_boris as fake
from sparsefacs.errors import InputError
from sparsefacs.events.formats import boris, boris_tables
from sparsefacs.events.model import EVERYTHING, Asked, Event, EventFile, Fault, Recording, Span
from sparsefacs.events.names import Meaning, Names

ANYTHING = Asked()
ALL = Asked(coded=EVERYTHING)
TWELVE = frozenset({12})
WINDOWS = "C:\\Videos\\P 01\\a.mp4"


def read(folder: Path, content: Any, asked: Asked = ANYTHING, name: str = "p.boris") -> EventFile:
    return boris.read(fake.save(folder / name, content), asked)


def one(events: Any, **more: Any) -> dict[str, Any]:
    return fake.project({"first": fake.observation(events, **more)})


def brief(file: EventFile) -> list[tuple[Any, ...]]:
    events = sorted(file.events, key=lambda event: (event.media, event.onset_s))
    return [(e.media, e.subject, e.au, e.onset_s, e.offset_s, e.side, e.intensity) for e in events]


SMILE = [[1.0, "Anna", "AU12", "left|B", "", 25], [3.0, "Anna", "AU12", "left|B", "", 75]]
POINT = [[2.0, "", "AU1", "", "", "NA"]]


@pytest.mark.parametrize(
    ("lines", "version"),
    [
        ([[1.0, "Anna", "AU12", "left|B"], [2.0, "", "AU1"], [3.0, "Anna", "AU12", "left|B"]], "4.0"),
        ([[1.0, "Anna", "AU12", "left|B", ""], [2.0, "", "AU1", "", ""], [3.0, "Anna", "AU12", "left|B", ""]], "7.0"),
        ([SMILE[0], POINT[0], SMILE[1]], "8.6"),
        ([["1.0", "Anna", "AU12", "left|B", None, 25, "x"], ["3,0", "Anna", "AU12", "left|B", ""], POINT[0]], None),
    ],
)
@pytest.mark.parametrize("name", ["p.boris", "p.boris.gz"])
def test_lines_of_all_lengths_and_versions_are_events(
    tmp_path: Path, lines: Any, version: str | None, name: str
) -> None:
    file = read(tmp_path, fake.project({"first": fake.observation(lines)}, version=version), name=name)
    assert brief(file) == [("a.mp4", "Anna", 12, 1.0, 3.0, "left", 2.0), ("a.mp4", "", 1, 2.0, None, None, None)]
    assert (file.what, file.aus, file.coded, file.faults) == ("BORIS project", (1, 12), (), ())
    assert file.recordings == (Recording("a.mp4", 25.0, 10.0),)
    assert boris.recognises(tmp_path / name)


def test_the_list_of_behaviours_says_which_aus_were_coded_and_what_lasts(tmp_path: Path) -> None:
    kinds = {"AU 4": "State event with coding map", "L12": "Point event with coding map", "smiles": "State event"}
    content = one([[1, "", "AU 4", ""], [2, "", "L12", ""], [4, "", "AU 4", ""], [5, "", "smiles", ""]])
    content["behaviors_conf"] = fake.behaviours(kinds)
    file = read(tmp_path, content)
    assert brief(file) == [("a.mp4", "", 4, 1.0, 4.0, None, None), ("a.mp4", "", 12, 2.0, None, "left", None)]
    assert file.aus == (4, 12)
    assert file.unmapped == {"smiles": 1}
    named = read(tmp_path, content, Asked(Names({"smiles": (Meaning(12),)})))
    assert named.faults[0].where == "event 4 of observation 'first'"  # smiles never stops
    assert read(tmp_path, content, Asked(Names({"smiles": ()}))).unmapped == {}


def test_a_queue_of_videos_is_taken_apart(tmp_path: Path) -> None:
    media = {"1": ["a.mp4", WINDOWS, "c.mp4"], "2": ["side.mp4"]}
    lengths = {"a.mp4": 4.0, WINDOWS: 2.5, "c.mp4": 9.0, "side.mp4": 15.5}
    lines = [
        [103.0, "", "AU12", "A"], [108.0, "", "AU12", "A"],
        [104.0, "", "AU1", ""], [106.5, "", "AU1", ""], [120.0, "", "AU1", ""],
        [104.0, "", "AU12", "C"], [106.5, "", "AU12", "C"],
    ]  # fmt: skip
    file = read(tmp_path, one(lines, players=media, lengths=lengths, offset=100, interval=(2, 5)))
    assert {(e.media, e.au, e.onset_s, e.offset_s, e.intensity, e.cut) for e in file.events} == {
        (WINDOWS, 1, 0.0, None, None, ""),
        ("c.mp4", 1, 0.0, None, None, ""),
        ("c.mp4", 1, 13.5, None, None, ""),
        ("a.mp4", 12, 3.0, 4.0, 1, "end"),
        (WINDOWS, 12, 0.0, 2.5, 1, "both"),
        ("c.mp4", 12, 0.0, 1.5, 1, "start"),
    }
    assert file.coded == (Span("a.mp4", "", 2.0, 4.0), Span(WINDOWS, "", 0.0, 1.0))
    assert [recording.name for recording in file.recordings] == media["1"]
    assert "several videos at once" in file.notes[0]
    assert ["overlaps" in fault.problem for fault in file.faults] == [True]
    assert file.faults[0].span == Span(WINDOWS, "", 0.0, 2.5, TWELVE)


def test_times_in_a_queue_of_unknown_lengths_are_not_guessed(tmp_path: Path) -> None:
    content = one([[1, "", "AU12", ""], [2, "", "AU12", ""]], players={"1": ["a.mp4", "b.mp4"]}, lengths={})
    file = read(tmp_path, content, ALL)
    assert not file.events
    assert [fault.span for fault in file.faults] == [
        Span(name, "", 0.0, math.inf, frozenset({12})) for name in ("a.mp4", "b.mp4")
    ]


def test_times_may_count_from_when_each_video_was_made(tmp_path: Path) -> None:
    content = one(
        [[1001.0, "", "AU1", ""], [5006.0, "", "AU1", ""]],
        players={"1": ["a.mp4", "b.mp4"]},
        lengths={"a.mp4": 5.0, "b.mp4": 5.0},
        media_creation_date_as_offset=True,
    )
    seen = content["observations"]["first"]
    seen["media_info"]["media_creation_time"] = {"a.mp4": 1000, "b.mp4": 5000}
    assert [(e.media, e.onset_s) for e in read(tmp_path, content).events] == [("a.mp4", 1.0), ("b.mp4", 1.0)]
    del seen["media_info"]["media_creation_time"]
    with pytest.raises(InputError, match=r"a\.mp4 was made"):
        read(tmp_path, content)


def test_sound_in_the_first_player_leaves_the_videos_to_the_second(tmp_path: Path) -> None:
    content = one(SMILE, players={"1": ["a.wav"], "2": ["b.mp4"]}, interval=(2, 0))
    info = content["observations"]["first"]["media_info"]
    info["hasVideo"]["a.wav"], info["offset"]["2"] = False, 0.5
    file = read(tmp_path, content)
    assert brief(file) == [("b.mp4", "Anna", 12, 0.5, 2.5, "left", 2.0)]
    assert file.coded == (Span("b.mp4", "", 1.5, math.inf),)


@pytest.mark.parametrize(
    ("asked", "interval", "coded"),
    [
        (ANYTHING, (0, 0), ()),
        (ANYTHING, None, ()),
        (ANYTHING, (1.5, 8), (Span("a.mp4", "", 1.5, 8.0),)),
        (ANYTHING, (1.5, 0), (Span("a.mp4", "", 1.5, math.inf),)),
        (ALL, (0, 0), (Span("a.mp4", "", 0.0, math.inf),)),
        (
            Asked(coded="Seen"),
            (1.5, 8),
            (Span("a.mp4", "Anna", 0.0, 4.0), Span("a.mp4", "", 5.0, 9.0, TWELVE)),
        ),
        (Asked(coded="seeen"), (1.5, 8), ()),
    ],
)
def test_what_was_looked_at_is_said_by_interval_behaviour_or_user(
    tmp_path: Path, asked: Asked, interval: Any, coded: Any
) -> None:
    seen = [[0, "Anna", "seen", ""], [4, "Anna", "seen", ""], [5, "", "seen", "AU12"], [9, "", "seen", "AU12"]]
    file = read(tmp_path, one([*SMILE, *seen], interval=interval), asked)
    assert file.coded == coded
    assert not file.faults
    assert ("seeen" in " ".join(file.notes)) == (asked.coded == "seeen")
    assert file.unmapped == ({} if asked.coded == "Seen" else {"seen": 2})


def test_doubtful_stretches_of_what_was_looked_at_do_not_count(tmp_path: Path) -> None:
    lines = [[1, "", "seen", "grin"], [2, "", "seen", "grin"], [3, "", "seen", ""], [-2, "", "seen", "AU1"]]
    file = read(tmp_path, one([*lines, [4, "", "seen", "AU1"]], interval=(5, 2)), Asked(coded="seen"))
    assert (file.coded, len(file.faults)) == ((), 4)
    assert {fault.span for fault in file.faults} == {None}


@pytest.mark.parametrize(
    ("lines", "spans", "words"),
    [
        ([[1, "", "AU12", ""]], [(1.0, math.inf)], "never stops"),
        ([[1, "", "AU12", "A"], [2, "", "AU12", "B"]], [(1.0, math.inf), (2.0, math.inf)], "never stops"),
        ([[-1, "", "AU12", ""], [2, "", "AU12", ""]], [(0.0, 2.0)], "before its video"),
        ([[-2, "", "AU12", ""], [-1, "", "AU12", ""]], [None], "before its video"),
        (
            [[t, "", "AU12", letter] for t, letter in ((1, "A"), (3, "A"), (2, "B"), (4, "B"))],
            [(2.0, 3.0)],
            "overlaps",
        ),
        ([[1, "", "AU12", "0"], [2, "", "AU12", "0"]], [(1.0, 2.0)], "intensity 0"),
        ([["?", "", "AU12", ""]], [(0.0, math.inf)], "no time"),
        ([[math.nan, "", "AU12", ""]], [(0.0, math.inf)], "no time"),
        ([[1, "", "AU 12", ""], [2, "", "AU 12", ""]], [(0.0, math.inf)], "not in the list"),
    ],
)
def test_labels_are_unknown_where_an_interval_is_doubtful(tmp_path: Path, lines: Any, spans: Any, words: str) -> None:
    file = read(tmp_path, one(lines), ALL)
    assert [fault.span for fault in file.faults] == [span and Span("a.mp4", "", *span, TWELVE) for span in spans]
    assert all(words in fault.problem and fault.where.startswith("event ") for fault in file.faults)


@pytest.mark.parametrize("line", [None, 3, [], [1, ""], [1, None, "AU12"], [1, "", 12], {"time": 1}])
def test_a_line_that_is_none_leaves_all_labels_unknown(tmp_path: Path, line: Any) -> None:
    content = one(SMILE)
    content["observations"]["first"]["events"].insert(0, line)
    file = read(tmp_path, content, ALL)
    assert (len(file.events), file.faults[0].span) == (1, Span("a.mp4", "", 0.0, math.inf))


@pytest.mark.parametrize(("kind", "words"), [("LIVE", "live"), ("IMAGES", "pictures"), ("MEDIA", "no video")])
def test_observations_without_a_video_are_told(tmp_path: Path, kind: str, words: str) -> None:
    file = read(tmp_path, one(SMILE, kind=kind, players={}), ALL)
    assert (file.events, file.coded, len(file.faults)) == ((), (), 1)
    assert words in file.faults[0].problem
    assert file.aus == (1, 12)


@pytest.mark.parametrize(
    ("modifiers", "side", "intensity", "unread"),
    [
        ("", None, None, []), ("None", None, None, []), ("None|None", None, None, []),
        ("A", None, 1.0, []), ("E", None, 5.0, []), ("left|B", "left", 2.0, []), ("right (r)|None", "right", None, []),
        ("left,right|D", "both", 4.0, []), ("None|3", None, 3.0, []), ("None|3,5", None, 3.5, []),
        ("3 mm", None, None, ["3 mm"]), ("left|happy|C", "left", 3.0, ["happy"]), ("A|C", None, None, []),
    ],
)  # fmt: skip
def test_modifiers_give_side_and_intensity(
    tmp_path: Path, modifiers: str, side: Any, intensity: Any, unread: list[str]
) -> None:
    file = read(tmp_path, one([[1, "", "AU12", modifiers], [2, "", "AU12", modifiers]]))
    assert brief(file) == [("a.mp4", "", 12, 1.0, 2.0, side, intensity)]
    assert [word in " ".join(file.notes) for word in unread] == [True] * len(unread)
    assert len(file.faults) == (modifiers == "A|C")


def test_b_is_both_sides_among_sides(tmp_path: Path) -> None:
    content = one([[1, "", "AU12", "B"], [2, "", "AU12", "B"]])
    content["behaviors_conf"] = fake.behaviours(sets={"0": {"name": "", "type": 0, "values": ["L (l)", "R", "B"]}})
    assert brief(read(tmp_path, content)) == [("a.mp4", "", 12, 1.0, 2.0, "both", None)]
    content["behaviors_conf"] = fake.behaviours(sets="A,B,C")
    assert brief(read(tmp_path, content)) == [("a.mp4", "", 12, 1.0, 2.0, None, 2.0)]


def test_names_and_modifiers_that_contradict_tell_nothing(tmp_path: Path) -> None:
    content = one([[1, "", "L12C", "right|C"], [2, "", "L12C", "right|C"]])
    content["behaviors_conf"] = fake.behaviours({"L12C": "State event"})
    file = read(tmp_path, content)
    assert brief(file) == [("a.mp4", "", 12, 1.0, 2.0, None, 3.0)]
    assert "L12C has the side right" in file.faults[0].problem


def test_only_the_subject_asked_for_is_read(tmp_path: Path) -> None:
    others = [[1, "No focal subject", "AU1", ""], [2, "Bea", "AU1", ""], [3, "face 2", "AU1", ""]]
    content = one([*SMILE, *others])
    assert [e.subject for e in read(tmp_path, content, Asked(subject="anna ")).events] == ["Anna"]
    assert [(e.subject, e.face, e.onset_s) for e in read(tmp_path, content, Asked(subject="Face 2")).events] == [
        ("", 2, 3)
    ]
    assert [e.onset_s for e in read(tmp_path, content, Asked(subject="")).events] == [1.0]
    assert "no subject 'Zoe'; subjects in it: Anna, Bea, face 2, no focal subject" in (
        read(tmp_path, content, Asked(subject="Zoe")).notes
    )


def test_two_coders_of_one_video_are_not_mixed(tmp_path: Path) -> None:
    content = fake.project({
        "ann": fake.observation(SMILE, interval=(0, 5)),
        "bob": fake.observation([*POINT, *SMILE], interval=(2, 8)),
    })  # fmt: skip
    file = read(tmp_path, content)
    assert [fault.span for fault in file.faults] == [Span("a.mp4", "Anna", 2.0, 5.0, TWELVE)]
    assert "observation 'ann'" in file.faults[0].problem
    content["observations"]["bob"]["observation time interval"] = [5, 8]
    assert not read(tmp_path, content).faults


def test_windows_own_encoding_and_marks_are_read(tmp_path: Path) -> None:
    content = one([[1, "Jürgen", "AU1", ""]])
    for path in (
        fake.save(tmp_path / "a.boris", content, encoding="cp1252"),
        fake.save(tmp_path / "b.boris", content, before=b"\xef\xbb\xbf"),
        fake.save(tmp_path / "c.boris", content, encoding="utf-16"),
    ):
        assert [event.subject for event in boris.read(path, ANYTHING).events] == ["Jürgen"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"nonsense", b"[1]", b"{}", b'{"observations": {}}', b'{"observations": [], "behaviors_conf": {}}',
        b'{"observations": {"a": 3}, "behaviors_conf": {}}', b'{"observations": {"a": {}}, "behaviors_conf": {}}',
        b'{"observations": {}, "behaviors_conf": {"0": {"code": "AU1"}}}', b"[" * 100_000, b"9" * 5000, b"\xff\xfe\0",
        b"\x1f\x8bnonsense", b'{"observations": {"a": {"events": []}}, "behaviors_conf": {}}',
        b'{"observations": {"a": {"events": [], "file": {"1": [3]}}}, "behaviors_conf": {}}',
        b'{"observations": {"a": {"events": [], "file": {"1": ["a"]}, "time offset": "x"}}, "behaviors_conf": {}}',
        b'{"observations": {"a": {"events": [], "file": {"1": ["a"]}, "observation time interval": 3}},'
        b' "behaviors_conf": {}}',
    ],
)  # fmt: skip
def test_what_is_no_project_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.boris"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        boris.read(path, ANYTHING)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_or_missing_file_is_told(tmp_path: Path) -> None:
    path = fake.save(tmp_path / "p.boris.gz", one(SMILE))
    path.write_bytes(path.read_bytes()[:-20])
    for damaged in (path, tmp_path / "none.boris", tmp_path):
        with pytest.raises(InputError):
            boris.read(damaged, ANYTHING)


# --- exports

LINES = [
    [0.5, "", "seen", "", "", 12], [1.0, "Anna", "AU12", "left|B", "", 25], [2.0, "", "AU1", "", "raised", "NA"],
    [3.0, "Anna", "AU12", "left|B", "", 75], [3.5, "Anna", "talks", "", "", 80], [4.0, "Anna", "talks", "", "", 90],
    [5.0, "Anna", "AU12", "right|None", "", 12], [5.25, "Anna", "AU12", "right|None", "", 12],
    [9.5, "", "seen", "", "", 9],
]  # fmt: skip
WAYS: list[tuple[str, dict[str, Any]]] = [
    ("x.csv", {}),
    ("x.tsv", {"separator": "\t", "before": "\ufeff"}),
    ("x.csv", {"separator": ";", "comma": True}),
    ("x.xlsx", {}),
]


@pytest.mark.parametrize(("name", "way"), WAYS)
@pytest.mark.parametrize("version", [7, 8, 9])
@pytest.mark.parametrize("kind", ["exported", "aggregated"])
def test_exports_hold_the_events_of_their_project(
    tmp_path: Path, kind: str, version: int, name: str, way: dict[str, Any]
) -> None:
    content = one(LINES, players={"1": [WINDOWS]})
    path = fake.save_table(tmp_path / name, getattr(fake, kind)(content, version=version), **way)
    asked = Asked(coded="seen")
    file, source = boris_tables.read(path, asked), read(tmp_path, content, asked)
    assert sorted(brief(file), key=str) == sorted(brief(source), key=str)
    assert len(file.events) == 3
    assert (file.coded, file.faults, file.aus, dict(file.unmapped)) == (source.coded, (), (1, 12), {"talks": 1})
    assert all(event.where.startswith("row ") for event in file.events)
    assert boris_tables.recognises(path)
    assert (file.recordings[0].name, file.recordings[0].fps) == (WINDOWS, 25.0)
    assert boris_tables.read(path, ANYTHING).coded == ()
    assert boris_tables.read(path, ALL).coded == (Span(WINDOWS, "", 0.0, math.inf),)


@pytest.mark.parametrize(("kind", "version"), [("exported", 7), ("exported", 9), ("aggregated", 9)])
def test_exports_tell_the_time_offset(tmp_path: Path, kind: str, version: int) -> None:
    lines = [[time + 100, *more] for time, *more in LINES]
    path = fake.save_table(tmp_path / "x.csv", getattr(fake, kind)(one(lines, offset=100.0), version=version))
    assert {(e.media, e.onset_s) for e in boris_tables.read(path, ANYTHING).events} == {
        ("a.mp4", 1.0), ("a.mp4", 2.0), ("a.mp4", 5.0),
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "version"), [("exported", 8), ("exported", 9), ("aggregated", 8), ("aggregated", 9)])
def test_exports_take_a_queue_apart(tmp_path: Path, kind: str, version: int) -> None:
    content = one(
        LINES, players={"1": ["a.mp4", "b.mp4"], "2": ["c.mp4"]}, lengths={"a.mp4": 2.5, "b.mp4": 7.5, "c.mp4": 10.0}
    )
    path = fake.save_table(tmp_path / "x.tsv", getattr(fake, kind)(content, version=version), separator="\t")
    file = boris_tables.read(path, Asked(coded="seen"))
    assert sorted((e.media, e.onset_s, e.offset_s, e.cut) for e in file.events if e.au == 12) == [
        ("a.mp4", 1.0, 2.5, "end"), ("b.mp4", 0.0, 0.5, "start"), ("b.mp4", 2.5, 2.75, ""),
    ]  # fmt: skip
    assert file.coded == (Span("a.mp4", "", 0.5, 2.5), Span("b.mp4", "", 0.0, 7.0))
    assert file.recordings == (Recording("a.mp4", 25.0, 2.5), Recording("b.mp4", 25.0, 7.5))


def test_version_7_does_not_tell_where_a_queued_video_starts(tmp_path: Path) -> None:
    content = one(LINES, players={"1": ["a.mp4", "b.mp4"]}, lengths={"a.mp4": 4.5, "b.mp4": 5.5})
    path = fake.save_table(tmp_path / "x.csv", fake.exported(content, version=7))
    file = boris_tables.read(path, ANYTHING)
    assert {event.media for event in file.events} == {"a.mp4"}
    lost = [fault for fault in file.faults if "how long the videos before it are" in fault.problem]
    assert {fault.span for fault in lost} == {Span("b.mp4", "Anna", 0.0, math.inf, TWELVE)}


HEAD = ["Time", "Subject", "Behavior", "Modifier #1", "Behavior type"]


@pytest.mark.parametrize(
    ("rows", "spans", "count"),
    [
        ([(1, "START"), (2, "STOP"), (3, "START"), (4, "STOP")], [], 2),
        ([(3, "START"), (1, "START"), (4, "STOP"), (2, "STOP")], [], 2),
        ([(1, "START"), (2, "START"), (3, "STOP")], [(1.0, 3.0)], 0),
        ([(1, "START"), (2, "STOP"), (3, "STOP")], [(2.0, 3.0)], 1),
        ([(5, "START"), (3, "STOP")], [(3.0, 5.0)], 0),
        ([(5, "START")], [(5.0, math.inf)], 0),
        ([(5, "BEGIN"), (7, "POINT")], [(0.0, math.inf)], 1),
        ([("NA", "POINT")], [(0.0, math.inf)], 0),
    ],
)
def test_start_and_stop_must_take_turns(tmp_path: Path, rows: Any, spans: Any, count: int) -> None:
    path = fake.save_table(tmp_path / "P01.csv", [HEAD, *([str(t), "", "AU12", "B", kind] for t, kind in rows)])
    file = boris_tables.read(path, ALL)
    assert [fault.span for fault in file.faults] == [Span("P01", "", *span, TWELVE) for span in spans]
    assert all(fault.where.startswith("row ") for fault in file.faults)
    assert len(file.events) == count
    assert file.coded == (Span("P01", "", 0.0, math.inf),)


@pytest.mark.parametrize(
    ("cells", "span"),
    [
        (("3", "1"), (1.0, 3.0)),
        (("3", "NA"), (3.0, math.inf)),
        (("", "4"), (0.0, math.inf)),
        (("-1", "4"), (0.0, 4.0)),
    ],
)
def test_aggregated_intervals_may_be_doubtful(
    tmp_path: Path, cells: tuple[str, str], span: tuple[float, float]
) -> None:
    head = ["Media file", "Subject", "Behavior", "Behavior type", "Start (s)", "Stop (s)"]
    path = fake.save_table(tmp_path / "x.csv", [head, ["a.mp4", "No focal subject", "AU12", "STATE", *cells]])
    file = boris_tables.read(path, ALL)
    assert [(fault.where, fault.span) for fault in file.faults] == [("row 2", Span("a.mp4", "", *span, TWELVE))]
    assert not file.events


def test_exports_of_live_observations_name_no_video(tmp_path: Path) -> None:
    head = ["Observation id", "Observation type", "Source", "Subject", "Behavior", "Behavior type", "Time"]
    rows = [["x", "Live observation", "NA", "", "AU12", "POINT", str(time)] for time in range(3)]
    file = boris_tables.read(fake.save_table(tmp_path / "x.csv", [head, *rows]), ALL)
    assert (file.events, file.coded, len(file.faults)) == ((), (), 1)


def test_other_tables_are_not_taken_for_exports(tmp_path: Path) -> None:
    observer = ["Observation", "Subject", "Behavior", "Modifier_1", "Event_Type", "Time_Relative_sf", "Duration_sf"]
    for head in (observer, ["frame", "AU12_r"], ["onset", "duration", "trial_type"], ["Behavior"]):
        assert not boris_tables.recognises(fake.save_table(tmp_path / "x.csv", [head, ["1"] * len(head)]))
    (tmp_path / "x.xlsx").write_bytes(b"PK nonsense")
    assert not boris_tables.recognises(tmp_path / "x.xlsx")


# --- what we write

EVENTS = (
    Event("a.mp4", "Anna", 12, 1.0, 2.5, "left", 2.0, face=3, apex_s=1.5, cut="start"),
    Event("a.mp4", "Anna", 12, 2.5, 3.0, "left", 2.0),
    Event("a.mp4", "", 12, 0.2, 2.0, None, 3.25, face=0, apex_s=1.0),
    Event("a.mp4", "", 12, 0.3, 0.301, None, None, face=1, cut="both"),
    Event(WINDOWS, "", 1, 4.0, None, "both", None, cut="end"),
)
SPANS = (
    Span("a.mp4", "", 0.0, 10.0),
    Span("a.mp4", "Anna", 0.0, math.inf, frozenset({1, 12})),
    Span("empty.mp4", "", 0.0, math.inf),
)
FILE = EventFile(
    Path("codes"), "codes", (1, 6, 12), EVENTS, SPANS,
    (Fault("lost", "row 3", Span(WINDOWS, "", 1.0, math.inf, frozenset({1}))),),
    recordings=(Recording("a.mp4", 29.97, 10.0), Recording("empty.mp4", 25.0, 4.0), Recording(WINDOWS)),
)  # fmt: skip


def same(file: EventFile, other: EventFile) -> None:
    def kept(events: Any) -> list[Event]:
        return sorted((replace(event, where="") for event in events), key=repr)

    assert kept(file.events) == kept(other.events)
    assert set(file.coded) == set(other.coded)
    assert (file.aus, file.clock) == (other.aus, other.clock)
    assert set(file.recordings) == set(other.recordings)
    assert [(fault.problem, fault.span) for fault in file.faults] == [(f.problem, f.span) for f in other.faults]


@pytest.mark.parametrize("name", ["out.boris", "out.boris.gz"])
@pytest.mark.parametrize("clock", ["media", "first-frame"])
def test_a_project_of_ours_is_read_the_same(tmp_path: Path, name: str, clock: Any) -> None:
    path = tmp_path / name
    boris.write(path, replace(FILE, clock=clock))
    file = boris.read(path, ANYTHING)
    same(file, replace(FILE, clock=clock))
    assert not file.unmapped
    assert not file.notes
    written = path.read_bytes()
    boris.write(path, replace(file, path=Path("else")))
    assert path.read_bytes() == written


def test_a_project_of_ours_has_all_that_boris_opens(tmp_path: Path) -> None:
    path = tmp_path / "out.boris"
    boris.write(path, FILE)
    told = json.loads(path.read_text(encoding="ascii"))
    assert told["project_format_version"] == "7.0"
    kinds = {one["code"]: one for one in told["behaviors_conf"].values()}
    assert list(kinds) == ["coded", "unknown", "AU1", "AU6", "AU12"]
    assert {one["type"] for one in kinds.values()} == {"State event"}
    assert len({one["key"] for one in kinds.values()}) == len(kinds)
    assert [one["values"] for one in kinds["AU6"]["modifiers"].values()] == [["left", "right", "both"], list("ABCDE")]
    assert {one["name"] for one in told["subjects_conf"].values()} == {"Anna", "face 0", "face 1"}
    for name, seen in told["observations"].items():
        (media,) = [one for queue in seen["file"].values() for one in queue]
        assert name == {"a.mp4": "a.mp4", "empty.mp4": "empty.mp4", WINDOWS: "a.mp4 (2)"}.get(media) or name == WINDOWS
        assert [line[:3] for line in seen["events"]] == sorted(line[:3] for line in seen["events"])
        for line in seen["events"]:
            assert len(line) == 6
            assert line[3].count("|") + 1 == len(kinds[line[2]]["modifiers"])  # BORIS checks that
        assert set(seen["media_info"]["hasVideo"]) == {media}


def test_a_correction_in_boris_counts(tmp_path: Path) -> None:
    """A coder moves an onset behind the peak, changes a letter, adds an event and looks at less."""
    path = tmp_path / "out.boris"
    event = Event("a.mp4", "", 12, 1.0, 2.5, "left", 3.25, apex_s=1.5)
    boris.write(path, replace(FILE, events=(event,), coded=SPANS[:1], faults=(), recordings=FILE.recordings[:1]))
    told = json.loads(path.read_text())
    lines = told["observations"]["a.mp4"]["events"]
    for line in lines:
        if line[2] == "AU12":
            line[3] = "left|D"
        if line[0] == 1.0:
            line[0] = 2.0
        if line[0] == 10.0:
            line[0] = 6.0
    lines += [[3.0, "", "AU6", "None|A", "", 75], [4.0, "", "AU6", "None|A", "", 100]]
    file = boris.read(fake.save(path, told), ANYTHING)
    assert brief(file) == [("a.mp4", "", 12, 2.0, 2.5, "left", 4.0), ("a.mp4", "", 6, 3.0, 4.0, None, 1.0)]
    assert file.events[0].apex_s is None
    assert file.coded == (Span("a.mp4", "", 0.0, 6.0),)


@pytest.mark.parametrize("kind", ["exported", "aggregated"])
@pytest.mark.parametrize("version", [8, 9])
def test_an_export_of_a_project_of_ours_is_known_too(tmp_path: Path, kind: str, version: int) -> None:
    path = tmp_path / "out.boris"
    file = replace(FILE, events=EVENTS[:3], coded=SPANS[:2], faults=(), recordings=FILE.recordings[:1], aus=(12,))
    boris.write(path, file)
    rows = getattr(fake, kind)(json.loads(path.read_text()), version=version)
    again = boris_tables.read(fake.save_table(tmp_path / "x.csv", rows), ANYTHING)
    same(again, replace(file, recordings=again.recordings))


def test_faces_that_overlap_under_one_name_are_refused(tmp_path: Path) -> None:
    two = (Event("a.mp4", "Anna", 12, 1.0, 2.0, face=0), Event("a.mp4", "Anna", 12, 1.5, 2.5, face=1))
    with pytest.raises(InputError, match=r"overlap at 1\.5 s"):
        boris.write(tmp_path / "out.boris", replace(FILE, events=two))
    assert not list(tmp_path.iterdir())


@st.composite
def event_files(draw: st.DrawFn) -> EventFile:
    """Files whose events of one person and AU follow each other, at full milliseconds."""
    events = []
    for media in ("a.mp4", "b/c.mp4"):
        for subject, face in (("", None), ("", 1), ("Bea", None), ("Bea", 7)):
            for au in draw(st.lists(st.sampled_from([1, 6, 12]), unique=True, max_size=2)):
                times = sorted(draw(st.lists(st.integers(0, 9000), unique=True, max_size=6)))
                for begin, end in zip(times[::2], times[1::2], strict=False):
                    side = draw(st.sampled_from([None, "left", "right", "both"]))
                    strength = draw(st.none() | st.integers(1, 5).map(float) | st.floats(1, 5))
                    stop = draw(st.sampled_from([None, end / 1000]))
                    if face == 7 and any(event.subject == "Bea" and event.media == media for event in events):
                        continue
                    events.append(Event(media, subject, au, begin / 1000, stop, side, strength, face=face))
    return EventFile(Path("x"), "codes", (1, 6, 12), tuple(events), (Span("a.mp4", "", 0.0, math.inf),))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=event_files())
def test_all_events_survive_a_project(tmp_path: Path, file: EventFile) -> None:
    boris.write(tmp_path / "x.boris", file)
    again = boris.read(tmp_path / "x.boris", ANYTHING)
    same(again, replace(file, recordings=again.recordings))


# --- nothing but InputError

WRONG = st.sampled_from(
    [None, True, -1, 10**400, 1e308, math.nan, "", "AU12", "x" * 50, [], [1], {}, {"1": ["a"]}, "5:0"]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


FULL = fake.project({
    "one": fake.observation(LINES, players={"1": ["a.mp4", "b.mp4"]}, interval=(1, 8)),
    "two": fake.observation(SMILE, interval=None),
})  # fmt: skip
FULL["observations"]["one"]["media_creation_date_as_offset"] = True
FULL["observations"]["one"]["media_info"]["media_creation_time"] = {"a.mp4": 0, "b.mp4": 0}
PLACES = list(places(FULL))[1:]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.sampled_from(PLACES), WRONG), min_size=1, max_size=4),
    asked=st.sampled_from([ANYTHING, ALL]),
)
def test_a_changed_project_raises_nothing_else(tmp_path: Path, changes: Any, asked: Asked) -> None:
    content = copy.deepcopy(FULL)
    for path, value in changes:
        inner = content
        try:
            for key in path[:-1]:
                inner = inner[key]
            if value is None and isinstance(inner, dict):
                del inner[path[-1]]
            else:
                inner[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue
    try:
        file = read(tmp_path, content, asked)
    except InputError as error:
        assert "p.boris" in str(error)
    else:
        for event in file.events:
            assert event.onset_s >= 0
            assert event.offset_s is None or event.offset_s > event.onset_s


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["exported", "aggregated"]),
    version=st.sampled_from([7, 8, 9]),
    changes=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.text(max_size=8))),
    cut=st.integers(0, 40),
)
def test_a_changed_export_raises_nothing_else(tmp_path: Path, kind: str, version: int, changes: Any, cut: int) -> None:
    rows = getattr(fake, kind)(one(LINES), version=version)
    for line, column, text in changes:
        row = rows[line % len(rows)]
        row[column % len(row)] = text
    path = tmp_path / "x.csv"
    fake.save_table(path, rows)
    path.write_bytes(path.read_bytes()[: -cut or None])
    if boris_tables.recognises(path):
        try:
            boris_tables.read(path, ALL)
        except InputError as error:
            assert "x.csv" in str(error)
