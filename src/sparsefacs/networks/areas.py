"""AU classifiers by facial area (KDSRL, section 5.1, Table 2)."""

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..facs import AREA_GROUPS
from .classifier import Recognised, Recogniser
from .config import NetworkConfig
from .trunk import Trunk, perceptron

HIDDEN = (1024, 128)
AREA_LEVEL = 3
"""Stage of the backbone that areas are cut from: conv4_x of a ResNet (KDSRL, 5.1)."""


class AreaClassifier(Recogniser):
    """One multi-layer perceptron a group of AUs, on the joined features of the areas that these AUs are judged by.

    frozen: the trunk stays as it is, batch statistics included. whole: each area is the whole face. Raises InputError
    for an AU that is in no group.
    """

    def __init__(
        self, config: NetworkConfig, aus: tuple[int, ...], level: int, frozen: bool, whole: bool = False
    ) -> None:
        super().__init__()
        known = {au for _, members in AREA_GROUPS for au in members}
        if unknown := [au for au in aus if au not in known]:
            raise InputError(
                f"AU{unknown[0]} belongs to no group of facial areas", remedy=f"Groups have AUs {sorted(known)}"
            )
        self.trunk, self.frozen, self.undivided = Trunk(config, level), frozen, whole
        self.lay(config, len(aus))
        self.trunk.requires_grad_(not frozen)
        self.map_width = self.trunk.channels
        self.groups = [(areas, [au for au in aus if au in members]) for areas, members in AREA_GROUPS]
        self.groups = [(areas, own) for areas, own in self.groups if own]
        self.heads = nn.ModuleList(
            perceptron(len(areas) * self.trunk.area_width, *HIDDEN, len(own)) for areas, own in self.groups
        )
        order = [au for _, own in self.groups for au in own]
        self.columns = [order.index(au) for au in aus]

    def train(self, mode: bool = True) -> "AreaClassifier":
        """Set training mode; a frozen trunk stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.trunk.eval()
        return self

    def see(self, image: Tensor, landmarks: Tensor) -> Recognised:
        """Return AU logits (B, A) and the trunk's map of faces (B, 3, S, S) in 0–1 with landmarks in their pixels."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            maps = self.trunk(image)
            areas_B8D = self.trunk.areas_of(maps, landmarks, whole=self.undivided)
        logits = [
            head(areas_B8D[:, [area - 1 for area in areas]].flatten(1))
            for (areas, _), head in zip(self.groups, self.heads, strict=True)
        ]
        return Recognised(torch.cat(logits, dim=1)[:, self.columns], maps)

    def maps(self, image: Tensor) -> Tensor:
        """Return the trunk's map (B, map_width, h, w)."""
        maps: Tensor = self.trunk(image)
        return maps

    def pixel_features(self, image: Tensor, landmarks: Tensor | None = None) -> Tensor:
        """Return the eight areas' features side by side, (B, 8 · D)."""
        assert landmarks is not None
        return self.trunk.areas_of(self.trunk(image), landmarks, whole=self.undivided).flatten(1)
