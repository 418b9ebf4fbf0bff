"""What still tells rendered faces from real ones: an honest test of faces that a coder is to learn from.

    python benchmarks/realism.py RENDERED REAL [--faces 600] [--json FILE]

RENDERED, REAL: stores of the same face size. A logistic regression tells real faces from rendered ones, by each of:
the picture's fineness (its spectrum), colour, edges (a histogram of gradients), the face's shape, and blendshapes.
It is tested on people it has not seen; people weigh alike. AUC .5: it cannot tell; the baseline takes as many rendered
people for the real ones, which nothing can tell. Then how far the landmarker agrees with
itself on mirrored faces of both (share of the face's width), and, where a store tells it, how far it is from the truth.
With few real people (the program's own tests have nine) the AUC is rough: it can show that something tells them apart,
never that nothing does.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measuring import give, machine
from sparsefacs.data.store import Store
from sparsefacs.evidence.geometry import symmetric_shape
from sparsefacs.evidence.vectors import SHAPES, face_vectors
from sparsefacs.faces.landmarks import Landmarker
from sparsefacs.facs.landmarks import MIRROR_68

F64 = NDArray[np.float64]
BANDS = 12
CELL = 16  # pixels


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rendered", type=Path)
    parser.add_argument("real", type=Path)
    parser.add_argument("--faces", type=int, default=600, help="of each store at most, spread over its people")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(argv)
    rendered, real = Store(given.rendered), Store(given.real)
    rows = [spread(rendered, given.faces), spread(real, given.faces)]
    people = [store.strings("subject")[part] for store, part in zip((rendered, real), rows, strict=True)]
    who = np.concatenate([np.char.add(side, names) for side, names in zip(("r:", "R:"), people, strict=True)])
    truth = np.repeat([0, 1], [len(rows[0]), len(rows[1])])
    result: dict[str, Any] = {
        "benchmark": "realism",
        **machine(),
        "faces": [len(part) for part in rows],
    }
    result["people"] = [len(set(names.tolist())) for names in people]
    stand_in = np.isin(who, np.unique(who[truth == 0])[: min(result["people"][1], result["people"][0] // 2)]).astype(
        int
    )
    for name, seen in SEEN.items():
        parts = [seen(store, part) for store, part in zip((rendered, real), rows, strict=True)]
        values = np.nan_to_num(np.concatenate(parts))
        own = truth == 0
        auc, baseline = told_apart(values, truth, who), told_apart(values[own], stand_in[own], who[own])
        result[name] = {"auc": auc, "baseline": baseline, "auc_minus_baseline": round(auc - baseline, 3)}
        print(f"{name:12} AUC {auc:.2f}, rendered from rendered {baseline:.2f}", file=sys.stderr)
    landmarker = Landmarker()
    for name, store, part in zip(("rendered", "real"), (rendered, real), rows, strict=True):
        result[f"landmarks_{name}"] = told = landmark_errors(landmarker, store, part)
        print(f"landmarks, {name}: " + ", ".join(f"{key} {value}" for key, value in told.items()), file=sys.stderr)
    give(result, given.json)


def spread(store: Store, faces: int) -> NDArray[np.int64]:
    """Return rows of about `faces` faces, as many of each person as there are."""
    people = store.strings("subject")
    names = np.unique(people)
    each = max(1, faces // len(names))
    rows = [np.flatnonzero(people == name) for name in names]
    return np.sort(
        np.concatenate([part[np.linspace(0, len(part) - 1, min(each, len(part))).astype(int)] for part in rows])
    )


def fineness(store: Store, rows: NDArray[np.int64]) -> F64:
    """Return the logarithm of the power of each band of frequencies, (N, BANDS)."""
    grey = np.stack([store.image(int(row)).mean(axis=2) for row in rows])
    side = grey.shape[1]
    window = np.hanning(side)[:, None] * np.hanning(side)
    power = (
        np.abs(np.fft.fftshift(np.fft.fft2((grey - grey.mean(axis=(1, 2), keepdims=True)) * window), axes=(1, 2))) ** 2
    )
    y, x = np.indices((side, side)) - side // 2
    band = np.minimum((np.hypot(x, y) / (side / 2) * BANDS).astype(int), BANDS)
    return np.stack([np.log(power[:, band == number].mean(axis=1) + 1) for number in range(BANDS)], axis=1)


def colour(store: Store, rows: NDArray[np.int64]) -> F64:
    """Return the mean and spread of red, green and blue in each cell, (N, 6 cells)."""
    faces = np.stack([store.image(int(row)) for row in rows]).astype(np.float64)
    count, side = len(faces), faces.shape[1] // CELL * CELL
    cells = faces[:, :side, :side].reshape(count, side // CELL, CELL, side // CELL, CELL, 3)
    return np.concatenate(
        [cells.mean(axis=(2, 4)).reshape(count, -1), cells.std(axis=(2, 4)).reshape(count, -1)], axis=1
    )


def edges(store: Store, rows: NDArray[np.int64]) -> F64:
    """Return histograms of gradients' directions in each cell, (N, 8 cells), each face's of length 1."""
    from skimage.feature import hog

    found = [hog(store.image(int(row)), 8, (CELL, CELL), (1, 1), channel_axis=2, feature_vector=True) for row in rows]
    return np.stack(found).astype(np.float64)


def shape(store: Store, rows: NDArray[np.int64]) -> F64:
    """Return the shape of the face that both halves share."""
    return symmetric_shape(store.vectors("landmarks").reshape(-1, 68, 2)[rows])


def blendshapes(store: Store, rows: NDArray[np.int64]) -> F64:
    """Return the blendshapes' logarithms."""
    points, shapes = (
        store.vectors("landmarks").reshape(-1, 68, 2)[rows],
        store.optional_vectors("blendshapes", 52)[rows],
    )
    return face_vectors(points, shapes)[:, SHAPES].astype(np.float64)


SEEN: dict[str, Callable[[Store, NDArray[np.int64]], F64]] = {
    "fineness": fineness, "colour": colour, "edges": edges, "shape": shape, "blendshapes": blendshapes,
}  # fmt: skip


def told_apart(values_ND: F64, truth_N: NDArray[np.int64], who_N: NDArray[np.str_]) -> float:
    """Return the AUC, people weighing alike, of a regression that has not seen the people it judges."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names, place, counts = np.unique(who_N, return_inverse=True, return_counts=True)
    weight_N = 1 / counts[place]
    folds = min(5, *(len(set(who_N[truth_N == side].tolist())) for side in (0, 1)))
    judged = np.zeros(len(values_ND))
    for train, test in StratifiedGroupKFold(folds, shuffle=True, random_state=0).split(values_ND, truth_N, who_N):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000))
        model.fit(values_ND[train], truth_N[train], logisticregression__sample_weight=weight_N[train] * len(names))
        judged[test] = model.decision_function(values_ND[test])
    return round(float(roc_auc_score(truth_N, judged, sample_weight=weight_N)), 3)


def landmark_errors(landmarker: Landmarker, store: Store, rows: NDArray[np.int64]) -> dict[str, Any]:
    """Return how far points are from those of the mirror image, and from the truth: shares of the face's width."""
    kept = store.vectors("landmarks").reshape(-1, 68, 2)
    known = store.vectors("true_landmarks").reshape(-1, 68, 2) if store.has("true_landmarks") else None
    apart, wrong, missed = [], [], 0
    for row in rows.tolist():
        image = store.image(row)
        side = image.shape[1]
        box = np.concatenate([kept[row].min(axis=0), kept[row].max(axis=0)]).astype(np.float32)
        width = float(box[2] - box[0])
        mirrored = box.copy()
        mirrored[[0, 2]] = side - 1 - box[[2, 0]]
        seen = landmarker.points(image, box), landmarker.points(np.ascontiguousarray(image[:, ::-1]), mirrored)
        if seen[0] is None or seen[1] is None:
            missed += 1
            continue
        back = seen[1][MIRROR_68] * [-1, 1] + [side - 1, 0]
        apart.append(float(np.linalg.norm(seen[0] - back, axis=1).mean()) / width)
        if known is not None:
            wrong.append(float(np.linalg.norm(kept[row] - known[row], axis=1).mean()) / width)
    told: dict[str, Any] = {"missed": missed}
    for name, values in (("mirrored", apart), ("truth", wrong)):
        if values:
            median, high = np.percentile(values, [50, 95])
            told[name] = [round(float(median), 4), round(float(high), 4)]
    return told


if __name__ == "__main__":
    main()
