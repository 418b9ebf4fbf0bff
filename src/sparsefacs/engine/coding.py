"""Coding rows of a training's own stores with a network as it is, in float32: for choosing states and for limits."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.clips import Tracks
from ..data.rows import Faces
from ..data.store import Store
from ..networks.answers import answers, frame_features, window_answers
from ..networks.clip_answers import is_of_clips, rows_in_clips

if TYPE_CHECKING:
    from torch import nn

    from ..methods.contract import Setting

AT_ONCE = 64

F32 = NDArray[np.float32]


def code_rows(
    network: "nn.Module",
    setting: "Setting",
    stores: Sequence[Store],
    rows: NDArray[np.int64],
    tracks: Tracks | None = None,
) -> F32:
    """Return what `network` codes on rows (M,) over `stores` in order, (M, A); it is left in the mode it was in.

    tracks: of the stores, for a network of clips, where they are at hand. No random number is drawn.
    """
    training = network.training
    network.eval()
    all_faces, (sees, task) = Faces(stores), (setting.network, setting.task)

    def in_parts(ask: Callable[..., F32], wanted: NDArray[np.int64]) -> F32:
        answered = []
        for start in range(0, len(wanted), AT_ONCE):
            part = wanted[start : start + AT_ONCE]
            faces, points = zip(*(all_faces.face(int(row)) for row in part), strict=True)
            answered.append(ask(np.stack(faces), np.stack(points)))
        return np.concatenate(answered)

    if is_of_clips(network):
        encode = partial(in_parts, lambda faces, points: frame_features(network, faces, points, sees))
        clips: Any = network
        coded_MA = rows_in_clips(
            tracks or Tracks(stores),
            rows,
            (clips.clip_length, clips.key),
            encode,
            lambda window: window_answers(network, window, task),
        )
    else:
        coded_MA = in_parts(lambda faces, points: answers(network, faces, points, sees, task), rows)
    network.train(training)
    return coded_MA
