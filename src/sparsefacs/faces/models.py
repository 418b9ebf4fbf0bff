"""The two face-finding models, which are part of the package: their hashes and their licences (weights/LICENSES)."""

from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..files import sha256_file

FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class ModelFile:
    """A published model: its name, what it is, its licence, its SHA-256, its origin. Stores are recorded to rest on it.

    kept, kept_sha256: the file in `FOLDER` that was made from it; "" where it is there as it was published.
    """

    name: str
    what: str
    licence: str
    sha256: str
    url: str
    kept: str = ""
    kept_sha256: str = ""


LANDMARKER = ModelFile(
    name="face_landmarker.task",
    what="MediaPipe's face landmarker (478 points)",
    licence="Apache-2.0 (Google)",
    sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    url="https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
    kept="face_landmarker.onnx.zip",  # made by `python landmarker`
    kept_sha256="6b9b76de571946f9ee20b85c4a587e6a31570a94df8fcb619171216ed078e25e",
)
YUNET = ModelFile(
    name="face_detection_yunet_2023mar.onnx",
    what="the YuNet face detector",
    licence="MIT (Shiqi Yu and others)",
    sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    url="https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/face_detection_yunet/"
    "face_detection_yunet_2023mar.onnx",
)


def find_model(model: ModelFile) -> Path:
    """Return the path of the file kept of `model`; raises InputError when it is missing or damaged."""
    path = FOLDER / (model.kept or model.name)
    if not path.is_file():
        raise InputError(f"{model.what} is not there", path=path, remedy="Install sparsefacs again")
    if sha256_file(path) != (model.kept_sha256 or model.sha256):
        raise InputError(f"is not {model.what} in the version needed", path=path, remedy="Install sparsefacs again")
    return path
