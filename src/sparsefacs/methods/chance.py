"""Random numbers inside a method's step: a function of seed, step and purpose, drawn for all processes at once.

Each process takes the numbers of its own faces, so that any number of processes trains on the same draws, and nothing
needs to be kept for a stop and resume.
"""

from enum import IntEnum
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..losses.reduction import process_count, process_rank

Number = TypeVar("Number", np.int64, np.float32)


class Purpose(IntEnum):
    """What a draw is for; every purpose has a stream of its own."""

    HIDDEN_LABELLED = 1
    HIDDEN_UNLABELLED = 2
    MIX_WEIGHT = 3
    MIX_PARTNER = 4
    CUT_AU = 5
    TURN_LABELLED = 6
    TURN_UNLABELLED = 7
    ORDER_LABELLED = 8
    ORDER_UNLABELLED = 9
    MASK = 10
    MIX_SWITCH = 11
    MIX_SHARE = 12
    MIX_BOX = 13
    SPEED = 14
    SOFT_LABELS = 15
    SOFT_LABELS_BESIDE = 16


class Chance:
    """The draws of one training."""

    def __init__(self, seed: int) -> None:
        self.seed = seed % 2**63

    def generator(self, step: int, purpose: Purpose) -> np.random.Generator:
        """Return the generator of `purpose` in step `step`, the same on every process."""
        return np.random.default_rng([self.seed, step, int(purpose)])

    def choices(self, step: int, purpose: Purpose, count: int, below: int) -> Tensor:
        """Return `count` whole numbers from 0 to `below` − 1, (count,), for this process's faces."""
        drawn = self.generator(step, purpose).integers(0, below, count * process_count())
        return torch.from_numpy(own_rows(drawn, count))

    def uniform(self, step: int, purpose: Purpose, count: int, width: int) -> Tensor:
        """Return numbers from 0 to below 1 in float32, (count, width), for this process's faces."""
        drawn = self.generator(step, purpose).random((count * process_count(), width), dtype=np.float32)
        return torch.from_numpy(own_rows(drawn, count))


def own_rows(drawn: NDArray[Number], count: int) -> NDArray[Number]:
    """Return this process's `count` of what was drawn for the faces of all processes, in rank order."""
    first = process_rank() * count
    return drawn[first : first + count]
