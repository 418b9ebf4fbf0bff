"""Published rows beside ours: the same data set and metric, marked as published, with what makes them differ."""

from collections.abc import Sequence
from typing import Any

from ..protocols.published import PublishedRow, published_rows
from .results import METRIC_NAMES, Result, number
from .tables import UNDEFINED, Cell, Table, figure

_DIGITS = {"f1": 3, "auc": 3, "accuracy": 3}
WARNING = (
    "Published rows are quoted as printed, not reproduced here. Tables of one protocol's name differ by fold lists, "
    "face crop, threshold, and by choosing the epoch on the test fold: read them as a landmark, not as a contest."
)


def published_table(results: Sequence[Result], metric: str) -> tuple[Table, list[str]] | None:
    """Return our rows above the published ones of the same data set, and the published rows' notes.

    None where the runs' stores are not of one data set for which papers print that metric.
    """
    corpora = {str((result.source or {}).get("dataset")) for result in results}
    if len(corpora) != 1:
        return None
    (dataset,) = corpora
    rows = _distinct(published_rows(dataset, metric, results[0].task))
    if not rows:
        return None
    aus = sorted({au for row in rows for au in row.aus} | {au for result in results for au in result.aus})
    digits = _DIGITS.get(metric, 2)
    lines = [_ours(result, metric, aus, digits) for result in results]
    lines += [_published(row, aus, digits) for row in rows]
    heads = ("Method", "From", "Protocol", "Labels", *(f"AU{au}" for au in aus), "Mean")
    notes = list(dict.fromkeys(f"{row.shown_as} ({row.paper}, {row.item}): {row.note}." for row in rows if row.note))
    return Table(f"{METRIC_NAMES[metric]} beside published rows on {dataset}", heads, tuple(lines)), notes


def _distinct(rows: Sequence[PublishedRow]) -> list[PublishedRow]:
    """Return the rows, one that a paper repeats in a second table once."""
    kept: dict[tuple[Any, ...], PublishedRow] = {}
    for row in rows:
        kept.setdefault((row.paper, row.method, row.protocol, row.labels, tuple(row.aus.items()), row.mean), row)
    return list(kept.values())


def _ours(result: Result, metric: str, aus: Sequence[int], digits: int) -> tuple[Cell, ...]:
    values = [result.score(au, metric).get("value") for au in aus]
    spec = str(result.fact("labels_spec") or UNDEFINED)
    return (
        Cell(result.label, head=True),
        *map(Cell, ("this run", str(result.fact("protocol") or UNDEFINED), spec)),
        *(Cell(figure(value, digits)) for value in [*values, result.mean(metric).get("value")]),
    )


def _published(row: PublishedRow, aus: Sequence[int], digits: int) -> tuple[Cell, ...]:
    return (
        Cell(row.shown_as, head=True),
        *map(Cell, (f"published: {row.paper}, {row.item}", row.protocol, row.labels)),
        *(Cell(figure(number(row.aus.get(au)), digits)) for au in aus),
        Cell(figure(row.mean, digits)),
    )
