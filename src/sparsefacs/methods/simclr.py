"""SimCLR on the trunk that KDSRL uses, as a comparison (Chen, Kornblith, Norouzi, Hinton 2020, Algorithm 1)."""

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from ..data.batches import ViewSource
from ..losses.contrastive import ntxent_loss
from ..networks.trunk import Trunk, perceptron
from .contract import MethodConfig, Pretraining, Setting, Update


class SimCLRConfig(MethodConfig):
    """Settings of Algorithm 1."""

    temperature: Annotated[float, Field(gt=0)] = 0.1
    level: Annotated[int, Field(ge=0)] = Field(3, description="stage of the backbone; 3 is conv4_x of a ResNet")
    hidden: Annotated[int, Field(ge=1)] = 2048
    embedding: Annotated[int, Field(ge=1)] = 128


class SimCLR(Pretraining):
    """Two views of a face attract each other and push all other faces away."""

    Config = SimCLRConfig
    paper = "Chen, Kornblith, Norouzi, Hinton: A simple framework for contrastive learning (simclr; in kdsrl, Table 3)"

    def __init__(self, config: SimCLRConfig, setting: Setting) -> None:
        super().__init__()
        self.config = config
        self.f = Trunk(setting.network, config.level)
        self.g = perceptron(self.f.channels, config.hidden, config.embedding)

    def updates(self, batches: ViewSource, step: int) -> Iterator[Update]:
        """Yield one update on two views of a batch of faces (Algorithm 1)."""
        first, second = batches.views()
        loss = ntxent_loss(self.g(self.f.pooled(torch.cat([first.image, second.image]))), self.config.temperature)
        yield Update("all", loss, {"contrast": loss})

    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return all parameters."""
        return {"all": list(self.parameters())}

    def trunk(self) -> Trunk:
        """Return f."""
        return self.f
