"""`coder`: what is packaged, and codes faces that nobody has labelled; learned from synthetic faces, of known truth.

Pixels learn occurrence, and intensity on the person's left and right apart. Then linear models on what pixels say, face
geometry, blendshapes and the person (`networks.instant`) learn from people set aside, whom the pixels have not seen, so
that they know how far pixels are to be trusted. They tell occurrence, intensity, and intensity by side.
"""

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import nn

from ..data.batches import BatchSource
from ..losses.recognition import occurrence_loss
from ..losses.reduction import cross_entropy
from ..networks.instant import InstantNetwork
from .coder_settings import CoderConfig, further_columns
from .contract import Method, Needs, Setting, Task, Update


class CoderMethod(Method):
    """Pixels by stochastic steps, then linear models at once."""

    Config = CoderConfig
    paper = "this project's own (docs/methods/coder.md)"
    tasks: ClassVar[tuple[Task, ...]] = ("occurrence",)

    def __init__(self, config: CoderConfig, setting: Setting) -> None:
        super().__init__()
        self.config, self.setting = config, setting
        self.network = self.build_predictor(setting, config)
        assert self.network.pixels is not None
        self.network.pixels.requires_grad_(True)

    @classmethod
    def build_predictor(cls, setting: Setting, config: CoderConfig) -> InstantNetwork:
        """Return the network: three answers an AU of its pixels (present, left, right), linear models on them."""
        further = len(cls.further(setting.aus, config))
        return InstantNetwork(setting.network, len(setting.aus), said=3 * len(setting.aus), further=further)

    @classmethod
    def further(cls, aus: tuple[int, ...], config: CoderConfig) -> tuple[str, ...]:
        """Return the columns of intensity: of every AU, then of those with sides on the person's left and right."""
        del config
        return further_columns(aus)

    def needs(self) -> Needs:
        """Return that left and right are learned apart."""
        return Needs(sides=True)

    def updates(self, batches: BatchSource, step: int) -> Iterator[Update]:
        """Yield one update of the pixels on a labelled batch."""
        del step
        batch = batches.labelled()
        assert self.network.pixels is not None
        present, by_side = self.network.pixels(batch.image, batch.landmarks).split(
            [len(self.setting.aus), 2 * len(self.setting.aus)], dim=1
        )
        told = {"recognition": occurrence_loss(present, batch.occurrence) / len(self.setting.aus)}
        total = told["recognition"]
        if batch.sides is not None:
            shares = torch.nan_to_num(batch.sides.flatten(1) / 5, nan=-1.0)
            told["sides"] = cross_entropy(by_side, shares)
            total = total + self.config.sides * told["sides"]
        yield Update("pixels", total, told)

    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return the pixels' parameters."""
        assert self.network.pixels is not None
        return {"pixels": list(self.network.pixels.parameters())}

    def predictor(self) -> InstantNetwork:
        """Return the network."""
        return self.network
