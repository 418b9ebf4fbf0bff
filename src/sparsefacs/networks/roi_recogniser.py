"""WSRTL's backbone: AUs seen on their own regions of a face, in relation to each other, and on the whole face."""

from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from ..errors import InputError
from ..facs import mirrored_centres
from .classifier import Recognised, Recogniser
from .config import NetworkConfig
from .fused import FusedTrunk
from .relation import Positions, Relation, RelationKind
from .rois import crop_cells, roi_corners


class RoIConfig(BaseModel):
    """How AU regions are cut and related (WSRTL, IV-C; the feed-forward width and dropout are not given there)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    relation: RelationKind = Field("transformer", description="what relates the AUs' features (Table I)")
    encoder_layers: Annotated[int, Field(ge=1, le=12)] = Field(1, description="layers of the encoder")
    positions: Positions = Field("none", description="vectors added to the relation's input, one an AU (Table I)")
    heads: Annotated[int, Field(ge=1)] = Field(8, description="attention heads")
    feedforward: Annotated[int, Field(ge=1)] = Field(1024, description="hidden width of the relation's layers")
    level: Annotated[int, Field(ge=0)] = Field(2, description="backbone stage that regions are cut from; 2 is layer2")
    cells: Annotated[int, Field(ge=1)] = Field(6, description="side of a region on that stage's map")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.1, description="within the relation's layers")


class RoIRecogniser(Recogniser):
    """Fused trunk → two RoIs an AU, each with its own convolutions → relation → AU logits, and the whole face's.

    19.17 M parameters with ResNet-18 and 12 AUs (the paper: 19.12 M). Choices that got there, all readings: separate
    convolutions for an AU's two sides (128 → 128, padded, each with batch norm and ReLU), 7.09 M; 1 × 1 lateral
    convolutions, 0.16 M; transformer layers with a feed-forward width of 1024, 0.73 M; ResNet-18 has 11.18 M.

    `relation` gets sequences of one RoI an AU. Reading of "left and right": AUs whose centres mirror each other are all
    on one side in a sequence; an AU with its centres on the mid-line (upper and lower lip: AU23, 24, 25) belongs to
    both sides, so where there are such AUs, each side makes a sequence with the upper and one with the lower lip. A
    RoI's attended feature is the mean over the sequences it is in. Thus a flipped face is recognised as a face would be
    by the mirrored network, whatever the AUs.

    Raises InputError for an AU without centres, a backbone or level without such a map, and RoIs larger than the face.
    """

    picks_SA: Tensor  # noqa: N815
    shares_SA2: Tensor  # noqa: N815

    def __init__(self, network: NetworkConfig, aus: tuple[int, ...], config: RoIConfig) -> None:
        super().__init__()
        self.aus, self.cells = aus, config.cells
        self.trunk = FusedTrunk(network, config.level)
        self.width, self.map_width = self.trunk.width, self.trunk.map_width
        self.roi_side = config.cells * self.trunk.stride
        if self.roi_side > network.input_size:
            raise InputError(
                f"regions of {self.roi_side} pixels do not fit into a face of {network.input_size}",
                remedy="Lower method.recogniser.cells or raise network.input_size",
            )
        self.lay(network, len(aus))
        self.by_roi = RoIConvolutions(2 * len(aus), self.width)
        self.relation = Relation(
            config.relation,
            len(aus),
            self.width,
            config.heads,
            config.feedforward,
            config.encoder_layers,
            config.positions,
            config.dropout,
        )
        self.dropout = nn.Dropout(network.dropout)
        self.regional_head = nn.Linear(self.width, len(aus))  # row a is AU a's own layer
        self.global_head = nn.Linear(self.map_width, len(aus))
        picks = _sequences(aus)
        counted = torch.nn.functional.one_hot(picks, 2).float()
        self.register_buffer("picks_SA", picks, persistent=False)
        self.register_buffer("shares_SA2", counted / counted.sum(dim=0), persistent=False)

    def rois(self, landmarks: Tensor, image_side: int) -> Tensor:
        """Return the upper left pixels of the AUs' RoIs, (B, A, 2, 2), each `roi_side` pixels wide."""
        return roi_corners(landmarks, self.aus, image_side, self.roi_side)

    def maps(self, image: Tensor) -> Tensor:
        """Return the trunk's deepest map (B, map_width, h, w)."""
        return self.trunk.deepest(image)

    def _attended(self, image: Tensor, landmarks: Tensor) -> tuple[Tensor, Tensor]:
        """Return attended RoI features (B, A, 2, width) and the deepest map."""
        side = image.shape[-1]
        fused, deepest = self.trunk(image)
        cropped = crop_cells(fused, self.rois(landmarks, side), self.roi_side, side, self.cells)
        local_BKD = self.by_roi(cropped.flatten(1, 2))
        local_BA2D = local_BKD.view(image.shape[0], len(self.aus), 2, -1)
        places = torch.arange(len(self.aus), device=image.device)
        related_BSAD: Tensor = self.relation(local_BA2D[:, places, self.picks_SA])
        return torch.einsum("bsad,sac->bacd", related_BSAD, self.shares_SA2.to(related_BSAD.dtype)), deepest

    def see(self, image: Tensor, landmarks: Tensor) -> Recognised:
        """Return for each AU the larger of its logits on its RoIs and on the whole face; see `Recognised`."""
        attended, deepest = self._attended(image, landmarks)
        regional_BAD, whole_BC = self.dropout(attended.mean(dim=2)), self.dropout(deepest.mean(dim=(2, 3)))
        regional_BA = (regional_BAD * self.regional_head.weight).sum(dim=-1) + self.regional_head.bias
        return Recognised(torch.maximum(regional_BA, self.global_head(whole_BC)), deepest, attended)

    def pixel_features(self, image: Tensor, landmarks: Tensor | None = None) -> Tensor:
        """Return the AUs' attended features, sides averaged, and the pooled deepest map, (B, A · width + map_width)."""
        assert landmarks is not None
        attended, deepest = self._attended(image, landmarks)
        return torch.cat([attended.mean(dim=2).flatten(1), deepest.mean(dim=(2, 3))], dim=1)


def _sequences(aus: tuple[int, ...]) -> Tensor:
    """Return which of its two RoIs each AU gives to each sequence, (S, A): each side with each lip."""
    middle = torch.from_numpy(mirrored_centres(aus))[:, 0] == 0
    picks: list[Tensor] = [torch.where(middle, half, side) for side in (0, 1) for half in (0, 1)]
    unique: Tensor = torch.unique(torch.stack(picks), dim=0)
    return unique


class RoIConvolutions(nn.Module):
    """Two 3 × 3 convolutions a RoI, shared with no other, then the mean over its cells (WSRTL, III-A).

    Grouped convolutions: on two CPU cores they take a third of the time of batched matrix products of unfolded RoIs.
    """

    def __init__(self, rois: int, width: int) -> None:
        super().__init__()
        wide = rois * width
        self.layers = nn.Sequential()
        for _ in range(2):
            self.layers.append(nn.Conv2d(wide, wide, 3, padding=1, groups=rois, bias=False))
            self.layers.append(nn.BatchNorm2d(wide))
            self.layers.append(nn.ReLU(inplace=True))

    def forward(self, cells_BKCHW: Tensor) -> Tensor:
        """Return a feature a RoI, (B, K, C), of cells (B, K, C, cells, cells)."""
        maps: Tensor = self.layers(cells_BKCHW.flatten(1, 2))
        return maps.mean(dim=(2, 3)).view(cells_BKCHW.shape[:3])
