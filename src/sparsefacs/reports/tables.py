"""The report's tables as plain data (cells of text and marks), and the scores as a table for a terminal."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..facs import UNITS
from ..metrics.bootstrap import FEWEST_PEOPLE
from ..protocols.selection import FOOTNOTE, MARK, is_marked
from .comparison import Difference, is_clear
from .results import LOWER_IS_BETTER, METRIC_NAMES, METRICS_OF_TASK, Result, flatten, number

UNDEFINED = "–"
TOO_FEW = "too few people"
_TOO_FEW = " [too few]"  # in a terminal's columns
MINUS = "−"
TERMINAL_COLUMNS = 100
BRANCHES = (("auc_single", "branch A"), ("auc_student", "the students"), ("auc_clip", "the Temporal Teacher"))
"""What `inference.pseudo_labels.branch_scores` tells of Knowledge-Spreader's networks, which are coded together."""


@dataclass(frozen=True)
class Cell:
    """One cell: its text, a mark (`best`, `clear`, `differs`, `right`, `wrong` or none), and whether it heads its row.

    note: what follows the text where there is room (a phone leaves it out).
    """

    text: str
    mark: str = ""
    head: bool = False
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table: what it shows, the column heads, the rows, and how many last rows sum the others up."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    summary_rows: int = 0


def au_head(au: int) -> Cell:
    """Return the cell that heads an AU's row: its number, with its name where there is room."""
    return Cell(f"AU{au}", head=True, note=UNITS[au].name if au in UNITS else "")


def au_names(results: Sequence[Result]) -> list[str]:
    """Return the results' AUs in words: number, name and muscles."""
    known = [UNITS[au] for au in all_aus(results) if au in UNITS]
    return [f"AU{unit.number} {unit.name} ({', '.join(unit.muscles)})" for unit in known]


def figure(value: Any, digits: int = 2, *, signed: bool = False) -> str:
    """Return a number with `digits` decimals and a true minus sign, or a dash where it is undefined."""
    found = number(value)
    if found is None:
        return UNDEFINED
    text = f"{found:+.{digits}f}" if signed else f"{found:.{digits}f}"
    if number(float(text)) == 0:
        text = text.lstrip("-") if not signed else text.replace("-", "+")
    return text.replace("-", MINUS)


def in_prose(value: Any, digits: int = 3, *, signed: bool = False) -> str:
    """Return a number as `figure` does, without the zero before its point: `.594`, `+.013`, `−.004`."""
    return re.sub(r"^([+−]?)0\.", r"\1.", figure(value, digits, signed=signed))


def with_interval(
    score: Mapping[str, Any], digits: int = 2, *, signed: bool = False, without: str = f" ({TOO_FEW})"
) -> str:
    """Return `0.61 [0.55, 0.66]` from value, low and high; `0.61 (too few people)` where there were none to resample.

    Only the value where no interval was asked for, as of a mean over folds. without: what stands for the interval.
    """
    value, low, high = (number(score.get(key)) for key in ("value", "low", "high"))
    if value is None:
        return UNDEFINED
    shown = [figure(each, digits, signed=signed) for each in (value, low, high)]
    if low is None or high is None:
        return shown[0] + (without if "low" in score else "")
    return f"{shown[0]} [{shown[1]}, {shown[2]}]"


def all_aus(results: Sequence[Result]) -> tuple[int, ...]:
    """Return every AU that any of the results codes, ascending."""
    return tuple(sorted({au for result in results for au in result.aus}))


def best_of(values: Sequence[float | None], metric: str, digits: int = 2) -> set[int]:
    """Return which of the values are best, to the decimals shown; none when all that are defined are equal."""
    rounded = {i: round(value, digits) for i, value in enumerate(values) if value is not None}
    if len(set(rounded.values())) < 2:
        return set()
    best = min(rounded.values()) if metric in LOWER_IS_BETTER else max(rounded.values())
    return {i for i, value in rounded.items() if value == best}


def score_table(results: Sequence[Result], metric: str) -> Table:
    """Return one metric per AU and its mean, a column a run, with the labels and positives it rests on."""
    counts = {"Labels": "entries", "Positives": "positives"}
    if results[0].task != "occurrence":
        del counts["Positives"]
    contest = _contest(results)
    rows = []
    for au in all_aus(results):
        scores = [result.score(au, metric) for result in results]
        told = [_agreed(score.get(key) for score in scores) for key in counts.values()]
        rows.append((au_head(au), *_score_cells(scores, metric, contest), *map(Cell, told)))
    means = [result.mean(metric) for result in results]
    total = [Cell(_agreed(mean.get("entries") for mean in means)), *[Cell("")] * (len(counts) - 1)]
    rows.append((Cell("Mean", head=True), *_score_cells(means, metric, contest), *total))
    lower = "lower is better" if metric in LOWER_IS_BETTER else "higher is better"
    return Table(
        f"{METRIC_NAMES[metric]} per AU with 95 % interval ({lower})",
        ("AU", *(result.label for result in results), *counts),
        tuple(rows),
        summary_rows=1,
    )


def _contest(results: Sequence[Result]) -> list[bool]:
    """Say which runs may be called best: those not chosen on the test fold, if all were tested on the same faces."""
    tested = {tuple(str(result.fact(name)) for name in ("store_hash", "protocol_hash", "fold")) for result in results}
    return [len(tested) == 1 and not result.marked for result in results]


def _score_cells(scores: Sequence[Mapping[str, Any]], metric: str, contest: Sequence[bool]) -> list[Cell]:
    values = [number(score.get("value")) if fair else None for score, fair in zip(scores, contest, strict=True)]
    best = best_of(values, metric)
    return [Cell(with_interval(score), "best" if i in best else "") for i, score in enumerate(scores)]


def _agreed(counts: Iterable[Any]) -> str:
    """Return the one count of all runs, or each run's where they differ."""
    texts = [UNDEFINED if number(count) is None else f"{int(count):,}" for count in counts]
    return texts[0] if len(set(texts)) == 1 else " / ".join(texts)


def difference_table(results: Sequence[Result], differences: Sequence[Difference]) -> Table:
    """Return each run's paired difference from the baseline per AU; marked `clear` where the interval has no zero."""

    def cell(score: Mapping[str, Any]) -> Cell:
        return Cell(with_interval(score, signed=True), "clear" if is_clear(score) else "")

    rows = [(au_head(au), *(cell(each.per_au.get(au, {})) for each in differences)) for au in all_aus(results)]
    rows.append((Cell("Mean", head=True), *(cell(each.mean) for each in differences)))
    first = differences[0]
    return Table(
        f"{METRIC_NAMES[first.metric]} less that of {first.baseline}, paired, with 95 % interval",
        ("AU", *(each.run for each in differences)),
        tuple(rows),
        summary_rows=1,
    )


def fold_table(results: Sequence[Result], metric: str) -> Table | None:
    """Return the mean of `metric` per fold, a column a run; None where no run has more than one fold."""
    folds = list(dict.fromkeys(fold for result in results for fold in result.metrics["folds"]))
    if len(folds) < 2:
        return None
    rows = []
    for fold in folds:
        scores = [(result.metrics["folds"].get(fold) or {}).get("mean", {}).get(metric) or {} for result in results]
        rows.append((Cell(fold, head=True), *_score_cells(scores, metric, _contest(results))))
    means = [(result.metrics.get("fold_mean") or {}).get("mean", {}).get(metric) or {} for result in results]
    if any(means):
        rows.append((Cell("Mean", head=True), *_score_cells(means, metric, _contest(results))))
    heads = ("Fold", *(result.label for result in results))
    return Table(f"Mean {METRIC_NAMES[metric]} per fold", heads, tuple(rows), summary_rows=int(any(means)))


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
        best = _least(gaps)
        flat = [
            Cell(text, "best" if column == 1 and i in best else "")
            for i, pair in enumerate(cells)
            for column, text in enumerate(pair)
        ]
        rows.append((au_head(au), Cell(_one_of(truths)), *flat))
    means = [number(_difference(result).get("mean_marginal")) for result in results]
    best = _least(means)
    flat = [c for i, mean in enumerate(means) for c in (Cell(""), Cell(figure(mean, 3), "best" if i in best else ""))]
    rows.append((Cell("Mean |difference|", head=True), Cell(""), *flat))
    heads = [head for result in results for head in (f"{result.label}: predicted", f"{result.label}: |difference|")]
    return Table("Share of frames with each AU", ("AU", "Labels", *heads), tuple(rows), summary_rows=1)


def _least(gaps: Sequence[float | None]) -> set[int]:
    return best_of(gaps, "mae", digits=3)


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


def label_table(results: Sequence[Result]) -> Table | None:
    """Return what the visible labels and pseudo labels are worth, a column a run; None where no run has such counts.

    Distinct AU combinations on the labelled faces, on as many faces coded as whole clips, and on all faces; right
    pseudo labels of training frames whose labels the run could not see, all and those confirmed by a clip's order
    (Knowledge-Spreader, 4.4 and 4.5).
    """

    def count(result: Result, name: str) -> str:
        found = number(result.fact(name))
        return UNDEFINED if found is None else f"{found:,.0f}"

    def share(result: Result, name: str) -> str:
        found = number(result.fact(f"pseudo_labels_{name}"))
        return UNDEFINED if found is None else f"{100 * found:.1f} %"

    def auc(result: Result, name: str) -> str:
        return figure(number(result.fact(f"pseudo_labels_{name}")), 3)

    told = [
        ("Faces with visible labels", [count(result, "labels_frames") for result in results]),
        ("AU combinations on them", [count(result, "labels_combinations_kept") for result in results]),
        ("the same, had whole clips been coded", [count(result, "labels_combinations_dense") for result in results]),
        ("AU combinations on all training faces", [count(result, "labels_combinations_all") for result in results]),
        ("Right pseudo labels", [share(result, "accuracy") for result in results]),
        ("Clips whose order was recognised", [share(result, "confirmed") for result in results]),
        ("Right pseudo labels of these", [share(result, "accuracy_confirmed") for result in results]),
        (
            "True and shuffled clips told apart, held-out people",
            [share(result, "order_accuracy") for result in results],
        ),
        *(
            (f"AUC of {network} alone, held-out people", [auc(result, key) for result in results])
            for key, network in BRANCHES
        ),
    ]
    rows = tuple(
        (Cell(name, head=True), *map(Cell, texts)) for name, texts in told if any(text != UNDEFINED for text in texts)
    )
    heads = ("", *(result.label for result in results))
    return Table("What the labels hold", heads, rows) if len(rows) > 1 else None


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
        return ("; " if any(isinstance(item, list) for item in value) else ", ").join(_told(item) for item in value)
    return str(value)


def text_table(metrics: Mapping[str, Any]) -> str:
    """Return the pooled scores of a `metrics.json` content as plain text, at most 100 columns wide.

    A line an AU and one for the mean: labels and positives counted, then every metric with its 95 % interval (F1 at .5
    without one, for want of room; older scores lack it).
    """
    occurrence = metrics["task"] == "occurrence"
    pooled = metrics["pooled"]
    names = [name for name in METRICS_OF_TASK[str(metrics["task"])] if name != "f1_half" or name in pooled["mean"]]
    lines = [["AU", "name", "labels", *(["positive"] if occurrence else []), *(METRIC_NAMES[name] for name in names)]]
    without = "" if _too_few(pooled) else _TOO_FEW
    for au in metrics["aus"]:
        scores = pooled["per_au"].get(str(au), {})
        main = scores.get(names[0]) or {}
        counts = [_agreed([main.get("entries")]), *([_agreed([main.get("positives")])] if occurrence else [])]
        lines.append(
            [f"AU{au}", UNITS[au].name if au in UNITS else "", *counts]
            + [_in_terminal(name, scores, without) for name in names]
        )
    means = [_in_terminal(name, pooled["mean"], without) for name in names]
    entries = _agreed([(pooled["mean"].get(names[0]) or {}).get("entries")])
    covered = len((pooled["mean"].get(names[0]) or {}).get("aus") or metrics["aus"])
    over = f"over {covered} of {len(metrics['aus'])} AUs" if covered < len(metrics["aus"]) else ""
    lines.append(["mean", over, entries, *([""] if occurrence else []), *means])
    body = in_columns(lines)
    marked = is_marked(str((metrics.get("provenance") or {}).get("selection")))
    mark = f" {MARK}" if marked else ""
    head = (
        f"{metrics.get('method', '')}{mark} · {_agreed([pooled.get('frames')])} held-out frames of "
        f"{_agreed([pooled.get('subjects')])} subjects · value "
        + (f"({TOO_FEW} for an interval)" if _too_few(pooled) else "[95 % interval over subjects]")
    ).lstrip(" ·")
    told = [f"{MARK} {FOOTNOTE}"] if marked else []
    if any(_TOO_FEW in line for line in body):
        told.append(f"{_TOO_FEW.strip()}: fewer than {FEWEST_PEOPLE} held-out people have labels of this AU")
    return "\n".join([head, *body, *told])


def _too_few(pooled: Mapping[str, Any]) -> bool:
    return (number(pooled.get("subjects")) or FEWEST_PEOPLE) < FEWEST_PEOPLE


def _in_terminal(name: str, scores: Mapping[str, Any], without: str) -> str:
    score = scores.get(name) or {}
    return figure(score.get("value")) if name == "f1_half" else with_interval(score, without=without)


def in_columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of texts as lines of a terminal: the head first, the last row under a rule, names cut to fit."""
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
