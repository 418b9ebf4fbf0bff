"""A backbone up to one of its stages: faces to a feature map, pooled whole or by facial area."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ..facs import AREAS
from .backbone import create_backbone
from .config import NetworkConfig
from .rois import facial_areas_of, numbered

CELLS = 2  # RoIAlign gives 2 × 2 cells an area (KDSRL, section 5.1)


class Trunk(nn.Module):
    """Stages 0 … level of a timm backbone; level 3 of a ResNet is its conv4_x, at a sixteenth of the face's size.

    `network` holds timm's own key names. Later stages are taken off after the start weights were read. Level None is
    the whole backbone, its last normalisation included; the map of a ViT is of its patches.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: NetworkConfig, level: int | None = 3) -> None:
        super().__init__()
        network: Any  # a timm model, which types as a bare module
        network, _, mean, deviation = create_backbone(config.backbone, config.init, config.options)
        if level is not None:
            network.prune_intermediate_layers([level], prune_norm=True, prune_head=True)
        self.network, self.level = network, level
        self.last = len(network.feature_info) - 1 if level is None else level
        self.channels = int(network.feature_info[self.last]["num_chs"])
        self.stride = int(network.feature_info[self.last]["reduction"])
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1))

    @property
    def _timm(self) -> Any:
        return self.network

    def forward(self, image: Tensor) -> Tensor:
        """Return the feature map (B, channels, S / stride, S / stride) of faces (B, 3, S, S) in 0–1."""
        normal = ((image - self.mean) / self.deviation).contiguous(memory_format=torch.channels_last)
        maps: list[Tensor] = self._timm.forward_intermediates(
            normal, indices=[self.last], norm=self.level is None, intermediates_only=True, stop_early=True
        )
        return maps[0]

    def pooled(self, image: Tensor) -> Tensor:
        """Return the mean over the map, (B, channels)."""
        pooled: Tensor = self(image).mean(dim=(2, 3))
        return pooled

    def by_area(self, image: Tensor, landmarks: Tensor) -> Tensor:
        """Return one feature an area, (B, 8, channels · 4): RoIAlign 2 × 2 on the eight rectangles (KDSRL, 5.1).

        landmarks: (B, 68, 2), pixels of the faces; the rectangles are `facs.facial_areas`.
        """
        return self.areas_of(self(image), landmarks)

    def areas_of(self, maps: Tensor, landmarks: Tensor, *, whole: bool = False) -> Tensor:
        """Return one feature an area of the faces' map (B, channels, h, w), as `by_area` does.

        whole: each rectangle is the whole face, which is what areas are compared with.
        """
        from torchvision.ops import roi_align

        maps = maps.to(torch.promote_types(maps.dtype, torch.float32))  # RoIAlign knows no bf16 on a CPU
        boxes = facial_areas_of(landmarks).to(maps.dtype)
        if whole:
            side = maps.shape[-1] * self.stride
            boxes = boxes.new_tensor([-0.5, -0.5, side - 0.5, side - 0.5]).expand_as(boxes)
        low, high = boxes[..., :2] + 0.5, boxes[..., 2:] + 0.5  # from pixel centres to pixel edges
        corners = torch.cat([low, torch.maximum(high, low + 1)], dim=-1)  # a squeezed area keeps a pixel
        with torch.autocast(maps.device.type, enabled=False):
            cells = roi_align(maps, numbered(corners), CELLS, spatial_scale=1 / self.stride, aligned=True)
        areas: Tensor = cells.reshape(maps.shape[0], len(AREAS), -1)
        return areas

    @property
    def area_width(self) -> int:
        """Length of one area's feature."""
        return self.channels * CELLS * CELLS


def perceptron(*widths: int) -> nn.Sequential:
    """Return linear layers of these widths with ReLU between them."""
    layers: list[nn.Module] = []
    for i, o in pairwise(widths):
        layers += [nn.Linear(i, o), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])
