"""Occurrence scores: F1 and accuracy at a limit, F1 at one half, and AUC, from sums over subjects.

All are functions of sums that add up over subjects (AUC: over pairs of subjects), so a resample of subjects
needs only those sums, weighted by how often each subject was drawn.
"""

import numpy as np
from numpy.typing import NDArray

from .limits import HALF
from .ratios import ratio

Floats = NDArray[np.float64]
_MOST_PAIRED = 2000  # subjects whose pairs are tabulated: 32 MB an AU


def f1(true_positive: Floats, false_positive: Floats, false_negative: Floats) -> Floats:
    """Return F1 = 2TP / (2TP + FP + FN); NaN where no entry is positive, neither in truth nor predicted."""
    return ratio(2 * true_positive, 2 * true_positive + false_positive + false_negative)


class OccurrenceSums:
    """What F1, AUC and accuracy need of each subject.

    truth_MA: 0 or 1; predicted_MA: probabilities, positive when ≥ threshold (one, or (M, A) one an entry, or
    (M, 1) one a row), and for `f1_half` when ≥ 0.5; used_MA: entries that count (the others may hold anything);
    subject_M: subject index 0 … S−1; resamples: how many weightings will be asked for.
    """

    metrics = ("f1", "f1_half", "auc", "accuracy")

    def __init__(
        self,
        truth_MA: Floats,
        predicted_MA: Floats,
        used_MA: NDArray[np.bool_],
        subject_M: NDArray[np.int64],
        threshold: float | Floats,
        resamples: int,
    ) -> None:
        subjects = int(subject_M.max()) + 1 if len(subject_M) else 0
        positive_MA = used_MA & (truth_MA > 0.5)
        called_MA, half_MA = (used_MA & (predicted_MA >= at) for at in (threshold, HALF))
        self.positive_SA = _sums(positive_MA, subject_M, subjects)
        self.called_SA = _sums(called_MA, subject_M, subjects)
        self.hit_SA = _sums(positive_MA & called_MA, subject_M, subjects)
        self.half_called_SA = _sums(half_MA, subject_M, subjects)
        self.half_hit_SA = _sums(positive_MA & half_MA, subject_M, subjects)
        self.used_SA = _sums(used_MA, subject_M, subjects)
        self.shape = (subjects, used_MA.shape[1])
        self.rankings = [
            ranking(positive_MA[used, au], predicted_MA[used, au], subject_M[used], subjects, resamples)
            for au, used in enumerate(used_MA.T)
        ]

    def values(self, weights_BS: Floats) -> dict[str, Floats]:
        """Return each metric, (B, A), when subject s counts weights_BS[b, s] times."""
        hit, called = weights_BS @ self.hit_SA, weights_BS @ self.called_SA
        half_hit, half_called = weights_BS @ self.half_hit_SA, weights_BS @ self.half_called_SA
        positive, used = weights_BS @ self.positive_SA, weights_BS @ self.used_SA
        missed, false = positive - hit, called - hit
        auc = [ranking.auc(weights_BS) for ranking in self.rankings]
        return {
            "f1": f1(hit, false, missed),
            "f1_half": f1(half_hit, half_called - half_hit, positive - half_hit),
            "auc": np.stack(auc, axis=1),
            "accuracy": ratio(used - missed - false, used),
        }


def _sums(flags_MA: NDArray[np.bool_], subject_M: NDArray[np.int64], subjects: int) -> Floats:
    columns = [np.bincount(subject_M, weights=flags_M, minlength=subjects) for flags_M in flags_MA.T]
    return np.stack(columns, axis=1).astype(np.float64)


def ranking(
    positive_N: NDArray[np.bool_], predicted_N: Floats, subject_N: NDArray[np.int64], subjects: int, resamples: int
) -> "PairWins | WeightedRanks":
    """Return the cheaper of the two exact ways to the AUC of `resamples` weightings of the subjects."""
    kind = PairWins if subjects <= min(resamples, _MOST_PAIRED) else WeightedRanks
    return kind(positive_N, predicted_N, subject_N, subjects)


class PairWins:
    """AUC from wins_SS: over positives of s and negatives of t, how many pairs rank rightly (a tie counts half).

    A weighting w then has AUC = wᵀ wins w / (w·positives · w·negatives): exact, one pass over the frames per subject.
    """

    def __init__(
        self, positive_N: NDArray[np.bool_], predicted_N: Floats, subject_N: NDArray[np.int64], subjects: int
    ) -> None:
        levels, level_N = np.unique(predicted_N, return_inverse=True)
        order = np.flatnonzero(positive_N)
        winner_P, level_P = subject_N[order], level_N[order]
        self.wins_SS = np.zeros((subjects, subjects))
        for loser in np.unique(subject_N[~positive_N]):
            losing = level_N[~positive_N & (subject_N == loser)]
            at = np.bincount(losing, minlength=len(levels))
            below = np.cumsum(at) - 0.5 * at
            self.wins_SS[:, loser] = np.bincount(winner_P, weights=below[level_P], minlength=subjects)
        self.positive_S = np.bincount(subject_N, weights=positive_N, minlength=subjects)
        self.negative_S = np.bincount(subject_N, weights=~positive_N, minlength=subjects)

    def auc(self, weights_BS: Floats) -> Floats:
        """Return the AUC (B,) of each weighting; NaN where a class is missing."""
        wins = np.sum((weights_BS @ self.wins_SS) * weights_BS, axis=1)
        return ratio(wins, (weights_BS @ self.positive_S) * (weights_BS @ self.negative_S))


class WeightedRanks:
    """AUC by sorting once and summing weights along the ranks for each weighting: for very many subjects."""

    def __init__(
        self, positive_N: NDArray[np.bool_], predicted_N: Floats, subject_N: NDArray[np.int64], subjects: int
    ) -> None:
        del subjects
        order = np.argsort(predicted_N, kind="stable")
        self.subject_N, self.positive_N = subject_N[order], positive_N[order]
        sorted_N = predicted_N[order]
        self.starts = np.flatnonzero(np.r_[True, sorted_N[1:] != sorted_N[:-1]]) if len(order) else order

    def auc(self, weights_BS: Floats) -> Floats:
        """Return the AUC (B,) of each weighting; NaN where a class is missing."""
        return np.array([self._one(weights_S) for weights_S in weights_BS], dtype=np.float64)

    def _one(self, weights_S: Floats) -> float:
        if not len(self.starts):
            return float("nan")
        weight_N = weights_S[self.subject_N]
        positive_L = np.add.reduceat(np.where(self.positive_N, weight_N, 0.0), self.starts)
        negative_L = np.add.reduceat(np.where(self.positive_N, 0.0, weight_N), self.starts)
        pairs = float(positive_L.sum() * negative_L.sum())
        wins = float(positive_L @ (np.cumsum(negative_L) - 0.5 * negative_L))
        return wins / pairs if pairs > 0 else float("nan")
