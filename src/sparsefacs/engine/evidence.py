"""The evidence under a training's networks: learned before the first step from the labels that may be seen."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.evidence import EvidenceTable
from ..evidence.fitting import FitSettings, fit_linear
from ..evidence.vectors import VECTOR_WIDTH
from ..methods.contract import Method
from ..networks.answers import network_input, placed
from ..networks.evidence import EvidenceHead
from ..networks.instant import InstantNetwork
from .config import RunConfig

if TYPE_CHECKING:
    from .training_set import TrainingSet

_MOST_FREE = 20_000  # faces that say what evidence is measured in
_MOST_SEEN = 4_000  # faces whose features the components are of
_AT_ONCE = 64


def learn_evidence(method: Method, data: "TrainingSet", config: RunConfig) -> None:
    """Give every evidence head of `method` its weights; the training people's faces and visible labels alone count.

    The same on every process, whatever the number of threads.
    """
    heads = [module for module in method.modules() if isinstance(module, EvidenceHead)]
    if not heads:
        return
    free = np.sort(np.concatenate([data.labelled, data.unlabelled]))
    table = data.coder.table(person=heads[0].person)
    network: Any = method.predictor()
    if isinstance(network, InstantNetwork) and network.trunk is not None:
        table = _with_features(network, table, data, config, free)
    settings = FitSettings(
        person=heads[0].person,
        blendshapes=getattr(method.config, "blendshapes", True),
        c=getattr(method.config, "c", FitSettings().c),
    )
    labels = data.intensity / 5 if config.task == "intensity" else data.occurrence.astype(np.float64)
    weights = fit_linear(
        table.of(data.labelled), labels[data.labelled], table.of(_spread(free, _MOST_FREE)), config.aus, settings
    )
    for head in heads:
        head.take(weights)


def _spread(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return at most `most` of `rows`, evenly spread."""
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(np.int64)]


def _with_features(
    network: InstantNetwork, table: EvidenceTable, data: "TrainingSet", config: RunConfig, free: NDArray[np.int64]
) -> EvidenceTable:
    """Find the components of the trunk's features, and return the evidence with them behind it."""
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    def seen(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        parts = []
        for first in range(0, len(rows), _AT_ONCE):
            faces, points = zip(*(data.coder.face(int(row)) for row in rows[first : first + _AT_ONCE]), strict=True)
            device = network.middle_D.device
            image, landmarks = network_input(np.stack(faces), np.stack(points), config.network, device)
            with torch.inference_mode():
                parts.append(network.trunk_features(image, landmarks).float().cpu().numpy())
        return np.concatenate(parts)

    features_ND = seen(free)
    known = _spread(np.arange(len(free)), _MOST_SEEN)
    count = network.components_DF.shape[1]
    with threadpool_limits(limits=1):
        found = PCA(min(count, len(known) - 1), svd_solver="randomized", random_state=0).fit(features_ND[known])
        components = np.zeros((features_ND.shape[1], count), np.float32)
        components[:, : len(found.components_)] = found.components_.T
        network.middle_D.copy_(torch.from_numpy(found.mean_.astype(np.float32)))
        network.components_DF.copy_(torch.from_numpy(components))
        projected = (features_ND - found.mean_) @ components
    place = np.full(len(table.vectors_ME), -1, np.int64)
    place[free] = np.arange(len(free))

    def encode(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        known_rows = place[rows] >= 0
        out = np.full((len(rows), VECTOR_WIDTH + count), np.nan, np.float32)
        out[known_rows] = np.concatenate([table.vectors_ME[rows[known_rows]], projected[place[rows[known_rows]]]], axis=1)
        return out

    return table.further(free, VECTOR_WIDTH + count, encode)
