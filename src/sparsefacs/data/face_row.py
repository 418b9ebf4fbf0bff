"""One face of a store: its columns, their schema, and how HF `datasets` is told of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..evidence.blendshapes import BLENDSHAPES

if TYPE_CHECKING:
    import pyarrow as pa


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


def schema(aus: int, extras: "Mapping[str, pa.DataType] | None" = None) -> "pa.Schema":
    """Return the Arrow schema of a store with `aus` action units and further columns `extras`.

    Its metadata tell HF `datasets` the same in its own words.
    """
    import pyarrow as pa

    columns = {
        "image": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        "subject": pa.string(),
        "clip": pa.string(),
        "frame": pa.int32(),
        "time": pa.float64(),
        "face": pa.int32(),
        "landmarks": vector(136),
        "matrix": vector(6),
        "occurrence": pa.list_(pa.int8(), aus),
        "intensity": vector(aus),
        "score": pa.float32(),
        "source": pa.string(),
        "blendshapes": vector(len(BLENDSHAPES)),
        "pose": vector(3),
        **(extras or {}),
    }
    plain = pa.schema(columns.items())
    return plain.with_metadata({"huggingface": json.dumps({"info": {"features": hf_features(plain)}})})


def vector(length: int) -> "pa.DataType":
    """Return the Arrow type of a column of `length` float32 numbers a face."""
    import pyarrow as pa

    return pa.list_(pa.float32(), length)


def hf_features(schema: "pa.Schema") -> dict[str, Any]:
    """Return the columns of a schema as HF `datasets` describes them in JSON."""
    import pyarrow as pa

    def described(kind: pa.DataType) -> dict[str, Any]:
        if pa.types.is_struct(kind):  # the only one: a picture as its file's bytes
            return {"decode": False, "_type": "Image"}
        if pa.types.is_fixed_size_list(kind):
            return {"feature": described(kind.value_type), "length": kind.list_size, "_type": "List"}
        return {"dtype": {"double": "float64", "float": "float32"}.get(str(kind), str(kind)), "_type": "Value"}

    return {each.name: described(each.type) for each in schema}


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
