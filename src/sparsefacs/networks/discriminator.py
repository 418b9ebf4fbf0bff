"""The label-distribution discriminator (Adversarial, section 3.2)."""

from torch import Tensor, nn


class LabelDiscriminator(nn.Module):
    """A three-layer feed-forward network on N-vectors of AU labels or probabilities → one logit each (B,).

    Reading: the paper gives neither widths nor activations; here N → hidden → hidden → 1 with leaky ReLU.
    """

    def __init__(self, aus: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(aus, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, 1),
        )

    def forward(self, labels_BA: Tensor) -> Tensor:
        """Return the logit of "these are ground-truth labels" (B,) for label vectors (B, A) in 0–1."""
        logits: Tensor = self.layers(labels_BA).squeeze(-1)
        return logits
