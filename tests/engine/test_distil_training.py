"""Distillation in training: what a student learns, resume, processes, hidden labels, and whose faces teachers saw."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from edited import edit_record
from made_runs import same_weights
from made_stores import build_store, evident_store
from process_pair import ProcessPair
from sparsefacs import InputError, api
from sparsefacs.data.store import Store
from sparsefacs.engine.config import recipe_names
from sparsefacs.evidence.vectors import VECTOR_WIDTH
from sparsefacs.files import read_json
from sparsefacs.inference.evaluation import code_store
from sparsefacs.inference.model import load_coder
from sparsefacs.methods.distil import Distil
from sparsefacs.methods.registry import method_class
from sparsefacs.networks.backbone import read_safetensors
from step_gradients import save_gradients

NETWORK = (
    "network.backbone=test_resnet",
    "network.options={}",
    "network.input_size=32",
    "network.init=none",
    "network.evidence=pixels",
)
TINY = (*NETWORK, "data.labelled_batch=8", "data.unlabelled_batch=8", "data.workers=1", "training.precision='32'")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("distil")


@pytest.fixture(scope="module")
def store(folder: Path) -> Store:
    return build_store(folder / "store", size=40)


@pytest.fixture(scope="module")
def teacher(store: Store, folder: Path) -> Path:
    """A run that sees 40 pixels and knows its AUs."""
    settings = (*TINY, "network.input_size=40", "training.steps=120")
    assert api.train("supervised", store.path, folder / "teacher", settings=settings)["pooled"]["mean"]["f1"]["value"]
    return folder / "teacher"


def distil(store: Store, out: Path, teacher: Path, *settings: str, **more: object) -> dict:
    taught = (*TINY, f"method.teacher={teacher}", *settings)
    return api.train("distil", store.path, out, settings=taught, **{"labels": "10%"} | more)  # type: ignore[arg-type]


def test_a_student_agrees_with_its_teacher_without_any_label(store: Store, teacher: Path, tmp_path: Path) -> None:
    faces = np.stack([store.image(row) for row in range(len(store))])
    landmarks = np.zeros((len(faces), 68, 2), np.float32)
    wanted = load_coder(teacher)(faces, landmarks)

    def apart(steps: int) -> float:
        out = tmp_path / f"s{steps}"
        distil(store, out, teacher, "method.labels=0", f"training.steps={steps}", selection__rule="last")
        return float(np.abs(load_coder(out)(faces, landmarks) - wanted).mean())

    assert apart(80) < 0.7 * apart(1)


def test_the_model_and_the_checkpoint_hold_the_student_alone(store: Store, teacher: Path, tmp_path: Path) -> None:
    distil(store, tmp_path / "s", teacher, "training.steps=2")
    alone = read_safetensors(tmp_path / "s" / "model.safetensors")
    assert alone.keys() == read_safetensors(teacher / "model.safetensors").keys()
    state = torch.load(tmp_path / "s" / "checkpoint" / "last.pt", weights_only=True)
    assert set(state["method"]) == {f"student.{name}" for name in alone}
    plan = read_json(tmp_path / "s" / "protocol.json", what="it", remedy="")
    assert plan["teacher"]["run"] == str(teacher) and len(plan["teacher"]["weights"]) == 64


def test_an_interrupted_training_resumes_bit_for_bit(
    store: Store, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ("training.steps=6", "training.checkpoint_every=2", "network.dropout=0.3")
    distil(store, tmp_path / "whole", teacher, *settings)

    def stop(self: nn.Module, step: int) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(method_class("distil"), "after_step", stop)
        with pytest.raises(InputError, match="stopped by the user"):
            distil(store, tmp_path / "cut", teacher, *settings)
    distil(store, tmp_path / "cut", teacher, *settings, resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "cut")


def test_hidden_and_test_labels_change_nothing(store: Store, teacher: Path, tmp_path: Path) -> None:
    distil(store, tmp_path / "a", teacher, "training.steps=4", labels="subjects:2")
    seen = np.zeros(len(store), bool)
    seen[pd.read_parquet(tmp_path / "a" / "labels.parquet")["row"].to_numpy()] = True
    rows = iter(seen)
    other = build_store(tmp_path / "other", size=40, hide=lambda truth: truth if next(rows) else 1 - truth)
    assert (other.occurrence()[~seen] != store.occurrence()[~seen]).all()
    distil(other, tmp_path / "b", teacher, "training.steps=4", labels="subjects:2")
    assert same_weights(tmp_path / "a", tmp_path / "b")


def test_two_processes_equal_one(store: Store, teacher: Path, tmp_path: Path, two_processes: ProcessPair) -> None:
    settings = (*TINY, f"method.teacher={teacher}", "data.labelled_batch=4", "data.unlabelled_batch=4")
    rest = (str(tmp_path), str(store.path), {"distil": settings}, "50%")
    save_gradients(0, 1, *rest)
    two_processes(save_gradients, *rest)
    one, two = np.load(tmp_path / "gradients-1.npz"), np.load(tmp_path / "gradients-2.npz")
    assert np.abs(one["distil"]).max() > 1e-4
    np.testing.assert_allclose(two["distil"], one["distil"], rtol=1e-8, atol=1e-11)


def test_whoever_the_teacher_saw_is_not_tested_on(store: Store, teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"was trained on faces of .* people that fold .* tests on"):
        distil(store, tmp_path / "s", teacher, "training.steps=2", protocol="kfold:3", fold=1)
    with pytest.raises(InputError, match=r"method\.teacher=RUN"):
        api.train("distil", store.path, tmp_path / "s", settings=(*TINY, "training.steps=2"))
    with pytest.raises(InputError, match="does not exist"):
        distil(store, tmp_path / "s", tmp_path / "nowhere", "training.steps=2")
    smaller = build_store(tmp_path / "smaller", size=32)
    with pytest.raises(InputError, match="cut differently"):
        distil(smaller, tmp_path / "s", teacher, "training.steps=2")
    assert not (tmp_path / "s").exists()
    distil(store, tmp_path / "s", teacher, "training.steps=2")
    other = build_store(tmp_path / "other", size=40, prefix="o")
    (seen,) = (read_json(run / "protocol.json", what="it", remedy="")["seen"] for run in (tmp_path / "s",))
    taught_on = read_json(teacher / "protocol.json", what="it", remedy="")["seen"]["persons"]
    assert all(person in seen["persons"] for person in taught_on)
    distil(other, tmp_path / "o", teacher, "training.steps=2")
    told = read_json(tmp_path / "o" / "protocol.json", what="it", remedy="")["seen"]["persons"]
    assert {tuple(person) for person in taught_on} <= {tuple(person) for person in told}


def test_a_teacher_of_a_run_a_fold_teaches_each_fold(store: Store, tmp_path: Path) -> None:
    folds = {"protocol": "kfold:2", "fold": "all"}
    api.train("supervised", store.path, tmp_path / "t", settings=(*TINY, "training.steps=2"), **folds)  # type: ignore[arg-type]
    distil(store, tmp_path / "s", tmp_path / "t", "training.steps=2", **folds)
    for fold in ("fold-1", "fold-2"):
        plan = read_json(tmp_path / "s" / fold / "protocol.json", what="it", remedy="")
        assert plan["teacher"]["run"] == str(tmp_path / "t" / fold)


def test_a_network_of_clips_teaches_by_still_faces_and_an_altered_teacher_is_noticed(
    store: Store, tmp_path: Path
) -> None:
    clips = (*TINY, "data.labelled_batch=2", "data.unlabelled_batch=2", "method.clip_length=3", "training.steps=2")
    api.train("tcl", store.path, tmp_path / "t", settings=clips, labels="50%")
    distil(store, tmp_path / "s", tmp_path / "t", "training.steps=2")
    edit_record(tmp_path / "s" / "protocol.json", lambda plan: plan | {"teacher": {"weights": "0" * 64}})
    with pytest.raises(InputError, match="other settings"):
        distil(store, tmp_path / "s", tmp_path / "t", "training.steps=2", resume=True)


STILL = "data.augmentation={flip: 0, shift: 0, rotation: 0, scale: 0, recolour: 0, grey: 0, blur: 0, noise: 0}"
PIXELS = ("network.backbone=resnet10t", "network.options={channels: [8, 8, 8, 8]}", "network.input_size=32")
STEPS = ("training.steps=2", "data.labelled_batch=8", "training.precision='32'", "selection.checks=1")


@pytest.fixture(scope="module")
def evident(folder: Path) -> Store:
    return evident_store(folder / "evident", sides=True)


@pytest.fixture(scope="module")
def coder(evident: Store, folder: Path) -> Path:
    api.train("coder", evident.path, folder / "coder", settings=(*PIXELS, *STEPS))
    return folder / "coder"


@pytest.mark.parametrize("student", ["pixels", "geometry", "person"])
@pytest.mark.parametrize("kind", ["instant", "supervised"])
def test_a_teacher_answers_what_it_codes(
    kind: str, student: str, evident: Store, coder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a view that is the stored face, whatever the student looks at: with moved references, and with what the
    pixels of a coder, begun from or beneath, say of the person's other faces.
    """
    sees = (*PIXELS, "method.said=9") if kind == "instant" else (*PIXELS, *STEPS, "network.evidence=person")
    api.train(kind, evident.path, tmp_path / "t", labels="30%", settings=sees, network__init=str(coder))
    teacher = load_coder(tmp_path / "t")
    assert (teacher.settle is not None) == (kind == "instant") and teacher.known == VECTOR_WIDTH + 9
    told: list[tuple[np.ndarray, np.ndarray]] = []
    answers = Distil.answers

    def kept(self: Distil, image: torch.Tensor, landmarks: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
        logits_BA = answers(self, image, landmarks, row)
        told.append((row.numpy(), torch.sigmoid(logits_BA).numpy()))
        return logits_BA

    monkeypatch.setattr(Distil, "answers", kept)
    distil(evident, tmp_path / "s", tmp_path / "t", "training.steps=3", STILL, f"network.evidence={student}")
    rows, codes = (np.concatenate(parts) for parts in zip(*told, strict=True))
    assert len(rows) == 48
    np.testing.assert_allclose(codes, code_store(teacher, evident, rows), atol=1e-4)


@pytest.mark.parametrize("recipe", recipe_names("distil"))
def test_every_recipe_trains_for_both_tasks(recipe: str, store: Store, teacher: Path, tmp_path: Path) -> None:
    del teacher
    api.train("supervised", store.path, tmp_path / "t", settings=(*TINY, "training.steps=1"), task="intensity")
    small = ("network.options={img_size: 48, depth: 1, patch_size: 16}",)
    sizes = ("data.labelled_batch=2", "data.unlabelled_batch=2", "data.workers=1", "training.precision='32'")
    settings = (*(small if recipe == "vit-tiny" else ()), "network.input_size=48", "network.init=none", *sizes)
    metrics = api.train(
        "distil", store.path, tmp_path / "s", recipe=recipe, task="intensity",
        settings=(*settings, "training.steps=1", f"method.teacher={tmp_path / 't'}"),
    )  # fmt: skip
    assert metrics["pooled"]["frames"] > 0
