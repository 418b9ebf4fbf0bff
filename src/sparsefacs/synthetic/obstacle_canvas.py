"""A rendered face to draw on in 2D: its axes, the light on it, antialiased masks, shadows, shaded rods.

Colours are linear RGB reflectances. A span is the distance between the eyes of a face that looks at the camera.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..facs.landmarks import mean_face

F32 = NDArray[np.float32]
FINE = 4  # masks are drawn this many times as large as the picture, then averaged
GRAIN, GRAIN_REACH = 256, 0.25  # texels of the hair texture; how far it goes past the mean face, in its sides
SKIN_POINTS = (1, 3, 5, 8, 11, 13, 15, 27, 28, 29, 31, 35)  # landmarks where skin shows how bright the light is


class FaceCanvas:
    """A picture in linear light, the face's own axes in it, and the light that falls there."""

    def __init__(self, picture: F32, points: F32, skin: F32, grain: F32, light: float) -> None:
        value = np.clip(picture / np.float32(255), 0, 1)
        dark = value <= 0.04045
        self.linear: F32 = np.where(dark, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)
        self.bare: F32 = self.linear.copy()
        self.points, self.skin, self.grain = points, skin, grain
        self.height, self.width = picture.shape[:2]
        right, left = points[[36, 39]].mean(axis=0), points[[42, 45]].mean(axis=0)
        self.middle: F32 = (right + left) / 2
        self.across: F32 = left - right
        self.sideways: F32 = self.across / max(float(np.linalg.norm(self.across)), 1.0)
        self.below: F32 = np.array([-self.sideways[1], self.sideways[0]], np.float32)
        tall = 1.125 * float((points[[33, 51]].mean(axis=0) - self.middle) @ self.below)
        self.span = max(float(np.linalg.norm(self.across)), tall, 4.0)
        self.down: F32 = self.below * np.float32(max(tall, 0.5 * self.span))
        # how far the tip of the nose has moved sideways by the head's turning
        self.turn: F32 = self.sideways * np.float32((points[30] - self.middle) @ self.sideways)
        self.light = self._light() * np.float32(light)

    def over(self, picture: F32) -> F32:
        """Return `picture` (H, W, 3; sRGB 0–255) with what was drawn since the canvas was made of it."""
        value = np.clip(self.linear, 0, 1)
        shown = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** np.float32(1 / 2.4) - 0.055) * 255
        return np.where(np.abs(self.linear - self.bare) > 1e-5, shown, picture).astype(np.float32)

    def _light(self) -> F32:
        """Return the light (H, W, 3) as the skin shows it: one colour, and a slope across the face."""
        spots = self.points[list(SKIN_POINTS)]
        spots = spots + 0.12 * (self.middle + self.down - spots)  # not on the outline
        x, y = (np.clip(np.rint(spots[:, k]), 0, n - 1).astype(int) for k, n in ((0, self.width), (1, self.height)))
        seen = self.linear[y, x]
        colour = np.clip(np.median(seen, axis=0) / self.skin, 0.03, 4)
        colour = np.sqrt(colour * colour.mean())  # blotches and stubble are not the light's colour
        bright = seen.mean(axis=1) / max(float(np.median(seen.mean(axis=1))), 1e-3)
        base = np.column_stack([(spots - self.middle) / self.span, np.ones(len(spots))])
        slope = np.linalg.solve(base.T @ base + np.diag([0.5, 0.5, 0.0]), base.T @ np.clip(bright, 0.3, 2))
        across, down = np.meshgrid(np.arange(self.width), np.arange(self.height))
        self.slope: F32 = slope[:2].astype(np.float32)
        level = ((across - self.middle[0]) * slope[0] + (down - self.middle[1]) * slope[1]) / self.span + slope[2]
        return np.asarray(np.clip(level, 0.4, 1.7)[..., None] * colour, np.float32)

    def at(self, u: float, v: float, ahead: float = 0.0) -> F32:
        """Return the point u spans to the image's right of the middle of the eyes and v below, px.

        ahead: how far before the face, as a share of the nose's length.
        """
        along = np.float32(u) * self.across + np.float32(v) * self.down
        return np.asarray(self.middle + along + np.float32(ahead) * self.turn, np.float32)

    def fill(self, *outlines: F32) -> F32:
        """Return the share (H, W) of each pixel that lies inside the outlines, (N, 2) px each."""
        import cv2

        big = np.zeros((self.height * FINE, self.width * FINE), np.uint8)
        for outline in outlines:
            cv2.fillPoly(big, [_fixed(outline)], 255, shift=4)
        return _averaged(big)

    def lines(self, paths: Sequence[F32], wide: float, closed: bool = False) -> F32:
        """Return the share (H, W) of each pixel under lines `wide` px across along paths, (N, 2) px each."""
        import cv2

        big = np.zeros((self.height * FINE, self.width * FINE), np.uint8)
        cv2.polylines(big, [_fixed(p) for p in paths], closed, 255, thickness=max(1, round(FINE * wide)), shift=4)
        return _averaged(big) * np.float32(min(1.0, FINE * wide))

    def soft(self, mask: F32, spans: float) -> F32:
        """Return `mask` blurred by so many spans."""
        import cv2

        return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(spans * self.span, 0.3)), np.float32)

    def blend(self, mask: F32, colour: F32) -> None:
        """Lay a lit colour, (3,) or (H, W, 3), over the picture where `mask` (H, W) is not 0."""
        self.linear += mask[..., None] * (colour * self.light - self.linear)

    def shadow(self, mask: F32, strength: float, drop: float, soft: float) -> None:
        """Darken the picture under `mask`, `drop` spans lower and blurred by `soft` spans."""
        import cv2

        drop_x, drop_y = self.down * np.float32(drop)
        moved = cv2.warpAffine(mask, np.array([[1, 0, drop_x], [0, 1, drop_y]], np.float32), mask.shape[::-1])
        self.linear *= 1 - np.float32(strength) * self.soft(moved, soft)[..., None]

    def relief(self) -> F32:
        """Return how bright the face is against its light, (H, W, 1): its form, for what lies flat on it."""
        flat = (self.light * self.skin).mean(axis=2)
        return np.asarray(np.clip(self.soft(self.linear.mean(axis=2), 0.07) / flat, 0.55, 1.4)[..., None], np.float32)

    def hairs(self, known: Sequence[int]) -> F32:
        """Return the texture of hairs (H, W) laid on the face by an affine map over the `known` landmarks."""
        import cv2

        texels = (mean_face()[list(known)] + GRAIN_REACH) * (GRAIN / (1 + 2 * GRAIN_REACH))
        base = np.column_stack([texels, np.ones(len(texels))])
        affine = np.linalg.lstsq(base, self.points[list(known)].astype(np.float64), rcond=None)[0].T
        return np.asarray(cv2.warpAffine(self.grain, affine, (self.width, self.height), borderMode=cv2.BORDER_REFLECT))

    def limb(self, path: F32, radius: float, colour: F32, flat: float = 1.0) -> None:
        """Draw a rounded rod along `path` (N, 2) px, `radius` px thick, shaded as the light falls, with its shadow.

        flat: 1 for round, less for a flatter back.
        """
        y, x = np.mgrid[: self.height, : self.width].astype(np.float32)
        best, side_x, side_y = np.full(x.shape, np.inf, np.float32), np.zeros_like(x), np.zeros_like(x)
        for start, end in pairwise(path):
            step = end - start
            along = ((x - start[0]) * step[0] + (y - start[1]) * step[1]) / max(float(step @ step), 1e-6)
            along = np.clip(along, 0, 1)
            dx, dy = x - start[0] - along * step[0], y - start[1] - along * step[1]
            far = np.hypot(dx, dy)
            nearer = far < best
            best, side_x, side_y = np.where(nearer, (far, dx, dy), (best, side_x, side_y))
        mask = np.clip(radius - best + 0.5, 0, 1).astype(np.float32)
        facing = np.sqrt(np.clip(1 - flat * (best / radius) ** 2, 0, 1))
        from_side = (side_x * self.slope[0] + side_y * (self.slope[1] - 0.35)) / radius
        shade = 0.45 + 0.65 * facing + 0.45 * flat * np.clip(from_side, -0.6, 0.6)
        self.shadow(mask, 0.42, 0.05, 0.05)
        self.blend(mask, colour * shade[..., None].astype(np.float32))

    def fingers(self, tip: F32, ahead: F32, count: int, curl: F32, colour: F32) -> None:
        """Draw `count` fingers side by side that point along `ahead` (2,) px, one span long, to about `tip` (2,) px.

        curl: (4,) 0–1, how straight each finger is.
        """
        aside = np.array([-ahead[1], ahead[0]], np.float32)
        nail = np.array([[-1, -1], [1, -1], [1.1, 1], [-1.1, 1]], np.float32) @ np.stack([aside, ahead])
        for k in range(count):
            place = k - (count - 1) / 2
            base = tip - 1.2 * ahead + 0.24 * place * aside
            reach = (1.12, 1.2, 1.1, 0.85)[k % 4] * between(0.75, 1.0, curl[k % 4])
            end = base + reach * (ahead + 0.07 * place * aside)
            joint = (base + end) / 2 + 0.04 * (curl[(k + 1) % 4] - 0.5) * aside
            self.limb(np.stack([base, joint, end]), 0.118 * self.span, colour)
            crease = self.lines([np.stack([joint - 0.07 * aside, joint + 0.07 * aside])], 0.02 * self.span)
            self.shadow(crease, 0.3, 0, 0.012)
            shine = np.clip(1.25 * colour + 0.05, 0, 0.9).astype(np.float32)
            self.blend(0.35 * self.soft(self.fill(end - 0.02 * ahead + 0.05 * nail), 0.01), shine)


def _fixed(points: F32) -> NDArray[np.int32]:
    """Return px as cv2 takes them: of the fine mask, in sixteenths."""
    return np.asarray(np.clip(np.rint(((points + 0.5) * FINE - 0.5) * 16), -(2**18), 2**18), np.int32)


def _averaged(big: NDArray[np.uint8]) -> F32:
    import cv2

    size = big.shape[1] // FINE, big.shape[0] // FINE
    return np.asarray(cv2.resize(big, size, interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)


def between(low: float, high: float, share: float | np.floating) -> float:
    """Return the value `share`, 0–1, of the way from low to high."""
    return low + (high - low) * float(share)


def bow(start: F32, bend: F32, end: F32) -> F32:
    """Return 14 points (14, 2) of the curve from start to end that `bend` pulls towards itself."""
    t = np.linspace(0, 1, 14, dtype=np.float32)[:, None]
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end, np.float32)
