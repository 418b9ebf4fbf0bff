"""A run folder as a coder: the trained network, ready for faces, on CPU or GPU."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.run import RunFolder
from ..errors import InputError
from ..faces.alignment import FaceRecipe
from ..methods.contract import Setting
from ..methods.registry import method_class
from ..networks.answers import answers, frame_features, window_answers
from ..networks.backbone import read_safetensors
from ..networks.classifier import NetworkConfig
from ..networks.clip_answers import is_of_clips
from .contract import Task


class NetworkCoder:
    """Codes aligned faces with the network of a run, in float32."""

    def __init__(self, run: RunFolder) -> None:
        import torch

        description = run.read_model()
        self.aus: tuple[int, ...] = tuple(description["aus"])
        self.task: Task = description["task"]
        self.recipe = FaceRecipe(**description["recipe"])
        self.threshold = float(description["threshold"])
        setting = Setting(self.task, self.aus, NetworkConfig(**description["network"]))
        self.sees = setting.network
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        method = method_class(description["method"])
        network = method.build_predictor(setting, method.Config(**description.get("settings", {})))
        weights = read_safetensors(run.require(run.weights, "the weights"))
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise InputError(
                "the weights do not fit the model's description",
                path=run.weights,
                remedy="Train again, or restore both files from the same run",
            ) from error
        self.network = network.eval().to(self.device).to(memory_format=torch.channels_last)

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
    folder = RunFolder(run)
    folds = sorted(folder.path.glob("fold-*/model.json"))
    if folds and not folder.model.exists():
        raise InputError("holds several folds", path=run, remedy=f"Name one of them: {folds[0].parent}")
    return NetworkCoder(folder)
