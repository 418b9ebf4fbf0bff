"""A run folder as a coder, ready for faces: without torch where its network allows it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..engine.light import Light, load_light
from ..engine.run import RunFolder
from ..evidence.activity import Settle
from ..evidence.vectors import VECTOR_WIDTH
from ..faces.alignment import FaceRecipe
from ..networks.light import codes_of
from .contract import Coder, Task, check_faces

if TYPE_CHECKING:
    from .network_model import NetworkCoder

F32 = NDArray[np.float32]


class LightCoder:
    """Codes aligned faces with the network of evidence of a run, in float32, without torch."""

    clip = (1, 0)

    def __init__(self, light: Light) -> None:
        described = light.described
        self.aus: tuple[int, ...] = described.setting.aus
        self.task: Task = described.setting.task
        self.recipe = FaceRecipe(**described.content["recipe"])
        self.limits: tuple[float, ...] = tuple(described.content["limits"])
        self.further = light.further
        self.lineage: tuple[dict[str, Any], ...] = tuple(described.content.get("lineage") or ())
        self.sees = described.setting.network
        self.light = light.network
        self.known, self.person = light.network.width, light.network.person

    def __call__(
        self, faces_BHWC: NDArray[np.uint8], landmarks_BPC: F32, evidence_BE: F32 | None = None
    ) -> NDArray[np.float32]:
        """Return probabilities 0–1 (occurrence) or intensities 0–5, (B, A), for aligned RGB faces (B, S, S, 3).

        landmarks_BPC: (B, 68, 2), pixels of the faces. evidence_BE: as of `evidence.linear.evidence_of`; of a face
        alone, (B, 2 · VECTOR_WIDTH + 1), it is completed from pixels. None: nothing but pixels is known.
        """
        check_faces(faces_BHWC, landmarks_BPC, self.recipe)
        if evidence_BE is None:
            features, references = self.light.frame_features(faces_BHWC), None
        elif evidence_BE.shape[1] == 2 * self.known + 1:
            features, references = evidence_BE[:, : self.known], evidence_BE[:, self.known :]
        else:
            features = self.light.frame_features(faces_BHWC, evidence_BE[:, :VECTOR_WIDTH])
            unknown = np.full((len(evidence_BE), self.known - VECTOR_WIDTH), np.nan, np.float32)
            reference = evidence_BE[:, VECTOR_WIDTH : 2 * VECTOR_WIDTH]
            references = np.concatenate([reference, unknown, evidence_BE[:, -1:]], axis=1)
        logits = self.light.logits(features, references)[:, : len(self.aus)]
        return codes_of(logits, self.task, len(self.aus))

    @property
    def settle(self) -> Settle | None:
        """What moves the references of people by how active they are, None where nothing does."""
        return self.light.settle(self.task)

    def encode(
        self, faces_BHWC: NDArray[np.uint8], landmarks_BPC: F32, vectors_BW: F32 | None = None
    ) -> NDArray[np.float32]:
        """Return what the model makes of each face by itself, (B, E); vectors_BW: `evidence.vectors.face_vectors`."""
        del landmarks_BPC
        return self.light.frame_features(faces_BHWC, vectors_BW)

    def decode(self, features_BLE: F32, references_BR: F32 | None = None) -> NDArray[np.float32]:
        """Return codes (B, A + further) of `encode`d faces (B, 1, E).

        references_BR: (B, known + 1), as of `evidence.reference`; None: nobody has one.
        """
        return codes_of(self.light.logits(features_BLE[:, 0], references_BR), self.task, len(self.aus))


def load_coder(run: str | Path) -> Coder:
    """Load the model of run folder `run`; raises InputError when a file of it is missing or does not fit.

    What needs torch is a `network_model.NetworkCoder`.
    """
    light = load_light(RunFolder(run))
    return load_network(run) if light is None else LightCoder(light)


def load_network(run: str | Path) -> "NetworkCoder":
    """Load the model of run folder `run` as torch has it, whatever it is; raises InputError as `load_coder` does."""
    from .network_model import NetworkCoder

    return NetworkCoder(RunFolder(run))
