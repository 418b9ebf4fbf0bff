"""What a method is: its algorithm. The loop alone calls backward, steps, clips, synchronises, logs and saves."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from ..networks.classifier import NetworkConfig
from ..networks.trunk import Trunk

Task = Literal["occurrence", "intensity"]


class MethodConfig(BaseModel):
    """Settings of one method; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def teacher_run(self) -> str | None:
        """Return the run folder whose network the method learns from, None for none; raises InputError if it must."""
        return None


@dataclass(frozen=True)
class Setting:
    """What every method is built from: the task, the AUs in column order, the network, and the training's steps.

    steps: 0 where nothing is trained.
    """

    task: Task
    aus: tuple[int, ...]
    network: NetworkConfig
    steps: int = 0


@dataclass(frozen=True)
class Update:
    """One step of one optimiser: minimise `loss`; `terms` are logged (and named if the loss is not a number).

    also: further optimisers that step on the same loss.
    """

    optimiser: str
    loss: Tensor
    terms: Mapping[str, Tensor]
    also: tuple[str, ...] = ()


class Algorithm(nn.Module, ABC):
    """What the loop runs; a reader with the paper open follows `updates` from top to bottom."""

    Config: ClassVar[type[MethodConfig]]
    paper: ClassVar[str]
    tasks: ClassVar[tuple[Task, ...]] = ("occurrence",)

    @abstractmethod
    def updates(self, batches: Any, step: int) -> Iterator[Update]:
        """Yield this step's updates in the paper's order; drawing a batch is drawing it from `batches`.

        Each update is applied before the next one is computed.
        """

    @abstractmethod
    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of each optimiser that `updates` may name; none where the method has no such part."""

    def after_step(self, step: int) -> None:
        """Do what follows a whole step: moving averages, queues."""
        del step

    def kept_beside(self) -> dict[str, nn.Module]:
        """Return modules that only training needs and pictures are made of; they are kept beside the model."""
        return {}

    def pictures(self) -> dict[str, Tensor]:
        """Return pictures (3, H, W) in 0–1 of the last step, by name, for the log; none where it has none."""
        return {}


@dataclass(frozen=True)
class Needs:
    """What a method, as configured, draws beside labelled faces.

    unlabelled: faces without labels; two_views: these in two random views; flow_side: side of the flow maps that come
    with every face, None for none; clip_length: frames of the clips that are drawn instead of faces, None for faces;
    side: of the images that are drawn, pixels, None for that of the network; evidence: what another network looks at
    beside what this one does; sides: intensities of left and right apart.
    """

    unlabelled: bool = False
    two_views: bool = False
    flow_side: int | None = None
    clip_length: int | None = None
    side: int | None = None
    evidence: bool = False
    sides: bool = False


class Method(Algorithm):
    """Learns AUs from faces of which some carry labels; `updates` draws from a `BatchSource`."""

    weighs_pixels: ClassVar[bool] = True
    """Whether its pixels learn from labels, so that they are to be weighed against evidence once it has ended."""
    without_labels: ClassVar[bool] = False
    """Whether it answers where no label may be seen."""

    def needs(self) -> Needs:
        """Return what the method, as configured, draws beside labelled faces."""
        return Needs()

    def take_teacher(self, network: nn.Module, setting: Setting) -> None:
        """Take the network of `Config.teacher_run` in evaluation mode, and what it codes; called before any step.

        Raises InputError when it cannot teach this method.
        """
        raise NotImplementedError

    @abstractmethod
    def predictor(self) -> nn.Module:
        """Return the network that all inference needs.

        It maps aligned faces (B, 3, S, S) in 0–1, their landmarks (B, 68, 2) in face pixels and, where it looks at it,
        their evidence (B, 2W + 1) to AU logits (B, A). It is `networks.evidence.Evident`, and has
        `features(image, landmarks, evidence)`, the representation (B, D) under its last layers.
        """

    @classmethod
    def further(cls, aus: tuple[int, ...], config: Any) -> tuple[str, ...]:
        """Return the columns of codes that the network tells beside those of its task: intensities, 0–5."""
        del aus, config
        return ()

    @classmethod
    @abstractmethod
    def build_predictor(cls, setting: Setting, config: Any) -> nn.Module:
        """Build that network alone, of settings `config`, without anything that only training needs."""


class Pretraining(Algorithm):
    """Learns a representation from faces alone; `updates` draws from a `ViewSource`, in which there are no labels."""

    tasks: ClassVar[tuple[Task, ...]] = ("occurrence", "intensity")
    regions: ClassVar[bool] = False
    """Whether the representation is of the eight facial areas rather than of the whole face."""

    @abstractmethod
    def trunk(self) -> Trunk:
        """Return the part that is kept: what starts other methods, and gives features."""
