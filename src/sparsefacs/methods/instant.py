"""`instant`: linear models on frozen evidence, learned in seconds and the same to the last digit each time.

Face geometry, blendshapes and the person's reference, drawn towards what each AU means (`evidence.fitting`); with
--init RUN of a pre-training also its features. It answers without any label too. What people start with, and what any
network has to beat.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field
from torch import nn

from ..data.batches import BatchSource
from ..evidence.fitting import FitSettings
from ..networks.instant import InstantNetwork
from .contract import Method, MethodConfig, Needs, Setting, Task, Update


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


class Instant(Method):
    """No step is taken: all is learned from the training people's evidence before the first."""

    Config = InstantConfig
    paper = "this project's own (docs/methods/instant.md)"
    tasks: ClassVar[tuple[Task, ...]] = ("occurrence", "intensity")
    without_labels: ClassVar[bool] = True

    def __init__(self, config: InstantConfig, setting: Setting) -> None:
        super().__init__()
        self.config, self.setting = config, setting
        self.network = self.build_predictor(setting, config)

    @classmethod
    def build_predictor(cls, setting: Setting, config: InstantConfig) -> InstantNetwork:
        """Return the linear models, and the trunk whose features they look at."""
        aus = len(setting.aus)
        return InstantNetwork(setting.network, aus, features=config.features, level=config.level, said=config.said)

    def needs(self) -> Needs:
        """Return that faces without labels are counted: they say what evidence is measured in."""
        return Needs()

    def updates(self, batches: BatchSource, step: int) -> Iterator[Update]:
        """Yield nothing: what is learned is convex, and learned at once."""
        yield from ()

    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return no parameter: nothing is left to an optimiser."""
        return {}

    def predictor(self) -> InstantNetwork:
        """Return the linear models."""
        return self.network
