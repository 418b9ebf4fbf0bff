"""Weights from elsewhere as the start of a network that differs from theirs.

A vision transformer may see another number of patches than its weights were trained on, and may pool all patches where
they read the class token.
"""

import math
from typing import Any

from torch import Tensor, nn


def fitted(weights: dict[str, Tensor], network: nn.Module) -> tuple[dict[str, Tensor], frozenset[str]]:
    """Return `weights` as `network` takes them, and the names that it may lack.

    Positions (1, 1 + N, D) are resampled to the network's grid. A network that pools patches normalises after it, by an
    `fc_norm` that starts fresh, and the `norm` of the weights is left out (MAE-Face, 3.2.2; as in MAE's fine-tuning).
    """
    wanted = network.state_dict()
    fresh = frozenset(key for key in wanted if key.startswith("fc_norm.") and key not in weights)
    if fresh and "norm.weight" not in wanted:
        weights = {key: value for key, value in weights.items() if not key.startswith("norm.")}
    position = weights.get("pos_embed")
    if position is not None and "pos_embed" in wanted and position.shape != wanted["pos_embed"].shape:
        weights = weights | {"pos_embed": _resampled(position, network)}
    return weights, fresh


def _resampled(position: Tensor, network: Any) -> Tensor:
    """Return positions on the network's grid, or as they are where they lie on no square."""
    from timm.layers import resample_abs_pos_embed

    ahead = 0 if getattr(network, "no_embed_class", False) else getattr(network, "num_prefix_tokens", 0)
    grid = getattr(getattr(network, "patch_embed", None), "grid_size", None)
    count = position.shape[1] - ahead if position.ndim == 3 else 0
    if grid is None or count < 1 or math.isqrt(count) ** 2 != count:
        return position
    resampled: Tensor = resample_abs_pos_embed(position, list(grid), num_prefix_tokens=ahead)
    return resampled
