"""A run's network as one .onnx file: stored aligned faces in, codes out, pre-processing inside the graph.

The file holds all that `predict` needs of a run, so it codes without torch or the run folder.
"""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..engine.run import RunFolder
from ..errors import InputError
from ..evidence.linear import LinearEvidence, evidence_of
from ..evidence.reference import no_reference
from ..evidence.vectors import VECTOR_WIDTH
from ..facs.landmarks import mean_face
from ..files import atomic_path, hash_json, refuse_existing
from ..networks.answers import as_codes
from ..networks.clip_answers import is_of_clips
from ..networks.resizing import resizing_matrix
from ..version import VERSION
from .contract import Task
from .model import load_network
from .network_model import NetworkCoder
from .onnx_model import ACTIVITY, EVIDENCE, FORMAT, FORMAT_MOVED, METADATA, OnnxCoder, packed, packed_arrays, with_sum

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..networks.config import NetworkConfig

TOLERANCE = 1e-3
"""Largest difference to torch that an exported network may have, as a share of its answers' range."""
_CHECKED_BATCHES = (1, 2, 5)
_DISTIL = "Distil it into a small network first: sparsefacs train distil STORE SMALL --set method.teacher={run}"


def export(run: str | Path, out: str | Path, *, batch: int | None = None) -> dict[str, Any]:
    """Write the network of run folder `run` to the .onnx file `out`, and return what the file says of itself.

    batch: faces a call; None: any number. Input `faces` (B, S, S, 3) uint8 RGB, S the side of the run's aligned faces;
    where the network looks at landmarks also `landmarks` (B, 68, 2) float32, pixels of the face; where it looks at
    evidence, `evidence` (B, W), as of `evidence.vectors.face_vectors`, and where it compares people, `reference`
    (B, known + 1), as of `evidence.reference`; NaN is unknown. Output `codes` (B, A): probabilities 0–1, or intensities
    0–5; with evidence also `features` (B, E), what `Coder.encode` gives. The answers are compared with torch's before
    the file takes its name (`max_difference` of the result; `batch`: faces a call, None any number). Raises InputError
    when `out` exists, the network codes clips or has a part that ONNX lacks, or the answers differ by more than
    TOLERANCE.
    """
    out = Path(out)
    if out.suffix.lower() != ".onnx":
        raise InputError("is not the name of an .onnx file", path=out, remedy="End its name in .onnx")
    refuse_existing(out, what="exported network")
    coder = load_network(run)
    if is_of_clips(coder.network):
        raise InputError(
            "its network codes clips, which a file of single faces cannot hold",
            path=run,
            remedy=_DISTIL.format(run=run),
        )
    described = _description(RunFolder(run), coder)
    with atomic_path(out) as temporary:
        described["landmarks"] = _write(coder, temporary, batch, described, run)
        difference, taken = _check(coder, temporary, batch)
        if not difference <= TOLERANCE * (5 if coder.task == "intensity" else 1):
            raise InputError(
                f"the exported network's answers differ from torch's by {difference:.2g}, so nothing was written",
                path=out,
                remedy="Use another backbone, and report this one",
            )
    found = {"out": str(out), "bytes": out.stat().st_size, "batch": taken, "max_difference": difference}
    return described | found


def _description(run: RunFolder, coder: NetworkCoder) -> dict[str, Any]:
    model = run.read_model()
    return {
        "format": FORMAT if coder.settle is None else FORMAT_MOVED,
        "aus": list(coder.aus),
        "task": coder.task,
        "further": list(coder.further),
        "known": coder.known,
        "person": coder.person,
        "limits": list(coder.limits),
        "recipe": model["recipe"],
        "method": model["method"],
        "backbone": coder.sees.backbone,
        "version": VERSION,
        "run": run.path.resolve().name,
        "model_hash": hash_json(model),
        "lineage": model.get("lineage", []),
    }


def _write(coder: NetworkCoder, path: Path, batch: int | None, described: dict[str, Any], run: str | Path) -> bool:
    """Write the network as ONNX to `path`; return whether it takes landmarks."""
    import onnx
    import torch

    size = coder.recipe.size
    network = coding_network(coder.network.cpu(), coder.sees, size, coder.task).eval()
    given = dict(zip(("faces", "landmarks"), sample_faces(batch or 2, size), strict=True))
    if coder.known:
        evidence = sample_evidence(coder, batch or 2)
        given["evidence"] = evidence[:, :VECTOR_WIDTH]
        if coder.person:
            given["reference"] = evidence[:, coder.known :]
    inputs = tuple(torch.from_numpy(np.ascontiguousarray(each)) for each in given.values())
    free = torch.export.Dim("B", min=1, max=2**20)
    shapes = None if batch is not None else tuple({0: free} for _ in inputs)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                network,
                inputs,
                dynamo=True,
                dynamic_shapes=shapes,
                input_names=list(given),
                output_names=["codes", "features"] if coder.known else ["codes"],
                verbose=False,
            )
    except Exception as error:  # what torch.export cannot trace it tells by exceptions of many kinds
        raise InputError(
            f"a part of its network cannot be exported ({type(error).__name__})",
            path=run,
            remedy=_DISTIL.format(run=run),
        ) from error
    assert program is not None
    graph = program.model.graph
    wants_landmarks = bool(graph.inputs[1].uses())
    if not wants_landmarks:
        graph.inputs.pop(1)
    for node in graph.all_nodes():
        node.metadata_props.clear()  # places in source files of the machine that exported
        node.doc_string = None
    program.model.metadata_props[METADATA] = json.dumps(described | {"landmarks": wants_landmarks}, sort_keys=True)
    if coder.known:
        program.model.metadata_props[EVIDENCE] = packed(_weights(coder), float(coder.network.evidence.gain))
    if coder.settle is not None:
        program.model.metadata_props[ACTIVITY] = packed_arrays(coder.network.activity.told().arrays())
    program.save(str(path), external_data=False)
    path.write_bytes(with_sum(path.read_bytes()))
    onnx.checker.check_model(str(path), full_check=True)
    return wants_landmarks


def _check(coder: NetworkCoder, path: Path, batch: int | None) -> tuple[float, int | None]:
    """Return the largest difference between the file's answers and torch's, on random faces, and its faces a call.

    Where there is evidence: with all of it, without the person, and without any; asked at once, and in the two steps of
    `predict`.
    """
    exported, worst = OnnxCoder(path), 0.0
    for number, count in enumerate(_CHECKED_BATCHES if batch is None else (batch,)):
        faces, landmarks = sample_faces(count, coder.recipe.size, seed=number)
        pairs = [(exported(faces, landmarks), coder(faces, landmarks))]
        if coder.known:
            evidence = sample_evidence(coder, count, seed=number)
            vectors, nobody = evidence[:, :VECTOR_WIDTH], no_reference(count, coder.known)
            steps = [each.encode(faces, landmarks, vectors)[:, None] for each in (exported, coder)]
            for compared in (nobody, evidence[:, coder.known :]) if coder.person else (nobody,):
                given = evidence_of(coder.encode(faces, landmarks, vectors)[:, -coder.known :], compared)
                pairs.append((exported(faces, landmarks, given), coder(faces, landmarks, given)))
                pairs.append((exported.decode(steps[0], compared), coder.decode(steps[1], compared)))
        for found, wanted in pairs:
            worst = float(np.maximum(worst, np.abs(found - wanted).max()))  # NaN stays NaN
    return worst, exported.batch


def _weights(coder: NetworkCoder) -> LinearEvidence:
    head = coder.network.evidence
    return LinearEvidence(**{name: getattr(head, name).cpu().numpy() for name in LinearEvidence.blank(1, 1).arrays()})


def sample_evidence(coder: NetworkCoder, count: int, seed: int = 0) -> NDArray[np.float32]:
    """Return random evidence (count, 2 · known + 1) about what the network takes for usual; some of it is unknown.

    References rest on 0, 3, 40 and 1000 moments by turns.
    """
    rng, weights = np.random.default_rng(seed), _weights(coder)
    own, apart = (np.where(np.isfinite(each), each, 1) for each in (weights.scale_E, weights.changed_E))
    vectors = weights.mean_E + own * rng.normal(size=(count, coder.known))
    evidence = np.concatenate([vectors, vectors + apart * rng.normal(size=vectors.shape)], axis=1)
    evidence[rng.random(evidence.shape) < 0.05] = np.nan
    moments = np.array([3, 0, 40, 1000])[np.arange(count) % 4, None]
    return np.concatenate([evidence, moments], axis=1).astype(np.float32)


def sample_faces(count: int, size: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return random pictures (count, size, size, 3), rough and fine by turns, with landmarks where a face has them."""
    rng = np.random.default_rng(seed)
    fine = rng.integers(0, 256, (count, size, size, 3))
    cells = -(-size // 8)
    rough = rng.integers(0, 256, (count, cells, cells, 3)).repeat(8, axis=1).repeat(8, axis=2)[:, :size, :size]
    faces = np.where((np.arange(count) % 2 == 0)[:, None, None, None], rough, fine).astype(np.uint8)
    points = mean_face() * size - 0.5 + rng.normal(0, 0.02 * size, (count, 68, 2))
    return faces, points.astype(np.float32)


def coding_network(network: Any, sees: "NetworkConfig", size: int, task: Task) -> "nn.Module":
    """Return a network from stored faces (B, size, size, 3) uint8 and their landmarks (B, 68, 2) to codes (B, A).

    One that looks at evidence has it as further inputs and gives features too; see `export`. It does what
    `networks.answers.answers` does, in operations that any runtime computes alike: resizing is two
    products with constant matrices, since runtimes differ in how they smooth a smaller picture.
    """
    import torch
    from torch import nn

    kept = round(size * sees.crop)
    first = (size - kept) // 2
    zoom = sees.input_size / kept

    class Coding(nn.Module):
        weights: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.register_buffer("weights", torch.from_numpy(resizing_matrix(kept, sees.input_size)).float())

        def forward(
            self,
            faces: "Tensor",
            landmarks: "Tensor",
            evidence: "Tensor | None" = None,
            reference: "Tensor | None" = None,
        ) -> "Tensor | tuple[Tensor, Tensor]":
            image = faces[:, first : first + kept, first : first + kept].permute(0, 3, 1, 2).float() / 255
            points = landmarks - first
            if kept != sees.input_size:
                image = self.weights @ image @ self.weights.T
                points = (points + 0.5) * zoom - 0.5
            if not network.known:
                return coded(network(image, points))
            features = network.frame_features(image, points, evidence)
            logits = network.from_windows(features[:, None], reference)
            return coded(logits[:, : logits.shape[1] - network.further]), features

    def coded(logits: "Tensor") -> "Tensor":
        return as_codes(logits, task, 0)

    return Coding()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes to those who develop it off the user's screen."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
