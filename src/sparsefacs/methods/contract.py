"""What a method is: its algorithm. The loop alone calls backward, steps, clips, synchronises, logs and saves."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from ..data.evidence import EvidenceTable
from ..networks.trunk import Trunk
from .settings import Described, Learner, MethodConfig, Needs, Setting, Task

__all__ = ["Algorithm", "Method", "MethodConfig", "Needs", "Pretraining", "Setting", "Task", "Update"]


@dataclass(frozen=True)
class Update:
    """One step of one optimiser: minimise `loss`; `terms` are logged (and named if the loss is not a number).

    also: further optimisers that step on the same loss.
    """

    optimiser: str
    loss: Tensor
    terms: Mapping[str, Tensor]
    also: tuple[str, ...] = ()


class Algorithm(nn.Module, Described, ABC):
    """What the loop runs; a reader with the paper open follows `updates` from top to bottom."""

    @abstractmethod
    def updates(self, batches: Any, step: int) -> Iterator[Update]:
        """Yield this step's updates in the paper's order; drawing a batch is drawing it from `batches`.

        Each update is applied before the next one is computed.
        """

    @abstractmethod
    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of each optimiser that `updates` may name; none where the method has no such part."""

    def depths(self) -> dict[nn.Parameter, int]:
        """Return how many layers each parameter lies below the last, for `optimiser.layer_decay`; none: unknown."""
        return {}

    def after_step(self, step: int) -> None:
        """Do what follows a whole step: moving averages, queues."""
        del step

    def kept_beside(self) -> dict[str, nn.Module]:
        """Return modules that only training needs and pictures are made of; they are kept beside the model."""
        return {}

    def pictures(self) -> dict[str, Tensor]:
        """Return pictures (3, H, W) in 0–1 of the last step, by name, for the log; none where it has none."""
        return {}


Compared = Callable[[nn.Module, Setting], EvidenceTable | None]
"""A network in evaluation mode and what it codes → the evidence that it looks at, by row of a training's stores, with
the references that it compares with; None where it looks at none."""


class Method(Algorithm, Learner):
    """Learns AUs from faces of which some carry labels; `updates` draws from a `BatchSource`."""

    keeps_coder: ClassVar[bool] = False
    """Whether its network can keep a coder that it begins from beneath it (`networks.classifier.Recogniser`)."""
    weighs_pixels: ClassVar[bool] = True
    """Whether its pixels learn from labels, so that they are to be weighed against evidence once it has ended."""

    def needs(self) -> Needs:
        """Return what the method, as configured, draws beside labelled faces."""
        return Needs()

    def take_teacher(self, network: nn.Module, setting: Setting) -> None:
        """Take the network of `Config.teacher_run` in evaluation mode, and what it codes; called before any step.

        Raises InputError when it cannot teach this method.
        """
        raise NotImplementedError

    def take_references(self, compared: Compared) -> None:
        """Take what a teacher compares the training's faces with, where there is one; called once, before any step, on
        the device of the steps.
        """
        del compared

    @abstractmethod
    def predictor(self) -> nn.Module:
        """Return the network that all inference needs.

        It maps aligned faces (B, 3, S, S) in 0–1, their landmarks (B, 68, 2) in face pixels and, where it looks at it,
        their evidence (B, 2W + 1) to AU logits (B, A). It is `networks.evidence.Evident`, and has
        `features(image, landmarks, evidence)`, the representation (B, D) under its last layers.
        """


class Pretraining(Algorithm):
    """Learns a representation from faces alone; `updates` draws from a `ViewSource`, in which there are no labels."""

    tasks: ClassVar[tuple[Task, ...]] = ("occurrence", "intensity")
    regions: ClassVar[bool] = False
    """Whether the representation is of the eight facial areas rather than of the whole face."""

    @abstractmethod
    def trunk(self) -> Trunk:
        """Return the part that is kept: what starts other methods, and gives features."""
