"""Which state of a training is kept, and at which probability an AU counts: chosen on a score, by a stated rule.

A check codes the faces of the selection set with the network as it is, in float32, and scores them. Checks draw no
random number and change nothing in the training, so a run with checks passes through the same weights as one without.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.loss import loss_difference, mean_loss
from ..metrics.scores import mean_score, paired_difference
from .coding import RowCoder

if TYPE_CHECKING:
    from torch import nn

    from ..methods.settings import Setting

FIXED_THRESHOLD = 0.5
_RESAMPLES = 200
_THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
MAIN_METRIC = {"occurrence": "f1", "intensity": "icc"}


def check_steps(steps: int, checks: int) -> frozenset[int]:
    """Return after which steps the network is checked: `checks` of them, evenly spread, the last step among them."""
    return frozenset(round(number * steps / checks) for number in range(1, checks + 1)) - {0}


def best_threshold(truth_MA: NDArray[Any], predicted_MA: NDArray[np.float32]) -> float:
    """Return the threshold of the best mean F1; of equal ones that nearest one half."""
    scored = [(mean_score("occurrence", truth_MA, predicted_MA, at)["f1"], -abs(at - 0.5), at) for at in _THRESHOLDS]
    return max((each for each in scored if not np.isnan(each[0])), default=(0.0, 0.0, FIXED_THRESHOLD))[2]


@dataclass
class Selector:
    """Checks a network on the faces of rows (M,) of what `coder` codes, and remembers which state to keep.

    subject_M: whose face each row shows. truth_MA: labels, −1 or NaN where they may not be seen. heed_luck: keep the
    latest state that is not clearly worse than the best one, that is, whose paired interval over subjects reaches zero;
    a few validation frames rank states by luck, and a longer training is then the better guess. Without it the best
    score is kept, of equal ones the latest. threshold_chosen: also choose the probability from which an AU counts, one
    for all AUs. by_loss: the score is minus the mean loss on these faces, not F1 or ICC.
    """

    setting: "Setting"
    coder: RowCoder
    rows: NDArray[np.int64]
    subject_M: NDArray[Any]  # noqa: N815 -- a shape suffix
    truth_MA: NDArray[Any]  # noqa: N815
    steps: frozenset[int]
    heed_luck: bool = True
    threshold_chosen: bool = False
    by_loss: bool = False
    best: dict[str, Any] | None = None
    kept: dict[str, Any] | None = None
    history: list[dict[str, float]] = field(default_factory=list)

    def check(self, step: int, network: "nn.Module") -> dict[str, float]:
        """Score `network` if `step` is one to check at, keep its weights if it is to be kept; return terms to log."""
        import torch

        if step not in self.steps:
            return {}
        predicted_MA = self._coded(network)
        score, terms = self._score(predicted_MA)
        self.history.append({"step": step, "score": score})
        leads = self.best is None or np.isnan(self.best["score"]) or score >= self.best["score"]
        if np.isnan(score) and not leads:  # nothing to compare: it neither leads nor comes near
            return terms
        if leads:
            self.best = {"step": step, "score": score, "predicted": torch.from_numpy(predicted_MA)}
        if leads or (self.heed_luck and not self._clearly_worse(predicted_MA)):
            weights = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
            threshold = best_threshold(self.truth_MA, predicted_MA) if self.threshold_chosen else FIXED_THRESHOLD
            self.kept = {"step": step, "score": score, "threshold": threshold, "weights": weights}
        return terms

    def stalled(self, patience: int) -> bool:
        """Say whether the last `patience` checks brought no better score than those before them."""
        scores = [entry["score"] for entry in self.history if not np.isnan(entry["score"])]
        best = max(scores, default=float("nan"))
        first = next((n for n, entry in enumerate(self.history) if entry["score"] == best), -1)
        return len(self.history) - 1 - first >= patience

    def _score(self, predicted_MA: NDArray[np.float32]) -> tuple[float, dict[str, float]]:
        """Return what is to be large, and what there is to log."""
        if self.by_loss:
            loss = mean_loss(self.setting.task, self.truth_MA, predicted_MA)
            return -loss, {"selection_loss": loss}
        metric = MAIN_METRIC[self.setting.task]
        score = mean_score(self.setting.task, self.truth_MA, predicted_MA, FIXED_THRESHOLD)[metric]
        return score, {f"selection_{metric}": score}

    def _clearly_worse(self, predicted_MA: NDArray[np.float32]) -> bool:
        """Say whether the paired 95 % interval against the best state so far lies on the worse side of zero."""
        assert self.best is not None
        if self.by_loss:
            best_MA = self.best["predicted"].numpy()
            task, truth_MA = self.setting.task, self.truth_MA
            more = loss_difference(task, truth_MA, predicted_MA, best_MA, self.subject_M, _RESAMPLES)
            return bool(more["low"] > 0)
        metric = MAIN_METRIC[self.setting.task]
        difference = paired_difference(
            self.setting.task,
            self.setting.aus,
            self.truth_MA,
            predicted_MA,
            self.best["predicted"].numpy(),
            self.subject_M,
            resamples=_RESAMPLES,
            fewest=2,
        )[metric]
        return bool(difference["high"] < 0)

    def _coded(self, network: "nn.Module") -> NDArray[np.float32]:
        return self.coder.code(network, self.setting, self.rows)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"best": self.best, "kept": self.kept, "history": self.history}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self.best, self.kept, self.history = state["best"], state["kept"], list(state["history"])
