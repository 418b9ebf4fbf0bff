"""Optical flow estimated from one face (WSRTL, III-D); NaN where the true flow is unknown, as with photos."""

import torch
from torch import Tensor

from .reduction import global_sum, known_only, labelled_mean, wide


def flow_loss(predicted_B2HW: Tensor, flow_B2HW: Tensor) -> Tensor:
    """Return the mean of |f_g − f_p| over known entries of all processes; 0 when none is known (WSRTL, eq. 8).

    Both (B, 2, H, W), x then y, in one unit; flow_B2HW is NaN where unknown. Reading: the paper's l1-norm as a mean, as
    in eq. 4, so that λf does not depend on the size of the map. Raises ValueError for shapes that differ.
    """
    known = ~torch.isnan(flow_B2HW)
    # Unknown entries leave the difference before its slope is taken.
    return labelled_mean(_difference(predicted_B2HW, flow_B2HW, known).abs(), known)


def endpoint_error(predicted_B2HW: Tensor, flow_B2HW: Tensor) -> Tensor:
    """Return the mean Euclidean distance of predicted and true displacements; NaN when no pixel is known.

    Both (B, 2, H, W) in pixels; a pixel counts where both components are known. A metric, without gradient, averaged
    over the pixels of all processes. Raises ValueError for shapes that differ.
    """
    known_BHW = ~torch.isnan(flow_B2HW).any(dim=1)
    both = known_BHW[:, None].expand_as(flow_B2HW)
    distance_BHW = torch.linalg.vector_norm(_difference(predicted_B2HW, flow_B2HW, both).detach(), dim=1)
    mean = labelled_mean(distance_BHW, known_BHW)
    return torch.where(global_sum(known_BHW.sum()) > 0, mean, torch.full_like(mean, torch.nan))


def _difference(predicted: Tensor, flow: Tensor, known: Tensor) -> Tensor:
    """Return predicted − flow, 0 where not known."""
    return known_only(wide(predicted), known) - known_only(wide(flow), known)
