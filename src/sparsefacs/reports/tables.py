"""The report's tables as plain data (cells of text and marks), and the scores as a table for a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..facs import UNITS
from .results import LOWER_IS_BETTER, METRIC_NAMES, METRICS_OF_TASK, Result, flatten, number

UNDEFINED = "–"
MINUS = "−"
TERMINAL_COLUMNS = 100


@dataclass(frozen=True)
class Cell:
    """One cell: its text, a mark (`best`, `differs`, `right`, `wrong` or none) and whether it heads its row."""

    text: str
    mark: str = ""
    head: bool = False


@dataclass(frozen=True)
class Table:
    """A table: what it shows, the column heads, the rows, and how many last rows sum the others up."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    summary_rows: int = 0


def au_label(au: int, *, named: bool = True) -> str:
    """Return `AU12 Lip Corner Puller`, or `AU12`."""
    return f"AU{au} {UNITS[au].name}" if named and au in UNITS else f"AU{au}"


def figure(value: Any, digits: int = 2, *, signed: bool = False) -> str:
    """Return a number with `digits` decimals and a true minus sign, or a dash where it is undefined."""
    found = number(value)
    if found is None:
        return UNDEFINED
    text = f"{found:+.{digits}f}" if signed else f"{found:.{digits}f}"
    if number(float(text)) == 0:
        text = text.lstrip("-") if not signed else text.replace("-", "+")
    return text.replace("-", MINUS)


def with_interval(score: Mapping[str, Any], digits: int = 2) -> str:
    """Return `0.61 [0.55, 0.66]` from value, low and high; only the value where there is no interval."""
    value, low, high = (number(score.get(key)) for key in ("value", "low", "high"))
    if value is None:
        return UNDEFINED
    if low is None or high is None:
        return figure(value, digits)
    return f"{figure(value, digits)} [{figure(low, digits)}, {figure(high, digits)}]"


def all_aus(results: Sequence[Result]) -> tuple[int, ...]:
    """Return every AU that any of the results codes, ascending."""
    return tuple(sorted({au for result in results for au in result.aus}))


def best_of(values: Sequence[float | None], metric: str) -> set[int]:
    """Return which of the values are best, to the two decimals shown; none when fewer than two are defined."""
    rounded = {i: round(value, 2) for i, value in enumerate(values) if value is not None}
    if len(rounded) < 2:
        return set()
    best = min(rounded.values()) if metric in LOWER_IS_BETTER else max(rounded.values())
    return {i for i, value in rounded.items() if value == best}


def score_table(results: Sequence[Result], metric: str) -> Table:
    """Return one metric per AU and its mean, a column a run, with the entries and positives it rests on."""
    occurrence = results[0].task == "occurrence"
    counts = ("Labels", "Positives") if occurrence else ("Labels",)
    rows = []
    for au in all_aus(results):
        scores = [result.score(au, metric) for result in results]
        cells = [Cell(au_label(au), head=True), Cell(_agreed(score.get("entries") for score in scores))]
        if occurrence:
            cells.append(Cell(_agreed(score.get("positives") for score in scores)))
        rows.append((*cells, *_score_cells(scores, metric)))
    means = [result.mean(metric) for result in results]
    lead = [Cell("Mean over AUs", head=True), Cell(_agreed(mean.get("entries") for mean in means))]
    if occurrence:
        lead.append(Cell(""))
    rows.append((*lead, *_score_cells(means, metric)))
    lower = "lower is better" if metric in LOWER_IS_BETTER else "higher is better"
    return Table(
        f"{METRIC_NAMES[metric]} per AU with 95 % interval ({lower})",
        ("Action unit", *counts, *(result.label for result in results)),
        tuple(rows),
        summary_rows=1,
    )


def _score_cells(scores: Sequence[Mapping[str, Any]], metric: str) -> list[Cell]:
    best = best_of([number(score.get("value")) for score in scores], metric)
    return [Cell(with_interval(score), "best" if i in best else "") for i, score in enumerate(scores)]


def _agreed(counts: Iterable[Any]) -> str:
    """Return the one count of all runs, or each run's where they differ."""
    texts = [UNDEFINED if number(count) is None else f"{int(count):,}" for count in counts]
    return texts[0] if len(set(texts)) == 1 else " / ".join(texts)


def fold_table(results: Sequence[Result], metric: str) -> Table | None:
    """Return the mean of `metric` per fold, a column a run; None where no run has more than one fold."""
    folds = list(dict.fromkeys(fold for result in results for fold in result.metrics["folds"]))
    if len(folds) < 2:
        return None
    rows = []
    for fold in folds:
        scores = [(result.metrics["folds"].get(fold) or {}).get("mean", {}).get(metric) or {} for result in results]
        rows.append((Cell(fold, head=True), *_score_cells(scores, metric)))
    return Table(f"Mean {METRIC_NAMES[metric]} per fold", ("Fold", *(result.label for result in results)), tuple(rows))


def marginal_table(results: Sequence[Result]) -> Table:
    """Return how often each AU is on, in the labels and in each run's predictions, with the |difference|."""
    rows = []
    for au in all_aus(results):
        cells, truths, gaps = [], [], []
        for result in results:
            true, predicted, gap = (_marginal(result, au, which) for which in ("true", "predicted", "difference"))
            truths.append(figure(true))
            gaps.append(gap)
            cells.append((figure(predicted), figure(gap, 3)))
        best = best_of([None if gap is None else round(gap, 3) for gap in gaps], "mae")
        flat = [
            Cell(text, "best" if column == 1 and i in best else "")
            for i, pair in enumerate(cells)
            for column, text in enumerate(pair)
        ]
        rows.append((Cell(au_label(au), head=True), Cell(_one_of(truths)), *flat))
    means = [number(_difference(result).get("mean_marginal")) for result in results]
    flat = [cell for mean in means for cell in (Cell(""), Cell(figure(mean, 3)))]
    rows.append((Cell("Mean |difference|", head=True), Cell(""), *flat))
    heads = [head for result in results for head in (f"{result.label}: predicted", f"{result.label}: |difference|")]
    return Table("Share of frames with each AU", ("Action unit", "Labels", *heads), tuple(rows), summary_rows=1)


def _one_of(texts: Sequence[str]) -> str:
    return texts[0] if len(set(texts)) == 1 else " / ".join(texts)


def _difference(result: Result) -> dict[str, Any]:
    found = (result.metrics.get("distributions") or {}).get("difference")
    return found if isinstance(found, dict) else {}


def _marginal(result: Result, au: int, which: str) -> float | None:
    distributions = result.metrics.get("distributions") or {}
    aus, values = distributions.get("aus", []), (distributions.get(which) or {}).get("marginal", [])
    return number(values[aus.index(au)]) if au in aus and aus.index(au) < len(values) else None


def conditional_table(result: Result) -> Table:
    """Return one run's |difference| of P(column AU | row AU) between predictions and labels."""
    aus = [int(au) for au in result.metrics["distributions"]["aus"]]
    matrix = _difference(result)["conditional"]
    rows = [
        (Cell(f"given AU{au}", head=True), *(Cell(figure(value)) for value in row))
        for au, row in zip(aus, matrix, strict=True)
    ]
    return Table(
        f"{result.label}: |difference| of conditional probabilities",
        ("", *(f"AU{au}" for au in aus)),
        tuple(rows),
    )


def settings_table(results: Sequence[Result]) -> Table:
    """Return every entry of the runs' provenance, a column a run; rows where the runs differ are marked."""
    facts = [dict(flatten(result.metrics["provenance"])) for result in results]
    rows = []
    for name in dict.fromkeys(name for each in facts for name in each):
        texts = [_told(each[name]) if name in each else UNDEFINED for each in facts]
        mark = "differs" if len(set(texts)) > 1 else ""
        rows.append((Cell(name.replace("_", " "), mark, head=True), *(Cell(text) for text in texts)))
    return Table("Settings and hashes", ("Setting", *(result.label for result in results)), tuple(rows))


def _told(value: Any) -> str:
    if value is None:
        return UNDEFINED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(_told(item) for item in value)
    return str(value)


def text_table(metrics: Mapping[str, Any]) -> str:
    """Return the pooled scores of a `metrics.json` content as plain text, at most 100 columns wide.

    A line an AU and one for the mean: labels and positives counted, then every metric with its 95 % interval.
    """
    names = METRICS_OF_TASK[str(metrics["task"])]
    occurrence = metrics["task"] == "occurrence"
    pooled = metrics["pooled"]
    lines = [["AU", "name", "labels", *(["positive"] if occurrence else []), *(METRIC_NAMES[name] for name in names)]]
    for au in metrics["aus"]:
        scores = pooled["per_au"].get(str(au), {})
        main = scores.get(names[0]) or {}
        counts = [_agreed([main.get("entries")]), *([_agreed([main.get("positives")])] if occurrence else [])]
        lines.append(
            [f"AU{au}", UNITS[au].name if au in UNITS else "", *counts]
            + [with_interval(scores.get(name) or {}) for name in names]
        )
    means = [with_interval(pooled["mean"].get(name) or {}) for name in names]
    entries = _agreed([(pooled["mean"].get(names[0]) or {}).get("entries")])
    lines.append(["mean", "", entries, *([""] if occurrence else []), *means])
    body = _in_columns(lines)
    head = (
        f"{metrics.get('method', '')} · {_agreed([pooled.get('frames')])} held-out frames of "
        f"{_agreed([pooled.get('subjects')])} subjects · value [95 % interval over subjects]"
    ).lstrip(" ·")
    return "\n".join([head, *body])


def _in_columns(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    spare = TERMINAL_COLUMNS - (sum(widths) + 2 * (len(widths) - 1))
    if spare < 0:
        widths[1] = max(4, widths[1] + spare)  # the names give way, the figures never
    ruled = "  ".join("─" * width for width in widths)
    out = []
    for line in lines:
        cells = [
            (text if len(text) <= width else text[: width - 1] + "…").ljust(width) if i < 2 else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        out.append("  ".join(cells).rstrip())
    return [out[0], ruled, *out[1:-1], ruled, out[-1]]
