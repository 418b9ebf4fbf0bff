"""A run folder as a coder: the network that torch trained, ready for faces, on CPU or GPU."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.run import RunFolder
from ..engine.trained import load_trained
from ..evidence.activity import Settle
from ..evidence.linear import evidence_of
from ..evidence.reference import no_reference
from ..evidence.vectors import VECTOR_WIDTH
from ..faces.alignment import FaceRecipe
from ..networks.answers import answers, frame_features, settle_of, window_answers
from .contract import Task, check_faces


class NetworkCoder:
    """Codes aligned faces with the network of a run, in float32."""

    def __init__(self, run: RunFolder) -> None:
        import torch

        trained = load_trained(run)
        self.aus: tuple[int, ...] = trained.setting.aus
        self.task: Task = trained.setting.task
        self.recipe = FaceRecipe(**trained.description["recipe"])
        self.limits: tuple[float, ...] = tuple(trained.description["limits"])
        self.further = trained.further
        self.lineage: tuple[dict[str, Any], ...] = tuple(trained.description.get("lineage") or ())
        self.sees = trained.setting.network
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network: Any = trained.network.to(self.device).to(memory_format=torch.channels_last)

    def __call__(
        self,
        faces_BHWC: NDArray[np.uint8],
        landmarks_BPC: NDArray[np.float32],
        evidence_BE: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Return probabilities 0–1 (occurrence) or intensities 0–5, (B, A), for aligned RGB faces (B, S, S, 3).

        landmarks_BPC: (B, 68, 2), pixels of the faces. evidence_BE: as of `evidence.linear.evidence_of`; None: nothing
        but pixels is known.
        """
        check_faces(faces_BHWC, landmarks_BPC, self.recipe)
        if self.known and evidence_BE is None:
            evidence_BE = unknown_evidence(len(faces_BHWC))
        return answers(self.network, faces_BHWC, landmarks_BPC, self.sees, self.task, evidence_BE)

    @property
    def clip(self) -> tuple[int, int]:
        """Frames of the clips in which frames are coded, and the place at which; 1 and 0: each by itself."""
        return int(self.network.clip_length), int(self.network.key)

    @property
    def known(self) -> int:
        """How many numbers at the end of an encoded face its person's reference is made of; 0: it sees pixels alone."""
        return int(self.network.known)

    @property
    def person(self) -> bool:
        """Whether faces are compared with their person's reference."""
        return self.network.evidence is not None and bool(self.network.evidence.person)

    @property
    def settle(self) -> Settle | None:
        """What moves the references of people by how active they are, None where nothing does."""
        return settle_of(self.network, self.task)

    def encode(
        self,
        faces_BHWC: NDArray[np.uint8],
        landmarks_BPC: NDArray[np.float32],
        vectors_BW: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Return what the model makes of each face by itself, (B, E); vectors_BW: `evidence.vectors.face_vectors`."""
        return frame_features(self.network, faces_BHWC, landmarks_BPC, self.sees, vectors_BW)

    def decode(
        self, features_BLE: NDArray[np.float32], references_BR: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return codes (B, A + further) of the frames at the key place of windows of `encode`d faces (B, L, E).

        references_BR: (B, known + 1), as of `evidence.reference`; None: nobody has one.
        """
        return window_answers(self.network, features_BLE, self.task, references_BR)


def unknown_evidence(count: int) -> NDArray[np.float32]:
    """Return the evidence (count, 2 · VECTOR_WIDTH + 1) of faces of which nothing is known beside pixels."""
    vectors = np.full((count, VECTOR_WIDTH), np.nan, np.float32)
    return evidence_of(vectors, no_reference(count, VECTOR_WIDTH))
