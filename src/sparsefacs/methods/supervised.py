"""The supervised baseline: labelled faces only. With occurrence labels it is the Adversarial paper's "O-wlc"."""

from collections.abc import Iterator
from typing import ClassVar

from torch import nn

from ..data.batches import Batch, BatchSource
from ..losses.recognition import intensity_loss, occurrence_loss
from ..networks.classifier import AUClassifier
from .contract import Method, MethodConfig, Setting, Task, Update


class SupervisedConfig(MethodConfig):
    """The baseline has no settings of its own."""


class Supervised(Method):
    """A network trained on the labelled faces alone, for occurrence or intensity."""

    Config: ClassVar[type[MethodConfig]] = SupervisedConfig
    paper = "baseline (O-wlc of Wang et al., Deep semi-supervised AU recognition, α = 0)"
    tasks: ClassVar[tuple[Task, ...]] = ("occurrence", "intensity")
    keeps_coder: ClassVar[bool] = True

    def __init__(self, config: MethodConfig, setting: Setting) -> None:
        super().__init__()
        self.config, self.setting = config, setting
        self.recogniser = self.build_predictor(setting, config)

    @classmethod
    def build_predictor(cls, setting: Setting, config: MethodConfig) -> nn.Module:
        """Return the AU network."""
        del config
        return AUClassifier(setting.network, len(setting.aus))

    def updates(self, batches: BatchSource, step: int) -> Iterator[Update]:
        """Yield one update of the network on a labelled batch (eq. 5, or MAE-Face eq. 3 for intensity)."""
        batch = self.drawn(batches, step)
        logits_BA = self.recogniser(batch.image, batch.landmarks, batch.evidence)
        if self.setting.task == "intensity":
            loss = intensity_loss(logits_BA, batch.intensity)
        else:
            loss = occurrence_loss(logits_BA, batch.occurrence)
        yield Update("recogniser", loss, {"recognition": loss})

    def drawn(self, batches: BatchSource, step: int) -> Batch:
        """Return the labelled batch of step `step`."""
        del step
        return batches.labelled()

    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return the network's parameters."""
        return {"recogniser": list(self.recogniser.parameters())}

    def depths(self) -> dict[nn.Parameter, int]:
        """Return how many blocks of a transformer each parameter lies below its last layers."""
        return self.recogniser.depths() if isinstance(self.recogniser, AUClassifier) else {}

    def predictor(self) -> nn.Module:
        """Return the AU network."""
        return self.recogniser
