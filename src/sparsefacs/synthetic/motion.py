"""One clip's frames: AU weights and labels, head pose, gaze and blinks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .appearance import USUAL, Appearance
from .dynamics import Track, blinks, clip_track, driven_aus, dynamics, intensity_of
from .expression import Expression, Pose


@dataclass(frozen=True)
class Clip:
    """What happens in one clip, frame by frame.

    expressions, poses: T each; occurrence: (T, A) int8; intensity: (T, A) float32, 0–5; fps: frames a second.
    """

    expressions: tuple[Expression, ...]
    poses: tuple[Pose, ...]
    occurrence: NDArray[np.int8]
    intensity: NDArray[np.float32]
    fps: float


def make_clip(
    profile: str, aus: tuple[int, ...], seed: int, subject: int, clip: int, frames: int, drawn: Appearance = USUAL
) -> Clip:
    """Return clip number `clip` of a subject, the head as in appearance `drawn`; labels in the order of `aus`."""
    driven = driven_aus(aus)
    process = dynamics(profile, driven)
    track = clip_track(process, seed, subject, clip, frames)
    rng = np.random.default_rng(np.random.SeedSequence([seed, subject, 12, clip]))
    closure = blinks(rng, frames, process.fps)
    poses = _poses(rng, frames, process.fps, drawn)
    expressions = tuple(
        Expression({**_seen(driven, weights), 45: float(closed)})
        for weights, closed in zip(track.weights, closure, strict=True)
    )
    occurrence, intensity = _labels(track, driven, aus, closure, process.lowest)
    return Clip(expressions, poses, occurrence, intensity, process.fps)


def _seen(driven: tuple[int, ...], weights: NDArray[np.float32]) -> dict[int, float]:
    return {au: float(weight) for au, weight in zip(driven, weights, strict=True) if weight > 0.01}


def _labels(
    track: Track, driven: tuple[int, ...], aus: tuple[int, ...], closure: NDArray[np.float32], lowest: float
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    occurrence = np.zeros((len(closure), len(aus)), np.int8)
    intensity = np.zeros((len(closure), len(aus)), np.float32)
    for a, au in enumerate(aus):
        if au == 45:
            occurrence[:, a] = closure >= lowest
            intensity[:, a] = intensity_of(closure.astype(np.float64))
        else:
            occurrence[:, a] = track.occurrence[:, driven.index(au)]
            intensity[:, a] = track.intensity[:, driven.index(au)]
    return occurrence, intensity


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
