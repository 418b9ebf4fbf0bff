"""`sparsefacs next` at the command line."""

import csv
from collections.abc import Callable
from pathlib import Path

from made_stores import evident_store


def test_next_lists_faces(tmp_path: Path, command: Callable[..., tuple[str, str]]) -> None:
    faces = evident_store(tmp_path / "store", subjects=5, frames=10)
    out = tmp_path / "next.csv"
    words = ("next", faces.path, tmp_path / "labels.csv", "--out", out, "--init", "none", "--aus", "1,4,12")
    told, note = command(*words, "--count", 10)
    with out.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["input", "frame", "time", "face", "subject", "why", "test"]
    assert len(rows) == 10
    assert "10 faces to code, 2 of them for the test" in told
    assert "1 of 5 people are kept for the test" in note
    assert "labels.csv is not there: no face is known to be coded" in note
    assert [row["why"] for row in rows if row["test"] == "1"] == ["random"] * 2
    assert rows == sorted(rows, key=lambda row: (row["input"], float(row["time"])))
    known = set(zip(faces.strings("subject").tolist(), faces.numbers("time").tolist(), strict=True))
    assert {(row["subject"], float(row["time"])) for row in rows} <= known
