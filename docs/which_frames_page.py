"""Makes docs/guide/which-frames.md and its figure of docs/results/active.json and which-frames.txt: `make results`.

The result file is written by `benchmarks/active.py`. Nothing is measured here. Numbers in the text are filled in:
`{needed; DATA; CODER; STRATEGY}` frames for random's F1 at the goal, `{f1; DATA; CODER; STRATEGY; FRAMES}`, `{less; …}`
its difference from random, `{span; DATA; CODER}` lowest to highest F1 of any strategy and number of frames.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparsefacs.experiments.pages import markdown_table
from sparsefacs.reports.plots import COLOURS, LINES, MARKERS, style, svg
from sparsefacs.reports.tables import UNDEFINED, figure, in_prose, with_interval

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "active.json"
TEXT = HERE / "results" / "which-frames.txt"
FIGURE = "which-frames.svg"
BEGINNINGS = {"none": "without the coder"}
Row = Mapping[str, Any]


def main() -> None:
    """Write the page and its figure."""
    content = json.loads(RESULTS.read_text(encoding="utf-8"))
    for name, text in page(content, TEXT.read_text(encoding="utf-8")).items():
        (HERE / "guide" / name).write_text(text, encoding="utf-8")
        print(HERE / "guide" / name)


def page(content: Mapping[str, Any], text: str) -> dict[str, str]:
    """Return file name → text of the page and its figure; the tables stand where `text` says {tables}."""
    boards = by_board(content["rows"])
    parts = [board_text(content, data, coder, rows) for (data, coder), rows in boards.items()]
    filled = re.sub(r"\{((?:needed|f1|less|span); [^{}]+)\}", lambda found: told(found[1], boards), text)
    return {"which-frames.md": filled.replace("{tables}", "\n".join(parts).rstrip()), FIGURE: curves(boards)}


def told(key: str, boards: Mapping[tuple[str, str], Sequence[Row]]) -> str:
    """Return a number of the result file as prose has it; raises KeyError or StopIteration where it is not there."""

    kind, data, coder, *which = key.split("; ")
    rows = boards[data, coder]
    if kind == "span":
        values = [each["f1"]["value"] for row in rows for each in row["scores"]]
        return f"{in_prose(min(values), 2)} to {in_prose(max(values), 2)}"
    row = next(row for row in rows if row["strategy"] == which[0])
    if kind == "needed":
        return f"{row['frames_needed']:.0f}"
    at = next(each for each in row["scores"] if each["frames"] == int(which[1]))
    return in_prose(at["f1"]["value"]) if kind == "f1" else in_prose(at["f1_less"]["value"], signed=True)


def by_board(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Return the rows of each set of faces and beginning."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["coder"] != "none"):
        found.setdefault((row["data"], row["coder"]), []).append(row)
    return found


def beginning(coder: str) -> str:
    """Return in words what is begun from."""
    return BEGINNINGS.get(coder, f"from {coder}")


def board_text(content: Mapping[str, Any], data: str, coder: str, rows: Sequence[Row]) -> str:
    """Return a table: F1 by frames; frames needed; the difference from random at the goal's frames; AUC."""
    goal = content["goal_frames"]
    budgets = [each["frames"] for each in rows[0]["scores"]]
    heads = ["F1 at frames", *(f"{each:,}" for each in budgets), f"frames for random's at {goal}"]
    heads += ["minutes saved", f"F1 less random's at {goal}", f"AUC at {goal}"]
    body = []
    for row in rows:
        at = next(each for each in row["scores"] if each["frames"] == goal)
        values = [figure(each["f1"]["value"], 3) for each in row["scores"]]
        needed, saved = row["frames_needed"], row["minutes_saved"]
        body.append(
            [
                row["strategy"], *values, "more" if needed is None else f"{needed:.0f}",
                UNDEFINED if saved is None else figure(saved, 0),
                UNDEFINED if row["strategy"] == "random" else with_interval(at["f1_less"], 3, signed=True),
                with_interval(at["auc"], 3),
            ]
        )  # fmt: skip
    title = f"### {data.capitalize()} AUs, {beginning(coder)}\n"
    return "\n".join([title, *markdown_table(heads, body), ""])


def curves(boards: Mapping[tuple[str, str], Sequence[Row]]) -> str:
    """Draw F1 over the number of frames, a panel a board."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    names = list(dict.fromkeys(row["strategy"] for rows in boards.values() for row in rows))
    names.sort(key=lambda name: (name != "ours", name != "random", name == "ours-rare"))
    names = names[: len(COLOURS)]  # the one left out hardly differs from `ours`
    wide = 2
    high = -(-len(boards) // wide)
    with style():
        drawn = Figure(figsize=(7.6, 2.9 * high), layout="constrained")
        panels = drawn.subplots(high, wide, squeeze=False)
        for panel in panels.flat[len(boards) :]:
            panel.set_visible(False)
        for panel, ((data, coder), rows) in zip(panels.flat, boards.items(), strict=False):
            for row in (row for row in rows if row["strategy"] in names):
                i = names.index(row["strategy"])
                x = [each["frames"] for each in row["scores"]]
                y = [[each["f1"][end] for each in row["scores"]] for end in ("value", "low", "high")]
                panel.plot(
                    x, y[0], color=COLOURS[i], linestyle=LINES[i], marker=MARKERS[i], markersize=3.5, linewidth=1.3,
                    label=row["strategy"],
                )  # fmt: skip
                if row["strategy"] in ("ours", "random"):
                    panel.fill_between(x, y[1], y[2], color=COLOURS[i], alpha=0.08, linewidth=0)
            panel.set_xscale("log")
            ticks = [each for n, each in enumerate(x) if not n or each >= 1.5 * x[n - 1]]
            panel.set_xticks(ticks, [str(each) for each in ticks])
            panel.xaxis.set_minor_formatter(NullFormatter())
            panel.set(title=f"{data} AUs, {beginning(coder)}", xlabel="coded frames (log scale)", ylabel="F1")
            panel.grid(color="#dddddd", linewidth=0.6)
        lines, labels = panels.flat[0].get_legend_handles_labels()
        drawn.legend(lines, labels, loc="outside lower center", ncols=4, frameon=False)
        return svg(drawn)


if __name__ == "__main__":
    main()
