"""Semi-supervised parts: what a method can learn from faces without labels besides its auxiliary tasks.

WSRTL compares them in Table III; all work on any recogniser. Means over AUs, as everywhere in WSRTL's equations.
"""

from copy import deepcopy
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from ..data.batches import Batch, together
from ..losses.consistency import (
    cut_consistency_loss,
    fixmatch_loss,
    mean_teacher_loss,
    pseudo_label_loss,
)
from ..losses.contrastive import gathered
from ..losses.mixing import beta_weights, mixed_labels, mixmatch_losses, mixup, sharpened
from ..losses.recognition import occurrence_loss
from ..losses.reduction import process_count
from ..networks.recognisers import Recogniser
from ..networks.rois import crop_patches, pasted, roi_corners
from ..networks.statistics import frozen_statistics
from .chance import Purpose, own_rows
from .parts import Contribution, Drawn, Part

_STRICT = ConfigDict(extra="forbid", frozen=True)
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]

RAMP = 1 / 3
"""Of a training: a reading. Mean Teacher's and Pseudo-label's papers count epochs and updates of their own lengths, and
MixMatch's program (Berthelot et al. 2019), which has both, .4 of a training."""


class SemiSupervised(Part):
    """A loss on labelled faces and faces without labels; with none of the latter, the supervised loss remains."""

    def loss(self, recogniser: Recogniser, drawn: Drawn) -> Contribution:
        """Return the whole loss, supervised part included."""
        raise NotImplementedError

    def after_step(self, recogniser: nn.Module, step: int) -> None:
        """Follow the recogniser after a step."""

    def chosen(self, recogniser: nn.Module) -> nn.Module:
        """Return the network that codes faces."""
        return recogniser


def recognition(logits_BA: Tensor, occurrence_BA: Tensor) -> Tensor:
    """Return the mean cross-entropy over all labelled entries of all processes (L_Sup, WSRTL eq. 9)."""
    return occurrence_loss(logits_BA, occurrence_BA) / logits_BA.shape[1]


def without_gradient(recogniser: Recogniser, faces: Batch) -> Tensor:
    """Return logits (B, A) that carry no gradient and leave running statistics alone."""
    with torch.no_grad(), frozen_statistics(recogniser):
        logits: Tensor = recogniser(faces.image, faces.landmarks, faces.evidence)
    return logits


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, momentum: float, step: int) -> None:
    """Move a moving average of weights by 1 − m towards `network` after a step.

    In step t it keeps min(m, 1 − 1 / (t + 1)), so that it is not held by its random start. Running statistics stay its
    own, of faces that it has seen: another network's do not fit its weights. Both as in the code of Mean Teacher's
    authors. Other buffers are copied.
    """
    kept = min(momentum, 1 - 1 / (step + 1))
    for old, new in zip(average.parameters(), network.parameters(), strict=True):
        old.lerp_(new, 1 - kept)
    for owner, its in zip(average.modules(), network.modules(), strict=True):
        if not isinstance(owner, nn.modules.batchnorm._BatchNorm):
            for own, new_one in zip(owner.buffers(recurse=False), its.buffers(recurse=False), strict=True):
                own.copy_(new_one)


class MixMatchConfig(BaseModel):
    """WSRTL, eqs 10 and 11; Berthelot et al. 2019."""

    model_config = _STRICT

    temperature: Annotated[float, Field(gt=0, le=1)] = Field(0.5, description="T of the sharpening; 1: none")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.999, description="what the moving average of the weights, which codes faces, keeps a step; 0: no average"
    )
    weight: Weight = Field(1.0, description="λu′ of the faces without labels")
    beta: Annotated[float, Field(gt=0)] = Field(0.75, description="α of the Beta distribution of mixing weights")
    guesses: Annotated[int, Field(ge=1, le=2)] = Field(1, description="K: views whose guesses are averaged")


class MixMatch(SemiSupervised):
    """Guess, sharpen, mix faces and labels of both kinds, and learn from the mixtures (Algorithm 1, lines 5–7).

    A moving average of the weights codes faces in the end (WSRTL, IV-G; MixMatch, 4.1); guesses are the network's own.
    Readings: K = 1 as in line 5 of Algorithm 1; guesses are averaged as logits; RoIs are the stronger face's; running
    statistics are of whole faces, labelled ones and others, as faces are coded, and mixtures leave them alone. The
    average passes those faces too, for statistics of its own.
    """

    def __init__(self, config: MixMatchConfig, recogniser: Recogniser) -> None:
        super().__init__()
        self.config = config
        self.two_views = config.guesses == 2  # type: ignore[misc]
        self.average = deepcopy(recogniser).requires_grad_(False) if config.momentum else None

    def loss(self, recogniser: Recogniser, drawn: Drawn) -> Contribution:
        """Return L_semi = L_L′ + λu′ · L_U′ (eq. 11)."""
        views = [view for view in (drawn.first, drawn.second) if view is not None]
        image = [drawn.labelled.image, *(view.image for view in views)]
        landmarks = torch.cat([drawn.labelled.landmarks, *(view.landmarks for view in views)])
        labels, first = [drawn.labelled.occurrence], len(drawn.labelled)
        with torch.no_grad():  # these passes alone move running statistics
            whole = _together(recogniser, drawn.labelled, *views)
            if self.average is not None:
                _together(self.average, drawn.labelled, *views)
        if views:
            guesses = whole[first:].chunk(len(views))
            guess_BA = sharpened(torch.stack(guesses).mean(dim=0), self.config.temperature)
            labels += [guess_BA.to(labels[0].dtype)] * len(views)
        mixed, targets, evidence = self._mixed(image, labels, drawn, together(drawn.labelled, *views))
        with frozen_statistics(recogniser):
            logits = recogniser(mixed, landmarks, evidence)
        on_labelled, on_unlabelled = mixmatch_losses(logits[:first], targets[:first], logits[first:], targets[first:])
        loss = on_labelled + self.config.weight * on_unlabelled
        return Contribution(loss, {"mixed_labelled": on_labelled, "mixed_unlabelled": on_unlabelled})

    def after_step(self, recogniser: nn.Module, step: int) -> None:
        """Let the average follow."""
        if self.average is not None:
            follow(self.average, recogniser, self.config.momentum, step)

    def chosen(self, recogniser: nn.Module) -> nn.Module:
        """Return the average, where there is one."""
        return recogniser if self.average is None else self.average

    def _mixed(
        self, image: list[Tensor], labels: list[Tensor], drawn: Drawn, evidence: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return this process's faces, labels and evidence, each mixed with a partner among those of all processes."""
        every_image = torch.cat([gathered(part) for part in image])
        every_label = torch.cat([gathered(part) for part in labels])
        partner = drawn.chance.generator(drawn.step, Purpose.MIX_PARTNER).permutation(len(every_image))
        weight = beta_weights(
            drawn.chance.generator(drawn.step, Purpose.MIX_WEIGHT), len(every_image), self.config.beta
        )
        rows, start = [], 0
        for part in image:  # the faces of all processes lie kind after kind, in rank order
            total = len(part) * process_count()
            rows.append(own_rows(np.arange(start, start + total), len(part)))
            start += total
        own = torch.from_numpy(np.concatenate(rows))
        other = torch.from_numpy(partner)[own].to(every_image.device)
        share = weight[own].to(every_image)
        mixed = mixup(torch.cat(image), every_image[other], share)
        if evidence is not None:  # logits of evidence are linear in it, so that they are mixed as labels are
            sizes = [len(part) for part in image]
            every_evidence = torch.cat([gathered(part) for part in torch.split(evidence, sizes)])
            evidence = mixup(evidence, every_evidence[other], share)
        return mixed, mixed_labels(torch.cat(labels), every_label[other], share), evidence


class FixMatchConfig(BaseModel):
    """Sohn et al. 2020."""

    model_config = _STRICT

    threshold: Annotated[float, Field(ge=0.5, le=1)] = Field(0.95, description="τ: least certainty of a pseudo label")
    weight: Weight = Field(1.0, description="λu of the faces without labels")


class FixMatch(SemiSupervised):
    """Confident predictions on a face's weak view are the labels of its strong view.

    A reading: strong views pass by themselves and leave running statistics alone, which are of faces as they are coded.
    """

    two_views: ClassVar[bool] = True

    def __init__(self, config: FixMatchConfig) -> None:
        super().__init__()
        self.config = config

    def loss(self, recogniser: Recogniser, drawn: Drawn) -> Contribution:
        """Return the supervised loss + λu · the loss on strong views (FixMatch, eqs 3 and 4)."""
        weak, strong = drawn.first, drawn.second
        if weak is None or strong is None:
            return _supervised(recogniser, drawn)
        pseudo = without_gradient(recogniser, weak)
        supervised = recognition(_together(recogniser, drawn.labelled), drawn.labelled.occurrence)
        with frozen_statistics(recogniser):
            seen = _together(recogniser, strong)
        on_strong = fixmatch_loss(pseudo, seen, self.config.threshold)
        loss = supervised + self.config.weight * on_strong
        return Contribution(loss, {"supervised": supervised, "strong_view": on_strong})


class PseudoLabelConfig(BaseModel):
    """Lee 2013."""

    model_config = _STRICT

    threshold: Annotated[float, Field(ge=0.5, le=1)] = Field(0.5, description="least certainty of a pseudo label")
    weight: Weight = Field(1.0, description="α of the faces without labels, once grown")
    ramp: Share = Field(RAMP, description="share of the training over which the weight grows")


class PseudoLabel(SemiSupervised):
    """A face's own predicted classes are its labels."""

    def __init__(self, config: PseudoLabelConfig) -> None:
        super().__init__()
        self.config = config

    def loss(self, recogniser: Recogniser, drawn: Drawn) -> Contribution:
        """Return the supervised loss + α(t) · the loss on pseudo labels (Lee, eq. 15)."""
        free = drawn.first
        if free is None:
            return _supervised(recogniser, drawn)
        first = len(drawn.labelled)
        logits = _together(recogniser, drawn.labelled, free)
        supervised = recognition(logits[:first], drawn.labelled.occurrence)
        pseudo = pseudo_label_loss(logits[first:], self.config.threshold)
        weight = self.config.weight * drawn.grown(self.config.ramp)
        return Contribution(supervised + weight * pseudo, {"supervised": supervised, "pseudo": pseudo})


class MeanTeacherConfig(BaseModel):
    """Tarvainen, Valpola 2017."""

    model_config = _STRICT

    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.999, description="m: what the teacher keeps a step")
    weight: Weight = Field(1.0, description="of the consistency, once grown")
    ramp: Share = Field(RAMP, description="share of the training over which the weight grows")


class MeanTeacher(SemiSupervised):
    """A teacher that follows the student slowly says what the student should see in another view.

    The teacher codes faces in the end.
    """

    two_views: ClassVar[bool] = True

    def __init__(self, config: MeanTeacherConfig, recogniser: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.teacher = deepcopy(recogniser).requires_grad_(False)

    def loss(self, recogniser: Recogniser, drawn: Drawn) -> Contribution:
        """Return the supervised loss + weight(t) · squared difference of student and teacher."""
        first, second = drawn.first, drawn.second
        if first is None or second is None:
            return _supervised(recogniser, drawn)
        count = len(drawn.labelled)
        logits = _together(recogniser, drawn.labelled, first)
        with torch.no_grad():
            taught = self.teacher(second.image, second.landmarks, second.evidence)
        supervised = recognition(logits[:count], drawn.labelled.occurrence)
        consistency = mean_teacher_loss(logits[count:], taught)
        weight = self.config.weight * drawn.grown(self.config.ramp)
        return Contribution(supervised + weight * consistency, {"supervised": supervised, "consistency": consistency})

    def after_step(self, recogniser: nn.Module, step: int) -> None:
        """Let the teacher follow the student."""
        follow(self.teacher, recogniser, self.config.momentum, step)

    def chosen(self, recogniser: nn.Module) -> nn.Module:
        """Return the teacher."""
        return self.teacher


class CutMixConfig(BaseModel):
    """WSRTL, IV-G; CutMix of Yun et al. 2019 in RoI form."""

    model_config = _STRICT

    weight: Weight = Field(1.0, description="of the consistency")
    side: Annotated[float, Field(gt=0, lt=1)] = Field(0.25, description="of an RoI, fraction of the face's side")


class CutMix(SemiSupervised):
    """A random AU's RoIs of a face without labels are pasted into a labelled face; that AU should be seen as before."""

    def __init__(self, config: CutMixConfig, aus: tuple[int, ...]) -> None:
        super().__init__()
        self.config, self.aus = config, aus

    def loss(self, recogniser: Recogniser, drawn: Drawn) -> Contribution:
        """Return the supervised loss + weight · squared difference at the cut AU (WSRTL, IV-G)."""
        free, labelled = drawn.first, drawn.labelled
        if free is None:
            return _supervised(recogniser, drawn)
        count = min(len(labelled), len(free))
        side = free.image.shape[-1]
        roi = round(self.config.side * side)
        au_B = drawn.chance.choices(drawn.step, Purpose.CUT_AU, count, len(self.aus)).to(free.image.device)
        rows = torch.arange(count, device=au_B.device)
        source = roi_corners(free.landmarks[:count], self.aus, side, roi)[rows, au_B]
        target = roi_corners(labelled.landmarks[:count], self.aus, side, roi)[rows, au_B]
        patches = crop_patches(free.image[:count], source, roi)
        cut = labelled.first(count)
        mixed = replace(cut, image=pasted(cut.image, patches, target, roi), evidence=free.first(count).evidence)
        seen = without_gradient(recogniser, free.first(count))
        supervised = recognition(_together(recogniser, labelled), labelled.occurrence)
        with frozen_statistics(recogniser):  # these are of whole faces, as faces are coded
            pieced = _together(recogniser, mixed)
        consistency = cut_consistency_loss(pieced, seen, au_B)
        loss = supervised + self.config.weight * consistency
        return Contribution(loss, {"supervised": supervised, "consistency": consistency})


def _together(recogniser: Recogniser, *parts: Batch) -> Tensor:
    """Return logits of the faces of all `parts`, in one pass."""
    image, landmarks = torch.cat([part.image for part in parts]), torch.cat([part.landmarks for part in parts])
    logits: Tensor = recogniser(image, landmarks, together(*parts))
    return logits


def _supervised(recogniser: Recogniser, drawn: Drawn) -> Contribution:
    logits = _together(recogniser, drawn.labelled)
    loss = recognition(logits, drawn.labelled.occurrence)
    return Contribution(loss, {"supervised": loss})
