"""How far predicted AU labels are distributed from the true ones (Adversarial, section 4.2.2, Figs 5 and 6)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .ratios import ratio

Floats = NDArray[np.float64]
DISTANCES = ("marginal-difference", "mean-difference")
"""What `DistributionSums` tells: the lower the nearer."""


def au_distributions(
    aus: Sequence[int], truth_MA: NDArray[Any], predicted_MA: NDArray[Any], limits: float | Floats = 0.5
) -> dict[str, Any]:
    """Compare marginal P(AU_j = 1) and conditional P(AU_j = 1 | AU_i = 1), row i, column j, of labels and predictions.

    truth_MA: −1/NaN unlabelled, 0, 1; predicted_MA: probabilities, present when ≥ limits (one, or (M, A) one an
    entry), NaN lost. Truth and prediction are counted over the same entries: for AU_j where it is labelled and
    predicted, for a pair where both are. A conditional whose condition never occurs is NaN and left out of the means.

    `mean_conditional` is over all A × A cells with the diagonal, which is always zero: the cells printed in the
    paper's Fig. 6 average to its 0.054 and 0.056 only that way. `mean_conditional_off_diagonal` leaves it out.
    Raises InputError when no entry is labelled.
    """
    truth, predicted = np.asarray(truth_MA, np.float64), np.asarray(predicted_MA, np.float64)
    if truth.shape != predicted.shape or truth.ndim != 2 or truth.shape[1] != len(aus):
        raise ValueError(f"shapes differ: truth {truth.shape}, predicted {predicted.shape}, {len(aus)} AUs")
    used = (truth >= 0) & ~np.isnan(predicted)
    if not used.any():
        raise InputError("there is no labelled entry to compare", remedy="Evaluate on a store whose faces carry labels")
    sides = {
        "true": _distribution(used & (truth > 0.5), used),
        "predicted": _distribution(used & (predicted >= limits), used),
    }
    marginal = np.abs(sides["true"][0] - sides["predicted"][0])
    conditional = np.abs(sides["true"][1] - sides["predicted"][1])
    off_diagonal = conditional[~np.eye(len(aus), dtype=bool)]
    return {
        "aus": [int(au) for au in aus],
        "frames": int(used.any(axis=1).sum()),
        "entries": int(used.sum()),
        **{name: {"marginal": m.tolist(), "conditional": c.tolist()} for name, (m, c) in sides.items()},
        "difference": {
            "marginal": marginal.tolist(),
            "conditional": conditional.tolist(),
            "mean_marginal": _mean(marginal),
            "mean_conditional": _mean(conditional),
            "mean_conditional_off_diagonal": _mean(off_diagonal),
            "undefined_conditionals": int(np.isnan(conditional).sum()),
        },
    }


class DistributionSums:
    """What the distances of the distributions need of each subject (`metrics.bootstrap.SubjectSums`).

    Arguments: of `OccurrenceSums`. `marginal-difference` of an AU is |P(AU = 1)| of labels less predictions;
    `mean-difference` of an AU is the mean over AUs, itself included, of that of P(another = 1 | AU = 1), so that its
    mean over AUs is `mean_conditional` of `au_distributions` where every conditional is defined.
    """

    def __init__(
        self,
        truth_MA: Floats,
        predicted_MA: Floats,
        used_MA: NDArray[np.bool_],
        subject_M: NDArray[np.int64],
        threshold: float | Floats,
    ) -> None:
        subjects = int(subject_M.max()) + 1 if len(subject_M) else 0
        self.shape = (subjects, used_MA.shape[1])
        sides = (used_MA & (truth_MA > 0.5), used_MA & (predicted_MA >= threshold))
        own = [subject_M == subject for subject in range(subjects)]
        counts = [[_counts(side[at], used_MA[at]) for at in own] for side in sides]
        self.sums_of_sides = [[np.stack(part) for part in zip(*each, strict=True)] for each in counts]

    def values(self, weights_BS: Floats) -> dict[str, Floats]:
        """Return each distance, (B, A), when subject s counts weights_BS[b, s] times."""
        sides = [[np.tensordot(weights_BS, part, axes=1) for part in sums] for sums in self.sums_of_sides]
        told = [(ratio(present, used), ratio(both, given)) for present, used, both, given in sides]
        apart_BAA = np.abs(told[0][1] - told[1][1])
        defined = ~np.isnan(apart_BAA)
        total = np.where(defined, apart_BAA, 0.0).sum(axis=2)
        return {
            "marginal-difference": np.abs(told[0][0] - told[1][0]),
            "mean-difference": ratio(total, defined.sum(axis=2).astype(np.float64)),
        }


def _distribution(present_MA: NDArray[np.bool_], used_MA: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    present_A, used_A, both_AA, given_AA = _counts(present_MA, used_MA)
    return ratio(present_A, used_A), ratio(both_AA, given_AA)


def _counts(present_MA: NDArray[np.bool_], used_MA: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats, Floats]:
    """Return how often each AU is present and how often known, (A,), both are, and the second where the first is."""
    present, used = present_MA.astype(np.float64), used_MA.astype(np.float64)
    return present.sum(axis=0), used.sum(axis=0), present.T @ present, present.T @ used


def _mean(values: Floats) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
