"""The report: one HTML page that stands alone, from one or several evaluated runs."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.words import in_words
from ..errors import InputError
from ..files import refuse_existing, write_text
from ..version import VERSION
from . import plots, tables
from .codes import Track, read_stills, read_tracks
from .comparison import Difference, difference
from .examples import examples
from .published import WARNING, published_tables, why_no_published_rows
from .results import METRIC_NAMES, METRICS_OF_TASK, Result, baseline_of, number, read_results
from .sentences import cautions, counted, folds_told, page_title, summary, warning
from .tables import Cell, Table, all_aus, au_head, figure

EXAMPLE_FACES = 8
MOST_CURVES = 12
_CLOCK_COLUMNS = frozenset({"step", "epoch", "seconds", "images"})


@dataclass(frozen=True)
class Picture:
    """A figure ready for the page: data URI, text alternative, caption, size in CSS pixels."""

    uri: str
    alt: str
    caption: str
    width: int
    height: int


def report(
    out: Path,
    results: Sequence[Path],
    *,
    codes: Sequence[Path] = (),
    stills: Sequence[Path] = (),
    title: str | None = None,
    faces: int = EXAMPLE_FACES,
) -> Path:
    """Write to `out` one self-contained HTML page that shows and compares the evaluated runs `results`.

    codes: files that `predict` wrote, drawn as AU curves; stills: pictures (say, from an overlay) to show with
    them; faces: how many held-out example faces to show. What a run folder lacks is left out, and said.
    Raises InputError when `out` exists, a run has no metrics.json, or a file is broken.
    """
    out = Path(out)
    check_page_path(out)
    content = _content(read_results([Path(path) for path in results]), codes, stills, title, faces)
    write_text(out, template("report.html").render(content))
    return out


def check_page_path(out: Path) -> None:
    """Raise InputError unless a page can be written to `out`: it ends in .html, and is not there yet."""
    if out.is_dir():
        raise InputError("is a folder", path=out, remedy="Name the page to write, such as report.html")
    refuse_existing(out, what="report")
    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError("the report is a web page", path=out, remedy="End its name in .html")


def template(name: str) -> Any:
    """Return the template of a page that stands alone; what is put into it is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("sparsefacs.reports", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template(name)


def _content(
    results: list[Result], codes: Sequence[Path], stills: Sequence[Path], title: str | None, faces: int
) -> dict[str, Any]:
    baseline = baseline_of(results)
    found = {} if baseline is None else {r.label: difference(r, baseline) for r in results if r is not baseline}
    paired = [each for each in found.values() if isinstance(each, Difference)]
    synthetic = [result.label for result in results if result.synthetic]
    every = METRICS_OF_TASK[results[0].task]
    metrics = [metric for metric in every if metric != "f1_half" or any(result.mean(metric) for result in results)]
    shown_faces, rule = examples(results, faces)
    curves, unshown = _curves(results)
    distributed = [result for result in results if _has_distributions(result)]
    tracks = [_track(track) for path in codes for track in read_tracks(path)]
    pictures = read_stills(stills)
    omissions = [f"{result.label}: {omission}." for result in results for omission in result.omissions]
    omissions += [f"Training curves of {', '.join(unshown)}."] if unshown else []
    if results[0].task == "occurrence":
        omissions += [f"{r.label}: its scores hold no AU distributions." for r in results if r not in distributed]
    content: dict[str, Any] = {
        "title": title or page_title(results, baseline),
        "version": VERSION,
        "several": len(results) > 1,
        "synthetic": bool(synthetic),
        "warning": warning(synthetic, len(results)),
        "summary": summary(results, baseline, found),
        "cautions": cautions(results),
        "bars": [_bars(results, metric) for metric in metrics if metric != "f1_half"],
        "score_tables": [tables.score_table(results, metric) for metric in metrics],
        "au_names": tables.au_names(results),
        "difference_table": tables.difference_table(results, paired) if paired else None,
        "fold_tables": [table for metric in metrics if (table := tables.fold_table(results, metric))],
        "published": [each for metric in metrics for each in published_tables(results, metric)],
        "published_absent": why_no_published_rows(results),
        "published_warning": WARNING,
        "label_table": tables.label_table(results),
        "curves": curves,
        "marginal_table": tables.marginal_table(distributed) if distributed else None,
        "marginal_figure": _marginals(distributed) if distributed else None,
        "heat_maps": _heat_maps(distributed),
        "faces": shown_faces,
        "face_rule": rule,
        "face_unit": "probabilities" if results[0].task == "occurrence" else "intensities from 0 to 5",
        "face_mistakes_of": f" by {next(r for r in results if r.predictions is not None).label}" if shown_faces else "",
        "tracks": tracks,
        "stills": pictures,
        "settings": tables.settings_table(results),
        "runs": [{"label": r.label, "config": r.config, "folds": folds_told(r)} for r in results],
        "omissions": omissions,
    }
    content["sections"] = _sections(content)
    return content


def _sections(content: dict[str, Any]) -> list[tuple[str, str]]:
    every = [
        ("scores", "Scores", True),
        ("labels", "Labels", content["label_table"]),
        ("training", "Training curves", content["curves"]),
        ("distributions", "Distributions", content["marginal_table"]),
        ("faces", "Example faces", content["faces"]),
        ("codes", "Coded pictures and videos", content["tracks"] or content["stills"]),
        ("settings", "Settings and hashes", True),
    ]
    return [(id_, name) for id_, name, there in every if there]


def _picture(svg: str, alt: str, caption: str) -> Picture:
    size = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', svg)
    width, height = (round(float(points) * 4 / 3) for points in size.groups()) if size else (640, 480)
    uri = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
    return Picture(uri, alt, caption, width, height)


def _bars(results: Sequence[Result], metric: str) -> Picture:
    aus = all_aus(results)
    rows = [*((f"AU{au}", au) for au in aus), ("mean", None)]
    series = {}
    for result in results:
        scores = [result.mean(metric) if au is None else result.score(au, metric) for _, au in rows]
        series[result.label] = [{key: number(s.get(key)) for key in ("value", "low", "high")} for s in scores]
    name = METRIC_NAMES[metric]
    ceiling = None if metric in ("mse", "mae") else 1.0
    svg = plots.bars([label for label, _ in rows], series, name, ceiling=ceiling)
    means = ", ".join(f"{result.label} {tables.with_interval(result.mean(metric))}" for result in results)
    alt = f"Bar chart of {name} for each action unit. Means: {means}. The table of {name} below holds every value."
    return _picture(svg, alt, f"{name} per action unit; the black line is the 95 % interval.")


def _curves(results: Sequence[Result]) -> tuple[list[Picture], list[str]]:
    """Return the pictures of the first terms logged, and the names of those left out."""
    logged = [result for result in results if result.log is not None]
    terms = dict.fromkeys(
        str(name)
        for result in logged
        if result.log is not None
        for name in result.log.columns
        if name not in _CLOCK_COLUMNS and result.log[name].notna().any()
    )
    drawn = []
    for term in list(terms)[:MOST_CURVES]:
        logs = {
            result.label: (result.log["step"].to_numpy(np.float64), result.log[term].to_numpy(np.float64))
            for result in logged
            if result.log is not None and term in result.log.columns and result.log[term].notna().any()
        }
        ends = []
        for label, (_, values) in logs.items():
            known = values[np.isfinite(values)]
            ends.append(f"{label} from {known[0]:.3g} to {known[-1]:.3g}" if len(known) else f"{label} undefined")
        told = in_words(term)
        drawn.append(_picture(plots.curves(told, logs), f"Curve of {told} over the steps: {'; '.join(ends)}.", told))
    return drawn, [in_words(term) for term in list(terms)[MOST_CURVES:]]


def _has_distributions(result: Result) -> bool:
    found = result.metrics.get("distributions")
    return isinstance(found, dict) and all(
        isinstance(found.get(which), dict) and {"marginal", "conditional"} <= set(found[which])
        for which in ("true", "predicted", "difference")
    )


def _marginals(results: Sequence[Result]) -> Picture:
    aus = [int(au) for au in results[0].metrics["distributions"]["aus"]]

    def shares(result: Result, which: str) -> list[float | None]:
        found = result.metrics["distributions"]
        at = dict(zip(found["aus"], found[which]["marginal"], strict=False))
        return [number(at.get(au)) for au in aus]

    svg = plots.marginals(
        [f"AU{au}" for au in aus],
        shares(results[0], "true"),
        {result.label: shares(result, "predicted") for result in results},
        "share of frames",
    )
    gaps = ", ".join(
        f"{result.label} {figure(result.metrics['distributions']['difference'].get('mean_marginal'), 3)}"
        for result in results
    )
    caption = f"Share of frames with each action unit. Mean |difference| from the labels: {gaps}."
    return _picture(svg, f"{caption} The table below holds every value.", caption)


def _heat_maps(results: Sequence[Result]) -> list[dict[str, Any]]:
    differences = [result.metrics["distributions"]["difference"] for result in results]
    matrices = [
        np.array([[np.nan if number(v) is None else number(v) for v in row] for row in each["conditional"]], np.float64)
        for each in differences
    ]
    top = max((float(np.nanmax(matrix)) for matrix in matrices if np.isfinite(matrix).any()), default=1.0)
    maps = []
    for result, each, matrix in zip(results, differences, matrices, strict=True):
        names = [f"{au}" for au in result.metrics["distributions"]["aus"]]
        svg = plots.heat_map(
            names, matrix, top, row_title="given AU", column_title="probability of AU", bar="|difference|"
        )
        mean, off = (figure(each.get(key), 3) for key in ("mean_conditional", "mean_conditional_off_diagonal"))
        without = f" ({off} without the diagonal)" if "mean_conditional_off_diagonal" in each else ""
        caption = f"{result.label}: |difference| of conditional probabilities, mean {mean}{without}."
        alt = f"Heat map of {caption} {_largest(names, matrix)}The table below holds every value."
        maps.append({"figure": _picture(svg, alt, caption), "table": tables.conditional_table(result)})
    return maps


def _largest(names: Sequence[str], matrix: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    if not np.isfinite(matrix).any():
        return ""
    row, column = np.unravel_index(int(np.nanargmax(matrix)), matrix.shape)
    return f"Largest: AU{names[int(column)]} given AU{names[int(row)]}, {matrix[row, column]:.2f}. "


def _track(track: Track) -> dict[str, Any]:
    lost = track.rows - track.coded
    words = f"{counted(track.rows, 'row')}, {track.coded:,} with a face" + (f", {lost:,} without" if lost else "") + "."
    words += f" {counted(track.hidden, 'further face')} not drawn." if track.hidden else ""
    words += "".join(f" {note}." for note in track.notes)
    unit = "probability" if track.top == 1 else "intensity"
    drawn, table = None, None
    if track.timed:
        svg = plots.codes_over_time([f"AU{au}" for au in track.aus], track.faces, track.top, unit)
        caption = f"{track.name}: {unit} of each action unit over time; gaps are frames without a face."
        drawn = _picture(svg, f"{caption} {_strongest(track)}", caption)
    elif track.faces:
        table = _track_table(track, unit)
    return {"name": track.name, "words": words, "figure": drawn, "table": table}


def _strongest(track: Track) -> str:
    values = np.concatenate([values for _, values in track.faces.values()])
    known = np.isfinite(values).any(axis=0)
    if not known.any():
        return ""
    means = np.where(known, np.nanmean(np.where(known, values, 0.0), axis=0), -1.0)
    first = np.argsort(-means)[:3]
    return "Strongest on average: " + ", ".join(f"AU{track.aus[int(i)]} {means[i]:.2f}" for i in first) + "."


def _track_table(track: Track, unit: str) -> Table:
    firsts = [values[np.isfinite(values).any(axis=1)][:1] for _, values in track.faces.values()]
    rows = tuple(
        (au_head(au), *(Cell(figure(first[0, i]) if len(first) else "–") for first in firsts))
        for i, au in enumerate(track.aus)
    )
    return Table(f"{track.name}: {unit} of each action unit", ("AU", *track.faces), rows)
