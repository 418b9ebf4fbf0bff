"""Run folders of networks that were never trained: random weights, whose answers differ from face to face."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from sparsefacs.engine.run import RunFolder
from sparsefacs.evidence.activity import Activity
from sparsefacs.evidence.linear import LinearEvidence
from sparsefacs.evidence.vectors import GEOMETRY_WIDTH, face_vectors
from sparsefacs.faces.alignment import FaceRecipe
from sparsefacs.facs.landmarks import mean_face
from sparsefacs.inference.export import sample_faces
from sparsefacs.methods.contract import Setting
from sparsefacs.methods.registry import method_class
from sparsefacs.metrics.limits import Limits
from sparsefacs.networks.backbone import read_safetensors
from sparsefacs.networks.config import NetworkConfig


def write_run(
    path: Path,
    network: dict[str, Any],
    *,
    method: str = "supervised",
    settings: dict[str, Any] | None = None,
    task: Any = "occurrence",
    aus: tuple[int, ...] = (1, 4, 12),
    size: int = 40,
    limits: tuple[float, ...] | None = None,
    seed: int = 0,
) -> Path:
    """Write the model of a run of `method` into `path`, as `train` leaves it; size: side of its aligned faces.

    Where the network looks at evidence (`network["evidence"]`), its weights on that are random too.
    """
    torch.manual_seed(seed)
    setting, kind = Setting(task, aus, NetworkConfig(**network)), method_class(method)
    predictor = kind.build_predictor(setting, kind.Config(**(settings or {}))).train()
    faces, landmarks = sample_faces(8, setting.network.input_size)
    image, points = torch.from_numpy(faces).permute(0, 3, 1, 2) / 255, torch.from_numpy(landmarks)
    with torch.no_grad():
        for _ in range(30):  # batch statistics such as pictures have
            predictor(image, points)
        spread = predictor.eval()(image, points).std(dim=0).mean()
        for name, weight in predictor.named_parameters():
            if "head" in name and weight.ndim == 2 and len(weight) <= len(aus):  # a last layer
                weight.div_(spread)
    if getattr(predictor, "evidence", None) is not None:
        told = len(aus) + predictor.further
        predictor.evidence.take(random_weights(predictor.evidence.width, told, seed))
        predictor.evidence.gain.fill_(0.6)
    if hasattr(predictor, "activity"):
        found = random_activity(predictor.evidence.width, len(aus), seed, 5 if task == "intensity" else 1)
        predictor.activity.load_state_dict({name: torch.from_numpy(values) for name, values in found.arrays().items()})
    recipe = FaceRecipe(size=size).as_json()
    path.mkdir(parents=True)
    told = None if limits is None else Limits(limits, "base-rate")
    RunFolder(path).write_model(setting, recipe, method, predictor.state_dict(), told, 1, settings)
    return path


def random_weights(width: int, aus: int, seed: int = 0) -> LinearEvidence:
    """Return weights on evidence such as faces have, of which the first number is not used."""
    rng = np.random.default_rng(seed)
    blank = LinearEvidence.blank(width, aus).arrays()
    made = {name: rng.normal(0, 0.15, values.shape) for name, values in blank.items()}
    usual = face_vectors(mean_face()[None], np.full((1, 52), 0.1))[0]
    made["mean_E"][: len(usual)] = usual
    made["scale_E"], made["changed_E"] = np.full(width, 0.1), np.full(width, 0.03)
    made["scale_E"][GEOMETRY_WIDTH:], made["changed_E"][GEOMETRY_WIDTH:] = 1.5, 0.8
    made["scale_E"][0] = made["changed_E"][0] = np.inf
    return LinearEvidence(**{name: values.astype(np.float32) for name, values in made.items()})


def random_activity(width: int, aus: int, seed: int = 0, most: float = 1) -> Activity:
    """Return what moves references by a part of what faces differ by; most: the largest code."""
    rng = np.random.default_rng(seed)
    usual_A, moves_AE = most * rng.uniform(0.1, 0.5, aus), rng.normal(0, 0.02 / most, (aus, width))
    return Activity(usual_A.astype(np.float32), moves_AE.astype(np.float32))


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    """Return the weights that a training or pre-training left in `run`."""
    folder = RunFolder(run)
    return read_safetensors(folder.weights if folder.model.exists() else folder.encoder_weights)


def same_weights(first: Path, second: Path) -> bool:
    """Say whether two runs left the same weights, bit for bit."""
    one, two = weights_of(first), weights_of(second)
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
