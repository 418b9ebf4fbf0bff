"""The open synthetic benchmark's faces: made by its fixed recipes (items/benchmark.yaml) and checked.

What is acted must be exactly what the recipe says, by hash, and every face that is there must show it; which faces are
missed, and landmarks and pixels of sampled ones, must lie within tolerances (`synthetic.content`) of what is kept in
`faces/`.
"""

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, cast

from ..data.store import Store
from ..errors import InputError
from ..files import write_json
from ..synthetic.appearance import USUAL
from ..synthetic.content import (
    acted,
    differences,
    disagreements,
    expected_hash,
    job_of_store,
    other_versions,
    reference_of,
)
from ..synthetic.dynamics import DEFAULT_AUS
from ..synthetic.pipeline import Job, frame_step_of, job_source, synth
from .items import Faces, benchmark

_AGAIN = "Delete this folder and make the faces again, or give another folder"


def ensure_store(folder: str | Path, name: str = "frequent", *, workers: int = 2) -> Store:
    """Return the benchmark's store `name` in `folder`, made there if it is not yet; always checked.

    name: frequent or rare, or frequent-shifted, a second test set, of other people in another appearance. A killed call
    goes on where it was. Raises InputError for a folder that holds something else, and where this machine makes other
    faces than the benchmark's: the message says which libraries are not of the versions that those were made with.
    """
    return make_and_check(Path(folder), faces_of(name), reference_faces(name), benchmark().version, workers=workers)


def faces_of(name: str) -> Faces:
    """Return the recipe of one of the benchmark's stores."""
    stores = benchmark().stores
    if name not in stores:
        raise InputError(f"this benchmark has no faces called {name!r}", remedy=f"It has: {', '.join(stores)}")
    return stores[name]


def reference_faces(name: str) -> dict[str, Any]:
    """Return what is kept of one of the benchmark's stores: see `synthetic.content.reference_of`."""
    file = resources.files(__package__) / "faces" / f"benchmark-v{benchmark().version}-{name}.json"
    return dict(json.loads(file.read_text(encoding="utf-8")))


def job_of(faces: Faces) -> Job:
    """Return the work that makes `faces`."""
    step = frame_step_of(faces.profile, faces.fps)
    return Job(
        faces.subjects, faces.clips, faces.frames, faces.size, faces.seed, faces.profile, flow=False, supersample=2,
        aus=DEFAULT_AUS, frame_step=step, appearance=faces.appearance or USUAL.name, resting=faces.resting or "plain",
        points=faces.points or "found",
    )  # fmt: skip


def make_and_check(
    folder: Path, faces: Faces, reference: Mapping[str, Any], version: int, *, workers: int = 2
) -> Store:
    """Return the store of `faces` in `folder`, made if it is not there, checked against their hash and `reference`."""
    job = job_of(faces)
    if faces.generator_version not in (None, job.version):
        raise InputError(
            f"benchmark version {version} is made by generator {faces.generator_version}, not {job.version}",
            remedy="Install the sparsefacs that has this benchmark, or take the benchmark of the newer one",
        )
    if not (folder / "store.json").is_file():
        _check_hash(expected_hash(job), faces, reference, version, folder)  # before minutes are spent
        synth(
            folder,
            subjects=job.subjects,
            clips=job.clips,
            frames=job.frames,
            size=job.size,
            seed=job.seed,
            workers=workers,
            profile=cast(Any, job.profile),
            fps=faces.fps,
            appearance=cast(Any, job.appearance),
            resting=job.resting,
            points=job.points,
        )
    store = Store(folder)
    check(store, faces, reference, version)
    return store


def check(store: Store, faces: Faces, reference: Mapping[str, Any], version: int) -> None:
    """Raise InputError, saying what differs, unless `store` holds the benchmark's `faces`."""
    job = job_of(faces)
    if told := _other_settings(store, job):
        raise InputError(
            f"holds other faces than the benchmark's, version {version}: {'; '.join(told)}",
            path=store.path,
            remedy="Give another folder, or delete this one",
        )
    columns = acted(job)
    _check_hash(expected_hash(job, columns), faces, reference, version, store.path)
    if out := disagreements(store, job, columns) or differences(store, reference):
        raise _differing(" and ".join(out), reference, version, store.path)


def _other_settings(store: Store, job: Job) -> list[str]:
    """Return in words which settings of a store are not those of `job`."""
    found, wanted = store.info.source, job_source(job)
    told = [
        f"{name.replace('_', ' ')} {found.get(name)}, not {value}"
        for name, value in (wanted | {"frame_step": wanted.get("frame_step")}).items()
        if name not in ("note", "people", "models") and found.get(name) != value
    ]
    told += ["points found by other models"] if found.get("models", {}) != wanted["models"] else []
    told += ["faces cut otherwise"] if store.info.recipe != job.recipe.as_json() else []
    return told + (["other AUs"] if store.aus != job.aus else [])


def _check_hash(found: str, faces: Faces, reference: Mapping[str, Any], version: int, path: Path) -> None:
    if found != faces.sha256:
        known = "no hash" if faces.sha256 is None else f"{faces.sha256[:12]}…"
        raise _differing(f"labels acted (hash {found[:12]}…, not {known})", reference, version, path)


def _differing(what: str, reference: Mapping[str, Any], version: int, path: Path) -> InputError:
    versions = other_versions(reference["made_with"])
    because = f"Libraries are of other versions: {versions}" if versions else "Libraries are of the same versions"
    remedy = f"Install those versions. {_AGAIN}" if versions else _AGAIN
    return InputError(
        f"these are not the benchmark's faces, version {version}: they differ in {what}. {because}",
        path=path,
        remedy=remedy,
    )


def record(store: Store, path: Path) -> str:
    """Write to `path` what is kept of a new benchmark's faces, and return their hash for its recipe.

    For whoever makes a new version; docs/benchmark.md says how.
    """
    write_json(path, reference_of(store))
    return expected_hash(job_of_store(store))
