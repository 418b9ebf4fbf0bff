"""A network of evidence alone: the linear model of `evidence.linear`, on frozen features too where there are any.

Features are components of a pre-training's trunk, or what the pixels of a coder say (`methods.coder`).
"""

import torch
from torch import Tensor

from ..evidence.vectors import VECTOR_WIDTH
from .classifier import AUClassifier, NetworkConfig
from .evidence import EvidenceHead, Evident, joined
from .trunk import Trunk

LOUDEST = 6.0
"""Logits beyond which a coder's pixels say no more: on faces unlike those they learned from they are too sure."""


class InstantNetwork(Evident):
    """Evidence (B, 2W + 1) → AU logits (B, A), without a trained weight but the head's.

    features: how many components of a trunk's features by facial area stand behind the face's own evidence. said: how
    many answers of a coder's pixels do. 0 of both: pixels are not looked at. Trunk, components and pixels are frozen.
    further: how many intensities are told beside the A logits of `forward`. expected_A: while it is trained from a
    coder, how often that finds each AU on the training people's faces, no label read; NaN otherwise.
    """

    evidence: EvidenceHead
    middle_D: Tensor  # noqa: N815 -- shape suffixes
    components_DF: Tensor  # noqa: N815
    expected_A: Tensor  # noqa: N815

    def __init__(
        self, config: NetworkConfig, aus: int, *, features: int = 0, level: int = 3, said: int = 0, further: int = 0
    ) -> None:
        super().__init__()
        self.aus, self.further = aus, further
        self.trunk = Trunk(config, level).requires_grad_(False).eval() if features else None
        wide = 8 * self.trunk.area_width if self.trunk is not None else 0
        self.register_buffer("middle_D", torch.zeros(wide))
        self.register_buffer("components_DF", torch.zeros(wide, features))
        alone = config.model_copy(update={"evidence": "pixels", "init": "none"})
        self.pixels = AUClassifier(alone, said).requires_grad_(False).eval() if said else None
        self.register_buffer("expected_A", torch.full((aus,), float("nan")), persistent=False)
        width = VECTOR_WIDTH + features + said
        self.evidence = EvidenceHead(aus + further, person=config.evidence == "person", width=width)

    def train(self, mode: bool = True) -> "InstantNetwork":
        """Set training mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        for frozen in (self.trunk, self.pixels):
            if frozen is not None and not any(each.requires_grad for each in frozen.parameters()):
                frozen.eval()
        return self

    def trunk_features(self, image: Tensor, landmarks: Tensor) -> Tensor:
        """Return the eight areas' features side by side, (B, D)."""
        assert self.trunk is not None
        return self.trunk.by_area(image, landmarks).flatten(1)

    def frame_features(self, image: Tensor, landmarks: Tensor | None, vector: Tensor | None = None) -> Tensor:
        """Return the face's evidence, the components of its features and what a coder's pixels say, (B, W)."""
        if vector is None:
            vector = image.new_full((len(image), VECTOR_WIDTH), float("nan"))
        parts = [vector]
        if self.trunk is not None and landmarks is not None:
            seen = (self.trunk_features(image, landmarks).float() - self.middle_D) @ self.components_DF
            parts.append(seen.to(vector.dtype))
        if self.pixels is not None:
            parts.append(self.pixels(image, landmarks).clamp(-LOUDEST, LOUDEST).to(vector.dtype))
        return torch.cat(parts, dim=1)

    def from_windows(self, features_BLE: Tensor, reference: Tensor | None = None) -> Tensor:
        """Return logits (B, A + further) of `frame_features`, one frame a window; reference: (B, W + 1)."""
        logits: Tensor = self.evidence(joined(features_BLE[:, self.key], reference))
        return logits

    def forward(self, image: Tensor, landmarks: Tensor | None = None, evidence: Tensor | None = None) -> Tensor:
        """Return AU logits (B, A); evidence of a face alone, (B, 2 · VECTOR_WIDTH + 1), is completed from pixels."""
        return self.from_windows(*self._completed(image, landmarks, evidence))[:, : self.aus]

    def features(self, image: Tensor, landmarks: Tensor | None = None, evidence: Tensor | None = None) -> Tensor:
        """Return a face's numbers in their measure and their difference to the person, (B, 2W)."""
        features_B1E, reference = self._completed(image, landmarks, evidence)
        return self.evidence.representation(joined(features_B1E[:, 0], reference))

    def _completed(
        self, image: Tensor, landmarks: Tensor | None, evidence: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        width = self.evidence.width
        if evidence is None:
            return self.frame_features(image, landmarks)[:, None], None
        if evidence.shape[1] == 2 * width + 1:
            return evidence[:, None, :width], evidence[:, width:]
        own, reference = evidence[:, :VECTOR_WIDTH], evidence[:, VECTOR_WIDTH : 2 * VECTOR_WIDTH]
        unknown = evidence.new_full((len(evidence), width - VECTOR_WIDTH), float("nan"))
        whole = torch.cat([reference, unknown, evidence[:, -1:]], dim=1)
        return self.frame_features(image, landmarks, own)[:, None], whole
