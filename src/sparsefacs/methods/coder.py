"""`coder`: what is packaged, and codes faces that nobody has labelled; learned from synthetic faces, of known truth.

Pixels learn occurrence, and intensity on the person's left and right apart. Then linear models on what pixels say, face
geometry, blendshapes and the person (`networks.instant`) learn from people set aside, whom the pixels have not seen, so
that they know how far pixels are to be trusted. They tell occurrence, intensity, and intensity by side.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import nn

from ..data.batches import BatchSource
from ..facs import column
from ..losses.recognition import occurrence_loss
from ..losses.reduction import cross_entropy
from ..networks.instant import InstantNetwork
from .contract import Method, MethodConfig, Needs, Setting, Task, Update

SIDED = (2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 20, 43, 45)
"""AUs whose left and right are told apart: their muscles are there twice."""


class CoderConfig(MethodConfig):
    """What pixels learn beside occurrence, and how smooth the linear models are."""

    sides: Annotated[float, Field(ge=0)] = Field(1.0, description="weight of the loss on intensity by side")
    c: Annotated[float, Field(gt=0)] = Field(0.01, description="C of the linear models: smaller is smoother")


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
        sided = [au for au in aus if au in SIDED]
        sides = [f"{column(au, side)}_r" for side in ("left", "right") for au in sided]
        return (*(column(au, "r") for au in aus), *sides)

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
