"""What is believed of faces from the answers so far: `instant`'s linear models, learned again in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..evidence.fitting import FitSettings, fit_linear, meanings_of
from ..evidence.linear import LinearEvidence, evidence_logits, standardised
from ..evidence.vectors import VECTOR_WIDTH
from ..networks.light import LightNetwork
from .features import Features, Rows

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Answers = Mapping[int, Mapping[int, int | None]]
"""Row → AU → 1, 0, or None where it cannot be judged; an AU that is not named is not known either."""

COMPONENTS = 64
"""Numbers that stand for a face where faces are compared with each other."""


@dataclass(frozen=True)
class Beliefs:
    """Weights learned from some answers, and faces as they see them; labelled: faces that were learned from."""

    features: Features
    aus: tuple[int, ...]
    weights: LinearEvidence
    settings: FitSettings
    labelled: int

    @classmethod
    def learned(cls, features: Features, aus: tuple[int, ...], answers: Answers) -> "Beliefs":
        """Return what `answers` teach; without any what the coder, or the meaning of AUs, says."""
        rows = np.array(sorted(answers), np.int64)
        labels = np.array([[_label(answers[int(row)].get(au)) for au in aus] for row in rows]).reshape(-1, len(aus))
        return cls.of_labels(features, aus, rows, labels)

    @classmethod
    def of_labels(cls, features: Features, aus: tuple[int, ...], rows: Rows, labels_LA: F64) -> "Beliefs":
        """Return what labels (L, A) of `rows` teach, 0–1 and NaN where there is none."""
        table, settings = features.table, FitSettings()
        weights = fit_linear(
            table.of(rows), labels_LA, table.of(features.free), meanings_of(aus), settings, features.begin
        )
        return cls(features, aus, weights, settings, int(np.isfinite(labels_LA).any(axis=1).sum()))

    def probabilities(self, rows: Rows) -> F64:
        """Return how likely each AU is on `rows`, (N, A)."""
        logits = evidence_logits(self.features.table.of(rows), self.weights, np).astype(np.float64)
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -40, 40))))

    def rates(self) -> F64:
        """Return how often each AU is expected, (A,): the mean over all faces, since those asked are chosen ones."""
        return np.asarray(self.probabilities(self.features.free).mean(axis=0))

    def seen(self, rows: Rows) -> F32:
        """Return faces (N, COMPONENTS or fewer): principal components of a face's numbers and of its change."""
        return np.asarray(self._numbers(rows) @ self._basis, np.float32)

    def along(self, rows: Rows) -> F32:
        """Return how far each face lies along what each AU's weights cheaply move, (N, A, 2), in deviations."""
        found = self._numbers(rows) @ self._cheap
        return np.asarray((found / self._cheap_spread).reshape(len(rows), len(self.aus), 2), np.float32)

    @cached_property
    def settled(self) -> "Beliefs":
        """The beliefs of a run that has learned from the same answers: from a coder, references are moved by how active
        people are. A choice is made by these ones, since weights learn with references as they are.
        """
        begin, table = self.features.begin, self.features.table
        if begin is None:
            return self
        network = LightNetwork(self.weights, len(self.aus))
        known_A = np.any(begin.face_EA != 0, axis=0)
        active = network.adapted("occurrence", table, self.features.free, known_A, self.labelled)
        return replace(self, features=replace(self.features, table=table.settled(active.settle("occurrence"))))

    def _numbers(self, rows: Rows) -> F32:
        own, change, trust = standardised(self.features.table.of(rows), self.weights, np)
        return np.concatenate([own, trust * change], axis=1)

    @cached_property
    def _basis(self) -> F32:
        free = self._numbers(self.features.free).astype(np.float64)
        _, vectors = np.linalg.eigh(free.T @ free)
        return np.asarray(vectors[:, ::-1][:, :COMPONENTS], np.float32)

    @cached_property
    def _cheap(self) -> F32:
        """Directions (2W, 2A) that labels change cheaply (`evidence.fitting`): a coder's own, or what an AU means."""
        weights, begin = self.weights, self.features.begin
        width = len(weights.mean_E)
        found = np.zeros((2 * width, len(self.aus), 2), np.float32)
        if begin is not None:
            found[:width, :, 0], found[width:, :, 0] = begin.own_EA, begin.change_EA
        meanings = meanings_of(self.aus).T  # (VECTOR_WIDTH, A)
        for half, scale_E in enumerate((weights.scale_E, weights.changed_E)):
            known = np.where(np.isfinite(scale_E), scale_E, 0)[:VECTOR_WIDTH, None] * meanings
            unknown = ~found[:, :, 0].any(axis=0) if begin is not None else np.ones(len(self.aus), bool)
            found[half * width : half * width + VECTOR_WIDTH, unknown, half] = known[:, unknown]
        return found.reshape(2 * width, -1)

    @cached_property
    def _cheap_spread(self) -> F32:
        spread = (self._numbers(self.features.free) @ self._cheap).std(axis=0)
        return np.asarray(np.where(spread > 1e-9, spread, np.inf), np.float32)


def _label(told: int | None) -> float:
    return float("nan") if told is None else float(told)
