"""Sums that divide by the count over all processes, so that a loss means the same on one process and on many.

Each process divides its own sum by the global count; gradients are then added, not averaged, across processes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def global_sum(value: Tensor) -> Tensor:
    """Return `value` added over all processes, without gradient; on one process, `value` itself."""
    total = value.detach().clone()
    if process_count() > 1:
        torch.distributed.all_reduce(total)
    return total


def labelled_mean(values: Tensor, labelled: Tensor) -> Tensor:
    """Return Σ values[labelled] / (number of labelled entries in all processes); 0 when nothing is labelled.

    values: any shape; labelled: bool, same shape. Entries that are not labelled get no gradient, even if NaN.
    """
    count = global_sum(labelled.sum()).clamp(min=1)
    return torch.where(labelled, values, torch.zeros((), dtype=values.dtype, device=values.device)).sum() / count


def global_mean(values: Tensor) -> Tensor:
    """Return Σ values / (number of entries in all processes); 0 when there are none."""
    return labelled_mean(values, torch.ones_like(values, dtype=torch.bool))


def known_only(values: Tensor, known: Tensor) -> Tensor:
    """Return `values`, and 0 without gradient where not `known` (bool, same shape).

    For what a slope is taken of: `labelled_mean` alone stops a NaN value, but 0 times the slope at NaN is NaN again.
    """
    if values.shape != known.shape:
        raise ValueError(f"shapes {tuple(values.shape)} and {tuple(known.shape)} differ")
    return torch.where(known, values, torch.zeros((), dtype=values.dtype, device=values.device))


def difference(values: Tensor, others: Tensor) -> Tensor:
    """Return values − others, at least in float32; raises ValueError for shapes that differ, which would broadcast."""
    if values.shape != others.shape:
        raise ValueError(f"shapes {tuple(values.shape)} and {tuple(others.shape)} differ")
    return wide(values) - wide(others)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return −(y log σ(g) + (1 − y) log(1 − σ(g))), averaged over entries with a label in all processes.

    logits, labels: the same shape; labels 0–1, soft ones too; −1 or NaN where there is none.
    """
    known = labels >= 0
    kept = known_only(wide(logits), known)
    target = known_only(labels.to(kept.dtype), known)
    return labelled_mean(F.binary_cross_entropy_with_logits(kept, target, reduction="none"), known)


def wide(values: Tensor) -> Tensor:
    """Return `values` in float32 where they are narrower (bf16 under autocast); wider ones stay as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def process_count() -> int:
    """Return how many processes train together."""
    together = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if together else 1


def process_rank() -> int:
    """Return this process's number among those that train together, from 0."""
    return torch.distributed.get_rank() if process_count() > 1 else 0
