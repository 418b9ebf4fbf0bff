"""TCL, temporal contrastive learning: clips without labels agree with themselves at two playback speeds.

Singh, Chakraborty, Varshney, Panda, Feris, Saenko, Das: Semi-supervised action recognition with temporal contrastive
learning (CVPR 2021), which Knowledge-Spreader is compared with (its Fig. 4 and supplement, Table 1).
"""

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ..data.batches import BatchSource, together
from ..losses.contrastive import ntxent_loss
from ..losses.recognition import occurrence_loss
from ..losses.temporal import group_contrast_loss
from ..networks.clip_classifier import ClipClassifier
from .contract import Method, MethodConfig, Needs, Setting, Update

Weight = Annotated[float, Field(ge=0)]


class TCLConfig(MethodConfig):
    """Settings of TCL, sections 3 and 4.1; its clips have 8 and 4 frames."""

    clip_length: Annotated[int, Field(ge=2, le=32)] = Field(8, description="frames at the dense speed")
    temperature: Annotated[float, Field(gt=0)] = Field(0.5, description="τ")
    instance: Weight = Field(9.0, description="γ, of the contrast of clips")
    group: Weight = Field(1.0, description="β, of the contrast of groups")


class TCL(Method):
    """Reading: the video network is the mean of the frames' features, and a clip has the label of its key frame."""

    Config = TCLConfig
    paper = (
        "Singh et al.: Semi-supervised action recognition with temporal contrastive learning (in knowledge-spreader)"
    )

    def __init__(self, config: TCLConfig, setting: Setting) -> None:
        super().__init__()
        self.config, self.setting = config, setting
        self.network = self.build_predictor(setting, config)

    @classmethod
    def build_predictor(cls, setting: Setting, config: TCLConfig) -> ClipClassifier:
        """Return the network of clips."""
        return ClipClassifier(setting.network, len(setting.aus), config.clip_length)

    def needs(self) -> Needs:
        """Return that clips are drawn, with labels and without."""
        return Needs(unlabelled=True, clip_length=self.config.clip_length)

    def updates(self, batches: BatchSource, step: int) -> Iterator[Update]:
        """Yield one update: L_sup + γ · L_ic + β · L_gc (TCL, eq. 5)."""
        labelled, free = batches.labelled(), batches.unlabelled()
        image = labelled.image if free is None else torch.cat([labelled.image, free.image])
        evidence = together(labelled, *([] if free is None else [free]))
        dense_CA, sparse_CA = self.network.at_two_speeds(image, evidence, labelled.key)
        clips = len(labelled) // labelled.length
        occurrence = labelled.occurrence.view(clips, labelled.length, -1)[:, labelled.key]
        recognition = occurrence_loss(dense_CA[:clips], occurrence) / len(self.setting.aus)
        terms: dict[str, Tensor] = {"recognition": recognition}
        loss = recognition
        if free is not None:
            both = torch.cat([dense_CA[clips:], sparse_CA[clips:]])
            terms["instance"] = ntxent_loss(both, self.config.temperature)
            terms["group"] = group_contrast_loss(dense_CA[clips:], sparse_CA[clips:], self.config.temperature)
            loss = loss + self.config.instance * terms["instance"] + self.config.group * terms["group"]
        yield Update("network", loss, terms)

    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return the network's parameters."""
        return {"network": list(self.network.parameters())}

    def predictor(self) -> ClipClassifier:
        """Return the network of clips."""
        return self.network
