"""Labels from elsewhere, laid over the faces of a store in place of its own."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class GivenLabels:
    """Labels from elsewhere for the M faces of a store, in place of its own: see `data.answered`.

    occurrence: (M, A) −1, 0, 1; intensity: (M, A) 0–5 or NaN; tested: (M,) whether a face is kept for scoring. content:
    the file they come from, as it was read.
    """

    aus: tuple[int, ...]
    occurrence: NDArray[np.int8]
    intensity: NDArray[np.float32]
    tested: NDArray[np.bool_]
    content: bytes

    def as_json(self) -> dict[str, Any]:
        """Return what tells these labels from others."""
        return {"sha256": hashlib.sha256(self.content).hexdigest()}
