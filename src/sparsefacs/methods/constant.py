"""Every AU always present, or always absent: what any score must be read against."""

from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ..data.batches import BatchSource
from ..networks.classifier import Recognised, Recogniser
from .contract import Method, MethodConfig, Setting, Update

_SURE = 20.0  # a logit


class ConstantConfig(MethodConfig):
    """Which answer."""

    answer: Literal["present", "absent"] = Field("present", description="what is said of every AU of every face")


class ConstantAnswer(Recogniser):
    """One answer for all faces, which are not looked at."""

    evidence = said = None
    map_width = 1
    answer_A: Tensor  # noqa: N815

    def __init__(self, aus: int, answer: str) -> None:
        super().__init__()
        self.register_buffer("answer_A", torch.full((aus,), _SURE if answer == "present" else -_SURE))

    def see(self, image: Tensor, landmarks: Tensor | None = None) -> Recognised:
        """Return the same logits (B, A) for every face."""
        del landmarks
        return Recognised(self.answer_A.to(image.dtype).expand(len(image), -1), self.maps(image))

    def pixel_logits(self, image: Tensor, landmarks: Tensor | None = None) -> Tensor:
        """Return the same logits (B, A) for every face."""
        return self.see(image, landmarks).logits_BA

    def maps(self, image: Tensor) -> Tensor:
        """Return a map of one empty cell (B, 1, 1, 1)."""
        return image.new_zeros(len(image), 1, 1, 1)

    def pixel_features(self, image: Tensor, landmarks: Tensor | None = None) -> Tensor:
        """Return one number, 0, a face (B, 1)."""
        del landmarks
        return image.new_zeros(len(image), 1)


class Constant(Method):
    """Nothing is learned, so no label is needed."""

    Config = ConstantConfig
    paper = "this project's own: every board's floor"
    without_labels: ClassVar[bool] = True
    weighs_pixels: ClassVar[bool] = False

    def __init__(self, config: ConstantConfig, setting: Setting) -> None:
        super().__init__()
        self.answers = self.build_predictor(setting, config)

    @classmethod
    def build_predictor(cls, setting: Setting, config: ConstantConfig) -> ConstantAnswer:
        """Return what answers."""
        return ConstantAnswer(len(setting.aus), config.answer)

    def updates(self, batches: BatchSource, step: int) -> Iterator[Update]:
        """Yield nothing."""
        del batches, step
        yield from ()

    def parameters_by_optimiser(self) -> dict[str, list[nn.Parameter]]:
        """Return none."""
        return {}

    def predictor(self) -> nn.Module:
        """Return what answers."""
        return self.answers
