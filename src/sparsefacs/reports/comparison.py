"""How far two runs lie apart on the same frames: the paired difference, with an interval over subjects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .results import Result

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES = 2000
SEED = 0


@dataclass(frozen=True)
class Difference:
    """Mean metric of a run less the baseline's, with its 95 % interval; frames and subjects it rests on.

    low, high: None with fewer than two subjects.
    """

    run: str
    baseline: str
    metric: str
    value: float
    low: float | None
    high: float | None
    frames: int
    subjects: int
    aus: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def paired_difference(run: Result, baseline: Result, resamples: int = RESAMPLES, seed: int = SEED) -> Difference | str:
    """Return mean metric of `run` less that of `baseline`; or, where they cannot be paired, why not, in words.

    Both must have predicted the same rows of the same labels. Subjects are resampled with replacement, the same
    draw for both runs, so what makes a subject hard for both cancels (paired bootstrap; Efron & Tibshirani 1993).
    The metric is F1 of occurrence and ICC(3,1) of intensity, averaged over AUs defined in both.
    """
    aus = tuple(au for au in run.aus if au in baseline.aus)
    if run.predictions is None or baseline.predictions is None:
        return "one of the two has no predictions.parquet"
    if not aus:
        return "they share no AU"
    ours, theirs = _in_row_order(run.predictions), _in_row_order(baseline.predictions)
    if not _same_rows(ours, theirs):
        return "they were not scored on the same held-out frames"
    truth_MA = _columns(ours, [f"AU{au:02d}_true" for au in aus])
    other_MA = _columns(theirs, [f"AU{au:02d}_true" for au in aus])
    if not np.array_equal(_labelled(truth_MA), _labelled(other_MA)) or (
        np.abs(truth_MA - other_MA)[_labelled(truth_MA)].max(initial=0.0) > 1e-5
    ):
        return "they were not scored against the same labels"
    subjects_M, count = _codes(ours["subject"].astype(str).to_numpy())
    sums = []
    for result, table in ((run, ours), (baseline, theirs)):
        predicted_MA = _columns(table, [result.predicted_column(au) for au in aus])
        sums.append(_sums(result.task, truth_MA, predicted_MA, result.threshold, subjects_M, count))
    weights_RS = _weights(count, resamples, seed)
    means = [_mean_metrics(run.task, each, weights_RS) for each in sums]
    both_RA = np.isfinite(means[0]) & np.isfinite(means[1])
    difference_R = _nanmean(np.where(both_RA, means[0] - means[1], np.nan))
    if not np.isfinite(difference_R[0]):
        return "no AU has a defined score in both"
    drawn = difference_R[1:][np.isfinite(difference_R[1:])]
    low, high = np.quantile(drawn, [0.025, 0.975]) if count > 1 and drawn.size else (None, None)
    return Difference(
        run=run.label,
        baseline=baseline.label,
        metric=run.main_metric,
        value=float(difference_R[0]),
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        frames=len(ours),
        subjects=count,
        aus=int(both_RA[0].sum()),
    )


def _in_row_order(table: "pd.DataFrame") -> "pd.DataFrame":
    return table.sort_values(["row", "fold"], kind="stable").reset_index(drop=True)


def _same_rows(ours: "pd.DataFrame", theirs: "pd.DataFrame") -> bool:
    keys: Sequence[str] = ("row", "subject", "clip", "frame")
    return len(ours) == len(theirs) and all(
        np.array_equal(ours[key].astype(str).to_numpy(), theirs[key].astype(str).to_numpy()) for key in keys
    )


def _columns(table: "pd.DataFrame", names: list[str]) -> NDArray[np.float64]:
    return np.asarray(table[names].to_numpy(dtype=np.float64, na_value=np.nan))


def _codes(names: NDArray[Any]) -> tuple[NDArray[np.int64], int]:
    unique, codes = np.unique(names.astype(str), return_inverse=True)
    return codes, len(unique)


def _labelled(truth_MA: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.isfinite(truth_MA) & (truth_MA >= 0)


def _weights(subjects: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """Return how often each subject counts, (1 + resamples, S): first row all once, then the draws."""
    draws = np.random.default_rng(seed).multinomial(subjects, np.full(subjects, 1 / subjects), size=resamples)
    return np.vstack([np.ones((1, subjects)), draws])


def _sums(
    task: str,
    truth_MA: NDArray[np.float64],
    predicted_MA: NDArray[np.float64],
    threshold: float,
    subjects_M: NDArray[np.int64],
    count: int,
) -> NDArray[np.float64]:
    """Return per-subject sums that determine the metric, (S, K, A): K is TP, FP, FN or n, x, y, xx, yy, xy."""
    used_MA = _labelled(truth_MA) & np.isfinite(predicted_MA)
    x_MA, y_MA = np.where(used_MA, truth_MA, 0.0), np.where(used_MA, predicted_MA, 0.0)
    if task == "occurrence":
        yes_MA, said_MA = (x_MA > 0.5) & used_MA, (y_MA >= threshold) & used_MA
        parts = [yes_MA & said_MA, ~yes_MA & said_MA, yes_MA & ~said_MA]
    else:
        parts = [used_MA, x_MA, y_MA, x_MA**2, y_MA**2, x_MA * y_MA]
    values_MKA = np.stack([np.asarray(part, np.float64) for part in parts], axis=1)
    sums_SKA = np.zeros((count, *values_MKA.shape[1:]))
    np.add.at(sums_SKA, subjects_M, values_MKA)
    return sums_SKA


def _mean_metrics(task: str, sums_SKA: NDArray[np.float64], weights_RS: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the metric of every AU under every draw of subjects, (R, A); NaN where undefined."""
    sums_KRA = np.moveaxis(np.tensordot(weights_RS, sums_SKA, axes=1), 1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        if task == "occurrence":
            hits, false, missed = sums_KRA
            return np.asarray(2 * hits / (2 * hits + false + missed))
        n, x, y, xx, yy, xy = sums_KRA
        # ICC(3,1) of two raters from sums: (MS_rows − MS_error) / (MS_rows + MS_error) (Shrout & Fleiss 1979).
        rows = ((xx + yy + 2 * xy) / 2 - (x + y) ** 2 / (2 * n)) / (n - 1)
        error = ((xx + yy - 2 * xy) / 2 - (x - y) ** 2 / (2 * n)) / (n - 1)
        return np.asarray((rows - error) / (rows + error))


def _nanmean(values_RA: NDArray[np.float64]) -> NDArray[np.float64]:
    defined_R = np.isfinite(values_RA).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nansum(values_RA, axis=1) / np.where(defined_R > 0, defined_R, np.nan))
