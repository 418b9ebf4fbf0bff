"""BORIS projects become events, stretches looked at and faults."""

import copy
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import made_boris as fake
from made_boris import LINES, WINDOWS, brief, one
from sparsefacs.errors import InputError
from sparsefacs.events.formats import boris
from sparsefacs.events.model import EVERYTHING, Asked, EventFile, Recording, Span
from sparsefacs.events.names import Meaning, Names

ANYTHING = Asked()
ALL = Asked(coded=EVERYTHING)
TWELVE = frozenset({12})


def read(folder: Path, content: Any, asked: Asked = ANYTHING, name: str = "p.boris") -> EventFile:
    return boris.read(fake.save(folder / name, content), asked)


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
            [(2.0, 4.0)],
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


def test_subjects_are_told_with_their_faces(tmp_path: Path) -> None:
    others = [[1, "No focal subject", "AU1", ""], [2, "Bea (face 1)", "AU1", ""], [3, "face 2", "AU1", ""]]
    told = [(e.subject, e.face, e.onset_s) for e in read(tmp_path, one([*SMILE, *others])).events if e.au == 1]
    assert told == [("", None, 1), ("Bea", 1, 2), ("", 2, 3)]


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
        json.dumps(content)
    except ValueError:  # a value put into itself, which no file holds
        return
    try:
        file = read(tmp_path, content, asked)
    except InputError as error:
        assert "p.boris" in str(error)
    else:
        for event in file.events:
            assert event.onset_s >= 0
            assert event.offset_s is None or event.offset_s > event.onset_s
