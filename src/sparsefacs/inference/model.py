"""A run folder as a coder: the trained network, ready for faces, on CPU or GPU."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.run import RunFolder
from ..engine.trained import load_trained
from ..faces.alignment import FaceRecipe
from ..networks.answers import answers, frame_features, window_answers
from ..networks.clip_answers import is_of_clips
from .contract import Task


class NetworkCoder:
    """Codes aligned faces with the network of a run, in float32."""

    def __init__(self, run: RunFolder) -> None:
        import torch

        trained = load_trained(run)
        self.aus: tuple[int, ...] = trained.setting.aus
        self.task: Task = trained.setting.task
        self.recipe = FaceRecipe(**trained.description["recipe"])
        self.limits: tuple[float, ...] = tuple(trained.description["limits"])
        self.sees = trained.setting.network
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = trained.network.to(self.device).to(memory_format=torch.channels_last)

    def __call__(self, faces_BHWC: NDArray[np.uint8], landmarks_BPC: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities 0–1 (occurrence) or intensities 0–5, (B, A), for aligned RGB faces (B, S, S, 3).

        landmarks_BPC: (B, 68, 2), pixels of the faces.
        """
        return answers(self.network, faces_BHWC, landmarks_BPC, self.sees, self.task)

    @property
    def clip(self) -> tuple[int, int] | None:
        """Frames of the clips in which frames are coded, and the place at which; None: each face is coded by itself."""
        network: Any = self.network
        return (int(network.clip_length), int(network.key)) if is_of_clips(network) else None

    def encode(self, faces_BHWC: NDArray[np.uint8], landmarks_BPC: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what a model of clips makes of each face by itself, (B, E); arguments as of a call."""
        return frame_features(self.network, faces_BHWC, landmarks_BPC, self.sees)

    def decode(self, features_BLE: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return codes (B, A) of the frames at the key place of windows of `encode`d faces (B, L, E)."""
        return window_answers(self.network, features_BLE, self.task)


def load_coder(run: str | Path) -> NetworkCoder:
    """Load the model of run folder `run`; raises InputError when a file of it is missing or does not fit."""
    return NetworkCoder(RunFolder(run))
