"""Losses of the pretext tasks that WSRTL compares its own with (IV-F, Table II): rotation, exemplar, jigsaw puzzle."""

from functools import lru_cache
from itertools import chain, permutations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .contrastive import gathered
from .reduction import known_only, labelled_mean, process_rank, wide

_PATCHES = 9


def rotation_loss(logits_B4: Tensor, turn_B: Tensor) -> Tensor:
    """Return the cross-entropy over the four quarter turns, averaged over faces (Gidaris et al. 2018, eq. 3).

    logits_B4: (B, 4); turn_B: (B,) 0–3, −1 where none is given, which is left out.
    """
    return _classification(logits_B4, turn_B)


def jigsaw_loss(logits_BP: Tensor, order_B: Tensor) -> Tensor:
    """Return the cross-entropy over orders of the nine patches, averaged over faces (Noroozi, Favaro 2016).

    logits_BP: (B, P); order_B: (B,) rows of `jigsaw_orders`, −1 where none is given, which is left out.
    """
    return _classification(logits_BP, order_B)


def triplet_loss(first_BD: Tensor, second_BD: Tensor, margin: float) -> Tensor:
    """Return max(0, d(a, p) − d(a, n) + margin), averaged over triplets: views of a face close, other faces away.

    first_BD, second_BD: (B, D), row by row two views of a face, B the same on every process. Source: exemplar of
    WSRTL, IV-F (Dosovitskiy et al. 2014), which names no more than a triplet loss. Reading: embeddings have unit
    length, d is Euclidean; a face's anchor is its first view, its positive its second, its negatives the second views
    of all other faces of all processes. All triplets count, those beyond the margin too; with one face there is none.
    """
    anchor, every = _unit(first_BD), gathered(_unit(second_BD))
    # Differences, not products: of close embeddings a product keeps no digits. The slope at distance 0 is 0.
    distance_BM = torch.cdist(anchor, every, compute_mode="donot_use_mm_for_euclid_dist")
    own = process_rank() * len(anchor)
    other_BM = torch.ones_like(distance_BM, dtype=torch.bool)
    other_BM.diagonal(own).fill_(False)
    return labelled_mean(F.relu(distance_BM.diagonal(own)[:, None] - distance_BM + margin), other_BM)


def jigsaw_orders(count: int) -> NDArray[np.int64]:
    """Return `count` orders of nine patches that are far from each other, always the same, the first the upright one.

    (count, 9), values 0–8. Place i of an order holds the number of the patch that comes there. Source: Noroozi, Favaro
    2016, Algorithm 1: one order after another, each the farthest of all from those before it in Hamming distance.
    Reading: farthest by the least distance, then by the sum; by the sum alone, as printed, orders that differ in two
    patches get in. 100 orders have least distance 6, 1000 have 5. Raises ValueError unless 1 ≤ count ≤ 9!.
    """
    return _orders(count).copy()  # what is kept stays as it is


@lru_cache(maxsize=4)
def _orders(count: int) -> NDArray[np.int64]:
    every = np.fromiter(chain.from_iterable(permutations(range(_PATCHES))), np.uint8).reshape(-1, _PATCHES)
    if not 1 <= count <= len(every):
        raise ValueError(f"{count} is not 1 to {len(every)} orders")
    by_place = np.ascontiguousarray(every.T)
    least, total = np.full(len(every), _PATCHES), np.zeros(len(every), dtype=np.int64)
    chosen = [0]
    while len(chosen) < count:
        distance = (by_place != every[chosen[-1], :, None]).sum(axis=0, dtype=np.int64)
        np.minimum(least, distance, out=least)
        total += distance
        chosen.append(int((least * _PATCHES * count + total).argmax()))  # a sum is below 9 · count
    return every[chosen].astype(np.int64)


def _classification(logits_BC: Tensor, class_B: Tensor) -> Tensor:
    """Return the mean cross-entropy over the faces of all processes that have a class, from 0."""
    known = class_B >= 0
    kept = known_only(wide(logits_BC), known[:, None].expand_as(logits_BC))
    return labelled_mean(F.cross_entropy(kept, class_B.clamp(min=0), reduction="none"), known)


def _unit(embeddings: Tensor) -> Tensor:
    return F.normalize(wide(embeddings), dim=-1)
