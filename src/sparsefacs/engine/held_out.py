"""A pre-training's own losses on the people whom it leaves out; no label is read, and nothing is chosen by them."""

from dataclasses import dataclass

import torch

from ..data.batches import Views
from ..losses.reduction import global_sum
from ..methods.contract import Algorithm

BATCHES = 4
"""Batches that a score rests on, the same faces in the same views each time."""


@dataclass
class HeldOut:
    """Faces of the people left out, and after which steps they are looked at.

    A check draws no random number of the training's and changes nothing in it, so that it goes through the same weights
    as one without. Every process takes part.
    """

    views: Views
    steps: frozenset[int]

    def check(self, done: int, method: Algorithm) -> dict[str, float]:
        """Return the losses after `done` steps, as `held_out_…`; nothing where that is no step to look at them."""
        return self.score(method) if done in self.steps else {}

    def score(self, method: Algorithm) -> dict[str, float]:
        """Return the mean of each loss term in evaluation mode."""
        kept = {name: buffer.clone() for name, buffer in method.named_buffers()}  # MoCo's queue takes new keys
        was_training, totals = method.training, dict[str, float]()
        self.views.seek({"views": 0})
        method.eval()
        # of this process's device alone: else every process would take memory on every GPU
        devices = {each.device for each in method.parameters() if each.is_cuda}
        with torch.no_grad(), torch.random.fork_rng(devices):
            torch.manual_seed(0)
            for number in range(BATCHES):
                for update in method.updates(self.views, number):
                    for name, term in update.terms.items():
                        totals[name] = totals.get(name, 0.0) + float(global_sum(term)) / BATCHES
        for name, buffer in method.named_buffers():
            buffer.copy_(kept[name])
        method.train(was_training)
        return {f"held_out_{name}": total for name, total in totals.items()}
