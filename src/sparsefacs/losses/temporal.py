"""Losses of temporal contrastive learning (TCL): a clip at two playback speeds.

Singh, Chakraborty, Varshney, Panda, Feris, Saenko, Das: Semi-supervised action recognition with temporal contrastive
learning (CVPR 2021). The instance loss, its eq. 2, is `contrastive.ntxent_loss`, of the clips at both speeds. What is
contrasted is what the network answers of a clip, as in its authors' program (`methods/tcl.py`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .contrastive import gathered
from .reduction import process_count, wide


def group_contrast_loss(
    fast_BD: Tensor, slow_BD: Tensor, fast_member_BA: Tensor, slow_member_BA: Tensor, temperature: float
) -> Tensor:
    """Return the contrast of means of groups of clips at two speeds, averaged over groups (TCL, eqs 3 and 4).

    fast_BD, slow_BD: what is contrasted (B, D) of clips at either speed; members: bool (B, A), clips on which an AU is
    predicted there. Reading for many labels: the group of an AU is those clips, so that a clip may be in several or
    none; only groups with members at both speeds count, against all groups of both. 0 with fewer than two such AUs.
    """
    means, there = [], []
    for features_BD, member_BA in ((fast_BD, fast_member_BA), (slow_BD, slow_member_BA)):
        every_BD = gathered(F.normalize(wide(features_BD), dim=-1))
        own_BA = gathered(member_BA.to(every_BD.dtype))
        count_A = own_BA.sum(dim=0)
        means.append(own_BA.T @ every_BD / count_A.clamp(min=1)[:, None])
        there.append(count_A > 0)
    both_A = there[0] & there[1]
    groups = int(both_A.sum())
    if groups < 2:
        return 0.0 * (fast_BD.sum() + slow_BD.sum())
    views = F.normalize(torch.cat([mean[both_A] for mean in means]), dim=-1)
    similar = views @ views.T / temperature
    similar = similar.masked_fill(torch.eye(2 * groups, dtype=torch.bool, device=views.device), -torch.inf)
    partner = torch.arange(2 * groups, device=views.device).roll(groups)
    # Every process has made the loss of all clips, and gradients are added over processes.
    return F.cross_entropy(similar, partner) / process_count()
