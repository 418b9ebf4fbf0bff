"""What WSRTL generates and judges in training alone: patches (G, D, C; III-C) and optical flow (F; III-D).

With ResNet-18, 12 AUs and 192 pixels these add 36.4 M parameters to the recogniser's 19.2 M, 55.6 M in all (the paper:
54.62 M). Readings that got there: channels 1024, 512, 256, 128 between a patch and its vector; kernels of 4 × 4 with
stride 2 but for the one at the vector's end, which takes a whole 3 × 3 map; D and C mirror images of G, separate; 256
channels within F.
"""

from itertools import pairwise

from torch import Tensor, nn

from ..errors import InputError

_LAYERS = 5


def _steps(side: int) -> tuple[int, list[tuple[int, int]]]:
    """Return the kernel at the vector's end, and kernel and stride of the four layers from there to the patch.

    All strides are 2 where 16 divides the side; where only 8 does, the layer next to the vector keeps the size.
    """
    if side % 16 == 0:
        return side // 16, [(4, 2)] * 4
    if side % 8 == 0:
        return side // 8, [(3, 1)] + [(4, 2)] * 3
    raise InputError(
        f"patches of {side} pixels cannot be made by five layers",
        remedy="Choose method.recogniser.cells so that a region's side in pixels is a multiple of 8",
    )


def _widths(width: int) -> list[int]:
    """Return the channels between a vector and a patch."""
    return [max(1, width >> halving) for halving in range(_LAYERS - 1)]


class PatchGenerator(nn.Module):
    """G: a RoI's attended feature (B, d) → a patch (B, 3, side, side) in 0–1, by five transposed convolutions.

    For 48 pixels: 3 × 3 on the vector, then four of 4 × 4, stride 2 (3, 6, 12, 24, 48), batch norm and ReLU between, a
    sigmoid at the end. Raises InputError when 8 does not divide `side`.
    """

    def __init__(self, d: int, side: int, width: int = 1024) -> None:
        super().__init__()
        first, steps = _steps(side)
        widths = [*_widths(width), 3]
        self.layers = nn.Sequential(nn.ConvTranspose2d(d, widths[0], first, bias=False))
        for (i, o), (kernel, stride) in zip(pairwise(widths), steps, strict=True):
            self.layers.append(nn.BatchNorm2d(i))
            self.layers.append(nn.ReLU(inplace=True))
            self.layers.append(nn.ConvTranspose2d(i, o, kernel, stride, padding=1, bias=o == 3))
        self.layers.append(nn.Sigmoid())

    def forward(self, features_BD: Tensor) -> Tensor:
        """Return patches (B, 3, side, side)."""
        patches: Tensor = self.layers(features_BD[:, :, None, None])
        return patches


class PatchCritic(nn.Module):
    """D and C: a patch (B, 3, side, side) → logits (B, outputs), by the five convolutions that mirror G's.

    Leaky ReLU between, and no batch norm, so that real and generated patches are judged alike whatever they lie beside.
    Raises InputError when 8 does not divide `side`.
    """

    def __init__(self, outputs: int, side: int, width: int = 1024) -> None:
        super().__init__()
        last, steps = _steps(side)
        widths = [3, *reversed(_widths(width))]
        self.layers = nn.Sequential()
        for (i, o), (kernel, stride) in zip(pairwise(widths), reversed(steps), strict=True):
            self.layers.append(nn.Conv2d(i, o, kernel, stride, padding=1))
            self.layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.layers.append(nn.Conv2d(widths[-1], outputs, last))

    def forward(self, patches: Tensor) -> Tensor:
        """Return logits (B, outputs)."""
        logits: Tensor = self.layers(patches).flatten(1)
        return logits


class FlowHead(nn.Module):
    """F: deepest maps (B, channels, h, w) → optical flow (B, 2, 4h, 4w), by two transposed convolutions (III-D)."""

    def __init__(self, channels: int, width: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(channels, width, 4, 2, padding=1),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(width, 2, 4, 2, padding=1),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return flow (B, 2, 4h, 4w), x then y; no activation at the end."""
        flow: Tensor = self.layers(maps)
        return flow
