"""One clip's frames: AU weights and labels, head pose, gaze and blinks."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .appearance import USUAL, Appearance
from .dynamics import Track, blinks, clip_track, driven_aus, dynamics, intensity_of
from .expression import Expression, Pose
from .liveliness import EYES, one_sided, shut_eyes, speech


@dataclass(frozen=True)
class Clip:
    """What happens in one clip, frame by frame.

    expressions, poses: T each; occurrence: (T, A) int8; intensity: (T, A) float32, 0–5; fps: frames a second; sides:
    (T, 2, A) float32, intensity 0–5 on the person's left and right.
    """

    expressions: tuple[Expression, ...]
    poses: tuple[Pose, ...]
    occurrence: NDArray[np.int8]
    intensity: NDArray[np.float32]
    fps: float
    sides: NDArray[np.float32]


Resting = Literal["plain", "varied"]
RESTING_AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 20, 23, 24, 25)


def make_clip(
    profile: str, aus: tuple[int, ...], seed: int, subject: int, clip: int, frames: int, drawn: Appearance = USUAL,
    resting: Resting = "plain",
) -> Clip:  # fmt: skip
    """Return clip number `clip` of a subject, the head as in appearance `drawn`; labels in the order of `aus`.

    resting: `varied` lays the movements over a resting face that may look like some AU, see `resting_face`; labels
    stay those of the movements, since coders judge change from rest.
    """
    driven = driven_aus(aus)
    rest = resting_face(seed, subject) if resting == "varied" else {}
    process = dynamics(profile, driven)
    track = clip_track(process, seed, subject, clip, frames)
    rng = np.random.default_rng(np.random.SeedSequence([seed, subject, 12, clip]))
    lively = np.random.default_rng(np.random.SeedSequence([seed, subject, 15, clip]))
    lids = {45: blinks(rng, frames, process.fps)}
    poses = _poses(rng, frames, process.fps, drawn)
    if drawn.shuts:
        lids[43] = shut_eyes(lively, frames, process.fps)
    closure = np.maximum.reduce(list(lids.values()))
    spoken = speech(lively, frames, process.fps) if lively.random() < drawn.talks else {}
    sides = one_sided(lively, (*driven, 45), drawn.one_sided) if drawn.one_sided else {}
    moved = {au: track.weights[:, a] for a, au in enumerate(driven)}
    for au, weight in spoken.items():
        moved[au] = np.maximum(moved[au], weight) if au in moved else weight
    expressions = tuple(
        Expression({**_over(rest, _seen(moved, t)), 45: float(closed)}, sides) for t, closed in enumerate(closure)
    )
    labels = _labels(track, driven, aus, lids | spoken, process.lowest)
    shares = np.array([[sides.get(45 if au in EYES else au, (1.0, 1.0))[side] for au in aus] for side in (0, 1)])
    by_side = _sided(labels[1], moved | lids, aus, shares)
    return Clip(expressions, poses, *labels, process.fps, by_side)


def resting_face(seed: int, subject: int) -> dict[int, float]:
    """Return how a person looks at rest, AU → weight: each of RESTING_AUS a little in one of four people, and in one of
    twenty as strongly as level B to C of its movement. Choices of ours: no data set tells how often resting faces do.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, subject, 14]))
    kind, little, strong = rng.random(len(RESTING_AUS)), rng.random(len(RESTING_AUS)), rng.random(len(RESTING_AUS))
    weights = np.where(kind < 0.05, 0.30 + 0.20 * strong, np.where(kind < 0.30, 0.05 + 0.20 * little, 0.0))
    return {au: float(weight) for au, weight in zip(RESTING_AUS, weights, strict=True) if weight > 0}


def _over(rest: dict[int, float], moved: dict[int, float]) -> dict[int, float]:
    """Return movements laid over a resting face: an AU starts from what is there, and ends where it always does."""
    start = {au: rest.get(au, 0.0) for au in {*rest, *moved}}
    return {au: low + (1 - low) * moved.get(au, 0.0) for au, low in sorted(start.items())}


def _seen(moved: dict[int, NDArray[np.float32]], t: int) -> dict[int, float]:
    return {au: float(weights[t]) for au, weights in moved.items() if weights[t] > 0.01}


def _labels(
    track: Track, driven: tuple[int, ...], aus: tuple[int, ...], beside: dict[int, NDArray[np.float32]], lowest: float
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return occurrence and intensity (T, A); beside: AU → weight (T,) of what moves apart from the track."""
    occurrence = np.zeros((len(track.occurrence), len(aus)), np.int8)
    intensity = np.zeros((len(track.occurrence), len(aus)), np.float32)
    for a, au in enumerate(aus):
        if au not in EYES:
            occurrence[:, a] = track.occurrence[:, driven.index(au)]
            intensity[:, a] = track.intensity[:, driven.index(au)]
        if au in beside:
            occurrence[:, a] = np.maximum(occurrence[:, a], beside[au] >= lowest)
            intensity[:, a] = np.maximum(intensity[:, a], intensity_of(beside[au].astype(np.float64)))
    return occurrence, intensity


def _sided(
    intensity: NDArray[np.float32], weights: dict[int, NDArray[np.float32]], aus: tuple[int, ...], shares: NDArray[Any]
) -> NDArray[np.float32]:
    """Return intensity (T, 2, A) by side; shares: (2, A), of the weights of AUs on each side."""
    by_side = np.repeat(intensity[:, None], 2, axis=1)
    for a, au in enumerate(aus):
        for side in (0, 1):
            if shares[side, a] < 1 and au in weights:
                by_side[:, side, a] = intensity_of(weights[au].astype(np.float64) * shares[side, a])
    return by_side


def _poses(rng: np.random.Generator, frames: int, fps: float, drawn: Appearance) -> tuple[Pose, ...]:
    from scipy.ndimage import gaussian_filter1d

    margin = int(fps * 3)
    drift = rng.standard_normal((frames + 2 * margin, 8))
    smooth = gaussian_filter1d(drift, 0.45 * fps, axis=0, truncate=4.0)[margin : margin + frames]
    smooth *= np.sqrt(2 * np.sqrt(np.pi) * 0.45 * fps)
    rest = rng.normal(0, drawn.rest)
    yaw, pitch, roll = (
        np.clip(rest[k] + drawn.drift[k] * smooth[:, k], -drawn.limit[k], drawn.limit[k]) for k in range(3)
    )
    shift = 0.12 * smooth[:, 3:6]
    gaze = _saccades(rng, frames, fps) + 1.0 * smooth[:, 6:8]
    gaze[:, 0] -= 0.5 * yaw  # people mostly look near the camera
    gaze[:, 1] -= 0.5 * pitch
    gaze = np.clip(gaze, [-22, -16], [22, 12])
    return tuple(
        Pose(float(yaw[t]), float(pitch[t]), float(roll[t]), (float(gaze[t, 0]), float(gaze[t, 1])),
             (float(shift[t, 0]), float(shift[t, 1]), float(shift[t, 2])))
        for t in range(frames)
    )  # fmt: skip


def _saccades(rng: np.random.Generator, frames: int, fps: float) -> NDArray[np.float64]:
    """Return gaze (T, 2) in degrees that rests and jumps, about once a second."""
    jumps = rng.random(frames) < 0.9 / fps
    jumps[0] = True
    targets = rng.normal(0, [5.0, 2.5], (frames, 2))
    held = np.maximum.accumulate(np.where(jumps, np.arange(frames), 0))
    return np.asarray(targets[held])
