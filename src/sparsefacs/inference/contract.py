"""What the coding pipeline needs of a model, so that it can be run and tested with any."""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..faces.alignment import FaceRecipe

Task = Literal["occurrence", "intensity"]


class Coder(Protocol):
    """Codes aligned faces: the face in front of the pipeline, the trained network behind it."""

    aus: tuple[int, ...]
    recipe: FaceRecipe
    task: Task
    threshold: float

    def __call__(self, faces_BHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return, for aligned RGB faces (B, size, size, 3), probabilities 0–1 or intensities 0–5, (B, A).

        What else is in the batch changes nothing; how many are in it may change the last bits, which
        `batching.code_faces` rules out.
        """
