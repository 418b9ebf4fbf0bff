from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparsefacs.data.adapters import Request
from sparsefacs.data.adapters.label_tables import read_label_table
from sparsefacs.data.adapters.table import plan_table
from sparsefacs.errors import InputError

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
AU12, AU4 = "Action Unit 12 - Lip Corner Puller", "Action Unit 04 - Brow Lowerer"
NAN = pytest.approx(np.nan, nan_ok=True)


def facereader(
    folder: Path,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    name: str = "Participant 1_Analysis 1_video.txt",
    file: str | None = "C:\\Users\\1234\\talk.mp4",
    colon: str = "",
    encoding: str = "utf-8",
    times: Sequence[str] = (),
) -> Path:
    """Write a detailed log as FaceReader does, a row a frame at 30 frames a second."""
    times = times or [f"00:00:00.{int(row * 1000 / 30):03d}" for row in range(len(rows))]
    lines = [
        ["Video analysis detailed log"],
        [""],
        [f"Face Model{colon}", "General"],
        [f"Calibration{colon}", "-"],
        [f"Start time{colon}", "6/4/2026 13:31:06.331"],
        *([[f"Filename{colon}", file]] if file else []),
        [f"Frame rate{colon}", "30.000000000"],
        [""],
        ["Video Time", "Neutral", *columns, "Participant Name", ""],
        *([time, "0.38990580", *row, "Rebecca", ""] for time, row in zip(times, rows, strict=True)),
    ]
    (folder / name).write_bytes("\r\n".join("\t".join(line) for line in lines).encode(encoding))
    return folder / name


IMOTIONS = "Row,Timestamp,EventSource,SlideEvent,SourceStimuliName,Anger,Brow Furrow,Smile,Smirk,Attention\n"


def imotions(folder: Path, rows: str, *, header: str = IMOTIONS, respondent: str = "R3") -> Path:
    """Write an export of AFFDEX's values as iMotions does."""
    above = (
        f'#INFO,,\n#Study name,"Talk, 2",\n#Respondent Name,{respondent},\n#METADATA,,\n#Device,Affectiva\n#DATA,,\n'
    )
    (folder / "talk.csv").write_text("\ufeff" + above + header + rows, encoding="utf-8")
    return folder / "talk.csv"


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    (folder / "talk.mp4").write_bytes(b"x")
    return folder


CLASSES = [
    ["NotActive", "A", "Open"],
    ["E", "NotActive", "Open"],
    ["FIT_FAILED", "FIT_FAILED", "FIT_FAILED"],
    ["FIND_FAILED", "", ""],
]


@pytest.mark.parametrize(("colon", "encoding"), [("", "utf-8"), (":", "utf-8-sig"), (":", "utf-16")])
def test_facereaders_classes_are_occurrence_and_intensity(tmp_path, colon, encoding) -> None:
    table = read_label_table(facereader(tmp_path, [AU12, AU4, "Mouth"], CLASSES, colon=colon, encoding=encoding))
    assert (table.kind, table.aus) == ("facereader", (4, 12))
    assert table.occurrence.tolist() == [[1, 0], [0, 1], [-1, -1], [-1, -1]]
    assert table.intensity.tolist() == [[1, 0], [0, 5], [NAN, NAN], [NAN, NAN]]
    assert table.time is not None and table.time.tolist() == [0.0, 0.033, 0.066, 0.1]
    assert table.media == ["C:\\Users\\1234\\talk.mp4"] * 4
    assert table.subject == ["Rebecca"] * 4
    assert "A to E as present with intensity 1 to 5" in table.notes[0]


def test_a_facereader_log_labels_its_video(tmp_path, talk) -> None:
    path = facereader(tmp_path, [AU12], [["NotActive"], ["C"]])
    plan = plan_table(Request(talk, path))
    (item,) = plan.items
    assert (item.source, item.subject) == ("talk.mp4", "Rebecca")
    (labels,) = item.timed
    assert [label.occurrence.tolist() for label in labels.at(1 / 30, 2 / 30)] == [[1]], "its times are cut to the ms"
    assert any("FaceReader" in note for note in plan.notes)


def test_a_facereader_log_saved_as_excel(tmp_path) -> None:
    book = openpyxl.Workbook()
    for row in (
        ["Video analysis detailed log"],
        [],
        ["Filename", "a.mp4"],
        ["Video Time", AU12],
        ["00:00:00.033", "B"],
    ):
        book.active.append(row)
    book.save(tmp_path / "log.xlsx")
    table = read_label_table(tmp_path / "log.xlsx")
    assert table.intensity.tolist() == [[2.0]] and table.time.tolist() == [0.033] and table.media == ["a.mp4"]


def test_sides_stand_for_an_au_that_has_no_column_of_its_own(tmp_path) -> None:
    columns = [f"Action Unit {au} - {side} - {name}" for au, name in (("12", "Lip Corner Puller"), ("06", "Cheek Raiser")) for side in ("Left", "Right")]  # fmt: skip # noqa: E501
    rows = [
        ["E", "E", "NotActive", "NotActive", "B"],
        ["A", "A", "FIT_FAILED", "D", "NotActive"],
        ["A", "A", "FIT_FAILED", "NotActive", "NotActive"],
    ]
    table = read_label_table(facereader(tmp_path, [*columns, AU12], rows))
    assert table.aus == (6, 12)
    assert table.intensity[:, 1].tolist() == [2, 0, 0], "the column of the whole face counts"
    assert table.intensity[:, 0].tolist() == [0, 4, NAN]
    assert table.occurrence[:, 0].tolist() == [0, 1, -1]
    assert "AU6 have columns for left and right only" in table.notes[1]


def test_columns_that_are_no_single_au_are_told(tmp_path) -> None:
    knit = "Action Unit 03 + 04 - Brow Knitting and Knotting"
    table = read_label_table(facereader(tmp_path, [AU12, knit], [["A", "B"]]))
    assert table.aus == (12,) and any(knit in note for note in table.notes)


@pytest.mark.parametrize(
    ("columns", "rows", "options", "words"),
    [
        ([AU12], [["0.31"]], {}, "line 10: Action Unit 12 .* is '0.31', a raw value"),
        ([AU12], [["0,31"]], {}, "a raw value"),
        ([AU12], [["strong"]], {}, "is 'strong', no class"),
        ([AU12], [["A"], ["A"]], {"times": ["00:00.0", "00:00.0"]}, "line 11: 00:00.0 is not after .*rounded times"),
        ([AU12], [["A"]], {"times": ["soon"]}, "line 10: Video Time is 'soon', not a time"),
        (["Dominant Expression"], [["Happy"]], {}, "without action units"),
        ([AU12], [], {}, "no rows"),
    ],
)
def test_bad_facereader_logs_are_one_line_with_their_row(tmp_path, columns, rows, options, words) -> None:
    path = facereader(tmp_path, columns, rows, **options)
    with pytest.raises(InputError, match=words) as caught:
        read_label_table(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_affectivas_scores_are_present_from_50_on(tmp_path, talk) -> None:
    rows = (
        "1,12.5,1,StartMedia,ad.mp4,,,,,\n"
        "2,40,1,,ad.mp4,3,49.99,50,99,97\n"
        "3,80,1,,ad.mp4,3,100,0,99,97\n"
        "4,120,1,,ad.mp4,,,,,\n"
    )
    path = imotions(tmp_path, rows)
    table = read_label_table(path)
    assert (table.kind, table.aus, table.media) == ("imotions", (4, 12), None)
    assert table.occurrence.tolist() == [[0, 1], [1, 0]]
    assert np.isnan(table.intensity).all() and table.time.tolist() == [0.04, 0.08]
    (item,) = plan_table(Request(talk, path)).items
    assert (item.source, item.subject) == ("talk.mp4", "R3")
    assert "from 50 of 100 on" in table.notes[0] and "Timestamp (ms)" in table.notes[0]


FACET = "Name\tStimulusName\tEventSource\tTimestamp\tFrameNo\tNoOfFaces\tJoy Evidence\tAU1 Evidence\tAU12 Evidence\n"


def facet(folder: Path, rows: str) -> Path:
    text = "#Study : Rotation\n#Date : 20171006 11:12:32\n#Version : 6.1.2667.3\n\n" + FACET + rows
    (folder / "gopro.txt").write_text(text)
    return folder / "gopro.txt"


def test_facets_evidence_over_0_is_present_in_rows_of_its_own(tmp_path) -> None:
    rows = (
        "sep\tfilm\tEmotient FACET\t36\t-1\t1\t-4\t-0.4\t1.0\n"
        "sep\tfilm\tEmotient FACET\t71\t0\t1\t-4\t-0.4\t1.0\n"
        "sep\tfilm\tET\t89\t0\t1\t-4\t-0.4\t1.0\n"
        "sep\tfilm\tEmotient FACET\t101\t1\t-1\t\t\t\n"
        "sep\tfilm\tEmotient FACET\t134\t2\t1\t-4\t0.2\t-1\n"
    )
    table = read_label_table(facet(tmp_path, rows))
    assert table.occurrence.tolist() == [[0, 1], [1, 0]]
    assert table.frame is not None and table.frame.tolist() == [0, 2] and table.time is None
    assert table.subject == ["sep", "sep"]


@pytest.mark.parametrize(
    ("rows", "header", "words"),
    [
        ("1,40,1,,a,3,50,x,9,9\n", IMOTIONS, "line 8: Smile is 'x', not a number"),
        ("1,40,1,,a,3,50,150,9,9\n", IMOTIONS, "line 8: Smile is 150, outside 0 to 100"),
        ("1,,1,,a,3,50,50,9,9\n", IMOTIONS, "line 8: Timestamp is empty"),
        ("1,40,1,,a,3,50,50,9,9\n2,40,1,,a,3,5,5,9,9\n", IMOTIONS, "line 9: Timestamp does not rise"),
        ("1,40,1,,a,3,,,9,9\n", IMOTIONS, "no rows with a face"),
        ("1,R1,50\n2,R2,50\n", "Timestamp,Respondent,Smile\n", "several respondents, R1 and R2"),
        ("1,R1,50\n", "Timestamp,Respondent,AU01\n", "does not tell what AU01 means"),
        ("1,R1,50\n", "Timestamp,Respondent,Joy\n", "no facial expression data"),
    ],
)
def test_bad_imotions_exports_are_one_line(tmp_path, rows, header, words) -> None:
    with pytest.raises(InputError, match=words):
        read_label_table(imotions(tmp_path, rows, header=header))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("path;subject;time;AU12;AU4_r\nC:\\x\\talk.mp4;Zoë;0,5;1;2,25\n;;;;\n", "utf-8-sig"),
        ("path\tsubject\ttime\tAU12\tAU4_r\nC:\\x\\talk.mp4\tZoë\t0.5\t1\t2.25\n", "utf-16"),
        ("path, subject, time, AU12, AU4_r\r\nC:\\x\\talk.mp4, Zoë, 0.5, 1, 2.25\r\n\r\n", "cp1252"),
    ],
    ids=["semicolons and decimal commas", "tabs and UTF-16", "blanks and Windows-1252"],
)
def test_plain_tables_in_any_dress(tmp_path, talk, text, encoding) -> None:
    (tmp_path / "mine.txt").write_bytes(text.encode(encoding))
    plan = plan_table(Request(talk, tmp_path / "mine.txt"))
    (item,) = plan.items
    assert (item.source, item.subject) == ("talk.mp4", "Zoë")
    (label,) = item.timed[0].at(0.5, 0.54)
    assert label.occurrence.tolist() == [-1, 1] and label.intensity.tolist() == [2.25, NAN]


def test_a_plain_excel_table(tmp_path) -> None:
    book = openpyxl.Workbook()
    for row in (
        ["path", "subject", "frame", "AU12", None],
        ["a.mp4", "s", 3, 1, None],
        [],
        ["a.mp4", "s", 4, None, None],
    ):
        book.active.append(row)
    book.save(tmp_path / "mine.xlsx")
    table = read_label_table(tmp_path / "mine.xlsx")
    assert table.occurrence.tolist() == [[1], [-1]] and table.frame.tolist() == [3, 4]


def test_a_folder_of_tables_of_several_programs(tmp_path, talk) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    facereader(labels, [AU12], [["A"]])
    (labels / "readme.txt").write_text("What we did, and when.\n")
    (labels / "~$mine.xlsx").write_bytes(b"lock")
    (talk / "other.mp4").write_bytes(b"x")
    (labels / "mine.tsv").write_text("path\tsubject\tframe\tAU4\nother.mp4\tp\t0\t1\n")
    plan = plan_table(Request(talk, labels))
    assert [item.source for item in plan.items] == ["other.mp4", "talk.mp4"] and plan.aus == (4, 12)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,subject,AU1\nx.png,s,1,7\n", "line 2: has more cells than there are columns"),
        ("path,subject,AU1,AU1\nx.png,s,1,1\n", "has column AU1 twice"),
        ("path,subject,AU1\nx.png,s,\0\n", "NUL"),
    ],
)
def test_tables_that_would_be_misread_are_refused(tmp_path, text, words) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_label_table(tmp_path / "mine.csv")


CELL = st.sampled_from(["", "A", "NotActive", "FIT_FAILED", "1", "0,5", "x", '"', "00:00:01", "-1", "nan", "9" * 400])


@few
@given(
    rows=st.lists(st.lists(CELL, max_size=6), max_size=5),
    header=st.sampled_from(
        [
            f"Video Time\t{AU12}\tParticipant Name",
            FACET.strip(),
            IMOTIONS.strip().replace(",", "\t"),
            "path\tsubject\ttime\tAU12\tAU4_r",
        ]
    ),
)
def test_malformed_tables_are_one_line(tmp_path, rows, header) -> None:
    path = tmp_path / "any.txt"
    path.write_text("\n".join([header, *("\t".join(row) for row in rows)]))
    try:
        table = read_label_table(path)
    except InputError as error:
        assert "\n" not in str(error) and str(path) in str(error)
    else:
        assert table.occurrence.shape == table.intensity.shape == (len(table.occurrence), len(table.aus))


@few
@given(content=st.binary(max_size=60), name=st.sampled_from(["a.csv", "b.txt", "c.xlsx", "d.parquet", "e.pdf"]))
def test_files_that_are_no_tables_are_one_line(tmp_path, content, name) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError):
        read_label_table(tmp_path / name)
