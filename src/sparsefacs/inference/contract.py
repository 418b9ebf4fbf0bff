"""What the coding pipeline needs of a model, so that it can be run and tested with any."""

from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..evidence.activity import Settle
from ..faces.alignment import FaceRecipe

Task = Literal["occurrence", "intensity"]


class Coder(Protocol):
    """Codes aligned faces: the face in front of the pipeline, the trained network behind it."""

    aus: tuple[int, ...]
    recipe: FaceRecipe
    task: Task
    limits: tuple[float, ...]
    """Of each AU the probability (or intensity) from which it counts as present."""
    further: tuple[str, ...]
    """Columns of intensities that `decode` tells behind the AUs' codes."""
    lineage: tuple[dict[str, Any], ...]
    """What it rests on, as of `engine.lineage`; empty where that is not known."""

    @property
    def clip(self) -> tuple[int, int]:
        """Frames of the clips in which frames are coded, and the place at which; 1 and 0: each by itself."""

    @property
    def known(self) -> int:
        """How many numbers at the end of an encoded face its person's reference is made of; 0: it sees pixels alone."""

    @property
    def person(self) -> bool:
        """Whether faces are compared with their person's reference."""

    @property
    def settle(self) -> Settle | None:
        """What moves the references of people by how active they are, None where nothing does."""

    def encode(
        self,
        faces_BHWC: NDArray[np.uint8],
        landmarks_BPC: NDArray[np.float32],
        vectors_BW: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Return what the model makes of each face by itself, (B, E); vectors_BW: `evidence.vectors.face_vectors`."""

    def decode(
        self, features_BLE: NDArray[np.float32], references_BR: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return codes (B, A + further) of the frames at the key place of windows of `encode`d faces (B, L, E).

        references_BR: (B, known + 1), as of `evidence.reference`; None: nobody has one.
        """

    def __call__(
        self,
        faces_BHWC: NDArray[np.uint8],
        landmarks_BPC: NDArray[np.float32],
        evidence_BE: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Return probabilities 0–1 or intensities 0–5, (B, A), of aligned RGB faces (B, size, size, 3).

        landmarks_BPC: (B, 68, 2), pixels of the faces; evidence_BE: as of `evidence.linear.evidence_of`, where the
        model looks at it. What else is in the batch changes nothing; how many are in it
        may change the last bits, which `batching.code_faces` rules out.
        """


def check_faces(faces_BHWC: NDArray[np.uint8], landmarks_BPC: NDArray[np.float32], recipe: FaceRecipe) -> None:
    """Raise InputError unless these are aligned faces as the model learned from, (B, size, size, 3) uint8, and points.

    Other numbers, such as 0 to 1, or another side, would be coded as a face that nobody showed.
    """
    side = recipe.size
    for what, given, shape, numbers in (
        ("faces", np.asarray(faces_BHWC), (side, side, 3), "uint8, 0 to 255, RGB"),
        ("landmarks", np.asarray(landmarks_BPC), (68, 2), "pixels of the faces"),
    ):
        count = len(given) if given.ndim else 0
        fits = given.shape[1:] == shape and count == len(faces_BHWC)
        if not fits or (what == "faces" and given.dtype != np.uint8):
            wanted = ", ".join(map(str, ("B", *shape)))
            raise InputError(
                f"the model was given {what} of shape {given.shape}, {given.dtype}",
                remedy=f"Give ({wanted}), {numbers}, B being the number of faces",
            )
