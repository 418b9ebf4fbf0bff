import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparsefacs.errors import InputError
from sparsefacs.events.formats import bids, event_table, find_format
from sparsefacs.events.model import EVERYTHING, Asked, Event, EventFile, Fault, Recording, Span
from sparsefacs.events.names import Names

HEADER = "video,subject,behavior,start,stop\n"
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
both_kinds = pytest.mark.parametrize(("module", "name"), [(event_table, "e.csv"), (bids, "sub-7_task-x_events.tsv")])


def write(folder: Path, text: str, name: str = "mine.csv", encoding: str = "utf-8") -> Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def read(folder: Path, text: str, asked: Asked | None = None) -> EventFile:
    return event_table.read(write(folder, text), asked or Asked())


def core(file: EventFile) -> list[tuple[object, ...]]:
    return [(event.media, event.subject, event.au, event.onset_s, event.offset_s) for event in file.events]


def told(file: EventFile) -> list[str]:
    return [f"{fault.where}: {fault.problem}" for fault in file.faults]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (HEADER + "v.mp4,p1,AU12,1.5,2.25\n", "utf-8"),
        ("\ufeffMedia;Participant;Code;Onset (s);Offset (s)\nv.mp4;p1;12;1,5;2,25\n", "utf-8"),
        ("subject\tau\tonset ms\tduration ms\tfile\np1\tlip corner puller\t1500\t750\tv.mp4\n", "utf-16"),
        ("Coded by Zoë\n\nVideo,Subject,Name,Begin,End\nv.mp4,p1,AU 12,00:00:01.500,00:02.25\n", "cp1252"),
        ('"onset","duration","au","subject","media"\r"1.5","0.75","AU12","p1","v.mp4"\r', "utf-8"),
    ],
    ids=["R", "semicolons", "ms", "title", "old lines"],
)
def test_a_users_own_table_is_read_however_it_was_written(tmp_path, text, encoding) -> None:
    path = write(tmp_path, text, encoding=encoding)
    assert event_table.recognises(path)
    file = event_table.read(path, Asked())
    assert core(file) == [("v.mp4", "p1", 12, 1.5, 2.25)]
    assert file.aus == (12,) and file.recordings == (Recording("v.mp4"),)
    assert not file.coded and not file.faults


def test_a_typed_excel_table(tmp_path) -> None:
    book = openpyxl.Workbook()
    for row in (["Start", "Stop", "AU", "Side", "Level"], [0.5, 1, 14, "L", "C"], [], [2, None, "R12B", None, None]):
        book.active.append(row)
    book.save(tmp_path / "clip 3.xlsx")
    file = event_table.read(tmp_path / "clip 3.xlsx", Asked())
    assert file.events == (
        Event("clip 3", "", 14, 0.5, 1.0, "left", 3.0, "row 2"),
        Event("clip 3", "", 12, 2.0, None, "right", 2.0, "row 4"),
    )
    assert any("seconds" in note for note in file.notes)


def test_one_name_may_mean_several_aus_and_unknown_words_are_counted(tmp_path) -> None:
    text = HEADER + "v.mp4,p,6+12,1,2\nv.mp4,p,yawn,1,2\nv.mp4,p,Yawn,4,5\nv.mp4,p,talk,1,2\n"
    file = read(tmp_path, text, Asked(Names({"talk": ()})))
    assert [event.au for event in file.events] == [6, 12]
    assert file.unmapped == {"yawn": 1, "Yawn": 1} and not file.faults


def test_what_was_looked_at_is_said_by_rows_or_by_the_user(tmp_path) -> None:
    text = HEADER + "a.mp4,,AU1,1,2\na.mp4,,coded,0,9\nb.mp4,p,session,3,\n"
    assert read(tmp_path, text).coded == (Span("a.mp4", "", 0.0, 9.0),)
    assert read(tmp_path, text, Asked(coded="Session")).coded == (
        Span("a.mp4", "", 0.0, 9.0),
        Span("b.mp4", "p", 3.0, math.inf),
    )
    everything = read(tmp_path, text, Asked(coded=EVERYTHING)).coded
    assert everything == (Span("a.mp4", "", 0.0, math.inf), Span("b.mp4", "", 0.0, math.inf))


@pytest.mark.parametrize(
    ("row", "problem", "span"),
    [
        ("v,p,AU4,x,2", "row 2: onset 'x' is no time", (0.0, 2.0)),
        ("v,p,AU4,,", "row 2: has no onset", (0.0, math.inf)),
        ("v,p,AU4,1,late", "row 2: offset 'late' is no time", (1.0, math.inf)),
        ("v,p,AU4,nan,inf", "row 2: onset 'nan' is no time", (0.0, math.inf)),
        ("v,p,AU4,5,3", "row 2: ends at 3 s, before it begins at 5 s", (3.0, 5.0)),
        ("v,p,AU4,-1,3", "row 2: begins before the video, at -1 s", (-1.0, 3.0)),
        ("v,p,AU4,7,8\nv,p,AU4,7.5,9", "row 3: AU4 overlaps that of row 2", (7.5, 9.0)),
        ("v,p,AU4,7,\nv,p,AU4,7,", "row 3: AU4 overlaps that of row 2", (7.0, 7.0)),
    ],
)
def test_a_row_that_cannot_be_used_is_told_and_its_labels_are_unknown(tmp_path, row, problem, span) -> None:
    file = read(tmp_path, HEADER + row + "\nv,p,AU6,1,2\n")
    assert told(file) == [problem]
    assert file.faults[0].span == Span("v", "p", *span, frozenset({4}))
    assert [event.au for event in file.events if event.au != 4] == [6]
    assert file.aus == (4, 6)


def test_a_row_without_a_name_leaves_every_au_unknown(tmp_path) -> None:
    file = read(tmp_path, HEADER + "v,p,,1,2\n")
    assert file.faults == (Fault("has no AU", "row 2", Span("v", "p", 1.0, 2.0)),)


def test_details_that_cannot_be_read_are_left_out_and_told(tmp_path) -> None:
    text = "onset,offset,au,side,intensity,apex,cut,face\n1,2,12,middle,F,9,top,\n3,4,12,,,,,first\n"
    file = read(tmp_path, text)
    assert file.events == (Event("mine", "", 12, 1.0, 2.0, where="row 2"),)
    assert [problem.split(" '")[0] for problem in told(file)] == [
        "row 2: side", "row 2: intensity", "row 2: cut", "row 2: apex", "row 3: face",
    ]  # fmt: skip
    assert [fault.span is None for fault in file.faults] == [True] * 4 + [False]


def test_two_sides_or_faces_do_not_overlap_and_neighbours_touch(tmp_path) -> None:
    text = "onset,offset,au,side,face\n1,3,12,left,0\n2,4,12,right,0\n2,4,12,left,1\n3,4,12,left,0\n"
    assert not read(tmp_path, text).faults


@pytest.mark.parametrize(
    "text",
    [
        "Observation id,Subject,Behavior,Behavior type,Start (s),Stop (s)\no,p,AU12,STATE,1,2\n",
        "path,subject,frame,AU12\nv.mp4,p,1,0\n",
        "frame,timestamp,confidence,success,AU12_c\n1,0,1,1,0\n",
        "",
        "\0\1",
    ],
)
def test_other_tables_are_not_taken_for_tables_of_events(tmp_path, text) -> None:
    assert not event_table.recognises(write(tmp_path, text))
    with pytest.raises(InputError, match=r"mine\.csv"):
        event_table.read(write(tmp_path, text.replace("Behavior,", "Thing,")), Asked())


SECONDS = st.integers(0, 10**7).map(lambda value: value / 1000)
NAMES = st.text("ab;,\"' =+-@é", max_size=6).map(str.strip)
AUS = st.sampled_from([1, 4, 12, 45])


@st.composite
def event_files(draw: st.DrawFn) -> EventFile:
    """Files whose events follow one another, so that none overlap, with names that are hard on tables."""
    media = draw(st.lists(NAMES.filter(bool), min_size=1, max_size=2, unique=True))
    times = sorted(draw(st.sets(SECONDS, max_size=12)))
    events = []
    for onset, offset in zip(times[::2], times[1::2], strict=False):
        level = draw(st.none() | st.integers(0, 5000).map(lambda value: value / 1000))
        point = draw(st.booleans())
        apex = None if point else draw(st.sampled_from([None, onset, offset]))
        events.append(
            Event(
                draw(st.sampled_from(media)),
                draw(NAMES),
                draw(AUS),
                onset,
                None if point else offset,
                draw(st.sampled_from([None, "left", "right", "both"])),
                level,
                face=draw(st.none() | st.integers(0, 3)),
                apex_s=apex,
                cut=draw(st.sampled_from(["", "start", "end", "both"])),
            )
        )

    def span() -> Span:
        onset = draw(SECONDS)
        aus = draw(st.none() | st.frozensets(AUS, min_size=1, max_size=3))
        end = draw(st.sampled_from([math.inf, round(onset + 1.5, 3)]))
        return Span(draw(st.sampled_from(media)), draw(NAMES), onset, end, aus, draw(st.none() | st.just(0)))

    coded = (replace(span(), aus=None), *(span() for _ in range(draw(st.integers(0, 1)))))
    faults = tuple(Fault("reversed", "", span()) for _ in range(draw(st.integers(0, 1))))
    return EventFile(Path("x"), "x", (1, 4, 12, 45), tuple(events), coded, faults, clock=draw(clocks))


def spans(file: EventFile) -> Counter[object]:
    """The stretches looked at and those unknown, with the AUs that they are of."""
    named = [("coded", span) for span in file.coded] + [(fault.problem, fault.span) for fault in file.faults]
    return Counter((name, replace(span, aus=span.aus or frozenset(file.aus))) for name, span in named)


clocks = st.sampled_from(["media", "first-frame"])


@both_kinds
@few
@given(file=event_files())
def test_what_is_written_is_read_back(tmp_path, module, name, file) -> None:
    path = tmp_path / name
    module.write(path, file)
    assert find_format(path).module is module
    back = module.read(path, Asked())
    assert Counter(replace(event, where="") for event in back.events) == Counter(file.events)
    assert spans(back) == spans(file)
    assert (back.clock, back.aus) == (file.clock, file.aus)
    assert not back.unmapped


@both_kinds
def test_names_are_no_formulas_and_times_are_to_the_microsecond(tmp_path, module, name) -> None:
    events = tuple(Event("=cmd().mp4", "@p", 12, at / 7, (at + 1) / 7, intensity=2.5) for at in range(9))
    module.write(tmp_path / name, EventFile(tmp_path, "x", (12,), events))
    text = (tmp_path / name).read_text()
    assert "'=cmd" in text and "'@p" in text and "0.142857" in text
    back = module.read(tmp_path / name, Asked())
    assert {(event.media, event.subject) for event in back.events} == {("=cmd().mp4", "@p")}
    assert [event.offset_s for event in back.events] == [round((at + 1) / 7, 6) for at in range(9)]
    assert not back.faults, "neighbours touch, they do not overlap"


def test_an_au_that_a_coder_adds_beside_the_coded_list_is_told(tmp_path) -> None:
    text = "onset,offset,au,aus\n0,9,coded,1+2\n1,2,AU4,\n"
    assert "AU4: has events, but no row coded lists it in aus" in read(tmp_path, text).notes


def test_times_from_two_starts_are_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="clock of first-frame, media"):
        read(tmp_path, "onset,offset,au,clock\n1,,AU1,media\n2,,AU1,first-frame\n")


def bids_file(folder: Path, rows: str, described: object | None = None) -> Path:
    if described is not None:
        (folder / "sub-04_task-talk_events.json").write_text(json.dumps(described))
    return write(folder, "onset\tduration\ttrial_type\n" + rows, "sub-04_task-talk_events.tsv")


def test_bids_events_of_others(tmp_path) -> None:
    path = bids_file(
        tmp_path,
        "1.5\t0\tsmile\n2\tn/a\tAU4\n3\t1\tgo\n4\tlong\tAU4\n-1\t3\tAU4\n0\t10\tcoded\n",
        {"trial_type": {"Levels": {"smile": "AU 12", "AU1": "Inner Brow Raiser"}}},
    )
    assert find_format(path).name == "bids"
    file = bids.read(path, Asked())
    assert core(file) == [
        ("sub-04_task-talk", "04", 12, 1.5, None),
        ("sub-04_task-talk", "04", 4, 2.0, None),
    ]
    assert (file.aus, file.clock, file.unmapped) == ((1, 4, 12), "first-frame", {"go": 1})
    assert told(file) == ["row 5: duration 'long' is no time", "row 6: begins before the video, at -1 s"]
    assert file.coded == (Span("sub-04_task-talk", "04", 0.0, 10.0),)


def test_bids_files_that_are_broken_are_one_line(tmp_path) -> None:
    for described, words in (
        (["x"], "no description of columns"),
        ({"onset": {"CountsFrom": "noon"}}, "onset counts from 'noon'"),
    ):
        with pytest.raises(InputError, match=words):
            bids.read(bids_file(tmp_path, "1\t1\tAU1\n", described), Asked())
    (tmp_path / "sub-04_task-talk_events.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        bids.read(bids_file(tmp_path, "1\t1\tAU1\n"), Asked())
    with pytest.raises(InputError, match="has no column trial_type"):
        bids.read(write(tmp_path, "onset\tduration\tvalue\n1\t1\tAU1\n", "a_events.tsv"), Asked())
    (tmp_path / "new.json").write_text("{}")
    with pytest.raises(InputError, match="already exists"):
        bids.write(tmp_path / "new.tsv", EventFile(tmp_path, "x", (), ()))


def test_bids_sidecar_describes_every_column(tmp_path) -> None:
    events = (Event("v.mp4", "p", 12, 1.0, 2.0),)
    bids.write(tmp_path / "v_events.tsv", EventFile(tmp_path, "x", (1, 12), events, (Span("v.mp4", "", 0, 9),)))
    columns = (tmp_path / "v_events.tsv").read_text().splitlines()[0].split("\t")
    described = json.loads((tmp_path / "v_events.json").read_text())
    assert columns[:3] == ["onset", "duration", "trial_type"]
    assert list(described) == columns
    assert list(described["trial_type"]["Levels"]) == ["AU1", "AU12", "coded", "unknown"]


CELLS = st.text("0123456789.,:;-+eE\"'AU \t\n\rcodednx/", max_size=12) | st.sampled_from(
    ["AU12", "1", "nan", "9" * 400]
)


@both_kinds
@few
@given(rows=st.lists(st.lists(CELLS, max_size=8), max_size=6), mark=st.sampled_from("\t,;"))
def test_malformed_tables_give_faults_or_one_line(tmp_path, module, name, rows, mark) -> None:
    header = mark.join(("onset", "duration", "trial_type", "side", "face", "apex", "aus", "clock"))
    path = write(tmp_path, "\n".join([header, *(mark.join(row) for row in rows)]), name)
    module.recognises(path)
    try:
        file = module.read(path, Asked())
    except InputError as error:
        assert "\n" not in str(error) and name in str(error)
    else:
        assert all(
            event.onset_s >= 0 and (event.offset_s is None or event.offset_s >= event.onset_s) for event in file.events
        )


@few
@given(content=st.binary(max_size=80), name=st.sampled_from(["a.csv", "b.tsv", "c.txt", "d.xlsx"]))
def test_files_that_are_no_tables_are_one_line(tmp_path, content, name) -> None:
    (tmp_path / name).write_bytes(content)
    for module in (event_table, bids):
        assert not module.recognises(tmp_path / name)
        with pytest.raises(InputError):
            module.read(tmp_path / name, Asked())


def test_a_mark_in_a_cell_does_not_part_the_table_and_long_tables_are_told_by_their_top(tmp_path) -> None:
    text = "onset,offset,au,comment\n1,2,AU1,a;b\n3,4,AU2,\n" + "5,6,AU99,\n" * 9000
    assert [event.au for event in read(tmp_path, text).events] == [1, 2]
    for encoding in ("utf-8", "utf-16"):
        assert event_table.recognises(write(tmp_path, text, encoding=encoding))
