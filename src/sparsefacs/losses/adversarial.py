"""The adversarial terms on AU label vectors (Adversarial, eqs 3 and 4), on the discriminator's logits."""

import torch.nn.functional as F
from torch import Tensor

from .reduction import global_mean, wide


def discriminator_loss(real_logits_B: Tensor, fake_logits_B: Tensor) -> Tensor:
    """Return −mean[log D(y^r)] − mean[log(1 − D(R(x)))] (eq. 3; Algorithm 1, line 6).

    −log σ(d) = softplus(−d) and −log(1 − σ(d)) = softplus(d). Means run over the faces of all processes.
    """
    real, fake = wide(real_logits_B), wide(fake_logits_B)
    return global_mean(F.softplus(-real)) + global_mean(F.softplus(fake))


def confusion_loss(fake_logits_B: Tensor) -> Tensor:
    """Return −mean[log D(R(x))], what the recogniser minimises instead of log(1 − D) (eq. 4; Algorithm 1, line 10)."""
    return global_mean(F.softplus(-wide(fake_logits_B)))
