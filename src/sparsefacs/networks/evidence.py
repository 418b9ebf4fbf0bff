"""Evidence under a network: AU logits of face geometry, blendshapes and the person, added to what pixels say.

The weights are learned before the first step of a training (`evidence.fitting`) and stay as they are: the network
learns what they leave. They are buffers, so that they travel with a model but no optimiser moves them.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ..evidence.activity import Activity
from ..evidence.linear import LinearEvidence, evidence_logits, standardised
from ..evidence.vectors import VECTOR_WIDTH
from .config import EvidenceUse


class EvidenceHead(nn.Module):
    """Evidence (B, 2W + 1), as of `evidence.linear.evidence_of`, → AU logits (B, A).

    width: W, VECTOR_WIDTH numbers of the face's own evidence and any further features. Answers 0 until it has `take`n
    weights. gain: what the pixels' logits are multiplied by beside it; 1 in a training, found at its end
    (`engine.evidence.weigh_pixels`).
    """

    mean_E: Tensor  # noqa: N815
    scale_E: Tensor  # noqa: N815
    changed_E: Tensor  # noqa: N815
    face_EA: Tensor  # noqa: N815
    face_A: Tensor  # noqa: N815
    own_EA: Tensor  # noqa: N815
    change_EA: Tensor  # noqa: N815
    person_A: Tensor  # noqa: N815
    gain: Tensor

    def __init__(self, aus: int, *, person: bool, width: int = VECTOR_WIDTH) -> None:
        super().__init__()
        self.person, self.width = person, width
        for name, values in LinearEvidence.blank(width, aus).arrays().items():
            self.register_buffer(name, torch.from_numpy(values))
        self.register_buffer("gain", torch.ones(()))

    def take(self, weights: LinearEvidence) -> None:
        """Take learned weights."""
        for name, values in weights.arrays().items():
            getattr(self, name).copy_(torch.from_numpy(values))

    def forward(self, evidence: Tensor) -> Tensor:
        """Return AU logits (B, A)."""
        with torch.autocast(evidence.device.type, enabled=False):
            logits: Tensor = evidence_logits(evidence.float(), self, torch)
        return logits

    def representation(self, evidence: Tensor) -> Tensor:
        """Return a face's numbers in their measure and their difference to the person, (B, 2W)."""
        own, change, trust = standardised(evidence, self, torch)
        return torch.cat([own, trust * change], dim=1)


class HeldActivity(nn.Module):
    """An `evidence.activity.Activity` that travels with a network; blank until it is told, and in older files."""

    def __init__(self, width: int, aus: int) -> None:
        super().__init__()
        for name, values in Activity.blank(width, aus).arrays().items():
            self.register_buffer(name, torch.from_numpy(values))

    def told(self) -> Activity:
        """Return it as arrays."""
        return Activity(**{name: value.cpu().numpy() for name, value in self.named_buffers()})

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name, value in self.named_buffers():
            state_dict.setdefault(f"{prefix}{name}", value)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def evidence_head(use: EvidenceUse, aus: int, said: int = 0) -> EvidenceHead | None:
    """Return the head of a network that sees `use`, and `said` answers of a coder; None where it sees pixels alone."""
    return None if use == "pixels" else EvidenceHead(aus, person=use == "person", width=VECTOR_WIDTH + said)


def completed(evidence: Tensor, width: int, said: Tensor) -> Tensor:
    """Return evidence of a face alone with what pixels say of it, (B, 2 · width + 1), for a head of `width` numbers.

    evidence: the face's VECTOR_WIDTH numbers, and its person's reference: of `width` numbers, or of VECTOR_WIDTH where
    what pixels say of the person's other faces is not known.
    """
    own, reference = evidence[:, :VECTOR_WIDTH], evidence[:, VECTOR_WIDTH:-1]
    unknown = evidence.new_full((len(evidence), width - reference.shape[1]), float("nan"))
    return torch.cat([own, said.to(evidence.dtype), reference, unknown, evidence[:, -1:]], dim=1)


def joined(vector: Tensor, reference: Tensor | None) -> Tensor:
    """Return evidence (B, 2W + 1) of vectors (B, W) and references (B, W + 1); None: nothing is known of the person."""
    if reference is None:
        unknown = torch.full_like(vector, float("nan"))
        return torch.cat([vector, unknown, vector.new_zeros(len(vector), 1)], dim=1)
    return torch.cat([vector, reference.to(vector.dtype)], dim=1)


class Evident(nn.Module):
    """A network that codes faces, with or without evidence under it: what inference asks of any of them.

    `frame_features` is all that is done a face; `from_windows` answers from it, for `clip_length` frames of which the
    one at place `key` is coded, once the person's reference is known. The last `known` numbers of a face's features are
    those that its person's reference is made of.
    """

    clip_length: int = 1
    key: int = 0
    further: int = 0
    """How many intensities `from_windows` tells behind the AUs' own answers."""
    evidence: EvidenceHead | None

    @property
    def known(self) -> int:
        """How many of a face's features are evidence, 0 where there is none."""
        return 0 if self.evidence is None else self.evidence.width

    def added(self, logits: Tensor, evidence: Tensor | None) -> Tensor:
        """Return logits (B, A) with those of the evidence (B, 2W + 1) added, where there is any."""
        if self.evidence is None or evidence is None:
            return logits
        known: Tensor = self.evidence(evidence)
        return logits * self.evidence.gain.to(logits.dtype) + known.to(logits.dtype)

    def with_vector(self, features: Tensor, vector: Tensor | None) -> Tensor:
        """Return features (B, E) with the evidence vector (B, W) behind them where the network looks at it."""
        if self.evidence is None:
            return features
        if vector is None:
            vector = features.new_full((len(features), self.evidence.width), float("nan"))
        return torch.cat([features, vector.to(features.dtype)], dim=1)

    def frame_features(self, image: Tensor, landmarks: Tensor | None, vector: Tensor | None = None) -> Tensor:
        """Return what is made of each face by itself, (B, E)."""
        raise NotImplementedError

    def from_windows(self, features_BLE: Tensor, reference: Tensor | None = None) -> Tensor:
        """Return logits (B, A + further) of the key frames of windows (B, L, E); reference: (B, W + 1)."""
        raise NotImplementedError
