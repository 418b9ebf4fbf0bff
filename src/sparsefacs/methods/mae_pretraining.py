"""MAE-Face's pre-training: restore the hidden patches of faces, from faces alone.

Ma, An et al.: MAE-Face; the method is He, Chen, Xie, Li, Dollár, Girshick 2022 (MAE) with an L1 loss. Section numbers
below are MAE-Face's.
"""

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ..data.batches import ViewSource
from ..losses.reconstruction import Kind, normalised_patches, patch_statistics, reconstruction_loss
from ..networks.autoencoder import DecoderConfig, MaskedAutoencoder, unpatchify
from ..networks.trunk import Trunk
from .chance import Chance, Purpose
from .contract import MethodConfig, Pretraining, Setting, Update

_SHOWN = 4  # faces in the log's pictures
_HIDDEN = 0.5  # grey


class MAEPretrainingConfig(MethodConfig):
    """Settings of sections 3.2.1 and 3.3."""

    mask_ratio: Annotated[float, Field(gt=0, lt=1)] = Field(0.75, description="share of the patches that is hidden")
    loss: Kind = Field("l1", description="l1, the mean absolute error, or l2, the mean squared one")
    normalise: bool = Field(True, description="restore patches less their mean, over their deviation")
    decoder: DecoderConfig = DecoderConfig()


class MAEPretraining(Pretraining):
    """An encoder that sees a quarter of a face's patches, and a decoder that restores the others."""

    Config = MAEPretrainingConfig
    paper = "Ma, An et al.: Facial AU detection and intensity estimation from self-supervised representation (mae-face)"

    def __init__(self, config: MAEPretrainingConfig, setting: Setting) -> None:
        super().__init__()
        self.config = config
        self.network = MaskedAutoencoder(setting.network, config.decoder)
        self.chance = Chance(torch.initial_seed())
        self._last: tuple[Tensor, Tensor, Tensor] | None = None

    def updates(self, batches: ViewSource, step: int) -> Iterator[Update]:
        """Yield one update of everything on one view of a batch of faces (3.3)."""
        image = batches.faces().image
        noise_BN = self.chance.uniform(step, Purpose.MASK, len(image), self.network.patch_count).to(image.device)
        predicted_BNP, mask_BN = self.network(image, noise_BN, self.config.mask_ratio)
        target_BNP = self.network.patches(image)
        if self.config.normalise:
            target_BNP = normalised_patches(target_BNP)
        loss = reconstruction_loss(predicted_BNP, target_BNP, mask_BN, self.config.loss)
        self._last = image[:_SHOWN], predicted_BNP[:_SHOWN].detach(), mask_BN[:_SHOWN]
        yield Update("all", loss, {"reconstruction": loss})

    def restored(self, image: Tensor, predicted_BNP: Tensor, mask_BN: Tensor) -> tuple[Tensor, Tensor]:
        """Return faces (B, 3, S, S) in 0–1 with their hidden patches grey, and with these as they were predicted.

        predicted_BNP, mask_BN: of `MaskedAutoencoder`. Where the loss is on normalised patches, which say nothing of a
        patch's own mean and deviation, those of the true patch are put back.
        """
        target_BNP = self.network.patches(image)
        if self.config.normalise:
            mean_BN1, deviation_BN1 = patch_statistics(target_BNP)
            predicted_BNP = predicted_BNP * deviation_BN1 + mean_BN1
        hidden_B1SS = unpatchify(mask_BN[..., None].expand(-1, -1, self.network.side**2), self.network.side)
        predicted = self.network.faces(predicted_BNP).clamp(0, 1)
        return torch.where(hidden_B1SS, _HIDDEN, image), torch.where(hidden_B1SS, predicted, image)

    @torch.no_grad()
    def pictures(self) -> dict[str, Tensor]:
        """Return the last step's first faces, one below the other: hidden patches grey, restored, as they are."""
        if self._last is None:
            return {}
        image, predicted_BNP, mask_BN = self._last
        columns = torch.cat([*self.restored(image, predicted_BNP, mask_BN), image], dim=3)
        return {"reconstruction": torch.cat(list(columns), dim=1)}

    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return all parameters but the positions, which are fixed."""
        return {"all": [parameter for parameter in self.parameters() if parameter.requires_grad]}

    def kept_beside(self) -> dict[str, nn.Module]:
        """Return the decoder, of which reconstructions are made."""
        return {"decoder": self.network.decoder}

    def trunk(self) -> Trunk:
        """Return the encoder; the decoder is not needed afterwards (3.2.2)."""
        return self.network.trunk
