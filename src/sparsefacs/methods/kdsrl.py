"""KDSRL's AU classifiers on the eight facial areas: a frozen trunk probed, or all of it fine-tuned.

Chang, Wang: Knowledge-driven self-supervised representation learning for facial action unit recognition (CVPR 2022),
section 5.1, Table 2. The trunk is pre-trained by `kdsrl_pretraining`, and given with --init RUN.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import nn

from ..data.batches import BatchSource
from ..losses.recognition import intensity_loss, occurrence_loss
from ..networks.areas import AreaClassifier
from .contract import Method, MethodConfig, Setting, Task, Update


class KDSRLConfig(MethodConfig):
    """How the classifiers stand on the trunk."""

    frozen: bool = Field(True, description="probe: the trunk is not trained; false fine-tunes it")
    level: Annotated[int, Field(ge=0)] = Field(3, description="stage of the backbone; 3 is conv4_x of a ResNet")
    areas: Literal["facial", "whole-face"] = Field(
        "facial", description="what the classifiers look at; whole-face: all of it in place of each area, to compare"
    )


class KDSRL(Method):
    """A perceptron a group of AUs on the features of the areas that they are judged by."""

    Config = KDSRLConfig
    paper = "Chang, Wang: Knowledge-driven self-supervised representation learning for AU recognition (kdsrl)"
    tasks: ClassVar[tuple[Task, ...]] = ("occurrence", "intensity")
    keeps_coder: ClassVar[bool] = True

    def __init__(self, config: KDSRLConfig, setting: Setting) -> None:
        super().__init__()
        self.config, self.setting = config, setting
        self.classifier = self.build_predictor(setting, config)

    @classmethod
    def build_predictor(cls, setting: Setting, config: KDSRLConfig) -> AreaClassifier:
        """Return trunk and classifiers."""
        whole = config.areas == "whole-face"
        return AreaClassifier(setting.network, setting.aus, config.level, config.frozen, whole)

    def updates(self, batches: BatchSource, step: int) -> Iterator[Update]:
        """Yield one update on a labelled batch: cross-entropy (5.1), or MAE-Face's eq. 3 for intensity."""
        batch = batches.labelled()
        logits_BA = self.classifier(batch.image, batch.landmarks, batch.evidence)
        if self.setting.task == "intensity":
            loss = intensity_loss(logits_BA, batch.intensity)
        else:
            loss = occurrence_loss(logits_BA, batch.occurrence)
        yield Update("classifier", loss, {"recognition": loss})

    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return what is trained: the perceptrons, and the trunk unless it is frozen."""
        return {"classifier": [p for p in self.classifier.parameters() if p.requires_grad]}

    def predictor(self) -> nn.Module:
        """Return trunk and classifiers."""
        return self.classifier
