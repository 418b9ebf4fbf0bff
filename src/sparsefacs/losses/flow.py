"""Optical flow estimated from one face (WSRTL, III-D); NaN where the true flow is unknown, as with photos."""

import torch
from torch import Tensor

from .reduction import difference, known_only, labelled_mean


def flow_loss(predicted_B2HW: Tensor, flow_B2HW: Tensor) -> Tensor:
    """Return the mean of |f_g − f_p| over known entries of all processes; 0 when none is known (WSRTL, eq. 8).

    Both (B, 2, H, W), x then y, in one unit; flow_B2HW is NaN where unknown. Reading: the paper's l1-norm as a mean, as
    in eq. 4, so that λf does not depend on the size of the map. Raises ValueError for shapes that differ.
    """
    known = ~torch.isnan(flow_B2HW)
    return labelled_mean(known_only(difference(predicted_B2HW, flow_B2HW), known).abs(), known)


def endpoint_error(predicted_B2HW: Tensor, flow_B2HW: Tensor) -> Tensor:
    """Return the mean Euclidean distance of predicted and true displacements; NaN when no pixel is known.

    Both (B, 2, H, W), x then y, in one unit, which is the result's; a pixel counts where both components are known. A
    metric: of this process's pixels, without gradient. Raises ValueError for shapes that differ.
    """
    distance_BHW = difference(predicted_B2HW.detach(), flow_B2HW).square().sum(dim=1).sqrt()
    return distance_BHW[~torch.isnan(flow_B2HW).any(dim=1)].mean()
