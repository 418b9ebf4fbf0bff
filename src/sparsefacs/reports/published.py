"""Published rows beside ours: the same data set and metric, marked as published, with what makes them differ."""

from collections.abc import Sequence
from typing import Any

from ..protocols.published import PublishedRow, published_rows
from .results import METRIC_NAMES, METRICS_OF_TASK, Result, number
from .tables import UNDEFINED, Cell, Table, figure

_PRINTED = {"3fold": "3-fold", "fera2015": "fera2015", "60-20-20": "60-20-20"}  # part of our name → what papers say
_DIGITS = {"f1": 3, "auc": 3, "accuracy": 3}
WARNING = (
    "Published rows are quoted as printed, not reproduced here. Tables of one protocol's name differ by fold lists, "
    "face crop, threshold, and by choosing the epoch on the test fold: read them as a landmark, not as a contest."
)


Shown = tuple[Table, list[str], bool]
"""A table, the notes on its published rows, and whether the page folds it away."""


def published_tables(results: Sequence[Result], metric: str) -> list[Shown]:
    """Return our rows above the published ones of the same data set: the runs' own protocol first, the rest folded.

    Empty where the runs' stores are not of one data set for which papers print that metric.
    """
    dataset = _dataset(results)
    rows = [] if dataset is None else _distinct(published_rows(dataset, metric, results[0].task))
    own = {_as_printed(str(result.fact("protocol"))) for result in results}
    name = METRIC_NAMES[metric]
    shown = []
    for alike, caption in (
        (True, f"{name} beside published rows on {dataset}"),
        (False, f"{name} under other protocols"),
    ):
        part = [row for row in rows if (row.protocol in own) == alike]
        if part:
            shown.append((*_table(results, metric, part, caption), not alike))
    return shown


def why_no_published_rows(results: Sequence[Result]) -> str:
    """Say why published rows are missing although some of the runs' data sets have them; empty if none has."""
    named = sorted({str((result.source or {}).get("dataset")) for result in results})
    metric = METRICS_OF_TASK[results[0].task][0]
    with_rows = [name for name in named if published_rows(name, metric, results[0].task)]
    if len(named) < 2 or not with_rows:
        return ""
    return (
        f"No published rows are shown, since these runs are of several data sets: report those of {with_rows[0]} alone."
    )


def _dataset(results: Sequence[Result]) -> str | None:
    named = {str((result.source or {}).get("dataset")) for result in results}
    return named.pop() if len(named) == 1 else None


def _as_printed(protocol: str) -> str:
    """Return what papers call a protocol of ours."""
    name = protocol.partition("@")[0]
    return next((printed for ours, printed in _PRINTED.items() if ours in name), name)


def _table(
    results: Sequence[Result], metric: str, rows: Sequence[PublishedRow], caption: str
) -> tuple[Table, list[str]]:
    aus = sorted({au for row in rows for au in row.aus} | {au for result in results for au in result.aus})
    digits = _DIGITS.get(metric, 2)
    lines = [_ours(result, metric, aus, digits) for result in results]
    lines += [_published(row, aus, digits) for row in rows]
    heads = ("Method", "From", "Protocol", "Labels", *(f"AU{au}" for au in aus), "Mean")
    notes = list(dict.fromkeys(f"{row.shown_as} ({row.paper}, {row.item}): {row.note}." for row in rows if row.note))
    return Table(caption, heads, tuple(lines)), notes


def _distinct(rows: Sequence[PublishedRow]) -> list[PublishedRow]:
    """Return the rows, one that several papers or tables print alike once."""
    kept: dict[tuple[Any, ...], PublishedRow] = {}
    for row in rows:
        kept.setdefault((row.shown_as, row.protocol, row.labels, tuple(row.aus.items()), row.mean), row)
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
