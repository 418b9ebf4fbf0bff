"""Per-pixel light: texture look-up, crease slopes, a key light with shadow, fill, sky, gloss. Compiled by numba."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]


@njit(cache=True, fastmath=True)
def surface_gradients(vertices: F32, triangles: I32, uv: F32, uv_of: I32) -> F32:  # pragma: no cover - compiled
    """Return, (T, 6), the gradients along the surface of texture u and v (texels a dm) on each triangle."""
    out = np.zeros((triangles.shape[0], 6), np.float32)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        i, j, k = uv_of[t, 0], uv_of[t, 1], uv_of[t, 2]
        e1x, e1y, e1z = (
            vertices[b, 0] - vertices[a, 0],
            vertices[b, 1] - vertices[a, 1],
            vertices[b, 2] - vertices[a, 2],
        )
        e2x, e2y, e2z = (
            vertices[c, 0] - vertices[a, 0],
            vertices[c, 1] - vertices[a, 1],
            vertices[c, 2] - vertices[a, 2],
        )
        g11 = e1x * e1x + e1y * e1y + e1z * e1z
        g22 = e2x * e2x + e2y * e2y + e2z * e2z
        g12 = e1x * e2x + e1y * e2y + e1z * e2z
        det = g11 * g22 - g12 * g12
        if det < 1e-14:
            continue
        # duals of the edges: d1·e1 = 1, d1·e2 = 0
        p, q, r = g22 / det, -g12 / det, g11 / det
        d1x, d1y, d1z = p * e1x + q * e2x, p * e1y + q * e2y, p * e1z + q * e2z
        d2x, d2y, d2z = q * e1x + r * e2x, q * e1y + r * e2y, q * e1z + r * e2z
        u1, v1 = uv[j, 0] - uv[i, 0], uv[j, 1] - uv[i, 1]
        u2, v2 = uv[k, 0] - uv[i, 0], uv[k, 1] - uv[i, 1]
        out[t, 0], out[t, 1], out[t, 2] = u1 * d1x + u2 * d2x, u1 * d1y + u2 * d2y, u1 * d1z + u2 * d2z
        out[t, 3], out[t, 4], out[t, 5] = v1 * d1x + v2 * d2x, v1 * d1y + v2 * d2y, v1 * d1z + v2 * d2z
    return out


@njit(cache=True, fastmath=True)
def _lit(shadow: F32, x: np.float32, y: np.float32, z: np.float32) -> np.float32:
    """Return which share of the shadow map's neighbourhood leaves the point in light, 0–1."""
    side = shadow.shape[0]
    column, row = int(x + np.float32(0.5)), int(y + np.float32(0.5))
    lit, all_ = np.float32(0), np.float32(0)
    for dy in range(-2, 3, 2):
        for dx in range(-2, 3, 2):
            i, j = row + dy, column + dx
            if 0 <= i < side and 0 <= j < side:
                all_ += np.float32(1)
                # a ramp instead of a step: no hard dots
                lit += min(max((shadow[i, j] - z) * np.float32(14) + np.float32(1.35), np.float32(0)), np.float32(1))
    return lit / all_ if all_ > 0 else np.float32(1)


@njit(cache=True, fastmath=True)
def shade(  # noqa: PLR0912, PLR0915 - one pass over the pixels
    seen: I32, bary: F32, triangles: I32, uv_of: I32, uv: F32, material: I32, gradients: F32, normals: F32,
    ambient: F32, lit_points: F32, shadow: F32, texture: F32, lights: F32, sky: F32, ground: F32, out: F32,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Fill `out` (H, W, 4: linear RGB and coverage) at every pixel that sees a triangle.

    ambient: (V,) share of the sky each vertex sees; lit_points: (V, 3) vertices in the shadow map's frame; lights:
    (2, 6) key and fill: direction towards the light, RGB; sky, ground: RGB from above and below. Materials are
    numbered as in `mesh`. Skin scatters: light wraps further round in red than in blue.
    """
    height, width = seen.shape
    one, half, zero = np.float32(1), np.float32(0.5), np.float32(0)
    tex_h, tex_w = texture.shape[0], texture.shape[1]
    t8 = np.zeros(7, np.float32)
    halfway = np.zeros((2, 3), np.float32)  # between each light and the viewer, who is taken to be far away on z
    for n in range(2):
        hx, hy, hz = lights[n, 0], lights[n, 1], lights[n, 2] + one
        length = one / np.sqrt(hx * hx + hy * hy + hz * hz)
        halfway[n, 0], halfway[n, 1], halfway[n, 2] = hx * length, hy * length, hz * length
    for y in range(height):
        for x in range(width):
            t = seen[y, x]
            if t < 0:
                continue
            w1, w2 = bary[y, x, 0], bary[y, x, 1]
            w0 = one - w1 - w2
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            i, j, k = uv_of[t, 0], uv_of[t, 1], uv_of[t, 2]
            u = min(max(w0 * uv[i, 0] + w1 * uv[j, 0] + w2 * uv[k, 0], zero), np.float32(tex_w - 1.001))
            v = min(max(w0 * uv[i, 1] + w1 * uv[j, 1] + w2 * uv[k, 1], zero), np.float32(tex_h - 1.001))
            column, row = int(u), int(v)
            fu, fv = u - column, v - row
            c00, c01, c10, c11 = (one - fu) * (one - fv), fu * (one - fv), (one - fu) * fv, fu * fv
            for n in range(7):
                t8[n] = (
                    c00 * texture[row, column, n]
                    + c01 * texture[row, column + 1, n]
                    + c10 * texture[row + 1, column, n]
                    + c11 * texture[row + 1, column + 1, n]
                )
            nx = w0 * normals[a, 0] + w1 * normals[b, 0] + w2 * normals[c, 0]
            ny = w0 * normals[a, 1] + w1 * normals[b, 1] + w2 * normals[c, 1]
            nz = w0 * normals[a, 2] + w1 * normals[b, 2] + w2 * normals[c, 2]
            kind = material[t]
            nx -= t8[5] * gradients[t, 0] + t8[6] * gradients[t, 3]
            ny -= t8[5] * gradients[t, 1] + t8[6] * gradients[t, 4]
            nz -= t8[5] * gradients[t, 2] + t8[6] * gradients[t, 5]
            length = one / np.sqrt(nx * nx + ny * ny + nz * nz + np.float32(1e-12))
            nx, ny, nz = nx * length, ny * length, nz * length
            if nz < 0 and kind >= 4:
                nx, ny, nz = -nx, -ny, -nz
            open_sky = (w0 * ambient[a] + w1 * ambient[b] + w2 * ambient[c]) * t8[4]
            lx = w0 * lit_points[a, 0] + w1 * lit_points[b, 0] + w2 * lit_points[c, 0]
            ly = w0 * lit_points[a, 1] + w1 * lit_points[b, 1] + w2 * lit_points[c, 1]
            lz = w0 * lit_points[a, 2] + w1 * lit_points[b, 2] + w2 * lit_points[c, 2]
            lit = _lit(shadow, lx, ly, lz)
            deep = half + half * t8[4]  # creases shade direct light too
            up = half + half * ny
            gloss = zero
            power = 24 if kind != 1 else 220
            base = np.float32(0.045) if kind != 1 else np.float32(0.5)
            if 3 <= kind <= 4:
                base = np.float32(0.02)
            for n in range(2):
                facing = max(nx * halfway[n, 0] + ny * halfway[n, 1] + nz * halfway[n, 2], zero)
                share = lit if n == 0 else one
                gloss += base * t8[3] * share * facing**power * (lights[n, 3] + lights[n, 4] + lights[n, 5]) * half
            rim = (one - max(nz, zero)) ** 4 * np.float32(0.06) * open_sky * t8[3]
            for n in range(3):
                wrap = zero
                if kind == 0:
                    wrap = np.float32(0.34) if n == 0 else (np.float32(0.17) if n == 1 else np.float32(0.11))
                elif kind != 1:
                    wrap = np.float32(0.25)
                light = (ground[n] + (sky[n] - ground[n]) * up) * open_sky
                for m in range(2):
                    facing = nx * lights[m, 0] + ny * lights[m, 1] + nz * lights[m, 2]
                    share = lit if m == 0 else half + half * open_sky
                    if kind == 0 and n == 0:
                        share = share * np.float32(0.92) + np.float32(0.08)
                    if kind == 3:
                        share = share * open_sky
                    light += max(facing + wrap, zero) / ((one + wrap) * (one + wrap)) * lights[m, 3 + n] * share * deep
                out[y, x, n] = t8[n] * light + (gloss + rim * sky[n])
            out[y, x, 3] = one


@njit(cache=True, fastmath=True)
def resolve(fine: F32, behind: F32, step: int, exposure: np.float32, out: F32) -> None:  # pragma: no cover - compiled
    """Average step × step fine pixels (premultiplied by coverage) over `behind` (H, W, 3, linear) to sRGB 0–255."""
    height, width = out.shape[0], out.shape[1]
    scale = np.float32(1.0) / np.float32(step * step)
    for y in range(height):
        for x in range(width):
            cover = np.float32(0)
            r, g, b = np.float32(0), np.float32(0), np.float32(0)
            for dy in range(step):
                for dx in range(step):
                    p = fine[y * step + dy, x * step + dx]
                    cover += p[3]
                    r += min(p[0], np.float32(1.6))
                    g += min(p[1], np.float32(1.6))
                    b += min(p[2], np.float32(1.6))
            rest = np.float32(1) - cover * scale
            for n in range(3):
                total = r if n == 0 else (g if n == 1 else b)
                value = (total * scale + rest * behind[y, x, n]) * exposure
                value = value * (np.float32(1) + value * np.float32(0.12)) / (np.float32(1) + value * np.float32(0.35))
                if value <= np.float32(0.0031308):
                    value = np.float32(12.92) * value
                else:
                    value = np.float32(1.055) * value ** np.float32(1 / 2.4) - np.float32(0.055)
                out[y, x, n] = value * np.float32(255)


@njit(cache=True, fastmath=True)
def mix_creases(
    texture: F32, base: F32, touched: I32, start: NDArray[np.int64], index: I32,
    values: F32, weights: F32, width: int,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Set channels 4–6 of `texture` (h, w, 8) to those of `base` with crease layers added by `weights` (layers,)."""
    for i in range(touched.shape[0]):
        row, column = touched[i] // width, touched[i] % width
        for c in range(4, 7):
            texture[row, column, c] = base[row, column, c]
    for k in range(weights.shape[0]):
        weight = weights[k]
        if weight <= 0.003:
            continue
        for n in range(start[k], start[k + 1]):
            row, column = index[n] // width, index[n] % width
            texture[row, column, 5] += weight * values[n, 0]
            texture[row, column, 6] += weight * values[n, 1]
            texture[row, column, 4] *= np.float32(1.0) - min(weight * values[n, 2], np.float32(0.6))
