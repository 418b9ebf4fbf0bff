"""The papers' algorithms, slow and word for word: what the strategies are checked against."""

import math

import numpy as np


def typiclust(own: np.ndarray, asked: np.ndarray, cluster_of: np.ndarray, count: int) -> list[int]:
    """Hacohen et al. 2022, algorithm 1, with clusters given (candidates first, then faces asked before)."""
    clusters = max(cluster_of) + 1
    chosen: list[int] = []
    sizes = [sum(1 for c in cluster_of if c == k) for k in range(clusters)]
    covered = [sum(1 for c in cluster_of[len(own) :] if c == k) for k in range(clusters)]
    order = sorted((k for k in range(clusters) if sizes[k] > 5), key=lambda k: (covered[k], -sizes[k], k))
    turn = 0
    while len(chosen) < count:
        k = order[turn % len(order)]
        turn += 1
        members = [i for i in range(len(own)) if cluster_of[i] == k and i not in chosen]
        if not members:
            continue
        nearest = min(20, len(members) // 2)
        best, best_value = -1, -1.0
        for i in members:
            apart = sorted(math.dist(own[i], own[j]) for j in members if j != i)[:nearest]
            value = 1 / (sum(apart) / len(apart) + 1e-5) if apart else 1.0
            if value > best_value:
                best, best_value = i, value
        chosen.append(best)
    return chosen


def herding(
    own: np.ndarray, asked: np.ndarray, every: np.ndarray, weight: np.ndarray, sigma: float, count: int
) -> list[int]:
    """Bae et al. 2024 and 2025: greedily the face that adds most to Σ u(x) max over chosen of k(x, x′)."""

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return math.exp(-(math.dist(a, b) ** 2) / sigma**2)

    chosen: list[int] = []
    for _ in range(count):
        held = [*asked, *own[chosen]]
        values = []
        for i in range(len(own)):
            value = 0.0
            for n, face in enumerate(every):
                before = max((kernel(face, other) for other in held), default=0.0)
                value += weight[n] * max(kernel(face, own[i]) - before, 0.0)
            values.append(-1.0 if i in chosen else value)
        chosen.append(int(np.argmax(values)))
    return chosen


def badge(own: np.ndarray, chance: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
    """Ash et al. 2020, algorithm 1: k-means++ on the last layer's gradients at the answers it would give."""
    import torch

    faces = torch.from_numpy(np.concatenate([own, np.ones((len(own), 1))], axis=1))
    gradients = []
    for face, chances in zip(faces, torch.from_numpy(chance), strict=True):
        layer = torch.zeros(len(chances), len(face), dtype=torch.float64, requires_grad=True)
        constant = torch.logit(chances)
        logits = constant + layer @ face
        answer = (chances >= 0.5).double()
        torch.nn.functional.binary_cross_entropy_with_logits(logits, answer, reduction="sum").backward()
        gradients.append(layer.grad.numpy().ravel())
    chosen = [int(np.argmax([g @ g for g in gradients]))]
    while len(chosen) < count:
        apart = np.array([min(((g - gradients[c]) ** 2).sum() for c in chosen) for g in gradients])
        apart[chosen] = 0
        chosen.append(int(rng.choice(len(own), p=apart / apart.sum())))
    return chosen


def design(
    candidates: list[np.ndarray],
    asked: list[np.ndarray],
    every: list[np.ndarray],
    chances: list[np.ndarray],
    count: int,
    rarity: float = 0.0,
) -> list[int]:
    """I-optimal design: greedily the face that leaves least mean variance of all faces' probabilities, over AUs.

    candidates, asked, every: of each AU, faces in coordinates of prior deviation 1; chances: of the three, (N, A) each.
    rarity: an AU's variance is divided by its expected share of faces to this power.
    """

    def slope(p: float) -> float:
        return max(p * (1 - p), 1e-3)

    def left(rows: list[int]) -> float:
        total = 0.0
        for a in range(len(every)):
            precision = np.eye(every[a].shape[1])
            for face, p in zip(asked[a], chances[1][:, a], strict=True):
                precision += slope(p) * np.outer(face, face)
            for i in rows:
                precision += slope(chances[0][i, a]) * np.outer(candidates[a][i], candidates[a][i])
            covariance = np.linalg.inv(precision)
            told = [
                slope(p) ** 2 * face @ covariance @ face for face, p in zip(every[a], chances[2][:, a], strict=True)
            ]
            total += sum(told) / len(told) / max(sum(chances[2][:, a]) / len(told), 0.02) ** rarity
        return total

    chosen: list[int] = []
    for _ in range(count):
        free = [i for i in range(len(candidates[0])) if i not in chosen]
        chosen.append(min(free, key=lambda i: left([*chosen, i])))
    return chosen
