"""results.json as Markdown and as a web page: our numbers, differences, published numbers, cards."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..protocols.published import published_results, published_table_text
from ..reports.comparison import is_clear
from ..reports.published import WARNING as PUBLISHED_WARNING
from ..reports.results import METRIC_NAMES, METRICS_OF_TASK, number
from ..reports.sentences import SYNTHETIC_WARNING
from ..reports.tables import UNDEFINED, Cell, Table, figure, with_interval
from .items import BENCHMARK
from .jobs import Plan

_NAMES = METRIC_NAMES | {
    "marginal-difference": "mean |difference| of marginal AU distributions",
    "mean-difference": "mean |difference| of conditional AU distributions",
    "loss-ratio": "supervised loss by adversarial loss, last tenth of the training",
    "loss-ratio-weighted": "the same, each by its weight",
    "judged-right": "how often D is right of labels and cut predictions",
    "judged-right-soft": "how often D is right of labels and of predictions as it sees them",
    "pseudo-labels": "right pseudo labels",
    "confirmed-pseudo-labels": "right pseudo labels of clips whose order was recognised",
}
_DIGITS = 3
_TYPES = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}


def warning(content: Mapping[str, Any]) -> str:
    """Return what a reader must know before the numbers; empty for real faces at paper scale."""
    told = []
    if content["synthetic"]:
        told.append(f"These faces are made by a generator: {SYNTHETIC_WARNING}")
    if content["scale"] == "small":
        told.append("Networks and trainings are small: published numbers below are not comparable with ours.")
    return " ".join(told)


def data_name(content: Mapping[str, Any], data: str) -> str:
    """Return what a data set is called on a page: at small scale, what stands in its place."""
    if content["scale"] == "paper" or content["paper"] == BENCHMARK:
        return data
    return f"{'synthetic faces' if content['synthetic'] else 'the given faces'} in place of {data}"


def result_tables(content: Mapping[str, Any], metrics: Sequence[str]) -> list[Table]:
    """Return our tables: one for each data set and metric, then scores per AU, then what labels hold."""
    tables = []
    for data in dict.fromkeys(row["data"] for row in content["rows"]):
        rows = [row for row in content["rows"] if row["data"] == data]
        every = METRICS_OF_TASK[rows[0]["task"]]
        shown = metrics or (every if content["paper"] == BENCHMARK else every[:1])
        name = data_name(content, data)
        tables += [_table(content, data, rows, metric) for metric in shown]
        main = shown[0]
        tables += [_shifted(name, rows, main)] if any("shifted" in row for row in rows) else []
        tables += [_per_au(name, rows, main)] if any(_of(row, main).get("per_au") for row in rows) else []
    if content["paper"] != BENCHMARK and content.get("compared"):
        tables.append(_compared(content))
    tables += [_count_table(data_name(content, data), aus) for data, aus in content["counts"].items()]
    if content["label_cards"]:
        tables.append(_label_table(content["label_cards"]))
    return tables


def markdown(content: Mapping[str, Any], metrics: Sequence[str], printed: Sequence[str]) -> str:
    """Return results.json's content as Markdown. printed: the published tables to quote."""
    lines = [f"# {_title(content)}", "", content["what"][:1].upper() + content["what"][1:] + ".", ""]
    lines += [f"**{told}**", ""] if (told := warning(content)) else []
    lines += [f"{line}\n" for line in _state(content)]
    for table in result_tables(content, metrics):
        lines += [f"**{table.caption}**", "", *_as_markdown(table), ""]
    for item in printed:
        lines += [f"## Published: {content['paper']}, {item}", "", PUBLISHED_WARNING, "", "```"]
        lines += [published_table_text(content["paper"], item), "```", ""]
    for name, card in content["cards"].items():
        lines += [f"## Protocol card: {name}", "", "```", card, "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def web_page(
    content: Mapping[str, Any], metrics: Sequence[str], printed: Sequence[str], pictures: Mapping[str, Path]
) -> str:
    """Return the same as a web page that stands alone, with pictures by what they show."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    loaders = [PackageLoader("sparsefacs.experiments", "templates"), PackageLoader("sparsefacs.reports", "templates")]
    environment = Environment(
        loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return str(
        environment.get_template("results.html").render(
            title=_title(content),
            what=content["what"],
            warning=warning(content),
            state=_state(content),
            tables=result_tables(content, metrics),
            published=[(item, published_table_text(content["paper"], item)) for item in printed],
            published_warning=PUBLISHED_WARNING,
            cards=content["cards"],
            pictures=[(name, _uri(path)) for name, path in pictures.items()],
            version=content["version"],
        )
    )


def _title(content: Mapping[str, Any]) -> str:
    return f"{content['paper']}, {content['item']}, at {content['scale']} scale"


_ONE_SEED = (
    "Some rows are of one seed. Intervals tell how people differ, not how one training differs from the next: equal "
    "small trainings, summed in another order, were up to .05 of F1 apart. Give --seeds 3 before believing one."
)


FLOOR = "Calling every AU present in every face has F1 {f1} on {data}, and AUC .5: a row near both has learned nothing."
WAITING = (
    "Not all trainings on {data} are tested on the further people yet, so these are left out: give the command again."
)


def _state(content: Mapping[str, Any]) -> list[str]:
    """Say what is missing, failed, or rests on one training."""
    told = [f"{content['missing']} rows are not finished."] if content["missing"] else []
    if content["differences"] and any(len(row["seeds"]) == 1 for row in content["rows"]):
        told.append(_ONE_SEED)
    floors = content.get("always_present", {})
    told += [FLOOR.format(f1=figure(f1, _DIGITS), data=data_name(content, data)) for data, f1 in floors.items()]
    told += [WAITING.format(data=data_name(content, data)) for data in content.get("waiting", ())]
    told += content.get("notes", [])
    return told + [f"Failed: {each['job']}: {each['why']}" for each in content["failed"]]


def _of(row: Mapping[str, Any], metric: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = row["scores"].get(metric) or {}
    return found


def _table(content: Mapping[str, Any], data: str, rows: Sequence[Mapping[str, Any]], metric: str) -> Table:
    baseline, beside = content["baseline"], any(row.get("published") for row in rows)
    differences = {(each["labels"], each["row"]): each for each in _differences(content, data, metric)}
    heads = ["Row", "Labels", "Seeds", f"{_NAMES[metric]} [95 %]"]
    heads += [f"less {baseline}, paired"] if differences else []
    heads += ["published", "ours less published"] if beside else []
    heads += ["faces seen", "seconds", "parameters"]
    lines = []
    for row in rows:
        cells = [Cell(row["row"], head=True), Cell(row["labels"]), Cell(str(len(row["seeds"])))]
        cells.append(Cell(with_interval(_of(row, metric), _DIGITS)))
        if differences:
            found = differences.get((row["labels"], row["row"]))
            text = UNDEFINED if found is None else with_interval(found, _DIGITS, signed=True)
            cells.append(Cell(text, "clear" if found is not None and found["clear"] else ""))
        if beside:
            printed = (row.get("published") or {}).get(metric) or {}
            cells.append(Cell(figure(number(printed.get("value")), _DIGITS)))
            cells.append(Cell(figure(number(printed.get("difference")), _DIGITS, signed=True)))
        cells += [Cell(f"{row['images']:,}"), Cell(f"{row['seconds']:,.0f}"), Cell(f"{row['parameters']:,}")]
        lines.append(tuple(cells))
    return Table(f"{data_name(content, data)}: {_NAMES[metric]}, mean over AUs", tuple(heads), tuple(lines))


def _differences(content: Mapping[str, Any], data: str, metric: str) -> list[Mapping[str, Any]]:
    return [each for each in content["differences"] if each["data"] == data and each["metric"] == metric]


def _compared(content: Mapping[str, Any]) -> Table:
    """Return the differences that the paper's claims rest on."""
    lines = []
    for each in content["compared"]:
        other = "its own" if each["against"] == each["row"] else each["against"]
        other += "" if each["against_labels"] == each["labels"] else f" at {each['against_labels']}"
        told = Cell(with_interval(each, _DIGITS, signed=True), "clear" if is_clear(each) else "")
        names = (data_name(content, each["data"]), each["labels"], _NAMES[each["metric"]])
        lines.append((Cell(f"{each['row']} less {other}", head=True), *map(Cell, names), told))
    heads = ("Compared", "Faces", "Labels", "Measure", "difference, paired [95 %]")
    return Table("What the paper's claims rest on", heads, tuple(lines))


def _shifted(data: str, rows: Sequence[Mapping[str, Any]], metric: str) -> Table:
    lines = [
        (
            Cell(row["row"], head=True),
            Cell(row["labels"]),
            Cell(with_interval(_of(row, metric), _DIGITS)),
            Cell(with_interval((row.get("shifted") or {}).get(metric) or {}, _DIGITS)),
        )
        for row in rows
    ]
    heads = ("Row", "Labels", f"{_NAMES[metric]} [95 %]", "the same, appearance shifted")
    return Table(f"{data}: other people under another appearance", heads, tuple(lines))


def _per_au(data: str, rows: Sequence[Mapping[str, Any]], metric: str) -> Table:
    aus = sorted({int(au) for row in rows for au in _of(row, metric).get("per_au", {})})
    lines = [
        (
            Cell(row["row"], head=True),
            Cell(row["labels"]),
            *(Cell(figure(number(_of(row, metric).get("per_au", {}).get(str(au))))) for au in aus),
        )
        for row in rows
    ]
    return Table(f"{data}: {_NAMES[metric]} per AU", ("Row", "Labels", *(f"AU{au}" for au in aus)), tuple(lines))


def _count_table(data: str, aus: Mapping[str, Sequence[int]]) -> Table:
    lines = [
        (Cell(f"AU{au}", head=True), Cell(f"{shown:,}"), Cell(f"{labelled:,}"), Cell(figure(shown / labelled, _DIGITS)))
        for au, (shown, labelled) in aus.items()
    ]
    return Table(f"{data}: how often each AU occurs", ("AU", "faces with it", "faces labelled", "share"), tuple(lines))


def counts_figure(plan: Plan, content: Mapping[str, Any], data: str) -> str:
    """Return the AUs' shares of a data set as SVG, with F1 per AU of our rows and, at paper scale, of the published.

    Figures 3 of Adversarial, 3 and 4 of MAE-Face. Published numbers are those of the item's tables, where data set and
    task agree.
    """
    from ..reports.plots import marginals

    aus = content["counts"][data]
    series = {
        f"F1, {row['row']}": [number(_of(row, "f1").get("per_au", {}).get(au)) for au in aus]
        for row in content["rows"]
        if row["data"] == data and _of(row, "f1").get("per_au")
    }
    named = {name for extra in plan.item.extras if extra.kind == "counts" for name in extra.of}
    printed = plan.content.data[data].printed
    if plan.scale == "paper" and not content["synthetic"] and printed is not None:
        every = [one for item in plan.item.printed for one in published_results(paper=plan.paper, item=item)]
        for one in every:
            if (one.dataset, one.metric) == (printed.dataset, "f1") and one.method in named and str(one.au) in aus:
                column = series.setdefault(f"F1, {one.method} (published)", [None] * len(aus))
                column[list(aus).index(str(one.au))] = one.fraction
    shares = [shown / labelled for shown, labelled in aus.values()]
    xlabel = "share of the labelled faces with the AU (bars)" + ("; F1 (marks)" if series else "")
    return marginals([f"AU{au}" for au in aus], shares, series, xlabel)


def _label_table(cards: Sequence[Mapping[str, Any]]) -> Table:
    lines = [
        (Cell(each["of"], head=True), *(Cell(f"{each[name]:,.0f}") for name in ("frames", "kept", "dense", "all")))
        for each in cards
    ]
    heads = ("Labels of", "labelled faces", "AU combinations on them", "had whole clips been coded", "on all faces")
    return Table("AU combinations kept", heads, tuple(lines))


def _as_markdown(table: Table) -> list[str]:
    rows = [[f"{cell.text}{' ●' if cell.mark == 'clear' else ''}" for cell in row] for row in table.rows]
    return markdown_table(table.heads, rows)


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(heads), "|" + "---|" * len(heads), *map(line, rows)]


def _uri(path: Path) -> str:
    return f"data:{_TYPES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"
