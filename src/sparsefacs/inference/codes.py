"""The codes: a table with a row per frame and face, in OpenFace's column names, as CSV or Parquet."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..evidence.pose import openface_angles
from ..facs import column
from ..row_files import Cell, RowWriter, check_table_path, open_rows
from .contract import Task

_BOX = ("face_x0", "face_y0", "face_x1", "face_y1")
_POSE = ("pose_Rx", "pose_Ry", "pose_Rz")
_FACE = (*_BOX, *_POSE, "reference")


@dataclass(frozen=True)
class CodedFace:
    """A face of a frame with its codes.

    face_id: from 0 in order of appearance. confidence: 0–1 (`faces.confidence`). box: (4,) x0, y0, x1, y1, pixels.
    landmarks: (68, 2) in image pixels. codes: (A,) probabilities 0–1 or intensities 0–5. pose: (3,) yaw, pitch, roll in
    degrees, None or NaN where unknown. reference: how many other moments of the person the codes rest on, None where
    the model does not look at the person. further: (X,) intensities 0–5 beside them, where the model tells any.
    """

    face_id: int
    confidence: float
    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    codes: NDArray[np.float32]
    pose: NDArray[np.float32] | None = None
    reference: int | None = None
    further: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class CodedFrame:
    """A frame with its faces and the ids of known faces that are lost in it.

    source: name of the file. index: 0-based. time_s: seconds since the first frame, None for a photo. image: RGB
    (H, W, 3) where somebody wants to draw on it, else None. subject: whose folder the file lies in, None where that is
    not known.
    """

    source: str
    index: int
    time_s: float | None
    faces: tuple[CodedFace, ...]
    lost: tuple[int, ...]
    image: NDArray[np.uint8] | None = None
    subject: str | None = None


def code_columns(aus: Sequence[int], *, further: Sequence[str] = (), smoothing: bool = False) -> list[str]:
    """Return the columns of the codes of `aus`, which do not depend on what the model can tell, and the further ones.

    `input` (the file), `subject` (whose folder it lies in, if in one), `frame` (from 1, as OpenFace counts), `face_id`,
    `timestamp` (s; empty for photos), `confidence` (0–1, `faces.confidence`), `success` (1 coded, 0 lost), the face's
    box in pixels, `AU01_c` … (1: `AU01_p` reaches that AU's limit, else 0), `AU01_r` … (0–5), `AU01_p` … (probability).
    What the model cannot tell is empty. further: columns of a model that tells more than its task, such as
    `AU12_left_r` (intensity 0–5 on the person's left); of these `AU01_r` … are there already.
    smoothing: whether a last column says how the codes were smoothed in time.
    """
    units = [column(au, kind) for kind in "crp" for au in aus]
    return [
        "input",
        "subject",
        "frame",
        "face_id",
        "timestamp",
        "confidence",
        "success",
        *_FACE,
        *units,
        *_beyond(aus, further),
        *["smoothing"] * smoothing,
    ]


def _beyond(aus: Sequence[int], further: Sequence[str]) -> list[str]:
    """Return the columns of `further` that no table of these AUs has by itself."""
    usual = {column(au, "r") for au in aus}
    return [name for name in further if name not in usual]


def open_codes(path: Path, columns: Sequence[str]) -> AbstractContextManager[RowWriter]:
    """Open a table of codes at `path`, as `open_rows`; raises InputError for another suffix than .csv or .parquet."""
    check_table_path(path, "codes")
    return open_rows(path, {name: column_type(name) for name in columns})


class CodesWriter:
    """Turns coded frames into rows, by face id; a lost face has success 0 and empty values, never zeros.

    Frames before the first face of a video are held back: they become lost rows of that face once it appears, and
    nothing if none ever does, so a video without faces has no rows. Call `next_source` between files. limits: of each
    AU the probability (or intensity) from which it counts as present. further: columns of what is told beside.
    smoothing: what the last column says of coded rows, None for no such column.
    """

    def __init__(
        self,
        rows: RowWriter,
        aus: Sequence[int],
        task: Task,
        limits: Sequence[float],
        *,
        further: Sequence[str] = (),
        smoothing: str | None = None,
    ) -> None:
        self._rows, self._aus, self._task, self._limits = rows, tuple(aus), task, tuple(limits)
        self._further, self._beyond = tuple(further), _beyond(aus, further)
        self._strengths = [column(au, "r") for au in aus]
        self._last: list[Cell] = [] if smoothing is None else [smoothing]
        self._faceless: list[tuple[int, float | None]] = []
        self._any_face = False
        self._coded = self._lost = 0

    def next_source(self) -> None:
        """Forget the file so far: what comes next is of another one."""
        self._faceless, self._any_face = [], False

    def write(self, frame: CodedFrame) -> None:
        """Write the rows of one frame."""
        if not self._any_face and not frame.faces:
            self._faceless.append((frame.index, frame.time_s))
            return
        if not self._any_face:
            self._any_face = True
            first = min(face.face_id for face in frame.faces)
            for index, time_s in self._faceless:
                self._write_lost(frame, index, first, time_s)
            self._faceless = []
        rows = [(face.face_id, face) for face in frame.faces] + [(face_id, None) for face_id in frame.lost]
        for face_id, face in sorted(rows, key=lambda row: row[0]):
            if face is None:
                self._write_lost(frame, frame.index, face_id, frame.time_s)
            else:
                start = self._start(frame, frame.index, face_id, frame.time_s)
                self._rows.write(start + self._cells(face, frame.time_s))
                self._coded += 1

    def take_counts(self) -> tuple[int, int]:
        """Return how many rows of coded and of lost faces were written since this was last asked."""
        counts = self._coded, self._lost
        self._coded = self._lost = 0
        return counts

    @staticmethod
    def _start(frame: CodedFrame, index: int, face_id: int, time_s: float | None) -> list[Cell]:
        return [frame.source, frame.subject, index + 1, face_id, None if time_s is None else round(time_s, 6)]

    def _write_lost(self, frame: CodedFrame, index: int, face_id: int, time_s: float | None) -> None:
        empty: list[Cell] = [None] * (len(_FACE) + 3 * len(self._aus) + len(self._beyond) + len(self._last))
        self._rows.write([*self._start(frame, index, face_id, time_s), None, 0, *empty])
        self._lost += 1

    def _cells(self, face: CodedFace, time_s: float | None) -> list[Cell]:
        values = [round(value, 6) for value in face.codes.tolist()]
        present: list[Cell] = [int(value >= limit) for value, limit in zip(face.codes, self._limits, strict=True)]
        beside: dict[str, Cell] = {}
        if face.further is not None:
            beside = {name: round(v, 6) for name, v in zip(self._further, face.further.tolist(), strict=True)}
        strengths = [beside.get(name) for name in self._strengths]
        empty: list[Cell] = [None] * len(self._aus)
        told = [*strengths, *values] if self._task == "occurrence" else [*values, *empty]
        beyond = [beside.get(name) for name in self._beyond]
        box = [round(float(side), 2) for side in face.box]
        return [
            round(face.confidence, 4),
            1,
            *box,
            *_angles(face.pose),
            face.reference,
            *present,
            *told,
            *beyond,
            *(self._last if time_s is not None else [None] * len(self._last)),
        ]


def _angles(pose: NDArray[np.float32] | None) -> list[Cell]:
    if pose is None or not np.isfinite(pose).all():
        return [None] * len(_POSE)
    return [round(float(angle), 4) for angle in openface_angles(pose)]


def column_type(column: str) -> str:
    """Return the type of a column of codes, as Arrow names it."""
    if column in ("input", "subject", "smoothing"):
        return "string"
    if column in ("frame", "face_id", "reference"):
        return "int32"
    if column == "success" or column.endswith("_c"):
        return "int8"
    return "float64" if column == "timestamp" else "float32"
