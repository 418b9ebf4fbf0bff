"""Published rows stand beside ours, marked as published, and only where they are of the same data set and metric."""

from pathlib import Path

import pytest

from sparsefacs.protocols.published import published_rows
from sparsefacs.reports.published import published_tables, why_no_published_rows
from sparsefacs.reports.results import Result

AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)


def result(dataset: str | None, aus: tuple[int, ...] = AUS, label: str = "supervised") -> Result:
    score = {"value": 0.5, "low": 0.4, "high": 0.6, "entries": 10}
    pooled = {"per_au": {str(au): {"f1": score, "auc": score} for au in aus}, "mean": {"f1": score, "auc": score}}
    metrics = {
        "method": "supervised",
        "task": "occurrence",
        "aus": list(aus),
        "pooled": pooled,
        "provenance": {"protocol": "bp4d-3fold", "labels": {"spec": "5%"}},
    }
    return Result(Path(label), label, metrics, source={"dataset": dataset})


def test_published_rows_follow_ours() -> None:
    (table, notes, folded), (_, _, others_folded) = published_tables(
        [result("bp4d"), result("bp4d", label="adversarial †")], "f1"
    )
    assert not folded and others_folded
    assert {row[2].text for row in table.rows[2:]} == {"3-fold"}, "the runs' own protocol comes first"
    assert table.heads == ("Method", "From", "Protocol", "Labels", *(f"AU{au}" for au in AUS), "Mean")
    assert [row[0].text for row in table.rows[:2]] == ["supervised", "adversarial †"]
    assert [cell.text for cell in table.rows[0][1:5]] == ["this run", "bp4d-3fold", "5%", "0.500"]
    published = table.rows[2:]
    assert all(row[1].text.startswith("published: ") for row in published)
    by_name = {(row[0].text, row[1].text): row for row in published}
    kdsrl = by_name["KDSRL", "published: kdsrl, Table 5"]
    printed = next(
        r for r in published_rows("bp4d", "f1", "occurrence") if r.shown_as == "KDSRL" and r.item == "Table 5"
    )
    assert kdsrl[-1].text == f"{printed.mean:.3f}"
    assert kdsrl[4].text == f"{printed.aus[1]:.3f}"
    assert any("papers disagree" in note for note in notes)
    keys = [tuple(cell.text for cell in row if not cell.text.startswith("published")) for row in published]
    assert len(set(keys)) == len(keys), "a row that a paper prints twice is shown once"


def test_aus_that_only_one_side_has_are_dashes() -> None:
    table = published_tables([result("bp4d", aus=(1, 12, 25))], "f1")[0][0]
    heads, rows = table.heads, table.rows
    assert rows[0][heads.index("AU2")].text == "–" and rows[1][heads.index("AU25")].text == "–"


@pytest.mark.parametrize("datasets", [(None,), ("celeba",), ("bp4d", "disfa")])
def test_other_data_sets_have_no_published_rows(datasets: tuple[str | None, ...]) -> None:
    runs = [result(dataset, label=f"run {i}") for i, dataset in enumerate(datasets)]
    assert published_tables(runs, "f1") == []
    assert bool(why_no_published_rows(runs)) == (len(datasets) > 1)
