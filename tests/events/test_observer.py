import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fake_observer import Line, odx, save
from sparsefacs.errors import InputError
from sparsefacs.events.formats import find_format, observer, observer_project
from sparsefacs.events.model import EVERYTHING, Asked, EventFile, Recording, Span

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
START, STOP, POINT = "State start", "State stop", "Point"
LINES: list[Line] = [
    ("clip", "anna", "AU12", START, 1.0, 1.5, "C/left"),
    ("clip", "ben", "12 - Lip corner puller", START, 1.2, 0.8, ""),
    ("clip", "ben", "12 - Lip corner puller", STOP, 2.0, None, ""),
    ("clip", "anna", "AU12", STOP, 2.5, None, "C/left"),
    ("clip", "No focal subject", "AU45", POINT, 2.75, 0.0, ""),
    ("clip 2", "anna", "looks away", POINT, 3.0, 0.0, ""),
]
READ = [
    ("clip", "anna", 12, 1.0, 2.5, "left", 3.0),
    ("clip", "ben", 12, 1.2, 2.0, None, None),
    ("clip", "", 45, 2.75, None, None, None),
]


def reading(tmp_path: Path, *lines: Line, coded: str | None = None) -> EventFile:
    return observer.read(save(tmp_path / "export.csv", lines), Asked(coded=coded))


def told(file: EventFile) -> list[tuple]:
    return [(one.media, one.subject, one.au, one.onset_s, one.offset_s, one.side, one.intensity) for one in file.events]


def unknown(file: EventFile) -> list[tuple]:
    spans = [fault.span for fault in file.faults if fault.span]
    return [(min(span.aus), round(span.onset_s, 6), round(span.offset_s, 6)) for span in spans]


@pytest.mark.parametrize(
    ("name", "separator", "encoding"),
    [("a.csv", ",", "utf-8-sig"), ("a.csv", ";", "cp1252"), ("a.txt", "\t", "utf-16"), ("a.xlsx", "", "")],
)
def test_exports_of_every_locale(tmp_path, name, separator, encoding) -> None:
    path = save(tmp_path / name, LINES, separator=separator, encoding=encoding)
    assert observer.recognises(path)
    file = observer.read(path, Asked())
    assert told(file) == READ
    assert (file.aus, file.unmapped, file.coded, file.faults) == ((12, 45), {"looks away": 1}, (), ())
    assert file.recordings == (Recording("clip"), Recording("clip 2"))
    assert [one.where for one in file.events] == ["row 2", "row 3", "row 6"]


def test_the_columns_of_older_versions(tmp_path) -> None:
    path = tmp_path / "old.txt"
    path.write_text(
        "Relative Time (seconds)\tObservation Name\tEvent Log File Name\tSubject\tBehavior\tEvent Type\tComment\n"
        "0.5\tclip\tlog\tanna\tAU1\tState start\t\n0.9\tclip\tlog\tanna\tAU1\tState stop\t\n"
    )
    assert observer.recognises(path)
    assert told(observer.read(path, Asked())) == [("clip", "anna", 1, 0.5, 0.9, None, None)]


def test_clocks_and_whole_seconds(tmp_path) -> None:
    path = tmp_path / "clock.csv"
    path.write_text("Observation;Behavior;Event_Type;Time_Relative_hms;Duration_sf\nclip;AU1;State start;0:01:02;1,5\n")
    file = observer.read(path, Asked())
    assert told(file) == [("clip", "", 1, 62.0, 63.5, None, None)] and any("whole seconds" in one for one in file.notes)


def test_modifiers_tell_side_and_intensity_where_they_can(tmp_path) -> None:
    file = reading(
        tmp_path,
        ("clip", "", "AU1", START, 0.0, 1.0, "4/A"),
        ("clip", "", "AU2", START, 0.0, 1.0, "R/F"),
        ("clip", "", "AU4", START, 0.0, 1.0, "?/C"),
        ("clip", "", "mouth", START, 0.0, 1.0, "AU25/left"),
    )
    assert told(file) == [
        ("clip", "", 1, 0.0, 1.0, None, 4.0),
        ("clip", "", 2, 0.0, 1.0, "right", None),
        ("clip", "", 25, 0.0, 1.0, "left", None),
    ]
    assert unknown(file) == [(4, 0.0, 1.0)] and file.unmapped == {}


def test_rows_that_do_not_pair(tmp_path) -> None:
    file = reading(
        tmp_path,
        ("clip", "", "AU1", START, 1.0, None, ""), ("clip", "", "AU1", START, 3.0, None, ""),
        ("clip", "", "AU1", STOP, 4.0, None, ""), ("clip", "", "AU1", STOP, 6.0, None, ""),
        ("clip", "", "AU1", START, 8.0, None, ""),
        ("clip", "", "AU2", START, 1.0, -0.5, ""), ("clip", "", "AU4", START, -1.0, 1.5, ""),
        ("clip", "", "AU5", START, None, 2.0, ""), ("clip", "", "AU6", "Zustand", 2.0, None, ""),
        ("clip", "", "AU7", START, 1.0, 2.0, ""), ("clip", "", "AU7", STOP, 2.0, None, ""),
        ("clip", "", "AU9", START, 0.0, 3.0, ""), ("clip", "", "AU9", START, 2.0, 3.0, ""),
    )  # fmt: skip
    assert sorted(unknown(file)) == [
        (1, 1.0, 3.0), (1, 4.0, 6.0), (1, 8.0, math.inf), (2, 0.5, 1.0), (4, -1.0, 0.5), (5, 0.0, math.inf),
        (6, 2.0, math.inf), (7, 1.0, 3.0),
    ]  # fmt: skip
    assert [row[2:5] for row in told(file)] == [(9, 0.0, 3.0), (9, 2.0, 5.0), (1, 3.0, 4.0)]
    assert [fault.where for fault in file.faults if "overlaps" in fault.problem] == ["row 14"]


def test_a_stop_and_the_next_start_at_one_time(tmp_path) -> None:
    lines = [
        ("clip", "", "AU1", kind, time, None, "")
        for kind, time in ((START, 1.0), (START, 2.0), (STOP, 2.0), (STOP, 3.0))
    ]
    assert [row[3:5] for row in told(reading(tmp_path, *lines))] == [(1.0, 2.0), (2.0, 3.0)]
    both = [("clip", "", "AU1", kind, 1.0, None, "") for kind in (START, STOP)]
    assert [row[3:5] for row in told(reading(tmp_path, *both))] == [(1.0, None)]


def test_what_was_looked_at(tmp_path) -> None:
    lines: list[Line] = [
        ("clip", "anna", "Coding", START, 0.0, None, ""), ("clip", "anna", "Coding", STOP, 9.0, None, ""),
        ("clip", "ben", "coding", START, 2.0, None, ""), ("clip", "ben", "AU1", POINT, 3.0, None, ""),
    ]  # fmt: skip
    file = reading(tmp_path, *lines, coded="coding")
    assert file.coded == (Span("clip", "anna", 0.0, 9.0),) and file.unmapped == {}
    assert [(fault.where, fault.span) for fault in file.faults] == [("row 4", None)]
    assert reading(tmp_path, *lines, coded=EVERYTHING).coded == (Span("clip", "", 0.0, math.inf),)
    limits: list[Line] = [
        ("clip", "", "", "Start observation", 0.5, None, ""),
        ("clip", "", "", "Stop observation", 8.0, None, ""),
    ]
    assert reading(tmp_path, limits[0], *lines[3:], limits[1]).coded == (Span("clip", "", 0.5, 8.0),)


def test_further_sheets_are_told(tmp_path) -> None:
    from openpyxl import load_workbook

    path = save(tmp_path / "export.xlsx", LINES)
    book = load_workbook(path)
    book.create_sheet("clip 3")
    book.save(path)
    assert any("clip 3" in note for note in observer.read(path, Asked()).notes)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "Behavior,Event_Type\nAU1,Point\n", "\0\0"])
def test_other_tables_are_one_line(tmp_path, text) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    assert not observer.recognises(path)
    with pytest.raises(InputError) as caught:
        observer.read(path, Asked())
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


EVENTS = [
    ("2024-05-01 10:00:01.500000", "1", "anna", "AU12", "Intensity=4"),
    ("2024-05-01 10:00:02.25", "3", "anna", "AU45", "Trial=3"),
    ("2024-05-01 10:00:03.000000", "2", "anna", "AU12", ""),
    ("2024-05-01 10:00:04", "1", "", "coded", ""),
    ("2024-05-01 10:00:09", "2", "", "coded", ""),
]


def test_odx_from_its_own_start(tmp_path) -> None:
    path = tmp_path / "data.odx"
    path.write_text(odx(EVENTS, start="2024-05-01 10:00:00"))
    assert find_format(path).name == "observer-project"
    file = observer_project.read(path, Asked(coded="coded"))
    assert told(file) == [
        ("clip.mp4", "anna", 12, 1.5, 3.0, None, 4.0),
        ("clip.mp4", "anna", 45, 2.25, None, None, None),
    ]
    assert file.coded == (Span("clip.mp4", "", 4.0, 9.0),) and file.aus == (4, 12, 45)
    assert file.events[0].where == "observation clip.mp4, event 1"


def test_odx_without_dates_or_without_a_start(tmp_path) -> None:
    path = tmp_path / "data.odx"
    path.write_text(odx([("1899-12-30 00:00:01.5", "3", "", "AU1", ""), ("never", "1", "", "AU2", "")]))
    file = observer_project.read(path, Asked())
    assert [(row.au, row.onset_s) for row in file.events] == [(1, 1.5)] and unknown(file) == [(2, 0.0, math.inf)]
    path.write_text(odx(EVENTS))
    with pytest.raises(InputError, match="when its observations began"):
        observer_project.read(path, Asked())


@pytest.mark.parametrize("text", ["", "<ODX/>", "<VOS><OBS_OBSERVATION></VOS>", "<!DOCTYPE a><OBS_OBSERVATION/>"])
def test_other_odx_is_one_line(tmp_path, text) -> None:
    path = tmp_path / "data.odx"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        observer_project.read(path, Asked())
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


ODX = odx(EVENTS, start="2024-05-01 10:00:00")


@QUICK
@given(st.data())
def test_damaged_files_are_read_or_one_line(tmp_path, data) -> None:
    path = tmp_path / data.draw(st.sampled_from(["a.csv", "a.odx"]))
    if path.suffix == ".csv":
        text = save(path, LINES, separator=";").read_text()
        module = observer
    else:
        text, module = ODX, observer_project
    place = data.draw(st.integers(0, len(text) - 1))
    mixed = text[:place] + data.draw(st.text(max_size=6)) + text[place + data.draw(st.integers(0, 40)) :]
    path.write_text(mixed, encoding="utf-8", errors="replace")
    try:
        module.read(path, Asked(coded="coded"))
    except InputError as error:
        assert "\n" not in str(error)
