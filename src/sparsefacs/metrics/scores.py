"""Scores of predictions against labels: per AU and mean, pooled and per fold, with intervals, as plain JSON values.

An unlabelled entry (−1, any negative value, or NaN) never counts. A labelled entry without a prediction (NaN: the
face was lost) is left out and counted as `lost`. A value that is not defined is NaN and left out of every mean, and
each mean names the AUs it covers. `people` are those whose labels an AU's score rests on; with fewer than three the
interval is NaN. Defined: AUC needs both classes; F1 needs a positive in the truth or the prediction (with
positives predicted but none in the truth it is 0); ICC(3,1) needs something to vary.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .bootstrap import FEWEST_PEOPLE, SubjectSums, interval, mean_over_aus, resampled
from .intensity import IntensitySums
from .occurrence import OccurrenceSums

Task = Literal["occurrence", "intensity"]
Floats = NDArray[np.float64]
Threshold = float | Sequence[float] | Floats
"""Probabilities from which an AU counts as present: one, one a row (M,), one an AU (1, A), or one an entry (M, A)."""
RESAMPLES = 1000


def score(
    task: Task,
    aus: Sequence[int],
    truth_MA: NDArray[Any],
    predicted_MA: NDArray[Any],
    subjects_M: NDArray[Any],
    folds_M: NDArray[Any] | None = None,
    threshold: Threshold = 0.5,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Score predictions (M, A) against labels (M, A) of `aus`; subjects_M and folds_M name each row's.

    occurrence: truth −1/NaN, 0, 1, predicted probabilities (present when ≥ threshold) → f1, f1_half (present when
    ≥ 0.5), auc, accuracy; intensity: truth NaN or 0–5, predicted 0–5 → icc (ICC(3,1)), mse, mae. threshold: one, or one
    an AU (1, A), a row (M,), or an entry (M, A), as folds have different ones. Keys of the result: task, aus, limits
    (a list, one an AU; null where rows differ), resamples, seed, pooled, folds, and fold_mean when there are several
    folds. Raises InputError when nothing can be scored or a threshold is outside 0–1.
    """
    truth, predicted = np.asarray(truth_MA, np.float64), np.asarray(predicted_MA, np.float64)
    threshold_MA = _per_entry(threshold, truth.shape)
    _check(task, aus, truth, predicted, len(subjects_M), threshold_MA)
    labelled = truth >= 0  # NaN is not
    if not labelled.any():
        raise InputError("there is no labelled entry to score", remedy="Evaluate on a store whose faces carry labels")

    def scores_of(rows: NDArray[np.intp]) -> dict[str, Any]:
        part = truth[rows], predicted[rows], labelled[rows], np.asarray(subjects_M)[rows]
        return _scores(task, aus, *part, threshold_MA[rows], resamples, seed)

    same = bool((threshold_MA == threshold_MA[:1]).all())
    result: dict[str, Any] = {"task": task, "aus": [int(au) for au in aus]}
    result["limits"] = threshold_MA[0].tolist() if same else None
    result |= {"resamples": resamples, "seed": seed, "pooled": scores_of(np.arange(len(truth))), "folds": {}}
    if folds_M is not None:
        folds = np.asarray(folds_M).astype(str)
        names = sorted(np.unique(folds).tolist(), key=lambda name: (len(name), name))
        result["folds"] = {name: scores_of(np.flatnonzero(folds == name)) for name in names}
        if len(names) > 1:
            result["fold_mean"] = _fold_mean(list(result["folds"].values()))
    return result


def paired_difference(
    task: Task,
    aus: Sequence[int],
    truth_MA: NDArray[Any],
    first_MA: NDArray[Any],
    second_MA: NDArray[Any],
    subjects_M: NDArray[Any],
    threshold: Threshold = 0.5,
    second_threshold: Threshold | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    fewest: int = FEWEST_PEOPLE,
) -> dict[str, Any]:
    """Return first − second of each metric's mean over AUs, and per AU, with intervals from the same resamples.

    Only entries that both predict count. threshold: of the first, and of the second unless it has its own. fewest:
    people who make an interval. Keys: metric → {"value", "low", "high", "entries", "people", "per_au": {au: …}}.
    """
    truth = np.asarray(truth_MA, np.float64)
    first, second = np.asarray(first_MA, np.float64), np.asarray(second_MA, np.float64)
    both = threshold, threshold if second_threshold is None else second_threshold
    thresholds = [_per_entry(each, truth.shape) for each in both]
    for predicted, each in zip((first, second), thresholds, strict=True):
        _check(task, aus, truth, predicted, len(subjects_M), each)
    used = (truth >= 0) & ~np.isnan(first) & ~np.isnan(second)
    rows = used.any(axis=1)
    subject = np.unique(np.asarray(subjects_M)[rows], return_inverse=True)[1]
    draws = [
        resampled(
            _sums(task, truth[rows], predicted[rows], used[rows], subject, each[rows], resamples), resamples, seed
        )
        for predicted, each in zip((first, second), thresholds, strict=True)
    ]
    entries_A, people_A = used.sum(axis=0), _people(used[rows], subject)
    result: dict[str, Any] = {}
    for metric, values_RA in draws[0].items():
        difference_RA = values_RA - draws[1][metric]
        mean = _figure(mean_over_aus(difference_RA), int(entries_A.sum()), len(np.unique(subject)), fewest)
        per_au = {
            str(au): _figure(difference_RA[:, a], int(entries_A[a]), people_A[a], fewest) for a, au in enumerate(aus)
        }
        result[metric] = mean | {"per_au": per_au}
    return result


def mean_score(
    task: Task, truth_MA: NDArray[Any], predicted_MA: NDArray[Any], threshold: Threshold = 0.5
) -> dict[str, float]:
    """Return each metric's mean over AUs, without intervals: what choosing an epoch looks at. NaN where undefined."""
    truth, predicted = np.asarray(truth_MA, np.float64), np.asarray(predicted_MA, np.float64)
    used = (truth >= 0) & ~np.isnan(predicted)
    alone = np.zeros(len(truth), np.int64)
    sums = _sums(task, truth, predicted, used, alone, _per_entry(threshold, truth.shape), 1)
    return {name: float(mean_over_aus(values_1A)[0]) for name, values_1A in sums.values(np.ones((1, 1))).items()}


def _per_entry(threshold: Threshold, shape: tuple[int, ...]) -> Floats:
    """Return the threshold of each entry, (M, A), of one, one a row (M,), one an AU (1, A) or one an entry."""
    given = np.asarray(threshold, np.float64)
    return np.broadcast_to(given if given.ndim == 2 else given.reshape(-1, 1), shape)


def _check(task: Task, aus: Sequence[int], truth: Floats, predicted: Floats, subjects: int, threshold: Floats) -> None:
    if truth.ndim != 2 or truth.shape != predicted.shape or truth.shape != (subjects, len(aus)):
        raise ValueError(f"shapes differ: truth {truth.shape}, predicted {predicted.shape}, {subjects} × {len(aus)}")
    if np.isinf(predicted).any() or np.isinf(truth).any():
        raise ValueError("an infinite value cannot be scored")
    if task == "occurrence" and not np.isin(truth[truth >= 0], (0, 1)).all():
        raise ValueError("occurrence is 0 or 1 (−1 or NaN: unlabelled)")
    if not ((threshold >= 0) & (threshold <= 1)).all():
        wrong = float(threshold[~((threshold >= 0) & (threshold <= 1))][0])
        raise InputError(f"the threshold {wrong:g} is not a probability", remedy="Give one from 0 to 1")


def _sums(
    task: Task,
    truth: Floats,
    predicted: Floats,
    used: NDArray[np.bool_],
    subject: NDArray[np.int64],
    threshold: Floats,
    resamples: int,
) -> SubjectSums:
    if task == "occurrence":
        return OccurrenceSums(truth, predicted, used, subject, threshold, resamples)
    return IntensitySums(truth, predicted, used, subject)


def _scores(
    task: Task,
    aus: Sequence[int],
    truth: Floats,
    predicted: Floats,
    labelled: NDArray[np.bool_],
    subjects: NDArray[Any],
    threshold: Floats,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    used = labelled & ~np.isnan(predicted)
    rows = used.any(axis=1)
    names, subject = np.unique(subjects[rows], return_inverse=True)
    sums = _sums(task, truth[rows], predicted[rows], used[rows], subject, threshold[rows], resamples)
    values = resampled(sums, resamples, seed)
    entries_A, people_A = used.sum(axis=0), _people(used[rows], subject)
    positives_A = (used & (truth > 0.5)).sum(axis=0) if task == "occurrence" else None
    per_au: dict[str, dict[str, Any]] = {}
    for a, au in enumerate(aus):
        extra = {} if positives_A is None else {"positives": int(positives_A[a])}
        counted = int(entries_A[a]), people_A[a]
        per_au[str(au)] = {m: _figure(values_RA[:, a], *counted) | extra for m, values_RA in values.items()}
    mean = {}
    for metric, values_RA in values.items():
        defined = ~np.isnan(values_RA[0])
        covered = [int(au) for au, there in zip(aus, defined, strict=True) if there]
        counted = int(entries_A[defined].sum()), len(names)
        mean[metric] = _figure(mean_over_aus(values_RA), *counted) | {"aus": covered}
    return {
        "frames": len(truth),
        "subjects": len(names),
        "entries": int(used.sum()),
        "lost": int((labelled & ~used).sum()),
        "per_au": per_au,
        "mean": mean,
    }


def _people(used_MA: NDArray[np.bool_], subject_M: NDArray[np.int64]) -> list[int]:
    """Return of how many subjects each AU has entries that count."""
    return [len(np.unique(subject_M[used_M])) for used_M in used_MA.T]


def _figure(draws_R: Floats, entries: int, people: int, fewest: int = FEWEST_PEOPLE) -> dict[str, Any]:
    low, high = interval(draws_R[1:], people, fewest) if not np.isnan(draws_R[0]) else (float("nan"), float("nan"))
    return {"value": float(draws_R[0]), "low": low, "high": high, "entries": entries, "people": people}


def _fold_mean(folds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the mean over folds of each per-AU value and of each fold's mean, with how many folds define it."""

    def over(values: list[float]) -> dict[str, Any]:
        defined = [value for value in values if not np.isnan(value)]
        return {"value": float(np.mean(defined)) if defined else float("nan"), "folds": len(defined)}

    aus, metrics = folds[0]["per_au"], folds[0]["mean"]
    return {
        "per_au": {
            au: {metric: over([fold["per_au"][au][metric]["value"] for fold in folds]) for metric in metrics}
            for au in aus
        },
        "mean": {metric: over([fold["mean"][metric]["value"] for fold in folds]) for metric in metrics},
    }
