"""Makes docs/results.md and its curves of the small result files in docs/results/: `make results`.

    python docs/results_page.py [--take RESULTS.json …] [--add RESULTS.json …]

--take: first copy these results.json of `sparsefacs reproduce` (or those in folders) into docs/results/, without what
the page does not show. --add: the same, and rows that are there already and not in the new file stay, with their
differences: a board is made in parts, of which nobody has all runs in one place. Nothing is measured or trained here,
so the page follows from its files alone. Numbers of the introduction, and marked ones on other pages and the README,
are filled in from the same files.
"""

import argparse
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sparsefacs.experiments.items import read_paper
from sparsefacs.experiments.kept import MAIN, UNSHOWN, Kept, Row, fill, fill_marks, read_kept, take
from sparsefacs.experiments.pages import FLOOR, markdown_table
from sparsefacs.reports.comparison import is_clear
from sparsefacs.reports.plots import COLOURS, LINES, MARKERS, style, svg
from sparsefacs.reports.results import LOWER_IS_BETTER, METRIC_NAMES, number
from sparsefacs.reports.tables import UNDEFINED, figure, with_interval

HERE = Path(__file__).parent
RESULTS = HERE / "results"
INTRODUCTION = HERE / "results" / "introduction.txt"
BESIDE = ("f1_half",)  # shown where the rows have it: F1 at .5 beside F1 at the limits
RANKED_AT = "5%"
ALONE = ", pixels alone"  # how rows without evidence end
DRAWN = 7  # lines of a figure: as many as there are colours, line styles and markers
OF_PAPERS = """\
Small networks on the benchmark's synthetic faces, in minutes: they show that the commands work from faces to score.
The command writes a page that quotes the published table too; the two do not compare. Where the papers begin from
ImageNet, these begin from a short pre-training without labels, and all take a few hundred steps. Each is tested on 20
people of its faces and, where 80 stand, on 60 further ones too. What follows from them for each claim stands under
[The papers' claims](claims.md).
"""


def main() -> None:
    """Take what is asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--take", type=Path, nargs="*", default=[], help="of `sparsefacs reproduce`")
    parser.add_argument("--add", type=Path, nargs="*", default=[], help="the same; rows there that these lack stay")
    given = parser.parse_args()
    for results in given.take:
        take(results, RESULTS)
    for results in given.add:
        take(results, RESULTS, add=True)
    kept = read_kept(RESULTS)
    for name, text in pages(kept, INTRODUCTION.read_text(encoding="utf-8")).items():
        (HERE / name).write_text(text, encoding="utf-8")
        print(HERE / name)
    for path in marked_pages():
        path.write_text(fill_marks(path.read_text(encoding="utf-8"), kept), encoding="utf-8")


def marked_pages() -> list[Path]:
    """Return the README and all pages, whose marked numbers are filled in where they stand."""
    return sorted([HERE.parent / "README.md", *HERE.rglob("*.md")])


def pages(kept: Kept, introduction: str) -> dict[str, str]:
    """Return file name → text of the page and its figures; the introduction's numbers are filled in."""
    contents = [each for (version, *_), each in kept.contents.items() if version is None]
    boards = {each["item"]: each for each in contents if each["paper"] == "benchmark"}
    parts, files = [fill(introduction, kept).rstrip()], {}
    for task in MAIN:
        if task in boards:
            parts.append(board_text(boards[task], task))
            for data, rows in by_data(boards[task]["rows"]).items():
                files[figure_name(task, data)] = efficiency_figure(rows, MAIN[task][0])
    if papers := [each for each in contents if each["paper"] != "benchmark" and each["rows"]]:
        parts.append("## A table of each paper, at small size\n")
        parts.append(OF_PAPERS)
        parts += [paper_text(each) for each in papers]
    text = "\n".join([part.rstrip() + "\n" for part in parts])
    files["results.md"] = re.sub(r"(\[[+−]?[\d.]+), ([+−]?[\d.]+\])", "\\1,\u00a0\\2", text)  # intervals stay on a line
    return files


def by_data(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of each of a board's sets of faces, in order."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["data"], []).append(row)
    return found


def figure_name(task: str, data: str) -> str:
    """Return the file of a board's curves."""
    return f"results-{task}-{data}.svg"


def frames_shown(row: Row) -> int:
    """Return how many faces carry visible labels, those of people set aside included."""
    return int(row.get("labels_frames", row["labelled_faces"]))


def board_text(content: Mapping[str, Any], task: str) -> str:
    """Return the section of one task: for each set of faces ranked at 5 % of the labels, curves, every budget; cost."""
    main, second = MAIN[task]
    rows: list[Row] = content["rows"]
    seeds = sorted({len(row["seeds"]) for row in rows})
    counted = " or ".join(map(str, seeds))
    lines = [f"## {task.capitalize()}\n"]
    lines.append(
        f"{len(rows)} of {len(rows) + content['missing']} combinations of method and budget are trained, each with "
        f"{counted} seed{'s' if seeds != [1] else ''}; {rows[0]['frames']:,} test faces of {rows[0]['subjects']} "
        f"people a seed. Brackets: 95 % intervals over people, and seeds where there are several.\n"
    )
    for data, own in by_data(rows).items():
        lines += [f"### {data.capitalize()} AUs, ranked at {RANKED_AT} of the labels\n"]
        lines += [*ranking(content, own, main, second), ""]
        name = METRIC_NAMES[main]
        lines += [f"### {data.capitalize()} AUs, {name} by labels\n"]
        lines += [f"![{name} by labels]({figure_name(task, data)})\n"]
        for metric in (main, second):
            lines += [*by_labels(own, metric), ""]
    lines += evidence_gains(content, main)
    lines += ["### Cost\n", *costs(rows), ""]
    return "\n".join(lines)


def evidence_gains(content: Mapping[str, Any], metric: str) -> list[str]:
    """Return what evidence adds to each network that stands with and without, by set of faces and budget."""
    pairs = [
        each
        for each in content.get("compared", ())
        if each["metric"] == metric and each["against"] == f"{each['row']}{ALONE}"
    ]
    if not pairs:
        return []
    cells = {(each["row"], each["data"], each["labels"]): difference_text(each) for each in pairs}
    of = list(dict.fromkeys((each["data"], each["labels"]) for each in pairs))
    body = [
        (name, *(cells.get((name, *each), "") for each in of)) for name in dict.fromkeys(each["row"] for each in pairs)
    ]
    heads = (f"{METRIC_NAMES[metric]} less that by pixels alone, paired", *(f"{data}, {labels}" for data, labels in of))
    return ["### What evidence adds\n", *markdown_table(heads, body), ""]


def ranking(content: Mapping[str, Any], of_data: Sequence[Row], main: str, second: str) -> list[str]:
    """Return the methods at 5 % by their paired differences from the baseline, and scores on the shifted test set."""
    rows = [row for row in of_data if row["labels"] == RANKED_AT]
    found, by_second = (differences(content, of_data[0]["data"], metric) for metric in (main, second))
    # by the difference over the seeds that both have, since seeds test other people: one of few may be an easy one
    rows.sort(key=lambda row: _rank(row, found, main))
    names = [row["row"] for row in rows]
    order = [row["row"] for row in sorted(rows, key=lambda row: _rank(row, by_second, second))]
    spans = places(names, found, main, content["baseline"])
    spans_second = places(names, by_second, second, content["baseline"])
    beside = [metric for metric in BESIDE if all(metric in row["scores"] for row in rows)]
    with_shifted = any(row.get("shifted") for row in rows)
    heads = ["place", "method", "seeds"]
    for metric in (main, second):
        heads += [METRIC_NAMES[metric], f"{METRIC_NAMES[metric]} less {content['baseline']}'s, paired"]
    heads += [f"place by {METRIC_NAMES[second]}", *(METRIC_NAMES[metric] for metric in beside)]
    heads += [f"{METRIC_NAMES[main]}, appearance shifted"] if with_shifted else []
    body = []
    for place, row in enumerate(rows, start=1):
        name, shifted = row["row"], row.get("shifted", {}).get(main, {})
        body.append(
            (
                f"{place}{spans[name]}", name, str(len(row["seeds"])),
                told(row, main), difference_text(found.get(name)),
                told(row, second), difference_text(by_second.get(name)),
                f"{order.index(name) + 1}{spans_second[name]}", *(told(row, metric) for metric in beside),
                *([with_interval(shifted, 3)] if with_shifted else []),
            )
        )  # fmt: skip
    return [
        *markdown_table(heads, body),
        "",
        "● clear: the interval of the difference holds no 0. Places in brackets are those that a row may have by these",
        "intervals: it is before or behind another where they lie apart. Those of one seed are over people alone.",
        *alike(rows, (main, second)),
        *untrained(content, rows),
    ]


def alike(rows: Sequence[Row], metrics: Sequence[str]) -> list[str]:
    """Return a paragraph on networks of the same scores, as printed: of evidence alone, pixels weighed to nothing."""
    by: dict[tuple[str, ...], list[str]] = {}
    for row in (each for each in rows if not each["row"].endswith(ALONE)):
        by.setdefault((str(row["seeds"]), *(told(row, metric) for metric in metrics)), []).append(row["row"])
    why = "on the people set aside their pixels were found to be worth next to nothing beside evidence, which all have"
    same = [f"The same numbers have {', '.join(names)}: {why}." for names in by.values() if len(names) > 1]
    return ["", *same] if same else []


def untrained(content: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    """Return a paragraph that names the item's rows that are planned and of which no training at 5 % is kept."""
    there = {row["row"] for row in rows}
    planned = read_paper(content["paper"]).items[content["item"]].rows
    left = [row.name for row in planned if row.name not in there and (row.labels is None or RANKED_AT in row.labels)]
    return ["", f"Not trained on these at {RANKED_AT}: {'; '.join(left)}."] if left else []


def differences(content: Mapping[str, Any], data: str, metric: str) -> dict[str, Row]:
    """Return row → its paired difference from the baseline at the budget that is ranked."""
    wanted = {"labels": RANKED_AT, "metric": metric, "data": data}
    return {each["row"]: each for each in content["differences"] if all(each[key] == wanted[key] for key in wanted)}


def _rank(row: Row, found: Mapping[str, Row], metric: str) -> tuple[float, float]:
    sign = 1 if metric in LOWER_IS_BETTER else -1
    return sign * found.get(row["row"], {"value": 0.0})["value"], sign * row["scores"][metric]["value"]


def places(names: Sequence[str], found: Mapping[str, Row], metric: str, baseline: str) -> dict[str, str]:
    """Return row → the places that it may have, as ` (1–4)`, by the intervals of differences from the baseline.

    A row without an interval may have any.
    """
    sign = -1 if metric in LOWER_IS_BETTER else 1

    def ends(name: str) -> tuple[float, float]:
        told = {"low": 0.0, "high": 0.0} if name == baseline else found.get(name, {})
        values = [number(told.get(end)) for end in ("low", "high")]
        if None in values:
            return -math.inf, math.inf
        low, high = sorted(sign * value for value in values if value is not None)
        return low, high

    spans = {name: ends(name) for name in names}
    told = {}
    for name, (low, high) in spans.items():
        before = sum(other[0] > high for other in spans.values())
        behind = sum(other[1] < low for other in spans.values())
        told[name] = f" ({before + 1}–{len(names) - behind})"
    return told


def by_labels(rows: Iterable[Row], metric: str) -> list[str]:
    """Return one metric of every method at every budget."""
    rows = list(rows)
    budgets = list(dict.fromkeys(row["labels"] for row in sorted(rows, key=frames_shown)))
    counts = {row["labels"]: frames_shown(row) for row in rows}
    by = {(row["row"], row["labels"]): row for row in rows}
    heads = [f"{METRIC_NAMES[metric]}", *(f"{budget} ({counts[budget]:,} faces)" for budget in budgets)]
    best = {}
    for budget in budgets:
        values = [round(row["scores"][metric]["value"], 3) for row in rows if row["labels"] == budget]
        best[budget] = min(values) if metric in LOWER_IS_BETTER else max(values)
    body = []
    for name in dict.fromkeys(row["row"] for row in rows):
        cells = []
        for budget in budgets:
            row = by.get((name, budget))
            text = "" if row is None else told(row, metric)
            is_best = row is not None and round(row["scores"][metric]["value"], 3) == best[budget]
            cells.append(f"**{text}**" if is_best else text)
        body.append((name, *cells))
    return markdown_table(heads, body)


def costs(rows: Sequence[Row]) -> list[str]:
    """Return what each method takes: at 5 % of the labels where that is trained."""
    chosen: dict[str, Row] = {}
    for row in rows:
        if row["row"] not in chosen or row["labels"] == RANKED_AT:
            chosen[row["row"]] = row
    body = [
        (
            name,
            f"{row['images']:,}",
            f"{row['seconds']:,.0f}",
            "none" if row.get("start_images") is None else f"{row['start_images']:,}",
            "" if row.get("start_seconds") is None else f"{row['start_seconds']:,.0f}",
            f"{row['parameters']:,}",
            f"{row['coding']['faces_per_second']:,.0f}" if row.get("coding") else UNDEFINED,
        )
        for name, row in chosen.items()
    ]
    heads = ("", "faces seen", "seconds", "faces its start saw", "seconds", "parameters", "coding, faces a second")
    return markdown_table(heads, body)


def paper_text(content: Mapping[str, Any]) -> str:
    """Return the section of one paper's table: ours, and published where rows and labels are those of the paper."""
    lines = [f"### {content['paper']}, {content['item']}\n", content["what"][:1].upper() + content["what"][1:] + ".\n"]
    floors = content.get("always_present", {}).items()
    people = sorted({row["subjects"] for row in content["rows"]})
    lines += [f"Tested on {' or '.join(map(str, people))} people.\n"]
    lines += [FLOOR.format(f1=figure(f1, 3), data=f"the faces of {data}") + "\n" for data, f1 in floors]
    scores = content["rows"][0]["scores"]
    further = [name for name in scores if name not in METRIC_NAMES]  # of pseudo labels, of distributions
    shown = [*[name for name in METRIC_NAMES if name in scores and name not in UNSHOWN][:3], *further]
    found = {(each["row"], each["labels"], each["metric"]): each for each in content["differences"]}
    heads = ["", "labels", *(METRIC_NAMES.get(name, name.replace("-", " ")) for name in shown)]
    with_difference = any(key[2] == shown[0] for key in found)
    heads += [f"{METRIC_NAMES.get(shown[0], shown[0])} less {content['baseline']}'s"] if with_difference else []
    beside = [row.get("published", {}).get(shown[0], {}).get("value") for row in content["rows"]]
    with_published = any(each is not None for each in beside)
    heads += [f"published {METRIC_NAMES.get(shown[0], shown[0])}"] if with_published else []
    if known := [row["guessed_absent"] for row in content["rows"] if row.get("guessed_absent") is not None]:
        ends = " to ".join(dict.fromkeys(figure(end, 3) for end in (min(known), max(known))))
        lines += [f"Pseudo labels are of training people; called absent throughout, {ends} of them would be right.\n"]
    counts = sorted({len(row["seeds"]) for row in content["rows"]})
    heads += ["seeds"] if len(counts) > 1 else []
    body = []
    for row, published in zip(content["rows"], beside, strict=True):
        cells = [row["row"], row["labels"], *(told(row, name) for name in shown)]
        if with_difference:
            cells.append(difference_text(found.get((row["row"], row["labels"], shown[0]))))
        cells += [figure(published, 3)] if with_published else []
        cells += [str(len(row["seeds"]))] if len(counts) > 1 else []
        body.append(cells)
    seen, steps = content["rows"][0]["images"], content["rows"][0]["steps"]
    told_seeds = f"{counts[-1]} seeds each" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
    told_seeds = "one seed" if counts == [1] else told_seeds
    option = f" --seeds {counts[-1]}" if counts[-1] > 1 else ""
    made = f"{steps:,} steps, {seen:,} faces seen by the first row, {told_seeds}. Made by\n"
    lines += [*markdown_table(heads, body), "", made]
    lines += [f'```\nsparsefacs reproduce {content["paper"]} "{content["item"]}"{option}\n```\n']
    return "\n".join(lines)


def difference_text(difference: Mapping[str, Any] | None) -> str:
    """Return a paired difference and its interval, ● where it is clear; a dash where there is none."""
    if difference is None:
        return UNDEFINED
    text = with_interval(difference, 3, signed=True)
    return text.replace(" [", " ● [") if is_clear(difference) else text


def told(row: Row, metric: str) -> str:
    """Return a score with its interval."""
    return with_interval(row["scores"].get(metric, {}), 3)


def efficiency_figure(rows: Sequence[Row], metric: str) -> str:
    """Draw a metric over the number of labelled faces: of methods with several budgets, best at 5 % first."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    by: dict[str, list[Row]] = {}
    for row in rows:
        if frames_shown(row):  # a logarithm has no place for none
            by.setdefault(row["row"], []).append(row)
    at = {row["row"]: row["scores"][metric]["value"] for row in rows if row["labels"] == RANKED_AT}
    least = min(2, max((len(each) for each in by.values()), default=0))
    names = sorted((name for name in by if len(by[name]) >= least), key=lambda name: -at.get(name, 0.0))
    apart = f"supervised{ALONE}"  # what there was without evidence
    chosen = names[:DRAWN] if apart in names[:DRAWN] or apart not in by else [*names[: DRAWN - 1], apart]
    with style():
        drawn = Figure(figsize=(6.4, 3.8), layout="constrained")
        axes = drawn.add_subplot()
        for i, name in enumerate(name for name in chosen if name in by):
            found = sorted(by[name], key=frames_shown)
            x = [frames_shown(row) for row in found]
            axes.plot(
                x, [row["scores"][metric]["value"] for row in found], color=COLOURS[i], linestyle=LINES[i],
                marker=MARKERS[i], markersize=4, linewidth=1.4, label=name,
            )  # fmt: skip
            low, high = ([row["scores"][metric][end] for row in found] for end in ("low", "high"))
            axes.fill_between(x, low, high, color=COLOURS[i], alpha=0.06, linewidth=0)
        axes.set_xscale("log")
        ticks = sorted({frames_shown(row) for name in chosen for row in by.get(name, [])})
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set(xlabel="labelled faces (log scale)", ylabel=f"{METRIC_NAMES[metric]}, bands: 95 % over people")
        axes.grid(color="#dddddd", linewidth=0.6)
        drawn.legend(loc="outside right upper", frameon=False)
        return svg(drawn)


if __name__ == "__main__":
    main()
