"""Supervised losses on AU occurrence and intensity; unlabelled entries never contribute."""

import torch
from torch import Tensor

from .reduction import cross_entropy, labelled_mean, wide


def occurrence_loss(logits_BA: Tensor, occurrence_BA: Tensor) -> Tensor:
    """Return the cross-entropy summed over AUs and averaged over faces (Adversarial, eq. 5, inside eq. 4).

    logits_BA: (B, A); occurrence_BA: (B, A), −1 unlabelled. With missing entries the sum over A AUs becomes
    A times the mean over all labelled entries of all processes, which is the same when nothing is missing.
    """
    return logits_BA.shape[1] * cross_entropy(logits_BA, occurrence_BA)


def intensity_loss(logits_BA: Tensor, intensity_BA: Tensor) -> Tensor:
    """Return the squared error of sigmoid outputs to intensities / 5, summed over AUs, averaged over faces.

    intensity_BA: (B, A) 0–5, NaN unlabelled. Source: MAE-Face, eq. 3 (labels scaled to 0–1).
    """
    labelled = ~torch.isnan(intensity_BA)
    target = torch.nan_to_num(intensity_BA) / 5
    error = (torch.sigmoid(wide(logits_BA)) - target) ** 2
    return logits_BA.shape[1] * labelled_mean(error, labelled)
