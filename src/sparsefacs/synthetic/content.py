"""What is in a synthetic store, told so that another machine can check its own: a hash, and samples with tolerances.

What is acted - settings, names, times, labels - is the same everywhere: it is hashed, and known before a face is made.
Pixels, and what a finder sees in them, come from floating-point code and picture coders of several libraries, whose
builds differ in last digits. So a few faces may be found on one machine and missed on another, and of some faces
landmarks and means of the picture's blocks are kept, which are compared within tolerances far below what can be seen.
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
from .appearance import load_appearance
from .motion import make_clip
from .pipeline import Job, job_source, row_names, row_source

SAMPLES = 64  # faces of which landmarks and block means are kept
BLOCKS = 8  # blocks along a side of the face
LANDMARK_PX = 0.05  # farthest that a landmark of the generator may lie from the one kept; kept to 0.01
FOUND_PX = 0.5  # farthest that a found landmark may lie from the one kept
FARTHER = 0.05  # share of the faces in which one may lie farther: on a hard face last digits decide what is found
BLOCK_LEVELS = 2.0  # grey levels that one block's mean may differ; kept to 0.01
MEAN_LEVELS = 0.25  # and all blocks on average
MISSED = 0.02  # share of all faces that may be missed here and not there, or the other way round
LIBRARIES = ("anny", "llvmlite", "numba", "numpy", "onnxruntime", "opencv-contrib-python-headless",
             "pillow", "scipy")  # fmt: skip
SETTINGS = ("generator_version", "seed", "profile", "fps", "frame_step", "subjects", "clips", "frames", "supersample",
            "appearance", "resting")  # fmt: skip
_MEASURES = ("landmarks", "true_landmarks", "blocks")


def job_of_store(store: Store) -> Job:
    """Return the work that a synthetic store says it was made by, flow left out."""
    source = store.info.source
    return Job(
        source["subjects"], source["clips"], source["frames"], store.info.size, source["seed"], source["profile"],
        flow=False, supersample=source["supersample"], aus=store.aus, frame_step=source.get("frame_step", 1),
        appearance=source["appearance"], resting=source["resting"], points=source["points"],
        version=source["generator_version"],
    )  # fmt: skip


def acted(job: Job) -> dict[str, NDArray[Any]]:
    """Return what all faces of `job` show, those that the finder will miss too, in order and without making any.

    subject, clip, frame, time (s), occurrence (M, A), intensity (M, A).
    """
    columns: dict[str, list[Any]] = {name: [] for name in ("subject", "clip", "frame", "time")}
    occurrence, intensity = [], []
    kept = list(job.kept_frames)
    for subject in range(job.subjects):
        for clip in range(job.clips):
            made = make_clip(
                job.profile, job.aus, job.seed, subject, clip, job.frames_acted, load_appearance(job.appearance)
            )
            names = row_names(subject, clip)
            columns["subject"] += [names[0]] * job.frames
            columns["clip"] += [names[1]] * job.frames
            columns["frame"] += kept
            columns["time"] += [t / made.fps for t in kept]
            occurrence.append(made.occurrence[kept])
            intensity.append(made.intensity[kept])
    ready: dict[str, NDArray[Any]] = {name: np.array(values) for name, values in columns.items()}
    return ready | {"occurrence": np.concatenate(occurrence), "intensity": np.concatenate(intensity)}


def expected_hash(job: Job, columns: Mapping[str, NDArray[Any]] | None = None) -> str:
    """Return the SHA-256 of all that is exact in the store that `job` makes, without making any face of it.

    Its settings, how faces are cut, AUs, and in order of every face acted: subject, clip, frame, time to the
    microsecond, occurrence, intensity. The same for any number of processes and threads, on any machine. columns: what
    `acted` gives, where it is known.
    """
    columns = acted(job) if columns is None else columns
    settings = {name: job_source(job).get(name) for name in SETTINGS}
    told = [settings, job.recipe.as_json(), list(job.aus)]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name in ("subject", "clip"):
        digest.update("\n".join(columns[name].tolist()).encode())
    digest.update(columns["frame"].astype("<i4").tobytes())
    digest.update(_microseconds(columns["time"]).tobytes())
    digest.update(columns["occurrence"].astype("i1").tobytes())
    digest.update(_levels(columns["intensity"]).tobytes())
    return digest.hexdigest()


def _microseconds(seconds: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.rint(seconds * 1e6), "<i8")


def _levels(intensity: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.nan_to_num(intensity, nan=-1), "i1")


def positions(store: Store, job: Job) -> NDArray[np.int64]:
    """Return which of all faces of `job`, counted from 0, each face of a store is; −1 for one that is none of them."""
    clip_of = {row_names(s, c): s * job.clips + c for s in range(job.subjects) for c in range(job.clips)}
    names = zip(store.strings("subject").tolist(), store.strings("clip").tolist(), strict=True)
    clips = np.array([clip_of.get(name, -1) for name in names], np.int64)
    frames, rest = np.divmod(store.numbers("frame").astype(np.int64), job.frame_step)
    known = (clips >= 0) & (rest == 0) & (frames >= 0) & (frames < job.frames)
    return np.where(known, clips * job.frames + frames, -1)


def missed(store: Store, job: Job) -> NDArray[np.int64]:
    """Return which of all faces of `job`, counted from 0, a store does not have."""
    return np.setdiff1d(np.arange(job.subjects * job.clips * job.frames), positions(store, job))


def disagreements(store: Store, job: Job, columns: Mapping[str, NDArray[Any]]) -> list[str]:
    """Return in words where the faces of a store are not those acted (`columns`, of `acted`); nothing if all are.

    A face that is not there must be one of the store's rejects.
    """
    rows = positions(store, job)
    if (rows < 0).any() or (np.diff(rows) <= 0).any():
        return ["which faces there are"]
    same = _microseconds(store.numbers("time")) == _microseconds(columns["time"][rows])
    same &= (store.occurrence() == columns["occurrence"][rows]).all(axis=1)
    same &= (_levels(store.intensity()) == _levels(columns["intensity"][rows])).all(axis=1)
    told = [] if same.all() else [f"labels or times of {(~same).sum()} faces"]
    rejected = {(reject.source, reject.frame) for reject in store.info.rejected}
    lost = 0
    for place in missed(store, job).tolist():
        clip, frame = divmod(place, job.frames)
        source = row_source(job.seed, *divmod(clip, job.clips))
        lost += (source, frame * job.frame_step) not in rejected
    return [*told, f"{lost} faces that are neither there nor rejected"] if lost else told


def sampled_rows(faces: int) -> NDArray[np.int64]:
    """Return which of `faces` faces, evenly spread, have their landmarks and pixels compared."""
    count = min(SAMPLES, faces)
    return (np.arange(count) * faces + faces // 2) // count


def block_means(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the mean colours (8, 8, 3) of an image's (H, W, 3) blocks."""
    rows, columns = (np.linspace(0, side, BLOCKS + 1).astype(int)[:-1] for side in image.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(image.astype(np.float64), rows, axis=0), columns, axis=1)
    heights, widths = np.diff([*rows, image.shape[0]]), np.diff([*columns, image.shape[1]])
    return np.asarray(sums / (heights[:, None] * widths)[..., None])


def measure(store: Store, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return landmarks, found and true, (n, 68, 2) px and block means (n, 8, 8, 3) of the store's rows `rows`."""
    measures: dict[str, NDArray[np.float64]] = {
        name: store.vectors(name)[rows].reshape(-1, 68, 2).astype(np.float64)
        for name in ("landmarks", "true_landmarks")
    }
    return measures | {"blocks": np.stack([block_means(store.image(int(row))) for row in rows])}


def reference_of(store: Store) -> dict[str, Any]:
    """Return what is kept of a store beside its hash: which faces were missed, measures of sampled ones, versions."""
    job = job_of_store(store)
    here, absent = positions(store, job), missed(store, job)
    sampled = np.setdiff1d(sampled_rows(len(here) + len(absent)), absent)
    rows = np.searchsorted(here, sampled)
    kept = {name: _packed(values) for name, values in measure(store, rows).items()}
    told = {"size": store.info.size, "made_with": library_versions()}
    return {**told, "missed": absent.tolist(), "faces": sampled.tolist(), **kept}


def _packed(values: NDArray[np.float64]) -> dict[str, Any]:
    whole = np.rint(values * 100).astype("<i2")
    return {"shape": list(whole.shape), "hundredths": base64.b64encode(zlib.compress(whole.tobytes(), 9)).decode()}


def kept_measures(reference: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Return the measures that `reference_of` kept, as `measure` gives them."""
    return {name: _unpacked(reference[name]) for name in _MEASURES}


def _unpacked(content: Mapping[str, Any]) -> NDArray[np.float64]:
    values = np.frombuffer(zlib.decompress(base64.b64decode(content["hundredths"])), "<i2")
    return np.asarray(values.reshape(content["shape"]) / 100.0)


def differences(store: Store, reference: Mapping[str, Any]) -> list[str]:
    """Return in words what of a store's faces is out of tolerance of `reference`; nothing if all is well.

    Sampled faces are compared where both have them.
    """
    if store.info.size != reference["size"]:
        return [f"the size of faces, {store.info.size} px, not {reference['size']}"]
    job = job_of_store(store)
    here, absent = positions(store, job), missed(store, job)
    other = np.setxor1d(absent, np.array(reference["missed"], np.int64))
    total = job.subjects * job.clips * job.frames
    told = []
    if len(other) > MISSED * total:
        told.append(
            f"which faces are missed: {len(absent)}, not {len(reference['missed'])}, {len(other)} of them others"
        )
    sampled = np.array(reference["faces"], np.int64)
    both = np.isin(sampled, here)
    if not both.any():
        return [*told, "the number of faces"]
    kept = {name: values[both] for name, values in kept_measures(reference).items()}
    return told + out_of_tolerance(measure(store, np.searchsorted(here, sampled[both])), kept)


def out_of_tolerance(found: Mapping[str, NDArray[np.float64]], kept: Mapping[str, NDArray[np.float64]]) -> list[str]:
    """Return in words which measures of some faces are too far from those kept of the same faces."""
    if any(found[name].shape != kept[name].shape for name in kept):
        return ["the number of faces"]
    away = {name: np.abs(found[name] - kept[name]) for name in kept}
    told = []
    if away["true_landmarks"].max() > LANDMARK_PX:
        told.append(f"true landmarks, by up to {away['true_landmarks'].max():.2f} px")
    farthest = away["landmarks"].reshape(len(away["landmarks"]), -1).max(axis=1)
    if (far := (farthest > FOUND_PX).mean()) > FARTHER:
        told.append(
            f"landmarks, in {100 * far:.0f} % of the faces by more than {FOUND_PX} px, by up to {farthest.max():.2f}"
        )
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
