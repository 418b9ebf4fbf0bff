"""Losses of self-supervised pre-training: KDSRL's three (eqs 1–5, 8), SimCLR's NT-Xent, MoCo's InfoNCE with a queue.

Views are laid out (2N, ...): N first views, then the N second views of the same images. On many processes a process
computes the terms of its own anchors against the candidates of all processes and divides by the global count, so
that values and gradients *added* over processes are those of one process with the whole batch.

Reading: KDSRL prints sums. L^a, L^b and L_pre have 16N terms each, and here all three are divided by 16N. That leaves
their balance, so the paper's λ = 0.1, α = 0.01, β = 1 stay as printed, and Adam's step does not depend on a common
factor (but for its ε of 1e-8 and weight decay, which the paper does not mention).
"""

from typing import Any

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .reduction import global_mean, process_count, process_rank, wide


class _Gather(torch.autograd.Function):
    """Rows of all processes; backward adds what every process's loss says about this process's rows."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.count = rows.shape[0]
        parts = [torch.empty_like(rows) for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather(parts, rows)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # The loss is the sum of the processes' shares, and each share sees these rows as candidates: add them all.
        # Only then does adding the parameters' gradients (engine/devices.py) make the gradient of the whole loss.
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(total)
        start = torch.distributed.get_rank() * ctx.count
        return total[start : start + ctx.count]


def gathered(embeddings: Tensor) -> Tensor:
    """Return the rows of all processes in rank order, with gradient; on one process, `embeddings` itself.

    embeddings: (B, ...), the same shape on every process. Where it carries a gradient, every process must run backward.
    """
    if process_count() == 1:
        return embeddings
    rows: Tensor = _Gather.apply(embeddings.contiguous())
    return rows


def inter_area_loss(views_2N8D: Tensor, mirror_8: NDArray[Any], temperature: float) -> Tensor:
    """Return L^a / 16N: each area embedding is drawn to those of the same or mirror area in all views (KDSRL, eqs 1–3).

    views_2N8D: (2N, 8, D), any number of areas; mirror_8: 0-based index of each area's mirror area, itself where it has
    none (`facs.areas.AREA_MIRROR`). Memory: a few matrices of 16N × 16N (own anchors × all candidates).
    """
    own = _unit(views_2N8D)
    every = gathered(own)
    mirror = torch.as_tensor(mirror_8, device=own.device)
    paired = mirror != torch.arange(len(mirror), device=own.device)
    with _full_precision(own):
        anchors, candidates = own.flatten(0, 1), every.flatten(0, 1)
        log_total = _log_sum_of_others(anchors / temperature, candidates).view(own.shape[:2])
        # An anchor's positives have one sum for each area: its product is the sum of their similarities, itself too.
        areas_8D = every.sum(0)
        areas_8D = areas_8D + paired[:, None] * areas_8D[mirror]
        similar = ((own * areas_8D).sum(-1) - (own * own).sum(-1)) / temperature
    positives_8 = every.shape[0] * (1 + paired.to(own.dtype)) - 1
    return global_mean(log_total - similar / positives_8)


def intra_area_loss(views_2N8D: Tensor, temperature: float) -> Tensor:
    """Return L^b / 16N: within each area, the two views of an image among all views (KDSRL, eqs 4 and 5).

    views_2N8D: (2N, 8, D), any number of areas, N first views, then N second views.
    """
    own = _unit(views_2N8D)
    if own.shape[0] % 2:
        raise ValueError(f"{own.shape[0]} rows are not N first views and N second views")
    every = gathered(own)
    other = own.roll(own.shape[0] // 2, dims=0)
    with _full_precision(own):
        log_total = _log_sum_of_others(own.transpose(0, 1) / temperature, every.transpose(0, 1))
        similar = (own * other).sum(-1).T / temperature
    return global_mean(log_total - similar)


def prediction_loss(targets_2N8D: Tensor, predictions_2N8D: Tensor) -> Tensor:
    """Return L_pre / 16N: one minus the cosine of embeddings and their predictions (KDSRL, eq. 8).

    Both (2N, 8, D); predictions are the averages of eq. 7. Reading: gradients reach the targets too, since the paper
    names no stop-gradient; L^a and L^b are what keeps embeddings from collapsing.
    """
    return global_mean(1 - (_unit(targets_2N8D) * _unit(predictions_2N8D)).sum(-1))


def ntxent_loss(views_2ND: Tensor, temperature: float) -> Tensor:
    """Return NT-Xent, averaged over the 2N views (SimCLR, eq. 1).

    views_2ND: (2N, D), N first views, then N second views.
    """
    return intra_area_loss(views_2ND[:, None], temperature)


def info_nce_queue_loss(query_ND: Tensor, key_ND: Tensor, queue_KD: Tensor, temperature: float) -> Tensor:
    """Return InfoNCE of queries, their keys and a queue of other images' keys, averaged over images (MoCo, eq. 1).

    query_ND, key_ND: (N, D), row by row two views of an image; queue_KD: (K, D), the same on every process. Keys and
    queue get no gradient (MoCo, Algorithm 1).
    """
    query, key, queue = _unit(query_ND), _unit(key_ND.detach()), _unit(queue_KD.detach())
    with _full_precision(query):
        positive = (query * key).sum(-1) / temperature
        negatives = torch.logsumexp(query / temperature @ queue.T, dim=-1)
    return global_mean(torch.logaddexp(positive, negatives) - positive)


def _log_sum_of_others(anchors: Tensor, candidates: Tensor) -> Tensor:
    """Return log Σ_k exp(anchor · candidate_k) over all candidates but the anchor itself.

    anchors: (..., M, D), this process's; candidates: (..., M × processes, D), in which this process's rows stand at
    rank × M.
    """
    similar = anchors @ candidates.mT
    rank = process_rank()
    similar.diagonal(rank * anchors.shape[-2], -2, -1).fill_(-torch.inf)
    return torch.logsumexp(similar, dim=-1)


def _unit(embeddings: Tensor) -> Tensor:
    return F.normalize(wide(embeddings), dim=-1)


def _full_precision(like: Tensor) -> torch.autocast:
    """Return a context without autocast: bf16 products, divided by τ = 0.07, would be off by several hundredths."""
    return torch.autocast(like.device.type, enabled=False)
