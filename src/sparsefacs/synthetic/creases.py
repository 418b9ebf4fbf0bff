"""Creases that AUs fold into the skin, drawn once a subject on the unrolled skin and mixed cheaply every frame.

A crease is a line with a shape across it: a furrow in the height and a darkening. Positions are in the base head's
frame, in inter-ocular distances from the point between the eyes; they wander a little from subject to subject.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .identity import Subject
from .mesh import SKIN_SIDE
from .skin import fixed_masks

Floats = NDArray[np.floating[Any]]
INTEROCULAR, EYE_HEIGHT = 0.62, 7.28  # dm, of the base head
WINDOW = ((0.14, 0.86), (0.16, 0.84))  # rows, columns of the skin in which creases can lie
DEPTH = 0.020  # dm, of a full furrow


@dataclass(frozen=True)
class Creases:
    """Sparse layers: layer k (an AU and side, see `keys`) changes texels index[start[k]:start[k+1]] of the skin.

    values: (n, 3) slope across, slope down, darkening, at full strength.
    """

    keys: tuple[tuple[int, str], ...]
    start: NDArray[np.int64]
    index: NDArray[np.int32]
    values: Floats
    touched: NDArray[np.int32]


class _Drawing:
    """Collects the furrow depth and darkening of each AU on the window of the skin."""

    def __init__(self, x: Floats, y: Floats, front: Floats) -> None:
        self.x, self.y, self.side, self.front = x, y, np.abs(x), front
        self.height: dict[int, Floats] = {}
        self.dark: dict[int, Floats] = {}

    def line(
        self, away: Floats, width: float, where: Floats, strengths: dict[int, float | Floats], dark: float
    ) -> None:
        """Add a furrow `width` wide where `away` (distance across it) is 0, to each AU by its strength."""
        furrow = np.exp(-((away / width) ** 2)) * where * self.front
        ridge = np.exp(-(((np.abs(away) - 1.9 * width) / width) ** 2)) * where * self.front
        for au, strength in strengths.items():
            self.height[au] = self.height.get(au, 0) + strength * (0.35 * ridge - furrow) * DEPTH
            self.dark[au] = self.dark.get(au, 0) + strength * furrow * dark


def _between(value: Floats, low: float, high: float, soft: float) -> Floats:
    rise = 1 / (1 + np.exp(np.clip(-(value - low) / soft, -30, 30)))
    fall = 1 / (1 + np.exp(np.clip((value - high) / soft, -30, 30)))
    return np.asarray(rise * fall, np.float32)


AGE = 0  # the layer of lines that are always there


def bake_creases(subject: Subject, scale: int) -> Creases:
    """Return the crease layers of a subject for an atlas of `scale`."""
    mask = {name: values[_window(scale)] for name, values in fixed_masks(scale).items()}
    x = np.asarray(mask["x"] / INTEROCULAR, np.float32)
    y = np.asarray((mask["y"] - EYE_HEIGHT) / INTEROCULAR, np.float32)
    front = (mask["z"] > 0.55) * (1 - mask["lips"]) * (mask["hair"] < 0)
    drawing = _Drawing(x, y, np.asarray(front, np.float32))
    _draw_all(drawing, subject)
    return _sparse(drawing, subject, mask["x"], scale)


def _window(scale: int) -> tuple[slice, slice]:
    side = SKIN_SIDE * scale
    (top, bottom), (left, right) = WINDOW
    return slice(int(top * side), int(bottom * side)), slice(int(left * side), int(right * side))


def _draw_all(d: _Drawing, subject: Subject) -> None:
    rng = subject.rng(8)
    w = rng.uniform(0, 6.28, 12)
    _forehead(d, w)
    _glabella(d, w)
    _eyes(d, w)
    _nose(d, w)
    _nasolabial(d, w)
    _mouth(d, w)


def _forehead(d: _Drawing, w: NDArray[np.float64]) -> None:
    inner = np.clip(1.3 - d.side / 0.42, 0, 1)
    outer = np.clip(d.side / 0.42 - 0.25, 0, 1)
    span = _between(d.side, -1, 0.80, 0.06)
    for i, (height, length) in enumerate(((0.56, 1.0), (0.70, 0.9), (0.84, 0.8))):
        wander = 0.030 * np.cos(d.x * 2.6 + w[0] + 0.7 * i) + 0.016 * np.sin(d.x * 8 + w[1] + 2 * i)
        away = d.y - height - wander - 0.05 * np.sin(np.clip(d.side / 0.8, 0, 1) * np.pi)
        d.line(away, 0.022, span * length, {1: inner * 0.8, 2: outer * 0.8, AGE: 0.8}, 0.20)


def _glabella(d: _Drawing, w: NDArray[np.float64]) -> None:
    rise = _between(d.y, 0.14, 0.46, 0.04)
    away = d.side - 0.12 - 0.06 * (d.y - 0.3) - 0.012 * np.sin(9 * d.y + w[2] + np.sign(d.x))
    d.line(away, 0.026, rise, {4: 0.85, 9: 0.35, AGE: 0.6}, 0.26)
    d.line(d.y - 0.10 - 0.1 * d.side, 0.022, _between(d.side, -1, 0.11, 0.03), {4: 0.4, 9: 0.5}, 0.15)


def _eyes(d: _Drawing, w: NDArray[np.float64]) -> None:
    for k, angle in enumerate((-30, -4, 22)):
        turn = np.radians(angle + 7 * np.sin(w[3] + k))
        dx, dy = d.side - 0.78, d.y
        along = dx * np.cos(turn) + dy * np.sin(turn)
        away = -dx * np.sin(turn) + dy * np.cos(turn) + 0.03 * along * np.sin(9 * along + w[4])
        d.line(away, 0.021, _between(along, 0.03, 0.20, 0.04), {6: 0.40, 12: 0.08, AGE: 0.6}, 0.11)
    below = d.y + 0.20 - 0.06 * np.cos((d.side - 0.5) * 5)
    d.line(below, 0.028, _between(d.side, 0.27, 0.72, 0.05), {6: 0.55, 7: 0.30, AGE: 0.5}, 0.13)
    d.line(below - 0.075, 0.020, _between(d.side, 0.30, 0.68, 0.05), {7: 0.45, 6: 0.3}, 0.11)


def _nose(d: _Drawing, w: NDArray[np.float64]) -> None:
    for k in range(3):
        away = d.y - 0.02 + 0.10 * k + 0.35 * d.side - 0.02 * np.sin(w[5] + k)
        d.line(away, 0.018, _between(d.side, 0.04, 0.20, 0.03), {9: 0.8}, 0.17)


def _nasolabial(d: _Drawing, w: NDArray[np.float64]) -> None:
    wing, corner = np.array([0.24, -0.66]), np.array([0.47, -1.06])
    line = corner - wing
    length = float(np.hypot(*line))
    px, py = d.side - wing[0], d.y - wing[1]
    along = (px * line[0] + py * line[1]) / length**2
    away = (px * line[1] - py * line[0]) / length + 0.16 * length * np.sin(np.clip(along, 0, 1.1) * 2.8)
    away = -away - 0.01 * np.sin(4 * along + w[6])
    strengths: dict[int, float | Floats] = {12: 0.45, 10: 0.45, 9: 0.45, 15: 0.2, 20: 0.2, 6: 0.12, AGE: 0.8}
    d.line(np.asarray(away, np.float32), 0.034, _between(along, -0.02, 0.95, 0.08), strengths, 0.17)


def _mouth(d: _Drawing, w: NDArray[np.float64]) -> None:
    corner = 0.42
    chin = np.exp(-((d.x / 0.26) ** 2) - (((d.y + 1.52) / 0.14) ** 2)) * d.front
    bumps = np.sin(d.x * 38 + np.sin(d.y * 30 + w[7])) * np.sin(d.y * 41 + np.sin(d.x * 26 + w[8]))
    d.height[17] = 0.007 * bumps * chin
    d.dark[17] = 0.08 * chin * (bumps < 0)
    d.line(d.y + 1.36 + 0.3 * d.x**2, 0.030, _between(d.side, -1, 0.28, 0.05), {17: 0.6}, 0.17)
    dimple = np.exp(-(((d.y + 1.06) / 0.10) ** 2))
    d.line(d.side - corner - 0.10 - 0.25 * (d.y + 1.06) ** 2, 0.030, dimple, {14: 0.95}, 0.26)
    d.line(d.side - corner - 0.03 + 0.3 * (d.y + 1.06), 0.03, _between(d.y, -1.36, -1.12, 0.04), {15: 0.6}, 0.16)
    stretch = np.exp(-(((d.y + 1.06) / 0.18) ** 2))
    d.line(d.side - corner - 0.12, 0.028, stretch, {20: 0.5}, 0.12)
    above_lip = _between(d.y, -0.99, -0.80, 0.03)
    for k in range(3):
        d.line(d.side - 0.07 - 0.10 * k, 0.012, above_lip, {23: 0.35, 24: 0.25}, 0.08)


def _sparse(d: _Drawing, subject: Subject, x_dm: Floats, scale: int) -> Creases:
    rows, columns = _window(scale)
    side = SKIN_SIDE * scale
    flat = (np.arange(rows.start, rows.stop)[:, None] * side + np.arange(columns.start, columns.stop)).astype(np.int32)
    keys, start, index, values = [], [0], [], []
    left = np.clip(0.5 + x_dm / 0.12, 0, 1)  # the two sides blend across the middle
    for au in sorted(d.height):
        height, dark = np.asarray(d.height[au], np.float32), np.asarray(d.dark[au], np.float32)
        for name, part in (("both", np.float32(1)),) if au == AGE else (("left", left), ("right", 1 - left)):
            slopes = np.gradient(height * part)
            strong = np.float32(3 * subject.colours.wrinkles if au == AGE else 1)
            across, down, darker = slopes[1] * strong, slopes[0] * strong, dark * part * strong
            felt = np.flatnonzero((np.maximum(np.abs(across), np.abs(down)) > 2e-5 / scale) | (darker > 2e-3))
            keys.append((au, name))
            index.append(flat.ravel()[felt])
            values.append(np.stack([each.ravel()[felt] for each in (across, down, darker)], axis=-1).astype(np.float32))
            start.append(start[-1] + len(felt))
    joined = np.concatenate(index)
    return Creases(tuple(keys), np.array(start, np.int64), joined, np.concatenate(values), np.unique(joined))
