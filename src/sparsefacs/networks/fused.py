"""A convolutional backbone whose deep maps are added to its finer ones (WSRTL, III-A, Fig. 2)."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..errors import InputError
from .backbone import create_backbone
from .config import NetworkConfig


class FusedTrunk(nn.Module):
    """Any convolutional timm backbone; from its deepest map up, each is enlarged and added to the next finer one.

    ResNet-18 on 192 pixels: layer4 (512 × 6 × 6) → layer3 (256 × 12 × 12) → layer2 (128 × 24 × 24), `level` 2.
    Readings: a 1 × 1 convolution brings a map to the finer one's channels before it is enlarged, bilinearly; nothing
    follows the sum. Raises InputError for a backbone whose maps all have one size, and for a level that it lacks.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: NetworkConfig, level: int = 2) -> None:
        super().__init__()
        network: Any  # a timm model, which types as a bare module
        network, _, mean, deviation = create_backbone(config.backbone, config.init, config.options)
        stages = [(int(stage["num_chs"]), int(stage["reduction"])) for stage in getattr(network, "feature_info", [])]
        if len({stride for _, stride in stages}) < 2 or not hasattr(network, "forward_intermediates"):
            raise InputError(
                f"the backbone {config.backbone} has no maps of several sizes to cut AU regions from",
                remedy="Use a convolutional backbone such as resnet18, or method.recogniser.kind=whole-face",
            )
        if not 0 <= level < len(stages):
            raise InputError(
                f"{config.backbone} has no level {level}",
                remedy=f"Set method.recogniser.level to 0–{len(stages) - 1}",
            )
        self.levels = list(range(level, len(stages)))
        network.prune_intermediate_layers(self.levels, prune_norm=True, prune_head=True)
        self.network = network
        self.width, self.stride = stages[level]
        self.map_width = stages[-1][0]
        channels = [width for width, _ in stages[level:]]
        self.lateral = nn.ModuleList(nn.Conv2d(deep, fine, 1) for fine, deep in pairwise(channels))
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1))

    def _maps(self, image: Tensor, levels: list[int]) -> list[Tensor]:
        normal = ((image - self.mean) / self.deviation).contiguous(memory_format=torch.channels_last)
        network: Any = self.network
        maps: list[Tensor] = network.forward_intermediates(normal, indices=levels, intermediates_only=True)
        return maps

    def deepest(self, image: Tensor) -> Tensor:
        """Return the deepest map alone, (B, map_width, h, w), of faces (B, 3, S, S) in 0–1."""
        return self._maps(image, self.levels[-1:])[0]

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the fused map (B, width, S / stride, S / stride) and the deepest map (B, map_width, h, w)."""
        maps = self._maps(image, self.levels)
        fused = maps[-1]
        for finer, lateral in zip(reversed(maps[:-1]), reversed(self.lateral), strict=True):
            fused = finer + interpolate(lateral(fused), finer.shape[-2:], mode="bilinear", align_corners=False)
        return fused, maps[-1]
