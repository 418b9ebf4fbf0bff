"""What a method is: its algorithm. The loop alone calls backward, steps, clips, synchronises, logs and saves."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from ..data.batches import BatchSource
from ..networks.classifier import NetworkConfig

Task = Literal["occurrence", "intensity"]


class MethodConfig(BaseModel):
    """Settings of one method; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Setting:
    """What every method is built from: the task, the AUs in column order, and the network."""

    task: Task
    aus: tuple[int, ...]
    network: NetworkConfig


@dataclass(frozen=True)
class Update:
    """One step of one optimiser: minimise `loss`; `terms` are logged (and named if the loss is not a number)."""

    optimiser: str
    loss: Tensor
    terms: Mapping[str, Tensor]


class Method(nn.Module, ABC):
    """A learning method; a reader with the paper open follows `updates` from top to bottom."""

    Config: ClassVar[type[MethodConfig]]
    paper: ClassVar[str]
    tasks: ClassVar[tuple[Task, ...]] = ("occurrence",)

    @abstractmethod
    def updates(self, batches: BatchSource, step: int) -> Iterator[Update]:
        """Yield this step's updates in the paper's order; drawing a batch is drawing it from `batches`.

        Each update is applied before the next one is computed.
        """

    @abstractmethod
    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of each optimiser that `updates` names."""

    def uses_unlabelled(self) -> bool:
        """Say whether the method, as configured, draws faces without labels."""
        return False

    def after_step(self, step: int) -> None:
        """Do what follows a whole step: moving averages, queues."""
        del step

    @abstractmethod
    def predictor(self) -> nn.Module:
        """Return the network that all inference needs.

        It maps aligned faces (B, 3, S, S) in 0–1 and their landmarks (B, 68, 2) in face pixels to AU logits (B, A).
        """

    @classmethod
    @abstractmethod
    def build_predictor(cls, setting: Setting) -> nn.Module:
        """Build that network alone, without anything that only training needs."""
