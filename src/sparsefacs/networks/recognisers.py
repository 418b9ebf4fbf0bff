"""Recognisers: from faces to AU logits, with the parts that auxiliary tasks need, by configuration."""

from typing import Literal

from pydantic import Field

from .classifier import AUClassifier, NetworkConfig, Recognised, Recogniser
from .patches import PatchRecogniser
from .roi_recogniser import RoIConfig, RoIRecogniser

__all__ = ["Recognised", "Recogniser", "RecogniserConfig", "make_recogniser"]


class RecogniserConfig(RoIConfig):
    """Which recogniser; all other settings are for kind `roi`."""

    kind: Literal["whole-face", "roi", "patches"] = Field(
        "roi", description="the whole face, a region an AU (WSRTL's backbone), or nine patches"
    )


def make_recogniser(network: NetworkConfig, aus: tuple[int, ...], config: RecogniserConfig) -> Recogniser:
    """Return the recogniser of `aus` that `config` names; raises InputError as the chosen kind does."""
    if config.kind == "roi":
        return RoIRecogniser(network, aus, config)
    return (AUClassifier if config.kind == "whole-face" else PatchRecogniser)(network, len(aus))
