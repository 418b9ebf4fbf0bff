"""Knowledge-Spreader: learn from clips of which one frame is labelled.

Li, Zhang, Wang, Yin: Knowledge-Spreader, learning facial action unit dynamics with extremely limited labels (KS).
Equation and section numbers are the paper's; its symbols are lost, so where a formula is ours it says "reading".

Who is who: M_A on the key frame alone is both the Spatial Teacher (of branch B's students) and the Temporal Student (of
the Temporal Teacher M_B). Distillation is online and two-way, so that "student networks" in eqs 3 and 4 are both
networks of a pair. All frames of a clip are augmented alike (6.4). The students' noise against M_A is augmentation and
dropout (3.1.2): M_A sees the key frame in a view that is drawn apart, without dropout.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import factorial
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ..data.batches import Batch, BatchSource, together
from ..losses.consistency import gaussian_ramp
from ..losses.contrastive import gathered
from ..losses.distillation import (
    MOST_WEIGHT,
    confirmed_pseudo_loss,
    ensemble_distillation,
    positive_weights,
    weighted_occurrence_loss,
)
from ..losses.reduction import global_mean, process_count, wide
from ..networks.spreader import (
    Clips,
    SpatialModel,
    SpatialStudents,
    SpreaderConfig,
    SpreaderPredictor,
    TemporalModel,
    ensemble,
    reordered,
)
from .chance import Chance, Purpose
from .contract import Method, MethodConfig, Needs, Setting, Update

_LABEL_VECTORS = 4096  # of training labels, by which positives are weighted
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class KnowledgeSpreaderConfig(SpreaderConfig, MethodConfig):
    """Settings of section 3.1.

    `ramp` and `unlabelled_after` are shares of the training: the paper's T = 5 and its 10 epochs of 50.
    """

    most_weight: Annotated[float, Field(ge=1)] = Field(
        MOST_WEIGHT,
        description="most that a class of an AU counts in eq. 3 by how seldom it is; 1: all alike",
    )
    ksm: bool = Field(True, description="knowledge spreading; false: the two distillations are left out")
    distillation: Weight = Field(0.5, description="λ of eq. 4, of each distillation")
    semi_supervised: Weight = Field(1.0, description="of distillation and pseudo labels in the total, once grown")
    pseudo: Weight = Field(1.0, description="of eq. 5 among these")
    order: Weight = Field(1.0, description="of telling true from shuffled order in the total, once grown")
    ramp: Share = Field(0.1, description="share of the training over which these two grow (eq. 8)")
    unlabelled_after: Share | None = Field(
        0.2, description="share of the training before clips without any label are used; none: they never are"
    )


@dataclass(frozen=True)
class _Drawn:
    """Clips of one step, the labelled ones first: image (C·L, 3, S, S); key_image (B, 3, S, S), the labelled clips'
    keys as M_A sees them; occurrence (B, L, A) of the labelled clips; known_CLA: the evidence's logits, 0 without.
    """

    image: Tensor
    key_image: Tensor
    occurrence_BLA: Tensor  # noqa: N815
    key: int
    labelled: int
    unlabelled: int
    known_CLA: Tensor | float = 0.0  # noqa: N815


class KnowledgeSpreader(Method):
    """Distillation at the key frame, pseudo labels at all others, and a clip's order that confirms them."""

    Config = KnowledgeSpreaderConfig
    paper = "Li, Zhang, Wang, Yin: Knowledge-Spreader, learning AU dynamics with extremely limited labels"

    def __init__(self, config: KnowledgeSpreaderConfig, setting: Setting) -> None:
        super().__init__()
        self.config, self.setting = config, setting
        self.model = self.build_predictor(setting, config)
        self.chance = Chance(torch.initial_seed())

    @classmethod
    def build_predictor(cls, setting: Setting, config: KnowledgeSpreaderConfig) -> SpreaderPredictor:
        """Return both branches."""
        return SpreaderPredictor(setting.network, len(setting.aus), config)

    @property
    def spatial_teacher(self) -> SpatialModel:
        """M_A, in the spatial distillation."""
        return self.model.spatial

    @property
    def temporal_student(self) -> SpatialModel:
        """M_A again, in the temporal distillation."""
        return self.model.spatial

    @property
    def temporal_teacher(self) -> TemporalModel:
        """M_B."""
        return self.model.temporal

    @property
    def spatial_students(self) -> SpatialStudents:
        """The L students, of which the key frame's is taught by the Spatial Teacher."""
        return self.model.students

    def needs(self) -> Needs:
        """Return that clips are drawn, those without any label too unless they are never used."""
        free = self.config.unlabelled_after is not None
        return Needs(unlabelled=free, clip_length=self.config.clip_length, key_view=True)

    def updates(self, batches: BatchSource, step: int) -> Iterator[Update]:
        """Yield the one update of a step: eq. 7 with the ramp of eq. 8.

        Readings, as neither the weights of eq. 7 nor the terms that ω takes are legible. Total: eq. 3 of the ensemble
        and of every network that labels teach (the first terms of eq. 4) + ω(t) · (`semi_supervised` · (λ · both
        distillations + eq. 5) + `order` · the loss of 3.1.3). ω slows what is learned without labels "compared with
        the fully-supervised task" (3.1.4), which is each network's; without it labels alone teach both branches.
        """
        if step == 0:
            self._weigh_positives(batches)
        config, drawn = self.config, self._draw(batches, step)
        pooled_CE = self.model.trunk(drawn.image)
        pooled_CLE = pooled_CE.view(-1, config.clip_length, pooled_CE.shape[-1])
        seen = self.model.branch_b(pooled_CLE, known_BLA=drawn.known_CLA)
        spatial_BA = self.spatial_teacher(drawn.key_image)
        if isinstance(drawn.known_CLA, Tensor):
            spatial_BA = spatial_BA + drawn.known_CLA[: drawn.labelled, drawn.key]
        student_BA = seen.student_BLA[: drawn.labelled, drawn.key]
        temporal_BA = seen.temporal_BLA[: drawn.labelled, drawn.key]

        recognition = self._recognition(ensemble(spatial_BA, temporal_BA), drawn)
        terms = {"recognition": recognition}
        semi: Tensor | float = 0.0
        for name, one_BA, other_BA in (("spatial", spatial_BA, student_BA), ("temporal", temporal_BA, spatial_BA)):
            terms[f"{name}_recognition"] = self._recognition(one_BA, drawn) + self._recognition(other_BA, drawn)
            recognition = recognition + terms[f"{name}_recognition"]
            if config.ksm:
                terms[f"{name}_distillation"] = ensemble_distillation(one_BA, other_BA)
                semi = semi + config.distillation * terms[f"{name}_distillation"]
        if config.semi_supervised * config.pseudo > 0:
            semi = semi + config.pseudo * self._pseudo(pooled_CLE, seen, drawn, terms)
        order = self._order(seen, drawn, step, terms)
        ramp = gaussian_ramp(step, round(config.ramp * self.setting.steps))
        loss = recognition + ramp * (config.semi_supervised * semi + config.order * order)
        yield Update("spreader", loss, terms)

    def _draw(self, batches: BatchSource, step: int) -> _Drawn:
        """Draw labelled clips and, once training is stable (6.2), clips without any label."""
        after = self.config.unlabelled_after
        batch = batches.labelled()
        free = None if after is None or step < after * self.setting.steps else batches.unlabelled()
        length = self.config.clip_length
        for clips in (batch, free):
            if clips is not None and clips.length != length:
                raise ValueError(f"clips of {clips.length} frames were drawn, not of {length}")
        if batch.key_image is None:
            raise ValueError("no view of the key frames apart was drawn")
        return _Drawn(
            batch.image if free is None else torch.cat([batch.image, free.image]),
            batch.key_image,
            batch.occurrence.view(-1, length, batch.occurrence.shape[-1]),
            batch.key,
            len(batch) // length,
            0 if free is None else len(free) // length,
            self._known(batch, free),
        )

    def _known(self, batch: Batch, free: Batch | None) -> Tensor | float:
        """Return the evidence's logits of all frames, (C, L, A); 0 where the network sees pixels alone."""
        evidence = together(batch, *([] if free is None else [free]))
        if evidence is None or self.model.evidence is None:
            return 0.0
        known_NA: Tensor = self.model.evidence(evidence)
        return known_NA.view(-1, self.config.clip_length, known_NA.shape[-1])

    def _recognition(self, logits_BA: Tensor, drawn: _Drawn) -> Tensor:
        """Return eq. 3 of some network at the key frames."""
        return weighted_occurrence_loss(logits_BA, drawn.occurrence_BLA[:, drawn.key], self.model.positive_weight)

    def _pseudo(self, pooled_CLE: Tensor, seen: Clips, drawn: _Drawn, terms: dict[str, Tensor]) -> Tensor:
        """Return eq. 5: every student learns on frames that are no labelled clip's key, AUs whose label is not visible.

        Reading: whose classes these are is `pseudo_labels`, which the paper does not say. M_A, without gradient, sees
        the frames as the students do.
        """
        single_CLE = self.model.quiet_features(drawn.image).view_as(pooled_CLE) if self.model.sees_alone else None
        made = self.model.pseudo_labels(pooled_CLE.detach(), single_CLE, drawn.known_CLA)
        keep_CLA = made.sure_BLA & made.confirmed_B[:, None, None]
        keep_CLA[: drawn.labelled, drawn.key] = False
        keep_CLA[: drawn.labelled] &= drawn.occurrence_BLA < 0
        terms["pseudo"] = confirmed_pseudo_loss(seen.student_BLA, made.label_BLA, keep_CLA)
        terms["pseudo_kept"] = global_mean(made.confirmed_B.float())
        terms["pseudo_sure"] = global_mean(made.sure_BLA.float())
        return terms["pseudo"]

    def _order(self, seen: Clips, drawn: _Drawn, step: int, terms: dict[str, Tensor]) -> Tensor | float:
        """Return the cross-entropy of true against shuffled sequences of the students' features (3.1.3), 0 without TPL.

        Where a student is shared, a clip that stands still stays at chance, as the paper says of it.
        """
        if seen.order_B is None:
            return 0.0
        orders_CL = self._orders(drawn, step).to(seen.features_BLD.device)
        shuffled_C = self.model.temporal.order_of(reordered(seen.features_BLD, orders_CL))
        assert shuffled_C is not None
        judged = wide(torch.cat([seen.order_B, shuffled_C]))
        true = torch.cat([torch.ones_like(seen.order_B), torch.zeros_like(shuffled_C)]).to(judged.dtype)
        terms["order"] = global_mean(F.binary_cross_entropy_with_logits(judged, true, reduction="none"))
        terms["order_accuracy"] = global_mean(((judged > 0) == (true > 0)).float())
        return terms["order"]

    def _orders(self, drawn: _Drawn, step: int) -> Tensor:
        """Return another order of places for each clip, (C, L), drawn for the clips of all processes at once."""
        length = self.config.clip_length
        kinds = ((Purpose.ORDER_LABELLED, drawn.labelled), (Purpose.ORDER_UNLABELLED, drawn.unlabelled))
        numbers = [self.chance.choices(step, kind, count, factorial(length) - 1) for kind, count in kinds if count]
        return other_orders(torch.cat(numbers), length)

    def _weigh_positives(self, batches: BatchSource) -> None:
        weight = self.model.positive_weight
        labels = gathered(batches.labels(_LABEL_VECTORS // process_count()).to(weight.device))
        weight.copy_(positive_weights(labels, self.config.most_weight))

    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return all parameters of both branches."""
        return {"spreader": [p for p in self.model.parameters() if p.requires_grad]}

    def predictor(self) -> SpreaderPredictor:
        """Return both branches."""
        return self.model


def other_orders(numbers_B: Tensor, length: int) -> Tensor:
    """Return orders of `length` places, (B, length), none of them the true one.

    numbers_B: whole numbers from 0 to length! − 2; each stands for one order, in dictionary order.
    """
    orders = []
    for number in numbers_B.tolist():
        left, rest = number + 1, list(range(length))  # number 0 would be the true order
        order = []
        for places in range(length, 0, -1):
            first, left = divmod(left, factorial(places - 1))
            order.append(rest.pop(first))
        orders.append(order)
    return torch.tensor(orders, dtype=torch.long)
