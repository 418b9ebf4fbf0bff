"""The loss on faces that are only looked at: what an early stop watches."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .bootstrap import interval, subject_weights
from .ratios import ratio

_NEAREST = 1e-7  # of a float32 probability to 0 or 1: beyond, one confident mistake would outweigh all else


def entry_losses(
    task: Literal["occurrence", "intensity"], truth_MA: NDArray[Any], predicted_MA: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the loss of each entry, (M, A), NaN where there is no label (MAE-Face, eqs 2 and 3).

    occurrence: cross-entropy of probabilities, labels −1 or NaN where there is none; intensity: squared error of
    intensities 0–5 divided by 5.
    """
    truth, predicted = np.asarray(truth_MA, np.float64), np.asarray(predicted_MA, np.float64)
    known = truth >= 0
    if task == "intensity":
        return np.where(known, ((predicted - truth) / 5) ** 2, np.nan)
    p = np.clip(predicted, _NEAREST, 1 - _NEAREST)
    return np.where(known, -(truth * np.log(p) + (1 - truth) * np.log(1 - p)), np.nan)


def mean_loss(task: Literal["occurrence", "intensity"], truth_MA: NDArray[Any], predicted_MA: NDArray[Any]) -> float:
    """Return the mean over all labelled entries; NaN where there is none."""
    losses = entry_losses(task, truth_MA, predicted_MA)
    known = losses[~np.isnan(losses)]
    return float(known.mean()) if len(known) else float("nan")


def loss_difference(
    task: Literal["occurrence", "intensity"],
    truth_MA: NDArray[Any],
    first_MA: NDArray[Any],
    second_MA: NDArray[Any],
    subjects_M: NDArray[Any],
    resamples: int,
    seed: int = 0,
) -> dict[str, float]:
    """Return the mean loss of the first predictions minus that of the second, with its 95 % interval over subjects.

    Keys: value, low, high; the interval is NaN for fewer than two subjects.
    """
    difference = entry_losses(task, truth_MA, first_MA) - entry_losses(task, truth_MA, second_MA)
    names, subject = np.unique(np.asarray(subjects_M), return_inverse=True)
    known = ~np.isnan(difference)
    total_S = np.bincount(subject, np.where(known, difference, 0.0).sum(axis=1), len(names))
    count_S = np.bincount(subject, known.sum(axis=1), len(names))
    value = float(total_S.sum() / count_S.sum()) if count_S.sum() else float("nan")
    if len(names) < 2:
        return {"value": value, "low": float("nan"), "high": float("nan")}
    weights_BS = np.concatenate(list(subject_weights(len(names), resamples, seed)))
    counts = weights_BS @ count_S
    draws = ratio(weights_BS @ total_S, counts)
    low, high = interval(draws, len(names), fewest=2)  # for choosing an epoch, of two people too
    return {"value": value, "low": low, "high": high}
