"""Quick judges of frozen features: nearest neighbours, linear models, and whom a face's neighbours show.

Nothing here knows where features come from. An unlabelled entry (−1, any negative value, or NaN) never counts: what
an AU is given depends on the faces labelled for it alone.

Neighbours are found by plain matrix products in chunks: exact, of flat memory, and one product serves all AUs though
each has its own labelled faces, for which scikit-learn's NearestNeighbors would have to be fitted once an AU.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .ratios import ratio

Floats = NDArray[np.float64]
Features = NDArray[np.floating]
Labels = NDArray[np.integer] | NDArray[np.floating]
ClassWeight = Literal["balanced"] | None

CELLS = 4_000_000  # similarities held at a time: 16 MB, and 32 MB to rank them
MOST_INTENSE = 5.0
_ITERATIONS = 2000


def knn_probabilities(
    train_ND: Features, labels_NA: Labels, test_MD: Features, k: int = 20, temperature: float = 0.07
) -> Floats:
    """Return each AU's weighted vote over the k training faces nearest by cosine, among those labelled for it, (M, A).

    labels_NA: −1/NaN unlabelled, 0 or 1; intensities 0–5 give their weighted mean. A neighbour of cosine s weighs
    exp(s / temperature); temperature inf: all alike. Fewer than k labelled: all of them vote; none: NaN.
    Source of vote and defaults: Wu et al. 2018, "Unsupervised feature learning via non-parametric instance
    discrimination", section 3.4 (temperature 0.07).
    """
    labels = _checked(train_ND, labels_NA, test_MD)
    if k < 1 or not temperature > 0:
        raise ValueError(f"{k} neighbours at temperature {temperature} cannot vote")
    groups = list(_labelled_alike(labels))
    vote_MA = np.full((len(test_MD), labels.shape[1]), np.nan)
    for chunk, cosine_mN in _similarities(_unit(train_ND), _unit(test_MD)):
        for rows_L, columns in groups:
            among_mL = cosine_mN if len(rows_L) == len(labels) else cosine_mN[:, rows_L]
            nearest_mk = _largest(among_mL, k)
            cosine_mk = np.take_along_axis(among_mL, nearest_mk, axis=1).astype(np.float64)
            weight_mk = np.exp((cosine_mk - cosine_mk.max(axis=1, keepdims=True)) / temperature)
            weight_mk /= weight_mk.sum(axis=1, keepdims=True)
            voted_mkG = labels[rows_L[nearest_mk]][..., columns]
            vote_MA[chunk.start : chunk.stop, columns] = np.einsum("mk,mkg->mg", weight_mk, voted_mkG)
    return vote_MA


def linear_probabilities(
    train_ND: Features,
    labels_NA: Labels,
    test_MD: Features,
    c: float = 1.0,
    standardise: bool = True,
    class_weight: ClassWeight = None,
) -> Floats:
    """Return each AU's probabilities by an L2-regularised logistic regression of its own, (M, A).

    labels_NA: −1/NaN unlabelled, 0 or 1. c: inverse strength of the penalty, beside the sum of losses, as
    scikit-learn has it. standardise: each feature by mean and deviation of the AU's labelled training faces.
    class_weight "balanced": both classes weigh the same. An AU with one class among its labels gives that class's
    constant (0 or 1), one without labels NaN. The same input gives the same output: nothing is drawn.
    """
    from sklearn.linear_model import LogisticRegression

    labels = _checked(train_ND, labels_NA, test_MD)
    probability_MA = np.full((len(test_MD), labels.shape[1]), np.nan)
    for rows_L, columns in _labelled_alike(labels):
        train_LD, tested_MD = _scaled(train_ND[rows_L], test_MD, standardise)
        for column in columns.tolist():
            present_L = labels[rows_L, column] > 0
            if present_L.all() or not present_L.any():
                probability_MA[:, column] = float(present_L[0])
                continue
            model = LogisticRegression(C=c, class_weight=class_weight, max_iter=_ITERATIONS)
            probability_MA[:, column] = model.fit(train_LD, present_L).predict_proba(tested_MD)[:, 1]
    return probability_MA


def linear_intensities(
    train_ND: Features, labels_NA: Labels, test_MD: Features, c: float = 1.0, standardise: bool = True
) -> Floats:
    """Return each AU's intensity by ridge regression, clipped to 0–5, (M, A).

    labels_NA: NaN/−1 unlabelled, 0–5. c: inverse strength of the penalty (1 / alpha); standardise as of
    `linear_probabilities`. An AU without labels gives NaN.
    """
    from sklearn.linear_model import Ridge

    labels = _checked(train_ND, labels_NA, test_MD)
    intensity_MA = np.full((len(test_MD), labels.shape[1]), np.nan)
    for rows_L, columns in _labelled_alike(labels):
        train_LD, tested_MD = _scaled(train_ND[rows_L], test_MD, standardise)
        model = Ridge(alpha=1 / c).fit(train_LD, labels[rows_L][:, columns].astype(train_LD.dtype))
        predicted_MG = np.asarray(model.predict(tested_MD), np.float64).reshape(len(test_MD), len(columns))
        intensity_MA[:, columns] = np.clip(predicted_MG, 0, MOST_INTENSE)
    return intensity_MA


def neighbour_agreement(
    features_ND: Features, subjects_N: NDArray[Any], labels_NA: Labels, aus: Sequence[int], neighbours: int = 10
) -> dict[str, Any]:
    """Say whom a face's nearest neighbours by cosine show: the same subject, and the same label of each AU.

    labels_NA: −1/NaN unlabelled, 0 or 1 (or any value: equal ones agree); neighbours of an AU are sought among the
    faces labelled for it. Keys: points, neighbours, same_subject {share, chance}, per_au {au: {entries, share,
    chance, other_subjects {share, chance}}}; other_subjects counts neighbours who are other people, since two frames
    of one person agree whatever the features hold. chance: the share if neighbours were drawn blindly. NaN where
    there is nobody to compare with.
    """
    labels = _checked(features_ND, labels_NA, features_ND)
    subject_N = np.unique(np.asarray(subjects_N), return_inverse=True)[1]
    found: dict[str, Any] = {"points": len(labels), "neighbours": neighbours}
    found["same_subject"] = _agreement(features_ND, subject_N, np.arange(len(labels)), neighbours)
    found["per_au"] = {}
    for au, label_N in zip(aus, labels.T, strict=True):
        known = label_N >= 0
        part = features_ND[known], label_N[known]
        each = _agreement(*part, np.arange(int(known.sum())), neighbours)
        others = _agreement(*part, subject_N[known], neighbours)
        found["per_au"][str(au)] = {"entries": int(known.sum())} | each | {"other_subjects": others}
    return found


def _agreement(
    features_ND: Features, value_N: NDArray[Any], apart_N: NDArray[np.int64], neighbours: int
) -> dict[str, float]:
    """Return the share of neighbours of equal value, and what it would be by chance; faces of equal `apart` never are.

    Both are means over the faces that have a neighbour at all.
    """
    if not len(value_N):
        return {"share": float("nan"), "chance": float("nan")}
    value_N = np.unique(value_N, return_inverse=True)[1]
    apart_N = np.unique(apart_N, return_inverse=True)[1]
    unit_ND = _unit(features_ND)
    share_N = np.full(len(value_N), np.nan)
    for chunk, cosine_mN in _similarities(unit_ND, unit_ND):
        rows = slice(chunk.start, chunk.stop)
        cosine_mN[apart_N[rows, None] == apart_N] = -np.inf
        nearest_mk = _largest(cosine_mN, neighbours)
        counted_mk = np.isfinite(np.take_along_axis(cosine_mN, nearest_mk, axis=1))
        equal_mk = (value_N[nearest_mk] == value_N[rows, None]) & counted_mk
        share_N[rows] = ratio(equal_mk.sum(axis=1), counted_mk.sum(axis=1))
    value_count, apart_count = np.bincount(value_N), np.bincount(apart_N)
    both, place = np.unique(np.stack([value_N, apart_N], axis=1), axis=0, return_inverse=True)
    both_count = np.bincount(place.ravel(), minlength=len(both))[place.ravel()]
    chance_N = ratio(value_count[value_N] - both_count, len(value_N) - apart_count[apart_N])
    compared = np.isfinite(share_N)
    if not compared.any():
        return {"share": float("nan"), "chance": float("nan")}
    return {"share": float(share_N[compared].mean()), "chance": float(chance_N[compared].mean())}


def _checked(train_ND: Features, labels_NA: Labels, test_MD: Features) -> Floats:
    """Return the labels as floats, unlabelled entries −1; raises ValueError for shapes that do not fit."""
    labels = np.asarray(labels_NA, np.float64)
    shapes = np.shape(train_ND), labels.shape, np.shape(test_MD)
    if any(len(shape) != 2 for shape in shapes) or shapes[0][0] != shapes[1][0] or shapes[0][1] != shapes[2][1]:
        raise ValueError(f"shapes differ: training features {shapes[0]}, labels {shapes[1]}, test features {shapes[2]}")
    if not (np.isfinite(train_ND).all() and np.isfinite(test_MD).all()):
        raise ValueError("a feature is not a finite number")
    return np.where(labels >= 0, labels, -1.0)


def _labelled_alike(labels_NA: Floats) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield (rows, AU columns) of the AUs that have the same labelled faces; AUs without any are left out."""
    masks, group_A = np.unique(labels_NA >= 0, axis=1, return_inverse=True)
    for number, mask_N in enumerate(masks.T):
        if mask_N.any():
            yield np.flatnonzero(mask_N), np.flatnonzero(group_A.ravel() == number)


def _unit(features_ND: Features) -> NDArray[np.float32]:
    """Return the features at length 1, in float32; a face without any feature stays zero: unlike everyone."""
    length_N1 = np.linalg.norm(features_ND, axis=1, keepdims=True)
    return np.asarray(features_ND / np.where(length_N1 > 0, length_N1, 1), np.float32)


def _similarities(
    train_ND: NDArray[np.float32], test_MD: NDArray[np.float32]
) -> Iterator[tuple[range, NDArray[np.float32]]]:
    """Yield the cosines (m, N) of a few test rows at a time with every training row; inputs have length 1."""
    step = max(1, CELLS // max(1, len(train_ND)))
    for first in range(0, len(test_MD), step):
        chunk = range(first, min(first + step, len(test_MD)))
        yield chunk, test_MD[chunk.start : chunk.stop] @ train_ND.T


def _largest(cosine_mN: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the columns of the k largest values of each row, in column order, (m, min(k, N))."""
    columns = cosine_mN.shape[1]
    if k >= columns:
        return np.broadcast_to(np.arange(columns), cosine_mN.shape)
    return np.sort(np.argpartition(cosine_mN, columns - k, axis=1)[:, columns - k :], axis=1)


def _scaled(train_LD: Features, test_MD: Features, standardise: bool) -> tuple[Features, Features]:
    if not standardise:
        return train_LD, test_MD
    mean_D = train_LD.mean(axis=0, dtype=np.float64).astype(train_LD.dtype)
    deviation_D = train_LD.std(axis=0, dtype=np.float64).astype(train_LD.dtype)
    varies = deviation_D > 1e-6 * np.abs(mean_D)  # below, a feature is constant but for rounding
    deviation_D = np.where(varies, deviation_D, 1)
    return (train_LD - mean_D) / deviation_D, (test_MD - mean_D) / deviation_D
