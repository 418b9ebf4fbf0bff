"""Auxiliary tasks: what a method learns beside AUs, from labelled faces and faces without labels alike.

Each has `run`, a generator that yields updates of its own and returns a `Contribution`. WSRTL proposes two (flow,
inpainting) and compares three (rotation, exemplar, jigsaw) in Table II; rotation and exemplar work on any recogniser.
"""

from collections.abc import Generator
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from ..data.batches import together
from ..errors import InputError
from ..losses.flow import flow_loss
from ..losses.inpainting import (
    patch_adversarial_loss,
    patch_critic_loss,
    reconstruction_loss,
    semantic_loss,
)
from ..losses.mixing import sharpened
from ..losses.pretext import jigsaw_loss, jigsaw_orders, rotation_loss, triplet_loss
from ..networks.generation import FlowHead, PatchCritic, PatchGenerator
from ..networks.patches import PatchRecogniser
from ..networks.recognisers import Recognised, Recogniser
from ..networks.roi_recogniser import RoIRecogniser
from ..networks.rois import blanked, crop_patches, hidden_aus
from ..networks.statistics import frozen_parameters, frozen_statistics
from ..networks.trunk import perceptron
from .chance import Purpose
from .contract import Update
from .parts import Contribution, Drawn, Part
from .semi_supervision import without_gradient

_STRICT = ConfigDict(extra="forbid", frozen=True)
Weight = Annotated[float, Field(ge=0)]
_FEWEST = 2  # faces that batch normalisation takes, whose map may have one cell
Run = Generator[Update, None, Contribution]


class Task(Part):
    """One auxiliary task; its parameters, but for `critics()`, are trained with the recogniser's."""

    def run(self, recogniser: Recogniser, drawn: Drawn, seen: Recognised) -> Run:
        """Return the task's contribution; `seen` is the recogniser's view of the labelled faces."""
        raise NotImplementedError

    def critics(self) -> list[nn.Parameter]:
        """Return parameters that the task trains against the rest."""
        return []


class RotationConfig(BaseModel):
    """Gidaris et al. 2018."""

    model_config = _STRICT

    weight: Weight = 1.0


class Rotation(Task):
    """Tell by which of four quarter turns a face was turned, from the pooled global features, by two FC layers.

    Readings: each face is turned once a step, at random; turned faces leave running statistics alone, since faces are
    coded upright.
    """

    def __init__(self, config: RotationConfig, width: int) -> None:
        super().__init__()
        self.config = config
        self.head = perceptron(width, width, 4)

    def run(self, recogniser: Recogniser, drawn: Drawn, seen: Recognised) -> Run:
        """Return the cross-entropy over the four turns."""
        parts = [drawn.labelled, *([] if drawn.first is None else [drawn.first])]
        purposes = (Purpose.TURN_LABELLED, Purpose.TURN_UNLABELLED)
        turns = [drawn.chance.choices(drawn.step, p, len(part), 4) for p, part in zip(purposes, parts, strict=False)]
        turn_B = torch.cat(turns).to(drawn.labelled.image.device)
        upright = torch.cat([part.image for part in parts])
        turned = torch.stack([torch.rot90(face, int(turn), (1, 2)) for face, turn in zip(upright, turn_B, strict=True)])
        with frozen_statistics(recogniser):
            maps = recogniser.maps(turned)
        loss = rotation_loss(self.head(maps.mean(dim=(2, 3))), turn_B)
        yield from ()
        return Contribution(self.config.weight * loss, {"rotation": loss})


class ExemplarConfig(BaseModel):
    """Dosovitskiy et al. 2014, as a triplet loss (WSRTL, IV-F). The margin is this project's."""

    model_config = _STRICT

    weight: Weight = 1.0
    margin: Annotated[float, Field(ge=0)] = 0.2


class Exemplar(Task):
    """Two views of a face without labels lie closer together than those of different faces."""

    two_views: ClassVar[bool] = True

    def __init__(self, config: ExemplarConfig) -> None:
        super().__init__()
        self.config = config

    def run(self, recogniser: Recogniser, drawn: Drawn, seen: Recognised) -> Run:
        """Return the triplet loss on pooled global features."""
        yield from ()
        if drawn.first is None or drawn.second is None:
            return Contribution(seen.logits_BA.new_zeros(()))
        both = recogniser.maps(torch.cat([drawn.first.image, drawn.second.image])).mean(dim=(2, 3))
        first, second = both.chunk(2)
        loss = triplet_loss(first, second, self.config.margin)
        return Contribution(self.config.weight * loss, {"exemplar": loss})


class JigsawConfig(BaseModel):
    """Noroozi, Favaro 2016."""

    model_config = _STRICT

    weight: Weight = 1.0
    orders: Annotated[int, Field(ge=2, le=1000)] = Field(100, description="orders of the patches to tell apart")


class Jigsaw(Task):
    """Tell in which of a set of orders a face's nine patches come, from their concatenated features."""

    orders: Tensor

    def __init__(self, config: JigsawConfig, recogniser: nn.Module) -> None:
        super().__init__()
        if not isinstance(recogniser, PatchRecogniser):
            raise InputError(
                "the jigsaw task needs a recogniser of patches", remedy="Add --set method.recogniser.kind=patches"
            )
        self.config = config
        self.register_buffer("orders", torch.from_numpy(jigsaw_orders(config.orders)))
        self.head = perceptron(9 * recogniser.map_width, recogniser.map_width, config.orders)

    def run(self, recogniser: Recogniser, drawn: Drawn, seen: Recognised) -> Run:
        """Return the cross-entropy over the orders."""
        if not isinstance(recogniser, PatchRecogniser):
            raise TypeError(type(recogniser))
        parts = [drawn.labelled, *([] if drawn.first is None else [drawn.first])]
        purposes = (Purpose.ORDER_LABELLED, Purpose.ORDER_UNLABELLED)
        count = self.config.orders
        picked = [drawn.chance.choices(drawn.step, p, len(b), count) for p, b in zip(purposes, parts, strict=False)]
        order_B = torch.cat(picked).to(drawn.labelled.image.device)
        patches_B9D = recogniser.patch_features(torch.cat([part.image for part in parts]))
        places = self.orders[order_B][:, :, None].expand_as(patches_B9D)
        loss = jigsaw_loss(self.head(patches_B9D.gather(1, places).flatten(1)), order_B)
        yield from ()
        return Contribution(self.config.weight * loss, {"jigsaw": loss})


class FlowConfig(BaseModel):
    """WSRTL, III-D."""

    model_config = _STRICT

    weight: Weight = Field(0.2, description="λf")


class Flow(Task):
    """Estimate from one face the optical flow of its next frames, off the deepest maps, by two transposed convolutions.

    Reading: done on every face whose flow is known, with labels or without; of photos none is, and those without labels
    are not looked at for it. Flow is in pixels of the network's image, averaged to the head's map of an eighth of its
    side.
    """

    needs_flow: ClassVar[bool] = True

    def __init__(self, config: FlowConfig, width: int) -> None:
        super().__init__()
        self.config = config
        self.head = FlowHead(width)

    def run(self, recogniser: Recogniser, drawn: Drawn, seen: Recognised) -> Run:
        """Return λf · L_F (eq. 8)."""
        yield from ()
        maps, flows = [seen.maps_BCHW], [drawn.labelled.flow]
        if drawn.first is not None and drawn.first.flow is not None:
            known_B = ~torch.isnan(drawn.first.flow).flatten(1).all(dim=1)
            if int(known_B.sum()) >= _FEWEST:
                maps.append(recogniser.maps(drawn.first.image[known_B]))
                flows.append(drawn.first.flow[known_B])
        loss = flow_loss(self.head(torch.cat(maps)), torch.cat([flow for flow in flows if flow is not None]))
        return Contribution(self.config.weight * loss, {"flow": loss})


class InpaintingConfig(BaseModel):
    """WSRTL, III-C. Widths are a reading that meets the paper's parameter count."""

    model_config = _STRICT

    adversarial: Annotated[float, Field(ge=0, le=1)] = Field(0.1, description="λ1; reconstruction has 1 − λ1")
    semantic: Weight = Field(0.1, description="λ2")
    width: Annotated[int, Field(ge=8)] = Field(1024, description="channels of G's first and D's and C's last map")
    restoring: Literal["mean", "sum"] = Field("mean", description="the l1 norm of eq. 4 over a patch's numbers")
    hidden_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="an AU counts as hidden when so much of its RoIs is; 0: when any of it is"
    )
    supervised: bool = Field(True, description="whether AUs in sight of faces with hidden RoIs count in L_Sup")
    temperature: Annotated[float, Field(gt=0, le=1)] = Field(0.5, description="T of pseudo labels (Alg. 1, line 5)")


class Inpainting(Task):
    """Hide the two RoIs of a random AU and restore them from that AU's attended features (eqs 2–7).

    Readings: the features of the two sides, before they are averaged, restore a patch each; C has an output an AU, of
    which the hidden one counts; unlabelled faces have the sharpened prediction on the whole face as label, and where a
    labelled face lacks the hidden AU's label, C learns nothing from it; faces with white RoIs leave running statistics
    alone, since whole faces are coded.
    """

    def __init__(self, config: InpaintingConfig, recogniser: nn.Module) -> None:
        super().__init__()
        if not isinstance(recogniser, RoIRecogniser):
            raise InputError("RoI inpainting needs a recogniser of RoIs", remedy="Add --set method.recogniser.kind=roi")
        self.config, self.aus = config, recogniser.aus
        side, width = recogniser.roi_side, config.width
        self.generator = PatchGenerator(recogniser.width, side, width)
        self.discriminator = PatchCritic(1, side, width)
        self.classifier = PatchCritic(len(self.aus), side, width)

    def critics(self) -> list[nn.Parameter]:
        """Return the parameters of D and C."""
        return [*self.discriminator.parameters(), *self.classifier.parameters()]

    def run(self, recogniser: Recogniser, drawn: Drawn, seen: Recognised) -> Run:
        """Yield the update of D and C, then return L_G (eq. 7) and predictions of the AUs left in sight."""
        if not isinstance(recogniser, RoIRecogniser):
            raise TypeError(type(recogniser))
        image, landmarks, labels_BA = self._faces(recogniser, drawn)
        evidence = together(drawn.labelled, *([] if drawn.first is None else [drawn.first]))
        hidden_B = self._hidden(drawn).to(image.device)
        rows, side = torch.arange(len(image), device=image.device), image.shape[-1]
        corners_BA22 = recogniser.rois(landmarks, side)
        chosen = corners_BA22[rows, hidden_B]
        roi = recogniser.roi_side
        real = crop_patches(image, chosen, roi).flatten(0, 1)
        with frozen_statistics(recogniser):
            restored = recogniser.recognise(blanked(image, chosen, roi), landmarks, evidence)
        if restored.attended_BASD is None:
            raise TypeError(type(recogniser))
        fake = self.generator(restored.attended_BASD[rows, hidden_B].flatten(0, 1))
        au_K = hidden_B.repeat_interleave(2)
        label_K = labels_BA[rows, hidden_B].repeat_interleave(2)

        l_d = patch_critic_loss(self.discriminator(real), self.discriminator(fake.detach()))  # eqs 2 and 7
        l_c = semantic_loss(self._named(real, au_K), label_K)  # eq. 5
        yield Update("critics", l_d + l_c, {"discriminator": l_d, "patch_classifier": l_c})

        weight = self.config.adversarial
        with frozen_parameters(self.discriminator, self.classifier):
            fooling = patch_adversarial_loss(self.discriminator(fake))  # eq. 3
            meaning = semantic_loss(self._named(fake, au_K), label_K)  # eq. 6
        restoring = reconstruction_loss(real, fake)  # eq. 4
        norm = real[0].numel() if self.config.restoring == "sum" else 1
        loss = weight * fooling + (1 - weight) * norm * restoring + self.config.semantic * meaning  # eq. 7
        terms = {"fooling": fooling, "restoring": restoring, "meaning": meaning}
        if not self.config.supervised:
            return Contribution(loss, terms)
        first = len(drawn.labelled)
        covered = hidden_aus(corners_BA22[:first], chosen[:first], roi, side, self.config.hidden_share)
        occurrence = drawn.labelled.occurrence.masked_fill(covered, -1)
        return Contribution(loss, terms, restored.logits_BA[:first], occurrence)

    def _faces(self, recogniser: RoIRecogniser, drawn: Drawn) -> tuple[Tensor, Tensor, Tensor]:
        """Return images, landmarks, and labels (B, A): given ones, and pseudo labels of faces without labels."""
        labelled, free = drawn.labelled, drawn.first
        if free is None:
            return labelled.image, labelled.landmarks, labelled.occurrence
        pseudo = sharpened(without_gradient(recogniser, free), self.config.temperature)
        return (
            torch.cat([labelled.image, free.image]),
            torch.cat([labelled.landmarks, free.landmarks]),
            torch.cat([labelled.occurrence, pseudo.to(labelled.occurrence.dtype)]),
        )

    def _hidden(self, drawn: Drawn) -> Tensor:
        """Return the place of the AU to hide in each face, (B,)."""
        parts = [(Purpose.HIDDEN_LABELLED, drawn.labelled), (Purpose.HIDDEN_UNLABELLED, drawn.first)]
        kinds = [(purpose, part) for purpose, part in parts if part is not None]
        return torch.cat([drawn.chance.choices(drawn.step, p, len(part), len(self.aus)) for p, part in kinds])

    def _named(self, patches: Tensor, au_K: Tensor) -> Tensor:
        """Return C's logit (K,) of each patch's own AU."""
        logits: Tensor = self.classifier(patches)
        return logits.gather(1, au_K[:, None]).squeeze(1)
