"""The plain AU network: a backbone on the whole face and one fully connected layer (Adversarial, section 3.2)."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..evidence.vectors import VECTOR_WIDTH
from .backbone import check_side, create_backbone
from .config import NetworkConfig
from .evidence import Evident, completed, evidence_head, joined
from .pixels import LOUDEST


@dataclass(frozen=True)
class Recognised:
    """All that a recogniser makes of B faces in one pass.

    logits_BA: AU logits. maps_BCHW: the deepest feature map of the trunk (WSRTL's global feature maps).
    attended_BASD: each AU's RoI feature by side after the relation module, (B, A, 2, d); None where there are no RoIs.
    """

    logits_BA: Tensor  # noqa: N815
    maps_BCHW: Tensor  # noqa: N815
    attended_BASD: Tensor | None = None  # noqa: N815


class Recogniser(Evident):
    """What any recogniser answers: faces (B, 3, S, S) in 0–1 with landmarks (B, 68, 2) in their pixels → AU logits.

    evidence: (B, 2W + 1), as of `evidence.linear.evidence_of`, where the network looks at it; without it pixels alone
    answer. What a kind of recogniser does with pixels is in `see`.
    """

    map_width: int
    """Channels of the deepest feature map."""
    said: "AUClassifier | None"
    """Pixels of a coder that the network began from, kept as they are: what they say is evidence."""

    def lay(self, config: NetworkConfig, aus: int) -> None:
        """Lay evidence under the network, and a coder where `config` names one."""
        self.said = coder_pixels(config) if config.evidence != "pixels" else None
        answers = 0 if self.said is None else self.said.head.out_features
        self.evidence = evidence_head(config.evidence, aus, answers)

    def train(self, mode: bool = True) -> "Recogniser":
        """Set training mode; a coder beneath stays in evaluation mode."""
        super().train(mode)
        if (beneath := getattr(self, "said", None)) is not None:  # a constructor may ask before it is laid
            beneath.eval()
        return self

    def answers_beneath(self, image: Tensor) -> Tensor:
        """Return what a coder beneath says of faces, (B, said)."""
        assert self.said is not None
        with torch.no_grad():
            return self.said.pixel_logits(image).clamp(-LOUDEST, LOUDEST)

    def whole(self, image: Tensor, evidence: Tensor | None) -> Tensor | None:
        """Return evidence that lacks what a coder beneath says with it; what is whole, or None, as it is."""
        if self.said is None or self.evidence is None or evidence is None:
            return evidence
        if evidence.shape[1] == 2 * self.evidence.width + 1:
            return evidence
        return completed(evidence, self.evidence.width, self.answers_beneath(image))

    def see(self, image: Tensor, landmarks: Tensor) -> Recognised:
        """Return logits of the pixels alone, deepest map and attended RoI features of one pass."""
        raise NotImplementedError

    def pixel_logits(self, image: Tensor, landmarks: Tensor | None) -> Tensor:
        """Return AU logits (B, A) of the pixels alone."""
        assert landmarks is not None
        return self.see(image, landmarks).logits_BA

    def recognise(self, image: Tensor, landmarks: Tensor, evidence: Tensor | None = None) -> Recognised:
        """Return logits, deepest map and attended RoI features of one pass."""
        seen = self.see(image, landmarks)
        return replace(seen, logits_BA=self.added(seen.logits_BA, self.whole(image, evidence)))

    def maps(self, image: Tensor) -> Tensor:
        """Return the deepest feature map alone, (B, map_width, h, w)."""
        raise NotImplementedError

    def pixel_features(self, image: Tensor, landmarks: Tensor | None = None) -> Tensor:
        """Return what the last layer sees of a face's pixels, (B, D)."""
        raise NotImplementedError

    def features(self, image: Tensor, landmarks: Tensor | None = None, evidence: Tensor | None = None) -> Tensor:
        """Return one feature vector a face, (B, D): of its pixels, and its evidence where the network looks at it."""
        pixels = self.pixel_features(image, landmarks)
        if self.evidence is None:
            return pixels
        evidence = self.whole(image, evidence)
        if evidence is None:
            evidence = joined(pixels.new_full((len(pixels), self.evidence.width), float("nan")), None)
        return torch.cat([pixels, self.evidence.representation(evidence).to(pixels.dtype)], dim=1)

    def forward(self, image: Tensor, landmarks: Tensor | None = None, evidence: Tensor | None = None) -> Tensor:
        """Return AU logits (B, A)."""
        return self.added(self.pixel_logits(image, landmarks), self.whole(image, evidence))

    def frame_features(self, image: Tensor, landmarks: Tensor | None, vector: Tensor | None = None) -> Tensor:
        """Return the pixels' logits and the evidence vector (B, W), (B, A + W)."""
        if self.said is not None:
            known = image.new_full((len(image), VECTOR_WIDTH), float("nan")) if vector is None else vector
            vector = torch.cat([known, self.answers_beneath(image).to(known.dtype)], dim=1)
        return self.with_vector(self.pixel_logits(image, landmarks), vector)

    def from_windows(self, features_BLE: Tensor, reference: Tensor | None = None) -> Tensor:
        """Return AU logits (B, A) of `frame_features`, one frame a window; reference: (B, W + 1)."""
        features = features_BLE[:, self.key]
        if self.evidence is None:
            return features
        logits, vector = features[:, : -self.known], features[:, -self.known :]
        return self.added(logits, joined(vector, reference))


class AUClassifier(Recogniser):
    """Aligned faces (B, 3, S, S) in 0–1 → AU logits (B, A); normalisation is part of the network."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: NetworkConfig, aus: int) -> None:
        super().__init__()
        self.backbone, width, mean, deviation = create_backbone(config.backbone, config.init, config.options)
        check_side(self.backbone, config.backbone, self.backbone_side(config))
        self.map_width = int(self._timm.num_features)  # MobileNetV3 and others pool first and widen then
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1))
        self.cells = config.pool == "cells"
        self.dropout = nn.Dropout(config.dropout)
        self.lay(config, aus)
        self.head = nn.Linear(self._cells_width(self.backbone_side(config)) if self.cells else width, aus)

    def _cells_width(self, side: int) -> int:
        """Return how many numbers the last map of a picture of `side` pixels holds."""
        training = self.training
        with torch.no_grad():
            last = self.eval().maps(torch.zeros(1, 3, side, side))
        self.train(training)
        return last[0].numel()

    @staticmethod
    def backbone_side(config: NetworkConfig) -> int:
        """Return the side of what the backbone sees, pixels."""
        return config.input_size

    def depths(self) -> dict[nn.Parameter, int]:
        """Return how many layers each parameter lies below the last norm and layer; none where there are no blocks.

        The last block is 1 below, the patches' embedding and its positions one below the first block.
        """
        blocks = getattr(self.backbone, "blocks", None)
        if not isinstance(blocks, nn.Sequential) or not hasattr(self.backbone, "patch_embed"):
            return {}
        below = dict.fromkeys(self.parameters(), 0)
        first = ("patch_embed", "norm_pre", "cls_token", "reg_token", "pos_embed")
        for name, parameter in self.backbone.named_parameters():
            part, _, rest = name.partition(".")
            if part in first:
                below[parameter] = len(blocks) + 1
            elif part == "blocks":
                below[parameter] = len(blocks) - int(rest.partition(".")[0])
        return below

    @property
    def _timm(self) -> Any:
        return self.backbone  # a timm model, which types as a bare module

    def _normal(self, image: Tensor) -> Tensor:
        return ((image - self.mean) / self.deviation).contiguous(memory_format=torch.channels_last)

    def pixel_features(self, image: Tensor, landmarks: Tensor | None = None) -> Tensor:
        """Return what the last layer sees of faces (B, 3, S, S) in 0–1, (B, D); landmarks are what others need."""
        del landmarks
        if self.cells:
            return self.maps(image).flatten(1)
        pooled: Tensor = self.backbone(self._normal(image))
        return pooled

    def pixel_logits(self, image: Tensor, landmarks: Tensor | None = None) -> Tensor:
        """Return AU logits (B, A) of faces (B, 3, S, S) in 0–1; landmarks are what other networks need."""
        logits: Tensor = self.head(self.dropout(self.pixel_features(image, landmarks)))
        return logits

    def maps(self, image: Tensor) -> Tensor:
        """Return the backbone's last feature map (B, map_width, h, w); the patches of a transformer lie as in a map."""
        return self._as_map(self._timm.forward_features(self._normal(image)))

    def see(self, image: Tensor, landmarks: Tensor) -> Recognised:
        """Return the logits of the pixels and the map they were made of."""
        del landmarks
        last: Tensor = self._timm.forward_features(self._normal(image))
        maps = self._as_map(last)
        pooled: Tensor = maps.flatten(1) if self.cells else self._timm.forward_head(last, pre_logits=True)
        return Recognised(self.head(self.dropout(pooled)), maps)

    def _as_map(self, last: Tensor) -> Tensor:
        """Return what timm's `forward_features` gave as (B, C, h, w)."""
        if last.ndim == 3:  # a class token and patches, row by row
            patches = last[:, getattr(self.backbone, "num_prefix_tokens", 0) :]
            faces, count, width = patches.shape
            return patches.transpose(1, 2).reshape(faces, width, math.isqrt(count), -1)
        return last.permute(0, 3, 1, 2) if getattr(self.backbone, "output_fmt", "NCHW") == "NHWC" else last


def coder_pixels(config: NetworkConfig) -> AUClassifier | None:
    """Return the pixels of the coder that `config` names beneath, of random weights and frozen; None for none."""
    if not config.beneath:
        return None
    its = NetworkConfig.model_validate(config.beneath["network"]).model_copy(update={"evidence": "pixels"})
    return AUClassifier(its, int(config.beneath["said"])).requires_grad_(False).eval()
