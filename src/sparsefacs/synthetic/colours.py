"""What colours a synthetic person has."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Colours:
    """Linear RGB reflectances, and how much of each mark there is (0–1)."""

    skin: F32
    lips: F32
    hair: F32
    iris: F32
    freckles: float
    redness: float
    stubble: float
    make_up: float
    wrinkles: float
    brow_width: float
    brow_arch: float
    gloss: float
