"""Learning the linear model of evidence: one convex problem an AU, so that the same labels give the same weights.

Regularised logistic regression on a face's evidence and its difference to the person, which begins from what the AU
means in blendshapes (`vectors.meaning_of`): without a label a face that differs from its person by a deviation along
that direction has SLOPE logits more. Labels change that direction PRIOR² times more cheaply than any other, so that a
few scale it and many overrule it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .linear import LinearEvidence
from .threads import on_one_thread
from .vectors import SHAPES, VECTOR_WIDTH, meaning_of

F64 = NDArray[np.float64]

PRIOR = 5.0
SMOOTHING = 2.0  # faces' worth of the mean rate in an AU's own
RATE_UNKNOWN = 0.15  # of an AU of which nothing at all is known
_LOOSE = 3.0  # deviation of the first of further features; the others keep their share of it
SLOPE = 1.5
"""Logits a deviation of what an AU means, before any label tells."""
HELD = 1.0
"""Penalty of a change of the constant of weights that are begun from: inverse of its variance, in logits."""
_TOLERANCE = 1e-7
_ITERATIONS = 100


@dataclass(frozen=True)
class FitSettings:
    """c: inverse strength of the penalty beside the sum of losses, as scikit-learn has it. person: compare with the
    person's reference. blendshapes: whether they count. alike: whether further features are of one measure, and keep
    their relative sizes; else each varies by 1, as the face's own numbers do. c_begun: as c, of the change to weights
    that are begun from.
    """

    c: float = 0.01
    c_begun: float = 0.001
    person: bool = True
    blendshapes: bool = True
    alike: bool = True


def fit_linear(
    evidence_NE: NDArray[np.floating],
    labels_NA: NDArray[np.floating],
    free_ME: NDArray[np.floating],
    meanings_AE: NDArray[np.floating],
    settings: FitSettings | None = None,
    begin: LinearEvidence | None = None,
) -> LinearEvidence:
    """Return the weights learned from N labelled faces.

    evidence_NE, free_ME: as of `linear.evidence_of`; the latter are all faces of the training people, whose labels are
    not read: they say what evidence is measured in. labels_NA: 0–1 (an intensity as a share of 5), NaN or negative
    where unlabelled. Columns beyond the face's own vector are further features. meanings_AE: the direction in which
    evidence moves by each AU, as far as its columns go, zeros where nothing is known. begin: weights for the same AUs
    to start from in place of it, and to be drawn to: without a label they stay as they are; zeros for an AU of which
    there are none.
    """
    chosen = settings or FitSettings()
    width = (evidence_NE.shape[1] - 1) // 2
    if begin is None:
        mean_E, scale_E, changed_E = _measure(np.asarray(free_ME, np.float64), width, chosen)
    else:
        mean_E, scale_E, changed_E = (np.asarray(v, np.float64) for v in (begin.mean_E, begin.scale_E, begin.changed_E))
    labelled, free = (
        _Inputs.of(np.asarray(each, np.float64), mean_E, scale_E, changed_E) for each in (evidence_NE, free_ME)
    )
    labels = np.where(np.isfinite(labels_NA) & (labels_NA >= 0), labels_NA, np.nan)
    rates_A = smoothed_rates(labels)
    weights = LinearEvidence.blank(width, labels.shape[1]).arrays()
    for name, values in (("mean_E", mean_E), ("scale_E", scale_E), ("changed_E", changed_E)):
        weights[name] = values.astype(np.float32)
    for a, rate in enumerate(rates_A):
        known = np.zeros(width)
        known[: meanings_AE.shape[1]] = meanings_AE[a, :width]
        alone, apart = (known * np.where(np.isfinite(each), each, 0) for each in (scale_E, changed_E))
        begun = begin if begin is not None and begin.face_EA[:, a].any() else None
        c = chosen.c if begun is None else chosen.c_begun
        start = None if begun is None else _Start(begun.face_EA[:, a], float(begun.face_A[a]))
        face, face_bias = _fit_one(labelled.own, labels[:, a], free.own, [alone], rate, c, start)
        weights["face_EA"][:, a], weights["face_A"][a] = face, face_bias
        if not chosen.person:
            weights["own_EA"][:, a], weights["person_A"][a] = face, face_bias
            continue
        if begun is not None:
            own = np.concatenate([begun.own_EA[:, a], begun.change_EA[:, a]])
            start = _Start(own, float(begun.person_A[a]))
        nothing = np.zeros(width)
        both_ways = [np.concatenate([nothing, apart]), np.concatenate([alone, nothing])]
        both, bias = _fit_one(labelled.both, labels[:, a], free.both, both_ways, rate, c, start)
        weights["own_EA"][:, a], weights["change_EA"][:, a] = both[:width], both[width:]
        weights["person_A"][a] = bias
    return LinearEvidence(**weights)


def meanings_of(aus: tuple[int, ...]) -> F64:
    """Return the directions (A, VECTOR_WIDTH) of `vectors.meaning_of`."""
    return np.stack([meaning_of(au) for au in aus])


def smoothed_rates(labels_NA: F64) -> F64:
    """Return the share of positives of each AU (A,), drawn by two faces' worth towards the mean over AUs.

    labels_NA: 0–1, NaN where unlabelled.
    """
    labelled_A = np.isfinite(labels_NA).sum(axis=0)
    positive_A = np.nansum(labels_NA, axis=0)
    every = positive_A.sum() / labelled_A.sum() if labelled_A.sum() else RATE_UNKNOWN
    return np.asarray((positive_A + SMOOTHING * every) / (labelled_A + SMOOTHING))


@dataclass(frozen=True)
class _Inputs:
    """Evidence as the two models see it: a face's own (N, E), and with its difference to the person (N, 2E)."""

    own: F64
    both: F64

    @classmethod
    def of(cls, evidence_NE: F64, mean_E: F64, scale_E: F64, changed_E: F64) -> "_Inputs":
        width = len(mean_E)
        own = np.nan_to_num((evidence_NE[:, :width] - mean_E) / scale_E, nan=0.0, posinf=0.0, neginf=0.0)
        change = np.nan_to_num((evidence_NE[:, :width] - evidence_NE[:, width : 2 * width]) / changed_E, nan=0.0)
        return cls(own, np.concatenate([own, change], axis=1))


def _measure(free_ME: F64, width: int, chosen: FitSettings) -> tuple[F64, F64, F64]:
    """Return mean, scale and scale of change (E,): numbers vary by 1 over all faces, and by 1 within a person.

    A number that never varies, or is not used, has an infinite scale: it counts nothing.
    """
    vector = free_ME[:, :width]
    mean_E, over_all = _over_known(vector)
    within = _over_known(vector - free_ME[:, width : 2 * width])[1]
    scales = []
    for spread_E in (over_all, within):
        scale_E = np.where(spread_E > 1e-6, spread_E, np.inf)
        if width > VECTOR_WIDTH and chosen.alike:  # features: their first, the largest, varies by _LOOSE
            scale_E[VECTOR_WIDTH:] = max(float(spread_E[VECTOR_WIDTH:].max()), 1e-6) / _LOOSE
        if not chosen.blendshapes:
            scale_E[SHAPES] = np.inf
        scales.append(scale_E)
    return mean_E, scales[0], scales[1]


def _over_known(values_ME: F64) -> tuple[F64, F64]:
    """Return mean and deviation of each column over its finite values, 0 where there is none."""
    known = np.isfinite(values_ME)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values_ME, 0).sum(axis=0) / count
    return mean, np.sqrt(np.where(known, (values_ME - mean) ** 2, 0).sum(axis=0) / count)


@dataclass(frozen=True)
class _Start:
    """Weights (D,) and constant of one AU that labels change."""

    weights: NDArray[np.floating]
    bias: float


def _fit_one(
    inputs_ND: F64, target_N: F64, free_MD: F64, directions: list[F64], rate: float, c: float, start: _Start | None
) -> tuple[F64, float]:
    """Return weights (D,) and constant of one AU.

    directions: those that cost little; the first is the one that is trusted where no label tells. start: takes their
    place, and is trusted with its constant.
    """
    known = np.isfinite(target_N)
    if start is not None:
        directions = [np.asarray(start.weights, np.float64)]
    prior = [each / spread for each in directions if (spread := float((free_MD @ each).std())) > 1e-9]
    begin = SLOPE * prior[0] if prior else np.zeros(inputs_ND.shape[1])
    if start is not None:
        begin = directions[0]
    target = target_N[known]
    if not len(target):
        return begin, _constant(free_MD @ begin, rate) if start is None else start.bias
    cheap = np.stack([PRIOR * each for each in prior], axis=1) if prior else np.zeros((inputs_ND.shape[1], 0))
    used = inputs_ND[known]
    before = used @ begin + (0.0 if start is None else start.bias)
    held = 1e-6 if start is None else HELD
    found, bias = _logistic(np.concatenate([used, used @ cheap], axis=1), target, before, c, held)
    wide = inputs_ND.shape[1]
    weights = begin + found[:wide] + cheap @ found[wide:]
    if start is not None:
        return weights, bias + start.bias
    return weights, bias if target.min() < target.max() else _constant(free_MD @ weights, rate)


USUAL_FACES = 1500.0
"""Labelled faces at which the pixels of a network count half, where nobody is set aside to tell."""
_GAIN_SPREAD = 0.3
_MOST_GAIN = 2.0


def usual_gain(labelled: int) -> float:
    """Return how much pixels count beside evidence after a training on so many labelled faces, 0–1."""
    return labelled / (labelled + USUAL_FACES)


def pixel_gain(coded_NA: NDArray[np.floating], known_NA: NDArray[np.floating], targets_NA: F64, usual: float) -> float:
    """Return the factor of the pixels' logits, 0–2, under which labels are likeliest beside evidence.

    coded_NA: what pixels alone say of faces that neither learned from, 0–1; known_NA: logits of evidence; targets_NA:
    labels 0–1, NaN or negative where there is none. Drawn to `usual` as by a normal prior of deviation 0.3.
    """
    from scipy.optimize import minimize_scalar

    there = np.isfinite(targets_NA) & (targets_NA >= 0)
    share = np.clip(np.asarray(coded_NA, np.float64)[there], 1e-6, 1 - 1e-6)
    pixels, known, target = np.log(share / (1 - share)), np.asarray(known_NA, np.float64)[there], targets_NA[there]

    def cost(gain: float) -> float:
        logits = known + gain * pixels
        surprise = np.logaddexp(0, logits) - target * logits
        return float(surprise.sum() + ((gain - usual) / _GAIN_SPREAD) ** 2 / 2)

    return float(minimize_scalar(cost, bounds=(0.0, _MOST_GAIN), method="bounded", options={"xatol": 1e-4}).x)


def _constant(logits_M: F64, rate: float) -> float:
    """Return the constant at which the mean probability of faces with `logits_M` is `rate`, by bisection."""
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 / (1 + np.exp(-(logits_M + middle)))).mean() < rate else (low, middle)
    return (low + high) / 2


def _logistic(inputs_ND: F64, target_N: F64, offset_N: F64, c: float, held: float = 1e-6) -> tuple[F64, float]:
    """Return weights (D,) and constant of the logistic regression that adds to logits `offset_N`, by Newton's method.

    Targets may lie between 0 and 1. The penalty is ‖weights‖² / 2c beside the sum of losses, as scikit-learn has it,
    whose own knows no offset; the constant has a penalty of `held`. On one thread: the same to the last digit
    each time.
    """
    wide = np.concatenate([inputs_ND, np.ones((len(inputs_ND), 1))], axis=1)
    penalty_D = np.append(np.full(inputs_ND.shape[1], 1 / c), held)
    weights_D = np.zeros(wide.shape[1])

    def cost(weights: F64) -> float:
        logits = offset_N + wide @ weights
        return float((np.logaddexp(0, logits) - target_N * logits).sum() + (penalty_D * weights**2).sum() / 2)

    with on_one_thread():
        for _ in range(_ITERATIONS):
            with np.errstate(over="ignore"):  # a share of 0
                share_N = 1 / (1 + np.exp(-(offset_N + wide @ weights_D)))
            slope_D = wide.T @ (share_N - target_N) + penalty_D * weights_D
            if np.abs(slope_D).max() < _TOLERANCE:
                break
            rooted = wide * np.sqrt(share_N * (1 - share_N))[:, None]
            curve_DD = rooted.T @ rooted + np.diag(penalty_D)  # a matrix with itself: half the work
            step_D, here, length = np.linalg.solve(curve_DD, slope_D), cost(weights_D), 1.0
            while cost(weights_D - length * step_D) > here and length > 1e-6:
                length /= 2
            weights_D = weights_D - length * step_D
    return weights_D[:-1], float(weights_D[-1])
