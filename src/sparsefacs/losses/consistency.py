"""Losses of predictions against other predictions of the same faces: what MixMatch is compared with (WSRTL, IV-G).

All are written for one label of many classes; here every AU is a decision of its own between present and absent, and
means run over faces and AUs of all processes.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .reduction import difference, global_mean, known_only, wide


def fixmatch_loss(weak_logits: Tensor, strong_logits: Tensor, threshold: float) -> Tensor:
    """Return the cross-entropy of strong views with the hard pseudo labels of weak views that are sure enough.

    weak_logits, strong_logits: (B, A), row by row views of one face; threshold: τ of 0.5–1. Weak logits get no
    gradient. Source: Sohn et al. 2020 (FixMatch), eq. 4. Reading: an AU is sure where max(p, 1 − p) ≥ τ; entries that
    are not sure add nothing but are counted, as eq. 4 divides by all faces. Raises ValueError for shapes that differ.
    """
    probability = torch.sigmoid(wide(weak_logits.detach()))
    sure = torch.maximum(probability, 1 - probability) >= threshold
    present = (probability >= 0.5).to(probability.dtype)
    entropy = F.binary_cross_entropy_with_logits(known_only(wide(strong_logits), sure), present, reduction="none")
    return global_mean(known_only(entropy, sure))


def pseudo_label_loss(logits: Tensor, threshold: float = 0.5) -> Tensor:
    """Return the cross-entropy of logits with the hard labels they themselves give (Lee 2013).

    logits: (B, A); threshold: as in `fixmatch_loss`, and 0.5 takes every entry, as Lee does.
    """
    return fixmatch_loss(logits, logits, threshold)


def mean_teacher_loss(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Return the mean squared difference of student's and teacher's probabilities (Tarvainen, Valpola 2017, section 2).

    Both (B, A), row by row views of one face; the teacher gets no gradient. Raises ValueError for shapes that differ.
    """
    student, teacher = torch.sigmoid(wide(student_logits)), torch.sigmoid(wide(teacher_logits.detach()))
    return global_mean(difference(student, teacher) ** 2)


def cut_consistency_loss(logits_BA: Tensor, target_logits_BA: Tensor, au_B: Tensor) -> Tensor:
    """Return the mean squared difference of probabilities at the AU whose RoIs were pasted (WSRTL, IV-G; CutMix).

    logits_BA: (B, A) of faces with another face's RoIs; target_logits_BA: (B, A) of the faces the RoIs come from, which
    get no gradient; au_B: (B,) places of the AUs. Reading: a squared difference, as eq. 11 has it; the paper says only
    "the consistency loss".
    """
    at = au_B[:, None]
    return mean_teacher_loss(logits_BA.gather(1, at), target_logits_BA.gather(1, at))


def gaussian_ramp(step: float, length: float) -> float:
    """Return exp(−5 (1 − t/T)²) until step T = `length`, then 1: how a consistency's weight grows.

    Source: Laine, Aila 2017; Tarvainen, Valpola 2017. A length of 0 is no ramp.
    """
    return 1.0 if step >= length else math.exp(-5 * (1 - step / length) ** 2)
