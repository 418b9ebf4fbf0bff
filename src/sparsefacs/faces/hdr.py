"""HDR video (PQ and HLG) to ordinary colours; decoders give its numbers as they stand, which look flat and grey.

ITU-R BT.2100 gives both curves. White of 203 cd/m² (BT.2408) becomes 1; what is brighter is rolled off, not cut.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

PQ, HLG = 16, 18  # transfer characteristics as of H.273
KINDS = {PQ: "PQ", HLG: "HLG"}
WHITE = 203.0  # cd/m²
_PEAK_HLG = 1000.0  # cd/m², the display that HLG is graded for
_KNEE = 0.75  # of white: from here on highlights are rolled off
_STEPS = 65536
# From BT.2020 to BT.709 primaries, both of white D65, linear light.
_TO_709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32)
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)


def to_ordinary(image: NDArray[np.uint16], transfer: int) -> NDArray[np.uint8]:
    """Return an HDR picture, RGB (H, W, 3) of 16 bits in BT.2020, as RGB (H, W, 3) of 8 bits in BT.709 (sRGB curve).

    transfer: `PQ` or `HLG`.
    """
    light = _light(transfer)[image]
    if transfer == HLG:
        luma = np.maximum(light @ _LUMA_2020, 1e-6)
        light *= (_PEAK_HLG / WHITE) * luma[..., None] ** 0.2
    light = light @ _TO_709.T
    high = light > _KNEE
    rest = 1 - _KNEE
    light[high] = 1 - rest * np.exp((_KNEE - light[high]) / rest)
    return np.asarray(_srgb()[np.clip(light * (_STEPS - 1), 0, _STEPS - 1).astype(np.uint16)], np.uint8)


@lru_cache(maxsize=2)
def _light(transfer: int) -> NDArray[np.float32]:
    """Return of each 16-bit number its linear light: of white for PQ, of the scene (0–1) for HLG."""
    signal = np.arange(_STEPS) / (_STEPS - 1)
    if transfer == PQ:
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        root = signal ** (1 / m2)
        return np.asarray(10000 / WHITE * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1), np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.asarray(np.where(signal <= 1 / 2, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12), np.float32)


@lru_cache(maxsize=1)
def _srgb() -> NDArray[np.uint8]:
    light = np.arange(_STEPS) / (_STEPS - 1)
    return np.round(255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)).astype(
        np.uint8
    )
