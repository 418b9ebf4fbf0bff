"""Faces go through the network in batches of one fixed size, so that company never changes a face's codes.

Kernels are chosen by batch size, and each sums in its own order: the same face differs in the last bits between a
batch of 1 and one of 16. In full batches of one size every face meets the same kernels, whoever is beside it.
"""

import numpy as np
from numpy.typing import NDArray

from .contract import Coder

NETWORK_BATCH = 16  # faces; on a CPU the time per face hardly falls beyond this


def code_faces(coder: Coder, faces_BHWC: NDArray[np.uint8], landmarks_BPC: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the codes (B, A) of aligned faces (B, size, size, 3), B any number, in calls of NETWORK_BATCH faces.

    landmarks_BPC: (B, 68, 2), pixels of the faces. The last call is filled up with black faces,
    whose codes are dropped.
    """
    total = len(faces_BHWC)
    codes_BA = np.empty((total, len(coder.aus)), np.float32)
    for start in range(0, total, NETWORK_BATCH):
        chunk = faces_BHWC[start : start + NETWORK_BATCH]
        short = NETWORK_BATCH - len(chunk)
        points = landmarks_BPC[start : start + NETWORK_BATCH]
        full = np.pad(chunk, ((0, short), (0, 0), (0, 0), (0, 0))) if short else chunk
        spread = np.pad(points, ((0, short), (0, 0), (0, 0)), mode="edge") if short else points
        codes_BA[start : start + len(chunk)] = coder(full, spread)[: len(chunk)]
    return codes_BA


def whole_batches(batch_size: int) -> int:
    """Return `batch_size` rounded up to whole network batches."""
    return max(1, -(-batch_size // NETWORK_BATCH)) * NETWORK_BATCH
