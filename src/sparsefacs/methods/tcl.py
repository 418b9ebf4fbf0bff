"""TCL, temporal contrastive learning: clips without labels agree with themselves at two playback speeds.

Singh, Chakraborty, Varshney, Panda, Feris, Saenko, Das: Semi-supervised action recognition with temporal contrastive
learning (CVPR 2021), which Knowledge-Spreader is compared with (its Fig. 4 and supplement, Table 1). Where the paper
leaves a choice, it is that of the authors' program (the fast path detached, three stages).
"""

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ..data.batches import Batch, BatchSource
from ..losses.consistency import pseudo_label_loss
from ..losses.contrastive import ntxent_loss
from ..losses.recognition import occurrence_loss
from ..losses.reduction import wide
from ..losses.temporal import group_contrast_loss
from ..networks.clip_classifier import ClipClassifier
from .chance import Chance, Purpose
from .contract import Method, MethodConfig, Needs, Setting, Update

Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class TCLConfig(MethodConfig):
    """Settings of TCL, sections 3 and 4.1: clips of 8 and 4 frames, 400 epochs of which 50 see labels alone and the
    last 50 pseudo labels. Its μ, clips without labels for each labelled one, is the ratio of the batches.
    """

    clip_length: Annotated[int, Field(ge=2, le=32)] = Field(8, description="frames at the fast speed; half at the slow")
    temperature: Annotated[float, Field(gt=0)] = Field(0.5, description="τ")
    instance: Weight = Field(9.0, description="γ, of the contrast of clips")
    group: Weight = Field(1.0, description="β, of the contrast of groups")
    supervised_until: Share = Field(0.125, description="share of the training that sees labels alone")
    pseudo_from: Share = Field(0.875, description="share of the training after which pseudo labels replace contrast")
    pseudo: Weight = Field(1.0, description="weight of the pseudo labels")
    threshold: Annotated[float, Field(ge=0.5, lt=1)] = Field(0.8, description="smallest probability of a pseudo label")


class TCL(Method):
    """Reading: the video network is the mean of the frames' features, and a clip has the label of its key frame.

    Readings for many labels: what is contrasted is the sigmoid of the AUs' logits, where the authors' program has the
    softmax over classes; a clip's labels, pseudo labels too, are as likely as all its AUs together, so that their loss
    is the sum over AUs, as cross-entropy is of one class. So the losses stand to each other about as they do there: γ
    is of contrast through a softmax, and of features it is a hundred times the labels' slope. A clip's pseudo label is
    sure or not for each AU.
    """

    Config = TCLConfig
    paper = (
        "Singh et al.: Semi-supervised action recognition with temporal contrastive learning (in knowledge-spreader)"
    )

    def __init__(self, config: TCLConfig, setting: Setting) -> None:
        super().__init__()
        self.config, self.setting = config, setting
        self.network = self.build_predictor(setting, config)
        self.chance = Chance(torch.initial_seed())

    @classmethod
    def build_predictor(cls, setting: Setting, config: TCLConfig) -> ClipClassifier:
        """Return the network of clips."""
        return ClipClassifier(setting.network, len(setting.aus), config.clip_length)

    def needs(self) -> Needs:
        """Return that clips are drawn, with labels and, in two views, without."""
        return Needs(unlabelled=True, two_views=True, clip_length=self.config.clip_length)

    def updates(self, batches: BatchSource, step: int) -> Iterator[Update]:
        """Yield one update: L_sup, then + γ · L_ic + β · L_gc (TCL, eq. 5), then + cross-entropy with pseudo labels.

        Clips with labels, without at the fast and without at the slow speed pass the network one after the other, each
        normalised by its own batch. The fast path teaches the slow one and is not moved by contrast.
        """
        config, labelled = self.config, batches.labelled()
        recognition = occurrence_loss(self._seen(labelled), _key(labelled.occurrence, labelled))
        terms: dict[str, Tensor] = {"recognition": recognition}
        loss, steps = recognition, self.setting.steps
        free = None if step < config.supervised_until * steps else batches.unlabelled_views()
        if free is not None and steps and step >= config.pseudo_from * steps:
            terms["pseudo"] = len(self.setting.aus) * pseudo_label_loss(self._seen(free[0]), config.threshold)
            loss = loss + config.pseudo * terms["pseudo"]
        elif free is not None:
            instance, group = self._contrast(*free, step)
            terms |= {"instance": instance, "group": group}
            loss = loss + config.instance * instance + config.group * group
        yield Update("network", loss, terms)

    def _contrast(self, fast: Batch, other: Batch, step: int) -> tuple[Tensor, Tensor]:
        """Return L_ic and L_gc of clips at the fast speed and, of another view of them, at the slow one."""
        with torch.no_grad():
            fast_CA = torch.sigmoid(wide(self._seen(fast)))
        slow_CA = torch.sigmoid(wide(self._seen(other, self._slowed(other, step))))
        temperature = self.config.temperature
        return (
            ntxent_loss(torch.cat([fast_CA, slow_CA]), temperature),
            group_contrast_loss(fast_CA, slow_CA, fast_CA > 0.5, slow_CA > 0.5, temperature),
        )

    def _seen(self, batch: Batch, image: Tensor | None = None) -> Tensor:
        """Return logits (C, A) of clips in a pass of their own; image: the frames to see, if not all."""
        evidence = None if batch.evidence is None else _key(batch.evidence, batch)
        image = batch.image if image is None else image
        return self.network.of_clips(image, len(image) * batch.length // len(batch), evidence)

    def _slowed(self, batch: Batch, step: int) -> Tensor:
        """Return the frames of clips at the slow speed, (B · half of the length, 3, S, S): one drawn of each two."""
        length = batch.length
        clips, frames = len(batch) // length, (length + 1) // 2
        drawn_C = self.chance.choices(step, Purpose.SPEED, clips, 2**frames)
        second_CF = (drawn_C[:, None] >> torch.arange(frames)) & 1
        places = (2 * torch.arange(frames) + second_CF).clamp(max=length - 1).to(batch.image.device)
        rows = (length * torch.arange(clips, device=places.device)[:, None] + places).flatten()
        return batch.image[rows]

    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return the network's parameters."""
        return {"network": list(self.network.parameters())}

    def predictor(self) -> ClipClassifier:
        """Return the network of clips."""
        return self.network


def _key(rows: Tensor, batch: Batch) -> Tensor:
    """Return the key frames' part of `rows` (B·L, ...), (B, ...)."""
    return rows.view(-1, batch.length, *rows.shape[1:])[:, batch.key]
