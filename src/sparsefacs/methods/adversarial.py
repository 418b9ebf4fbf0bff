"""Adversarial: a discriminator on label vectors makes predictions on any face follow the labels' distribution.

Wang, Chang, Peng, Pan: Deep semi-supervised facial action unit recognition (cited as Adversarial).
Equation and line numbers below are the paper's.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ..data.batches import Batch, BatchSource, together
from ..losses.adversarial import confusion_loss, discriminator_loss
from ..losses.recognition import occurrence_loss
from ..losses.reduction import global_mean, global_sum, process_count, wide
from ..networks.classifier import AUClassifier
from ..networks.discriminator import LabelDiscriminator
from ..networks.statistics import frozen_statistics
from .chance import Chance, Purpose
from .contract import Method, MethodConfig, Needs, Setting, Update

_SMALLEST = 1e-6  # of a loss that another is divided by
UNKNOWN = 0.5  # neither present nor absent: what the discriminator sees of a missing label


class AdversarialConfig(MethodConfig):
    """Settings of Algorithm 1. Width and learning rate of D are not in the paper."""

    alpha: Annotated[float, Field(ge=0, le=1)] = 0.01
    discriminator_updates: Annotated[int, Field(ge=1)] = Field(1, description="H_D of Algorithm 1")
    recogniser_updates: Annotated[int, Field(ge=1)] = Field(1, description="H_R of Algorithm 1")
    discriminator_width: Annotated[int, Field(ge=1)] = 64
    draw: Literal["all", "halves"] = Field(
        "all", description="faces of a step: of all training faces as they come, or labelled ones and others apart"
    )
    fakes: Literal["soft", "straight-through"] = Field(
        "soft", description="what D sees of predictions: probabilities, or 0 and 1 with the gradient of probabilities"
    )
    soften: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.0, description="how far, at most, real labels are drawn off 0 and 1 before D sees them"
    )


class Adversarial(Method):
    """Recogniser R and label discriminator D, trained in turn (Algorithm 1); α = 0: the baseline on the same draws."""

    Config = AdversarialConfig
    paper = "Wang, Chang, Peng, Pan: Deep semi-supervised facial action unit recognition (adversarial)"
    keeps_coder: ClassVar[bool] = True

    def __init__(self, config: AdversarialConfig, setting: Setting) -> None:
        super().__init__()
        self.config, self.setting = config, setting
        self.recogniser = self.build_predictor(setting, config)  # first, so that it starts as the baseline's does
        self.discriminator = LabelDiscriminator(len(setting.aus), config.discriminator_width)
        self.chance = Chance(torch.initial_seed())

    @classmethod
    def build_predictor(cls, setting: Setting, config: AdversarialConfig) -> nn.Module:
        """Return the recogniser R."""
        del config
        return AUClassifier(setting.network, len(setting.aus))

    def needs(self) -> Needs:
        """α = 0 leaves unlabelled faces alone that are drawn apart; drawn together, they are passed as with any α."""
        apart = self.config.draw == "halves"
        return Needs(unlabelled=apart and self.config.alpha > 0, every=not apart)

    def updates(self, batches: BatchSource, step: int) -> Iterator[Update]:
        """Yield H_D updates of D, then H_R updates of R, each on batches of its own (Algorithm 1, lines 3–11).

        Logged: how often D is right, on what it sees and on predictions cut at .5 (with labels as they are), and how
        many times the adversarial loss the supervised one is, as they are (`ratio`) and as eq. 4 weighs them
        (`weighted_ratio`); 4.3.2 prints 15 and 3 without saying which.
        """
        alpha = self.config.alpha
        if alpha > 0:  # with α = 0 D has no gradient in eq. 2 either
            for number in range(self.config.discriminator_updates):
                yield self._discriminator_update(batches, step, number)
        for _ in range(self.config.recogniser_updates):
            image, evidence, occurrence_BA, known_BA = self._faces(batches)
            logits_BA = self.recogniser(image, None, evidence)
            recognition = occurrence_loss(logits_BA[: len(occurrence_BA)], occurrence_BA)
            if alpha == 0:
                yield Update("recogniser", recognition, {"recognition": recognition})
                continue
            confusion = confusion_loss(self._judge(self._predicted(logits_BA), known_BA))
            loss = alpha * confusion + (1 - alpha) * recognition  # eq. 4
            # of the losses of all processes, and a share of it each, since what is logged is added over them
            ratio = global_sum(recognition) / global_sum(confusion).clamp(min=_SMALLEST) / process_count()
            terms = {"recognition": recognition, "confusion": confusion, "ratio": ratio}
            yield Update("recogniser", loss, terms | {"weighted_ratio": ratio * ((1 - alpha) / alpha)})

    def _discriminator_update(self, batches: BatchSource, step: int, number: int) -> Update:
        image, evidence, occurrence_BA, real_BA = self._faces(batches)
        with torch.no_grad(), frozen_statistics(self.recogniser):
            logits_BA = self.recogniser(image, None, evidence)
        real_B = self._judge(self._softened(real_BA, len(occurrence_BA), step, number), real_BA)
        fake_B = self._judge(self._predicted(logits_BA), real_BA)
        loss = discriminator_loss(real_B, fake_B)
        with torch.no_grad():
            cut_B = self._judge((logits_BA > 0).to(real_BA.dtype), real_BA)
            plain_B = self._judge(real_BA, real_BA)
        terms = {"discriminator": loss, "right": _right(real_B, fake_B), "right_thresholded": _right(plain_B, cut_B)}
        return Update("discriminator", loss, terms)

    def _predicted(self, logits_BA: Tensor) -> Tensor:
        """Return the predictions as D sees them, the "fake" labels."""
        probability_BA = torch.sigmoid(wide(logits_BA))
        if self.config.fakes == "soft":
            return probability_BA
        return (probability_BA > 0.5).to(probability_BA.dtype) + probability_BA - probability_BA.detach()

    def _softened(self, labels_BA: Tensor, first: int, step: int, number: int) -> Tensor:
        """Return real labels drawn off 0 and 1 by up to `soften`, so that D cannot tell them by being whole numbers.

        first: how many stand beside the first batch of faces; of each batch, processes have shares of their own.
        """
        if not self.config.soften:
            return labels_BA
        place = step * self.config.discriminator_updates + number
        kinds = ((Purpose.SOFT_LABELS, first), (Purpose.SOFT_LABELS_BESIDE, len(labels_BA) - first))
        drawn = [self.chance.uniform(place, kind, count, labels_BA.shape[1]) for kind, count in kinds]
        off_BA = self.config.soften * torch.cat(drawn).to(labels_BA)
        return torch.where(labels_BA > 0.5, labels_BA - off_BA, labels_BA + off_BA)  # missing ones are hidden later

    def _faces(self, batches: BatchSource) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        """Draw m faces from X (lines 4 and 9), m1 of them labelled, and m label vectors y^r (line 5).

        Returns the m images and their evidence, the labels of the first faces (−1 where there is none), and the label
        vectors (m, A). With `draw: halves` m1 and m2 are fixed, so that few labels among many faces are seen often.
        """
        together_drawn, adversary = self.config.draw == "all", self.config.alpha > 0
        drawn = (
            (batches.every(),) if together_drawn else (batches.labelled(), batches.unlabelled() if adversary else None)
        )
        parts: list[Batch] = [part for part in drawn if part is not None]
        vectors = torch.cat([batches.labels(len(part)) for part in parts])
        image = torch.cat([part.image for part in parts])
        return image, together(*parts), parts[0].occurrence, vectors.to(image.device)

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


def _right(real_B: Tensor, fake_B: Tensor) -> Tensor:
    """Return the share of right judgements of as many real as predicted vectors, by D's logits."""
    return (global_mean((real_B > 0).float()) + global_mean((fake_B <= 0).float())) / 2
