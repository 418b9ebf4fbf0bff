"""The open benchmark's faces: made once, checked by hash and within tolerances, and refused in words."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparsefacs.data.store import Reject, Store
from sparsefacs.errors import InputError
from sparsefacs.experiments import benchmark as room
from sparsefacs.experiments.items import Faces
from sparsefacs.faces.cutting import NO_FACE
from sparsefacs.faces.detection import FaceFinder
from sparsefacs.synthetic import synth
from sparsefacs.synthetic.content import (
    acted,
    block_means,
    differences,
    disagreements,
    expected_hash,
    job_of_store,
    kept_measures,
    library_versions,
    measure,
    missed,
    out_of_tolerance,
    positions,
    reference_of,
    sampled_rows,
)
from sparsefacs.synthetic.pipeline import GENERATOR_VERSION, clip_rows, seen_by

TINY = {"subjects": 2, "clips": 1, "frames": 2, "size": 48, "seed": 4, "fps": 8.33, "points": "true"}
NAMES = ("frequent", "rare", "frequent-shifted")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return synth(tmp_path_factory.mktemp("tiny") / "store", workers=2, **TINY)


@pytest.fixture(scope="module")
def faces(made: Store) -> Faces:
    return Faces(**TINY, generator_version=GENERATOR_VERSION, sha256=expected_hash(job_of_store(made)))


class Changed(Store):
    """A store that reads as if some of its content were other. rows: which of its faces it has."""

    def __init__(self, path: Path, rows: tuple[int, ...] = (0, 1, 2, 3), **change: Any) -> None:
        super().__init__(path)
        self.whole, self.change, self.rows = Store(path), change, list(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def occurrence(self, aus: tuple[int, ...] | None = None) -> Any:
        labels = self.whole.occurrence(aus).copy()
        if "label" in self.change:
            labels[self.change["label"]] ^= 1
        return labels[self.rows]

    def intensity(self, aus: tuple[int, ...] | None = None) -> Any:
        levels = self.whole.intensity(aus).copy()
        if "level" in self.change:
            levels[self.change["level"]] += 1
        return levels[self.rows]

    def strings(self, name: str) -> Any:
        return self.whole.strings(name)[self.rows]

    def numbers(self, name: str) -> Any:
        return self.whole.numbers(name)[self.rows] + (
            self.change.get("by", 1) if name == self.change.get("later") else 0
        )

    def vectors(self, name: str) -> Any:
        return self.whole.vectors(name)[self.rows] + self.change.get(name, 0)

    def image(self, row: int) -> Any:
        noise = np.random.default_rng(row).normal(0, self.change.get("noise", 0), (48, 48, 3))
        image = self.whole.image(self.rows[row])
        return np.clip(np.rint(image + noise + self.change.get("brighter", 0)), 0, 255).astype(np.uint8)

    def rejecting(self, *frames: tuple[str, int]) -> "Changed":
        rejected = tuple(Reject(f"synthetic/4/{clip}", frame, NO_FACE) for clip, frame in frames)
        self.info = replace(self.info, rejected=rejected)
        return self


def test_a_store_tells_the_work_that_made_it(made: Store, faces: Faces) -> None:
    assert job_of_store(made) == room.job_of(faces)
    assert positions(made, room.job_of(faces)).tolist() == [0, 1, 2, 3]


def test_the_hash_is_of_what_is_acted_and_of_its_settings(faces: Faces) -> None:
    job = room.job_of(faces)
    columns = acted(job)
    assert expected_hash(job) == expected_hash(job, columns) == faces.sha256
    for name, row in (("occurrence", (3, 16)), ("intensity", (0, 2)), ("frame", 1), ("time", 2)):
        other = {key: values.copy() for key, values in columns.items()}
        other[name][row] += 1
        assert expected_hash(job, other) != faces.sha256
    for change in ({"resting": "varied"}, {"seed": 5}, {"size": 64}, {"appearance": "shifted"}, {"profile": "disfa"}):
        assert expected_hash(replace(job, **change)) != faces.sha256


def test_what_is_acted_does_not_depend_on_workers(made: Store, faces: Faces, tmp_path: Path) -> None:
    again = synth(tmp_path / "again", workers=1, **TINY)
    job = room.job_of(faces)
    assert disagreements(again, job, acted(job)) == []
    assert differences(again, reference_of(made)) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ""),
        ({"label": (3, 16)}, "labels or times of 1 faces"),
        ({"level": (2, 5)}, "labels or times of 1 faces"),
        ({"later": "time"}, "labels or times of 4 faces"),
        ({"later": "frame"}, "which faces there are"),
        ({"later": "frame", "by": 3}, "which faces there are"),
        ({"rows": (0, 2, 1, 3)}, "which faces there are"),
        ({"rows": (0, 0, 1, 3)}, "which faces there are"),
        ({"rows": (0, 3)}, "1 faces that are neither there nor rejected"),
    ],
)
def test_every_face_that_is_there_shows_what_is_acted(
    made: Store, faces: Faces, change: dict[str, Any], told: str
) -> None:
    job = room.job_of(faces)
    store = Changed(made.path, **change).rejecting(("S0000/C00", 3))  # of the two that may be absent
    assert disagreements(store, job, acted(job)) == ([told] if told else [])


def test_faces_may_be_missed_where_they_were_missed_before_or_are_few(made: Store, faces: Faces) -> None:
    job, less = room.job_of(faces), Changed(made.path, rows=(0, 2, 3)).rejecting(("S0000/C00", 3))
    assert disagreements(less, job, acted(job)) == []
    assert missed(less, job).tolist() == [1]
    assert reference_of(less)["missed"] == [1] and reference_of(less)["faces"] == [0, 2, 3]
    assert differences(less, reference_of(less)) == []
    assert differences(less, reference_of(made)) == ["which faces are missed: 1, not 0, 1 of them others"]
    other = Changed(made.path, rows=(0, 1, 3))
    assert differences(other, reference_of(less)) == ["which faces are missed: 1, not 1, 2 of them others"]


def test_two_in_a_hundred_may_be_missed(made: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    less = Changed(made.path, rows=(0, 2, 3))
    monkeypatch.setattr("sparsefacs.synthetic.content.MISSED", 0.25)
    assert differences(less, reference_of(made)) == [] == differences(made, reference_of(less))
    shifted = Changed(made.path, rows=(0, 2, 3), true_landmarks=0.1)
    assert differences(shifted, reference_of(made)) == ["true landmarks, by up to 0.10 px"], "the three are compared"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ""),
        ({"noise": 1.0}, ""),  # as another JPEG library may
        ({"true_landmarks": 0.02}, ""),
        ({"landmarks": 0.4}, ""),  # what is found differs more than what is made
        ({"brighter": 3}, "pixels"),
        ({"noise": 40.0}, "pixels"),
        ({"true_landmarks": 0.1}, "true landmarks, by up to 0.1"),
        ({"landmarks": 0.6}, "landmarks, in 100 % of the faces by more than 0.5 px, by up to 0.6"),
    ],
)
def test_faces_are_compared_within_tolerances(made: Store, change: dict[str, Any], told: str) -> None:
    found = " and ".join(differences(Changed(made.path, **change), reference_of(made)))
    assert (told in found) if told else found == ""


def test_one_hard_face_in_twenty_may_be_found_elsewhere() -> None:
    kept = {
        "landmarks": np.zeros((40, 5, 2)),
        "true_landmarks": np.zeros((40, 5, 2)),
        "blocks": np.zeros((40, 8, 8, 3)),
    }

    def of(name: str, hard: int) -> list[str]:
        moved = kept[name].copy()
        moved[:hard, 0, 0] = 0.82
        return out_of_tolerance(kept | {name: moved}, kept)

    assert of("landmarks", 2) == []
    assert of("landmarks", 3) == ["landmarks, in 8 % of the faces by more than 0.5 px, by up to 0.82"]
    assert of("true_landmarks", 1) == ["true landmarks, by up to 0.82 px"], "those come from no picture"


def test_sampled_faces_are_spread_evenly() -> None:
    rows = sampled_rows(4800)
    assert len(rows) == 64 and set(np.diff(rows)) == {75} and 0 <= rows[0] < 80 and rows[-1] < 4800
    assert len(set(rows // 80)) == 60  # everyone of 60 people
    assert sampled_rows(3).tolist() == [0, 1, 2]


def test_block_means_are_means_of_blocks() -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 50, 3)).astype(np.uint8)
    means = block_means(image)
    assert means.shape == (8, 8, 3)
    np.testing.assert_allclose(means[1, 0], image[6:12, 0:6].mean(axis=(0, 1)))
    np.testing.assert_allclose(means[7, 7], image[42:48, 43:50].mean(axis=(0, 1)))


def test_faces_are_made_once_and_then_checked(made: Store, faces: Faces, tmp_path: Path) -> None:
    out = tmp_path / "bench"
    first = room.make_and_check(out, faces, reference_of(made), 1, workers=1)
    written = (out / "store.json").stat().st_mtime_ns
    second = room.make_and_check(out, faces, reference_of(made), 1)
    assert len(first) == len(second) == 4
    assert (out / "store.json").stat().st_mtime_ns == written


def test_an_unfinished_store_is_gone_on_with(made: Store, faces: Faces, tmp_path: Path) -> None:
    from sparsefacs.data.store import StoreInfo
    from sparsefacs.data.store_writer import StoreWriter
    from sparsefacs.synthetic import pipeline

    job = room.job_of(faces)
    info = StoreInfo(aus=job.aus, recipe=job.recipe.as_json(), source=pipeline.job_source(job))
    writer = StoreWriter(tmp_path / "bench", info, pipeline._described(job), pipeline.extra_columns(job))
    pipeline.make_part(writer, job, 0)
    assert len(room.make_and_check(tmp_path / "bench", faces, reference_of(made), 1, workers=1)) == 4


def test_another_store_is_told_apart_by_its_settings(made: Store, faces: Faces) -> None:
    other = faces.model_copy(update={"seed": 5, "appearance": "shifted"})
    with pytest.raises(InputError, match=r"seed 4, not 5; appearance usual, not shifted.*another folder"):
        room.make_and_check(made.path, other, reference_of(made), 1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"recipe": {"size": 48, "quality": 10}}, "faces cut otherwise"),
        ({"aus": (1, 2)}, "other AUs"),
        ({"source": {"models": {"finder": "0"}}}, "points found by other models"),
        ({"source": {"resting": "varied"}}, "resting varied, not plain"),
    ],
)
def test_other_cuts_aus_and_models_are_told(made: Store, faces: Faces, change: dict[str, Any], told: str) -> None:
    store = Store(made.path)
    if "source" in change:
        change = {"source": store.info.source | change["source"]}
    store.info = replace(store.info, **change)
    with pytest.raises(InputError, match=told):
        room.check(store, faces, reference_of(made), 1)


def test_other_labels_are_told_before_minutes_are_spent(made: Store, faces: Faces, tmp_path: Path) -> None:
    wrong = faces.model_copy(update={"sha256": "0" * 64})
    out = tmp_path / "bench"
    with pytest.raises(InputError, match=r"differ in labels acted .*Libraries are of the same versions"):
        room.make_and_check(out, wrong, reference_of(made), 1)
    assert not out.exists()
    with pytest.raises(InputError, match="differ in labels acted"):
        room.make_and_check(made.path, wrong, reference_of(made), 1)


def test_versions_that_differ_are_named(made: Store, faces: Faces) -> None:
    reference = reference_of(made)
    assert reference["made_with"] == library_versions()
    reference["made_with"] |= {"numba": "0.1", "numpy": "0.2"}
    with pytest.raises(InputError) as caught:
        room.check(Changed(made.path, brighter=5), faces, reference, 1)
    here, told = library_versions(), str(caught.value)
    assert f"numba {here['numba']}, not 0.1; numpy {here['numpy']}, not 0.2" in told
    assert "scipy" not in told and "pixels" in told and "Install those versions" in told and "\n" not in told


def test_another_generator_is_refused(made: Store, faces: Faces, tmp_path: Path) -> None:
    newer = faces.model_copy(update={"generator_version": GENERATOR_VERSION + 1})
    with pytest.raises(InputError, match=f"made by generator {GENERATOR_VERSION + 1}, not {GENERATOR_VERSION}"):
        room.make_and_check(tmp_path / "bench", newer, reference_of(made), 1)
    assert not (tmp_path / "bench").exists()


def test_recording_gives_back_what_is_checked(made: Store, faces: Faces, tmp_path: Path) -> None:
    assert room.record(made, tmp_path / "kept.json") == faces.sha256
    room.check(made, faces, json.loads((tmp_path / "kept.json").read_text()), 1)


@pytest.mark.parametrize("name", NAMES)
def test_this_machine_makes_the_benchmarks_own_faces(name: str) -> None:
    """What is acted by hash, and one sampled face's landmarks and pixels, against what the package keeps."""
    faces, reference = room.faces_of(name), room.reference_faces(name)
    job, kept = room.job_of(faces), kept_measures(reference)
    assert expected_hash(job) == faces.sha256
    sampled = np.array(reference["faces"])
    assert set(sampled) | set(reference["missed"]) >= set(sampled_rows(faces.faces)), "all but missed ones are kept"
    assert len(kept["landmarks"]) == len(sampled) >= 50
    sample = int(np.argmin(sampled % job.frames))  # the one that comes first in its clip
    clip, frame = divmod(int(sampled[sample]), job.frames)
    rows = zip(range(frame + 1), clip_rows(job, clip // job.clips, clip % job.clips), strict=False)
    finder = FaceFinder()
    found = measure_rendered(seen_by(finder, list(rows)[-1][1], []))
    assert out_of_tolerance(found, {name: values[sample : sample + 1] for name, values in kept.items()}) == []
    other = {name: values[sample + 1 : sample + 2] for name, values in kept.items()}
    assert len(out_of_tolerance(found, other)) == 3


def measure_rendered(row: Any) -> dict[str, Any]:
    import cv2

    image = cv2.imdecode(np.frombuffer(row.image, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    return {
        "landmarks": row.landmarks[None].astype(float),
        "true_landmarks": np.reshape(row.extras["true_landmarks"], (1, 68, 2)).astype(float),
        "blocks": block_means(np.ascontiguousarray(image))[None],
    }


def test_few_of_the_usual_faces_are_missed() -> None:
    for name in NAMES[:2]:
        assert len(room.reference_faces(name)["missed"]) <= 0.02 * room.faces_of(name).faces


def test_benchmark_sections_belong_together() -> None:
    frequent, rare, shifted = (room.faces_of(name) for name in NAMES)
    assert frequent.subjects >= 60 and (frequent.profile, rare.profile) == ("bp4d", "disfa")
    assert (frequent.appearance, rare.appearance, shifted.appearance) == ("usual", "usual", "shifted")
    assert frequent.seed != shifted.seed  # other people
    for name in ("profile", "fps", "size", "frames", "resting", "points", "generator_version"):
        assert getattr(frequent, name) == getattr(shifted, name)
    for name in ("subjects", "clips", "size", "frames", "resting", "points", "generator_version"):
        assert getattr(frequent, name) == getattr(rare, name)
    for faces in (frequent, rare, shifted):
        job = room.job_of(faces)
        assert (faces.resting, faces.points) == ("varied", "found")
        assert faces.flow_step == job.frame_step, "flow leads to the next face there is"
    with pytest.raises(InputError, match="frequent, rare, frequent-shifted"):
        room.faces_of("usual")


def test_measure_takes_the_rows_asked_for(made: Store) -> None:
    found = measure(made, np.array([0, 3]))
    assert found["landmarks"].shape == found["true_landmarks"].shape == (2, 68, 2)
    assert found["blocks"].shape == (2, 8, 8, 3)
