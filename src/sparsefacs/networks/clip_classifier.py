"""A network that codes a clip by the mean of its frames' features; a frame is coded by the clip round it."""

import torch
from torch import Tensor

from .classifier import AUClassifier
from .config import NetworkConfig
from .evidence import Evident, evidence_head, joined


class ClipClassifier(Evident):
    """Frames (N, 3, S, S) in 0–1 → features → AU logits (B, A) of windows of `clip_length` frames.

    key: the place at which a frame is coded within its window.
    """

    def __init__(self, config: NetworkConfig, aus: int, clip_length: int) -> None:
        super().__init__()
        self.clip_length, self.key = clip_length, clip_length // 2
        self.frames = AUClassifier(config.model_copy(update={"evidence": "pixels"}), aus)
        self.evidence = evidence_head(config.evidence, aus)

    def frame_features(self, image: Tensor, landmarks: Tensor | None = None, vector: Tensor | None = None) -> Tensor:
        """Return pooled features (N, E) of faces, their evidence behind them."""
        return self.with_vector(self.frames.pixel_features(image, landmarks), vector)

    def from_windows(self, features_BLE: Tensor, reference: Tensor | None = None) -> Tensor:
        """Return AU logits (B, A) of windows (B, L, E), any L; the evidence is that of their middle frame."""
        pooled = features_BLE[..., : features_BLE.shape[-1] - self.known]
        logits: Tensor = self.frames.head(self.frames.dropout(pooled.mean(dim=1)))
        if self.evidence is None:
            return logits
        middle = features_BLE[:, features_BLE.shape[1] // 2, -self.known :]
        return self.added(logits, joined(middle, reference))

    def features(self, image: Tensor, landmarks: Tensor | None = None, evidence: Tensor | None = None) -> Tensor:
        """Return one feature a face, (N, E)."""
        features = self.frames.pixel_features(image, landmarks)
        if self.evidence is None or evidence is None:
            return features
        return torch.cat([features, self.evidence.representation(evidence).to(features.dtype)], dim=1)

    def forward(self, image: Tensor, landmarks: Tensor | None = None, evidence: Tensor | None = None) -> Tensor:
        """Return AU logits (N, A) of single faces, each as a clip that stands still."""
        pooled = self.frames.pixel_features(image, landmarks)
        logits: Tensor = self.frames.head(self.frames.dropout(pooled))
        return self.added(logits, evidence)

    def of_clips(self, image: Tensor, length: int, evidence: Tensor | None = None) -> Tensor:
        """Return AU logits (B, A) of clips of `length` frames.

        image: (B · length, 3, S, S), clip after clip; evidence: (B, 2W + 1), of each clip's key frame.
        """
        features_NE = self.frames.pixel_features(image)
        pooled_BE = features_NE.view(-1, length, features_NE.shape[-1]).mean(dim=1)
        return self.added(self.frames.head(self.frames.dropout(pooled_BE)), evidence)
