"""What the visible labels of a training teach the linear models of evidence."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.evidence import EvidenceTable
from ..evidence.fitting import FitSettings, fit_linear, meanings_of
from ..evidence.linear import LinearEvidence
from .config import RunConfig

if TYPE_CHECKING:
    from .training_set import TrainingSet

_MOST_FREE = 20_000  # faces that say what evidence is measured in


def learned(
    table: EvidenceTable,
    labelled: NDArray[np.int64],
    data: "TrainingSet",
    config: RunConfig,
    person: bool,
    begin: LinearEvidence | None = None,
) -> LinearEvidence:
    """Return what the visible labels of rows `labelled` teach; begin: weights to start from."""
    chosen: Any = config.method_config()
    settings = FitSettings(
        person=person,
        blendshapes=getattr(chosen, "blendshapes", True),
        c=getattr(chosen, "c", FitSettings().c),
        c_begun=getattr(chosen, "c_begun", FitSettings().c_begun),
    )
    free = spread(np.unique(np.concatenate([labelled, data.labelled, data.unlabelled])), _MOST_FREE)
    targets = targets_of(data, config)[labelled]
    return fit_linear(table.of(labelled), targets, table.of(free), meanings_of(config.aus), settings, begin)


def targets_of(data: "TrainingSet", config: RunConfig) -> NDArray[np.float64]:
    """Return the visible labels (M, A) as shares: 0–1, NaN or negative where there is none."""
    return np.asarray(data.intensity / 5 if config.task == "intensity" else data.occurrence, np.float64)


def spread(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return at most `most` of `rows`, evenly spread."""
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(np.int64)]
