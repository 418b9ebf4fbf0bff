"""An exported network as a coder: an .onnx file, ready for faces, without torch's code or the run folder."""

import base64
import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..evidence.activity import Activity, Settle
from ..evidence.linear import LinearEvidence, evidence_logits, evidence_of
from ..evidence.reference import no_reference
from ..evidence.vectors import VECTOR_WIDTH
from ..faces.alignment import FaceRecipe
from ..files import bytes_of
from ..metrics.limits import described_limits
from ..networks.light import codes_of
from ..onnx_session import session_of
from ..records import checked
from ..run_records import ExportRecord
from .contract import Task, check_faces

METADATA = "sparsefacs"
"""Key of the file's metadata that holds its description, in JSON."""
EVIDENCE = "sparsefacs.evidence"
"""Key of the weights on evidence and the gain of pixels, in JSON: name → base64 of float32, little-endian, by rows."""
ACTIVITY = "sparsefacs.activity"
"""Key of what moves references by how active a person is (`evidence.activity`), likewise; files without move none."""
FORMAT, FORMAT_MOVED = 2, 3
"""The second where references are moved, which earlier versions would not do."""
_FORMATS = (1, FORMAT, FORMAT_MOVED)  # files of format 1 see pixels alone
SUM = "sparsefacs.sha256"
"""Key of the SHA-256 of all that is in the file before it: its last bytes are this entry of the metadata."""
_EXPORT = "Give a file that `sparsefacs export RUN OUT.onnx` wrote"
_KEYS = {"format", "aus", "task", "recipe", "landmarks"}

F32 = NDArray[np.float32]


class OnnxCoder:
    """Codes aligned faces with an exported network, by onnxruntime, in float32 on the CPU."""

    clip = (1, 0)

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        """threads: cores of one call; None: all but one, which landmarks need meanwhile."""
        if not Path(path).is_file():
            raise InputError("the exported network is missing", path=path, remedy=_EXPORT)
        _check_sum(Path(path))
        try:
            self._session = session_of(str(path), threads)
        except Exception as error:  # onnxruntime's own kinds of error have no common parent
            raise InputError("is not a readable .onnx file", path=path, remedy=_EXPORT) from error
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.description = _described(path, metadata)
        self.aus: tuple[int, ...] = tuple(int(au) for au in self.description["aus"])
        self.task: Task = self.description["task"]
        self.recipe = FaceRecipe(**self.description["recipe"])
        self.limits = described_limits(self.description)
        self.known = int(self.description.get("known", 0))
        self.person = bool(self.description.get("person", False))
        self.further: tuple[str, ...] = tuple(self.description.get("further", ()))
        self.lineage: tuple[dict[str, Any], ...] = tuple(self.description.get("lineage") or ())
        told = len(self.aus) + len(self.further)
        try:
            self._head = unpacked(metadata[EVIDENCE], self.known, told) if self.known else None
            found = unpacked_activity(metadata[ACTIVITY], self.known, len(self.aus)) if ACTIVITY in metadata else None
        except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise InputError("its weights on evidence are damaged", path=path, remedy="Export the run again") from error
        self.settle: Settle | None = None
        """What moves the references of people by how active they are, None where nothing does."""
        if found is not None and self.person:
            self.settle = found.settling(lambda faces, references: self.decode(faces[:, None], references))
        self._names = [each.name for each in self._session.get_inputs()]
        size = self._session.get_inputs()[0].shape[0]
        self.batch = size if isinstance(size, int) else None
        """Faces a call; None: any number."""

    def __call__(
        self, faces_BHWC: NDArray[np.uint8], landmarks_BPC: F32, evidence_BE: F32 | None = None
    ) -> NDArray[np.float32]:
        """Return probabilities 0–1 (occurrence) or intensities 0–5, (B, A), for aligned RGB faces (B, S, S, 3).

        landmarks_BPC: (B, 68, 2), pixels of the faces. evidence_BE: as of `evidence.linear.evidence_of`; None: nothing
        but pixels is known. A file of a fixed batch is called as often as it takes.
        """
        check_faces(faces_BHWC, landmarks_BPC, self.recipe)
        if evidence_BE is None:
            return self._run("codes", faces_BHWC, landmarks_BPC, None, None)
        width = (evidence_BE.shape[1] - 1) // 2
        vectors, reference = evidence_BE[:, :width], evidence_BE[:, width:-1]
        further = np.full((len(evidence_BE), self.known - width), np.nan, np.float32)
        whole = np.concatenate([reference, further, evidence_BE[:, -1:]], axis=1)
        return self._run("codes", faces_BHWC, landmarks_BPC, vectors, whole)

    def encode(
        self, faces_BHWC: NDArray[np.uint8], landmarks_BPC: F32, vectors_BW: F32 | None = None
    ) -> NDArray[np.float32]:
        """Return what the network makes of each face by itself, (B, E); vectors_BW: `evidence.vectors.face_vectors`."""
        return self._run("features" if self.known else "codes", faces_BHWC, landmarks_BPC, vectors_BW, None)

    def decode(self, features_BLE: F32, references_BR: F32 | None = None) -> NDArray[np.float32]:
        """Return codes (B, A + further) of `encode`d faces (B, 1, E).

        references_BR: (B, known + 1), as of `evidence.reference`; None: nobody has one.
        """
        features_BE = features_BLE[:, 0]
        if self._head is None:
            return features_BE
        weights, gain = self._head
        if references_BR is None:
            references_BR = no_reference(len(features_BE), self.known)
        pixels, vectors = features_BE[:, : -self.known], features_BE[:, -self.known :]
        logits = evidence_logits(evidence_of(vectors, references_BR), weights, np)
        if pixels.shape[1]:
            logits = logits + gain * pixels
        return codes_of(logits, self.task, len(self.aus))

    def _run(
        self,
        output: str,
        faces_BHWC: NDArray[np.uint8],
        landmarks_BPC: F32,
        vectors_BW: F32 | None,
        references_BR: F32 | None,
    ) -> F32:
        """Return one output of the graph; what is None is unknown."""
        count = len(faces_BHWC)
        given: dict[str, NDArray[Any]] = {"faces": faces_BHWC, "landmarks": np.asarray(landmarks_BPC, np.float32)}
        if self.known:
            unknown = np.full((count, VECTOR_WIDTH), np.nan, np.float32)
            given["evidence"] = unknown if vectors_BW is None else vectors_BW[:, :VECTOR_WIDTH]
            given["reference"] = no_reference(count, self.known) if references_BR is None else references_BR
        at_once = self.batch or max(count, 1)
        parts = []
        for start in range(0, count, at_once):
            rows = np.minimum(np.arange(start, start + at_once), count - 1)  # the last face fills up a fixed batch
            (found,) = self._session.run([output], {name: given[name][rows] for name in self._names})
            parts.append(found[: count - start])
        if parts:
            return np.concatenate(parts)
        width = self._session.get_outputs()[[each.name for each in self._session.get_outputs()].index(output)].shape[1]
        return np.empty((0, width), np.float32)


def packed(weights: LinearEvidence, gain: float) -> str:
    """Return weights on evidence, and the factor of pixels beside them, as the file's metadata holds them."""
    return packed_arrays(weights.arrays() | {"gain": np.array(gain, np.float32)})


def packed_arrays(values: dict[str, F32]) -> str:
    """Return arrays by name as the file's metadata holds them."""
    each = {name: np.ascontiguousarray(array, "<f4").tobytes() for name, array in values.items()}
    return json.dumps({name: base64.b64encode(content).decode() for name, content in each.items()}, sort_keys=True)


def unpacked(content: str, width: int, aus: int) -> tuple[LinearEvidence, float]:
    """Return the weights on evidence and the factor that `packed` wrote, for `width` numbers and `aus` AUs."""
    flat = _flat(content)
    shapes = {name: values.shape for name, values in LinearEvidence.blank(width, aus).arrays().items()}
    weights = {each.name: flat[each.name].reshape(shapes[each.name]) for each in fields(LinearEvidence)}
    return LinearEvidence(**weights), float(flat["gain"][0])


def unpacked_activity(content: str, width: int, aus: int) -> Activity:
    """Return the activity that `packed_arrays` wrote, for `width` numbers and `aus` AUs."""
    flat, blank = _flat(content), Activity.blank(width, aus).arrays()
    return Activity(**{name: flat[name].reshape(values.shape) for name, values in blank.items()})


def _flat(content: str) -> dict[str, F32]:
    return {name: np.frombuffer(base64.b64decode(text), "<f4") for name, text in json.loads(content).items()}


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
    if described["format"] not in _FORMATS:
        raise InputError(
            f"was written by another version of this program ({described.get('version', 'unknown')})",
            path=path,
            remedy="Export the run again",
        )
    return checked(described, ExportRecord, path, what="what it says of itself", remedy="Export the run again")


def with_sum(content: bytes) -> bytes:
    """Return the content of an .onnx file with the SHA-256 of it as one more entry of its metadata, at its end."""
    key, value = SUM.encode(), hashlib.sha256(content).hexdigest().encode()
    entry = b"\x0a" + bytes([len(key)]) + key + b"\x12" + bytes([len(value)]) + value  # protobuf: key 1, value 2
    return content + b"\x72" + bytes([len(entry)]) + entry  # field 14 of a model, metadata_props, which may repeat


def _check_sum(path: Path) -> None:
    """Raise InputError where a file is not as it was exported; one of an older version has no sum."""
    content = bytes_of(path)
    kept = content[: len(content) - len(with_sum(b""))]
    tail = content[len(kept) :]
    if tail[:-64] == with_sum(b"")[:-64] and with_sum(kept) != content:
        raise InputError(
            "is damaged, or was changed after it was exported (SHA-256)", path=path, remedy="Export the run again"
        )
