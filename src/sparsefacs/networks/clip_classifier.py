"""A network that codes a clip by the mean of its frames' features; a frame is coded by the clip round it."""

from torch import Tensor, nn

from .classifier import AUClassifier, NetworkConfig


class ClipClassifier(nn.Module):
    """Frames (N, 3, S, S) in 0–1 → features → AU logits (B, A) of windows of `clip_length` frames.

    key: the place at which a frame is coded within its window.
    """

    def __init__(self, config: NetworkConfig, aus: int, clip_length: int) -> None:
        super().__init__()
        self.clip_length, self.key = clip_length, clip_length // 2
        self.frames = AUClassifier(config, aus)

    def frame_features(self, image: Tensor, landmarks: Tensor | None = None) -> Tensor:
        """Return pooled features (N, E) of faces."""
        return self.frames.features(image, landmarks)

    def from_windows(self, features_BLE: Tensor) -> Tensor:
        """Return AU logits (B, A) of windows (B, L, E), any L."""
        logits: Tensor = self.frames.head(self.frames.dropout(features_BLE.mean(dim=1)))
        return logits

    def features(self, image: Tensor, landmarks: Tensor | None = None) -> Tensor:
        """Return one feature a face, (N, E)."""
        return self.frame_features(image, landmarks)

    def forward(self, image: Tensor, landmarks: Tensor | None = None) -> Tensor:
        """Return AU logits (N, A) of single faces, each as a clip that stands still."""
        return self.from_windows(self.frame_features(image, landmarks)[:, None])

    def at_two_speeds(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, A) of clips, frame after frame in `image` (B·L, 3, S, S): all frames, and every second."""
        features_NE = self.frame_features(image)
        features_BLE = features_NE.view(-1, self.clip_length, features_NE.shape[-1])
        return self.from_windows(features_BLE), self.from_windows(features_BLE[:, ::2])
