"""From aligned faces to codes: the one way any trained network is asked."""

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn


def answers(
    network: "nn.Module", faces_BHWC: NDArray[np.uint8], input_size: int, task: Literal["occurrence", "intensity"]
) -> NDArray[np.float32]:
    """Return probabilities 0–1 (occurrence) or intensities 0–5, (B, A), for aligned RGB faces (B, S, S, 3).

    network: faces (B, 3, input_size, input_size) in 0–1 → logits (B, A), in evaluation mode, on any device; it is
    run in float32.
    """
    import torch

    device = next(network.parameters()).device
    with torch.inference_mode():
        image = torch.from_numpy(faces_BHWC).to(device).permute(0, 3, 1, 2).float() / 255
        if image.shape[-1] != input_size:
            image = torch.nn.functional.interpolate(image, (input_size, input_size), mode="bilinear", antialias=True)
        answer = torch.sigmoid(network(image))
        return np.asarray((answer * 5 if task == "intensity" else answer).float().cpu().numpy())
