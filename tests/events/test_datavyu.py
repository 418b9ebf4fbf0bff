import math
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fake_datavyu import column, save
from sparsefacs.errors import InputError
from sparsefacs.events.formats import find_format
from sparsefacs.events.formats.datavyu import read, recognises
from sparsefacs.events.model import EVERYTHING, Asked, EventFile, Recording, Span

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CLIP = "/data/clip.mp4"


def reading(tmp_path: Path, *columns: str, coded: str | None = None) -> EventFile:
    return read(save(tmp_path / "sheet.opf", *columns), Asked(coded=coded))


def told(file: EventFile) -> list[tuple]:
    return [(row.subject, row.au, row.onset_s, row.offset_s, row.side, row.intensity) for row in file.events]


def unknown(file: EventFile) -> set[tuple]:
    spans = [fault.span for fault in file.faults if fault.span]
    return {(None if span.aus is None else min(span.aus), span.onset_s, span.offset_s) for span in spans}


def test_columns_named_after_aus(tmp_path) -> None:
    cells = [(1000, 1500, "C,l,2,a"), (2000, 2500, "0,,,"), (3000, 3000, ",,,b")]
    file = reading(
        tmp_path,
        column("AU12", "intensity,side,confidence,note", *cells),
        column("AU6", "code01", (0, 3_600_000, "E"), (3_700_000, 3_700_040, "")),
        column("AU4", "x", hidden=True),
        column("lip_corner_puller", "mark,who", (9000, 9100, "1,anna"), (9200, 9300, "1,anna"), (9300, 9400, "?,anna")),
    )  # fmt: skip
    assert told(file) == [
        ("", 6, 0.0, 3600.0, None, 5.0),
        ("", 12, 1.0, 1.5, "left", 3.0),
        ("", 12, 3.0, None, None, None),
        ("anna", 12, 9.0, 9.1, None, None),
        ("anna", 12, 9.2, 9.3, None, None),
        ("", 6, 3700.0, 3700.04, None, None),
    ]
    assert file.aus == (4, 6, 12) and file.recordings == (Recording(CLIP),)
    assert unknown(file) == {(12, 9.3, 9.4)} and file.coded == ()
    assert file.events[1].where == "column AU12, line 3 of its db"


def test_codes_or_values_name_aus(tmp_path) -> None:
    file = reading(
        tmp_path,
        column("facs", "au1,au12,comment", (0, 100, "b,,n"), (100, 200, ".,3,"), (200, 300, "n,1,")),
        column("face", "au,level,gaze", (0, 500, "6+12,D,1"), (500, 600, "L4,,2"), (600, 700, "nod,,3")),
        column("trial", "code01", (0, 900, "1"), (900, 950, "2")),
    )
    assert told(file) == [
        ("", 1, 0.0, 0.1, None, 2.0), ("", 6, 0.0, 0.5, None, 4.0), ("", 12, 0.0, 0.5, None, 4.0),
        ("", 12, 0.1, 0.2, None, 3.0), ("", 12, 0.2, 0.3, None, 1.0), ("", 4, 0.5, 0.6, "left", None),
    ]  # fmt: skip
    assert file.unmapped == {"nod": 1, "1": 2, "2": 2, "3": 1}


def test_times_that_cannot_be(tmp_path) -> None:
    file = reading(
        tmp_path,
        column("AU1", "x", (1000, 0, ""), (5000, 6000, ""), (8000, 0, "")),
        column("AU2", "x", (0, 0, "")),
        column("AU4", "x", (3000, 2000, "")),
        column("AU5", "x", (99 * 3_600_000, 99 * 3_600_000, "")),
        column("AU9", "x", (0, 300, ""), (200, 400, "")),
        column("AU6", "x") + "00:00:01:000,broken\n",
    )
    assert unknown(file) == {
        (1, 1.0, 5.0), (1, 8.0, math.inf), (2, 0.0, math.inf), (4, 2.0, 3.0), (5, 0.0, math.inf), (6, 0.0, math.inf)
    }  # fmt: skip
    assert [row.au for row in file.events] == [9, 9, 1]
    assert [row.problem for row in file.faults if row.span is None and "overlaps" in row.problem]


def test_what_was_looked_at(tmp_path) -> None:
    sheet = [
        column("AU1", "x", (100, 200, "")),
        column("Coded", "x", (0, 5000, ""), (6000, 0, "")),
        column("phase", "name,subject", (0, 400, "coded,anna"), (400, 600, "break,anna")),
    ]
    assert reading(tmp_path, *sheet).coded == ()
    file = reading(tmp_path, *sheet, coded="coded")
    assert file.coded == (Span(CLIP, "", 0.0, 5.0), Span(CLIP, "anna", 0.0, 0.4))
    assert [row.where for row in file.faults] == ["line 6 of its db"]
    assert reading(tmp_path, *sheet, coded=EVERYTHING).coded == (Span(CLIP, "", 0.0, math.inf),)


def test_escapes_line_ends_and_older_columns(tmp_path) -> None:
    sheet = (
        "AU\\-7 (MATRIX,true,a (bracket\\))-<level>|NOMINAL\r\n00:00:00:000,00:00:01:000,(C)\r\n"
        "talk (TEXT)\n00:00:00:000,00:00:02:000,AU12\\, and AU6\n"
        "00:00:03:000,00:00:04:000,two\\\nlines\n"
        "mouth (MATRIX)-au|NOMINAL,note|NOMINAL\n00:00:05:000,00:00:06:000,(AU25,a\\,b)\n"
    )
    file = reading(tmp_path, sheet)
    assert told(file) == [
        ("", 6, 0.0, 2.0, None, None), ("", 7, 0.0, 1.0, None, 3.0), ("", 12, 0.0, 2.0, None, None),
        ("", 25, 5.0, 6.0, None, None),
    ]  # fmt: skip
    assert file.unmapped == {"two\nlines": 1, "a,b": 1} and file.faults == ()


def test_videos_and_where_they_start(tmp_path) -> None:
    path = save(
        tmp_path / "sheet.opf",
        column("AU1", "x", (3000, 4000, "")),
        videos=("C:\\data\\sound.wav", "C:\\data\\face.mp4", "/data/room.mp4"),
        offsets={"1": 9000, "2": 2000},
    )
    file = read(path, Asked())
    assert told(file) == [("", 1, 1.0, 2.0, None, None)] and file.events[0].media == "C:\\data\\face.mp4"
    assert any("room.mp4" in note for note in file.notes) and any("2 s" in note for note in file.notes)
    nameless = read(save(tmp_path / "bare.opf", column("AU1", "x", (0, 10, "")), videos=()), Asked())
    assert nameless.events[0].media == "bare" and any("names no video" in note for note in nameless.notes)


def test_other_content_is_one_line(tmp_path) -> None:
    book, empty, missing = (tmp_path / name for name in ("book.opf", "empty.opf", "missing.opf"))
    book.write_text("<?xml version='1.0'?><package/>")
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("project", "")
    for path, words in ((book, "cannot be read"), (empty, "no `db`"), (missing, "not there")):
        assert not recognises(path)
        with pytest.raises(InputError, match=words) as caught:
            read(path, Asked())
        assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)
    assert find_format(save(tmp_path / "sheet.opf")).name == "datavyu"


SHEET = (
    "#4\n" + column("AU12", "intensity,side", (0, 900, "C,left"), (1000, 0, "\\,")) + column("coded", "x", (0, 9, ""))
)
PROJECT = "!project\nversion: 5\nviewerSettings:\n- !vs\n  feed: &a /data/clip.mp4\n  settingsId: '1'\n"


@QUICK
@given(st.data())
def test_damaged_files_are_read_or_one_line(tmp_path, data) -> None:
    path = tmp_path / "damaged.opf"

    def damaged(text: str) -> str:
        place = data.draw(st.integers(0, len(text) - 1))
        return text[:place] + data.draw(st.text(max_size=6)) + text[place + data.draw(st.integers(0, 20)) :]

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("db", damaged(SHEET).encode("utf-8", errors="replace"))
        archive.writestr("project", damaged(PROJECT).encode("utf-8", errors="replace"))
    if data.draw(st.booleans()):
        content = bytearray(path.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
    try:
        read(path, Asked(coded="coded"))
    except InputError as error:
        assert "\n" not in str(error)
