"""A network of evidence alone: the linear model of `evidence.linear`, and frozen features where there are any."""

import torch
from torch import Tensor

from ..evidence.vectors import VECTOR_WIDTH
from .classifier import NetworkConfig
from .evidence import EvidenceHead, Evident, joined
from .trunk import Trunk


class InstantNetwork(Evident):
    """Evidence (B, 2W + 1) → AU logits (B, A), without a trained weight but the head's.

    features: how many components of a trunk's features by facial area stand behind the face's own evidence (0: pixels
    are not looked at). Trunk and components are frozen.
    """

    evidence: EvidenceHead
    middle_D: Tensor  # noqa: N815 -- shape suffixes
    components_DF: Tensor  # noqa: N815

    def __init__(self, config: NetworkConfig, aus: int, *, features: int, level: int) -> None:
        super().__init__()
        self.trunk = Trunk(config, level).requires_grad_(False).eval() if features else None
        wide = 8 * self.trunk.area_width if self.trunk is not None else 0
        self.register_buffer("middle_D", torch.zeros(wide))
        self.register_buffer("components_DF", torch.zeros(wide, features))
        self.evidence = EvidenceHead(aus, person=config.evidence == "person", width=VECTOR_WIDTH + features)

    def train(self, mode: bool = True) -> "InstantNetwork":
        """Set training mode; the trunk stays in evaluation mode."""
        super().train(mode)
        if self.trunk is not None:
            self.trunk.eval()
        return self

    def trunk_features(self, image: Tensor, landmarks: Tensor) -> Tensor:
        """Return the eight areas' features side by side, (B, D)."""
        assert self.trunk is not None
        return self.trunk.by_area(image, landmarks).flatten(1)

    def frame_features(self, image: Tensor, landmarks: Tensor | None, vector: Tensor | None = None) -> Tensor:
        """Return the face's evidence and the components of its features, (B, W)."""
        if vector is None:
            vector = image.new_full((len(image), VECTOR_WIDTH), float("nan"))
        if self.trunk is None or landmarks is None:
            return vector
        seen = (self.trunk_features(image, landmarks).float() - self.middle_D) @ self.components_DF
        return torch.cat([vector, seen.to(vector.dtype)], dim=1)

    def from_windows(self, features_BLE: Tensor, reference: Tensor | None = None) -> Tensor:
        """Return AU logits (B, A) of `frame_features`, one frame a window; reference: (B, W + 1)."""
        logits: Tensor = self.evidence(joined(features_BLE[:, self.key], reference))
        return logits

    def forward(self, image: Tensor, landmarks: Tensor | None = None, evidence: Tensor | None = None) -> Tensor:
        """Return AU logits (B, A); evidence of a face alone, (B, 2 · VECTOR_WIDTH + 1), is completed from pixels."""
        return self.from_windows(*self._completed(image, landmarks, evidence))

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
