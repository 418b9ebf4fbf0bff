"""The paint of the unrolled skin: complexion, lips, brows, lash lines, stubble, scalp hair.

Formulas are in the base head's frame (dm), so paint follows features whatever a subject's shape. Texture channels:
0–2 linear RGB reflectance, 3 gloss, 4 how much ambient light is left (creases darken it), 5–6 slope of the height
(dm a texel, across and down), 7 coverage.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .identity import Subject
from .mesh import SKIN_SIDE, hairline, skin_maps

CHANNELS = 8
Floats = NDArray[np.floating[Any]]


def noise(rng: np.random.Generator, side: int, cells: tuple[int, int], *, octaves: int = 1) -> Floats:
    """Return smooth noise (side, side), mean 0, sd about 1: random lattices of `cells` (down, across), refined."""
    import cv2

    total = np.zeros((side, side), np.float32)
    norm = 0.0
    for octave in range(octaves):
        shape = tuple(min(side, count * 2**octave) for count in cells)
        lattice = rng.standard_normal(shape).astype(np.float32)
        gain = 0.6**octave
        total += gain * cv2.resize(lattice, (side, side), interpolation=cv2.INTER_CUBIC)
        norm += gain**2
    return total * np.float32(1.3 / np.sqrt(norm))


def smoothstep(value: Floats, low: float, high: float) -> Floats:
    """Return 0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _bell(value: Floats, centre: float, width: float) -> Floats:
    return np.asarray(np.exp(-(((value - centre) / width) ** 2)), np.float32)


@lru_cache(maxsize=2)
def fixed_masks(scale: int) -> dict[str, Floats]:
    """Return the masks (S, S) that are the same for everyone: where on the skin things are."""
    import cv2

    places, redness = skin_maps(scale)
    x, y, z = places[..., 0], places[..., 1], places[..., 2]
    side = np.abs(x)
    open_eye = (y > 8.9).astype(np.uint8)
    open_eye[: int(0.30 * len(y))] = 0
    open_eye[int(0.45 * len(y)) :] = 0
    # eye openings, the slit of the mouth, and the places of the ears; further up nothing but scalp is missing
    unseen = (y > 8.9) & (np.linspace(0, 1, len(y))[:, None] > 0.22)
    x, y, z = (np.where(unseen, value, axis) for value, axis in ((0.3, x), (7.1, y), (1.3, z)))
    side = np.abs(x)
    reach = 3 * scale
    down = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
    down[reach:, reach] = 1  # a texel is marked when the eye opening lies below it
    upper = cv2.dilate(open_eye, down) & ~open_eye & 1
    lower = cv2.dilate(open_eye, down[::-1].copy()) & ~open_eye & 1
    below_eye = _bell(side, 0.29, 0.13) * _bell(y, 7.15, 0.05)
    return {
        "x": x,
        "y": y,
        "z": z,
        "side": side,
        "lips": smoothstep(redness, 0.25, 0.75),
        "cheeks": _bell(side, 0.40, 0.17) * _bell(y, 6.98, 0.16) * (z > 0.6),
        "nose": _bell(side, 0.0, 0.10) * _bell(y, 6.95, 0.10) * (z > 1.3),
        "ears": _bell(side, 0.8, 0.2) * (z < 0.6),
        "below_eye": below_eye.astype(np.float32),
        "lid": _bell(side, 0.31, 0.13) * _bell(y, 7.355, 0.035) * (z > 1),
        "lash_upper": cv2.GaussianBlur(upper.astype(np.float32), (0, 0), 0.7 * scale),
        "lash_lower": cv2.GaussianBlur(lower.astype(np.float32), (0, 0), 0.7 * scale),
        "t_zone": np.maximum(_bell(side, 0, 0.3) * smoothstep(y, 7.45, 7.6), _bell(side, 0, 0.1) * (y > 6.9)) * (z > 1),
        "neck": smoothstep(-y, -6.15, -5.7),
        "hair": hairline(side, y, z),
        "beard": _beard(side, y, z),
    }


def _beard(side: Floats, y: Floats, z: Floats) -> Floats:
    """Where a beard grows, 0–1: upper lip, chin, jaw up to the ears."""
    jaw_top = np.interp(side, [0.0, 0.2, 0.3, 0.45, 0.6, 0.75], [6.55, 6.56, 6.62, 6.68, 6.85, 7.05])
    jaw = smoothstep(jaw_top - y, -0.02, 0.1) * smoothstep(y, 5.95, 6.15)
    moustache = smoothstep(y, 6.64, 6.70) * smoothstep(-y, -6.82, -6.77) * smoothstep(-side, -0.27, -0.2)
    return np.asarray(np.maximum(jaw, moustache * (z > 1.2)) * (z > 0.3), np.float32)


def paint_skin(subject: Subject, scale: int) -> Floats:
    """Return the skin part (S, S, 8) of a subject's atlas, creases not included."""
    side = SKIN_SIDE * scale
    mask, colours, rng = fixed_masks(scale), subject.colours, subject.rng(2)
    out = np.zeros((side, side, CHANNELS), np.float32)
    coarse, middle, fine = noise(rng, side, (24, 24), octaves=3), noise(rng, side, (90, 90), octaves=2), noise(
        rng, side, (SKIN_SIDE // 2, SKIN_SIDE // 2))  # fmt: skip
    tone = 1 + 0.022 * coarse + 0.018 * middle + 0.015 * fine
    blush = (0.55 * mask["cheeks"] + 0.6 * mask["nose"] + 0.5 * mask["ears"]) * (0.25 + 0.6 * colours.redness)
    blush *= 1 + 0.3 * coarse
    shade = 0.16 * mask["below_eye"] + 0.12 * mask["lid"] + 0.25 * colours.make_up * mask["lid"]
    albedo = colours.skin * tone[..., None]
    albedo *= 1 - np.clip(blush, 0, 0.9)[..., None] * np.array([0.04, 0.26, 0.24], np.float32)
    albedo *= 1 - np.clip(shade, 0, 0.7)[..., None] * np.array([0.7, 0.9, 0.85], np.float32)
    spots = smoothstep(noise(rng, side, (150, 150)), 2.0, 2.6) * (0.25 + colours.freckles)
    albedo *= 1 - np.clip(spots, 0, 0.6)[..., None] * np.array([0.3, 0.5, 0.6], np.float32)
    stubble = colours.stubble * mask["beard"] * (0.5 + 0.16 * fine + 0.1 * middle)
    albedo = _mix(albedo, colours.hair * 0.5 + colours.skin * 0.12, np.clip(stubble, 0, 0.8))
    lips = colours.lips * (1 + 0.05 * noise(rng, side, (10, 200)))[..., None]
    albedo = _mix(albedo, lips, (0.75 + 0.2 * colours.make_up) * mask["lips"])
    dark = np.minimum(colours.hair, np.float32(0.05)) * 0.6
    albedo = _mix(albedo, dark, np.clip((0.75 + 0.4 * colours.make_up) * mask["lash_upper"], 0, 0.95))
    albedo = _mix(albedo, dark, np.clip((0.18 + 0.5 * colours.make_up) * mask["lash_lower"], 0, 0.8))
    albedo = _mix(albedo, _brow_colour(subject), _brows(subject, mask, rng, side))
    height = np.float32(0.00012) * fine + np.float32(0.00030) * middle * (1 + subject.age)
    gloss = 0.55 * colours.gloss * (1 + 0.5 * mask["t_zone"] + 0.5 * mask["lips"] + 0.1 * middle)
    if subject.hair != "bald":
        cover, strands = _scalp_hair(mask, rng, side, subject.hair)
        albedo = _mix(albedo, colours.hair * np.exp(0.35 * strands)[..., None], cover)
        height = height * (1 - cover) + 0.0015 * strands * cover
        gloss = gloss * (1 - cover) + 0.9 * cover
    out[..., :3] = albedo
    out[..., 3] = np.clip(gloss, 0.05, 3)
    out[..., 4] = 1
    out[..., 5] = np.gradient(height, axis=1)
    out[..., 6] = np.gradient(height, axis=0)
    out[..., 7] = 1
    return out


def _mix(below: Floats, above: Floats, cover: Floats) -> Floats:
    return np.asarray(below + (above - below) * cover[..., None], np.float32)


def _brow_colour(subject: Subject) -> Floats:
    return np.asarray(np.minimum(subject.colours.hair * 0.6, subject.colours.skin * 0.45), np.float32)


def _brows(subject: Subject, mask: dict[str, Floats], rng: np.random.Generator, side: int) -> Floats:
    """Return how much of each texel brow hairs cover."""
    x, y = mask["side"], mask["y"]
    along = np.clip((x - 0.115) / 0.42, -0.2, 1.2)
    arch = 0.022 * subject.colours.brow_arch
    centre = 7.458 + arch * np.sin(np.clip(along, 0, 1) ** 1.3 * np.pi) - 0.035 * np.clip(along - 0.55, 0, 1)
    half = 0.034 * subject.colours.brow_width * np.clip(1.0 - 0.75 * np.clip(along - 0.35, 0, 1) / 0.65, 0.2, 1)
    across = (y - centre) / half
    lean = x * 34 - (y - centre) * np.interp(along, [0, 0.3, 1], [30, 55, 75])  # hairs lie over towards the temple
    hairs = 0.5 + 0.5 * np.sin(lean * 7 + 1.5 * noise(rng, side, (120, 120)))
    body = smoothstep(1 - np.abs(across), 0, 0.9) * smoothstep(along, -0.08, 0.22) * smoothstep(-along, -1.04, -0.85)
    ragged = np.clip(body * (0.75 + 0.6 * hairs + 0.12 * noise(rng, side, (160, 160))), 0, 1)
    return np.asarray(ragged * 0.95 * (mask["z"] > 0.7), np.float32)


def _scalp_hair(mask: dict[str, Floats], rng: np.random.Generator, side: int, style: str) -> tuple[Floats, Floats]:
    """Return how much hair covers each texel and its strand pattern (mean 0)."""
    strands = 0.7 * noise(rng, side, (10, 170)) + 0.45 * noise(rng, side, (24, 256)) + 0.5 * noise(rng, side, (8, 40))
    edge = mask["hair"] - rng.normal(0, 0.05) + 0.018 * strands
    cover = smoothstep(edge, -0.03, 0.07)
    if style == "buzz":
        cover = 0.75 * cover * np.clip(0.8 + 0.2 * noise(rng, side, (256, 256)), 0, 1)
        strands = 0.3 * strands
    return np.asarray(cover, np.float32), np.asarray(strands, np.float32)
