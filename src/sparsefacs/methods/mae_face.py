"""MAE-Face fine-tuned for AU occurrence or intensity (Ma, An et al.; sections 3.2.2, 3.3 and 4).

The network is a vision transformer started from `pretrain mae-face` (--init RUN), its answer the mean of the patches
through a LayerNorm and one fully connected layer: `network.options: {global_pool: avg}` of any of timm's.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import nn

from ..data.batches import Batch, BatchSource
from ..losses.batch_mixing import blend, box_share, cut_box, paste, shared_labels
from ..losses.recognition import intensity_loss, occurrence_loss
from ..networks.classifier import AUClassifier
from .chance import Chance, Purpose
from .contract import Method, MethodConfig, Setting, Task, Update

Beta = Annotated[float, Field(ge=0)]


class MAEFaceConfig(MethodConfig):
    """How faces and their labels are mixed; with neither, they are not."""

    mixup: Beta = Field(0.0, description="parameter of mixup's Beta distribution, 0 = off")
    cutmix: Beta = Field(0.0, description="parameter of CutMix's Beta distribution, 0 = off")
    switch: Annotated[float, Field(ge=0, le=1)] = Field(0.5, description="chance of CutMix where both are on")


class MAEFace(Method):
    """A network on whole faces, trained on labelled faces that are mixed two by two."""

    Config = MAEFaceConfig
    paper = "Ma, An, et al.: Facial action unit detection and intensity estimation from self-supervised representation"
    tasks: ClassVar[tuple[Task, ...]] = ("occurrence", "intensity")

    def __init__(self, config: MAEFaceConfig, setting: Setting) -> None:
        super().__init__()
        self.config, self.setting = config, setting
        self.recogniser = self.build_predictor(setting, config)
        self.chance = Chance(torch.initial_seed())

    @classmethod
    def build_predictor(cls, setting: Setting, config: MAEFaceConfig) -> nn.Module:
        """Return encoder, pooling and head (3.2.2)."""
        del config
        return AUClassifier(setting.network, len(setting.aus))

    def updates(self, batches: BatchSource, step: int) -> Iterator[Update]:
        """Yield one update of the network on a labelled batch, mixed (eq. 2 for occurrence, eq. 3 for intensity)."""
        batch = self.mixed(batches.labelled(), step)
        logits_BA = self.recogniser(batch.image)
        if self.setting.task == "intensity":
            loss = intensity_loss(logits_BA, batch.intensity)
        else:
            loss = occurrence_loss(logits_BA, batch.occurrence)
        yield Update("recogniser", loss, {"recognition": loss})

    def mixed(self, batch: Batch, step: int) -> Batch:
        """Return the faces of step `step` mixed with their neighbours by mixup or CutMix, labels by the same share.

        One share and one box a batch, the same on every process; a label counts where both faces have one.
        """
        mixup, cutmix = self.config.mixup, self.config.cutmix
        if not mixup and not cutmix:
            return batch
        drawn = self.chance.generator(step, Purpose.MIX_SWITCH).random()
        cuts = cutmix > 0 and (not mixup or bool(drawn < self.config.switch))
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
            occurrence=shared_labels(batch.occurrence, share, -1.0),
            intensity=shared_labels(batch.intensity, share, float("nan")),
        )

    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return the network's parameters."""
        return {"recogniser": list(self.recogniser.parameters())}

    def predictor(self) -> nn.Module:
        """Return the network."""
        return self.recogniser
