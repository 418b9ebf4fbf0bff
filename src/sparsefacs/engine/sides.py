"""Left and right apart: a coder's pixels see both, but movements of one side are rare, and steps teach little of it.

So once the pixels have learned, the difference of the two sides is fitted in one convex problem on what their last
layer sees: of each face, and of its mirror image, whose sides are exchanged. Their mean stays as it was learned.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ..evidence.fitting import pixel_gain
from ..evidence.linear import LinearEvidence, evidence_logits
from ..evidence.threads import on_one_thread
from ..facs.landmarks import MIRROR_68
from ..networks.answers import network_input
from ..networks.instant import InstantNetwork
from ..progress import progress
from .config import RunConfig

if TYPE_CHECKING:
    from .training_set import TrainingSet

MOST_FACES = 8_000
LOGITS = 10.0
"""Logits between the sides for a difference of the whole range of intensity."""
_SMOOTHING = (0.03, 0.1, 0.3, 1.0, 3.0)  # penalties tried, as shares of the features' mean square
_AT_ONCE = 64

F64 = NDArray[np.float64]


def part_sides(network: InstantNetwork, data: "TrainingSet", config: RunConfig) -> None:
    """Fit the difference of left and right in the last layer of a coder's pixels.

    Learned from training people, the penalty chosen on those set aside; nothing where no face differs by side.
    """
    assert network.pixels is not None
    network.eval()
    aus = len(config.aus)
    sides = data.sides(config.aus)
    apart_MA = (sides[:, 0] - sides[:, 1]).astype(np.float64) / 5
    differ_M = (np.abs(np.nan_to_num(apart_MA)) > 0).any(axis=1)
    told = np.asarray(np.isfinite(apart_MA).all(axis=1) & differ_M, bool)
    rows = data.labelled[told[data.labelled]]
    if len(rows) < 2:
        return
    beside = data.validation[told[data.validation]]
    rows, beside = (each[:: max(1, -(-len(each) // MOST_FACES))] for each in (rows, beside))
    features_ND, target_NA = _both_ways(network, data, config, rows, apart_MA)
    middle_D = features_ND.mean(axis=0)
    weights = {share: _ridge(features_ND - middle_D, target_NA, share) for share in _SMOOTHING}
    share = _SMOOTHING[2]
    if len(beside):
        checked, wanted = _both_ways(network, data, config, beside, apart_MA)
        share = min(weights, key=lambda each: float((((checked - middle_D) @ weights[each] - wanted) ** 2).sum()))
    head = network.pixels.head
    with torch.no_grad():
        change_AD = torch.from_numpy((LOGITS / 2 * weights[share].T).astype(np.float32)).to(head.weight)
        middle = torch.from_numpy(middle_D.astype(np.float32)).to(head.weight)
        for part in (head.weight, head.bias):
            mean = (part[aus : 2 * aus] + part[2 * aus :]) / 2
            part[aus : 2 * aus], part[2 * aus :] = mean, mean
        for rows_of, sign in ((slice(aus, 2 * aus), 1), (slice(2 * aus, None), -1)):
            head.weight[rows_of] += sign * change_AD
            head.bias[rows_of] -= sign * (change_AD @ middle)


def with_sides(
    fitted: LinearEvidence, evidence_NE: NDArray[np.float32], sides: NDArray[np.floating], sided: list[int]
) -> LinearEvidence:
    """Return a coder's weights with intensity on the left and right of AUs `sided` behind occurrence and intensity.

    Each is the intensity of either side, moved by how far the pixels find the sides apart, times the factor under which
    the sides of N faces are likeliest. evidence_NE: as of `evidence.linear.evidence_of`; the last 3 A numbers of a face
    are what its pixels say. sides: (N, 2, A) as shares, NaN where unknown.
    """
    width, aus = len(fitted.mean_E), sides.shape[2]
    known_NA = evidence_logits(evidence_NE, fitted, np)[:, aus:]
    said = evidence_NE[:, width - 3 * aus : width]
    made = {name: [values] for name, values in fitted.arrays().items() if name.endswith("_A") or name.endswith("_EA")}
    for sign, a in [(sign, a) for sign in (1.0, -1.0) for a in sided]:
        apart_N = (said[:, aus + a] - said[:, 2 * aus + a]) / 2
        shown = 1 / (1 + np.exp(-np.stack([apart_N, -apart_N], axis=1)))
        gain = pixel_gain(shown, np.stack([known_NA[:, a]] * 2, axis=1), sides[:, :, a].astype(np.float64), 0.5)
        for name in ("face_EA", "own_EA", "change_EA", "face_A", "person_A"):
            column = getattr(fitted, name)[..., aus + a].copy()
            for place, way in ((aus + a, sign), (2 * aus + a, -sign)):
                at = width - 3 * aus + place
                if not np.isfinite(fitted.scale_E[at]):  # pixels that always say the same
                    continue
                if name in ("face_EA", "own_EA"):
                    column[at] += way * gain / 2 * fitted.scale_E[at]
                elif name != "change_EA":
                    column += way * gain / 2 * fitted.mean_E[at]
            made[name].append(column[..., None].astype(np.float32))
    joined = {name: np.concatenate(parts, axis=-1) for name, parts in made.items()}
    return LinearEvidence(**(fitted.arrays() | joined))


def _both_ways(
    network: InstantNetwork,
    data: "TrainingSet",
    config: RunConfig,
    rows: NDArray[np.int64],
    apart_MA: F64,
) -> tuple[F64, F64]:
    """Return the features of each face and, behind them all, of their mirror images (2N, D); what they tell (2N, A)."""
    assert network.pixels is not None
    device = network.middle_D.device
    parts: tuple[list[F64], list[F64]] = ([], [])
    with progress("left and right", len(rows), "faces") as bar, torch.inference_mode():
        for first in range(0, len(rows), _AT_ONCE):
            part = rows[first : first + _AT_ONCE]
            faces, points = (np.stack(each) for each in zip(*(data.coder.face(int(row)) for row in part), strict=True))
            mirrored = points[:, MIRROR_68].copy()
            mirrored[..., 0] = faces.shape[2] - 1 - mirrored[..., 0]
            views = ((faces, points), (np.ascontiguousarray(faces[:, :, ::-1]), mirrored))
            for kept, (shown, at) in zip(parts, views, strict=True):
                image, landmarks = network_input(shown, at, config.network, device)
                kept.append(network.pixels.pixel_features(image, landmarks).double().cpu().numpy())
            bar.advance(len(part))
    return np.concatenate([*parts[0], *parts[1]]), np.concatenate([apart_MA[rows], -apart_MA[rows]])


def _ridge(features_ND: F64, target_NA: F64, share: float) -> F64:
    """Return weights (D, A) of least squares with a penalty of `share` of the features' mean square, on one thread."""
    with on_one_thread():
        square_DD = features_ND.T @ features_ND
        penalty = share * len(features_ND) * float((features_ND**2).mean()) + 1e-9
        square_DD[np.diag_indices(len(square_DD))] += penalty
        return np.asarray(np.linalg.solve(square_DD, features_ND.T @ target_NA))
