"""One face of a store: its columns, and their schema."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..evidence.blendshapes import BLENDSHAPES

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True)
class FaceRow:
    """One aligned face.

    image: encoded JPEG or PNG; landmarks: (68, 2) float32, pixels of the stored image; matrix: (2, 3) float32,
    source pixels → stored pixels; time: seconds; occurrence: (A,) int8, −1 unlabelled; intensity: (A,) float32
    0–5, NaN unlabelled; score: detector score 0–1; blendshapes: (52,) float32 0–1 in the order of
    `evidence.blendshapes`, pose: (3,) yaw, pitch, roll of the source picture in degrees, both NaN where the landmarker
    was not asked; extras: further columns, by name.
    """

    image: bytes
    subject: str
    clip: str
    frame: int
    time: float
    face: int
    landmarks: NDArray[np.float32]
    matrix: NDArray[np.float32]
    occurrence: NDArray[np.int8]
    intensity: NDArray[np.float32]
    score: float
    source: str
    blendshapes: NDArray[np.float32] = field(default_factory=lambda: np.full(len(BLENDSHAPES), np.nan, np.float32))
    pose: NDArray[np.float32] = field(default_factory=lambda: np.full(3, np.nan, np.float32))
    extras: dict[str, Any] = field(default_factory=dict)


def features(aus: int, extras: "dict[str, Any] | None" = None) -> "datasets.Features":
    """Return the HF schema of a store with `aus` action units and further columns `extras` (name → HF feature)."""
    import datasets

    value, listed = datasets.Value, datasets.List
    return datasets.Features(
        {
            "image": datasets.Image(decode=False),
            "subject": value("string"),
            "clip": value("string"),
            "frame": value("int32"),
            "time": value("float64"),
            "face": value("int32"),
            "landmarks": listed(value("float32"), length=136),
            "matrix": listed(value("float32"), length=6),
            "occurrence": listed(value("int8"), length=aus),
            "intensity": listed(value("float32"), length=aus),
            "score": value("float32"),
            "source": value("string"),
            "blendshapes": listed(value("float32"), length=len(BLENDSHAPES)),
            "pose": listed(value("float32"), length=3),
            **(extras or {}),
        }
    )


def as_record(row: FaceRow) -> dict[str, Any]:
    """Return a row as Arrow takes it."""
    return {
        "image": {"bytes": row.image, "path": None},
        "subject": row.subject,
        "clip": row.clip,
        "frame": int(row.frame),
        "time": float(row.time),
        "face": int(row.face),
        "landmarks": np.asarray(row.landmarks, np.float32).ravel(),
        "matrix": np.asarray(row.matrix, np.float32).ravel(),
        "occurrence": np.asarray(row.occurrence, np.int8),
        "intensity": np.asarray(row.intensity, np.float32),
        "score": float(row.score),
        "source": row.source,
        "blendshapes": np.asarray(row.blendshapes, np.float32),
        "pose": np.asarray(row.pose, np.float32),
        **row.extras,
    }
