"""Features of a pre-training as evidence: components of what its trunk sees in the facial areas. This needs torch."""

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.evidence import EvidenceTable
from ..evidence.vectors import VECTOR_WIDTH
from ..methods.instant import InstantConfig
from ..networks.answers import network_input
from ..networks.instant import InstantNetwork
from .config import RunConfig
from .labels import spread
from .training_set import TrainingSet

_MOST_SEEN = 4_000  # faces whose features the components are of
_AT_ONCE = 64


def with_features(
    table: EvidenceTable, data: TrainingSet, config: RunConfig, free: NDArray[np.int64]
) -> tuple[EvidenceTable, dict[str, NDArray[np.float32]]]:
    """Return the evidence with the components of features behind it, and the trunk's weights.

    free: rows of the training people, of which the components are; they are known for those it is chosen on too. The
    weights have the names of `networks.instant.InstantNetwork`, components and their middle among them.
    """
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    torch.manual_seed(config.seed)
    settings = InstantConfig.model_validate(config.method)
    count = settings.features
    network = InstantNetwork(config.network, len(config.aus), features=count, level=settings.level).eval()

    def seen(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        parts = []
        for first in range(0, len(rows), _AT_ONCE):
            faces, points = zip(*(data.coder.face(int(row)) for row in rows[first : first + _AT_ONCE]), strict=True)
            image, landmarks = network_input(np.stack(faces), np.stack(points), config.network, torch.device("cpu"))
            with torch.inference_mode():
                parts.append(network.trunk_features(image, landmarks).float().numpy())
        return np.concatenate(parts)

    free = np.unique(free)
    beside = np.setdiff1d(data.selection, free)
    features_ND = seen(np.concatenate([free, beside]))
    known = spread(np.arange(len(free)), _MOST_SEEN)
    with threadpool_limits(limits=1):
        found = PCA(min(count, len(known) - 1), svd_solver="randomized", random_state=0).fit(features_ND[known])
        components = np.zeros((features_ND.shape[1], count), np.float32)
        components[:, : len(found.components_)] = found.components_.T
        projected = (features_ND - found.mean_) @ components
    place = np.full(len(table.vectors_ME), -1, np.int64)
    place[np.concatenate([free, beside])] = np.arange(len(free) + len(beside))

    def encode(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        known_rows = place[rows] >= 0
        out = np.full((len(rows), VECTOR_WIDTH + count), np.nan, np.float32)
        out[known_rows] = np.concatenate(
            [table.vectors_ME[rows[known_rows]], projected[place[rows[known_rows]]]], axis=1
        )
        return out

    weights = {f"trunk.{name}": value.numpy() for name, value in network.trunk_weights().items()}
    weights |= {"middle_D": found.mean_.astype(np.float32), "components_DF": components}
    return table.further(np.concatenate([free, beside]), VECTOR_WIDTH + count, encode), weights
