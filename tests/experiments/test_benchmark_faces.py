"""The open benchmark's faces: made once, checked by hash and within tolerances, and refused in words."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparsefacs.data.store import Store
from sparsefacs.errors import InputError
from sparsefacs.experiments import benchmark as room
from sparsefacs.experiments.items import Faces
from sparsefacs.synthetic import synth
from sparsefacs.synthetic.content import (
    block_means,
    content_hash,
    differences,
    expected_hash,
    kept_measures,
    library_versions,
    measure,
    out_of_tolerance,
    reference_of,
    sampled_rows,
)
from sparsefacs.synthetic.pipeline import GENERATOR_VERSION, clip_rows

TINY = {"subjects": 2, "clips": 1, "frames": 2, "size": 48, "seed": 4, "fps": 8.33}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return synth(tmp_path_factory.mktemp("tiny") / "store", workers=2, **TINY)


@pytest.fixture(scope="module")
def faces(made: Store) -> Faces:
    return Faces(**TINY, generator_version=GENERATOR_VERSION, sha256=content_hash(made))


class Changed(Store):
    """A store that reads as if some of its content were other."""

    def __init__(self, path: Path, **change: Any) -> None:
        super().__init__(path)
        self.change = change

    def occurrence(self, aus: tuple[int, ...] | None = None) -> Any:
        labels = super().occurrence(aus).copy()
        if "label" in self.change:
            labels[self.change["label"]] ^= 1
        return labels

    def numbers(self, name: str) -> Any:
        return super().numbers(name) + (1 if name == self.change.get("later") else 0)

    def vectors(self, name: str) -> Any:
        return super().vectors(name) + (self.change.get("moved", 0) if name == "landmarks" else 0)

    def image(self, row: int) -> Any:
        noise = np.random.default_rng(row).normal(0, self.change.get("noise", 0), (48, 48, 3))
        return np.clip(np.rint(super().image(row) + noise + self.change.get("brighter", 0)), 0, 255).astype(np.uint8)


def test_the_hash_is_known_before_any_face_is_made(made: Store, faces: Faces) -> None:
    assert expected_hash(room.job_of(faces)) == content_hash(made)


def test_the_hash_does_not_depend_on_workers(made: Store, tmp_path: Path) -> None:
    again = synth(tmp_path / "again", workers=1, **TINY)
    assert content_hash(again) == content_hash(made)
    assert differences(again, reference_of(made)) == []


@pytest.mark.parametrize("change", [{"label": (3, 16)}, {"later": "frame"}, {"later": "time"}])
def test_the_hash_changes_with_every_label_and_time(made: Store, change: dict[str, Any]) -> None:
    assert content_hash(Changed(made.path)) == content_hash(made)
    assert content_hash(Changed(made.path, **change)) != content_hash(made)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ""),
        ({"noise": 1.0}, ""),  # as another JPEG library may
        ({"moved": 0.02}, ""),
        ({"brighter": 3}, "pixels"),
        ({"noise": 40.0}, "pixels"),
        ({"moved": 0.1}, "landmarks, by up to 0.1"),
    ],
)
def test_faces_are_compared_within_tolerances(made: Store, change: dict[str, Any], told: str) -> None:
    found = " and ".join(differences(Changed(made.path, **change), reference_of(made)))
    assert (told in found) if told else found == ""


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
    from sparsefacs.data.store import StoreInfo, StoreWriter
    from sparsefacs.synthetic import pipeline

    job = room.job_of(faces)
    info = StoreInfo(aus=job.aus, recipe=job.recipe.as_json(), source=pipeline.job_source(job))
    StoreWriter(tmp_path / "bench", info, pipeline._described(job), pipeline.extra_columns(False))
    pipeline.make_part(tmp_path / "bench", job, 0)
    assert len(room.make_and_check(tmp_path / "bench", faces, reference_of(made), 1, workers=1)) == 4


def test_another_store_is_told_apart_by_its_settings(made: Store, faces: Faces) -> None:
    other = faces.model_copy(update={"seed": 5, "appearance": "shifted"})
    with pytest.raises(InputError, match=r"seed 4, not 5; appearance usual, not shifted.*another folder"):
        room.make_and_check(made.path, other, reference_of(made), 1)


def test_other_labels_are_told_before_minutes_are_spent(made: Store, faces: Faces, tmp_path: Path) -> None:
    wrong = faces.model_copy(update={"sha256": "0" * 64})
    out = tmp_path / "bench"
    with pytest.raises(InputError, match=r"differ in labels .*Libraries are of the same versions"):
        room.make_and_check(out, wrong, reference_of(made), 1)
    assert not out.exists()
    with pytest.raises(InputError, match="differ in labels"):
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
    import json

    assert room.record(made, tmp_path / "kept.json") == faces.sha256
    room.check(made, faces, json.loads((tmp_path / "kept.json").read_text()), 1)


@pytest.mark.parametrize("shifted", [False, True])
def test_this_machine_makes_the_benchmarks_own_faces(shifted: bool) -> None:
    """All labels by hash, and one sampled face's landmarks and pixels, against what the package keeps."""
    faces, kept = room.faces_of(shifted=shifted), kept_measures(room.reference_faces(shifted=shifted))
    job = room.job_of(faces)
    assert expected_hash(job) == faces.sha256
    rows = sampled_rows(job.subjects * job.clips * job.frames)
    assert len(kept["landmarks"]) == len(rows) == 64
    sample = int(np.argmin(rows % job.frames))  # the one that comes first in its clip
    clip, frame = divmod(int(rows[sample]), job.frames)
    found = measure_rendered(
        list(zip(range(frame + 1), clip_rows(job, clip // job.clips, clip % job.clips), strict=False))
    )
    assert out_of_tolerance(found, {name: values[sample : sample + 1] for name, values in kept.items()}) == []
    other = {name: values[sample + 1 : sample + 2] for name, values in kept.items()}
    assert len(out_of_tolerance(found, other)) == 2


def measure_rendered(rows: list[Any]) -> dict[str, Any]:
    import cv2

    row = rows[-1][1]
    image = cv2.imdecode(np.frombuffer(row.image, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    return {"landmarks": row.landmarks[None].astype(float), "blocks": block_means(np.ascontiguousarray(image))[None]}


def test_benchmark_sections_belong_together() -> None:
    usual, shifted = room.faces_of(), room.faces_of(shifted=True)
    assert usual.subjects >= 60 and (usual.appearance, shifted.appearance) == ("usual", "shifted")
    assert usual.seed != shifted.seed  # other people
    for name in ("profile", "fps", "size", "frames", "generator_version"):
        assert getattr(usual, name) == getattr(shifted, name)


def test_measure_takes_the_sampled_faces(made: Store) -> None:
    found = measure(made)
    assert found["landmarks"].shape == (4, 68, 2) and found["blocks"].shape == (4, 8, 8, 3)
