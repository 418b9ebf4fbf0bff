"""Faces decoded once, kept as uint8 on the device, and augmented there in batches: a stand-in for `FaceStream`.

Views are drawn as `data/augmentation.py` says: one similarity and a flip, then brightness, contrast, saturation, grey,
tint, blur and noise. Not the same numbers: they come from a generator of the device, a batch at a time.
"""

from typing import Any

import numpy as np


class DeviceFaces:
    """Draws batches of the rows of a `RowStream` from a `FaceLoader`'s faces, all of them on `device`."""

    def __init__(self, loader: Any, rows: Any, device: Any) -> None:
        import torch

        config = loader.augmentation
        if (
            loader.length != 1
            or loader.flow_side is not None
            or loader.sides is not None
            or loader.evidence is not None
        ):
            raise SystemExit("only single faces without flow, sides or evidence can be kept on the device")
        if config is not None and (config.rand_augment or config.hue or config.crop < 1 or config.recolour < 1):
            raise SystemExit("RandAugment, hue, random crops and chances of colour are not done on the device")
        self.loader, self.rows, self.device, self.config = loader, rows, device, config
        known = np.unique(rows.rows)
        faces, points = zip(*(loader.face(int(row)) for row in known), strict=True)
        self.images = torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2).contiguous().to(device)
        self.points = torch.from_numpy(np.stack(points)).to(device)
        self.occurrence = torch.from_numpy(loader.occurrence[known].astype(np.float32)).to(device)
        self.intensity = torch.from_numpy(loader.intensity[known]).to(device)
        self.known, self.position = known, 0
        self.generator = torch.Generator(device).manual_seed(loader.seed)
        self.mib = self.images.numel() / 2**20

    def draw(self) -> Any:
        """Return the next batch, on the device."""
        import torch

        from sparsefacs.data.batches import Batch

        rows = self.rows.batch(self.position)
        self.position += 1
        at = torch.from_numpy(np.searchsorted(self.known, rows)).to(self.device)
        matrix, flipped = self.similarities(len(rows))
        image = warped(self.images[at], matrix, self.loader.input_size)
        if self.config is not None:
            image = self.recoloured(image)
        points = moved(self.points[at], matrix, flipped)
        row = torch.from_numpy(np.asarray(rows)).to(self.device)
        return Batch(image, points, self.occurrence[at], self.intensity[at], row)

    def faces(self) -> int:
        """Return how many faces were drawn so far."""
        return int(self.position * self.rows.size)

    def seek(self, position: int) -> None:
        """Go on from batch number `position`."""
        self.position = position

    def uniform(self, count: int, width: int, low: float = -1.0) -> Any:
        """Return numbers from `low` to 1, (count, width)."""
        import torch

        return low + (1 - low) * torch.rand(count, width, generator=self.generator, device=self.device)

    def similarities(self, count: int) -> tuple[Any, Any]:
        """Return matrices (count, 2, 3) from pixels of the stored face to those of the view, and which flip."""
        import torch

        size, out = self.images.shape[-1], self.loader.input_size
        kept, c = round(size * self.loader.crop), self.config
        turn, scale, shift_x, shift_y = (self.uniform(count, 4) * (c is not None)).T
        flipped = (self.uniform(count, 1, 0.0)[:, 0] < c.flip) if c else torch.zeros_like(turn, dtype=torch.bool)
        angle = torch.deg2rad(turn * (c.rotation if c else 0))
        zoom = out / kept * (1 + scale * (c.scale if c else 0))
        cosine, sine = zoom * angle.cos(), zoom * angle.sin()
        sign = torch.where(flipped, -1.0, 1.0)
        linear = torch.stack([torch.stack([sign * cosine, -sine], -1), torch.stack([sign * sine, cosine], -1)], 1)
        shift = torch.stack([shift_x, shift_y], -1) * (c.shift if c else 0) * out
        offset = (out - 1) / 2 + shift - linear.sum(-1) * (size - 1) / 2
        return torch.cat([linear, offset[..., None]], -1), flipped

    def recoloured(self, image: Any) -> Any:
        """Return images (B, 3, S, S) in 0-1 with colours, blur and noise changed, rounded to whole levels."""
        import torch

        c, count = self.config, len(image)
        light, contrast, saturation = (self.uniform(count, 3)[:, n, None, None, None] for n in range(3))
        lit = image * (1 + c.brightness * light)
        middle = lit.mean(dim=(1, 2, 3), keepdim=True)
        lit = (lit - middle) * (1 + c.contrast * contrast) + middle
        luma = torch.tensor([0.299, 0.587, 0.114], device=self.device)
        grey = (lit * luma[:, None, None]).sum(1, keepdim=True)
        turns_grey = self.uniform(count, 1, 0.0)[:, :, None, None] < c.grey
        lit = grey + (lit - grey) * torch.where(turns_grey, 0.0, 1 + c.saturation * saturation)
        lit = lit * (1 + c.tint * self.uniform(count, 3)[:, :, None, None])
        blurs = self.uniform(count, 1, 0.0)[:, 0] < c.blur
        sigma = 0.2 + 0.01 * image.shape[-1] * self.uniform(count, 1, 0.0)[:, 0]
        lit = blurred(lit, torch.where(blurs, sigma, 1e-3))
        noise = torch.randn(lit.shape, generator=self.generator, device=self.device)
        lit = lit + noise * (c.noise / 255 * self.uniform(count, 1, 0.0)[:, :, None, None])
        return (lit.clamp(0, 1) * 255).round() / 255


def warped(image: Any, matrix: Any, out: int) -> Any:
    """Return uint8 images (B, 3, S, S) as `matrix` (B, 2, 3) moves their pixels, (B, 3, out, out) in 0-1."""
    import torch
    import torch.nn.functional as F

    size = image.shape[-1]
    back = torch.linalg.inv(matrix[:, :, :2])
    along = torch.arange(out, device=image.device, dtype=torch.float32)
    there = torch.stack(torch.meshgrid(along, along, indexing="xy"), -1).reshape(1, -1, 2)
    here = (there - matrix[:, None, :, 2]) @ back.transpose(1, 2)
    grid = ((here + 0.5) * (2 / size) - 1).view(len(image), out, out, 2)
    return F.grid_sample(image.float() / 255, grid, padding_mode="border", align_corners=False)


def moved(points: Any, matrix: Any, flipped: Any) -> Any:
    """Return points (B, 68, 2) as `matrix` moves them, left and right exchanged where it flips."""
    import torch

    from sparsefacs.facs.landmarks import MIRROR_68

    there = points @ matrix[:, :, :2].transpose(1, 2) + matrix[:, None, :, 2]
    mirrored = there[:, torch.as_tensor(np.asarray(MIRROR_68), device=points.device)]
    return torch.where(flipped[:, None, None], mirrored, there)


def blurred(image: Any, sigma: Any) -> Any:
    """Return images (B, 3, S, S), each blurred by a Gaussian of its own sigma (B,), pixels."""
    import torch
    import torch.nn.functional as F

    reach = 4
    along = torch.arange(-reach, reach + 1, device=image.device, dtype=torch.float32)
    kernel = torch.softmax(-0.5 * (along / sigma[:, None]) ** 2, dim=1)
    count, channels = image.shape[:2]
    flat, each = image.flatten(0, 1)[None], kernel.repeat_interleave(channels, 0)
    for shape, pad in (((1, -1), (reach, reach, 0, 0)), ((-1, 1), (0, 0, reach, reach))):
        weight = each.view(count * channels, 1, *shape)
        flat = F.conv2d(F.pad(flat, pad, mode="replicate"), weight, groups=count * channels)
    return flat.view_as(image)
