"""What people wear on the face, or have before it: drawn in 2D over a rendered picture, placed by its landmarks.

Glasses, beards, brows, strands of hair, hands, things held, marks of age and make-up. None of them is an expression, so
a network that sees them learns to look past them. Colours are linear RGB reflectances; lengths named "spans" are
fractions of the distance between the eyes of a face that looks at the camera.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .obstacle_canvas import GRAIN, FaceCanvas, between, bow

F32 = NDArray[np.float32]
ON_JAW = (*range(3, 14), *range(31, 36), *range(48, 60))  # landmarks that a beard's texture moves with
INK: F32 = np.full(3, 0.008, np.float32)  # of liner and lashes
# Where fingertips are, in spans aside of the middle of the eyes and below, and the forearm's slant in degrees.
HAND_AT = {"chin": (0.2, 1.05, 25), "mouth": (0.05, 0.8, 50), "cheek": (0.5, 0.5, 12), "eye": (0.5, -0.1, 20)}
# Share of clips with each kind, from the skin outwards; beards are men's, make-up is women's.
RATES = {
    "age": 0.15, "beard": 0.35, "make-up": 0.20, "brows": 0.10, "glasses": 0.30, "hair": 0.12, "thing": 0.04,
    "hand": 0.08,
}  # fmt: skip
STYLES: dict[str, dict[str, float]] = {
    "age": {"lines": 0.4, "eyes": 0.3, "all": 0.3},
    "beard": {"full": 0.36, "stubble": 0.16, "moustache": 0.18, "goatee": 0.14, "circle": 0.16},
    "make-up": {"lips": 0.35, "eyes": 0.3, "all": 0.35},
    "brows": {"thick": 0.35, "bushy": 0.35, "pale": 0.3},
    "glasses": {"metal": 0.28, "plastic": 0.33, "rimless": 0.14, "browline": 0.1, "aviator": 0.08, "sun": 0.07},
    "hair": {"fringe": 0.4, "one side": 0.3, "strands": 0.3},
    "thing": {"microphone": 0.34, "cup": 0.33, "phone": 0.33},
    "hand": {"chin": 0.32, "mouth": 0.26, "cheek": 0.26, "eye": 0.16},
}


@dataclass(frozen=True)
class Item:
    """One thing worn or held.

    kind: a key of RATES; style: one of its STYLES; colour: (3,) linear RGB; draws: (64, 4) uniform 0–1, which decide
    form and place.
    """

    kind: str
    style: str
    colour: F32
    draws: F32


@dataclass(frozen=True)
class Obstacles:
    """What one person wears in one clip, and what comes before the face in it.

    items: from the skin outwards; skin: (3,) linear RGB; grain: (GRAIN, GRAIN) texture of hairs, mean 0, sd 1.
    """

    items: tuple[Item, ...]
    skin: F32
    grain: F32


def draw_obstacles(rng: np.random.Generator, skin: F32, hair: F32, female: float) -> Obstacles:
    """Draw what a person with `skin` and `hair`, (3,) linear RGB, wears in one clip; female: 0–1, woman above 0.5."""
    import cv2

    items = []
    for kind, rate in RATES.items():
        if rng.random() >= rate or kind == ("make-up" if female < 0.5 else "beard"):
            continue
        style = str(rng.choice(list(STYLES[kind]), p=list(STYLES[kind].values())))
        colour = np.clip(_colour(rng, kind, style, skin, hair), 0.004, 0.85).astype(np.float32)
        items.append(Item(kind, style, colour, rng.random((64, 4), dtype=np.float32)))
    hairs = cv2.GaussianBlur(rng.standard_normal((GRAIN, GRAIN), dtype=np.float32), (0, 0), 0.8, sigmaY=2.2)
    return Obstacles(tuple(items), np.asarray(skin, np.float32), np.asarray(hairs / hairs.std(), np.float32))


def _colour(rng: np.random.Generator, kind: str, style: str, skin: F32, hair: F32) -> NDArray[np.float64]:
    any_colour = rng.uniform(0.02, 0.5) * np.exp(rng.normal(0, 0.9, 3))
    if kind == "glasses":
        metal = style in ("metal", "rimless", "aviator")
        usual = ((0.45, 0.29, 0.11), (0.45, 0.45, 0.46), (0.02, 0.02, 0.02), (0.22, 0.11, 0.06)) if metal else (
            (0.008, 0.008, 0.009), (0.008, 0.008, 0.009), (0.085, 0.036, 0.012), (0.03, 0.016, 0.01))  # fmt: skip
        return np.array(usual[int(rng.integers(4))]) if rng.random() < 0.7 else any_colour
    if kind in ("beard", "brows", "hair"):
        near = np.asarray(hair, np.float64) * np.exp(rng.normal(-0.1, 0.3) + rng.normal(0, 0.06, 3))
        if style == "pale":
            return 0.6 * np.asarray(skin) + 0.4 * np.array([0.4, 0.3, 0.2])
        grey = float(rng.uniform(0.2, 0.9)) if rng.random() < 0.22 and kind != "hair" else 0.0
        return np.asarray(near * (1 - grey) + grey * np.array([0.27, 0.26, 0.25]))
    if kind == "make-up":
        reds = ((0.42, 0.02, 0.04), (0.18, 0.02, 0.08), (0.45, 0.13, 0.08), (0.40, 0.08, 0.14), (0.06, 0.01, 0.02))
        return np.array(reds[int(rng.integers(5))]) * np.exp(rng.normal(0, 0.15, 3))
    if kind == "thing":
        return any_colour if style == "cup" and rng.random() < 0.6 else np.full(3, rng.choice([0.012, 0.03, 0.6]))
    return np.asarray(skin, np.float64)


def cover(picture: F32, landmarks: F32, worn: Obstacles, moment: float, light: float = 1.0) -> F32:
    """Return `picture` (H, W, 3; sRGB 0–255) with what is worn drawn over it, the same for the same arguments.

    landmarks: (68, 2) px; moment: seconds since the clip began, with which hands and things drift; light: how much
    brighter what is drawn is than the face's own light, which is read off the skin, makes it. Other pixels stay.
    """
    if not worn.items:
        return picture.copy()
    canvas = FaceCanvas(picture, np.asarray(landmarks, np.float32), worn.skin, worn.grain, light)
    for item in worn.items:
        PAINTERS[item.kind](canvas, item, moment)
    return canvas.over(picture)


def _age(canvas: FaceCanvas, item: Item, moment: float) -> None:
    """Forehead lines, crow's feet, folds beside nose and mouth, and shadows under the eyes, as soft dark curves."""
    p, at, down, deep = canvas.points, canvas.at, canvas.down, 0.12 + 0.3 * item.draws[0]
    rise = (p[17:27].mean(axis=0) - canvas.middle) @ down / float(down @ down)  # the lines move with the brows
    lines = []
    for k, (arch, lean) in enumerate(item.draws[1:4, :2]):
        height = rise - 0.13 - 0.11 * k
        lines.append(bow(at(-0.55, height), at(0.1 * lean, height - 0.16 + 0.1 * arch), at(0.55, height)))
    feet, folds, bags = [], [], []
    for outward, tail, inner, wing, corner in (
        (-canvas.across, p[36], p[39], p[31], p[48]),
        (canvas.across, p[45], p[42], p[35], p[54]),
    ):
        for fan in (-0.7, 0.3, 1.2):
            ends = 0.06 * outward, 0.13 * outward + 0.03 * fan * down, 0.2 * outward + 0.1 * fan * down
            feet.append(bow(*(tail + end for end in ends)))
        folds.append(bow(wing + 0.04 * outward, wing + 0.26 * outward + 0.1 * down, corner + 0.1 * outward))
        folds.append(bow(corner, corner + 0.08 * outward, corner + 0.05 * outward + 0.24 * down))
        bags.append(bow(inner + 0.06 * down, (inner + tail) / 2 + 0.3 * down, tail + 0.1 * down))
    groups = {
        "lines": ((lines, 0.02, 0.015), (folds, 0.035, 0.02)),
        "eyes": ((feet, 0.018, 0.012), (bags, 0.07, 0.045)),
    }
    for k, (style, curves) in enumerate(groups.items()):
        for (paths, wide, soft), strength in zip(curves, deep[2 * k :], strict=False):
            if item.style in (style, "all"):
                canvas.shadow(canvas.lines(paths, wide * canvas.span), strength, 0, soft)


def _beard(canvas: FaceCanvas, item: Item, moment: float) -> None:
    """Hair on jaw, chin and upper lip, never on the lips."""
    p, down, across, (length, high, dense, _) = canvas.points, canvas.down, canvas.across, item.draws[0]
    long = 0.0 if item.style == "stubble" else 0.22 * float(length) ** 2
    jaw = p[2:15] + (p[2:15] - p[30]) * (long - 0.03)
    jaw[3:10] += down * long
    spread = between(0.05, 0.16, high)
    ends = p[48] - spread * across + 0.05 * down, p[54] + spread * across + 0.05 * down
    upper = np.vstack([ends[0], p[31:36] + 0.09 * down, ends[1], p[54:47:-1]])
    chin = np.vstack([ends[0], jaw[4:9] + np.linspace(0.04, -0.04, 5)[:, None] * across, ends[1], p[55:60]])
    tuft = np.vstack([p[58] + 0.04 * down, (p[6] + jaw[5]) / 2, jaw[5:8], (p[10] + jaw[7]) / 2, p[56] + 0.04 * down])
    right, left = (0.5 * (end + p[k]) - (0.3 * high - 0.1) * down for end, k in zip(ends, (4, 12), strict=True))
    full = np.vstack([jaw, p[14] - 0.1 * across, left, upper[6::-1], right, p[2] + 0.1 * across])
    parts = {"full": [full], "stubble": [full], "moustache": [upper], "goatee": [tuft], "circle": [upper, chin]}
    mask = np.max([canvas.soft(canvas.fill(part), 0.04) for part in parts[item.style]], axis=0)
    mask = mask * (1 - canvas.soft(canvas.fill(p[48:60]), 0.012)) * (1 - np.ceil(canvas.fill(p[48:60], p[60:68])))
    hairs = canvas.hairs(ON_JAW)
    if item.style == "stubble":
        mask = between(0.3, 0.75, dense) * mask * np.clip(0.7 + 0.4 * hairs, 0, 1)
    else:
        mask = between(0.6, 0.97, dense) * np.clip(1.7 * mask - 0.15 + 0.3 * hairs, 0, 1) * np.clip(4 * mask, 0, 1)
    colour = item.colour * np.exp(0.3 * hairs)[..., None] * canvas.relief()
    canvas.blend(mask, colour.astype(np.float32))


def _make_up(canvas: FaceCanvas, item: Item, moment: float) -> None:
    """Lipstick; eyeliner with lashes and a shade on the lid."""
    p, down, (strong, wide, wing, lid) = canvas.points, canvas.down, item.draws[0]
    colour = item.colour * canvas.relief()
    if item.style != "eyes":
        lips = canvas.fill(np.vstack([p[48:55], p[64:59:-1]]), np.vstack([p[54:60], p[[48]], p[[60]], p[67:63:-1]]))
        canvas.blend(canvas.soft(lips, 0.008) * between(0.35, 0.85, strong), colour)
    if item.style == "lips":
        return
    shades, liners, lashes = [], [], []
    for eye, brow in (
        (p[36:40], p[[17, 18, 20, 21]]),
        (p[[45, 44, 43, 42]], p[[26, 25, 23, 22]]),
    ):  # outer corner first
        shades.append(np.vstack([eye, ((eye + brow) / 2)[::-1]]))
        liners.append(np.vstack([eye[0] + (eye[0] - eye[3]) * 0.3 * wing - 0.12 * wing * down, eye]))
        for root in (eye[0], (eye[0] + eye[1]) / 2, eye[1], (eye[1] + eye[2]) / 2, eye[2]):
            lashes.append(np.stack([root, root + 0.45 * (root - eye.mean(axis=0)) - 0.06 * down]))
    canvas.blend(canvas.soft(canvas.fill(*shades), 0.03) * 0.5 * lid, colour)
    canvas.blend(canvas.lines(liners, between(0.012, 0.04, wide) * canvas.span) * 0.85, INK)
    canvas.blend(canvas.lines(lashes, 0.012 * canvas.span) * 0.6, INK)


def _brows(canvas: FaceCanvas, item: Item, moment: float) -> None:
    """Thick or bushy brows over the face's own, or pale ones that hide them."""
    hairs, (thick, dense, _, _) = canvas.hairs(range(17, 48)), item.draws[0]
    wide, rough, tones = {"thick": (0.1, 0.15, 0.2), "bushy": (0.13, 0.4, 0.2), "pale": (0.15, 0.05, 0.06)}[item.style]
    paths = [canvas.points[k : k + 5] + 0.05 * canvas.down for k in (17, 22)]
    mask = canvas.soft(canvas.lines(paths, wide * between(0.7, 1.2, thick) * canvas.span), 0.025)
    mask = np.clip(1.3 * mask - 0.1 + np.float32(rough) * hairs * (mask > 0.05), 0, 1)
    colour = item.colour * np.exp(tones * hairs)[..., None] * canvas.relief()
    canvas.blend(mask * np.float32(between(0.6, 0.9, dense)), colour)


def _lens(canvas: FaceCanvas, item: Item, out: int) -> F32:
    """Return the outline (48, 2) px of the lens on the image's left (out −1) or right (1)."""
    wide, high, square, taper = item.draws[1]
    ends = canvas.points[[36, 39] if out < 0 else [42, 45]]
    half = float(np.linalg.norm(ends[1] - ends[0])) * between(0.74, 0.98, wide)  # the further eye's is narrower
    big = item.style in ("aviator", "sun")
    tall = canvas.down * np.float32(between(0.27 if big else 0.2, 0.37, high))
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    power = 2 / (2.0 if square < 0.35 else 2.6 if big else between(2.5, 5, square))  # 1: an ellipse; less: squarer
    x, y = (np.sign(f) * np.abs(f) ** power for f in (np.cos(angle), np.sin(angle)))
    x = x * (1 - 0.14 * (1 if big else taper) * y) + (0.12 * out * y if big else 0)
    centre = ends.mean(axis=0) + 0.07 * canvas.down + 0.05 * out * canvas.across + 0.3 * canvas.turn
    return np.asarray(centre + x[:, None] * half * canvas.sideways + y[:, None] * tall, np.float32)


def _glasses(canvas: FaceCanvas, item: Item, moment: float) -> None:
    """Lenses with tint and reflection, frame, bridge and arms, and their shadow."""
    (thick, tint, shine, where), span = item.draws[0], canvas.span
    lenses = [_lens(canvas, item, -1), _lens(canvas, item, 1)]
    wide = span * (between(0.05, 0.1, thick) if item.style in ("plastic", "sun") else between(0.018, 0.034, thick))
    middle = (lenses[0][40] + lenses[1][32]) / 2
    paths = [bow(lenses[0][44], middle - (0.1 if where < 0.6 else -0.02) * canvas.down, lenses[1][28])]
    for hinge, ear, out in ((lenses[0][27], 0, -1), (lenses[1][45], 16, 1)):
        end = canvas.points[ear] + 0.06 * out * canvas.across
        if (end - hinge) @ canvas.sideways * out > 0.05 * span:  # the turned face hides the other arm
            paths.append(np.stack([hinge, end]))
    rim = canvas.lines(lenses, wide, closed=True) * np.float32(0.3 if item.style == "rimless" else 1)
    if item.style == "browline":
        rim = np.maximum(rim, canvas.lines([lens[25:48] for lens in lenses], 3 * wide))
    frame = np.maximum(rim, canvas.lines(paths, 0.9 * wide))
    canvas.shadow(frame, 0.45, 0.07, 0.03)
    inside, colour = canvas.fill(*lenses), np.clip(item.draws[2, :3], 0.1, 1)
    if item.style == "sun":
        canvas.blend(inside * between(0.8, 0.98, tint), 0.03 * colour)
    else:
        canvas.linear *= 1 - 0.16 * (tint * inside)[..., None] * colour
    if shine < 0.45:  # a window or lamp is reflected in the lenses
        w, at = 0.03 + 0.08 * thick, between(-0.25, 0.2, where)
        streak = np.array([[0.14 - w, -0.6], [0.14 + w, -0.6], [w - 0.14, 0.6], [-w - 0.14, 0.6]], np.float32) * span
        bands = canvas.soft(canvas.fill(*(canvas.at(eye + at, 0.1) + streak for eye in (-0.5, 0.5))), 0.02)
        canvas.blend(inside * bands * between(0.12, 0.6, shine / 0.45), np.full(3, 0.9, np.float32))
    canvas.blend(frame, item.colour)
    bright = canvas.lines([lens[26:44] - 0.2 * wide for lens in lenses], 0.3 * wide) * rim
    canvas.blend(bright * np.float32(0.3), item.colour + np.float32(0.3))


def _hair(canvas: FaceCanvas, item: Item, moment: float) -> None:
    """A fringe over the forehead, hair swept over one eye, or a few loose strands."""
    (side, reach, dense, _), at = item.draws[0], canvas.at
    out, loose = (-1 if side < 0.5 else 1), item.style == "strands"
    paths = []
    for k, (a, b, c, d) in enumerate(item.draws[: 4 + int(9 * dense) if loose else None]):
        if item.style == "fringe":
            u, end = 1.6 * (k / 64 - 0.5) + 0.1 * a, between(-0.55, -0.1, reach) - 0.25 * c
            path = at(u, -1.25), at(u + 0.12 * out, -0.8), at(u + 0.3 * (b - 0.5) + 0.15 * out, end)
        elif item.style == "one side":
            u, end = between(-0.1, 0.9, k / 64) + 0.15 * a, between(0.1, 0.9, reach) + 0.4 * (b - 0.5)
            path = at(out * (u - 0.3), -1.3), at(out * (0.35 + u), -0.5), at(out * (0.5 + 0.5 * u), end + 0.5 * u)
        else:  # from a parting at one side, bent outwards
            u, turn = out * (0.2 + 0.25 * a), 1 if k % 3 else -1
            path = at(u - 0.2 * out, -1.3), at(u + 0.5 * turn * b, -0.6), at(u + 0.3 * turn * c, between(-0.4, 0.5, d))
        paths.append(bow(*path))
    thin = canvas.span * (0.02 if loose else between(0.035, 0.06, dense))
    canvas.shadow(canvas.lines(paths, thin), 0.35, 0.05, 0.03)
    for k, tone in enumerate((0.6, 1.0, 1.5)):
        canvas.blend(0.9 * canvas.lines(paths[k::3], thin), item.colour * np.float32(tone))


def _there(item: Item, moment: float) -> float:
    """Return how far, 0–1, something is before the face: half of the things stay, half move in and out."""
    stays, pace, phase, _ = item.draws[3]
    wave = np.sin(2 * np.pi * (moment / between(3, 9, pace) + phase))
    return float(1.0 - 0.04 * (1 + wave) if stays < 0.5 else np.clip(0.6 + 1.2 * wave, 0, 1))


def _hand(canvas: FaceCanvas, item: Item, moment: float) -> None:
    """A hand at chin, mouth, cheek or eye: palm and thumb behind, fingers before."""
    a, b, lean, many = item.draws[0]
    out, span, shift = (-1 if a < 0.5 else 1), canvas.span, 0.2 * (item.draws[1, 0] - 0.5)
    u, v, tilt = HAND_AT[item.style]
    angle = np.radians(tilt + 40 * (lean - 0.5))  # the forearm comes from below and outside
    ahead = -span * (np.sin(angle) * out * canvas.sideways + np.cos(angle) * canvas.below)
    aside = np.array([-ahead[1], ahead[0]], np.float32)
    drift = 0.03 * np.sin(0.9 * moment + 6 * item.draws[2, :2])
    tip = canvas.at(out * u + 0.2 * (b - 0.5) + drift[0], v + shift + drift[1], 0.4)
    tip = tip - 2.2 * (1 - _there(item, moment)) * ahead
    for place in (-0.35, 0.35, 0):
        canvas.limb(np.stack([tip - 1.45 * ahead, tip - 2.2 * ahead]) + place * aside, 0.26 * span, item.colour, 0.6)
    thumb = ((1.9, 0.0), (1.4, 0.6), (0.95, 0.7))
    canvas.limb(np.stack([tip - x * ahead - y * out * aside for x, y in thumb]), 0.13 * span, item.colour)
    canvas.fingers(tip, ahead, 2 if item.style == "eye" else 3 + int(many > 0.3), item.draws[4], item.colour)


def _thing(canvas: FaceCanvas, item: Item, moment: float) -> None:
    """A microphone, a cup or a phone with the fingers that hold it."""
    a, b, size, lean = item.draws[0]
    out, away, span = (-1 if a < 0.5 else 1), 1.5 * (1 - _there(item, moment)), canvas.span
    u, v, way = {"microphone": (0.2 * b, 1.25, 0.9), "cup": (0.1 * b, 1.0, 0.6), "phone": (0.3 + 0.4 * b, 0.6, 0.8)}[
        item.style
    ]
    top = canvas.at(out * u + 0.03 * np.sin(1.1 * moment + 6 * b), v + 0.35 * size + away, 0.6)
    tilt = out * between(0.05, 0.3, lean)
    up = (span * (tilt * canvas.sideways - canvas.below) / np.hypot(1, tilt)).astype(np.float32)
    aside = np.array([-up[1], up[0]], np.float32)
    if item.style == "microphone":
        canvas.limb(np.stack([top - 0.3 * up, top - 3 * up]), 0.15 * span, item.colour)
        canvas.limb(np.stack([top, top + 0.02 * up]), between(0.24, 0.34, size) * span, item.colour + np.float32(0.03))
    else:
        half, foot = (between(0.4, 0.5, size), 0.8) if item.style == "cup" else (0.55, 1.0)
        corners = np.array([[-half, 0], [half, 0], [half * foot, -2.2], [-half * foot, -2.2]], np.float32)
        slab = canvas.soft(canvas.fill(top + corners @ np.stack([aside, up])), 0.015)
        canvas.shadow(slab, 0.4, 0.06, 0.06)
        canvas.blend(slab, item.colour)
        edge = np.stack([top - half * aside, top, top + half * aside])
        if item.style == "cup":  # round: dark at both sides; its opening seen from the front
            for side in corners[[0, 1]] @ np.stack([aside, up]):
                canvas.shadow(
                    slab * canvas.lines([np.stack([top + side, top + side - 3 * up])], 0.3 * span), 0.5, 0, 0.06
                )
        canvas.blend(canvas.lines([edge], 0.05 * span), item.colour * 1.5 + np.float32(0.04))
    if item.style != "microphone" or size < 0.5:
        canvas.fingers(top - way * up - 0.2 * out * aside, -out * aside, 4, item.draws[4], canvas.skin)


PAINTERS: dict[str, Callable[[FaceCanvas, Item, float], None]] = {
    "age": _age, "beard": _beard, "make-up": _make_up, "brows": _brows, "glasses": _glasses, "hair": _hair,
    "thing": _thing, "hand": _hand,
}  # fmt: skip
