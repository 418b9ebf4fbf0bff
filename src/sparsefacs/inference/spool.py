"""Encoded frames that wait on disk until all of their people's faces have been seen."""

import struct
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from ..evidence.blendshapes import BLENDSHAPES
from ..faces.landmarks import Traits
from ..faces.tracking import TrackedFace
from .frames import EncodedFrame
from .sources import Source

IN_MEMORY = 2**20  # bytes kept off the disk: photos and moments need no file
_FRAME = struct.Struct("<qdII")  # index, seconds (NaN: a photo), faces, lost faces
_UNTOLD = np.full(len(BLENDSHAPES), np.nan, np.float32)  # they are in the features by now


class Spool:
    """Frames in the order in which they were written, to be read once; memory does not grow with their number.

    A context manager. The file in `folder` has no name where the system can do that, and is gone in any case when the
    block or the process ends. Plain numbers: per frame a header and the lost ids, then a record a face. OSError when
    the disk is full.
    """

    def __init__(self, folder: Path) -> None:
        self._file: Any = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(folder), prefix=".predict.", suffix=".tmp")  # noqa: SIM115
        self._record: np.dtype[Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, frame: EncodedFrame) -> None:
        """Append a frame; its picture and references are not kept."""
        time_s = float("nan") if frame.time_s is None else frame.time_s
        self._file.write(_FRAME.pack(frame.index, time_s, len(frame.faces), len(frame.lost)))
        self._file.write(np.asarray(frame.lost, np.int64).tobytes())
        if not frame.faces:
            return
        if self._record is None:
            self._record = _record(frame.features_FE.shape[1])
        records = np.empty(len(frame.faces), self._record)
        for record, face, features in zip(records, frame.faces, frame.features_FE, strict=True):
            record["face"], record["score"], record["box"] = face.face, face.score, face.box
            record["landmarks"], record["pose"], record["features"] = face.landmarks, face.traits.pose, features
        self._file.write(records.tobytes())

    def rewind(self) -> None:
        """Go to the first frame, to `read`."""
        self._file.seek(0)

    def read(self, source: Source) -> EncodedFrame:
        """Return the next frame, which is one of `source`."""
        index, time_s, faces, lost = _FRAME.unpack(self._file.read(_FRAME.size))
        gone = np.frombuffer(self._file.read(8 * lost), np.int64)
        records: Any = np.empty(0, _record(0))
        if faces:
            assert self._record is not None
            records = np.frombuffer(self._file.read(faces * self._record.itemsize), self._record)
        return EncodedFrame(
            source,
            index,
            None if np.isnan(time_s) else time_s,
            tuple(_face(record) for record in records),
            np.ascontiguousarray(records["features"]),
            tuple(gone.tolist()),
        )

    def clear(self) -> None:
        """Forget all frames."""
        self._file.seek(0)
        self._file.truncate()


def _record(width: int) -> "np.dtype[Any]":
    return np.dtype(
        [
            ("face", "<i8"),
            ("score", "<f8"),
            ("box", "<f4", (4,)),
            ("landmarks", "<f4", (68, 2)),
            ("pose", "<f4", (3,)),
            ("features", "<f4", (width,)),
        ]
    )


def _face(record: Any) -> TrackedFace:
    traits = Traits(_UNTOLD, record["pose"])
    return TrackedFace(int(record["face"]), record["landmarks"], record["box"], float(record["score"]), traits)
