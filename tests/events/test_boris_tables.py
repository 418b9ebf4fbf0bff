"""BORIS's exports of versions 7 to 9 hold the events of their project."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import made_boris as fake
from made_boris import LINES, WINDOWS, brief, one
from sparsefacs.errors import InputError
from sparsefacs.events.formats import boris, boris_tables
from sparsefacs.events.model import EVERYTHING, Asked, Recording, Span

ANYTHING = Asked()
ALL = Asked(coded=EVERYTHING)
TWELVE = frozenset({12})


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
    file, source = boris_tables.read(path, asked), boris.read(fake.save(tmp_path / "p.boris", content), asked)
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
