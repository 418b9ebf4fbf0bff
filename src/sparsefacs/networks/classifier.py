"""The plain AU network: a backbone on the whole face and one fully connected layer (Adversarial, section 3.2)."""

from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from .backbone import create_backbone


class NetworkConfig(BaseModel):
    """Which backbone, at which size, started from what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: str = Field("resnet18", description="a timm model name")
    input_size: Annotated[int, Field(ge=32, le=1024)] = Field(112, description="side of the face it sees, pixels")
    crop: Annotated[float, Field(ge=0.5, le=1)] = Field(1.0, description="share of the stored face's side that it sees")
    init: str = Field("none", description="none, imagenet, or a .safetensors file")
    options: dict[str, Any] = Field({}, description="further arguments of timm.create_model, such as channels")
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class AUClassifier(nn.Module):
    """Aligned faces (B, 3, S, S) in 0–1 → AU logits (B, A); normalisation is part of the network."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: NetworkConfig, aus: int) -> None:
        super().__init__()
        self.backbone, width, mean, deviation = create_backbone(config.backbone, config.init, config.options)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(width, aus)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1))

    def features(self, image: Tensor, landmarks: Tensor | None = None) -> Tensor:
        """Return pooled features (B, width) of faces (B, 3, S, S) in 0–1; landmarks are what other networks need."""
        del landmarks
        normal = ((image - self.mean) / self.deviation).contiguous(memory_format=torch.channels_last)
        pooled: Tensor = self.backbone(normal)
        return pooled

    def forward(self, image: Tensor, landmarks: Tensor | None = None) -> Tensor:
        """Return AU logits (B, A) of faces (B, 3, S, S) in 0–1; landmarks are what other networks need."""
        logits: Tensor = self.head(self.dropout(self.features(image, landmarks)))
        return logits
