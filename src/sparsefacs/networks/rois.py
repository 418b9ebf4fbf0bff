"""Regions of interest (RoIs): two square boxes an AU, round its centres, on images and on feature maps (WSRTL, III-A).

A box is named by its upper left pixel, x then y. Side 0 of an AU is its centre on the image's left (upper lip for
AU23, 24 and 25), side 1 the other.
"""

import torch
from torch import Tensor

from ..facs.areas import AREA_EDGES, INNER_EYE_CORNERS
from ..facs.centres import centre_rows


def au_centres_of(landmarks_BPC: Tensor, aus: tuple[int, ...]) -> Tensor:
    """Return `facs.au_centres` of landmarks (B, 68, 2) as float64 (B, A, 2, 2), on their device.

    Raises InputError for an AU without centres.
    """
    rows = centre_rows(aus)
    points = landmarks_BPC.double()
    across = points[:, 42] - points[:, 39]
    down = torch.stack([-across[:, 1], across[:, 0]], dim=-1)
    pairs = points[:, torch.tensor([row[:2] for row in rows], device=points.device)]
    offsets = torch.tensor([row[2] for row in rows], dtype=points.dtype, device=points.device)
    return pairs + offsets[:, None, None] * down[:, None, None, :]


def facial_areas_of(landmarks_BPC: Tensor) -> Tensor:
    """Return `facs.facial_areas` of landmarks (B, 68, 2) as float64 (B, 8, 4), on their device, without gradient."""
    points = landmarks_BPC.detach().double()
    first, second = INNER_EYE_CORNERS
    unit = (points[:, second] - points[:, first]).square().sum(dim=-1).sqrt()
    edges = []
    for area in AREA_EDGES:
        for place, (how, indices, offset) in enumerate(area):
            of = points[:, list(indices), place % 2]
            reduced = of.amin(dim=1) if how == "min" else of.amax(dim=1) if how == "max" else of.mean(dim=1)
            edges.append(reduced + offset * unit)
    return torch.stack(edges, dim=-1).view(-1, len(AREA_EDGES), 4)


def roi_corners(landmarks: Tensor, aus: tuple[int, ...], image_side: int, roi_side: int) -> Tensor:
    """Return the upper left pixel of each AU's two roi_side × roi_side boxes, int64 (B, A, 2, 2).

    landmarks: (B, 68, 2), pixels of an image_side × image_side image. Boxes lie round the centres as near as whole
    pixels allow and are pushed inside the image. A flipped face has the mirrored boxes: half pixels are rounded towards
    the image's middle (only a centre exactly there, in an image whose side is odd where roi_side is even or the other
    way round, has no mirrored box). Raises InputError for an AU without centres.
    """
    room = image_side - roi_side
    corner = au_centres_of(landmarks, aus) - (roi_side - 1) / 2  # pixel centres have whole coordinates
    nearest = torch.where(corner > room / 2, (corner - 0.5).ceil(), (corner + 0.5).floor())
    return nearest.clamp(0, room).long()


def _places(corners_B22: Tensor, roi_side: int) -> tuple[Tensor, Tensor]:
    """Return the columns and the rows of boxes (..., 2), each (..., roi_side)."""
    steps = torch.arange(roi_side, device=corners_B22.device)
    return corners_B22[..., 0, None] + steps, corners_B22[..., 1, None] + steps


def crop_patches(image_BCSS: Tensor, corners_B22: Tensor, roi_side: int) -> Tensor:
    """Return the pixels of two boxes an image, (B, 2, C, roi_side, roi_side)."""
    x_B2R, y_B2R = _places(corners_B22, roi_side)
    faces = torch.arange(len(image_BCSS), device=image_BCSS.device)[:, None, None, None]
    return image_BCSS.permute(0, 2, 3, 1)[faces, y_B2R[..., :, None], x_B2R[..., None, :]].permute(0, 1, 4, 2, 3)


def _covered(corners_B22: Tensor, roi_side: int, side: int) -> Tensor:
    """Return which pixels of side × side lie in either of two boxes, bool (B, side, side)."""
    places = torch.arange(side, device=corners_B22.device)
    low = corners_B22[..., None]
    inside = (places >= low) & (places < low + roi_side)  # (B, 2, xy, side)
    return (inside[:, :, 1, :, None] & inside[:, :, 0, None, :]).any(dim=1)


def blanked(image: Tensor, corners_B22: Tensor, roi_side: int, value: float = 1.0) -> Tensor:
    """Return a copy of images (B, C, S, S) with two boxes each filled with `value` (white)."""
    return image.masked_fill(_covered(corners_B22, roi_side, image.shape[-1])[:, None], value)


def pasted(image: Tensor, patches: Tensor, corners: Tensor, roi_side: int) -> Tensor:
    """Return a copy of images (B, C, S, S) with patches (B, 2, C, roi_side, roi_side) in their boxes, side 1 on top."""
    result = image.clone()
    by_pixel = result.permute(0, 2, 3, 1)
    x_B2R, y_B2R = _places(corners, roi_side)
    faces = torch.arange(len(image), device=image.device)[:, None, None]
    for side in (0, 1):
        y, x = y_B2R[:, side, :, None], x_B2R[:, side, None, :]
        by_pixel[faces, y, x] = patches[:, side].permute(0, 2, 3, 1).to(image.dtype)
    return result


def hidden_aus(corners_BA22: Tensor, corners_B22: Tensor, roi_side: int, image_side: int, share: float = 0.0) -> Tensor:
    """Return which AUs are hidden when two boxes are blanked, bool (B, A).

    corners_BA22: the AUs' own boxes; corners_B22: the blanked ones. An AU is hidden where at least `share` of the
    pixels in its own boxes are blanked, with 0 where any is, so that those "in the intact regions" are left (WSRTL,
    III-E); AU12 hides AU15 and the other way round (III-C).
    """
    covered = _covered(corners_B22, roi_side, image_side).long()
    sums = torch.nn.functional.pad(covered.cumsum(1).cumsum(2), (1, 0, 1, 0))  # [y, x]: pixels above and to the left
    low, high = corners_BA22, corners_BA22 + roi_side
    both_low, both_high = low.amax(dim=2), high.amin(dim=2)  # where an AU's own boxes overlap
    both_high = torch.maximum(both_low, both_high)
    hidden = _sum_in(sums, low, high).sum(dim=2) - _sum_in(sums, both_low[:, :, None], both_high[:, :, None])[:, :, 0]
    own = 2 * roi_side**2 - (both_high - both_low).prod(dim=-1)
    return (hidden > 0) & (hidden >= share * own)


def _sum_in(sums: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return sums over boxes (B, A, K, 2) from an integral image (B, S + 1, S + 1)."""
    faces = torch.arange(len(sums), device=sums.device)[:, None, None]
    (x0, y0), (x1, y1) = low.unbind(-1), high.unbind(-1)
    return sums[faces, y1, x1] - sums[faces, y0, x1] - sums[faces, y1, x0] + sums[faces, y0, x0]


def numbered(boxes_BK4: Tensor) -> Tensor:
    """Return boxes (B, K, 4) as RoIAlign takes those of any number of images, (B · K, 5): the image's number first."""
    images = torch.arange(boxes_BK4.shape[0], device=boxes_BK4.device, dtype=boxes_BK4.dtype)
    return torch.cat([images[:, None, None].expand(-1, boxes_BK4.shape[1], 1), boxes_BK4], dim=-1).flatten(0, 1)


def crop_cells(maps_BCHW: Tensor, corners_BA22: Tensor, roi_side: int, image_side: int, cells: int) -> Tensor:
    """Return feature maps under the boxes, (B, A, 2, C, cells, cells), differentiable, at least in float32.

    RoIAlign with one bilinear sample in the middle of each cell: a box that lies on the map's grid gives exactly the
    slice of the map. The map is taken to cover the image, whatever its stride.
    """
    from torchvision.ops import roi_align

    maps = maps_BCHW.to(torch.promote_types(maps_BCHW.dtype, torch.float32))  # RoIAlign knows no bf16 on a CPU
    corners = corners_BA22.flatten(1, 2).to(maps.dtype)  # a pixel's upper left edge has its own number
    boxes = numbered(torch.cat([corners, corners + roi_side], dim=-1))
    with torch.autocast(maps.device.type, enabled=False):
        cropped: Tensor = roi_align(
            maps, boxes, cells, spatial_scale=maps.shape[-1] / image_side, sampling_ratio=1, aligned=True
        )
    return cropped.view(*corners_BA22.shape[:3], -1, cells, cells)
