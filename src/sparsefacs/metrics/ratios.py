"""A share of nothing is NaN."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def ratio(above: NDArray[Any], below: NDArray[Any]) -> NDArray[np.float64]:
    """Return `above` / `below`, of one shape; NaN where `below` is not above 0."""
    found: NDArray[np.float64] = np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)
    return found
