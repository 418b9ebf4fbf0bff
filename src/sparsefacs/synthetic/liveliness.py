"""What wild clips have beside their AUs' own rhythm: speech, eyes that stay closed, movements of one side."""

import numpy as np
from numpy.typing import NDArray

from .expression import au_to_units
from .mesh import face_mesh

F32 = NDArray[np.float32]
SPEECH_AUS = (16, 18, 22, 24, 25, 26)
EYES = (43, 45)  # both close the lids: AU43 for half a second and longer, AU45 in a blink
_FROM = 4.0  # syllables a second, least
_TO = 7.0


def two_sided(au: int) -> bool:
    """Return whether some face unit of `au` is there twice, left and right."""
    known = face_mesh().head.units.number
    return any(unit not in known for unit, _ in au_to_units()[au])


def one_sided(rng: np.random.Generator, aus: tuple[int, ...], share: float) -> dict[int, tuple[float, float]]:
    """Return AU → what is left of it on the person's left and right, 0–1, for the AUs that act more on one side.

    share: of the two-sided AUs. The stronger side is whole; eyes wink a third as often.
    """
    found = {}
    for au in aus:
        chance, weaker, left = rng.random(), float(rng.uniform(0, 0.6)) ** 1.5, rng.random() < 0.5
        if two_sided(au) and chance < (share / 3 if au in EYES else share):
            found[au] = (1.0, weaker) if left else (weaker, 1.0)
    return found


def shut_eyes(rng: np.random.Generator, frames: int, fps: float) -> F32:
    """Return lid closure (T,) 0–1 of eyes that close for 0.6 s to 4 s, every 12 s or so in half of the clips."""
    closure = np.zeros(frames)
    time = np.arange(frames) / fps
    if rng.random() < 0.5:
        return closure.astype(np.float32)
    at = rng.exponential(12.0) - 2.0
    while at < frames / fps:
        length = rng.uniform(0.6, 4.0)
        closing = np.clip((time - at) / 0.15, 0, 1) * np.clip((at + length - time) / 0.2, 0, 1)
        closure = np.maximum(closure, closing)
        at += length + rng.exponential(12.0)
    return np.asarray(closure * closure * (3 - 2 * closure), np.float32)


def speech(rng: np.random.Generator, frames: int, fps: float) -> dict[int, F32]:
    """Return AU → weight (T,) of a mouth that talks, four to seven syllables a second, with pauses.

    The jaw and lips open in every syllable, lips round, press or lower in some. Rates and strengths are ours.
    """
    time = np.arange(frames) / fps
    weights = {au: np.zeros(frames) for au in SPEECH_AUS}
    strength, at = rng.uniform(0.4, 1.0), 0.0
    while at < frames / fps:
        if rng.random() < 0.12:
            at += rng.uniform(0.3, 1.5)
        length = 1 / rng.uniform(_FROM, _TO)
        bump = np.exp(-(((time - at - length / 2) / (0.45 * length)) ** 2))
        shares = {25: rng.uniform(0.3, 1.0), 26: rng.uniform(0.0, 0.8)}
        shape = int(rng.integers(6))
        if shape < 4:
            shares[(16, 18, 22, 24)[shape]] = rng.uniform(0.2, 0.7)
        if 24 in shares:  # lips meet: m, b, p
            shares = {24: shares[24]}
        for au, share in shares.items():
            weights[au] = np.maximum(weights[au], strength * share * bump)
        at += length
    return {au: weight.astype(np.float32) for au, weight in weights.items()}
