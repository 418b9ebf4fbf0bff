"""What is in a synthetic store, told so that another machine can check its own: a hash, and samples with tolerances.

Labels, times, names and settings are the same everywhere and are hashed. Pixels and landmarks come from floating-point
code and picture coders of several libraries, whose builds differ in last digits, so those of some faces are kept:
landmarks, and means of the picture's blocks, which are compared within tolerances far below what can be seen.
"""

import base64
import hashlib
import importlib.metadata
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.store import Store
from .motion import make_clip
from .pipeline import Job, job_source, row_names

SAMPLES = 64  # faces of which landmarks and block means are kept
BLOCKS = 8  # blocks along a side of the face
LANDMARK_PX = 0.05  # farthest that a landmark may lie from the one kept; kept to 0.01
BLOCK_LEVELS = 2.0  # grey levels that one block's mean may differ; kept to 0.01
MEAN_LEVELS = 0.25  # and all blocks on average
LIBRARIES = ("anny", "llvmlite", "numba", "numpy", "opencv-contrib-python", "pillow", "scipy")
SETTINGS = ("generator_version", "seed", "profile", "fps", "frame_step", "subjects", "clips", "frames", "supersample",
            "appearance")  # fmt: skip


def content_hash(store: Store) -> str:
    """Return the SHA-256 of all that is exact in a synthetic store.

    Its settings, how faces are cut, AUs, and in order of every face: subject, clip, frame, time to the microsecond,
    occurrence, intensity. The same for any number of processes and threads, on any machine.
    """
    columns: dict[str, NDArray[Any]] = {name: store.strings(name) for name in ("subject", "clip")}
    columns |= {name: store.numbers(name) for name in ("frame", "time")}
    columns |= {"occurrence": store.occurrence(), "intensity": store.intensity()}
    return _hash(store.info.source, store.info.recipe, store.aus, columns)


def expected_hash(job: Job) -> str:
    """Return the `content_hash` of the store that `job` makes, without making any face of it."""
    columns: dict[str, list[Any]] = {name: [] for name in ("subject", "clip", "frame", "time")}
    occurrence, intensity = [], []
    kept = list(job.kept_frames)
    for subject in range(job.subjects):
        for clip in range(job.clips):
            acted = make_clip(job.profile, job.aus, job.seed, subject, clip, job.frames_acted)
            names = row_names(subject, clip)
            columns["subject"] += [names[0]] * job.frames
            columns["clip"] += [names[1]] * job.frames
            columns["frame"] += kept
            columns["time"] += [t / acted.fps for t in kept]
            occurrence.append(acted.occurrence[kept])
            intensity.append(acted.intensity[kept])
    ready: dict[str, NDArray[Any]] = {name: np.array(values) for name, values in columns.items()}
    ready |= {"occurrence": np.concatenate(occurrence), "intensity": np.concatenate(intensity)}
    return _hash(job_source(job), job.recipe.as_json(), job.aus, ready)


def _hash(
    source: Mapping[str, Any], recipe: Mapping[str, Any], aus: tuple[int, ...], columns: Mapping[str, NDArray[Any]]
) -> str:
    settings = {name: source.get(name) for name in SETTINGS}
    digest = hashlib.sha256(json.dumps([settings, recipe, list(aus)], sort_keys=True).encode())
    for name in ("subject", "clip"):
        digest.update("\n".join(columns[name].tolist()).encode())
    digest.update(columns["frame"].astype("<i4").tobytes())
    digest.update(np.rint(columns["time"] * 1e6).astype("<i8").tobytes())
    digest.update(columns["occurrence"].astype("i1").tobytes())
    digest.update(np.nan_to_num(columns["intensity"], nan=-1).astype("i1").tobytes())
    return digest.hexdigest()


def sampled_rows(faces: int) -> NDArray[np.int64]:
    """Return the rows, evenly spread over `faces`, whose landmarks and pixels are compared."""
    count = min(SAMPLES, faces)
    return (np.arange(count) * faces + faces // 2) // count


def block_means(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the mean colours (8, 8, 3) of an image's (H, W, 3) blocks."""
    rows, columns = (np.linspace(0, side, BLOCKS + 1).astype(int)[:-1] for side in image.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(image.astype(np.float64), rows, axis=0), columns, axis=1)
    heights, widths = np.diff([*rows, image.shape[0]]), np.diff([*columns, image.shape[1]])
    return np.asarray(sums / (heights[:, None] * widths)[..., None])


def measure(store: Store) -> dict[str, NDArray[np.float64]]:
    """Return landmarks (n, 68, 2) px and block means (n, 8, 8, 3) of the store's sampled faces."""
    rows = sampled_rows(len(store))
    landmarks = store.vectors("landmarks")[rows].reshape(-1, 68, 2).astype(np.float64)
    return {"landmarks": landmarks, "blocks": np.stack([block_means(store.image(int(row))) for row in rows])}


def reference_of(store: Store) -> dict[str, Any]:
    """Return what is kept of a store beside its hash: measures of its sampled faces, and libraries' versions."""
    kept = {name: _packed(values) for name, values in measure(store).items()}
    return {"size": store.info.size, "made_with": library_versions(), **kept}


def _packed(values: NDArray[np.float64]) -> dict[str, Any]:
    whole = np.rint(values * 100).astype("<i2")
    return {"shape": list(whole.shape), "hundredths": base64.b64encode(zlib.compress(whole.tobytes(), 9)).decode()}


def kept_measures(reference: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Return the measures that `reference_of` kept, as `measure` gives them."""
    return {name: _unpacked(reference[name]) for name in ("landmarks", "blocks")}


def _unpacked(content: Mapping[str, Any]) -> NDArray[np.float64]:
    values = np.frombuffer(zlib.decompress(base64.b64decode(content["hundredths"])), "<i2")
    return np.asarray(values.reshape(content["shape"]) / 100.0)


def differences(store: Store, reference: Mapping[str, Any]) -> list[str]:
    """Return in words what of a store's sampled faces is out of tolerance of `reference`; nothing if all is well."""
    if store.info.size != reference["size"]:
        return [f"the size of faces, {store.info.size} px, not {reference['size']}"]
    return out_of_tolerance(measure(store), kept_measures(reference))


def out_of_tolerance(found: Mapping[str, NDArray[np.float64]], kept: Mapping[str, NDArray[np.float64]]) -> list[str]:
    """Return in words which measures of some faces are too far from those kept of the same faces."""
    if any(found[name].shape != kept[name].shape for name in kept):
        return ["the number of faces"]
    away = {name: np.abs(found[name] - kept[name]) for name in kept}
    told = []
    if away["landmarks"].max() > LANDMARK_PX:
        told.append(f"landmarks, by up to {away['landmarks'].max():.2f} px")
    if away["blocks"].max() > BLOCK_LEVELS or away["blocks"].mean() > MEAN_LEVELS:
        told.append(f"pixels, by up to {away['blocks'].max():.1f} grey levels in the mean of a block")
    return told


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that labels, landmarks and pixels come from."""
    return {name: _version(name) for name in LIBRARIES}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def other_versions(made_with: Mapping[str, str]) -> str:
    """Return in words which libraries here are not of the versions `made_with`; empty if all are."""
    here = library_versions()
    other = [
        f"{name} {here[name]}, not {made_with[name]}" for name in here if made_with.get(name, here[name]) != here[name]
    ]
    return "; ".join(other)
