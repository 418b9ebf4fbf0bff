"""What passes between the stages of `predict`: files that open and close, and frames on their way to codes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..faces.tracking import TrackedFace
from .codes import CodedFace, CodedFrame
from .sources import Source


@dataclass(frozen=True)
class Opened:
    """A file was opened; fps is None for a photo."""

    source: Source
    fps: float | None


@dataclass(frozen=True)
class Closed:
    """A file came to its end: `failed` says why nothing of it could be read, `damaged` lists (frame, reason)."""

    source: Source
    failed: InputError | None = None
    damaged: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Picture:
    """A frame as decoded: RGB (H, W, 3), 0-based index, seconds since the first frame (None for a photo)."""

    index: int
    time_s: float | None
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class LocatedFrame:
    """A frame with the faces found in it."""

    source: Source
    picture: Picture
    found: list[TrackedFace]


@dataclass(frozen=True)
class FoundFrame:
    """A frame with its faces, found and cut out, and the ids of lost faces.

    aligned: (F, size, size, 3); landmarks: (F, 68, 2), pixels of the cut-outs.
    """

    source: Source
    index: int
    time_s: float | None
    faces: tuple[TrackedFace, ...]
    aligned: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    lost: tuple[int, ...]
    image: NDArray[np.uint8] | None


def with_codes(frame: FoundFrame, codes_FA: NDArray[np.float32]) -> CodedFrame:
    """Return a frame with the codes (F, A) of its faces."""
    faces = tuple(
        CodedFace(face.face, face.score, face.box, face.landmarks, codes)
        for face, codes in zip(frame.faces, codes_FA, strict=True)
    )
    return CodedFrame(frame.source.name, frame.index, frame.time_s, faces, frame.lost, frame.image)
