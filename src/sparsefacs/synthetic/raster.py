"""Z-buffer rasteriser: which triangle each pixel sees, and where in it. Compiled by numba, one thread."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

FAR = np.float32(1e9)
DEPTH_SLACK = 0.04  # dm; nearer than this to what is seen there counts as seen

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]


@njit(cache=True, fastmath=True)
def draw(
    points: F32, triangles: I32, first: int, cull: bool, depth: F32, seen: I32, bary: F32
) -> None:  # pragma: no cover - compiled
    """Draw triangles (T, 3) of points (V, 3: x, y in pixels, z = distance) into depth, seen, bary (H, W[, 2]).

    Pixel centres have whole coordinates. `seen` gets the triangle's number plus `first`; with `cull` triangles that
    are clockwise on screen (y down), seen from behind, are left out.
    """
    height, width = depth.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, z0 = points[a, 0], points[a, 1], points[a, 2]
        x1, y1, z1 = points[b, 0], points[b, 1], points[b, 2]
        x2, y2, z2 = points[c, 0], points[c, 1], points[c, 2]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if (cull and area >= 0) or abs(area) < 1e-12:
            continue
        left = max(0, int(np.ceil(min(x0, x1, x2))))
        right = min(width - 1, int(np.floor(max(x0, x1, x2))))
        top = max(0, int(np.ceil(min(y0, y1, y2))))
        bottom = min(height - 1, int(np.floor(max(y0, y1, y2))))
        if left > right or top > bottom:
            continue
        scale = np.float32(1.0) / area
        step1, step2 = (y2 - y0) * scale, -(y1 - y0) * scale
        for y in range(top, bottom + 1):
            dx, dy = left - x0, y - y0
            w1 = (dx * (y2 - y0) - dy * (x2 - x0)) * scale
            w2 = (dy * (x1 - x0) - dx * (y1 - y0)) * scale
            for x in range(left, right + 1):
                w0 = np.float32(1.0) - w1 - w2
                if w0 >= 0 and w1 >= 0 and w2 >= 0:
                    z = w0 * z0 + w1 * z1 + w2 * z2
                    if z < depth[y, x]:
                        depth[y, x] = z
                        seen[y, x] = t + first
                        bary[y, x, 0] = w1
                        bary[y, x, 1] = w2
                w1 += step1
                w2 += step2


@njit(cache=True, fastmath=True)
def draw_cutout(
    points: F32, triangles: I32, first: int, uv: F32, uv_of: I32, texture: F32, depth: F32, seen: I32, bary: F32
) -> None:  # pragma: no cover - compiled
    """As `draw`, two-sided, but only where channel 7 (coverage) of `texture` (h, w, 8) is above one half."""
    height, width = depth.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0 = points[a, 0], points[a, 1]
        x1, y1 = points[b, 0], points[b, 1]
        x2, y2 = points[c, 0], points[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-12:
            continue
        scale = np.float32(1.0) / area
        i, j, k = uv_of[t, 0], uv_of[t, 1], uv_of[t, 2]
        for y in range(max(0, int(np.ceil(min(y0, y1, y2)))), min(height - 1, int(np.floor(max(y0, y1, y2)))) + 1):
            for x in range(max(0, int(np.ceil(min(x0, x1, x2)))), min(width - 1, int(np.floor(max(x0, x1, x2)))) + 1):
                w1 = ((x - x0) * (y2 - y0) - (y - y0) * (x2 - x0)) * scale
                w2 = ((y - y0) * (x1 - x0) - (x - x0) * (y1 - y0)) * scale
                w0 = np.float32(1.0) - w1 - w2
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                z = w0 * points[a, 2] + w1 * points[b, 2] + w2 * points[c, 2]
                if z >= depth[y, x]:
                    continue
                u = int(w0 * uv[i, 0] + w1 * uv[j, 0] + w2 * uv[k, 0] + np.float32(0.5))
                v = int(w0 * uv[i, 1] + w1 * uv[j, 1] + w2 * uv[k, 1] + np.float32(0.5))
                u = min(max(u, 0), texture.shape[1] - 1)
                v = min(max(v, 0), texture.shape[0] - 1)
                if texture[v, u, 7] > 0.5:
                    depth[y, x] = z
                    seen[y, x] = t + first
                    bary[y, x, 0] = w1
                    bary[y, x, 1] = w2


@njit(cache=True, fastmath=True)
def draw_depth(points: F32, triangles: I32, depth: F32) -> None:  # pragma: no cover - compiled
    """Draw only the depth of triangles (T, 3), two-sided, into depth (H, W): for shadow and occlusion maps."""
    height, width = depth.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, z0 = points[a, 0], points[a, 1], points[a, 2]
        x1, y1, z1 = points[b, 0], points[b, 1], points[b, 2]
        x2, y2, z2 = points[c, 0], points[c, 1], points[c, 2]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-12:
            continue
        left = max(0, int(np.ceil(min(x0, x1, x2))))
        right = min(width - 1, int(np.floor(max(x0, x1, x2))))
        top = max(0, int(np.ceil(min(y0, y1, y2))))
        bottom = min(height - 1, int(np.floor(max(y0, y1, y2))))
        scale = np.float32(1.0) / area
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                w1 = ((x - x0) * (y2 - y0) - (y - y0) * (x2 - x0)) * scale
                w2 = ((y - y0) * (x1 - x0) - (x - x0) * (y1 - y0)) * scale
                w0 = np.float32(1.0) - w1 - w2
                if w0 >= 0 and w1 >= 0 and w2 >= 0:
                    z = w0 * z0 + w1 * z1 + w2 * z2
                    depth[y, x] = min(depth[y, x], z)


@njit(cache=True, fastmath=True)
def vertex_normals(vertices: F32, triangles: I32) -> F32:  # pragma: no cover - compiled
    """Return the area-weighted unit normals (V, 3) of a mesh."""
    normals = np.zeros_like(vertices)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
        vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for i in (a, b, c):
            normals[i, 0] += nx
            normals[i, 1] += ny
            normals[i, 2] += nz
    for i in range(vertices.shape[0]):
        length = np.sqrt(normals[i, 0] ** 2 + normals[i, 1] ** 2 + normals[i, 2] ** 2) + np.float32(1e-12)
        for k in range(3):
            normals[i, k] /= length
    return normals


@njit(cache=True)
def add_units(
    vertices: F32, weights: F32, start: NDArray[np.int64], index: NDArray[np.int32], delta: F32
) -> None:  # pragma: no cover - compiled
    """Add to vertices (V, 3) the sparse displacements of `geometry.Shapes`, weighted by weights (shapes,)."""
    for k in range(weights.shape[0]):
        if weights[k] != 0:
            for n in range(start[k], start[k + 1]):
                for c in range(3):
                    vertices[index[n], c] += weights[k] * delta[n, c]


@njit(cache=True)
def carry(
    seen: I32, bary: F32, triangles: I32, after: F32, depth_after: F32, flow: F32,
    hidden: NDArray[np.bool_],
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Set `flow` and `hidden` where `seen` shows a triangle: where points `after` (V, 3) put it, and if it is seen."""
    height, width = seen.shape
    for y in range(height):
        for x in range(width):
            t = seen[y, x]
            if t < 0:
                continue
            w1, w2 = bary[y, x, 0], bary[y, x, 1]
            w0 = np.float32(1) - w1 - w2
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            u = w0 * after[a, 0] + w1 * after[b, 0] + w2 * after[c, 0]
            v = w0 * after[a, 1] + w1 * after[b, 1] + w2 * after[c, 1]
            z = w0 * after[a, 2] + w1 * after[b, 2] + w2 * after[c, 2]
            flow[y, x, 0] = u - x
            flow[y, x, 1] = v - y
            column, row = int(np.floor(u + 0.5)), int(np.floor(v + 0.5))
            if column < 0 or row < 0 or column >= width or row >= height:
                hidden[y, x] = True
                continue
            farthest = np.float32(-1)
            for i in range(max(row - 1, 0), min(row + 2, height)):
                for j in range(max(column - 1, 0), min(column + 2, width)):
                    farthest = max(farthest, depth_after[i, j])
            hidden[y, x] = z > farthest + np.float32(DEPTH_SLACK)


def buffers(height: int, width: int) -> tuple[F32, I32, F32]:
    """Return fresh depth (H, W), seen (H, W; −1 nothing) and bary (H, W, 2; weights of the 2nd and 3rd corner)."""
    return (
        np.full((height, width), FAR, np.float32),
        np.full((height, width), -1, np.int32),
        np.zeros((height, width, 2), np.float32),
    )
