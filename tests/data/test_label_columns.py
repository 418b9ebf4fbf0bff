"""Label tables that are read as something they are not: sides, doubled columns, NUL bytes, formulas."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparsefacs import InputError
from sparsefacs.data.adapters.columns import read_labels, unused_notes
from sparsefacs.data.adapters.plan import Request
from sparsefacs.data.adapters.table import plan_table
from sparsefacs.inference.codes import code_columns, open_codes


def table(folder: Path, header: str, *rows: str) -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join((header, *rows)) + "\n")
    return path


def test_columns_that_look_like_aus_are_used_or_named(tmp_path: Path) -> None:
    """`_R` is the right side, not intensity; what is not read is named, each once, and nothing else is."""
    header = "path,subject,AU4,AU12_L,AU12_R,L12,AU25+26,AU06_p,12,notes,x_0,AUDIO1"
    read = read_labels(table(tmp_path, header, "a.png,s,1,2,3,1,1,0.5,1,text,3,9"))
    assert read.aus == (4,) and np.isnan(read.intensity).all() and read.occurrence.tolist() == [[1]]
    assert read.unused == ("AU12_L", "AU12_R", "L12", "AU25+26", "AU06_p", "12")
    (note,) = unused_notes([read, read])
    assert "6 columns look like AUs and are not used: AU12_L, AU12_R, L12, AU25+26, AU06_p, 12;" in note
    assert unused_notes([read_labels(table(tmp_path, "path,subject,AU4", "a.png,s,1"))]) == []


def test_a_table_whose_only_aus_are_of_one_side_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no AU column that can be used \(not AU12_L, AU12_R\)"):
        read_labels(table(tmp_path, "path,subject,AU12_L,AU12_R", "a.png,s,1,1"))


def test_a_table_in_capitals_is_read_as_openface_writes_it(tmp_path: Path) -> None:
    read = read_labels(table(tmp_path, "PATH,SUBJECT,AU12_C,AU12_R", "a.png,s,1,2.5"))
    assert (read.aus, read.unused, read.intensity.tolist()) == ((12,), (), [[2.5]])
    sided = read_labels(table(tmp_path, "PATH,SUBJECT,AU12_C,AU12_R,AU12_L", "a.png,s,1,2.5,0"))
    assert sided.unused == ("AU12_R", "AU12_L") and np.isnan(sided.intensity).all()


def test_the_note_reaches_who_prepares(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    labels = table(tmp_path, "path,subject,AU4,AU12_L", "a.png,s,1,1")
    plan = plan_table(Request(tmp_path, labels, None))
    assert any("AU12_L" in note for note in plan.notes)


@pytest.mark.parametrize(
    "header", ["path,subject,AU12_c,AU12_c", "path,subject, AU12_c ,AU12_c", "path,path,AU12_c,AU4"]
)
def test_a_label_column_that_comes_twice_is_refused_before_it_is_renamed(tmp_path: Path, header: str) -> None:
    with pytest.raises(InputError, match=r"labels\.csv: has column (AU12_c|path) twice"):
        read_labels(table(tmp_path, header, "a.png,s,1,0"))


def test_columns_of_no_matter_may_come_twice(tmp_path: Path) -> None:
    assert read_labels(table(tmp_path, "path,subject,AU12_c,note,note", "a.png,s,1,x,y")).aus == (12,)


def test_rows_longer_than_the_header_are_refused(tmp_path: Path) -> None:
    """pandas takes the first column for row names then, and every label moves to the next AU."""
    with pytest.raises(InputError, match="line 2: has more cells than there are columns"):
        read_labels(table(tmp_path, "path,subject,AU12,AU4", "a.png,s,1,0,7", "b.png,s,1,0,7"))


@pytest.mark.parametrize(("place", "where"), [(2, "row 2"), (0, "the header")])
def test_nul_bytes_in_a_table_are_refused_with_their_row(tmp_path: Path, place: int, where: str) -> None:
    path = table(tmp_path, "path,subject,AU12", "a.png,s,1", "b.png,s,0", "c.png,s,1")
    lines = path.read_bytes().split(b"\n")
    lines[place] = lines[place].replace(b",s", b"\0,s")
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(InputError, match=rf"labels\.csv: {where} holds a NUL byte"):
        read_labels(path)


@pytest.mark.parametrize("name", ["=cmd.mp4", "+1.mp4", "-2.mp4", "@x.mp4", "\tx.mp4", "'=x.mp4", "''-x.mp4", "'x.mp4"])
def test_names_are_no_formulas_in_codes_and_are_read_back(tmp_path: Path, name: str) -> None:
    out = tmp_path / "codes.csv"
    with open_codes(out, code_columns((12,))) as rows:
        rows.write([name, None, 1, 0, -0.5, 0.9, 1, *[-3.0] * 4, *[None] * 4, 1, None, 0.7])
    line = out.read_text().splitlines()[1]
    assert line.strip('"')[0] not in "=+-@\t" and ",-0.5," in line and ",-3.0," in line, "numbers stay"
    read = read_labels(out)
    assert read.media == [name.strip()] or name.startswith("\t")
