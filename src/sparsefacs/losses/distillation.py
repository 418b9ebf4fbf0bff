"""Losses of Knowledge-Spreader (Li, Zhang, Wang, Yin; KS), section 3.1: equations 1–3 and 5; and of a fixed teacher.

Every AU is a distribution of its own over two classes, present and absent. Means run over the entries (faces × AUs) of
all processes; the paper sums AUs or not, its symbols are lost.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .reduction import difference, global_mean, known_only, labelled_mean, wide

MOST_WEIGHT = 20.0
"""Positive weights lie within 1 / MOST_WEIGHT and MOST_WEIGHT unless told otherwise (reading)."""


def bernoulli_kl(target_probabilities: Tensor, logits: Tensor, *, detach: bool = True) -> Tensor:
    """Return KL(t ‖ σ(z)) = t log(t / σ(z)) + (1 − t) log((1 − t) / (1 − σ(z))) of each entry, in their shape.

    target_probabilities: 0–1; logits: z, the same shape. Reading: the target is a constant (`detach`), as in the
    online distillation that KS follows; without it, gradients reach the target too. Raises ValueError for shapes that
    differ.
    """
    if target_probabilities.shape != logits.shape:
        raise ValueError(f"targets {tuple(target_probabilities.shape)} and logits {tuple(logits.shape)} differ")
    target, scores = wide(target_probabilities), wide(logits)
    if detach:
        target = target.detach()
    else:  # the slope of t log t has no end at 0
        margin = torch.finfo(target.dtype).eps
        target = target.clamp(margin, 1 - margin)
    entropy: Tensor = torch.special.entr(target) + torch.special.entr(1 - target)
    return -(target * F.logsigmoid(scores) + (1 - target) * F.logsigmoid(-scores)) - entropy


def ensemble_distillation(logits_a: Tensor, logits_b: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the two-way distillation of two networks by their mean (KS, eqs 1 and 2).

    Both (B, A). The soft target is the mean of both networks' probabilities at `temperature`; each network is drawn to
    it, and both means of KL are added. Factor: temperature², as in Hinton et al.; KS has temperature 1. Reading: KS
    pools "the outputs", which could be logits too; here the mean is of the two distributions.
    """
    scaled = [wide(logits) / temperature for logits in (logits_a, logits_b)]
    target = (torch.sigmoid(scaled[0]) + torch.sigmoid(scaled[1])) / 2
    return temperature**2 * (
        global_mean(bernoulli_kl(target, scaled[0])) + global_mean(bernoulli_kl(target, scaled[1]))
    )


def weighted_occurrence_loss(logits_BA: Tensor, occurrence_BA: Tensor, positive_weight_A: Tensor) -> Tensor:
    """Return −(w y log σ(z) + (1 − y) log(1 − σ(z))), averaged over the entries with a label (KS, eq. 3).

    logits_BA: (B, A); occurrence_BA: (B, A), −1 not labelled; positive_weight_A: w, (A,), see `positive_weights`.
    """
    known = occurrence_BA >= 0
    scores = known_only(wide(logits_BA), known)
    present = known_only(occurrence_BA.to(scores.dtype), known)
    weight_A = positive_weight_A.to(scores.dtype)
    entropy = F.binary_cross_entropy_with_logits(scores, present, pos_weight=weight_A, reduction="none")
    return labelled_mean(entropy, known)


def positive_weights(labels_MA: Tensor, most: float = MOST_WEIGHT) -> Tensor:
    """Return negatives / positives of each AU among labels (M, A) of 0, 1 and −1 (not labelled), (A,) float32.

    An AU of which either class is missing gets 1; all others lie within 1 / most and most. Source: KS,
    eq. 3; reading: the usual weight of "weighted BCE with logits", as the paper does not print it.
    """
    positives, negatives = (labels_MA > 0.5).sum(dim=0), (labels_MA == 0).sum(dim=0)
    weight = (negatives / positives.clamp(min=1)).clamp(1 / most, most)
    return torch.where((positives > 0) & (negatives > 0), weight, torch.ones_like(weight)).float()


def confirmed_pseudo_loss(logits: Tensor, pseudo_labels: Tensor, keep: Tensor) -> Tensor:
    """Return the cross-entropy of logits with hard pseudo labels, averaged over the entries that are kept (KS, eq. 5).

    logits, pseudo_labels: (B, L, A), labels 0 or 1; keep: bool, (B,) of clips, (B, L) of their frames or (B, L, A).
    What is not kept gets no gradient; 0 when nothing is. Reading: the mean is over what was kept, without positive
    weights. Raises ValueError for shapes that do not fit.
    """
    if logits.shape != pseudo_labels.shape or keep.shape != logits.shape[: keep.ndim]:
        shapes = ", ".join(str(tuple(part.shape)) for part in (logits, pseudo_labels, keep))
        raise ValueError(f"logits, pseudo labels and kept clips do not fit: {shapes}")
    kept = keep.reshape(*keep.shape, *[1] * (logits.ndim - keep.ndim)).expand_as(logits)
    scores = known_only(wide(logits), kept)
    entropy = F.binary_cross_entropy_with_logits(scores, pseudo_labels.to(scores.dtype), reduction="none")
    return labelled_mean(entropy, kept)


def taught_occurrence_loss(logits_BA: Tensor, teacher_BA: Tensor, temperature: float = 1.0) -> Tensor:
    """Return T² · KL(σ(t / T) ‖ σ(z / T)), summed over AUs and averaged over faces (Hinton et al. 2015, section 2).

    logits_BA: z, (B, A); teacher_BA: the teacher's logits t, (B, A), which get no gradient; temperature: T. The sum
    over AUs is that of `occurrence_loss`, so that weights of the two compare.
    """
    target_BA = torch.sigmoid(wide(teacher_BA) / temperature)
    divergence_BA = bernoulli_kl(target_BA, wide(logits_BA) / temperature)
    return temperature**2 * logits_BA.shape[1] * global_mean(divergence_BA)


def taught_intensity_loss(logits_BA: Tensor, teacher_BA: Tensor) -> Tensor:
    """Return (σ(z) − σ(t))², summed over AUs and averaged over faces: `intensity_loss` with a teacher's intensities.

    logits_BA: z, (B, A); teacher_BA: the teacher's logits t, (B, A), which get no gradient.
    """
    target_BA = torch.sigmoid(wide(teacher_BA)).detach()
    return logits_BA.shape[1] * global_mean(difference(torch.sigmoid(wide(logits_BA)), target_BA) ** 2)
