"""Rows and columns of small pictures, and a matrix of similarities: figures drawn to a file, deterministically."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..files import atomic_path
from .plots import style, svg

_TILE_INCHES = 1.25
_GAP_INCHES = 0.06
_LINE_INCHES = 0.15
_TITLE_LINE_INCHES = 0.125
_LEFT_INCHES = 0.95
_DPI = 160
_CELL_INCHES = 0.36
_LEAST_SCALE = 0.2


def draw_grid(
    path: Path,
    rows: Sequence[NDArray[np.floating]],
    row_names: Sequence[str],
    titles: Sequence[str],
    notes: Sequence[str] = (),
) -> None:
    """Draw R rows of N pictures each, RGB (N, H, W, 3) in 0–1, into the PNG `path`, all tiles of one size.

    Pixels of small pictures stay squares. titles: above each column; notes: lines below all, wrapped.
    """
    from matplotlib.figure import Figure

    columns, step = len(titles), _TILE_INCHES + _GAP_INCHES
    inner = max(columns, 4) * step
    width = _LEFT_INCHES + inner + _GAP_INCHES
    lines = [line for note in notes for line in _wrapped(note, width)]
    head = 0.15 + _TITLE_LINE_INCHES * max(title.count("\n") + 1 for title in titles)
    foot = _LINE_INCHES * (len(lines) + 1)
    height = head + len(rows) * step + foot
    with style(), atomic_path(path) as temporary:
        drawn = Figure(figsize=(width, height))
        for number, (name, tiles) in enumerate(zip(row_names, rows, strict=True)):
            top = head + number * step
            middle = 1 - (top + _TILE_INCHES / 2) / height
            drawn.text((_LEFT_INCHES - 0.1) / width, middle, name, ha="right", va="center", fontsize=8)
            for column, tile in enumerate(tiles):
                left = _LEFT_INCHES + column * step
                size = (_TILE_INCHES / width, _TILE_INCHES / height)
                axes = drawn.add_axes((left / width, 1 - (top + _TILE_INCHES) / height, *size))
                axes.imshow(np.clip(tile, 0, 1), interpolation="antialiased")
                axes.set_axis_off()
                if number == 0:
                    axes.set_title(titles[column], fontsize=7, pad=4)
        for number, line in enumerate(lines):
            drawn.text(0.1 / width, (foot - _LINE_INCHES * (number + 1)) / height, line, fontsize=7.5, color="#444444")
        drawn.savefig(temporary, dpi=_DPI, metadata={"Software": None}, facecolor="white", format="png")


def _wrapped(note: str, inches: float) -> list[str]:
    return textwrap.wrap(note, int(inches * 17))


def similarities(names: Sequence[tuple[str, str]], matrix: NDArray[np.float64]) -> str:
    """Draw a matrix of similarities −1 to 1 as SVG text, blue for alike, red for opposite, values written in.

    names: a short and a full name each. The scale ends at the largest value off the diagonal, which says nothing and is
    left grey.
    """
    from matplotlib.figure import Figure

    count = len(names)
    off = ~np.eye(count, dtype=bool)
    top = max(_LEAST_SCALE, float(np.nanmax(np.abs(matrix[off]), initial=0)))
    side, left, below, right, above = _CELL_INCHES * count, 2.2, 0.35, 1.0, 0.15
    width, height = left + side + right, below + side + above
    with style():
        drawn = Figure(figsize=(width, height))
        axes = drawn.add_axes((left / width, below / height, side / width, side / height))
        strip = drawn.add_axes(((left + side + 0.15) / width, below / height, 0.14 / width, side / height))
        axes.set_facecolor("#dddddd")
        shown = np.ma.masked_array(matrix, ~off)
        image = axes.imshow(shown, cmap="RdBu", vmin=-top, vmax=top, interpolation="nearest")
        for i, j in np.ndindex(matrix.shape):
            value = round(float(matrix[i, j]), 2) + 0.0  # no −0
            written = "1" if i == j else f"{value:.2f}".replace("0.", ".", 1).replace("-", "−")
            dark = i != j and abs(value) > 0.7 * top
            axes.text(j, i, written, ha="center", va="center", fontsize=7, color="white" if dark else "black")
        axes.set_xticks(np.arange(count), [short for short, _ in names], fontsize=8)
        axes.set_yticks(np.arange(count), [f"{full}  {short}" for short, full in names], fontsize=8)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(True)
        drawn.colorbar(image, cax=strip, label="cosine similarity of AU queries")
        return svg(drawn)
