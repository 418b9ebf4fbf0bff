"""An exported network as a coder: an .onnx file, ready for faces, without torch's code or the run folder."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..faces.alignment import FaceRecipe
from ..metrics.limits import described_limits
from .contract import Task

METADATA = "sparsefacs"
"""Key of the file's metadata that holds its description, in JSON."""
FORMAT = 1
_EXPORT = "Give a file that `sparsefacs export RUN OUT.onnx` wrote"
_KEYS = {"format", "aus", "task", "recipe", "landmarks"}


class OnnxCoder:
    """Codes aligned faces with an exported network, by onnxruntime, in float32 on the CPU."""

    clip = None

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        """threads: cores of one call; None: all but one, which landmarks need meanwhile."""
        import onnxruntime

        if not Path(path).is_file():
            raise InputError("the exported network is missing", path=path, remedy=_EXPORT)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or max(1, (os.cpu_count() or 1) - 1)
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # the other stages want the cores
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own kinds of error have no common parent
            raise InputError("is not a readable .onnx file", path=path, remedy=_EXPORT) from error
        self.description = _described(path, self._session.get_modelmeta().custom_metadata_map)
        self.aus: tuple[int, ...] = tuple(int(au) for au in self.description["aus"])
        self.task: Task = self.description["task"]
        self.recipe = FaceRecipe(**self.description["recipe"])
        self.limits = described_limits(self.description)
        self._names = [each.name for each in self._session.get_inputs()]
        size = self._session.get_inputs()[0].shape[0]
        self.batch = size if isinstance(size, int) else None
        """Faces a call; None: any number."""

    def __call__(self, faces_BHWC: NDArray[np.uint8], landmarks_BPC: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities 0–1 (occurrence) or intensities 0–5, (B, A), for aligned RGB faces (B, S, S, 3).

        landmarks_BPC: (B, 68, 2), pixels of the faces. A file of a fixed batch is called as often as it takes.
        """
        given: dict[str, NDArray[Any]] = {"faces": faces_BHWC, "landmarks": np.asarray(landmarks_BPC, np.float32)}
        count = len(faces_BHWC)
        at_once = self.batch or max(count, 1)
        parts = []
        for start in range(0, count, at_once):
            rows = np.minimum(np.arange(start, start + at_once), count - 1)  # the last face fills up a fixed batch
            (codes,) = self._session.run(["codes"], {name: given[name][rows] for name in self._names})
            parts.append(codes[: count - start])
        return np.concatenate(parts) if parts else np.empty((0, len(self.aus)), np.float32)

    def encode(self, faces_BHWC: NDArray[np.uint8], landmarks_BPC: NDArray[np.float32]) -> NDArray[np.float32]:
        """Never asked for: an exported network codes each face by itself."""
        raise NotImplementedError

    def decode(self, features_BLE: NDArray[np.float32]) -> NDArray[np.float32]:
        """Never asked for: an exported network codes each face by itself."""
        raise NotImplementedError


def _described(path: str | Path, metadata: dict[str, str]) -> dict[str, Any]:
    """Return what the file says of itself; raises InputError for a file of another program or a later version."""
    try:
        described = json.loads(metadata[METADATA])
        foreign = not described.keys() >= _KEYS or not {"limits", "threshold"} & described.keys()
    except (KeyError, ValueError, AttributeError):
        foreign = True
    if foreign:
        raise InputError(
            "is an .onnx file of another program, and does not say what it codes", path=path, remedy=_EXPORT
        )
    if described["format"] != FORMAT:
        raise InputError(
            f"was written by another version of this program ({described.get('version', 'unknown')})",
            path=path,
            remedy="Export the run again",
        )
    return dict(described)
