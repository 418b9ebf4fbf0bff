"""How far two runs lie apart on the same frames: the paired difference, with an interval over subjects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.limits import FROM_CODER
from ..metrics.scores import paired_difference
from .results import Result, number

if TYPE_CHECKING:
    import pandas as pd


_AT_LIMITS = frozenset({"f1", "accuracy"})
_ALIKE = ({"base-rate", FROM_CODER}, {"chosen-frames", FROM_CODER}, {"chosen"})
"""Rules of two runs of which each finds its own limits."""


@dataclass(frozen=True)
class Difference:
    """Scores of a run less the baseline's over the same entries, each {value, low, high}: the AUs' mean and each AU.

    low, high are undefined (NaN) with fewer than three subjects.
    """

    run: str
    baseline: str
    metric: str
    mean: Mapping[str, Any]
    per_au: Mapping[int, Mapping[str, Any]]
    subjects: int


def is_clear(score: Mapping[str, Any]) -> bool:
    """Say whether a difference's interval leaves out zero."""
    low, high = number(score.get("low")), number(score.get("high"))
    return low is not None and high is not None and (low > 0 or high < 0)


def difference(run: Result, baseline: Result, metric: str | None = None) -> Difference | str:
    """Return a metric of `run` less that of `baseline`; or, where they cannot be paired, why not, in words.

    metric: default the main one. Both must have predicted the same rows of the same labels: subjects are then resampled
    once for both runs, so that what makes a subject hard for both cancels.
    """
    aus = tuple(au for au in run.aus if au in baseline.aus)
    ours, theirs = _in_row_order(run), _in_row_order(baseline)
    problem = _unpaired(run, baseline, metric or run.main_metric, aus, ours, theirs)
    if problem or ours is None or theirs is None:
        return problem or "one of the two has no predictions.parquet"
    truth_MA = _columns(ours, [f"AU{au:02d}_true" for au in aus])
    found = paired_difference(
        "occurrence" if run.task == "occurrence" else "intensity",
        aus,
        truth_MA,
        _columns(ours, [run.predicted_column(au) for au in aus]),
        _columns(theirs, [baseline.predicted_column(au) for au in aus]),
        ours["subject"].to_numpy(dtype=np.str_),
        threshold=run.limits(ours, aus),
        second_threshold=baseline.limits(theirs, aus),
    )[metric or run.main_metric]
    if number(found["value"]) is None:
        return "no AU has a defined score in both"
    return Difference(
        run=run.label,
        baseline=baseline.label,
        metric=metric or run.main_metric,
        mean=found,
        per_au={au: found["per_au"][str(au)] for au in aus},
        subjects=int(ours["subject"].nunique()),
    )


def _unpaired(
    run: Result,
    baseline: Result,
    metric: str,
    aus: tuple[int, ...],
    ours: "pd.DataFrame | None",
    theirs: "pd.DataFrame | None",
) -> str:
    """Say why the two cannot be paired; empty if they can."""
    if ours is None or theirs is None:
        return "one of the two has no predictions.parquet"
    keys = ("row", "subject", "clip", "frame")
    names = [f"AU{au:02d}_true" for au in aus]
    same = len(ours) == len(theirs) and all(
        np.array_equal(ours[key].astype(str).to_numpy(), theirs[key].astype(str).to_numpy()) for key in keys
    )
    checks = (
        (not aus, "they share no AU"),
        (_differing_limits(run, baseline, metric, aus), "they were scored at different limits"),
        (not same, "they were not scored on the same held-out frames"),
        (same and not _equal_labels(_columns(ours, names), _columns(theirs, names)), "their held-out labels differ"),
        (not np.any(_columns(ours, names) >= 0), "none of their held-out frames is labelled"),
    )
    return next((words for failed, words in checks if failed), "")


def _differing_limits(run: Result, baseline: Result, metric: str, aus: tuple[int, ...]) -> bool:
    """Say whether the two count AUs from different probabilities on; each finding its own is one rule for both."""
    rules = {result.fact("limit_rule") or result.fact("threshold_rule") for result in (run, baseline)}
    if metric not in _AT_LIMITS or any(rules <= alike for alike in _ALIKE):
        return False
    used = [result.limits(result.predictions, aus) for result in (run, baseline) if result.predictions is not None]
    limits_MA = np.concatenate(used)
    return bool((limits_MA != limits_MA[:1]).any())


def _in_row_order(result: Result) -> "pd.DataFrame | None":
    if result.predictions is None:
        return None
    return result.predictions.sort_values(["row", "fold"], kind="stable").reset_index(drop=True)


def _columns(table: "pd.DataFrame", names: list[str]) -> NDArray[np.float64]:
    return np.asarray(table[names].to_numpy(dtype=np.float64, na_value=np.nan))


def _equal_labels(one_MA: NDArray[np.float64], other_MA: NDArray[np.float64]) -> bool:
    ours, theirs = np.where(one_MA >= 0, one_MA, -1.0), np.where(other_MA >= 0, other_MA, -1.0)
    return bool(np.allclose(ours, theirs, atol=1e-5))
