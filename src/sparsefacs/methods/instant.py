"""`instant`: linear models on frozen evidence, learned in seconds and the same to the last digit each time.

Face geometry, blendshapes and the person's reference, drawn towards what each AU means (`evidence.fitting`); with
--init RUN of a pre-training also its features. It answers without any label too. What people start with, and what any
network has to beat.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from ..evidence.fitting import FitSettings
from .settings import Learner, MethodConfig, Setting, Task

if TYPE_CHECKING:
    from ..networks.instant import InstantNetwork


class InstantConfig(MethodConfig):
    """What the models look at, and how smooth they are."""

    blendshapes: bool = Field(True, description="whether blendshapes count, beside the points")
    features: Annotated[int, Field(ge=0, le=2000)] = Field(
        0, description="components of the features of a pre-training, given with --init; 0: pixels are not looked at"
    )
    said: Annotated[int, Field(ge=0)] = Field(
        0, description="answers of the pixels of a coder, given with --init; 0: it starts from none"
    )
    level: Annotated[int, Field(ge=0)] = Field(3, description="stage of its backbone that these are taken from")
    c: Annotated[float, Field(gt=0)] = Field(FitSettings().c, description="C: smaller is smoother")
    c_begun: Annotated[float, Field(gt=0)] = Field(
        FitSettings().c_begun, description="C of the change to a coder's weights: smaller keeps nearer to them"
    )


class Instant(Learner):
    """No step is taken: all is learned at once from the training people's evidence (`engine.instant`)."""

    Config = InstantConfig
    paper = "this project's own (docs/methods/instant.md)"
    tasks: ClassVar[tuple[Task, ...]] = ("occurrence", "intensity")
    at_once: ClassVar[bool] = True
    without_labels: ClassVar[bool] = True

    @classmethod
    def build_predictor(cls, setting: Setting, config: InstantConfig) -> "InstantNetwork":
        """Return the linear models as torch has them, those that answer nothing yet."""
        from ..networks.instant import InstantNetwork

        aus = len(setting.aus)
        return InstantNetwork(setting.network, aus, features=config.features, level=config.level, said=config.said)
