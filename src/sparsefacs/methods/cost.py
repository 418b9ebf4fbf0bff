"""What a method costs: parameters and GFLOPs, in training and at inference, measured on the real modules."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ..data.batches import Batch
from ..facs.landmarks import mean_face
from ..networks.config import NetworkConfig
from .contract import MethodConfig, Needs, Pretraining, Setting, Task
from .registry import method_class, pretraining_class

CONVENTION = "1 FLOP = 1 multiply-add, forward pass, one face"
_FACES = 2
_SPREAD = torch.from_numpy(mean_face()).float()[None]  # landmarks of an ordinary face, fractions of its side


class _BlankBatches:
    """Blank faces that count how often they are drawn."""

    def __init__(self, setting: Setting, needs: Needs | None = None) -> None:
        self.setting, self.needs, self.drawn = setting, needs or Needs(), 0

    def _batch(self, new: bool = True) -> Batch:
        length = self.needs.clip_length or 1
        faces = _FACES * length
        self.drawn += faces * new
        size, aus = self.setting.network.input_size, len(self.setting.aus)
        side = self.needs.flow_side
        return Batch(
            image=torch.zeros(faces, 3, size, size),
            landmarks=(_SPREAD * size).expand(faces, 68, 2),
            occurrence=torch.zeros(faces, aus),
            intensity=torch.zeros(faces, aus),
            row=torch.zeros(faces, dtype=torch.long),
            length=length,
            key=length // 2,
            flow=None if side is None else torch.zeros(faces, 2, side, side),
            key_image=torch.zeros(_FACES, 3, size, size) if self.needs.key_view else None,
        )

    def labelled(self) -> Batch:
        return self._batch()

    def unlabelled(self) -> Batch | None:
        return self._batch()

    def every(self) -> Batch:
        return self._batch()

    def unlabelled_views(self) -> tuple[Batch, Batch] | None:
        return self._batch(), self._batch(new=False)

    def views(self) -> tuple[Batch, Batch]:
        return self._batch(), self._batch()

    def faces(self) -> Batch:
        return self._batch()

    def labels(self, count: int) -> Tensor:
        return torch.zeros(count, len(self.setting.aus))


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@contextmanager
def counting() -> Iterator[FlopCounterMode]:
    """Count the multiply-adds (as two) of what is done within, those of attention included.

    The counter does not see inside the one-piece attention of a CPU, so that attention is taken in its single products.
    """
    whole = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            yield counter
    finally:
        torch.backends.mha.set_fastpath_enabled(whole)


def method_cost(
    name: str, config: MethodConfig, network: NetworkConfig, task: Task, aus: tuple[int, ...]
) -> dict[str, Any]:
    """Return parameters and GFLOPs of method `name`; training GFLOPs are those of one step, per face it draws."""
    setting = Setting(task, aus, network.model_copy(update={"init": "none"}))
    kind: Any = method_class(name)
    predictor = kind.build_predictor(setting, config).eval()
    size = network.input_size
    with counting() as inference:
        predictor(torch.zeros(1, 3, size, size), _SPREAD * size)
    method = predictor if kind.at_once else kind(config, setting).train()
    blank = _BlankBatches(setting, None if kind.at_once else method.needs())
    with counting() as training:
        for _ in () if kind.at_once else method.updates(blank, 0):
            pass
    return {
        "method": name,
        "paper": kind.paper,
        "aus": list(aus),
        "backbone": network.backbone,
        "input_size": size,
        "parameters_inference": _parameters(predictor),
        "parameters_training": _parameters(method),
        "gflops_inference": round(inference.get_total_flops() / 2e9, 3),
        "gflops_training": round(training.get_total_flops() / 2e9 / max(blank.drawn, 1), 3),
        "flop_convention": CONVENTION,
    }


def pretraining_cost(name: str, config: MethodConfig, network: NetworkConfig) -> dict[str, Any]:
    """Return parameters and GFLOPs of pre-training `name`, and of the trunk that is kept; GFLOPs are per view."""
    setting = Setting("occurrence", (), network.model_copy(update={"init": "none"}))
    kind: Any = pretraining_class(name)
    method: Pretraining = kind(config, setting).train()
    blank = _BlankBatches(setting)
    with counting() as training:
        for _ in method.updates(blank, 0):
            pass
    return {
        "pretraining": kind.paper,
        "pretraining_parameters": _parameters(method),
        "pretraining_parameters_kept": _parameters(method.trunk()),
        "pretraining_gflops": round(training.get_total_flops() / 2e9 / max(blank.drawn, 1), 3),
    }
