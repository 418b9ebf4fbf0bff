"""How right pseudo labels are, with and without confirmation by a clip's order (KS, 4.5), where truth is known.

The truth is of labels that the training could not see, so it says nothing about the faces tested on.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.clips import Tracks
from ..data.joined import AnyStore, known_occurrence
from .batching import NETWORK_BATCH, encode_faces
from .model import NetworkCoder

CLIPS = 500


def pseudo_label_accuracy(
    coder: NetworkCoder, store: AnyStore, rows: NDArray[np.int64], source: str, seed: int = 0
) -> dict[str, Any]:
    """Return the share of right pseudo labels of a run's network of clips, on up to 500 clips; {} where it makes none.

    rows: training rows without a visible label, of which clips are drawn. Keys: clips, entries, accuracy (of all
    labels), confirmed (share of clips whose order is recognised), accuracy_confirmed (of the labels of these).
    """
    network: Any = coder.network
    if coder.clip is None or not hasattr(network, "pseudo_labels"):
        return {}
    truth_MA = known_occurrence(store, coder.aus)
    rows = rows[(truth_MA[rows] >= 0).any(axis=1)]
    if not len(rows):
        return {}
    picked = np.sort(np.random.default_rng([seed, 13]).permutation(rows)[:CLIPS])
    windows_CL = Tracks(store.parts).windows(picked, *coder.clip)
    right = np.zeros((len(picked), 2), np.int64)  # right labels, known labels
    confirmed_C = np.zeros(len(picked), bool)
    for start in range(0, len(picked), NETWORK_BATCH):
        part = windows_CL[start : start + NETWORK_BATCH]
        labels_CLA, confirmed_C[start : start + len(part)] = _pseudo_labels(coder, store, part, source)
        # A window's repeated frames, and frames whose labels were seen, are judged only where the row is wanted.
        unseen = np.isin(part, rows) & _first_times(part)
        known = (truth_MA[part] >= 0) & unseen[..., None]
        right[start : start + len(part), 0] = ((labels_CLA == truth_MA[part]) & known).sum(axis=(1, 2))
        right[start : start + len(part), 1] = known.sum(axis=(1, 2))
    kept = right[confirmed_C].sum(axis=0)
    return {
        "clips": len(picked),
        "entries": int(right[:, 1].sum()),
        "accuracy": round(float(right[:, 0].sum() / right[:, 1].sum()), 4),
        "confirmed": round(float(confirmed_C.mean()), 4),
        "accuracy_confirmed": round(float(kept[0] / kept[1]), 4) if kept[1] else None,
    }


def _pseudo_labels(
    coder: NetworkCoder, store: AnyStore, windows_CL: NDArray[np.int64], source: str
) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Return pseudo labels (C, L, A) of the frames of windows, and which clips (C,) are confirmed."""
    import torch

    network: Any = coder.network
    rows, place = np.unique(windows_CL, return_inverse=True)
    faces, points = zip(*(store.face(int(row)) for row in rows), strict=True)
    features = encode_faces(coder, np.stack(faces), np.stack(points))[place.reshape(windows_CL.shape)]
    with torch.inference_mode():
        single_CLE, clip_CLE = network.by_branch(torch.from_numpy(features).to(coder.device))
        labels_CLA, confirmed_C = network.pseudo_labels(clip_CLE, source, single_CLE)
    return labels_CLA.cpu().numpy().astype(np.int8), confirmed_C.cpu().numpy()


def _first_times(windows_CL: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where a row stands in its window for the first time, (C, L): repeated frames count once."""
    first = np.ones(windows_CL.shape, bool)
    first[:, 1:] = windows_CL[:, 1:] != windows_CL[:, :-1]
    return first
