"""Mixup and CutMix of a whole batch of labelled faces, with several AUs at a time and labels missing.

Zhang, Cisse, Dauphin, Lopez-Paz: mixup, 2018; Yun et al.: CutMix, 2019; one share of a batch, as in `timm.data.Mixup`.
"""

import numpy as np
import torch
from torch import Tensor

from .mixing import mixed_labels, mixup

Box = tuple[int, int, int, int]
"""Top, bottom, left, right: pixels, the second and fourth beyond the last."""


def neighbours(count: int) -> Tensor:
    """Return each face's partner in a batch of `count`, (count,): the first two are partners, the next two, and so on.

    A batch is in random order, so this pairs at random, and any number of processes with even shares pairs alike. The
    last of an odd number is its own partner.
    """
    return (torch.arange(count) ^ 1).clamp(max=count - 1)


def cut_box(side: int, share: float, generator: np.random.Generator) -> Box:
    """Return a square of (1 − `share`) of a face's area at a random place (CutMix, eq. 2).

    It is cut where it leaves the face. The centre is drawn first down, then across, from 0 to `side` − 1.
    """
    cut = int(side * np.sqrt(1 - share))
    middles = (int(generator.integers(side)), int(generator.integers(side)))
    top, left = (max(middle - cut // 2, 0) for middle in middles)
    bottom, right = (min(middle + (cut + 1) // 2, side) for middle in middles)
    return top, bottom, left, right


def box_share(box: Box, side: int) -> float:
    """Return the share of a face of `side` pixels that `box` leaves."""
    top, bottom, left, right = box
    return 1 - (bottom - top) * (right - left) / side**2


def blend(image_BCHW: Tensor, share: float) -> Tensor:
    """Return `share` of each face and the rest of its partner (mixup, eq. 1)."""
    weights = torch.full(image_BCHW.shape[:1], share, dtype=torch.float64)
    return mixup(image_BCHW, image_BCHW[neighbours(len(image_BCHW))], weights.to(image_BCHW.device))


def paste(image_BCHW: Tensor, box: Box) -> Tensor:
    """Return each face with its partner's pixels in `box` (CutMix, eq. 1)."""
    top, bottom, left, right = box
    pasted = image_BCHW.clone()
    there = image_BCHW[..., top:bottom, left:right]
    pasted[..., top:bottom, left:right] = there[neighbours(len(image_BCHW))]
    return pasted


def shared_labels(labels_BA: Tensor, share: float, missing: float) -> Tensor:
    """Return `share` of each face's labels (B, A) and the rest of its partner's; `missing` where either has none.

    labels_BA: 0 or more, −1 or NaN where there is none. Reading: the papers have no missing labels.
    """
    weights = torch.full(labels_BA.shape[:1], share, dtype=torch.float64, device=labels_BA.device)
    mixed = mixed_labels(labels_BA, labels_BA[neighbours(len(labels_BA))], weights)
    return torch.where(mixed < 0, missing, mixed)
