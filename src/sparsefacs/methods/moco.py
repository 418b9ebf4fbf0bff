"""MoCo on the trunk that KDSRL uses, as a comparison (He, Fan, Wu, Xie, Girshick 2020, Algorithm 1)."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ..data.batches import ViewSource
from ..losses.contrastive import gathered, info_nce_queue_loss
from ..networks.trunk import Trunk, perceptron
from .contract import MethodConfig, Pretraining, Setting, Update


class MoCoConfig(MethodConfig):
    """Settings of Algorithm 1; a head of two layers, as in its second version."""

    temperature: Annotated[float, Field(gt=0)] = 0.07
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.999, description="m: what the key network keeps a step")
    queue: Annotated[int, Field(ge=1)] = Field(65536, description="keys held; whole batches of all processes fit in it")
    level: Annotated[int, Field(ge=0)] = Field(3, description="stage of the backbone; 3 is conv4_x of a ResNet")
    hidden: Annotated[int, Field(ge=1)] = 2048
    embedding: Annotated[int, Field(ge=1)] = 128


class MoCo(Pretraining):
    """A face's view finds its other view among a queue of keys, made by a slowly following network.

    Batches are not shuffled between processes before the keys' batch normalisation (the paper's "shuffling BN").
    """

    Config = MoCoConfig
    paper = "He, Fan, Wu, Xie, Girshick: Momentum contrast (moco; in kdsrl, Table 3)"
    queue: Tensor
    place: Tensor

    def __init__(self, config: MoCoConfig, setting: Setting) -> None:
        super().__init__()
        self.config = config
        self.f = Trunk(setting.network, config.level)
        self.g = perceptron(self.f.channels, config.hidden, config.embedding)
        self.key_f, self.key_g = deepcopy(self.f).requires_grad_(False), deepcopy(self.g).requires_grad_(False)
        self.register_buffer("queue", F.normalize(torch.randn(config.queue, config.embedding), dim=1))
        self.register_buffer("place", torch.zeros((), dtype=torch.long))

    def updates(self, batches: ViewSource, step: int) -> Iterator[Update]:
        """Yield one update of the query network; then its keys take the places of the queue's oldest."""
        first, second = batches.views()
        query_ND = self.g(self.f.pooled(first.image))
        with torch.no_grad():
            key_ND = F.normalize(self.key_g(self.key_f.pooled(second.image)).float(), dim=1)
        loss = info_nce_queue_loss(query_ND, key_ND, self.queue, self.config.temperature)
        yield Update("query", loss, {"contrast": loss})
        self._enqueue(gathered(key_ND))

    @torch.no_grad()
    def _enqueue(self, key_ND: Tensor) -> None:
        places = (self.place + torch.arange(len(key_ND), device=key_ND.device)) % len(self.queue)
        self.queue[places] = key_ND.to(self.queue.dtype)
        self.place.copy_((self.place + len(key_ND)) % len(self.queue))

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Move the key network by 1 − m towards the query network."""
        m = self.config.momentum
        for key, query in ((self.key_f, self.f), (self.key_g, self.g)):
            for old, new in zip(key.parameters(), query.parameters(), strict=True):
                old.lerp_(new, 1 - m)

    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return the query network's parameters."""
        return {"query": [*self.f.parameters(), *self.g.parameters()]}

    def trunk(self) -> Trunk:
        """Return the query network's f."""
        return self.f
