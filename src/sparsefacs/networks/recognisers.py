"""Recognisers: from faces to AU logits, with the parts that auxiliary tasks need, by configuration."""

from typing import Literal

from pydantic import Field

from .areas import AREA_LEVEL, AreaClassifier
from .classifier import AUClassifier, Recognised, Recogniser
from .config import NetworkConfig
from .patches import PatchRecogniser
from .roi_recogniser import RoIConfig, RoIRecogniser

__all__ = ["Recognised", "Recogniser", "RecogniserConfig", "make_recogniser"]


class RecogniserConfig(RoIConfig):
    """Which recogniser; all other settings are for kind `roi`."""

    kind: Literal["whole-face", "roi", "areas", "patches"] = Field(
        "roi",
        description="the whole face, a region an AU (WSRTL's backbone), eight facial areas (KDSRL's), or nine patches",
    )


def make_recogniser(network: NetworkConfig, aus: tuple[int, ...], config: RecogniserConfig) -> Recogniser:
    """Return the recogniser of `aus` that `config` names; raises InputError as the chosen kind does."""
    if config.kind == "roi":
        return RoIRecogniser(network, aus, config)
    if config.kind == "areas":
        return AreaClassifier(network, aus, AREA_LEVEL, frozen=False)
    return (AUClassifier if config.kind == "whole-face" else PatchRecogniser)(network, len(aus))
