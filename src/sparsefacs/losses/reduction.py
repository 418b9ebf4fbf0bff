"""Sums that divide by the count over all processes, so that a loss means the same on one process and on many.

Each process divides its own sum by the global count; gradients are then added, not averaged, across processes.
"""

import torch
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
