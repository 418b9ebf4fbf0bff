"""The networks of Knowledge-Spreader: a branch of single frames and a branch of clips (KS, 3.1.1, 3.1.2, 6.1).

Li, Zhang, Wang, Yin: Knowledge-Spreader, learning facial action unit dynamics with extremely limited labels (KS).
Names: B clips, L frames a clip, A AUs, E width of a backbone's pooled feature, D width of the encoders.

Size: two ResNet-18 have 22.35 million parameters; "around 25 million" (6.7) leaves about 2.6 for all else, and no
width is printed. With 12 AUs and L = 5, encoders of two layers, 128 wide with 512 inside, and students of 256 inside
make 24.8 million.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError
from .backbone import create_backbone
from .config import NetworkConfig
from .evidence import Evident, evidence_head, joined
from .statistics import frozen_statistics

PseudoSource = Literal["spatial-teacher", "temporal-teacher", "students", "ensemble"]
Students = Literal["places", "shared"]
Count = Annotated[int, Field(ge=1)]


class SpreaderConfig(BaseModel):
    """Length of the clips, widths, and the parts that can be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clip_length: Annotated[int, Field(ge=2, le=9)] = Field(5, description="L: frames a clip, and Spatial Students")
    width: Count = Field(128, description="D: of the features of AUs and of frames in the encoders")
    heads: Count = Field(8, description="attention heads")
    layers: Count = Field(2, description="layers of each encoder")
    feedforward: Count = Field(512, description="inner width of the encoders' layers")
    hidden: Count = Field(256, description="inner width of the Spatial Students")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.2, description="noise of the Spatial Students")
    sil: bool = Field(True, description="spatial-temporal learning by transformers; false: perceptrons")
    tpl: bool = Field(True, description="pseudo labels count only where a clip's order is recognised")
    students: Students = Field("places", description="a perceptron for each place in the clip, or one for all places")
    pseudo_labels: PseudoSource = Field(
        "temporal-teacher", description="whose predicted classes the students learn on frames without labels"
    )
    undo_weights: bool = Field(
        True, description="cut pseudo labels where present is likelier, the loss's weights undone; false: at logit 0"
    )
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        0.5, description="smallest probability of a pseudo label's class for it to count; 0.5: all do"
    )


class FrameTrunk(nn.Module):
    """A backbone on aligned faces (N, 3, S, S) in 0–1 → its pooled feature (N, E); normalisation is part of it."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.backbone, self.width, mean, deviation = create_backbone(config.backbone, config.init, config.options)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Return pooled features (N, E)."""
        normal = (image - self.mean) / self.deviation
        pooled: Tensor = self.backbone(normal.contiguous(memory_format=torch.channels_last))
        return pooled


class Encoder(nn.Module):
    """A standard transformer encoder on a sequence with a learnable 1-D embedding of its places (KS, eqs 9 and 10).

    Layers are ViT's, which KS extends: normalised first, GELU, a last norm; no class token (3.1.1). Without dropout,
    since the teachers are "without noise" (3.1.2).
    """

    def __init__(self, places: int, config: SpreaderConfig) -> None:
        super().__init__()
        width, heads = config.width, config.heads
        if width % heads:
            raise InputError(
                f"features of {width} channels cannot be shared among {heads} attention heads",
                remedy="Set method.heads to a number that divides method.width",
            )
        self.embedding = nn.Parameter(nn.init.trunc_normal_(torch.empty(places, width), std=0.02))
        self.layers = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    width, heads, config.feedforward, 0.0, "gelu", batch_first=True, norm_first=True
                )
                for _ in range(config.layers)
            ),
            nn.LayerNorm(width),
        )

    def forward(self, sequence_BPD: Tensor) -> Tensor:
        """Return the related sequence (B, places, D)."""
        related: Tensor = self.layers(sequence_BPD + self.embedding)
        return related


class Perceptrons(nn.Module):
    """What stands in an encoder's place without `sil`: its layers, attention left out.

    Reading of "a vanilla MLP module … for a fair comparison" (KS, 4.5): normalised and added to their input as the
    encoder's are, so that attention alone makes the difference, and not how well a perceptron trains.
    """

    def __init__(self, width: int, config: SpreaderConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, config.feedforward),
                nn.GELU(),
                nn.Linear(config.feedforward, width),
            )
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor) -> Tensor:
        """Return features (…, width) of features (…, width)."""
        for layer in self.layers:
            features = features + layer(features)
        seen: Tensor = self.norm(features)
        return seen


class PlaceLinear(nn.Module):
    """A linear map for each place of a sequence, (B, P, i) → (B, P, o), all places in one product."""

    def __init__(self, places: int, i: int, o: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(i)  # as nn.Linear starts
        self.weight = nn.Parameter(torch.empty(places, i, o).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(places, o).uniform_(-bound, bound))

    def forward(self, sequence_BPI: Tensor) -> Tensor:
        """Return each place's own map of it, (B, P, o)."""
        return torch.baddbmm(self.bias[:, None], sequence_BPI.transpose(0, 1), self.weight).transpose(0, 1)


class SpatialModel(nn.Module):
    """M_A, the Spatial Teacher and Temporal Student: one frame → AU logits, by what AUs have to do with each other.

    Reading of "decouple the extracted global features into multiple branches": a linear map of the pooled feature for
    each AU. Without `sil`, the same perceptron follows each AU's feature, so that AUs do not see each other.
    """

    def __init__(self, network: NetworkConfig, aus: int, config: SpreaderConfig) -> None:
        super().__init__()
        self.trunk = FrameTrunk(network)
        self.aus, self.width = aus, config.width
        self.decouple = nn.Linear(self.trunk.width, aus * config.width)
        self.relate = Encoder(aus, config) if config.sil else Perceptrons(config.width, config)
        self.head = PlaceLinear(aus, config.width, 1)

    def classify(self, pooled_BE: Tensor) -> Tensor:
        """Return AU logits (B, A) of the trunk's features (B, E)."""
        features_BAD = self.decouple(pooled_BE).view(-1, self.aus, self.width)
        logits_BA1: Tensor = self.head(self.relate(features_BAD))
        return logits_BA1.squeeze(-1)

    def forward(self, image: Tensor) -> Tensor:
        """Return AU logits (B, A) of faces (B, 3, S, S) in 0–1."""
        return self.classify(self.trunk(image))


class SpatialStudents(nn.Module):
    """L small perceptrons with dropout, one for each place in the clip: a frame feature and AU logits (KS, 3.1.2).

    With `students: shared`, one perceptron for all places: each label then teaches every place's student, of which a
    clip's key moves past one at a time, and nothing but the frames themselves tells their order. Dropout is then the
    same for all frames of a clip, as their augmentation is, so that it hides no motion.
    """

    def __init__(self, length: int, channels: int, aus: int, config: SpreaderConfig) -> None:
        super().__init__()
        self.dropout, self.shared = config.dropout, config.students == "shared"
        places = 1 if self.shared else length
        self.inner = PlaceLinear(places, channels, config.hidden)
        self.outer = PlaceLinear(places, config.hidden, config.width)
        self.head = PlaceLinear(places, config.width, aus)

    def forward(self, pooled_BLE: Tensor, noise: bool = True) -> tuple[Tensor, Tensor]:
        """Return frame features (B, L, D) and AU logits (B, L, A); `noise`: dropout, in training mode."""
        clips, length = pooled_BLE.shape[:2]
        hidden = F.relu(self.inner(pooled_BLE.reshape(clips * length, 1, -1) if self.shared else pooled_BLE))
        hidden = hidden.view(clips, length, -1)
        if self.training and noise:
            kept = torch.ones_like(hidden[:, :1] if self.shared else hidden)
            hidden = hidden * F.dropout(kept, self.dropout)
        features = self.outer(hidden.view(clips * length, 1, -1) if self.shared else hidden)
        logits = self.head(features)
        return features.view(clips, length, -1), logits.view(clips, length, -1)


class TemporalModel(nn.Module):
    """M_B, the Temporal Teacher: the clip's frame features → AU logits of its frames, and whether their order is true.

    Readings. A frame's logits are read from its own token, by one map for all places (the key frame's are those that
    labels teach); the order is read from all tokens side by side, of the features that the students give, as KS has it:
    of what their labels are made of. Where each student has weights of its own, a feature out of place is told by its
    maker alone, even in clips that stand still. Where one student is `shared`, motion alone tells the order; it is
    judged less the clip's mean, since neighbouring frames differ by a tenth of what two faces differ by.

    Without `sil`, perceptrons on all features of the clip side by side take the encoder's place; without `tpl`, there
    is no order to read.
    """

    def __init__(self, length: int, aus: int, config: SpreaderConfig) -> None:
        super().__init__()
        clip = length * config.width
        self.relate = (
            Encoder(length, config)
            if config.sil
            else nn.Sequential(nn.Flatten(), Perceptrons(clip, config), nn.Unflatten(1, (length, -1)))
        )
        self.head = nn.Linear(config.width, aus)
        self.order = nn.Linear(clip, 1) if config.tpl else None
        self.moving = config.students == "shared"

    def forward(self, features_BLD: Tensor) -> Tensor:
        """Return AU logits (B, L, A) of the students' features."""
        logits_BLA: Tensor = self.head(self.relate(features_BLD))
        return logits_BLA

    def order_of(self, features_BLD: Tensor) -> Tensor | None:
        """Return the logit of true against shuffled order (B,) of the students' features, None without TPL."""
        if self.order is None:
            return None
        if self.moving:
            features_BLD = features_BLD - features_BLD.mean(dim=1, keepdim=True)
        order_B1: Tensor = self.order(self.relate(features_BLD).flatten(1))
        return order_B1.squeeze(-1)


@dataclass(frozen=True)
class Clips:
    """What branch B makes of clips: the students' features (B, L, D) and logits (B, L, A), the Temporal Teacher's
    logits (B, L, A), and its logit of true order (B,), None without TPL.
    """

    features_BLD: Tensor  # noqa: N815
    student_BLA: Tensor  # noqa: N815
    temporal_BLA: Tensor  # noqa: N815
    order_B: Tensor | None  # noqa: N815


@dataclass(frozen=True)
class PseudoLabels:
    """Hard labels (B, L, A), 0 or 1; which are sure enough (B, L, A); which clips (B,) TPL confirms, without it all."""

    label_BLA: Tensor  # noqa: N815
    sure_BLA: Tensor  # noqa: N815
    confirmed_B: Tensor  # noqa: N815


class SpreaderPredictor(Evident):
    """Both branches: a frame is coded by branch A alone and by branch B within its clip (KS, 6.1, 6.3).

    Reading of "the mean ensemble output": the mean of both logits, since eq. 3 calls output what the sigmoid of "BCE
    with logits" is taken of, and names the ensemble as one. key: the place at which a frame is coded. Reading: the
    middle, where KS draws it at random for each batch; a random one would give other codes at every call.

    The students' heads, the order's and the weights of positives are kept, though codes need none of them: pseudo
    labels are made of them.
    """

    positive_weight: Tensor

    def __init__(self, network: NetworkConfig, aus: int, config: SpreaderConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("positive_weight", torch.ones(aus))  # of eq. 3, by which the loss was weighted
        self.clip_length, self.key = config.clip_length, config.clip_length // 2
        self.evidence = evidence_head(network.evidence, aus)
        self.spatial = SpatialModel(network, aus, config)
        self.trunk = FrameTrunk(network)
        self.students = SpatialStudents(self.clip_length, self.trunk.width, aus, config)
        self.temporal = TemporalModel(self.clip_length, aus, config)

    def frame_features(self, image: Tensor, landmarks: Tensor | None = None, vector: Tensor | None = None) -> Tensor:
        """Return both backbones' features (N, 2E), A's first, of faces (N, 3, S, S) in 0–1, and their evidence behind
        them; all that is per frame.
        """
        return self.with_vector(self._by_pixels(image), vector)

    def _by_pixels(self, image: Tensor) -> Tensor:
        return torch.cat([self.spatial.trunk(image), self.trunk(image)], dim=-1)

    def from_windows(self, features_BLE: Tensor, reference: Tensor | None = None) -> Tensor:
        """Return AU logits (B, A) of the frame at place `key` of windows of `frame_features` (B, L, 2E + W).

        The evidence of the key frame is added to what both branches say of it; reference: (B, W + 1).
        """
        if features_BLE.shape[1] != self.clip_length:
            raise ValueError(f"a window of {features_BLE.shape[1]} frames is not a clip of {self.clip_length}")
        single_BLE, clip_BLE = self.by_branch(features_BLE)
        within = self.branch_b(clip_BLE)
        coded = ensemble(self.spatial.classify(single_BLE[:, self.key]), within.temporal_BLA[:, self.key])
        if self.evidence is None:
            return coded
        return self.added(coded, joined(features_BLE[:, self.key, -self.known :], reference))

    def features(self, image: Tensor, landmarks: Tensor | None = None, evidence: Tensor | None = None) -> Tensor:
        """Return one feature a face, (N, 2E): both backbones', and the evidence in its measure where it is given."""
        pooled = self._by_pixels(image)
        if self.evidence is None or evidence is None:
            return pooled
        return torch.cat([pooled, self.evidence.representation(evidence).to(pooled.dtype)], dim=1)

    def forward(self, image: Tensor, landmarks: Tensor | None = None, evidence: Tensor | None = None) -> Tensor:
        """Return AU logits (N, A) of single faces (N, 3, S, S), each as a clip in which it stands still."""
        features_NE = self._by_pixels(image)
        single, clip = self.by_branch(features_NE[:, None].expand(-1, self.clip_length, -1))
        within = self.branch_b(clip)
        coded = ensemble(self.spatial.classify(single[:, self.key]), within.temporal_BLA[:, self.key])
        return self.added(coded, evidence)

    def branch_b(self, pooled_BLE: Tensor, noise: bool = True, known_BLA: Tensor | float = 0.0) -> Clips:
        """Return what students and Temporal Teacher make of branch B's own features (B, L, E).

        known_BLA: the evidence's logits of the frames, added to both.
        """
        features_BLD, student_BLA = self.students(pooled_BLE, noise)
        order_B = self.temporal.order_of(features_BLD)
        return Clips(features_BLD, student_BLA + known_BLA, self.temporal(features_BLD) + known_BLA, order_B)

    def apart(self, single_BLE: Tensor, clip_BLE: Tensor) -> dict[str, Tensor]:
        """Return what each network alone says of the frame at `key`, by pixels: logits (B, A) of branch A (`single`),
        and of the students (`student`) and the Temporal Teacher (`clip`) of branch B. Both given: (B, L, E).
        """
        within = self.branch_b(clip_BLE, noise=False)
        single_BA = self.spatial.classify(single_BLE[:, self.key])
        return {
            "single": single_BA,
            "student": within.student_BLA[:, self.key],
            "clip": within.temporal_BLA[:, self.key],
        }

    @torch.no_grad()
    def pseudo_labels(
        self, clip_BLE: Tensor, single_BLE: Tensor | None = None, known_BLA: Tensor | float = 0.0
    ) -> PseudoLabels:
        """Return the hard pseudo labels of clips, by `config`.

        clip_BLE: branch B's features (B, L, E); single_BLE: branch A's, where `sees_alone` says they are needed. The
        label is the likelier class of each AU, to the Temporal Teacher for that frame (`temporal-teacher`), to M_A on
        the frame alone (`spatial-teacher`), to the place's own student (`students`), or to the mean of M_A and the
        Temporal Teacher, as faces are coded (`ensemble`). A loss that counts positives w times teaches odds w times too
        large: with `undo_weights` log w is taken off each logit. No dropout, so that noise is the students' alone.
        Confirmed: the true order is judged to be true (KS, 3.1.3).
        """
        config = self.config
        within = self.branch_b(clip_BLE, noise=False, known_BLA=known_BLA)
        logits = within.student_BLA if config.pseudo_labels == "students" else within.temporal_BLA
        if self.sees_alone:
            if single_BLE is None:
                raise ValueError(f"pseudo labels of the {config.pseudo_labels} need branch A's features")
            alone = self.spatial.classify(single_BLE.flatten(0, 1)).view_as(logits) + known_BLA
            logits = alone if config.pseudo_labels == "spatial-teacher" else ensemble(alone, logits)
        if config.undo_weights:
            logits = logits - self.positive_weight.log()
        probability = torch.sigmoid(logits.abs())
        everything = torch.ones(len(logits), dtype=torch.bool, device=logits.device)
        confirmed = everything if within.order_B is None else within.order_B > 0
        return PseudoLabels((logits > 0).float(), probability >= config.confidence, confirmed)

    @property
    def sees_alone(self) -> bool:
        """Whether pseudo labels need what M_A makes of each frame."""
        return self.config.pseudo_labels in ("spatial-teacher", "ensemble")

    @torch.no_grad()
    def order_is_true(self, clip_BLE: Tensor, orders_BL: Tensor) -> Tensor:
        """Return whether clips (B, L, E), their places changed, are judged to be in true order, (B,) bool.

        orders_BL: which comes at each place. Raises ValueError without TPL.
        """
        order_B = self.temporal.order_of(reordered(self.students(clip_BLE, noise=False)[0], orders_BL))
        if order_B is None:
            raise ValueError("a network without TPL reads no order")
        return order_B > 0

    @torch.no_grad()
    def quiet_features(self, image: Tensor) -> Tensor:
        """Return branch A's features (N, E) of faces without gradient and without moving running statistics."""
        with frozen_statistics(self.spatial.trunk):
            features: Tensor = self.spatial.trunk(image)
        return features

    def by_branch(self, features_BLE: Tensor) -> tuple[Tensor, Tensor]:
        """Return branch A's and branch B's halves of `frame_features`."""
        width = self.spatial.trunk.width
        return features_BLE[..., :width], features_BLE[..., width : 2 * width]


def ensemble(spatial: Tensor, temporal: Tensor) -> Tensor:
    """Return the ensemble's logits, the mean of both branches' (reading, see `SpreaderPredictor`)."""
    return (spatial + temporal) / 2


def reordered(sequence_BLD: Tensor, orders_BL: Tensor) -> Tensor:
    """Return sequences whose place i holds what stood at orders_BL[:, i]."""
    return sequence_BLD.gather(1, orders_BL[..., None].expand_as(sequence_BLD))
