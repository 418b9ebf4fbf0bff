"""Exported networks: the same answers as torch's, all that predict needs, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from made_runs import write_run
from made_stores import build_store
from sparsefacs import InputError, api
from sparsefacs.coders import coder_folder
from sparsefacs.evidence.reference import no_reference
from sparsefacs.evidence.vectors import face_vectors
from sparsefacs.inference import export as exporting
from sparsefacs.inference.export import coding_network, sample_faces
from sparsefacs.inference.model import load_coder
from sparsefacs.inference.onnx_model import METADATA, OnnxCoder

CNN = {"backbone": "test_resnet", "input_size": 32, "crop": 0.9}
VIT = {
    "backbone": "vit_tiny_patch16_224",
    "input_size": 48,
    "options": {"img_size": 48, "patch_size": 16, "depth": 2, "embed_dim": 24, "num_heads": 2, "global_pool": "avg"},
}
SMALL = {"backbone": "resnet10t", "options": {"channels": [8, 16, 32, 64]}, "input_size": 48}
ROI = {"recogniser": {"cells": 2, "feedforward": 16}, "auxiliary": [], "semi_supervised": "none"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="module")
def cnn(folder: Path) -> tuple[Path, Path]:
    """A run that codes faces of 40 pixels cropped to 36 and made smaller, and its exported file."""
    run, out = write_run(folder / "cnn", CNN, limits=(0.4, 0.2, 0.7)), folder / "cnn.onnx"
    told = api.export(run, out)
    assert told["max_difference"] < 1e-5 and told["bytes"] == out.stat().st_size and not told["landmarks"]
    return run, out


def test_one_file_codes_any_number_of_faces_as_the_run_does(cnn: tuple[Path, Path]) -> None:
    run, out = cnn
    coder, exported = load_coder(run), OnnxCoder(out)
    faces, landmarks = sample_faces(7, 40, seed=5)
    wanted = coder(faces, landmarks)
    assert wanted.std(axis=0).min() > 0.02
    np.testing.assert_allclose(exported(faces, landmarks), wanted, atol=1e-5)
    np.testing.assert_allclose(exported(faces[:1], landmarks[:1]), wanted[:1], atol=1e-5)
    assert exported(faces[:0], landmarks[:0]).shape == (0, 3)
    assert (exported.aus, exported.task, exported.limits) == (coder.aus, coder.task, (0.4, 0.2, 0.7))
    assert exported.recipe.hash == coder.recipe.hash and exported.clip == (1, 0)
    assert exported.description["run"] == "cnn" and exported.description["method"] == "supervised"
    assert [each.name for each in out.parent.iterdir() if each.name.startswith(".")] == []


def test_a_file_that_tells_one_threshold_is_read(cnn: tuple[Path, Path], tmp_path: Path) -> None:
    import onnx

    model = onnx.load(str(cnn[1]))
    del model.metadata_props[1:]  # the sum, since it is another file now
    entry = next(each for each in model.metadata_props if each.key == METADATA)
    told = json.loads(entry.value)
    del told["limits"]
    for threshold, limits in ((0.3, (0.3, 0.3, 0.3)), (None, None)):
        entry.value = json.dumps(told if threshold is None else told | {"threshold": threshold})
        onnx.save(model, str(tmp_path / "old.onnx"))
        if limits is None:
            with pytest.raises(InputError, match="another program"):
                OnnxCoder(tmp_path / "old.onnx")
        else:
            assert OnnxCoder(tmp_path / "old.onnx").limits == limits


def test_a_transformer_with_mean_pooling_codes_intensities_at_a_larger_side(folder: Path) -> None:
    run = write_run(folder / "vit", VIT, task="intensity")
    told = api.export(run, folder / "vit.onnx", batch=3)
    assert told["max_difference"] < 1e-4 and told["batch"] == 3
    faces, landmarks = sample_faces(7, 40, seed=6)
    wanted = load_coder(run)(faces, landmarks)
    assert wanted.max() > 1.5 and wanted.std() > 0.1
    np.testing.assert_allclose(OnnxCoder(folder / "vit.onnx")(faces, landmarks), wanted, atol=1e-4)


@pytest.mark.parametrize("method", ["wsrtl"])  # areas: below, with evidence
def test_networks_of_facial_regions_take_landmarks_and_any_number_of_faces(folder: Path, method: str) -> None:
    run = write_run(folder / method, SMALL, method=method, settings=ROI if method == "wsrtl" else None)
    out = folder / f"{method}.onnx"
    told = api.export(run, out)
    assert told["landmarks"] and told["batch"] is None
    exported, coder = OnnxCoder(out), load_coder(run)
    faces, landmarks = sample_faces(5, 40, seed=7)
    wanted = coder(faces, landmarks)
    np.testing.assert_allclose(exported(faces, landmarks), wanted, atol=1e-5)
    elsewhere = np.ascontiguousarray(landmarks[::-1] * 0.8)
    moved = exported(faces, elsewhere)
    np.testing.assert_allclose(moved, coder(faces, elsewhere), atol=1e-5)
    assert np.abs(moved - wanted).max() > 1e-3


EVIDENT = {
    "instant": ("instant", CNN | {"crop": 1.0}, None),
    "features": ("instant", SMALL, {"features": 5, "level": 3}),
    "plain": ("supervised", CNN, None),
    "areas": ("kdsrl", SMALL, None),
    "roi": ("wsrtl", SMALL, ROI | {"recogniser": {"cells": 2, "relation": "gcn"}}),  # the transformer: above
}


@pytest.mark.parametrize(
    ("name", "use", "task"),
    [
        ("instant", "person", "occurrence"),
        ("instant", "person", "intensity"),
        ("features", "person", "occurrence"),
        ("plain", "person", "intensity"),
        ("plain", "geometry", "occurrence"),
        ("areas", "person", "occurrence"),
        ("roi", "person", "occurrence"),
    ],
)
def test_evidence_and_the_person_are_looked_at_as_the_run_does(folder: Path, name: str, use: str, task: str) -> None:
    method, network, settings = EVIDENT[name]
    named = f"{name}-{use}-{task}"
    run = write_run(folder / named, network | {"evidence": use}, method=method, settings=settings, task=task)
    out = folder / f"{named}.onnx"
    assert api.export(run, out)["max_difference"] < 1e-4
    exported, coder = OnnxCoder(out), load_coder(run)
    assert (exported.known, exported.person, exported.clip) == (coder.known, use == "person", (1, 0))
    assert (exported.settle is None) == (coder.settle is None) == (name not in ("instant", "features"))
    rng, count = np.random.default_rng(3), 9
    faces, landmarks = sample_faces(count, 40, seed=9)
    vectors = face_vectors(landmarks, rng.uniform(0, 0.6, (count, 52)))
    vectors[1], vectors[2, :20] = np.nan, np.nan
    features = coder.encode(faces, landmarks, vectors)
    np.testing.assert_allclose(exported.encode(faces, landmarks, vectors), features, atol=1e-4)
    nobody = no_reference(count, coder.known)
    others = np.roll(features[:, -coder.known :], 3, axis=0)
    somebody = np.concatenate([others, np.array([[0, 1, 2, 4, 30, 200, 5000, 1, 3]]).T], axis=1).astype(np.float32)
    if exported.settle is not None and coder.settle is not None:
        moved = exported.settle(features, somebody[5])
        np.testing.assert_allclose(moved, coder.settle(features, somebody[5]), atol=1e-4)
        assert np.nanmax(np.abs(moved - somebody[5])) > 1e-3
    found = {}
    for who, reference in {"nobody": nobody, "somebody": somebody if use == "person" else nobody}.items():
        evidence = np.concatenate([features[:, -coder.known :], reference], axis=1)
        wanted = found[who] = coder.decode(features[:, None], reference)
        np.testing.assert_allclose(exported.decode(features[:, None], reference), wanted, atol=1e-4)
        np.testing.assert_allclose(exported(faces, landmarks, evidence), wanted, atol=1e-4)
        np.testing.assert_allclose(coder(faces, landmarks, evidence), wanted, atol=1e-4)
    np.testing.assert_allclose(exported.decode(features[:, None]), found["nobody"], atol=1e-4)
    np.testing.assert_allclose(exported(faces, landmarks), coder(faces, landmarks), atol=1e-4)
    assert found["nobody"].std(axis=0).min() > 1e-3 and np.isfinite(found["somebody"]).all()
    np.testing.assert_array_equal(found["nobody"][0], found["somebody"][0])  # of 0 moments
    assert (np.abs(found["nobody"] - found["somebody"])[3:].max() > 0.01) == (use == "person")
    assert np.abs(coder(faces, landmarks) - found["nobody"]).max() > 0.01  # the face's own evidence counts


def test_a_file_of_pixels_alone_and_of_an_earlier_version_is_asked_in_two_steps(
    cnn: tuple[Path, Path], tmp_path: Path
) -> None:
    import onnx

    model = onnx.load(cnn[1])
    del model.metadata_props[1:]  # the sum, since it is another file now
    (described,) = model.metadata_props
    told = json.loads(described.value)
    assert (told.pop("known"), told.pop("person")) == (0, False)
    described.value = json.dumps(told | {"format": 1})
    onnx.save(model, tmp_path / "earlier.onnx")
    earlier, faces = OnnxCoder(tmp_path / "earlier.onnx"), sample_faces(5, 40, seed=4)
    assert (earlier.known, earlier.person) == (0, False)
    np.testing.assert_array_equal(earlier.decode(earlier.encode(*faces)[:, None]), earlier(*faces))
    assert earlier.encode(faces[0][:0], faces[1][:0]).shape == (0, 3)


def test_what_is_exported_is_what_answers_does(cnn: tuple[Path, Path]) -> None:
    coder = load_coder(cnn[0])
    faces, landmarks = sample_faces(4, 40, seed=8)
    network = coding_network(coder.network, coder.sees, 40, coder.task)
    with torch.no_grad():
        codes = network(torch.from_numpy(faces), torch.from_numpy(landmarks))
    np.testing.assert_allclose(codes.numpy(), coder(faces, landmarks), atol=1e-6)


def test_a_rendered_video_has_the_codes_of_the_run(cnn: tuple[Path, Path], folder: Path, write_video) -> None:  # type: ignore[no-untyped-def]
    store = api.synth(folder / "faces", subjects=1, clips=1, frames=4, size=128, seed=2, workers=1)
    frames = [np.pad(store.image(row), ((48, 48), (48, 48), (0, 0)), mode="edge") for row in range(len(store))]
    video = write_video(folder / "v.mp4", frames)
    for coder, codes in zip(cnn, ("run.csv", "file.csv"), strict=True):
        summary = api.predict([video], folder / codes, coder)
        assert summary.inputs[0].coded_rows == 4
    wanted, found = pd.read_csv(folder / "run.csv"), pd.read_csv(folder / "file.csv")
    assert list(wanted) == list(found)
    assert wanted.filter(like="_p").std().max() > 1e-3
    pd.testing.assert_frame_equal(found, wanted, rtol=0, atol=1e-4)


class _LeavesTorch(torch.nn.Module):
    """What no exporter can follow."""

    def forward(self, faces: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
        raise RuntimeError(f"no operation of torch: {faces}, {landmarks}")


def test_what_cannot_be_exported_is_told_in_one_line(
    cnn: tuple[Path, Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, out = cnn
    with pytest.raises(InputError, match="already exists"):
        api.export(run, out)
    with pytest.raises(InputError, match=r"End its name in \.onnx"):
        api.export(run, folder / "x.pt")
    clips = write_run(folder / "clips", {"backbone": "test_resnet", "input_size": 32}, method="tcl")
    with pytest.raises(InputError, match=r"clips.*train distil"):
        api.export(clips, folder / "clips.onnx")
    with monkeypatch.context() as patched:
        patched.setattr(exporting, "coding_network", lambda *given: _LeavesTorch())
        with pytest.raises(InputError, match=r"cannot be exported.*train distil.*teacher=[^{]"):
            api.export(run, folder / "untraced.onnx")

    class Wrong(OnnxCoder):
        def __call__(self, *inputs):  # type: ignore[no-untyped-def]
            return super().__call__(*inputs) + 0.01

    monkeypatch.setattr(exporting, "_write", lambda coder, path, *given: bool(shutil.copy(out, path)))
    monkeypatch.setattr(exporting, "OnnxCoder", Wrong)
    with pytest.raises(InputError, match=r"differ from torch's by 0\.01"):
        api.export(run, folder / "wrong.onnx")
    assert not {path.name for path in folder.iterdir()} & {"clips.onnx", "untraced.onnx", "wrong.onnx"}


def test_wrong_and_foreign_files_are_told_in_one_line(cnn: tuple[Path, Path], tmp_path: Path) -> None:
    import onnx

    with pytest.raises(InputError, match="missing"):
        api.load(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(InputError, match=r"text\.onnx: is not a readable \.onnx file"):
        api.predict([tmp_path], tmp_path / "c.csv", tmp_path / "text.onnx")
    shutil.copy(cnn[1], tmp_path / "cut.onnx")
    with (tmp_path / "cut.onnx").open("r+b") as handle:
        handle.truncate(cnn[1].stat().st_size // 2)
    with pytest.raises(InputError, match="not a readable"):
        api.load(tmp_path / "cut.onnx")
    model = onnx.load(cnn[1])
    del model.metadata_props[1:]  # the sum, since it is another file now
    (described,) = model.metadata_props
    described.value = json.dumps(json.loads(described.value) | {"format": 99, "version": "9.9"})
    onnx.save(model, tmp_path / "later.onnx")
    with pytest.raises(InputError, match=r"another version of this program \(9\.9\)"):
        api.load(tmp_path / "later.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(InputError, match="of another program"):
        api.load(tmp_path / "foreign.onnx")


@pytest.mark.parametrize("kind", ["run", "file", "packaged"])
def test_faces_of_another_shape_or_kind_are_refused(cnn: tuple[Path, Path], kind: str) -> None:
    """Brightness of 0 to 1, another side or another face's points would be coded without a word."""
    coder = api.load({"run": cnn[0], "file": cnn[1], "packaged": "coder"}[kind])
    side = coder.recipe.size
    faces, landmarks = sample_faces(2, side, seed=5)
    assert coder(faces, landmarks).shape == (2, len(coder.aus))
    wanted = rf"Give \(B, {side}, {side}, 3\), uint8"
    for given in ((faces / 255).astype(np.float32), faces[:, 1:, 1:], faces[0], faces.transpose(0, 3, 1, 2)):
        with pytest.raises(InputError, match=wanted):
            coder(given, landmarks[: len(given)])
    for points in (landmarks[:1], landmarks[0], landmarks[:, :5]):
        with pytest.raises(InputError, match=r"landmarks of shape .* Give \(B, 68, 2\)"):
            coder(faces, points)


def test_a_packaged_coder_is_exported_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "export", lambda run, out, *, batch: {"run": run})
    for name in ("coder", coder_folder().name):
        assert api.export(name, "coder.onnx")["run"] == coder_folder()
    assert api.export("runs/mine", "mine.onnx")["run"] == "runs/mine"


def test_a_file_says_nothing_of_where_it_was_made(cnn: tuple[Path, Path]) -> None:
    content = cnn[1].read_bytes()
    assert str(Path(exporting.__file__).parent).encode() not in content
    assert str(cnn[0].parent).encode() not in content


def test_faces_of_a_store_are_scored_alike(cnn: tuple[Path, Path], tmp_path: Path) -> None:
    from sparsefacs.inference.evaluation import code_store

    store, rows = build_store(tmp_path / "store", subjects=2, size=40), np.arange(20)
    found = code_store(OnnxCoder(cnn[1]), store, rows)
    np.testing.assert_allclose(found, code_store(load_coder(cnn[0]), store, rows), atol=1e-5)
