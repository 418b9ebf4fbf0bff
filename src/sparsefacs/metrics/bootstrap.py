"""95 % intervals by resampling subjects with replacement.

Frames of one person resemble each other, so people are what is resampled: each resample draws as many subjects as
there are, with all their frames. The interval is the 2.5th to 97.5th percentile over the resamples in which the
value is defined. With few subjects (say under ten) percentile intervals are too narrow; the number of subjects
stands beside every score. With fewer than three they are no intervals at all, and there is none.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .ratios import ratio

Floats = NDArray[np.float64]
LOW, HIGH = 2.5, 97.5
FEWEST_PEOPLE = 3
"""With one or two people an interval says nothing about others."""
_BLOCK_VALUES = 4_000_000  # weights held at a time, so memory stays flat for very many subjects


class SubjectSums(Protocol):
    """Sums per subject that give the metrics of any weighting of the subjects."""

    shape: tuple[int, int]  # subjects, AUs

    def values(self, weights_BS: Floats) -> dict[str, Floats]:
        """Return each metric, (B, A), when subject s counts weights_BS[b, s] times."""


class Together:
    """The sums of several metrics of the same subjects and AUs as one."""

    def __init__(self, *parts: SubjectSums) -> None:
        self.parts = parts
        self.shape = parts[0].shape

    def values(self, weights_BS: Floats) -> dict[str, Floats]:
        """Return the metrics of all, (B, A), when subject s counts weights_BS[b, s] times."""
        return {name: value for part in self.parts for name, value in part.values(weights_BS).items()}


def subject_weights(subjects: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Yield blocks (b, S) of how often each subject is drawn; rows of all blocks together: `resamples`."""
    rng = np.random.default_rng([seed, subjects])
    block = max(1, _BLOCK_VALUES // max(subjects, 1))
    for start in range(0, resamples, block):
        drawn = rng.multinomial(subjects, np.full(subjects, 1 / subjects), size=min(block, resamples - start))
        yield drawn.astype(np.float64)


def resampled(
    sums: SubjectSums, resamples: int, seed: int, places: Sequence[int] | None = None, people: int | None = None
) -> dict[str, Floats]:
    """Return each metric, (1 + resamples, A): the value itself first, then one row a resample of the subjects.

    places: of the subjects among `people` of whom each resample draws; None: these are all. With under two subjects
    there is nothing to resample: those rows are NaN.
    """
    subjects, aus = sums.shape
    chosen = list(range(subjects)) if places is None else list(places)
    point = sums.values(np.ones((1, subjects)))
    if subjects < 2:
        nothing = np.full((resamples, aus), np.nan)
        return {name: np.concatenate([value, nothing]) for name, value in point.items()}
    drawn = subject_weights(people or subjects, resamples, seed)
    blocks = [point, *(sums.values(weights[:, chosen]) for weights in drawn)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in point}


def interval(draws_R: Floats, people: int, fewest: int = FEWEST_PEOPLE) -> tuple[float, float]:
    """Return the 95 % percentile interval of the defined draws of `people`; NaN, NaN when none is, or too few are."""
    defined = draws_R[~np.isnan(draws_R)]
    if not len(defined) or people < fewest:
        return float("nan"), float("nan")
    low, high = np.percentile(defined, [LOW, HIGH])
    return float(low), float(high)


def mean_over_aus(values_RA: Floats) -> Floats:
    """Return (R,), the mean over the AUs whose value (row 0) is defined; in a resample, over those defined there."""
    kept = values_RA[:, ~np.isnan(values_RA[0])]
    there = ~np.isnan(kept)
    count = there.sum(axis=1)
    total = np.where(there, kept, 0.0).sum(axis=1)
    return ratio(total, count)
