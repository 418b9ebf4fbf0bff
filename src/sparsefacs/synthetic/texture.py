"""A subject's whole texture atlas: the skin, and the patches of eyes, ears, teeth, mouth, lashes and hair sheets."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .identity import Subject
from .mesh import ATLAS_HEIGHT, ATLAS_WIDTH, PATCHES, SKIN_SIDE
from .skin import CHANNELS, noise, paint_skin, smoothstep

Floats = NDArray[np.floating[Any]]
TOOTH_GAPS = (0.0, 0.085, 0.152, 0.222, 0.272)  # dm from the middle, on the arch seen from the front


def paint_atlas(subject: Subject, scale: int) -> Floats:
    """Return the atlas (704·scale, 512·scale, 8) of a subject; channels as in `skin`."""
    atlas = np.zeros((ATLAS_HEIGHT * scale, ATLAS_WIDTH * scale, CHANNELS), np.float32)
    atlas[..., 4] = 1
    atlas[..., 7] = 1
    atlas[: SKIN_SIDE * scale] = paint_skin(subject, scale)
    painters = {
        "eye": _eye,
        "ear": _ear,
        "teeth": _upper_teeth,
        "lower-teeth": _lower_teeth,
        "mouth": _mouth,
        "tongue": _tongue,
        "socket": _mouth,
        "lash": _lashes,
        "hair": _hair_sheet,
    }
    for name, painter in painters.items():
        left, top, width, height = (value * scale for value in PATCHES[name])
        down, across = np.mgrid[0:height, 0:width].astype(np.float32)
        painter(subject, atlas[top : top + height, left : left + width], across / (width - 1), down / (height - 1))
    return np.ascontiguousarray(atlas)


def _eye(subject: Subject, patch: Floats, u: Floats, v: Floats) -> None:
    """The ball seen from the front: radius 0.47 of the patch; the iris spans a little under half of it."""
    rng = subject.rng(3)
    x, y = (u - 0.5) / 0.47, (v - 0.5) / 0.47
    radius, turn = np.hypot(x, y), np.arctan2(y, x)
    white = np.array([0.52, 0.47, 0.44], np.float32) * (1 - 0.35 * smoothstep(radius, 0.45, 1.0))[..., None]
    white *= 1 - 0.12 * smoothstep(np.abs(x), 0.5, 1)[..., None] * np.array([0.1, 1, 1], np.float32)
    spokes = np.zeros_like(radius)
    for count in (17, 29, 43):
        spokes += np.sin(count * turn + rng.uniform(0, 6.28) + 3 * radius) / 3
    ring = smoothstep(radius, 0.18, 0.30) * 0.25
    iris = subject.colours.iris * (0.95 + 0.35 * spokes * smoothstep(radius, 0.1, 0.3) + ring)[..., None]
    iris *= (1 - 0.75 * smoothstep(radius, 0.37, 0.46))[..., None]
    pupil = 0.17 + 0.03 * rng.random()
    iris *= smoothstep(radius, pupil - 0.02, pupil + 0.03)[..., None]
    cover = smoothstep(-radius, -0.48, -0.43)[..., None]
    patch[..., :3] = white * (1 - cover) + iris * cover
    patch[..., 3] = 1


def _ear(subject: Subject, patch: Floats, u: Floats, v: Floats) -> None:
    tone = (
        1 + 0.05 * noise(subject.rng(4), max(patch.shape[:2]), (12, 12), octaves=2)[: patch.shape[0], : patch.shape[1]]
    )
    patch[..., :3] = subject.colours.skin * np.array([1, 0.86, 0.86], np.float32) * tone[..., None]
    patch[..., 3] = 0.3


def _teeth(subject: Subject, patch: Floats, u: Floats, v: Floats, gum_edge: float, upper: bool) -> None:
    x = np.abs(u - 0.5) * 0.62
    width = 1.0 if upper else 0.68
    gap = np.min([np.abs(x - width * edge) for edge in TOOTH_GAPS], axis=0)
    inside = np.sqrt(np.clip(gap / 0.035, 0, 1))
    yellow = subject.rng(5).uniform(0, 1)
    enamel = np.array([0.66, 0.63, 0.56], np.float32) * (1 - yellow * np.array([0.05, 0.10, 0.22], np.float32))
    colour = enamel * (0.45 + 0.55 * smoothstep(gap, 0.0, 0.012))[..., None]
    edge = gum_edge - (0.08 * inside if upper else -0.12 * inside)
    gum = smoothstep(edge - v, -0.03, 0.03) if upper else smoothstep(v - edge, -0.03, 0.03)
    patch[..., :3] = colour * (1 - gum[..., None]) + np.array([0.38, 0.13, 0.12], np.float32) * gum[..., None]
    patch[..., 3] = 0.8


def _upper_teeth(subject: Subject, patch: Floats, u: Floats, v: Floats) -> None:
    _teeth(subject, patch, u, v, 0.66, True)


def _lower_teeth(subject: Subject, patch: Floats, u: Floats, v: Floats) -> None:
    _teeth(subject, patch, u, v, 0.62, False)


def _mouth(subject: Subject, patch: Floats, u: Floats, v: Floats) -> None:
    patch[..., :3] = np.array([0.20, 0.055, 0.05], np.float32)
    patch[..., 3] = 0.3


def _tongue(subject: Subject, patch: Floats, u: Floats, v: Floats) -> None:
    patch[..., :3] = np.array([0.46, 0.17, 0.15], np.float32)
    patch[..., 3] = 0.6


def _lashes(subject: Subject, patch: Floats, u: Floats, v: Floats) -> None:
    """Upper lashes in the upper half of the patch, lower ones below; v rises from root to tip in each."""
    rng = subject.rng(6)
    count = 34
    place = u * count + 0.25 * np.sin(u * 61 + rng.uniform(0, 6.28))
    across = np.abs(place - np.floor(place) - 0.5)  # 0 in the middle of a lash
    upper = v < 0.5
    along = np.where(upper, 2 * v, 2 * v - 1)
    made_up = subject.colours.make_up
    length = np.where(upper, 0.45 + 0.35 * subject.female + 0.3 * made_up, 0.12 + 0.25 * made_up)
    length = length * (0.75 + 0.25 * np.sin(np.floor(place) * 2.4))
    width = (0.30 + 0.15 * made_up) * (1 - along / np.maximum(length, 0.05))
    root = along < np.where(upper, 0.16 + 0.12 * made_up, 0.0)
    patch[..., :3] = np.minimum(subject.colours.hair, np.float32(0.04)) * 0.5
    patch[..., 3] = 0.1
    patch[..., 7] = (across < width) | root


def _hair_sheet(subject: Subject, patch: Floats, u: Floats, v: Floats) -> None:
    rng = subject.rng(7)
    side = max(patch.shape[:2])
    strands = noise(rng, side, (3, 90))[: patch.shape[0]] + 0.6 * noise(rng, side, (2, side // 2))[: patch.shape[0]]
    patch[..., :3] = subject.colours.hair * np.exp(0.35 * strands)[..., None]
    patch[..., 3] = 0.9
    length = 0.72 + 0.05 * noise(rng, side, (1, 60))[: patch.shape[0]]
    patch[..., 7] = (v < length) & (subject.hair == "long")
