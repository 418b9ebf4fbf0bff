"""The report's figures as SVG text: training curves, bars with intervals, marginals, heat maps, codes over time.

Every figure is deterministic (no date, fixed ids) and tells runs apart by line style, marker or hatch as well
as by colour (Okabe & Ito's palette, safe for colour-blind readers).
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 2)), (0, (6, 3)))
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "++++")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
NARROW_INCHES = 3.9  # 374 CSS pixels: a phone shows it at full size
_SETTINGS = {
    "svg.hashsalt": "sparsefacs",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "hatch.linewidth": 0.6,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the report's style inside the block, and leave matplotlib's own settings alone."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def _figure(width: float, height: float) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(width, height), layout="constrained")
    return drawn, drawn.add_subplot()


def svg(drawn: "Figure") -> str:
    """Return a figure as SVG that is the same at every call."""
    buffer = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    drawn.savefig(buffer, format="svg", metadata=metadata, facecolor="white")
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")


def shown_name(label: str) -> str:
    """Return a name so that matplotlib shows it in a legend."""
    return f" {label}" if label.startswith("_") else label  # matplotlib hides names that begin with an underscore


def _level(axes: "Axes") -> None:
    """Give a line that does not change room above and below, rather than a scale of its rounding errors."""
    axes.ticklabel_format(axis="y", useOffset=False)
    low, high = axes.dataLim.y0, axes.dataLim.y1
    if np.isfinite([low, high]).all() and high - low <= 1e-6 * max(abs(low), abs(high)):
        reach = max(abs(high), 1.0) / 2
        axes.set_ylim(low - reach, high + reach)


def _legend(axes: "Axes", handles: Sequence[Any], labels: Sequence[str]) -> None:
    axes.figure.legend(
        list(handles), [shown_name(label) for label in labels], loc="outside upper left", frameon=False, ncols=1
    )


def thinned(
    x: NDArray[np.float64], y: NDArray[np.float64], most: int = 200
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y where y is known, averaged over equal runs of points so that at most `most` are left."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) <= most:
        return x, y
    groups = np.array_split(np.arange(len(x)), most)
    return np.array([x[group].mean() for group in groups]), np.array([y[group].mean() for group in groups])


def curves(term: str, logs: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]) -> str:
    """Draw one logged term over the training steps: logs maps a run's label to (steps, values)."""
    with style():
        drawn, axes = _figure(NARROW_INCHES, 2.5 + 0.17 * (len(logs) > 1) * len(logs))
        handles, labels = [], []
        for i, (label, (steps, values)) in enumerate(logs.items()):
            x, y = thinned(steps, values)
            marker = MARKERS[i % 7] if len(x) < 25 else ""
            (line,) = axes.plot(
                x, y, color=COLOURS[i % 7], linestyle=LINES[i % 7], linewidth=1.4, marker=marker, markersize=3
            )
            handles.append(line)
            labels.append(label)
        axes.set(xlabel="step", ylabel=term)
        _level(axes)
        axes.grid(color="#dddddd", linewidth=0.6)
        if len(logs) > 1:
            _legend(axes, handles, labels)
        return svg(drawn)


def bars(
    names: Sequence[str],
    series: Mapping[str, Sequence[Mapping[str, float | None]]],
    xlabel: str,
    *,
    floor: float = 0.0,
    ceiling: float | None = None,
) -> str:
    """Draw horizontal bars, a group a name and a bar a series, each with its interval.

    series maps a label to one {value, low, high} a name; None is undefined, written as such.
    """
    with style():
        count = len(series)
        height = 0.5 + len(names) * max(0.26, 0.15 * count + 0.08) + 0.17 * (count > 1) * count
        drawn, axes = _figure(NARROW_INCHES, height)
        thick = 0.84 / count
        handles = []
        for i, scores in enumerate(series.values()):
            places = np.asarray(np.arange(len(names)) - 0.42 + thick * (i + 0.5), np.float64)
            values: NDArray[np.float64] = np.array(
                [np.nan if s["value"] is None else s["value"] for s in scores], np.float64
            )
            handles.append(
                axes.barh(
                    places,
                    np.nan_to_num(values),
                    thick * 0.92,
                    color=_tint(COLOURS[i % 7]),
                    edgecolor=COLOURS[i % 7],
                    hatch=HATCHES[i % 7],
                    linewidth=0.8,
                )
            )
            _whiskers(axes, places, values, scores)
            for place, value in zip(places, values, strict=True):
                if not np.isfinite(value):
                    axes.text(0, place, " undefined", va="center", ha="left", fontsize=7, color="#555555")
        axes.set_yticks(np.arange(len(names)), [shown_name(name) for name in names])
        axes.set(xlabel=xlabel, ylim=(len(names) - 0.5, -0.5))
        lows = [low for scores in series.values() for s in scores if (low := s.get("low")) is not None]
        low = min([floor, *lows])
        axes.set_xlim(left=low, right=ceiling)
        if low < 0:
            axes.axvline(0, color="black", linewidth=0.8)
        axes.grid(axis="x", color="#dddddd", linewidth=0.6)
        if count > 1:
            _legend(axes, handles, list(series))
        return svg(drawn)


def _tint(colour: str, share: float = 0.55) -> str:
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(255 - (255 - part) * share):02x}" for part in parts)


def _whiskers(
    axes: "Axes",
    places: NDArray[np.float64],
    values: NDArray[np.float64],
    scores: Sequence[Mapping[str, float | None]],
) -> None:
    for place, value, score in zip(places, values, scores, strict=True):
        low, high = score.get("low"), score.get("high")
        if np.isfinite(value) and low is not None and high is not None:
            axes.plot([low, high], [place, place], color="black", linewidth=1.0, solid_capstyle="butt")
            axes.plot([low, high], [place, place], color="black", marker="|", markersize=4, linestyle="none")


def heat_map(
    names: Sequence[str], matrix: NDArray[np.float64], top: float, *, row_title: str, column_title: str, bar: str
) -> str:
    """Draw a square matrix as shaded cells with their values written in, shades from 0 (white) to `top`.

    Undefined cells (NaN) are hatched and hold a dash. Text is dark on light and light on dark.
    """
    with style():
        import matplotlib as mpl
        from matplotlib.figure import Figure
        from matplotlib.patches import Rectangle

        side = 0.34 * len(names)
        width, height, left, below = side + 1.65, side + 0.7, 0.6, 0.5
        drawn = Figure(figsize=(width, height))  # laid out by hand: cells keep one size whatever the number of AUs
        axes = drawn.add_axes((left / width, below / height, side / width, side / height))
        strip = drawn.add_axes(((left + side + 0.15) / width, below / height, 0.14 / width, side / height))
        shades = mpl.colormaps["Blues"].copy()
        scale = mpl.colors.Normalize(0, top if top > 1e-9 else 1.0)
        image = axes.imshow(np.ma.masked_invalid(matrix), cmap=shades, norm=scale, interpolation="nearest")
        for i, j in np.ndindex(matrix.shape):
            value = float(matrix[i, j])
            if np.isfinite(value):
                red, green, blue, _ = shades(scale(value))
                dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5
                written = "1.0" if value >= 0.995 else f"{value:.2f}"[1:]
                axes.text(j, i, written, ha="center", va="center", fontsize=8, color="white" if dark else "black")
            else:
                axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, hatch="////", edgecolor="#bbbbbb"))
                axes.text(j, i, "–", ha="center", va="center", fontsize=8, color="black")
        axes.set_xticks(np.arange(len(names)), names)
        axes.set_yticks(np.arange(len(names)), names)
        axes.tick_params(length=0)
        axes.set(xlabel=column_title, ylabel=row_title)
        axes.spines[:].set_visible(True)
        drawn.colorbar(image, cax=strip, label=bar)
        return svg(drawn)


def marginals(
    names: Sequence[str], true: Sequence[float | None], predicted: Mapping[str, Sequence[float | None]], xlabel: str
) -> str:
    """Draw each AU's share of frames: the labels as bars, every run's predictions as marks beside them."""
    with style():
        drawn, axes = _figure(NARROW_INCHES, 0.7 + 0.27 * len(names) + 0.17 * (len(predicted) + 1))
        places = np.arange(len(names))
        shares = [0.0 if value is None else value for value in true]
        handles: list[Any] = [axes.barh(places, shares, 0.8, color="#dddddd", edgecolor="#888888", linewidth=0.8)]
        for i, values in enumerate(predicted.values()):
            shift = (i - (len(predicted) - 1) / 2) * min(0.3, 0.7 / max(len(predicted), 1))
            known = [np.nan if value is None else value for value in values]
            handles += axes.plot(
                known, places + shift, linestyle="none", marker=MARKERS[i % 7], markersize=5, color=COLOURS[i % 7]
            )
        axes.set_yticks(places, [shown_name(name) for name in names])
        axes.set(xlabel=xlabel, ylim=(len(names) - 0.5, -0.5))
        axes.set_xlim(left=0)
        axes.grid(axis="x", color="#dddddd", linewidth=0.6)
        _legend(axes, handles, ["labels", *predicted])
        return svg(drawn)


def codes_over_time(
    names: Sequence[str], tracks: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]], top: float, unit: str
) -> str:
    """Draw every AU's course in a strip of its own: tracks maps a face to (times (T,) in s, values (T, A)).

    Values run from 0 to `top`; a lost face (NaN) leaves a gap.
    """
    with style():
        drawn, axes = _figure(7.2, 0.9 + 0.42 * len(names) + 0.17 * (len(tracks) > 1) * len(tracks))
        handles = []
        for i, (times, values) in enumerate(tracks.values()):
            for row in range(len(names)):
                (line,) = axes.plot(
                    times,
                    row + 0.85 - 0.8 * values[:, row] / top,
                    color=COLOURS[i % 7],
                    linestyle=LINES[i % 7],
                    linewidth=1.1,
                )
            handles.append(line)
        for row in range(len(names)):
            axes.axhline(row + 0.85, color="#bbbbbb", linewidth=0.6, zorder=0)
            axes.axhline(row + 0.05, color="#eeeeee", linewidth=0.6, zorder=0)
        axes.set_yticks(np.arange(len(names)) + 0.45, [shown_name(name) for name in names])
        axes.tick_params(axis="y", length=0)
        axes.set(xlabel=f"time (s) · each strip runs from 0 to {top:g} ({unit})", ylim=(len(names), 0))
        axes.margins(x=0.01)
        if len(tracks) > 1:
            _legend(axes, handles, list(tracks))
        return svg(drawn)
