"""The flow that a run sees in single faces beside TV-L1 and true flow, and how far off each is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.augmentation import resize
from ..data.flow import Flows, StoredFlow, has_flow
from ..data.joined import AnyStore
from ..data.rows import Rows
from ..data.store import Store
from ..faces.flow import target_rows
from ..inference.training_parts import TrainingParts
from ..metrics.bootstrap import interval, resampled
from ..metrics.scores import RESAMPLES
from ..networks.config import NetworkConfig
from ..synthetic.flow import in_earlier_alignment, unpack_flow

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SeenFlows:
    """Optical flow of N faces on F's map, each (N, 2, h, h), x then y, in pixels of the network's image, NaN unknown.

    rows: of the store; true: None where no face has any.
    """

    rows: NDArray[np.int64]
    predicted: Floats
    tv_l1: Floats
    true: Floats | None

    def at(self, places: NDArray[np.int64]) -> "SeenFlows":
        """Return the flow of some of the faces."""
        true = None if self.true is None else self.true[places]
        picked = {name: getattr(self, name)[places] for name in ("rows", "predicted", "tv_l1")}
        return replace(self, true=true, **picked)


class LaterFaces:
    """For each row of a store that has STORE/flow the row that it leads to, of all its parts.

    step: frames to the later one; target: whether it is that, or the person at rest. Raises InputError when no part has
    flow, or they differ.
    """

    def __init__(self, store: AnyStore) -> None:
        self.stored, self.parts, self._places = Flows(store.parts), store.parts, Rows(store.parts)
        kept = next(StoredFlow(part) for part in store.parts if has_flow(part))
        self.step, self.target = kept.step, kept.target
        self._later = [
            target_rows(part, self.target, self.step) if has_flow(part) else np.full(len(part), -1)
            for part in store.parts
        ]

    def in_words(self) -> str:
        """Return where the flow leads."""
        return "to the person at rest" if self.target == "rest" else f"over {self.step} frames"

    def known(self) -> NDArray[np.bool_]:
        """Return which rows their flow leads from, (M,)."""
        return np.concatenate(self._later) >= 0

    def true(self, row: int) -> Floats | None:
        """Return the true flow (S, S, 2) of a synthetic face in its own alignment; NaN out of sight.

        Pixels of the stored face, x then y. None where the store holds none over this step.
        """
        which, place = self._places.place(row)
        part, later = self.parts[which], int(self._later[which][place])
        if later < 0 or not _has_true_flow(part, self.target, self.step):
            return None
        aligned, hidden = unpack_flow(part.value("flow", place))
        if self.target == "later":
            matrices = (np.reshape(part.value("matrix", each), (2, 3)) for each in (place, later))
            aligned = in_earlier_alignment(aligned, *matrices)
        aligned[hidden] = np.nan
        return aligned


def _has_true_flow(part: Store, target: str, step: int) -> bool:
    source = part.info.source
    if source.get("kind") != "synthetic" or not part.has("flow") or source.get("flow_to", "later") != target:
        return False
    return target == "rest" or source.get("flow_step", 1) == step


def seen_flows(parts: TrainingParts, store: AnyStore, later: LaterFaces, rows: NDArray[np.int64]) -> SeenFlows:
    """Return what F sees in the faces of `rows`, and TV-L1 and true flow on the same map; raises InputError."""
    predicted = np.concatenate(list(parts.estimated_flow(store, rows)))
    side, sees = predicted.shape[-1], parts.coder.sees
    tv_l1, true = np.full_like(predicted, np.nan), np.full_like(predicted, np.nan)
    for place, row in enumerate(rows.tolist()):
        face = store.face(row)
        tv_l1[place] = _on_map(face, later.stored.at(row), sees, side)
        exact = later.true(row)
        if exact is not None:
            true[place] = _on_map(face, exact, sees, side)
    return SeenFlows(rows, predicted, tv_l1, None if np.isnan(true).all() else true)


def _on_map(face: tuple[NDArray[np.uint8], Floats], flow: Floats, sees: NetworkConfig, side: int) -> Floats:
    moved = resize(*face, sees.input_size, crop=sees.crop, flow=flow, flow_side=side).flow
    if moved is None:
        raise TypeError("no flow")
    return moved


@dataclass
class ErrorSums:
    """Each subject's sum of errors by name, and how many there are (cells, faces): `bootstrap.SubjectSums`."""

    shape: tuple[int, int]
    totals: Mapping[str, NDArray[np.float64]]
    cells: NDArray[np.float64]

    def values(self, weights_BS: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Return each mean error, (B, 1), when subject s counts weights_BS[b, s] times."""
        cells = weights_BS @ self.cells
        return {name: ((weights_BS @ total) / cells)[:, None] for name, total in self.totals.items()}


def endpoint_errors(flows: SeenFlows, subjects_N: NDArray[Any], seed: int = 0) -> dict[str, Any] | None:
    """Return the mean end-point error of predicted, of no, and of TV-L1 flow against true flow, with 95 % intervals.

    In pixels of the network's image, over the cells whose TV-L1 and true flow are both known, so the same for all;
    intervals from resampling subjects. Without true flow TV-L1 is what predicted and no flow are measured against.
    Keys: against, faces, subjects, cells, then a {value, low, high} each for `predicted`, `zero`, `tv_l1` (against
    true flow) and `predicted_minus_zero`. None where no cell is known.
    """
    truth = flows.tv_l1 if flows.true is None else flows.true
    candidates = {"predicted": flows.predicted, "zero": np.zeros_like(truth)}
    if flows.true is not None:
        candidates["tv_l1"] = flows.tv_l1
    known_NHW = np.isfinite(truth + flows.tv_l1).all(axis=1)
    if not known_NHW.any():
        return None
    used = known_NHW.any(axis=(1, 2))
    names, subject_N = np.unique(np.asarray(subjects_N)[used], return_inverse=True)

    def by_subject(value_NHW: NDArray[Any]) -> NDArray[np.float64]:
        per_face = np.where(known_NHW, value_NHW, 0).sum(axis=(1, 2), dtype=np.float64)[used]
        return np.asarray(np.bincount(subject_N, per_face, len(names)), np.float64)

    cells = by_subject(known_NHW)
    totals = {name: by_subject(np.linalg.norm(flow - truth, axis=1)) for name, flow in candidates.items()}
    totals["predicted_minus_zero"] = totals["predicted"] - totals["zero"]
    values = resampled(ErrorSums((len(names), 1), totals, cells), RESAMPLES, seed)
    found: dict[str, Any] = {"against": "TV-L1" if flows.true is None else "true flow", "unit": "pixels"}
    found |= {"faces": int(used.sum()), "subjects": len(names), "cells": int(known_NHW.sum())}
    for name, draws_R1 in values.items():
        low, high = interval(draws_R1[1:, 0], len(names))
        found[name] = {"value": float(draws_R1[0, 0]), "low": low, "high": high}
    return found
