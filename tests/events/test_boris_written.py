"""The BORIS projects that we write are read the same again, in BORIS too."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import made_boris as fake
from made_boris import WINDOWS, brief
from sparsefacs.errors import InputError
from sparsefacs.events.formats import boris, boris_tables
from sparsefacs.events.model import EVERYTHING, Asked, Event, EventFile, Fault, Recording, Span

ANYTHING = Asked()
ALL = Asked(coded=EVERYTHING)
TWELVE = frozenset({12})


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
    assert {one["name"] for one in told["subjects_conf"].values()} == {"Anna (face 3)", "Anna", "face 0", "face 1"}
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


def test_events_of_a_face_that_overlap_are_refused(tmp_path: Path) -> None:
    two = (Event("a.mp4", "Anna", 12, 1.0, 2.0, face=0), Event("a.mp4", "Anna", 12, 1.5, 2.5, face=0))
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
