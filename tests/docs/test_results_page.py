"""The results page follows from the small result files, and says what they say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from doc_pages import DOCS, program
from sparsefacs.experiments.claims import Claim, read_claims
from sparsefacs.experiments.kept import fill_marks, read_kept, take, without_marks


def score(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.05, "high": value + 0.05, "per_au": {"1": value}, "seeds": [value]}


def row(name: str, labels: str, faces: int, f1: float) -> dict[str, Any]:
    return {
        "data": "rare", "task": "occurrence", "row": name, "labels": labels, "labelled_faces": faces,
        "scores": {"f1": score(f1), "auc": score(f1 + 0.2)}, "images": 640, "seconds": 9.5, "seeds": [0],
        "frames": 100, "subjects": 5,
        "parameters": 1000, "coding": {"faces_per_second": 50.4, "threads": 1}, "shifted": {"f1": score(f1 - 0.1)},
        "steps": 10,
    }  # fmt: skip


@pytest.fixture
def reproduced(tmp_path: Path) -> Path:
    rows = [row("supervised", "5%", 160, 0.4), row("new", "5%", 160, 0.6), row("supervised", "all", 3200, 0.7)]
    rows[1] |= {"start_images": 1280, "start_seconds": 31.2}
    difference = {"data": "rare", "labels": "5%", "row": "new", "metric": "f1", "value": 0.2, "clear": True}
    content = {
        "paper": "benchmark", "item": "occurrence", "what": "occurrence", "baseline": "supervised", "missing": 1,
        "rows": rows, "differences": [{**difference, "low": 0.1, "high": 0.3, "per_au": {"1": 0.2}}],
        "cards": {"usual": "long"},
    }  # fmt: skip
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(content))
    return folder


def test_rows_that_are_there_stay_beside_new_ones(reproduced: Path, tmp_path: Path) -> None:
    into = tmp_path / "results"
    take(reproduced, into)
    content = json.loads((reproduced / "results.json").read_text())
    content["rows"] = [row("new", "5%", 160, 0.5), row("newer", "5%", 160, 0.3)]
    content["differences"] = [content["differences"][0] | {"row": "newer", "value": -0.1, "per_au": {}}]
    content["missing"] = 2
    (reproduced / "results.json").write_text(json.dumps(content))
    added = json.loads(take(reproduced, into, add=True).read_text())
    told = {(each["row"], each["labels"]): each["scores"]["f1"]["value"] for each in added["rows"]}
    assert told == {("new", "5%"): 0.5, ("newer", "5%"): 0.3, ("supervised", "5%"): 0.4, ("supervised", "all"): 0.7}
    assert added["missing"] == 0
    assert {each["row"]: each["value"] for each in added["differences"]} == {"newer": -0.1}, (
        "that of `new` was of old runs"
    )
    content["faces"] = {"rare": {"seed": 1}}
    (reproduced / "results.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="its faces are not those of the new file"):
        take(reproduced, into, add=True)
    assert len(json.loads(take(reproduced, into).read_text())["rows"]) == 2, "taken, it is what was made"


@pytest.mark.parametrize(("again", "stays"), [(0.4004, True), (0.41, False)])
def test_differences_stay_where_a_row_made_again_moved_in_last_digits_alone(
    reproduced: Path, tmp_path: Path, again: float, stays: bool
) -> None:
    into = tmp_path / "results"
    take(reproduced, into)
    content = json.loads((reproduced / "results.json").read_text())
    content |= {"rows": [row("supervised", "5%", 160, again)], "differences": []}
    (reproduced / "results.json").write_text(json.dumps(content))
    added = json.loads(take(reproduced, into, add=True).read_text())
    assert [each["row"] for each in added["differences"]] == ["new"] * stays


def test_places_are_as_wide_as_the_intervals_of_differences() -> None:
    maker = program(DOCS / "results_page.py")
    ends = {"best": (0.2, 0.3), "good": (0.05, 0.25), "like": (-0.1, 0.1), "worse": (-0.3, -0.2), "few": (None, None)}
    found = {name: {"value": 0.0, "low": low, "high": high} for name, (low, high) in ends.items()}
    names = ["best", "good", "like", "base", "worse", "few"]
    told = maker.places(names, found, "f1", "base")
    assert {name: text.strip(" ()") for name, text in told.items()} == {
        "best": "1–3", "good": "1–4", "like": "2–5", "base": "3–5", "worse": "5–6", "few": "1–6",
    }  # fmt: skip
    assert maker.places(names, found, "mae", "base")["worse"] == " (1–2)", "of errors the least is best"
    assert maker.places(["odd", "base"], {}, "f1", "base") == {"odd": " (1–2)", "base": " (1–2)"}


def test_the_page_ranks_compares_and_counts(reproduced: Path, tmp_path: Path) -> None:
    maker = program(DOCS / "results_page.py")
    kept = take(reproduced, tmp_path / "results")
    content = json.loads(kept.read_text())
    assert "cards" not in content and "per_au" not in content["differences"][0]
    assert "per_au" in content["rows"][0]["scores"]["f1"] and "per_au" not in content["rows"][0]["scores"]["auc"]
    kept = read_kept(tmp_path / "results")
    files = maker.pages(kept, "# Results {f1; rare; 5%; new}\n")
    text = files["results.md"].replace("\u00a0", " ")
    assert "| 1 (1–1) | new | 1 | 0.600 [0.550, 0.650] | +0.200 ● [+0.100, +0.300] | 0.800 [0.750, 0.850] |" in text
    assert text.index("| 1 (1–1) | new") < text.index("| 2 (2–2) | supervised | 1 | 0.400 [0.350, 0.450] | – |")
    assert "| 0.800 [0.750, 0.850] | – | 1 (1–2) | 0.500" in text, "nobody compared AUC, so the places are open"
    assert "3 of 4 combinations" in text and "100 test faces of 5 people" in text
    assert "| supervised | 0.400 [0.350, 0.450] | **0.700 [0.650, 0.750]** |" in text
    assert "| new | 640 | 10 | 1,280 | 31 | 1,000 | 50 |" in text
    drawn = files["results-occurrence-rare.svg"]
    assert drawn == maker.pages(kept, "# Results\n")["results-occurrence-rare.svg"]
    assert text.startswith("# Results .600\n")
    assert "### Rare AUs, ranked at 5%" in text and "(results-occurrence-rare.svg)" in text
    left = re.search(r"Not trained on these at 5%: (.*)\.", text)
    assert left and "MAE-Face" in left[1].split("; ") and "supervised" not in left[1].split("; ")
    assert "appearance shifted" in text and "0.500 [0.450, 0.550] |" in text


def test_networks_of_the_same_numbers_are_told() -> None:
    maker = program(DOCS / "results_page.py")
    rows = [row(name, "5%", 160, f1) for name, f1 in (("a", 0.4), ("b", 0.40001), ("c", 0.5))]
    assert "The same numbers have a, b: on the people" in maker.alike(rows, ("f1", "auc"))[-1]
    assert maker.alike(rows[1:], ("f1", "auc")) == []
    bare = [row(f"{name}, pixels alone", "5%", 160, 0.4) for name in "ab"]
    assert maker.alike(bare, ("f1", "auc")) == [], "they have no evidence that could be the same"


def test_columns_without_a_number_are_left_out(reproduced: Path, tmp_path: Path) -> None:
    maker = program(DOCS / "results_page.py")
    content = json.loads((reproduced / "results.json").read_text())
    for each in content["rows"]:
        del each["shifted"]
    (reproduced / "results.json").write_text(json.dumps(content))
    take(reproduced, tmp_path / "results")
    assert "appearance shifted" not in maker.pages(read_kept(tmp_path / "results"), "# Results\n")["results.md"]


@pytest.mark.parametrize(
    ("counts", "told"), [((3, 3), ", 3 seeds each"), ((3, 1), ", 1 to 3 seeds"), ((1, 1), ", one seed")]
)
def test_a_papers_table_says_how_many_seeds(counts: tuple[int, int], told: str) -> None:
    rows = [row(name, "5%", 160, 0.4) | {"seeds": list(range(many))} for name, many in zip("ab", counts, strict=True)]
    content = {"paper": "wsrtl", "item": "table-ii", "what": "x", "rows": rows, "differences": [], "baseline": "a"}
    text = program(DOCS / "results_page.py").paper_text(content)
    assert f"{told}. Made by" in text
    assert ("| seeds |" in text) == (counts[0] != counts[1])
    assert "called absent" not in text
    rows[0]["guessed_absent"] = 0.7307
    assert "called absent throughout, 0.731 of them" in program(DOCS / "results_page.py").paper_text(content)


def test_the_kept_page_is_that_of_the_kept_files() -> None:
    maker = program(DOCS / "results_page.py")
    made = maker.pages(read_kept(maker.RESULTS), maker.INTRODUCTION.read_text(encoding="utf-8"))
    assert made.pop("results.md") == (DOCS / "results.md").read_text(encoding="utf-8")
    assert made and all((DOCS / name).exists() for name in made)


def test_marked_numbers_on_pages_are_those_of_the_files() -> None:
    maker = program(DOCS / "results_page.py")
    kept, marks = read_kept(maker.RESULTS), 0
    for path in maker.marked_pages():
        text = path.read_text(encoding="utf-8")
        assert fill_marks(text, kept) == text, f"{path}: give `make results`"
        assert not re.search(r"^\s*<!-- ", text, flags=re.MULTILINE), f"{path}: a line that begins so is no paragraph"
        marks += text.count("<!---->")
    assert marks > 80


SCORE = re.compile(  # three digits and more, or two after the name of a measure
    r"(?<![\w.])0?\.\d{3,}|\b(?:F1|AUC|ICC(?:\(3,1\))?)(?:\s+(?:of|at|is|has|had|at limits))?\s+\**[+−-]?0?\.\d{2}"
)
FORMS = re.compile(r"^```.*?^```|`[^`\n]*`|\{[^}\n]*\}", flags=re.MULTILINE | re.DOTALL)  # code; {…} is filled in
PROSE = [
    ("../README.md", ""), ("guide/which-method.md", ""), ("results/introduction.txt", ""), ("results/claims.txt", ""),
    ("results/which-frames.txt", ""),
    *((f"methods/{page.name}", "## Measured") for page in sorted((DOCS / "methods").glob("*.md"))),
]  # fmt: skip


@pytest.mark.parametrize(("page", "begins"), PROSE, ids=lambda told: told.rpartition("/")[2])
def test_scores_are_not_quoted_by_hand(page: str, begins: str) -> None:
    """They are marked and filled in, or are trials of one day, which stand in trials.md."""
    text = (DOCS / page).read_text(encoding="utf-8")
    prose = FORMS.sub("", without_marks(text[text.index(begins) :]))
    assert not SCORE.findall(prose)


@pytest.mark.parametrize("claim", read_claims(), ids=lambda claim: claim.id)
def test_claims_quote_no_scores_by_hand(claim: Claim) -> None:
    assert not SCORE.findall(FORMS.sub("", f"{claim.tried} {claim.unfair} {claim.cannot}"))


def test_scores_quoted_by_hand_are_found() -> None:
    told = "F1 .61, AUC .870 and .43 [.391, .471]; F1 is 0.5, within .01; F1\nat limits .57, F1 of **.43"
    assert SCORE.findall(told) == ["F1 .61", "AUC .87", ".391", ".471", "F1\nat limits .57", "F1 of **.43"]


def test_a_number_that_is_not_there_is_named(reproduced: Path, tmp_path: Path) -> None:
    take(reproduced, tmp_path / "results")
    kept = read_kept(tmp_path / "results")
    with pytest.raises(ValueError, match="no result file has 'f1; rare; 5%; old'"):
        fill_marks("a <!-- f1; rare; 5%; old -->.5<!----> b", kept)
    told = fill_marks("a <!-- f1; rare; 5%; new less supervised -->.5<!----> b", kept)
    assert told == "a <!-- f1; rare; 5%; new less supervised -->+.200 [+.100, +.300]<!----> b"
    assert fill_marks("<!-- benchmark occurrence; f1; rare; 5%; new -->.5<!---->", kept).endswith("-->.600<!---->")
    with pytest.raises(ValueError, match="no row new"):
        fill_marks("<!-- wsrtl table-ii; f1; rare; 5%; new -->.5<!---->", kept)
    shares = fill_marks("<!-- f1; rare; 5%; supervised; of all -->1<!---->", kept)
    assert shares.endswith("-->57<!---->"), ".4 of .7"
