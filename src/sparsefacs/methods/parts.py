"""The parts of a weakly supervised method: what a step hands them, and what they give back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn

from ..data.batches import Batch
from ..losses.consistency import gaussian_ramp
from .chance import Chance


@dataclass(frozen=True)
class Drawn:
    """The faces of one step, the same for all its updates (WSRTL, Algorithm 1, lines 3 and 4).

    first, second: views of the faces without labels; None where there are none, or one view is enough. steps: how
    many there are in the whole training.
    """

    labelled: Batch
    first: Batch | None
    second: Batch | None
    step: int
    chance: Chance
    steps: int = 0

    def grown(self, share: float) -> float:
        """Return how far a weight has grown by now that grows over the first `share` of the training, up to 1."""
        return gaussian_ramp(self.step, round(share * self.steps))


@dataclass(frozen=True)
class Contribution:
    """A part's weighted loss and its terms to log.

    logits, occurrence: predictions (B, A) on further views of labelled faces with their labels, −1 left out, that the
    supervised loss is to take in.
    """

    loss: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)
    logits: Tensor | None = None
    occurrence: Tensor | None = None


class Part(nn.Module):
    """A way to learn from faces without labels."""

    two_views: ClassVar[bool] = False
    """Whether it wants them in two random views."""
    needs_flow: ClassVar[bool] = False
    """Whether it learns from optical flow."""
