"""How many AU combinations a label budget keeps, beside dense labelling at the same cost (KS, 4.4, Fig. 5)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def kept_combinations(
    shown: NDArray[np.bool_],
    occurrence: NDArray[np.int8],
    subject: NDArray[np.str_],
    clip: NDArray[np.str_],
    frame: NDArray[np.integer],
    rows: NDArray[np.integer],
    seed: int,
    draws: int = 20,
) -> dict[str, Any]:
    """Return distinct AU combinations among the faces whose labels are seen, and among as many labelled densely.

    shown: which labels (M, A) are seen; occurrence (M, A) with nothing hidden, −1 unlabelled; rows: training rows. A
    combination is the occurrence of all AUs of a face of which every AU is labelled. Dense labelling codes whole clips,
    frame after frame, clips drawn at random, until as many faces are coded; the mean over `draws` drawings. `faces` is
    that number, `all` the combinations of all training faces.
    """
    whole: NDArray[np.bool_] = np.all(occurrence >= 0, axis=1)
    usable = rows[whole[rows]]
    sparse = usable[shown[usable].all(axis=1)]
    if not len(sparse):
        return {}
    order = np.lexsort((frame[usable], clip[usable], subject[usable]))
    ordered = usable[order]
    new = np.r_[True, (subject[ordered][1:] != subject[ordered][:-1]) | (clip[ordered][1:] != clip[ordered][:-1])]
    clips = np.split(ordered, np.flatnonzero(new)[1:])
    rng = np.random.default_rng([seed, 11])
    found = []
    for _ in range(draws):
        picked = np.concatenate([clips[place] for place in rng.permutation(len(clips))])[: len(sparse)]
        found.append(_distinct(occurrence[picked]))
    return {
        "faces": len(sparse),
        "kept": _distinct(occurrence[sparse]),
        "dense": round(float(np.mean(found)), 1),
        "all": _distinct(occurrence[usable]),
    }


def _distinct(labels: NDArray[np.int8]) -> int:
    return len(np.unique(labels, axis=0))
