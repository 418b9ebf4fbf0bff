"""A network of evidence alone: the linear model of `evidence.linear`, on frozen features too where there are any.

Features are components of a pre-training's trunk, or what the pixels of a coder say (`methods.coder`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..evidence.vectors import VECTOR_WIDTH
from .answers import network_input
from .classifier import AUClassifier
from .config import NetworkConfig
from .evidence import EvidenceHead, Evident, HeldActivity, completed, joined
from .pixels import LOUDEST
from .trunk import Trunk


class InstantNetwork(Evident):
    """Evidence (B, 2W + 1) → AU logits (B, A), without a trained weight but the head's.

    features: how many components of a trunk's features by facial area stand behind the face's own evidence. said: how
    many answers of a coder's pixels do. 0 of both: pixels are not looked at. Trunk, components and pixels are frozen.
    further: how many intensities are told beside the A logits of `forward`.
    """

    evidence: EvidenceHead
    middle_D: Tensor  # noqa: N815 -- shape suffixes
    components_DF: Tensor  # noqa: N815

    def __init__(
        self, config: NetworkConfig, aus: int, *, features: int = 0, level: int = 3, said: int = 0, further: int = 0
    ) -> None:
        super().__init__()
        self.aus, self.further = aus, further
        self.trunk = Trunk(config, level).requires_grad_(False).eval() if features else None
        wide = 8 * self.trunk.area_width if self.trunk is not None else 0
        self.register_buffer("middle_D", torch.zeros(wide))
        self.register_buffer("components_DF", torch.zeros(wide, features))
        self.pixels = _pixels(config, said).requires_grad_(False).eval() if said else None
        width = VECTOR_WIDTH + features + said
        self.evidence = EvidenceHead(aus + further, person=config.evidence == "person", width=width)
        self.activity = HeldActivity(width, aus)

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

    def trunk_weights(self) -> dict[str, Tensor]:
        """Return the trunk's weights by name."""
        assert self.trunk is not None
        return dict(self.trunk.state_dict())

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
        """Return AU logits (B, A); evidence that lacks what pixels say of the face is `completed` from them."""
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
        own = self.frame_features(image, landmarks, evidence[:, :VECTOR_WIDTH])
        whole = completed(evidence, width, own[:, VECTOR_WIDTH:])
        return own[:, None], whole[:, width:]


def _pixels(config: NetworkConfig, said: int) -> AUClassifier:
    """Return the network of a coder's pixels, `said` answers of random weights."""
    return AUClassifier(config.model_copy(update={"evidence": "pixels", "init": "none"}), said)


class TorchPixels:
    """A coder's pixels as torch runs them, where they lie: while they are trained, or where `pixels.Pixels` cannot."""

    def __init__(self, network: AUClassifier, config: NetworkConfig) -> None:
        self._network, self.config = network, config
        self.said = len(network.head.bias)

    @property
    def weights(self) -> dict[str, NDArray[Any]]:
        """The network's weights by name."""
        return {name: value.detach().cpu().numpy() for name, value in self._network.state_dict().items()}

    def __call__(self, faces_BHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the pixels of stored faces (B, size, size, 3) say, (B, said), within ±LOUDEST."""
        nowhere = np.zeros((len(faces_BHWC), 68, 2), np.float32)  # which a plain network does not look at
        with torch.inference_mode():
            image, points = network_input(faces_BHWC, nowhere, self.config, self._network.mean.device)
            said: Tensor = self._network(image, points)
            return np.asarray(said.float().clamp(-LOUDEST, LOUDEST).cpu().numpy())


def torch_pixels(weights: Mapping[str, NDArray[Any]], config: NetworkConfig) -> TorchPixels:
    """Return pixels of these weights on the CPU; raises RuntimeError where they do not fit."""
    with torch.random.fork_rng(devices=[]):
        network = _pixels(config, len(weights["head.bias"])).eval()
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    return TorchPixels(network, config)
