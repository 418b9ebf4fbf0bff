"""The page on which frames to code follows from the small result file; what makes that runs at a tiny size."""

import json
from pathlib import Path

import pytest

from doc_pages import ROOT, program
from made_stores import evident_store


def test_the_simulation_makes_the_page(tmp_path: Path) -> None:
    stores = [evident_store(tmp_path / name, subjects=9, frames=8, seed=n).path for n, name in enumerate("ab")]
    out = tmp_path / "active.json"
    words = ("--seeds", 1, "--strategies", "ours,margin", "--coders", "none", "--budgets", "4,8", "--minutes", 2)
    program(ROOT / "benchmarks" / "active.py").main([str(word) for word in (*stores, out, *words)])
    content = json.loads(out.read_text())
    assert [(row["data"], row["strategy"]) for row in content["rows"]] == [
        (data, name) for data in ("frequent", "rare") for name in ("random", "ours", "margin")
    ]
    for row in content["rows"]:
        if (needed := row["frames_needed"]) is not None:
            assert row["minutes_saved"] == pytest.approx(2 * (8 - needed))
    pages = program(ROOT / "docs" / "which_frames_page.py").page(content, "# T\n{tables}\n")
    text = pages["which-frames.md"]
    f1 = content["rows"][1]["scores"][0]["f1"]["value"]
    assert f"| ours | {f1:.3f} |" in text
    assert "Rare AUs, without the coder" in text
    assert pages["which-frames.svg"].startswith("<svg")


def test_the_page_is_that_of_its_files() -> None:
    maker = program(ROOT / "docs" / "which_frames_page.py")
    made = maker.page(json.loads(maker.RESULTS.read_text()), maker.TEXT.read_text())
    assert (ROOT / "docs" / "guide" / "which-frames.md").read_text() == made["which-frames.md"]


def test_choosing_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--faces", "300", "--people", "5", "--answered", "10", "--strategies", "ours"]
    program(ROOT / "benchmarks" / "choosing.py").main(words)
    assert "ours: next 50" in capsys.readouterr().out
