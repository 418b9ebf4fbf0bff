"""Optimisers by name, and learning-rate schedules as functions of the step (so that resuming needs no state)."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ..errors import InputError
from .config import OptimiserConfig


def make_optimisers(
    parts: dict[str, list[nn.Parameter]],
    config: OptimiserConfig,
    batch: int,
    depths: Mapping[nn.Parameter, int] | None = None,
) -> dict[str, torch.optim.Optimizer]:
    """Return one optimiser for each part that has parameters; 1-D ones (biases, normalisation) have no weight decay.

    batch: faces of a step, of which the learning rate is a multiple where `base_lr` is given; depths: how many layers
    each parameter lies below the last ones. Raises InputError where `lr_of` names no part, or layers are to differ and
    the network tells none.
    """
    unknown = [name for name in config.lr_of if name not in parts]
    if unknown:
        raise InputError(
            f"optimiser.lr_of names {unknown[0]!r}, which this method does not have",
            remedy=f"Parts: {', '.join(parts)}",
        )
    if config.layer_decay < 1 and not depths:
        raise InputError(
            "optimiser.layer_decay is for networks whose layers are a transformer's blocks, and this one's are not",
            remedy="Leave it out, or choose method mae-face or supervised and a backbone such as vit_tiny_patch16_224",
        )
    return {
        name: _make(parameters, config.lr_of.get(name, config.rate(batch)), config, depths or {})
        for name, parameters in parts.items()
        if parameters
    }


def _make(
    parameters: list[nn.Parameter], lr: float, config: OptimiserConfig, depths: Mapping[nn.Parameter, int]
) -> torch.optim.Optimizer:
    below = {p: depths.get(p, 0) if config.layer_decay < 1 else 0 for p in parameters}
    groups: list[dict[str, Any]] = []
    for depth in sorted(set(below.values())):
        for wide, decay in ((True, config.weight_decay), (False, 0.0)):
            own = [p for p in parameters if below[p] == depth and (p.ndim > 1) == wide]
            groups.append({"params": own, "weight_decay": decay, "lr": lr * config.layer_decay**depth})
    # one kernel a step in place of dozens; on a CPU torch's own choice, so that its bits stay as they are
    fused = _on_gpu(parameters) or None
    made: torch.optim.Optimizer
    if config.name == "adam":
        made = torch.optim.Adam(groups, lr=lr, betas=config.betas, fused=fused)
    elif config.name == "adamw":
        made = torch.optim.AdamW(groups, lr=lr, betas=config.betas, fused=fused)
    else:
        made = torch.optim.SGD(groups, lr=lr, momentum=0.9, nesterov=True)
    for group in made.param_groups:
        group["base_lr"] = group["lr"]
    return made


def _on_gpu(parameters: list[nn.Parameter]) -> bool:
    return all(p.is_cuda and p.is_floating_point() for p in parameters)


def rate_factor(step: int, steps: int, config: OptimiserConfig) -> float:
    """Return the factor (0–1] on the learning rate at `step` of `steps`: linear warm-up, then constant or cosine."""
    warm = config.warmup * steps
    if step < warm:
        return (step + 1) / (warm + 1)
    if config.schedule == "constant":
        return 1.0
    done = (step - warm) / max(steps - warm, 1)
    return max(0.5 * (1 + math.cos(math.pi * done)), 1e-3)


def set_rates(optimisers: dict[str, torch.optim.Optimizer], factor: float) -> None:
    """Set every learning rate to its base times `factor`."""
    for optimiser in optimisers.values():
        for group in optimiser.param_groups:
            group["lr"] = group["base_lr"] * factor
