"""What a network is built from: settings, read without torch."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from ..coders import coder_folder, is_coder_name

EvidenceUse = Literal["pixels", "geometry", "person"]
NAMED_STARTS = ("none", "imagenet")
"""Values of `network.init` that are no path."""
PIXELS = "pixels"
"""In place of an encoder's run: the faces themselves."""
ENCODER_FILE = "encoder.safetensors"
"""What a pre-training leaves in its run folder: the trunk's weights under timm's names."""


class NetworkConfig(BaseModel):
    """Which backbone, at which size, started from what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: str = Field("resnet18", description="a timm model name")
    input_size: Annotated[int, Field(ge=32, le=1024)] = Field(112, description="side of the face it sees, pixels")
    crop: Annotated[float, Field(ge=0.5, le=1)] = Field(1.0, description="share of the stored face's side that it sees")
    init: str = Field("none", description="none, imagenet, or a .safetensors file")
    options: dict[str, Any] = Field({}, description="further arguments of timm.create_model, such as channels")
    pool: Literal["mean", "cells"] = Field(
        "mean", description="what a plain network's last layer sees: the backbone's pooled map, or its cells in order"
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    evidence: EvidenceUse = Field(
        "pixels", description="what it sees: pixels; geometry: also points and blendshapes; person: also the reference"
    )
    beneath: dict[str, Any] = Field(
        {}, description="the pixels of a coder whose answers are evidence too: set by a training with --init coder"
    )

    @model_serializer(mode="wrap")
    def _told(self, told: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a coder that is not there: such a network is as it was before there could be one."""
        content: dict[str, Any] = told(self)
        return content if self.beneath else {name: value for name, value in content.items() if name != "beneath"}


def start_folder(init: str) -> Path | None:
    """Return the run folder that `network.init` names, or the folder of a packaged coder; None where it names none."""
    if is_coder_name(init):
        return coder_folder(init)
    return Path(init) if init not in NAMED_STARTS and Path(init).is_dir() else None
