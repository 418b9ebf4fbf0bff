"""MAE-Face fine-tuned for AU occurrence or intensity (Ma, An et al.; sections 3.2.2, 3.3 and 4).

The network is a vision transformer started from `pretrain mae-face` (--init RUN), its answer the mean of the patches
through a LayerNorm and one fully connected layer: `network.options: {global_pool: avg}` of any of timm's.
"""

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field

from ..data.batches import Batch, BatchSource
from ..losses.batch_mixing import blend, box_share, cut_box, paste, shared_labels
from .chance import Chance, Purpose
from .contract import MethodConfig, Setting
from .supervised import Supervised

Beta = Annotated[float, Field(ge=0)]


class MAEFaceConfig(MethodConfig):
    """How faces and their labels are mixed; with neither, they are not."""

    mixup: Beta = Field(0.0, description="parameter of mixup's Beta distribution, 0 = off")
    cutmix: Beta = Field(0.0, description="parameter of CutMix's Beta distribution, 0 = off")
    switch: Annotated[float, Field(ge=0, le=1)] = Field(0.5, description="chance of CutMix where both are on")


class MAEFace(Supervised):
    """A network on whole faces (3.2.2), trained on labelled faces that are mixed two by two."""

    Config = MAEFaceConfig
    paper = "Ma, An, et al.: Facial action unit detection and intensity estimation from self-supervised representation"

    def __init__(self, config: MAEFaceConfig, setting: Setting) -> None:
        super().__init__(config, setting)
        self.mixing = config
        self.chance = Chance(torch.initial_seed())

    def drawn(self, batches: BatchSource, step: int) -> Batch:
        """Return the labelled batch of step `step`, mixed."""
        return self.mixed(batches.labelled(), step)

    def mixed(self, batch: Batch, step: int) -> Batch:
        """Return the faces of step `step` mixed with their neighbours by mixup or CutMix, labels by the same share.

        One share and one box a batch, the same on every process; a label counts where both faces have one.
        """
        mixup, cutmix = self.mixing.mixup, self.mixing.cutmix
        if not mixup and not cutmix:
            return batch
        drawn = self.chance.generator(step, Purpose.MIX_SWITCH).random()
        cuts = cutmix > 0 and (not mixup or bool(drawn < self.mixing.switch))
        parameter = cutmix if cuts else mixup
        share = float(self.chance.generator(step, Purpose.MIX_SHARE).beta(parameter, parameter))
        if cuts:
            side = batch.image.shape[-1]
            box = cut_box(side, share, self.chance.generator(step, Purpose.MIX_BOX))
            image, share = paste(batch.image, box), box_share(box, side)
        else:
            image = blend(batch.image, share)
        return replace(
            batch,
            image=image,
            evidence=None if batch.evidence is None else blend(batch.evidence, share),
            occurrence=shared_labels(batch.occurrence, share, -1.0),
            intensity=shared_labels(batch.intensity, share, float("nan")),
        )
