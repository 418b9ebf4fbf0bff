"""Losses of temporal contrastive learning (TCL): a clip at two playback speeds.

Singh, Chakraborty, Varshney, Panda, Feris, Saenko, Das: Semi-supervised action recognition with temporal contrastive
learning (CVPR 2021). The instance loss, its eq. 2, is `contrastive.ntxent_loss` on the clips' outputs at both speeds.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .contrastive import gathered
from .reduction import process_count, wide


def group_contrast_loss(dense_BA: Tensor, sparse_BA: Tensor, temperature: float) -> Tensor:
    """Return the contrast of average outputs of groups of clips at two speeds, averaged over groups (TCL, eqs 3 and 4).

    dense_BA, sparse_BA: AU logits (B, A) of clips at either speed. Reading for many labels: the group of an AU at a
    speed is the clips on which the AU is predicted there (logit above 0), so that a clip may be in several or none;
    only groups with members at both speeds count, against all groups of both. 0 with fewer than two such AUs.
    """
    means, there = [], []
    for logits_BA in (gathered(wide(dense_BA)), gathered(wide(sparse_BA))):
        member_BA = (logits_BA.detach() > 0).to(logits_BA.dtype)
        count_A = member_BA.sum(dim=0)
        means.append(member_BA.T @ logits_BA / count_A.clamp(min=1)[:, None])
        there.append(count_A > 0)
    both_A = there[0] & there[1]
    groups = int(both_A.sum())
    if groups < 2:
        return 0.0 * (dense_BA.sum() + sparse_BA.sum())
    views = F.normalize(torch.cat([mean[both_A] for mean in means]), dim=-1)
    similar = views @ views.T / temperature
    similar = similar.masked_fill(torch.eye(2 * groups, dtype=torch.bool, device=views.device), -torch.inf)
    partner = torch.arange(2 * groups, device=views.device).roll(groups)
    # Every process has made the loss of all clips, and gradients are added over processes.
    return F.cross_entropy(similar, partner) / process_count()
