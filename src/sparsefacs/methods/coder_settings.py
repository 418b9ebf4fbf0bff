"""What the method `coder` is told, and the columns that it tells: read without torch."""

from typing import Annotated

from pydantic import Field

from ..facs import column
from .settings import MethodConfig

SIDED = (2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 20, 43, 45)
"""AUs whose left and right are told apart: their muscles are there twice."""


class CoderConfig(MethodConfig):
    """What pixels learn beside occurrence, and how smooth the linear models are."""

    sides: Annotated[float, Field(ge=0)] = Field(1.0, description="weight of the loss on intensity by side")
    c: Annotated[float, Field(gt=0)] = Field(0.01, description="C of the linear models: smaller is smoother")


def further_columns(aus: tuple[int, ...]) -> tuple[str, ...]:
    """Return the columns of intensity: of every AU, then of those with sides on the person's left and right."""
    sided = [au for au in aus if au in SIDED]
    sides = [f"{column(au, side)}_r" for side in ("left", "right") for au in sided]
    return (*(column(au, "r") for au in aus), *sides)
