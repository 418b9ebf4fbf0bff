"""Intensity scores: ICC(3,1), mean squared and mean absolute error, from sums over subjects."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_FLAT = 1e-12  # a variance below this share of the mean square is rounding, not variation


def icc_3_1(count: Floats, x: Floats, y: Floats, xx: Floats, yy: Floats, xy: Floats) -> Floats:
    """Return ICC(3,1) of two raters from sums over targets; NaN for under two targets or when nothing varies.

    Shrout & Fleiss 1979: (BMS − EMS) / (BMS + (k − 1) EMS). For k = 2 raters BMS = (var x + var y)/2 + cov and
    EMS = (var x + var y)/2 − cov, so it is 2 cov / (var x + var y). A constant offset of one rater costs nothing.
    """
    safe = np.where(count > 0, count, 1.0)
    covariance = xy - x * y / safe
    variances = (xx - x * x / safe) + (yy - y * y / safe)
    defined = variances > _FLAT * (xx + yy)
    icc: Floats = np.divide(2 * covariance, variances, out=np.full(count.shape, np.nan), where=defined)
    return icc


class IntensitySums:
    """What ICC(3,1), MSE and MAE need of each subject.

    truth_MA, predicted_MA: 0–5; used_MA: entries that count (the others may hold anything); subject_M: 0 … S−1.
    """

    metrics = ("icc", "mse", "mae")

    def __init__(
        self, truth_MA: Floats, predicted_MA: Floats, used_MA: NDArray[np.bool_], subject_M: NDArray[np.int64]
    ) -> None:
        subjects = int(subject_M.max()) + 1 if len(subject_M) else 0
        truth, predicted = np.where(used_MA, truth_MA, 0.0), np.where(used_MA, predicted_MA, 0.0)
        self.used_SA = _sums(used_MA.astype(np.float64), subject_M, subjects)
        self.shape = (subjects, used_MA.shape[1])
        entries_A = np.maximum(self.used_SA.sum(axis=0), 1)
        error = predicted - truth
        # ICC does not change with an offset: centring keeps the sums of squares accurate
        x = np.where(used_MA, truth - truth.sum(axis=0) / entries_A, 0.0)
        y = np.where(used_MA, predicted - predicted.sum(axis=0) / entries_A, 0.0)
        self.moments = [_sums(terms, subject_M, subjects) for terms in (x, y, x * x, y * y, x * y)]
        self.squared_SA = _sums(error * error, subject_M, subjects)
        self.absolute_SA = _sums(np.abs(error), subject_M, subjects)

    def values(self, weights_BS: Floats) -> dict[str, Floats]:
        """Return each metric, (B, A), when subject s counts weights_BS[b, s] times."""
        used = weights_BS @ self.used_SA
        safe = np.where(used > 0, used, np.nan)
        return {
            "icc": icc_3_1(used, *(weights_BS @ moment for moment in self.moments)),
            "mse": (weights_BS @ self.squared_SA) / safe,
            "mae": (weights_BS @ self.absolute_SA) / safe,
        }


def _sums(terms_MA: Floats, subject_M: NDArray[np.int64], subjects: int) -> Floats:
    columns = [np.bincount(subject_M, weights=terms_M, minlength=subjects) for terms_M in terms_MA.T]
    return np.stack(columns, axis=1)
