"""What a method is told, and what it says of itself: read without torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from ..networks.config import NetworkConfig

if TYPE_CHECKING:
    from torch import nn

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
class Needs:
    """What a method, as configured, draws beside labelled faces.

    unlabelled: faces without labels; every: faces with labels and without in one stream, as they come; two_views: faces
    without labels in two random views; flow_side: side of the flow maps that come with every face, None for none;
    clip_length: frames of the clips that are drawn instead of faces, None for faces; key_view: each labelled clip's key
    frame once more in a view of its own, the clips themselves augmented as `data.strong` says; side: of the images that
    are drawn, pixels, None for that of the network; sides: intensities of left and right apart.
    """

    unlabelled: bool = False
    every: bool = False
    two_views: bool = False
    flow_side: int | None = None
    clip_length: int | None = None
    key_view: bool = False
    side: int | None = None
    sides: bool = False


class Described:
    """What the registry lists: the settings of a method or pre-training, its paper and its tasks."""

    Config: ClassVar[type[MethodConfig]]
    paper: ClassVar[str]
    tasks: ClassVar[tuple[Task, ...]] = ("occurrence",)


class Learner(Described):
    """What learns AUs: by steps (`contract.Method`), or at once."""

    at_once: ClassVar[bool] = False
    """Whether all is learned in one go, without a step and without torch (`engine.instant`)."""
    without_labels: ClassVar[bool] = False
    """Whether it answers where no label may be seen."""

    @classmethod
    def further(cls, aus: tuple[int, ...], config: Any) -> tuple[str, ...]:
        """Return the columns of codes that the network tells beside those of its task: intensities, 0–5."""
        del aus, config
        return ()

    @classmethod
    def build_predictor(cls, setting: Setting, config: Any) -> "nn.Module":
        """Build the network that inference needs, of settings `config`, without anything that only training needs."""
        raise NotImplementedError
