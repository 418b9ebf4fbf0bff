"""Asking a network of clips: every frame goes through the backbone once, whatever the number of windows it is in."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

    from ..data.clips import Tracks

F32 = NDArray[np.float32]
WINDOWS_AT_A_TIME = 256


def is_of_clips(network: "nn.Module") -> bool:
    """Say whether `network` codes frames within clips of several (see `networks.evidence.Evident`)."""
    return int(getattr(network, "clip_length", 1)) > 1


def clip_answers(
    windows_ML: NDArray[np.int64],
    encode: Callable[[NDArray[np.int64]], F32],
    decode: Callable[[F32, NDArray[np.int64]], F32],
    key: int,
) -> Iterator[F32]:
    """Yield the codes (m, A) of windows of rows (M, L), part by part; each row is encoded once.

    encode: rows (N,) to features (N, E); decode: windows of features (m, L, E), and the rows that are coded, at place
    `key`, to codes. Features are kept for no
    longer than until the next part, so windows should come track by track and frame by frame.
    """
    known: dict[int, Any] = {}
    for start in range(0, len(windows_ML), WINDOWS_AT_A_TIME):
        part = windows_ML[start : start + WINDOWS_AT_A_TIME]
        wanted = np.unique(part)
        new = np.array([row for row in wanted if int(row) not in known], np.int64)
        known = {int(row): known[int(row)] for row in wanted if int(row) in known}
        if len(new):
            known |= dict(zip(new.tolist(), encode(new), strict=True))
        windows = np.stack([known[int(row)] for row in part.ravel()]).reshape(*part.shape, -1)
        yield decode(windows, part[:, key])


def rows_in_clips(
    tracks: "Tracks",
    rows: NDArray[np.int64],
    clip: tuple[int, int],
    encode: Callable[[NDArray[np.int64]], F32],
    decode: Callable[[F32, NDArray[np.int64]], F32],
    done: Callable[[int], object] = lambda count: None,
) -> F32:
    """Return the codes (M, A) of `rows`, each within the clip round it; clip: frames, and the place of the coded one.

    A person's own further frames are looked at, but not coded. done: told of how many rows are coded, part by part.
    """
    in_order = np.argsort(tracks.place[rows])
    parts = []
    for part in clip_answers(tracks.windows(rows[in_order], *clip), encode, decode, clip[1]):
        parts.append(part)
        done(len(part))
    found = np.concatenate(parts)
    coded_MA = np.empty_like(found)
    coded_MA[in_order] = found
    return coded_MA
