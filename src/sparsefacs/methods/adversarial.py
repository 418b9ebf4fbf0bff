"""Adversarial: a discriminator on label vectors makes predictions on any face follow the labels' distribution.

Wang, Chang, Peng, Pan: Deep semi-supervised facial action unit recognition (cited as Adversarial).
Equation and line numbers below are the paper's.
"""

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ..data.batches import BatchSource, together
from ..losses.adversarial import confusion_loss, discriminator_loss
from ..losses.recognition import occurrence_loss
from ..losses.reduction import wide
from ..networks.classifier import AUClassifier
from ..networks.discriminator import LabelDiscriminator
from ..networks.statistics import frozen_statistics
from .contract import Method, MethodConfig, Needs, Setting, Update

UNKNOWN = 0.5  # neither present nor absent: what the discriminator sees of a missing label


class AdversarialConfig(MethodConfig):
    """Settings of Algorithm 1. Width and learning rate of D are not in the paper."""

    alpha: Annotated[float, Field(ge=0, le=1)] = 0.01
    discriminator_updates: Annotated[int, Field(ge=1)] = Field(1, description="H_D of Algorithm 1")
    recogniser_updates: Annotated[int, Field(ge=1)] = Field(1, description="H_R of Algorithm 1")
    discriminator_width: Annotated[int, Field(ge=1)] = 64


class Adversarial(Method):
    """Recogniser R and label discriminator D, trained in turn (Algorithm 1); α = 0 is the supervised baseline."""

    Config = AdversarialConfig
    paper = "Wang, Chang, Peng, Pan: Deep semi-supervised facial action unit recognition (adversarial)"

    def __init__(self, config: AdversarialConfig, setting: Setting) -> None:
        super().__init__()
        self.config, self.setting = config, setting
        self.recogniser = self.build_predictor(setting, config)  # first, so that it starts as the baseline's does
        self.discriminator = LabelDiscriminator(len(setting.aus), config.discriminator_width)

    @classmethod
    def build_predictor(cls, setting: Setting, config: AdversarialConfig) -> nn.Module:
        """Return the recogniser R."""
        del config
        return AUClassifier(setting.network, len(setting.aus))

    def needs(self) -> Needs:
        """α = 0 leaves the unlabelled faces alone."""
        return Needs(unlabelled=self.config.alpha > 0)

    def updates(self, batches: BatchSource, step: int) -> Iterator[Update]:
        """Yield H_D updates of D, then H_R updates of R, each on batches of its own (Algorithm 1, lines 3–11)."""
        alpha = self.config.alpha
        if alpha > 0:  # with α = 0 D has no gradient in eq. 2 either
            for _ in range(self.config.discriminator_updates):
                image, evidence, _, real_BA = self._faces(batches)
                with torch.no_grad(), frozen_statistics(self.recogniser):
                    fake_BA = torch.sigmoid(wide(self.recogniser(image, None, evidence)))
                loss = discriminator_loss(self._judge(real_BA, real_BA), self._judge(fake_BA, real_BA))
                yield Update("discriminator", loss, {"discriminator": loss})
        for _ in range(self.config.recogniser_updates):
            image, evidence, occurrence_BA, known_BA = self._faces(batches)
            logits_BA = self.recogniser(image, None, evidence)
            recognition = occurrence_loss(logits_BA[: len(occurrence_BA)], occurrence_BA)
            if alpha == 0:
                yield Update("recogniser", recognition, {"recognition": recognition})
                continue
            confusion = confusion_loss(self._judge(torch.sigmoid(wide(logits_BA)), known_BA))
            loss = alpha * confusion + (1 - alpha) * recognition  # eq. 4
            yield Update("recogniser", loss, {"recognition": recognition, "confusion": confusion})

    def _faces(self, batches: BatchSource) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        """Draw m1 labelled and m2 unlabelled faces (line 9) and m label vectors y^r (line 5).

        Returns the m images and their evidence, the labels of the first m1, and the label vectors (m, A).
        """
        labelled = batches.labelled()
        if self.config.alpha == 0:
            return labelled.image, labelled.evidence, labelled.occurrence, labelled.occurrence
        unlabelled = batches.unlabelled()
        parts = [labelled, *([] if unlabelled is None else [unlabelled])]
        vectors = torch.cat([batches.labels(len(part)) for part in parts])
        image = torch.cat([part.image for part in parts])
        return image, together(*parts), labelled.occurrence, vectors.to(labelled.image.device)

    def _judge(self, labels_BA: Tensor, paired_BA: Tensor) -> Tensor:
        """Return D's logits (B,) on `labels_BA` with the entries that `paired_BA` lacks (−1) hidden.

        Reading, for partially missing labels: a real vector's missing AUs are hidden in the predicted vector
        paired with it too, so that D cannot tell the two apart by what is missing.
        """
        logits: Tensor = self.discriminator(torch.where(paired_BA >= 0, labels_BA, UNKNOWN))
        return logits

    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of R and of D."""
        return {
            "recogniser": list(self.recogniser.parameters()),
            "discriminator": list(self.discriminator.parameters()),
        }

    def predictor(self) -> nn.Module:
        """Return the recogniser R; D is not needed to code faces."""
        return self.recogniser
