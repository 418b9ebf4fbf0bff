"""When which AU acts: correlated smooth processes whose thresholds give a real data set's label statistics.

Each AU has a latent value with standard normal distribution: a part fixed for the subject plus a slow and a fast
smooth process in time. The AU acts where the value exceeds the threshold of its base rate (a Gaussian copula).
Latent correlations come from P(column active | row active) by inverting the bivariate normal distribution
(tetrachoric correlation); the subject's share from the spread of rates between subjects; the time scales were
fitted to run lengths (`fit_time_scales`).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .profiles import Profile, load_profile

LEVELS = (0.15, 0.30, 0.50, 0.70, 0.88)  # weight from which intensity is A, B, C, D, E (1–5)
FADE = 0.55  # latent distance below the threshold over which a weight fades out

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Dynamics:
    """What simulation needs of a profile for a list of AUs, all (A,) but root (A, A)."""

    aus: tuple[int, ...]
    fps: float
    rate: F64
    subject_share: F64
    slow_share: F64
    fast: F64
    slow: F64
    root: F64
    lowest: float  # weight at the threshold of activity


@dataclass(frozen=True)
class Track:
    """One clip: weights (T, A) 0–1, intensity (T, A) 0–5 whole levels, occurrence (T, A) int8."""

    weights: NDArray[np.float32]
    intensity: NDArray[np.float32]
    occurrence: NDArray[np.int8]


def joint_probability(first: float, second: float, rho: F64) -> F64:
    """Return P(both above threshold) for base rates `first`, `second` at latent correlations `rho` (R,) ascending.

    Integrates the bivariate normal density over the correlation (Plackett 1954).
    """
    from scipy.special import ndtri

    h, k = -ndtri(first), -ndtri(second)
    density = np.exp(-(h * h - 2 * rho * h * k + k * k) / (2 * (1 - rho**2))) / (2 * np.pi * np.sqrt(1 - rho**2))
    steps = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(rho))])
    zero = np.interp(0.0, rho, steps)
    return np.asarray(first * second + steps - zero)


def tetrachoric(first: float, second: float, both: float) -> float:
    """Return the latent correlation at which base rates `first` and `second` coincide with probability `both`."""
    rho = np.tanh(np.linspace(-3.2, 3.2, 801))
    return float(np.interp(both, joint_probability(first, second, rho), rho))


def subject_share(rate: float, spread: float) -> float:
    """Return the latent variance share, fixed per subject, that spreads subjects' rates by sd `spread`."""
    from scipy.special import ndtr, ndtri

    shares = np.linspace(0.001, 0.9, 400)
    nodes, weight = np.polynomial.hermite_e.hermegauss(40)
    weight = weight / weight.sum()
    rates = ndtr((np.sqrt(shares)[:, None] * nodes + ndtri(rate)) / np.sqrt(1 - shares)[:, None])
    spreads = np.sqrt(((rates - rate) ** 2 * weight).sum(axis=1))
    return float(np.interp(spread, spreads, shares))


@lru_cache(maxsize=16)
def dynamics(profile_name: str, aus: tuple[int, ...]) -> Dynamics:
    """Return the process parameters of `aus` in profile `bp4d` or `disfa`."""
    profile = load_profile(profile_name)
    rate = np.array([profile.rate(au) for au in aus])
    share = np.array([subject_share(profile.rate(au), profile.spread(au)) for au in aus])
    times = np.array([profile.time_scales(au) for au in aus])  # fast, slow (frames), slow share
    fast, slow, slow_share = times.T
    wanted = np.eye(len(aus))
    for i, first in enumerate(aus):
        for j, second in enumerate(aus[:i]):
            wanted[i, j] = wanted[j, i] = latent_correlation(profile, first, second)
    kept = _kept_correlation(share, fast, slow, slow_share)
    correlation = np.clip(wanted / kept, -0.98, 0.98) * (1 - np.eye(len(aus))) + np.eye(len(aus))
    root = _root(correlation, profile.root_signs if aus == DEFAULT_AUS else None)
    return Dynamics(aus, profile.fps, rate, share, slow_share, fast, slow, root, LEVELS[profile.active_level - 1])


def latent_correlation(profile: Profile, first: int, second: int) -> float:
    """Return the latent correlation of two AUs: from the profile, else the other profile, else an assumption."""
    for source in (profile, load_profile(profile.other)):
        both = source.joint(first, second)
        if both is not None:
            return tetrachoric(source.rate(first), source.rate(second), both)
    return profile.assumed_correlation(first, second)


def _kept_correlation(share: F64, fast: F64, slow: F64, slow_share: F64) -> F64:
    """Return, (A, A), which part of the innovations' correlation survives filters of different widths."""

    def overlap(width: F64) -> F64:
        product, squares = np.outer(width, width), width[:, None] ** 2 + width[None] ** 2
        return np.asarray(np.sqrt(2 * product / squares))

    def roots(part: F64) -> F64:
        return np.sqrt(np.outer(part, part))

    timed = roots(slow_share) * overlap(slow) + roots(1 - slow_share) * overlap(fast)
    return np.asarray(roots(share) + roots(1 - share) * timed)


def _root(correlation: F64, signs: tuple[int, ...] | None) -> F64:
    """Return M with M Mᵀ the nearest valid correlation matrix (eigenvalues clipped, diagonal restored).

    An eigenvector's sign is the linear-algebra library's choice, and another sign gives other labels: signs (A,) says
    which of it the largest entry of each is to have, so that the labels are the same everywhere.
    """
    values, vectors = np.linalg.eigh(correlation)
    if signs is not None:
        largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))]
        vectors = vectors * np.where(np.sign(largest) == signs, 1.0, -1.0)
    root = vectors * np.sqrt(np.clip(values, 1e-6, None))
    return np.asarray(root / np.sqrt((root**2).sum(axis=1, keepdims=True)))


def _mixed(root: F64, noise: F64) -> F64:
    # einsum, not a BLAS product: the same bits whatever the number of threads
    return np.asarray(np.einsum("ab,tb->ta", root, noise))


def latent(process: Dynamics, seed: int, subject: int, clip: int, frames: int) -> F64:
    """Return the latent values (T, A) of one clip; any clip of any subject can be had on its own."""
    from scipy.fft import irfft, next_fast_len, rfft

    own = np.random.default_rng(np.random.SeedSequence([seed, subject, 10]))
    fixed = _mixed(process.root, own.standard_normal((1, len(process.aus))))
    rng = np.random.default_rng(np.random.SeedSequence([seed, subject, 11, clip]))
    total = np.zeros((frames, len(process.aus)))
    for width, share in ((process.slow, process.slow_share), (process.fast, 1 - process.slow_share)):
        length = next_fast_len(
            frames + int(np.ceil(4 * width.max())), real=True
        )  # the filter wraps round behind the clip
        noise = _mixed(process.root, rng.standard_normal((length, len(process.aus))))
        frequency = np.arange(length // 2 + 1)[:, None] / length
        smooth = irfft(rfft(noise, axis=0) * np.exp(-2 * (np.pi * frequency * width) ** 2), length, axis=0)[:frames]
        # unit variance after filtering: Σk² of a Gaussian kernel is 1 / (2 √π σ)
        total += np.sqrt(share * 2 * np.sqrt(np.pi) * width) * smooth
    return np.asarray(np.sqrt(process.subject_share) * fixed + np.sqrt(1 - process.subject_share) * total)


def clip_track(process: Dynamics, seed: int, subject: int, clip: int, frames: int) -> Track:
    """Return the driving weights and labels of one clip."""
    from scipy.special import ndtr, ndtri

    values = latent(process, seed, subject, clip, frames)
    threshold = -ndtri(process.rate)
    rank = np.clip((ndtr(values) - (1 - process.rate)) / process.rate, 0, 1)
    fading = np.clip(1 + (values - threshold) / FADE, 0, 1)
    below = process.lowest * fading**2 * (3 - 2 * fading) * 0.999
    weights = np.where(values >= threshold, process.lowest + (1 - process.lowest) * rank, below)
    return Track(weights.astype(np.float32), intensity_of(weights), (values >= threshold).astype(np.int8))


def intensity_of(weights: F64) -> NDArray[np.float32]:
    """Return intensity levels 0–5 of weights 0–1 (FACS A–E; thresholds LEVELS)."""
    return np.searchsorted(LEVELS, weights, side="right").astype(np.float32)


def blinks(rng: np.random.Generator, frames: int, fps: float) -> NDArray[np.float32]:
    """Return lid closure (T,) 0–1 of spontaneous blinks, about fifteen a minute, each 0.3 s."""
    closure = np.zeros(frames)
    time = np.arange(frames) / fps
    at = rng.exponential(3.5) - 1.0
    while at < frames / fps:
        closing = np.clip((time - at) / 0.10, 0, 1)
        opening = np.clip((time - at - 0.14) / 0.18, 0, 1)
        closure = np.maximum(closure, closing * (1 - opening))
        at += 0.6 + rng.exponential(3.5)
    return np.asarray(closure * closure * (3 - 2 * closure), np.float32)


def run_lengths(active: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the lengths of the active and of the inactive runs of one sequence (T,)."""
    edges = np.flatnonzero(np.diff(active.astype(np.int8))) + 1
    bounds = np.concatenate([[0], edges, [len(active)]])
    lengths = np.diff(bounds)
    first_active = bool(active[0])
    return lengths[(0 if first_active else 1) :: 2], lengths[(1 if first_active else 0) :: 2]


def label_sequences(
    profile: str, aus: tuple[int, ...], subjects: int, clips: int, frames: int, seed: int
) -> NDArray[np.int8]:
    """Return occurrence labels (subjects, clips, frames, A), without rendering anything."""
    driven = driven_aus(aus)
    process = dynamics(profile, driven)
    columns = [driven.index(au) for au in aus]
    out = np.empty((subjects, clips, frames, len(aus)), np.int8)
    for subject in range(subjects):
        for clip in range(clips):
            out[subject, clip] = clip_track(process, seed, subject, clip, frames).occurrence[:, columns]
    return out


DEFAULT_AUS: tuple[int, ...] = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26)


def driven_aus(aus: tuple[int, ...]) -> tuple[int, ...]:
    """Return all AUs that move the face when `aus` are labelled: the 17, then further ones, not AU43 or AU45."""
    return DEFAULT_AUS + tuple(sorted(au for au in aus if au not in (*DEFAULT_AUS, 43, 45)))


def fit_time_scales(profile_name: str, au: int, seed: int = 0) -> tuple[float, float, float]:
    """Return (fast, slow, slow share) whose run lengths come nearest to the profile's, by search over simulations.

    Fast and slow are standard deviations in frames. This made the `time_scales` of tables/profiles.json.
    """
    profile = load_profile(profile_name)
    length, count = int(profile.clip_frames), max(8, 80_000 // int(profile.clip_frames))
    share = subject_share(profile.rate(au), profile.spread(au))
    targets = profile.runs(au)
    best, choice = np.inf, (4.0, 30.0, 0.7)
    for fast in (2.5, 4.0, 6.0, 9.0, 14.0):
        for ratio in (4, 10, 25, 60):
            for slow_share_ in (0.5, 0.7, 0.85, 0.95):
                one = np.ones(1)
                process = Dynamics(
                    (au,), profile.fps, one * profile.rate(au), one * share, one * slow_share_, one * fast,
                    one * min(fast * ratio, 200.0), np.eye(1), 0.15,
                )  # fmt: skip
                labels = [clip_track(process, seed, n, 0, length).occurrence[:, 0] > 0 for n in range(count)]
                runs = [run_lengths(label) for label in labels]
                cost = 0.0
                for kind, stress in ((0, 1.0), (1, 0.5)):
                    found = np.quantile(np.concatenate([run[kind] for run in runs]), (0.25, 0.5, 0.75))
                    cost += stress * float((np.abs(np.log(found / targets[kind])) * [0.6, 1.5, 0.8]).sum())
                if cost < best:
                    best, choice = cost, (fast, min(fast * ratio, 200.0), slow_share_)
    return choice
