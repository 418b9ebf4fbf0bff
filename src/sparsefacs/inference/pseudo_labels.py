"""How right pseudo labels are, with and without confirmation by a clip's order (KS, 4.5), where truth is known; how
often that order is recognised; and what each branch is worth alone.

The truth is of labels that the training could not see, so it says nothing about the faces tested on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.clips import Tracks
from ..data.evidence import EvidenceTable
from ..data.joined import AnyStore, known_occurrence
from ..engine.coding import RowCoder
from ..engine.run import RunFolder
from ..methods.knowledge_spreader import other_orders
from ..metrics.scores import mean_score
from ..networks.answers import placed
from ..protocols.budgets import VisibleLabels
from .batching import NETWORK_BATCH, encode_faces
from .network_model import NetworkCoder

CLIPS = 500


@dataclass(frozen=True)
class Guessed:
    """Pseudo labels of C clips. windows: rows (C, L); label (C, L, A) 0 or 1; sure (C, L, A); confirmed (C,); unseen
    (C, L): frames whose labels the run could not see, each once a clip.
    """

    windows: NDArray[np.int64]
    label: NDArray[np.int8]
    sure: NDArray[np.bool_]
    confirmed: NDArray[np.bool_]
    unseen: NDArray[np.bool_]


def hidden_rows(run: RunFolder, store: AnyStore, plan: Mapping[str, Any]) -> NDArray[np.int64]:
    """Return the rows of training people of `store`, the run's own, without a label that it could see."""
    unseen = np.isin(store.strings("subject"), plan["fold"]["train"])
    unseen[VisibleLabels.load(run.labels).mask.any(axis=1)] = False
    return np.flatnonzero(unseen)


def guessed_clips(coder: NetworkCoder, store: AnyStore, rows: NDArray[np.int64], seed: int = 0) -> Guessed | None:
    """Return what a run's network would teach of up to 500 clips round `rows`; None where it makes no pseudo labels.

    rows: training rows without a visible label, of which clips are drawn, and whose truth must be known to count.
    """
    network: Any = coder.network
    rows = rows[(known_occurrence(store, coder.aus)[rows] >= 0).any(axis=1)]
    if not hasattr(network, "pseudo_labels") or not len(rows):
        return None
    picked = np.sort(np.random.default_rng([seed, 13]).permutation(rows)[:CLIPS])
    windows_CL = Tracks(store.parts).windows(picked, *coder.clip)
    table = RowCoder(store.parts).table(person=coder.person) if coder.known else None
    parts = [
        _pseudo_labels(coder, store, windows_CL[start : start + NETWORK_BATCH], table)
        for start in range(0, len(picked), NETWORK_BATCH)
    ]
    label, sure, confirmed = (np.concatenate(each) for each in zip(*parts, strict=True))
    # A window's repeated frames, and frames whose labels were seen, are judged only where the row is wanted.
    return Guessed(windows_CL, label, sure, confirmed, np.isin(windows_CL, rows) & _first_times(windows_CL))


def pseudo_label_accuracy(
    coder: NetworkCoder, store: AnyStore, rows: NDArray[np.int64], seed: int = 0
) -> dict[str, Any]:
    """Return the share of right pseudo labels of a run's network of clips, on up to 500 clips; {} where it makes none.

    rows: as of `guessed_clips`. Keys: clips, entries, sure (share of the entries whose label is sure enough to count),
    accuracy (of these), confirmed (share of clips whose order is recognised), accuracy_confirmed (of the labels of
    these that count), absent (accuracy if all AUs were absent); by_subject: person → how many were right and how many
    counted, of all clips and of those whose order is recognised.
    """
    guessed = guessed_clips(coder, store, rows, seed)
    if guessed is None:
        return {}
    truth = known_occurrence(store, coder.aus)[guessed.windows]
    known_CLA = (truth >= 0) & guessed.unseen[..., None]
    sure_CLA = known_CLA & guessed.sure
    each = ((guessed.label == truth) & sure_CLA, sure_CLA, known_CLA, (truth == 0) & known_CLA)
    counts = np.stack([cells.sum(axis=(1, 2)) for cells in each], axis=1)
    right, sure, known, absent = counts.sum(axis=0).tolist()
    kept = counts[guessed.confirmed].sum(axis=0)
    return {
        "clips": len(guessed.windows),
        "entries": known,
        "sure": round(sure / known, 4),
        "accuracy": round(right / sure, 4) if sure else None,
        "confirmed": round(float(guessed.confirmed.mean()), 4),
        "accuracy_confirmed": round(float(kept[0] / kept[1]), 4) if kept[1] else None,
        "absent": round(absent / known, 4),
        "by_subject": _by_subject(store.strings("subject")[guessed.windows[:, 0]], counts[:, :2], guessed.confirmed),
    }


def _by_subject(
    subject_C: NDArray[Any], right_and_sure_C2: NDArray[np.int64], confirmed_C: NDArray[np.bool_]
) -> dict[str, list[int]]:
    counts_C4 = np.concatenate([right_and_sure_C2, right_and_sure_C2 * confirmed_C[:, None]], axis=1)
    names, place_C = np.unique(subject_C, return_inverse=True)
    sums = np.zeros((len(names), 4), np.int64)
    np.add.at(sums, place_C, counts_C4)
    return dict(zip(names.tolist(), sums.tolist(), strict=True))


def order_accuracy(coder: NetworkCoder, store: AnyStore, rows: NDArray[np.int64], seed: int = 0) -> dict[str, Any]:
    """Return how often a run's network of clips tells true from shuffled order, on up to 500 clips; {} where it cannot.

    rows: of people who are tested on; windows that repeat a frame are left out. Each clip is judged twice, in true and
    in another order: `order_accuracy` is the share of right judgements, 0.5 by chance, of `order_clips` clips.
    """
    import torch

    network: Any = coder.network
    if coder.clip[0] == 1 or getattr(getattr(network, "temporal", None), "order", None) is None:
        return {}
    rng, length = np.random.default_rng([seed, 17]), coder.clip[0]
    windows_CL = Tracks(store.parts).windows(rows, *coder.clip)
    windows_CL = windows_CL[_first_times(windows_CL).all(axis=1)]
    windows_CL = rng.permutation(windows_CL)[:CLIPS]
    if not len(windows_CL):
        return {}
    orders_CL = other_orders(torch.from_numpy(rng.integers(0, factorial(length) - 1, len(windows_CL))), length)
    right = 0
    for start in range(0, len(windows_CL), NETWORK_BATCH):
        part = slice(start, start + NETWORK_BATCH)
        _, clip_CLE = _features(coder, store, windows_CL[part])
        shuffled_CL = orders_CL[part].to(coder.device)
        true_CL = torch.arange(length, device=coder.device).expand_as(shuffled_CL)
        with torch.inference_mode():
            right += int(network.order_is_true(clip_CLE, true_CL).sum())
            right += int((~network.order_is_true(clip_CLE, shuffled_CL)).sum())
    return {"order_clips": len(windows_CL), "order_accuracy": round(right / (2 * len(windows_CL)), 4)}


def branch_scores(coder: NetworkCoder, store: AnyStore, rows: NDArray[np.int64], seed: int = 0) -> dict[str, float]:
    """Return the AUC, mean over AUs, of each network of a run of two branches, by pixels, on up to 500 frames; {} where
    it has no branches or no frame is labelled.

    rows: of people who are tested on. What is coded is their ensemble, which hides a branch that has learned nothing:
    `auc_single`, `auc_student` and `auc_clip`, 0.5 by chance.
    """
    import torch

    network: Any = coder.network
    truth = known_occurrence(store, coder.aus)
    rows = rows[(truth[rows] >= 0).any(axis=1)]
    if not hasattr(network, "apart") or not len(rows):
        return {}
    picked = np.sort(np.random.default_rng([seed, 19]).permutation(rows)[:CLIPS])
    windows_CL = Tracks(store.parts).windows(picked, *coder.clip)
    told: dict[str, list[NDArray[np.float32]]] = {}
    for start in range(0, len(picked), NETWORK_BATCH):
        with torch.inference_mode():
            made = network.apart(*_features(coder, store, windows_CL[start : start + NETWORK_BATCH]))
        for name, logits_BA in made.items():
            told.setdefault(f"auc_{name}", []).append(torch.sigmoid(logits_BA).cpu().numpy())
    scored = {name: mean_score("occurrence", truth[picked], np.concatenate(each)) for name, each in told.items()}
    return {name: round(score["auc"], 4) for name, score in scored.items() if np.isfinite(score["auc"])}


def _pseudo_labels(
    coder: NetworkCoder, store: AnyStore, windows_CL: NDArray[np.int64], table: EvidenceTable | None
) -> tuple[NDArray[np.int8], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return pseudo labels (C, L, A) of the frames of windows, which are sure, and which clips (C,) are confirmed."""
    import torch

    network: Any = coder.network
    single_CLE, clip_CLE = _features(coder, store, windows_CL)
    with torch.inference_mode():
        made = network.pseudo_labels(clip_CLE, single_CLE, _known(coder, table, windows_CL))
    label, sure, confirmed = (part.cpu().numpy() for part in (made.label_BLA, made.sure_BLA, made.confirmed_B))
    return label.astype(np.int8), sure, confirmed


def _known(coder: NetworkCoder, table: EvidenceTable | None, windows_CL: NDArray[np.int64]) -> Any:
    """Return the evidence's logits of the frames of windows, (C, L, A); 0 where the network sees pixels alone."""
    network: Any = coder.network
    if table is None:
        return 0.0
    logits = network.evidence(placed(table.of(windows_CL.ravel()), coder.device))
    return logits.view(*windows_CL.shape, -1)


def _features(coder: NetworkCoder, store: AnyStore, windows_CL: NDArray[np.int64]) -> tuple[Any, Any]:
    """Return both branches' features of windows (C, L, E)."""
    import torch

    network: Any = coder.network
    rows, place = np.unique(windows_CL, return_inverse=True)
    faces, points = zip(*(store.face(int(row)) for row in rows), strict=True)
    features = encode_faces(coder, np.stack(faces), np.stack(points))[place.reshape(windows_CL.shape)]
    return network.by_branch(torch.from_numpy(features).to(coder.device))  # type: ignore[no-any-return]


def _first_times(windows_CL: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where a row stands in its window for the first time, (C, L): repeated frames count once."""
    first = np.ones(windows_CL.shape, bool)
    first[:, 1:] = windows_CL[:, 1:] != windows_CL[:, :-1]
    return first
