"""A recogniser of a face cut into nine patches (Noroozi, Favaro 2016, as WSRTL compares it in Table II)."""

import torch
from torch import Tensor, nn

from .classifier import AUClassifier, Recognised
from .config import NetworkConfig

GRID = 3


class PatchRecogniser(AUClassifier):
    """One backbone on each of 3 × 3 patches of a face; AU logits from their nine pooled features in order.

    Where three does not divide the face's side, patches overlap in nothing and leave a pixel out between them.
    """

    def __init__(self, config: NetworkConfig, aus: int) -> None:
        super().__init__(config, aus)
        self.head = nn.Linear(GRID * GRID * self.map_width, aus)

    @staticmethod
    def backbone_side(config: NetworkConfig) -> int:
        """Return the side of a patch, pixels."""
        return config.input_size // GRID

    def _patch_maps(self, image: Tensor) -> Tensor:
        """Return the last map of each patch, row by row, (B, 9, map_width, h, w)."""
        side = image.shape[-1]
        size = side // GRID
        starts = [0, (side - size) // 2, side - size]
        patches = [image[..., top : top + size, left : left + size] for top in starts for left in starts]
        maps = super().maps(torch.cat(patches))
        return maps.reshape(GRID * GRID, len(image), *maps.shape[1:]).transpose(0, 1)

    def patch_features(self, image: Tensor) -> Tensor:
        """Return the pooled features of the patches, row by row, (B, 9, map_width)."""
        return self._patch_maps(image).mean(dim=(3, 4))

    def maps(self, image: Tensor) -> Tensor:
        """Return the deepest map of the whole face, laid together from its patches' maps, (B, map_width, 3h, 3w)."""
        return _laid_together(self._patch_maps(image))

    def pixel_features(self, image: Tensor, landmarks: Tensor | None = None) -> Tensor:
        """Return the patches' features side by side, (B, 9 · map_width)."""
        del landmarks
        return self.patch_features(image).flatten(1)

    def see(self, image: Tensor, landmarks: Tensor) -> Recognised:
        """Return AU logits and the map they were pooled from."""
        del landmarks
        maps = self._patch_maps(image)
        pooled = maps.mean(dim=(3, 4)).flatten(1)
        return Recognised(self.head(self.dropout(pooled)), _laid_together(maps))


def _laid_together(maps_B9CHW: Tensor) -> Tensor:
    faces, _, channels, height, width = maps_B9CHW.shape
    grid = maps_B9CHW.reshape(faces, GRID, GRID, channels, height, width).permute(0, 3, 1, 4, 2, 5)
    return grid.reshape(faces, channels, GRID * height, GRID * width)
