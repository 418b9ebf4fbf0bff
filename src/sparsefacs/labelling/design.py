"""`ours`: the faces after whose coding the AUs of all other faces are known best.

`instant` is a logistic regression an AU whose penalty is a normal prior on its weights (`evidence.fitting`), so that
the doubt that is left on every face is known before anything is coded: its logit's variance under the labels so far
(Laplace's approximation). A face is worth how much its label would take from the variance of the probabilities of all
faces, summed over AUs (I-optimal design; for logistic regression Zhang & Oates 2000, Ash et al. 2021 as BAIT). Without
a label that spreads faces over what evidence can look like; with labels it seeks doubt.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..evidence.fitting import HELD, PRIOR
from .pool import Allowance

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

LEAST_SHARE = 0.02
_DIRECTIONS = 24  # of greatest variance over all faces, in which it is added up
_CONSTANT = 2.0  # prior deviation of a constant that begins from no coder


@dataclass(frozen=True)
class Known:
    """Faces as a learner sees them: components (N, D), places along cheap directions (N, A, 2), chances (N, A)."""

    seen_ND: F32  # noqa: N815 -- shape suffixes
    along_NA2: F32  # noqa: N815
    chance_NA: F64  # noqa: N815

    def of_au(self, a: int, c: float, constant: float) -> F32:
        """Return faces (N, D + 3) in coordinates in which the prior of AU number a has deviation 1."""
        share = np.float32(np.sqrt(c))
        ones = np.full((len(self.seen_ND), 1), constant, np.float32)
        return np.concatenate([share * self.seen_ND, share * np.float32(PRIOR) * self.along_NA2[:, a], ones], axis=1)


@dataclass
class _Variance:
    """What is left to learn of one AU: N candidates' covariances with each other, and with all faces' directions."""

    weight: float
    slope_N: F32  # noqa: N815
    prior_ND: F32  # noqa: N815
    left_ND: F32  # noqa: N815
    with_all_NR: F32  # noqa: N815
    own_N: F32  # noqa: N815

    def gain(self) -> F32:
        """Return by how much each candidate's label lowers the variance of all faces, (N,)."""
        gain: F32 = self.weight * (self.with_all_NR**2).sum(axis=1) / (1 / self.slope_N + self.own_N)
        return gain

    def learn(self, place: int) -> None:
        """Count candidate `place` as labelled."""
        shared = self.prior_ND @ self.left_ND[place]
        share = shared / (1 / self.slope_N[place] + self.own_N[place])
        self.own_N = np.maximum(self.own_N - share * shared, 0)
        self.with_all_NR = self.with_all_NR - share[:, None] * self.with_all_NR[place]
        self.left_ND = self.left_ND - share[:, None] * self.left_ND[place]


def best_design(
    candidates: Known,
    asked: Known,
    everyone: Known,
    count: int,
    allowance: Allowance,
    *,
    c: float,
    begun: bool,
    rarity: float = 0.0,
) -> Iterator[tuple[int, int]]:
    """Yield places of candidates, greedily, each with the number of the AU that it is worth most for.

    everyone: the faces that are to be known well. c, begun: of the learner, as of `FitSettings`: its c, or c_begun
    where it begins from a coder. rarity: power of an AU's expected share of faces that its variance is divided by; 0
    counts all AUs alike.
    """
    constant = float(1 / np.sqrt(HELD)) if begun else _CONSTANT
    rates = np.maximum(everyone.chance_NA.mean(axis=0), LEAST_SHARE)
    left = [
        _variance(a, candidates, asked, everyone, float(rates[a] ** -rarity), c, constant) for a in range(len(rates))
    ]
    for _ in range(count):
        gains = np.stack([each.gain() for each in left], axis=1)
        place = allowance.best(gains.sum(axis=1))
        if place is None:
            return
        yield place, int(np.argmax(gains[place]))
        for each in left:
            each.learn(place)


def _variance(
    a: int, candidates: Known, asked: Known, everyone: Known, weight: float, c: float, constant: float
) -> _Variance:
    own, held, every = (each.of_au(a, c, constant) for each in (candidates, asked, everyone))
    precision = np.eye(own.shape[1]) + (held * _slope(asked, a)[:, None]).T.astype(np.float64) @ held
    left = np.linalg.solve(precision, own.T.astype(np.float64)).T.astype(np.float32)
    told = every * _slope(everyone, a)[:, None]  # how far a probability moves by the weights
    size, directions = np.linalg.eigh(told.T.astype(np.float64) @ told / max(len(told), 1))
    most = (directions[:, -_DIRECTIONS:] * np.sqrt(np.maximum(size[-_DIRECTIONS:], 0))).astype(np.float32)
    return _Variance(weight, _slope(candidates, a), own, left, left @ most, (left * own).sum(axis=1))


def _slope(faces: Known, a: int) -> F32:
    chance = faces.chance_NA[:, a]
    return np.asarray(np.maximum(chance * (1 - chance), 1e-3), np.float32)
