"""The limit of each AU: the probability from which it counts as present.

A rare AU seldom gets a probability over one half, however well a network ranks its faces. A limit by base rate calls
an AU present as often as the training people's labels say it is, and needs no label to be held back for choosing it.
From a coder, whose probabilities can be relied on, it does so as often as is expected, near the coder's own limits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evidence.fitting import smoothed_rates

Floats = NDArray[np.float64]
HALF = 0.5
LOWEST, HIGHEST = 0.01, 0.99
FROM_CODER = "from-coder"
"""The rule of limits that are by what is expected of all faces, drawn to those of a coder; of AUs that it does not know
they are as was asked for."""


@dataclass(frozen=True)
class Limits:
    """The limit of each AU, and the rule that they are by: what was asked for, from-coder, or fixed, one half."""

    values: Sequence[float]
    rule: str


def base_rates(labels_NA: NDArray[Any]) -> Floats:
    """Return how often each AU is present, (A,), in labels (N, A) of 0 and 1, −1 or NaN where there is none.

    Rates are drawn towards that of all labels together, as if two further labels had told it, so that an AU without a
    positive, or without a label, has a rate too: (positives + 2 · mean) / (labelled + 2). Without any label the mean is
    `evidence.fitting.RATE_UNKNOWN`.
    """
    labels = np.asarray(labels_NA, np.float64)
    known = np.where(labels >= 0, labels > 0.5, np.nan)
    return smoothed_rates(known)


def rates_of_chosen(told_A: NDArray[Any], expected_A: NDArray[Any]) -> Floats:
    """Return how often each AU is present, (A,), where labels are of frames chosen for their doubt.

    told_A: the rates of those labels, mostly too high; expected_A: mean probabilities over all frames, mostly too low.
    Their geometric mean, which over five draws of people was better than either (docs/guide/which-frames.md).
    """
    return np.asarray(np.sqrt(np.asarray(told_A, np.float64) * np.asarray(expected_A, np.float64)))


PEOPLE_BROUGHT = 8.0
"""People whose faces tell limits as well as those that a coder brings (docs/methods/coder.md)."""


def drawn_limits(own_A: NDArray[Any], brought_A: NDArray[Any], people: int) -> Floats:
    """Return limits (A,) found on the faces of `people`, drawn to those that a coder brings, NaN where it brings none.

    Means of their logits, the coder's with the weight of PEOPLE_BROUGHT people: how often one person shows an AU says
    little of where its limit lies.
    """
    own, brought = (np.asarray(each, np.float64) for each in (own_A, brought_A))
    shares = np.where(np.isnan(brought), 0.0, PEOPLE_BROUGHT) / (PEOPLE_BROUGHT + people)
    held = np.clip([own, np.where(np.isnan(brought), HALF, brought)], LOWEST, HIGHEST)
    logits = np.log(held / (1 - held))
    drawn = (1 - shares) * logits[0] + shares * logits[1]
    return np.where(shares > 0, 1 / (1 + np.exp(-drawn)), own)


def base_rate_limits(predicted_MA: NDArray[Any], rates_A: NDArray[Any]) -> Floats:
    """Return the limits (A,) from which the share rates_A of predictions (M, A) count: their (1 − rate) quantiles.

    A lost prediction (NaN) does not count. Limits are kept within 0.01–0.99; one half where an AU has no prediction or
    no rate.
    """
    predicted, rates = np.asarray(predicted_MA, np.float64), np.asarray(rates_A, np.float64)
    limits = np.full(len(rates), HALF)
    for au, rate in enumerate(rates):
        given = predicted[~np.isnan(predicted[:, au]), au]
        if len(given) and not np.isnan(rate):
            limits[au] = np.quantile(given, 1 - rate)
    clipped: Floats = np.clip(limits, LOWEST, HIGHEST)
    return clipped


def described_limits(described: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the limits that a model's description tells, one an AU; older ones tell one `threshold` for all."""
    told = described.get("limits")
    return tuple(float(x) for x in ([described["threshold"]] * len(described["aus"]) if told is None else told))
