import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from made_codes import face_codes, save_codes
from sparsefacs import InputError, observation
from sparsefacs.cli import app

runner = CliRunner()


@pytest.fixture
def two_codes(tmp_path):
    rng = np.random.default_rng(0)
    first = (np.cumsum(rng.random((80, 2)) < 0.1, axis=0) % 2).astype(np.int8)
    second = np.where(rng.random((80, 2)) < 0.1, 1 - first, first).astype(np.int8)
    second[:, 0] = first[:, 0] = 0
    name = "<b>P&1.mp4"
    return (
        save_codes(tmp_path / "a.csv", face_codes(first, first * 2.0, input=name)),
        save_codes(tmp_path / "b.csv", face_codes(second[:70], second[:70] * 2.5, input=name)),
    )


def test_agreement_tells_a_table_json_and_a_page_that_stands_alone(two_codes, tmp_path):
    a, b = map(str, two_codes)
    page, table = tmp_path / "page.html", tmp_path / "out.parquet"
    shown = runner.invoke(app, ["agreement", a, b, "--page", str(page), "--out", str(table)], catch_exceptions=False)
    assert shown.exit_code == 0 and table.exists()
    assert "70 frames coded by both, of 1 video and 1 person; 10 frames only by A, 0 only by B." in shown.stdout
    assert re.search(r"^AU12 .* 0\.\d\d", shown.stdout, re.MULTILINE)
    assert "too few people (1) for intervals" in shown.stdout
    assert "κ, MCC, α, F1 of AU1: both say absent throughout" in shown.stdout
    assert max(len(line) for line in shown.stdout.splitlines() if line.startswith(("AU", "mean"))) <= 100
    html = page.read_text(encoding="utf-8")
    assert "both say absent throughout" in html and "ICC(2,1) intensity" in html and "<b>P" not in html
    assert not re.search(r"(src|href)=\"(?!#|data:)", html)
    told = json.loads(runner.invoke(app, ["agreement", a, b, "--json"], catch_exceptions=False).stdout)
    assert told["frames"] == {"both": 70, "only_a": 10, "only_b": 0}
    assert told["per_au"]["1"]["kappa"] == {
        "value": None,
        "low": None,
        "high": None,
        "why": "both say absent throughout",
    }
    assert 0.5 < told["per_au"]["12"]["kappa"]["value"] < 1


def test_summary_says_what_an_event_is(two_codes, tmp_path):
    out = tmp_path / "out.csv"
    told = runner.invoke(app, ["summary", str(two_codes[0]), str(out), "--shortest", "0.2"], catch_exceptions=False)
    assert told.stdout == f"{out}: rows 2, faces 1, videos and photos 1\n"
    assert "less than 0.2 s left out" in told.stderr and "less than 0.2 s left out" in out.read_text()


def test_nothing_is_overwritten_and_nonsense_is_refused(two_codes, tmp_path):
    a, b = two_codes
    (tmp_path / "page.html").write_text("mine")
    with pytest.raises(InputError, match="already exists"):
        observation.agreement(a, b, page=tmp_path / "page.html")
    for nonsense in ({"overlap": 2}, {"onset_tolerance_s": -1}, {"fps": 0}):
        with pytest.raises(InputError):
            observation.agreement(a, b, **nonsense)
    with pytest.raises(InputError, match="CSV or Parquet"):
        observation.summary(a, tmp_path / "out.txt")
    assert (tmp_path / "page.html").read_text() == "mine"
