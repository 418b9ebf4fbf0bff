"""MixMatch for many AUs at a time: sharpen, mix, and learn from the mixtures (WSRTL, eqs 10 and 11).

Berthelot, Carlini, Goodfellow, Papernot, Oliver, Raffel: MixMatch: A Holistic Approach to Semi-Supervised Learning,
NeurIPS 2019 (cited as MixMatch).
"""

import numpy as np
import torch
from torch import Tensor

from .reduction import cross_entropy, known_only, labelled_mean, wide


def sharpened(logits: Tensor, temperature: float) -> Tensor:
    """Return σ(g / T), the label guessed of a face without one (WSRTL, eq. 10).

    logits: any shape; temperature: T of 0–1, above 0; 1 leaves the probability as it is.
    """
    return torch.sigmoid(wide(logits) / temperature)


def beta_weights(generator: np.random.Generator, count: int, alpha: float) -> Tensor:
    """Return λ′ = max(λ, 1 − λ) of `count` draws λ ~ Beta(α, α), so that a mixture stays nearer its first part.

    (count,) float64, 0.5–1. Source: MixMatch, eqs 8 and 9. Raises ValueError unless α > 0.
    """
    drawn = generator.beta(alpha, alpha, count)
    return torch.from_numpy(np.maximum(drawn, 1 - drawn))


def mixup(values: Tensor, partners: Tensor, lambda_B: Tensor) -> Tensor:
    """Return λ′ · values + (1 − λ′) · partners, row by row (MixMatch, eq. 10).

    values, partners: (B, ...), the same shape; lambda_B: (B,). Raises ValueError for shapes that do not fit.
    """
    if values.shape != partners.shape or lambda_B.shape != values.shape[:1]:
        shapes = [tuple(part.shape) for part in (values, partners, lambda_B)]
        raise ValueError(f"values, partners and weights of shapes {shapes} cannot be mixed row by row")
    share = lambda_B.to(wide(values)).view(-1, *[1] * (values.ndim - 1))
    return share * wide(values) + (1 - share) * wide(partners)


def mixed_labels(labels_BA: Tensor, partner_labels_BA: Tensor, lambda_B: Tensor) -> Tensor:
    """Return labels mixed as their faces are, −1 where either has none (MixMatch, eq. 11).

    labels_BA, partner_labels_BA: (B, A), 0–1, −1 or NaN where there is none; lambda_B: (B,). Reading: neither paper has
    missing labels; a mixture of a known and an unknown label is unknown.
    """
    known = (labels_BA >= 0) & (partner_labels_BA >= 0)
    return torch.where(known, mixup(labels_BA, partner_labels_BA, lambda_B), -1.0)


def mixmatch_losses(
    labelled_logits: Tensor, labelled_targets: Tensor, unlabelled_logits: Tensor, unlabelled_targets: Tensor
) -> tuple[Tensor, Tensor]:
    """Return L_L′ and L_U′: cross-entropy with mixed labels, and squared error of probabilities (WSRTL, eq. 11).

    Logits and targets of a kind: (B, A); targets 0–1, −1 or NaN where there is none. Targets get no gradient. Readings:
    ‖·‖² is of probabilities, as in MixMatch, eq. 4; both are means over known entries of all processes, AUs included,
    as MixMatch divides by its number of classes.
    """
    known = unlabelled_targets >= 0
    probability = torch.sigmoid(known_only(wide(unlabelled_logits), known))
    error = (probability - known_only(unlabelled_targets.detach().to(probability.dtype), known)) ** 2
    return cross_entropy(labelled_logits, labelled_targets.detach()), labelled_mean(error, known)
