"""What passes between the stages of `predict`: files that open and close, and frames on their way to codes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..faces.tracking import GAP_S, TrackedFace
from .codes import CodedFace, CodedFrame
from .sources import Source


@dataclass(frozen=True)
class Opened:
    """A file was opened; fps: of the frames that are given, None for a photo; step: how many of the file's own frames
    lie from one that is given to the next.
    """

    source: Source
    fps: float | None
    step: int = 1

    @property
    def gap_s(self) -> float:
        """Seconds for which a lost face keeps its id: more where frames are so far apart that one would end them."""
        return GAP_S if self.fps is None else max(GAP_S, 2.5 / self.fps)


@dataclass(frozen=True)
class Closed:
    """A file came to its end: `failed` says why nothing of it could be read, `damaged` lists (frame, reason).

    note: what else there is to say of how it was read, "" for nothing.
    """

    source: Source
    failed: InputError | None = None
    damaged: tuple[tuple[int, str], ...] = ()
    note: str = ""


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


@dataclass(frozen=True)
class EncodedFrame:
    """A frame with what the model makes of each of its faces by itself, and what it compares them with.

    features_FE: (F, E), as of `Coder.encode`. references_FR: (F, known + 1), as of `evidence.reference`; None: nobody
    is compared with anything.
    """

    source: Source
    index: int
    time_s: float | None
    faces: tuple[TrackedFace, ...]
    features_FE: NDArray[np.float32]  # noqa: N815 -- a shape suffix
    lost: tuple[int, ...]
    image: NDArray[np.uint8] | None = None
    references_FR: NDArray[np.float32] | None = None  # noqa: N815


def with_codes(frame: EncodedFrame, codes_FA: NDArray[np.float32], aus: int) -> CodedFrame:
    """Return a frame with the codes (F, A) of its faces: of `aus` AUs, and intensities beside them where there are."""
    moments: list[int | None] = [None] * len(frame.faces)
    if frame.references_FR is not None:
        moments = [int(count) for count in frame.references_FR[:, -1]]
    faces = tuple(
        CodedFace(
            face.face,
            face.score,
            face.box,
            face.landmarks,
            codes[:aus],
            face.traits.pose,
            count,
            codes[aus:] if len(codes) > aus else None,
        )
        for face, codes, count in zip(frame.faces, codes_FA, moments, strict=True)
    )
    source = frame.source
    return CodedFrame(source.name, frame.index, frame.time_s, faces, frame.lost, frame.image, source.subject)
