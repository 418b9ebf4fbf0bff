"""Published results: every number of every results table of the five papers, as printed (tables/published.csv).

Sources, by the key in column `paper`: adversarial (Wang, Chang, Peng, Pan: Deep semi-supervised facial action unit
recognition), kdsrl (Chang, Wang: Knowledge-driven self-supervised representation learning), wsrtl (Yan et al.: Weakly
supervised regional and temporal learning), mae-face (Ma et al.: MAE-Face), knowledge-spreader (Li et al.). Numbers
that a figure's text states are kept too, and say so in `note`. A misprint or a row about which papers disagree is kept
as printed, with a note; no number is corrected. Column `protocol` is what the paper says: equal names do not promise
equal fold lists, crops, thresholds or choice of epoch.
"""

import csv
import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from ..errors import InputError

# What a table of ours prints where a paper prints "Ours".
_OWN = {"adversarial": "Wang et al.", "kdsrl": "KDSRL", "knowledge-spreader": "KS"}
_SHARES = frozenset({"f1", "auc", "accuracy"})
_WIDTH = 120
_TABLE = "tables/published.csv"


@dataclass(frozen=True)
class Published:
    """One printed number.

    au: None for the average over AUs. printed: the characters on the page; value: the same as a number, in `unit`
    (percent, fraction; levels, levels^2 of the 0–5 intensity scale). labels: the training labels used (all, 5%,
    self-supervised probe: a frozen encoder with a classifier on all labels, …). dataset, protocol, metric: lower case.
    """

    paper: str
    item: str
    dataset: str
    protocol: str
    task: str
    method: str
    labels: str
    metric: str
    unit: str
    au: int | None
    printed: str
    value: float
    note: str

    @property
    def row(self) -> tuple[str, ...]:
        """Identity of the printed row that the number stands in."""
        return (self.paper, self.item, self.dataset, self.protocol, self.task, self.method, self.labels, self.metric)

    @property
    def fraction(self) -> float:
        """The value, of a percentage as a fraction.

        Rounded, since 35.1 / 100 is 0.35100000000000003: no paper prints more than two decimals of a percentage.
        """
        return round(self.value / 100, 6) if self.unit == "percent" else self.value


@dataclass(frozen=True)
class PublishedRow:
    """One printed row, ready to stand beside ours.

    f1, auc and accuracy are fractions 0–1 (`unit` fraction); icc, mse and mae are as printed. aus: AU → value, empty
    where the paper prints the average alone; mean: the printed average, None if there is none, and not recomputed.
    shown_as: the method's name where "Ours" would mislead. note: all notes of the row, those of single AUs named.
    """

    method: str
    shown_as: str
    paper: str
    item: str
    dataset: str
    protocol: str
    task: str
    labels: str
    metric: str
    unit: str
    aus: Mapping[int, float] = field(hash=False)
    mean: float | None
    note: str


def published_results(
    *,
    paper: str | None = None,
    item: str | None = None,
    dataset: str | None = None,
    protocol: str | None = None,
    metric: str | None = None,
    method: str | None = None,
) -> list[Published]:
    """Return the printed numbers that match, in the papers' order (paper, item, row, AU, the average last).

    Upper and lower case are alike. A data set, protocol, metric or method that no paper has gives an empty list;
    raises InputError, naming the choices, for an unknown paper or an item (`Table 4`) that is not there.
    """
    tables = published_tables()
    if paper is not None and paper.casefold() not in tables:
        raise InputError(f"{paper!r} is not one of the papers", remedy=f"Papers: {', '.join(tables)}")
    items = list(dict.fromkeys(i for key in ([paper.casefold()] if paper else tables) for i in tables[key]))
    if item is not None and item.casefold() not in (known.casefold() for known in items):
        raise InputError(f"{paper or 'no paper'} has no results in {item!r}", remedy=f"It has: {', '.join(items)}")
    wanted = {"paper": paper, "item": item, "dataset": dataset, "protocol": protocol, "metric": metric}
    wanted["method"] = method
    asked = {name: value.casefold() for name, value in wanted.items() if value is not None}
    return [one for one in _read() if all(getattr(one, name).casefold() == value for name, value in asked.items())]


def published_tables() -> dict[str, tuple[str, ...]]:
    """Return paper → its items (`Table 1`, …, `Figure 4`), both in the papers' order."""
    tables: dict[str, dict[str, None]] = {}
    for one in _read():
        tables.setdefault(one.paper, {})[one.item] = None
    return {paper: tuple(items) for paper, items in tables.items()}


def published_rows(dataset: str, metric: str, task: str) -> list[PublishedRow]:
    """Return the printed rows of a data set, metric and task (`bp4d`, `f1`, `occurrence`), in the papers' order.

    A paper that repeats a row in a second table has it twice. Empty where no paper has such numbers.
    """
    found = [one for one in published_results(dataset=dataset, metric=metric) if one.task == task.casefold()]
    return [_as_row(cells) for cells in _by_row(found)]


def published_table_text(paper: str, item: str) -> str:
    """Return one published table as plain text, at most 120 columns wide; raises InputError if it is not there.

    A block for each data set, protocol and metric; numbers as printed, a dash where none is; notes below.
    """
    numbers = published_results(paper=paper, item=item)
    blocks: dict[tuple[str, ...], list[list[Published]]] = {}
    for cells in _by_row(numbers):
        one = cells[0]
        blocks.setdefault((one.dataset, one.protocol, one.task, one.metric, one.unit), []).append(cells)
    lines = [f"{numbers[0].paper}, {numbers[0].item} (published)"]
    for (dataset, protocol, task, metric, unit), rows in blocks.items():
        lines += ["", f"{dataset}, protocol {protocol}, {task}: {metric} ({unit})", *_block(rows)]
    return "\n".join([*lines, *_note_lines(_by_row(numbers))])


@cache
def _read() -> tuple[Published, ...]:
    with (resources.files(__package__) / _TABLE).open(encoding="utf-8") as handle:
        return tuple(_as_published(line) for line in csv.DictReader(handle))


def _as_published(line: dict[str, str]) -> Published:
    printed, au = line.pop("value"), line.pop("au")
    return Published(**line, au=None if au == "mean" else int(au), printed=printed, value=float(printed))


def _by_row(numbers: Iterable[Published]) -> list[list[Published]]:
    rows: dict[tuple[str, ...], list[Published]] = {}
    for one in numbers:
        rows.setdefault(one.row, []).append(one)
    return list(rows.values())


def _as_row(cells: list[Published]) -> PublishedRow:
    one = cells[0]
    to_fraction = one.metric in _SHARES and one.unit == "percent"
    values = {cell.au: cell.fraction if to_fraction else cell.value for cell in cells}
    return PublishedRow(
        method=one.method,
        shown_as=re.sub(r"^(Our KS|Ours)\b", _OWN.get(one.paper, one.method), one.method),
        paper=one.paper,
        item=one.item,
        dataset=one.dataset,
        protocol=one.protocol,
        task=one.task,
        labels=one.labels,
        metric=one.metric,
        unit="fraction" if to_fraction else one.unit,
        aus={au: value for au, value in values.items() if au is not None},
        mean=values.get(None),
        note=_note(cells),
    )


def _note(cells: list[Published]) -> str:
    """Join the notes of a row, each once; one that belongs to some of its AUs alone is told with their names."""
    where: dict[str, list[int | None]] = {}
    for cell in cells:
        for part in filter(None, cell.note.split("; ")):
            where.setdefault(part, []).append(cell.au)
    told = []
    for part, aus in where.items():
        names = ", ".join(f"AU{au}" for au in aus if au is not None)
        told.append(f"{names}: {part}" if names and len(aus) < len(cells) else part)
    return "; ".join(told)


def _block(rows: list[list[Published]]) -> list[str]:
    aus = sorted({cell.au for cells in rows for cell in cells if cell.au is not None})
    columns: list[int | None] = [*aus, None]
    same_labels = len({cells[0].labels for cells in rows}) == 1
    texts = [["method", "" if same_labels else "labels", *(f"AU{au}" for au in aus), "mean"]]
    for cells in rows:
        printed = {cell.au: cell.printed for cell in cells}
        label = "" if same_labels else cells[0].labels
        texts.append([cells[0].method, label, *(printed.get(au, "-") for au in columns)])
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = [_line(text, widths) for text in texts]
    return [f"labels: {rows[0][0].labels}", *lines] if same_labels else lines


def _line(text: list[str], widths: list[int]) -> str:
    left = [cell.ljust(width) for cell, width in zip(text[:2], widths[:2], strict=True) if width]
    right = [cell.rjust(max(width, 4)) for cell, width in zip(text[2:], widths[2:], strict=True)]
    return " ".join([*left, *right]).rstrip()


def _note_lines(rows: list[list[Published]]) -> list[str]:
    """Return the table's notes, each once and wrapped, with the rows it belongs to."""
    told: dict[str, list[Published]] = {}
    for cells in rows:
        for part in filter(None, _note(cells).split("; ")):
            told.setdefault(part, []).append(cells[0])
    lines: list[str] = []
    for part, ones in told.items():
        who = ", ".join(_names(ones, [cells[0] for cells in rows]))
        lines += textwrap.wrap(f"{who}: {part}.", _WIDTH, subsequent_indent="  ")
    return ["", *lines] if lines else []


def _names(ones: list[Published], rows: list[Published]) -> list[str]:
    """Name `ones` of a table's rows: by what they have in common, else by method and by what tells its rows apart."""
    if len(ones) == len(rows):
        return ["all rows"]
    for part in ("dataset", "protocol", "metric"):
        value = getattr(ones[0], part)
        if len(ones) > 1 and ones == [row for row in rows if getattr(row, part) == value]:
            return [f"all rows of {value}"]
    names: dict[str, None] = {}
    for one in ones:
        alike = [row for row in rows if row.method == one.method]
        differs = [p for p in ("dataset", "protocol", "metric", "labels") if len({getattr(r, p) for r in alike}) > 1]
        tag = f" ({', '.join(getattr(one, part) for part in differs)})" if differs else ""
        names[one.method if all(row in ones for row in alike) else one.method + tag] = None
    return list(names)
