"""`--plot`: the codes over time, one small panel an AU, with gaps where a face is lost."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..facs import UNITS
from ..files import from_cell, write_with

PLOT_SUFFIXES = (".png", ".svg", ".pdf")
FACES_MAX = 8  # drawn, those with most rows; more could not be told apart
_COLOURS = ("#0b6fb8", "#d9620a", "#23884e", "#a23b9b", "#8a6d00", "#c2272d", "#3f4a9b", "#0f8b8d")
_FOOT = 0.2  # inches for a caption
_INK, _FAINT, _SHADE = "#222222", "#b9b9b9", "#ececec"


def plot_codes(
    codes: Path, out: Path, *, source: str | None = None, limits: Sequence[float] | None = None, caption: str = ""
) -> None:
    """Draw the codes file `codes` (.csv or .parquet) as `out` (.png, .svg or .pdf).

    Curves of probabilities, or of intensities if the table has them, over seconds; for a photo, bars. source: the
    `input` to draw, where the table holds several. limits: of each AU the probability (or intensity) from which it
    counts as present, drawn as a dotted line. caption: a line at the foot. Raises InputError if the table has no codes
    of `source`.
    """
    table = _read(codes, source)
    kind, columns = _told(table, codes)
    aus = [int(column[2:4]) for column in columns]
    if table["timestamp"].notna().any():
        figure = _curves(table, columns, aus, kind, limits)
    else:
        figure = _bars(table, columns, aus, kind, limits)
    if caption:
        figure.get_layout_engine().set(rect=(0, _FOOT / figure.get_figheight(), 1, 1 - _FOOT / figure.get_figheight()))
        figure.text(0.01, 0.03 / figure.get_figheight(), caption, fontsize=8, color=_INK, va="bottom")
    write_with(out, lambda handle: figure.savefig(handle, format=out.suffix[1:].lower()))


def _read(codes: Path, source: str | None) -> Any:
    import pandas as pd

    table = (
        pd.read_parquet(codes)
        if codes.suffix.lower() == ".parquet"
        else pd.read_csv(codes, converters={"input": from_cell})
    )
    return table if source is None else table[table["input"] == source]


def _told(table: Any, codes: Path) -> tuple[str, list[str]]:
    """Return `p` or `r`, whichever the table tells, `p` where both, and its columns."""
    for kind in "pr":
        columns = [name for name in table.columns if re.fullmatch(rf"AU\d+_{kind}", name)]
        if columns and table[columns].notna().any(axis=None):
            return kind, columns
    raise InputError("has no coded face to plot", path=codes, remedy="Leave --plot out, or give a video with a face")


def _figure(rows: int, columns: int, height: float) -> tuple[Any, NDArray[Any]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False))
    return figure, axes


def _curves(table: Any, columns: list[str], aus: list[int], kind: str, limits: Sequence[float] | None) -> Any:
    across = 2 if len(aus) > 3 else 1
    down = -(-len(aus) // across)
    figure, axes = _figure(down, across, 0.9 + 0.95 * down)
    faces = _main_faces(table)
    for number, (au, column) in enumerate(zip(aus, columns, strict=True)):
        axis = axes[number % down, number // down]
        _dress(axis, au, kind, None if limits is None else limits[number])
        for colour, face in zip(_COLOURS, faces, strict=False):
            times, values = _with_gaps(table[table["face_id"] == face], column)
            axis.plot(times, values, color=colour, linewidth=1.1, label=f"face {face}", solid_joinstyle="round")
        if len(faces) == 1:
            _shade_lost(axis, table)
        axis.set_xlim(table["timestamp"].min(), max(table["timestamp"].max(), table["timestamp"].min() + 1e-3))
    for empty in range(len(aus), down * across):
        axes[empty % down, empty // down].set_axis_off()
    for axis in axes[-1]:
        axis.set_xlabel("time (s)", color=_INK)
        axis.tick_params(labelbottom=True)
    title = "AU probability" if kind == "p" else "AU intensity (0–5)"
    lost = " (grey: face lost)" if len(faces) == 1 and (table["success"] == 0).any() else ""
    figure.suptitle(title + lost, x=0.01, ha="left", fontsize=12, fontweight="bold", color=_INK)
    if len(faces) > 1:
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=len(faces), frameon=False, fontsize=9)
    return figure


def _with_gaps(rows: Any, column: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return times and values of one face, with NaN where frames between two rows have none, so that lines break."""
    times = rows["timestamp"].to_numpy(np.float64)
    values = rows[column].to_numpy(np.float64)
    steps = np.diff(rows["frame"].to_numpy())
    holes = np.flatnonzero(steps > min(steps, default=1)) + 1
    return np.insert(times, holes, np.nan), np.insert(values, holes, np.nan)


def _shade_lost(axis: Any, table: Any) -> None:
    """Shade the stretches of time in which the one face is lost."""
    lost = np.concatenate([[0], (table["success"].to_numpy() == 0).astype(int), [0]])
    times = table["timestamp"].to_numpy(np.float64)
    for start, end in zip(np.flatnonzero(np.diff(lost) == 1), np.flatnonzero(np.diff(lost) == -1), strict=True):
        axis.axvspan(times[start], times[min(end, len(times) - 1)], color=_SHADE, linewidth=0)


def _main_faces(table: Any) -> list[int]:
    """Return the ids of the faces with most coded rows, at most FACES_MAX, in order of id."""
    counts = table.loc[table["success"] == 1, "face_id"].value_counts()
    return sorted(int(face) for face in counts.index[:FACES_MAX])


def _bars(table: Any, columns: list[str], aus: list[int], kind: str, limits: Sequence[float] | None) -> Any:
    faces = _main_faces(table)
    figure, axes = _figure(1, len(faces), 1.2 + 0.26 * len(aus))
    places = np.arange(len(aus))
    for axis, colour, face in zip(axes[0], _COLOURS, faces, strict=False):
        values = table.loc[table["face_id"] == face, columns].iloc[0].to_numpy(np.float64)
        axis.barh(places, values, color=colour, height=0.7)
        axis.set_title(f"face {face}", fontsize=9, color=_INK)
        axis.tick_params(labelsize=8)
        axis.set_xlim(0, 1 if kind == "p" else 5)
        if limits is not None:
            axis.vlines(limits, places - 0.5, places + 0.5, color=_FAINT, linewidth=0.8, linestyle=":")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_yticks(places, [_title(au) for au in aus], fontsize=8)
    axes[0, 0].invert_yaxis()
    figure.supxlabel("probability" if kind == "p" else "intensity (0–5)", fontsize=9)
    return figure


def _dress(axis: Any, au: int, kind: str, limit: float | None) -> None:
    top = 1.0 if kind == "p" else 5.0
    axis.set_ylim(-0.03 * top, 1.03 * top)
    axis.set_yticks([0, top / 2, top] if kind == "p" else [0, 1, 2, 3, 4, 5])
    axis.tick_params(labelsize=7.5, colors=_INK)
    axis.set_title(_title(au), loc="left", fontsize=9, pad=2, color=_INK)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(_FAINT)
    if limit is not None:
        axis.axhline(limit, color=_FAINT, linewidth=0.8, linestyle=":")


def _title(au: int) -> str:
    return f"AU{au} {UNITS[au].name.lower()}" if au in UNITS else f"AU{au}"
