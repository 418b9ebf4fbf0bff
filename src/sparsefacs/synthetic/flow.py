"""True optical flow between two rendered frames, with the pixels that the second frame does not show."""

import io

import numpy as np
from numpy.typing import NDArray

from ..faces.alignment import transform_points
from ..faces.flow import to_earlier
from .raster import FAR, carry
from .render import FaceRenderer, Picture

F32 = NDArray[np.float32]


def true_flow(renderer: FaceRenderer, now: Picture, after: Picture, side: int) -> tuple[F32, NDArray[np.bool_]]:
    """Return flow (H, W, 2) px from frame `now` to frame `after`, and where it ends out of sight, (H, W) bool.

    Pixel p of `now` shows the same point of the scene as p + flow[p] of `after`, each in its own stored face (each
    aligned by its own landmarks). The background stands still in the camera's frame.
    """
    seen, bary = renderer.rasterise(now.points, side)
    _, seen_after_depth = _depth(renderer, after, side)
    first, second = (np.vstack([np.asarray(p.matrix, np.float64), [0, 0, 1]]) for p in (now, after))
    across = second @ np.linalg.inv(first)
    y, x = np.mgrid[0:side, 0:side].astype(np.float64)
    flow = np.stack(
        [
            across[0, 0] * x + across[0, 1] * y + across[0, 2] - x,
            across[1, 0] * x + across[1, 1] * y + across[1, 2] - y,
        ],
        axis=-1,
    ).astype(np.float32)
    ends = np.rint(flow + np.stack([x, y], -1)).astype(int)
    inside = ((ends >= 0) & (ends < side)).all(axis=-1)
    landed = np.clip(ends, 0, side - 1)
    hidden = ~inside | (seen_after_depth[landed[..., 1], landed[..., 0]] < FAR)
    carry(seen, bary, renderer.mesh.triangles, after.points, seen_after_depth, flow, hidden)
    return flow, hidden


def in_earlier_alignment(flow: F32, matrix_now: NDArray[np.floating], matrix_after: NDArray[np.floating]) -> F32:
    """Return stored true flow (H, W, 2) as flow to the later frame in the earlier frame's alignment, as WSRTL takes it.

    flow: of `true_flow`, each frame in its own alignment. matrix_now, matrix_after: (2, 3), source pixels → stored
    pixels of the two frames; the later's is undone at the ends and the earlier's done instead.
    """
    across = to_earlier(matrix_now, matrix_after)
    y, x = np.mgrid[0 : flow.shape[0], 0 : flow.shape[1]].astype(np.float64)
    pixels = np.stack([x, y], axis=-1)
    return np.asarray(transform_points(pixels + flow, across) - pixels, np.float32)


def _depth(renderer: FaceRenderer, picture: Picture, side: int) -> tuple[NDArray[np.int32], F32]:
    seen, bary = renderer.rasterise(picture.points, side)
    corner = renderer.mesh.triangles[np.maximum(seen, 0)]
    z = picture.points[:, 2][corner]
    depth = z[..., 0] * (1 - bary.sum(axis=-1)) + z[..., 1] * bary[..., 0] + z[..., 2] * bary[..., 1]
    return seen, np.asarray(np.where(seen >= 0, depth, FAR), np.float32)


def pack_flow(flow: F32, hidden: NDArray[np.bool_]) -> bytes:
    """Return flow and mask as the bytes of a compressed .npz with arrays `flow` (float16) and `occluded` (bool)."""
    with io.BytesIO() as buffer:
        np.savez_compressed(buffer, flow=flow.astype(np.float16), occluded=hidden)
        return buffer.getvalue()


def unpack_flow(content: bytes) -> tuple[F32, NDArray[np.bool_]]:
    """Return (flow (H, W, 2) float32 px, occluded (H, W) bool) of a store's `flow` column."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return arrays["flow"].astype(np.float32), arrays["occluded"].astype(bool)
