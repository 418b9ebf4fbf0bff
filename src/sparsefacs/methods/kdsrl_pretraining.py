"""KDSRL: what FACS says of facial areas, as the task of a pre-training without labels.

Chang, Wang: Knowledge-driven self-supervised representation learning for facial action unit recognition (CVPR 2022).
Equation numbers below are the paper's.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from ..data.batches import ViewSource
from ..facs import AREA_MIRROR, AREAS, EDGES
from ..losses.contrastive import inter_area_loss, intra_area_loss, prediction_loss
from ..networks.trunk import Trunk, perceptron
from .contract import MethodConfig, Pretraining, Setting, Update

Weight = Annotated[float, Field(ge=0)]
Width = Annotated[int, Field(ge=1)]


class KDSRLPretrainingConfig(MethodConfig):
    """Weights and widths of section 5.1."""

    alpha: Weight = Field(0.01, description="α, of the contrastive losses")
    beta: Weight = Field(1.0, description="β, of the prediction loss")
    intra_weight: Weight = Field(0.1, description="λ, of the intra-area loss within the contrastive ones")
    temperature: Annotated[float, Field(gt=0)] = Field(0.07, description="τ")
    level: Annotated[int, Field(ge=0)] = Field(3, description="stage of the backbone; 3 is conv4_x of a ResNet")
    hidden: Width = Field(2048, description="hidden layer of the project head g")
    embedding: Width = Field(128, description="length of an area's embedding v")
    predictor_hidden: Width = Field(1024, description="hidden layer of each predictor φ")


class KDSRLPretraining(Pretraining):
    """Trunk f, project head g and a predictor φ for each of the 26 arrows of the area graph, trained end to end."""

    Config = KDSRLPretrainingConfig
    paper = "Chang, Wang: Knowledge-driven self-supervised representation learning for AU recognition (kdsrl)"
    regions: ClassVar[bool] = True

    def __init__(self, config: KDSRLPretrainingConfig, setting: Setting) -> None:
        super().__init__()
        self.config = config
        self.f = Trunk(setting.network, config.level)
        self.g = perceptron(self.f.area_width, config.hidden, config.embedding)
        width = config.embedding
        self.predictors = nn.ModuleList(perceptron(width, config.predictor_hidden, width) for _ in EDGES)

    def updates(self, batches: ViewSource, step: int) -> Iterator[Update]:
        """Yield one update of everything on two views of a batch of faces (eq. 9)."""
        first, second = batches.views()
        image, landmarks = torch.cat([first.image, second.image]), torch.cat([first.landmarks, second.landmarks])
        v_2N8D = self.g(self.f.by_area(image, landmarks))
        tau = self.config.temperature
        inter, intra = inter_area_loss(v_2N8D, AREA_MIRROR, tau), intra_area_loss(v_2N8D, tau)
        contrast = inter + self.config.intra_weight * intra  # eq. 6
        prediction = prediction_loss(v_2N8D, self.predicted(v_2N8D))
        loss = self.config.alpha * contrast + self.config.beta * prediction  # eq. 9
        yield Update("all", loss, {"inter": inter, "intra": intra, "prediction": prediction})

    def predicted(self, v_2N8D: Tensor) -> Tensor:
        """Return what each area's related areas predict of it, averaged (eq. 7), (2N, 8, D)."""
        told: list[list[Tensor]] = [[] for _ in AREAS]
        for (source, target), predictor in zip(EDGES, self.predictors, strict=True):
            told[target - 1].append(predictor(v_2N8D[:, source - 1]))
        return torch.stack([torch.stack(each).mean(dim=0) for each in told], dim=1)

    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return all parameters."""
        return {"all": list(self.parameters())}

    def trunk(self) -> Trunk:
        """Return f; g and the predictors are not needed afterwards."""
        return self.f
