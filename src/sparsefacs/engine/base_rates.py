"""The limits of a finished training: each AU counts as often as the training people's labels say it is present.

From a coder it counts as often as is expected.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.limits import FROM_CODER, HALF, Limits, base_rate_limits, base_rates, drawn_limits, rates_of_chosen
from ..networks.clip_answers import is_of_clips
from .training_set import TrainingSet

if TYPE_CHECKING:
    from torch import nn

    from ..methods.settings import Setting

MOST_FACES = 1000
ENOUGH_UNLABELLED = 200
"""Faces without a visible label that do alone: a network knows by heart those whose labels it saw."""
_DIGITS = 4


def faces_for_limits(data: TrainingSet, most: int = MOST_FACES) -> NDArray[np.int64]:
    """Return rows of at most `most` faces of the training people in the labelled store, evenly spread, ascending.

    Those that it did not learn from where there are enough of them (without a visible label, or of people set aside to
    choose the epoch on), else all together; nobody who is tested on is among them.
    """
    own = np.concatenate([data.unlabelled[data.unlabelled < len(data.visible.mask)], data.validation])
    pool = np.sort(own if len(own) >= ENOUGH_UNLABELLED else np.concatenate([data.labelled, own]))
    return pool[np.linspace(0, len(pool) - 1, min(most, len(pool))).round().astype(np.int64)]


def limits_by_base_rate(
    data: TrainingSet, predicted_MA: NDArray[Any], brought_A: NDArray[Any] | None = None, *, rule: str = "base-rate"
) -> list[float]:
    """Return each AU's limit from the visible labels of the training people and predictions on `faces_for_limits`.

    brought_A: limits of a coder whose weights AUs were learned from, NaN of the others: their mean prediction is how
    often they are present, which labels have a part in, and few of them tell worse; and their limits are drawn to the
    coder's (`metrics.limits.drawn_limits`). rule: base-rate, or chosen-frames: by the rates of
    `metrics.limits.rates_of_chosen`, since frames that were chosen for their doubt show AUs more often than others.
    """
    labels_NA = data.occurrence[np.concatenate([data.labelled, data.validation])]
    rates_A = base_rates(labels_NA)
    if rule == "chosen-frames" or brought_A is not None:
        expected_A = np.nanmean(predicted_MA, axis=0)
        rates_A = rates_of_chosen(rates_A, expected_A) if rule == "chosen-frames" else rates_A
        rates_A = rates_A if brought_A is None else np.where(np.isnan(brought_A), rates_A, expected_A)
    limits_A = base_rate_limits(predicted_MA, rates_A)
    if brought_A is not None:
        table = data.coder.table(person=False)
        limits_A = drawn_limits(limits_A, brought_A, len(np.unique(table.people[faces_for_limits(data)])))
    return [round(float(limit), _DIGITS) for limit in limits_A]


def limits_by_rule(
    setting: "Setting",
    data: TrainingSet,
    chosen: float | None,
    rule: str,
    code: Callable[[NDArray[np.int64]], NDArray[Any]],
    brought_A: NDArray[Any] | None = None,
    most: int = MOST_FACES,
) -> Limits:
    """Return the limit of each AU of a finished training, by `rule`: base-rate, chosen-frames, fixed or chosen.

    chosen: the threshold that was chosen with the epoch, None where nobody was there to choose it on. code: rows (M,)
    to codes (M, A). brought_A: as of `limits_by_base_rate`. Intensity has no limits: one half.
    """
    fixed = Limits([HALF] * len(setting.aus), "fixed")
    if setting.task == "intensity" or rule == "fixed":
        return fixed
    if rule == "chosen":
        return fixed if chosen is None else Limits([chosen] * len(setting.aus), rule)
    found = limits_by_base_rate(data, code(faces_for_limits(data, most)), brought_A, rule=rule)
    drawn = brought_A is not None and not np.isnan(brought_A).all()
    return Limits(found, FROM_CODER if drawn else rule)


def trained_limits(
    network: "nn.Module", setting: "Setting", data: TrainingSet, chosen: float | None, rule: str
) -> Limits:
    """Return the limits of a network with its kept weights, as of `limits_by_rule`; nothing is changed in it."""
    clips: Any = network
    most = max(ENOUGH_UNLABELLED, MOST_FACES // clips.clip_length) if is_of_clips(network) else MOST_FACES
    return limits_by_rule(setting, data, chosen, rule, lambda rows: data.coder.code(network, setting, rows), None, most)
