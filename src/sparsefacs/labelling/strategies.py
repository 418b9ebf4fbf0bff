"""Which of many faces to ask next: published strategies by name, each as its paper has it but for several AUs at once.

A strategy is told N candidates and what is known of them (`View`) and takes them one by one from an `Allowance`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .pool import Allowance

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

MOST_CLUSTERS = 500
SMALLEST_CLUSTER = 5
NEIGHBOURS = 20
"""TypiClust's, as its authors' code has them."""


@dataclass(frozen=True)
class View:
    """What strategies know. seen_*D, asked_LD, all_TD: faces as numbers; chance_NA, all_TA: probabilities of AUs.

    N candidates, L faces asked before, T faces (candidates or others) that are to be known well.
    """

    seen_ND: F32  # noqa: N815 -- shape suffixes
    chance_NA: F64  # noqa: N815
    asked_LD: F32  # noqa: N815
    all_TD: F32  # noqa: N815
    all_TA: F64  # noqa: N815


Strategy = Callable[[View, int, np.random.Generator, Allowance], Iterator[int]]
"""View, how many, random numbers, what may be chosen → places of candidates, in order, fewer where none is left."""


def margin(view: View, count: int, rng: np.random.Generator, allowance: Allowance) -> Iterator[int]:
    """Yield candidates whose AUs are least decided, on average over AUs: for two classes the margin is |2p − 1|."""
    del rng
    yield from _best_of(doubt(view.chance_NA), count, allowance)


def doubt(chance_NA: F64) -> F64:
    """Return 1 − the margin between both answers, mean over AUs, (N,)."""
    return np.asarray(1 - np.abs(2 * chance_NA - 1).mean(axis=1))


def max_herding(view: View, count: int, rng: np.random.Generator, allowance: Allowance) -> Iterator[int]:
    """Yield candidates that cover most of all faces (Bae et al. 2024, algorithm 1): greedy on mean max kernel.

    Kernel exp(−‖x − x′‖² / σ²) on vectors of length 1, σ = 1, as theirs.
    """
    del rng
    yield from _herd(view, count, allowance, np.ones(len(view.all_TD)), 1.0)


def uncertainty_herding(view: View, count: int, rng: np.random.Generator, allowance: Allowance) -> Iterator[int]:
    """Yield candidates that cover most doubt (Bae et al. 2025, algorithm 1): a face weighs by its margin's complement.

    σ is the least distance between faces asked before, as they adapt it; 1 until there are two. Their temperature is
    left out: `instant`'s logits are calibrated by how they are learned.
    """
    del rng
    asked = _unit(view.asked_LD)
    apart = np.sqrt(_squared(asked, asked)) if len(asked) > 1 else np.ones((2, 2), np.float32)
    np.fill_diagonal(apart, np.inf)
    distances = apart[apart > 1e-3]
    sigma = min(float(distances.min()), 1.0) if len(distances) and np.isfinite(distances.min()) else 1.0
    yield from _herd(view, count, allowance, doubt(view.all_TA), sigma)


def typiclust(view: View, count: int, rng: np.random.Generator, allowance: Allowance) -> Iterator[int]:
    """Yield the most typical face of each of the largest uncovered clusters (Hacohen et al. 2022, algorithm 1).

    Clusters by k-means, as many as are asked for and were asked, 500 at most; of under five faces none. Typicality is
    the inverse of the mean distance to the 20 nearest of the cluster (half of a smaller one).
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans

    own, asked = _unit(view.seen_ND), _unit(view.asked_LD)
    everyone = np.concatenate([own, asked])
    clusters = min(len(asked) + count, MOST_CLUSTERS, len(everyone))
    kind = KMeans if clusters <= 50 else MiniBatchKMeans
    state = int(rng.integers(2**31))
    cluster_M = kind(n_clusters=clusters, n_init=1, random_state=state).fit_predict(everyone.astype(np.float64))
    covered = np.bincount(cluster_M[len(own) :], minlength=clusters)
    size = np.bincount(cluster_M, minlength=clusters)
    fair = [c for c in range(clusters) if size[c] > SMALLEST_CLUSTER] or list(range(clusters))
    order = sorted(fair, key=lambda c: (covered[c], -size[c], c))
    found = 0
    while found < count and allowance.open.any():
        before = found
        for c in order:
            inside = np.flatnonzero((cluster_M[: len(own)] == c) & allowance.open)
            if not len(inside):
                continue
            place = int(inside[np.argmax(typicality(own[inside]))])
            allowance.take(place)
            found += 1
            yield place
            if found == count:
                return
        if found == before:
            yield from _best_of(rng.random(len(own)), count - found, allowance)  # clusters of a face or two are left
            return


def typicality(faces_ND: F32) -> F64:
    """Return the inverse of each face's mean distance to its nearest others, (N,)."""
    nearest = min(NEIGHBOURS, len(faces_ND) // 2)
    if not nearest:
        return np.ones(len(faces_ND))
    apart = np.sqrt(_squared(faces_ND, faces_ND))
    near = np.sort(apart, axis=1)[:, 1 : nearest + 1]
    return np.asarray(1 / (near.mean(axis=1, dtype=np.float64) + 1e-5))


def badge(view: View, count: int, rng: np.random.Generator, allowance: Allowance) -> Iterator[int]:
    """Yield candidates by k-means++ on gradient embeddings (Ash et al. 2020, algorithm 1).

    Of several AUs a face's embedding is the gradient of the sum of their losses on the last layer, each with the answer
    it takes for right: (p − ŷ) of every AU times the face's numbers and 1. Inner products of such outer products are
    products of inner products, so that no embedding is made. The first is the longest, as in the authors' code.
    """
    error = view.chance_NA - (view.chance_NA >= 0.5)
    faces = np.concatenate([view.seen_ND, np.ones((len(view.seen_ND), 1), np.float32)], axis=1).astype(np.float64)
    length = (error**2).sum(axis=1) * (faces**2).sum(axis=1)
    if (place := allowance.best(length)) is None or not count:
        return
    apart = np.full(len(length), np.inf)
    for left in range(count - 1, -1, -1):
        yield place
        if not left:
            return
        inner = (error @ error[place]) * (faces @ faces[place])
        apart = np.minimum(apart, np.maximum(length + length[place] - 2 * inner, 0))
        weight = np.where(allowance.open, apart, 0)
        if not weight.any():
            weight = allowance.open.astype(np.float64)
            if not weight.any():
                return
        place = int(rng.choice(len(weight), p=weight / weight.sum()))
        allowance.take(place)


def _herd(view: View, count: int, allowance: Allowance, weight_T: F64, sigma: float) -> Iterator[int]:
    every, asked, own = _unit(view.all_TD), _unit(view.asked_LD), _unit(view.seen_ND)
    held_T = _kernel(every, asked, sigma).max(axis=1, initial=0.0)
    kernel_NT, weight_T = _kernel(own, every, sigma), weight_T.astype(np.float32)
    for _ in range(count):
        place = allowance.best(np.maximum(kernel_NT - held_T, 0) @ weight_T)
        if place is None:
            return
        held_T = np.maximum(held_T, kernel_NT[place])
        yield place


def _best_of(score_N: F64, count: int, allowance: Allowance) -> Iterator[int]:
    for _ in range(count):
        if (place := allowance.best(score_N)) is None:
            return
        yield place


def _unit(faces_ND: F32) -> F32:
    return np.asarray(faces_ND / np.maximum(np.linalg.norm(faces_ND, axis=1, keepdims=True), 1e-9), np.float32)


def _squared(one_ND: F32, other_MD: F32) -> F32:
    apart = (one_ND**2).sum(axis=1)[:, None] + (other_MD**2).sum(axis=1)[None] - 2 * one_ND @ other_MD.T
    return np.asarray(np.maximum(apart, 0), np.float32)


def _kernel(one_ND: F32, other_MD: F32, sigma: float) -> F32:
    return np.asarray(np.exp(-_squared(one_ND, other_MD) / sigma**2), np.float32)
