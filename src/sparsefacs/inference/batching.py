"""Faces go through the network in batches of one fixed size, so that company never changes a face's codes.

Kernels are chosen by batch size, and each sums in its own order: the same face differs in the last bits between a
batch of 1 and one of 16. In full batches of one size every face meets the same kernels, whoever is beside it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .contract import Coder

NETWORK_BATCH = 16  # faces; on a CPU the time per face hardly falls beyond this


def code_faces(
    coder: Coder,
    faces_BHWC: NDArray[np.uint8],
    landmarks_BPC: NDArray[np.float32],
    evidence_BE: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return the codes (B, A) of aligned faces (B, size, size, 3), B any number, in calls of NETWORK_BATCH faces.

    landmarks_BPC: (B, 68, 2), pixels of the faces. The last call is filled up with its last face, whose further codes
    are dropped.
    """
    if not len(faces_BHWC):
        return np.empty((0, len(coder.aus)), np.float32)
    return _in_batches(coder, faces_BHWC, landmarks_BPC, evidence_BE)


def encode_faces(
    coder: Coder,
    faces_BHWC: NDArray[np.uint8],
    landmarks_BPC: NDArray[np.float32],
    vectors_BW: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return what a coder makes of each face by itself, (B, E), in calls as of `code_faces`."""
    return _in_batches(coder.encode, faces_BHWC, landmarks_BPC, vectors_BW)


def decode_windows(
    coder: Coder, features_BLE: NDArray[np.float32], references_BR: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return the codes (B, A) of windows of encoded faces (B, L, E), in calls of NETWORK_BATCH windows."""
    return _in_batches(coder.decode, features_BLE, references_BR)


def _in_batches(call: Callable[..., NDArray[np.float32]], *given: NDArray[Any] | None) -> NDArray[np.float32]:
    """Return what `call` makes of each row of what is given, in full batches; the last is filled up with its last row.

    None, at the end, is left out.
    """
    inputs = [each for each in given if each is not None]
    answers = []
    for start in range(0, len(inputs[0]), NETWORK_BATCH):
        parts = [each[start : start + NETWORK_BATCH] for each in inputs]
        count = len(parts[0])
        full = [np.concatenate([part, np.repeat(part[-1:], NETWORK_BATCH - count, axis=0)]) for part in parts]
        answers.append(call(*full)[:count])
    return np.concatenate(answers)


def whole_batches(batch_size: int) -> int:
    """Return `batch_size` rounded up to whole network batches."""
    return max(1, -(-batch_size // NETWORK_BATCH)) * NETWORK_BATCH
