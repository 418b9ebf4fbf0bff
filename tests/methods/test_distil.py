"""Distillation: the loss against a literal transcription, what it may reach, sides, and unfit teachers."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sparsefacs import InputError
from sparsefacs.data.batches import Batch
from sparsefacs.losses.distillation import taught_intensity_loss, taught_occurrence_loss
from sparsefacs.methods.contract import Setting, Task
from sparsefacs.methods.distil import Distil, DistilConfig
from sparsefacs.networks.classifier import AUClassifier
from sparsefacs.networks.config import NetworkConfig

AUS = (1, 4, 12)
SMALL = NetworkConfig(backbone="test_resnet", input_size=32)
LARGE = NetworkConfig(backbone="test_resnet", input_size=48)


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_occurrence_loss_is_the_sum_of_divergences(temperature: float) -> None:
    rng = np.random.default_rng(0)
    z, t = rng.normal(0, 2, (2, 5, 3))
    wanted, slope = 0.0, np.zeros((5, 3))
    for b in range(5):
        for a in range(3):
            p, q = sigmoid(t[b, a] / temperature), sigmoid(z[b, a] / temperature)
            wanted += temperature**2 * (p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))) / 5
            slope[b, a] = temperature * (q - p) / 5
    logits, teacher = torch.tensor(z, requires_grad=True), torch.tensor(t, requires_grad=True)
    loss = taught_occurrence_loss(logits, teacher, temperature)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(wanted, rel=1e-9)
    assert logits.grad is not None and teacher.grad is None
    np.testing.assert_allclose(logits.grad.numpy(), slope, rtol=1e-9)
    assert taught_occurrence_loss(logits, logits).item() == pytest.approx(0, abs=1e-12)


def test_the_intensity_loss_is_the_squared_error_of_outputs() -> None:
    z, t = np.random.default_rng(1).normal(0, 2, (2, 4, 3))
    logits, teacher = torch.tensor(z, requires_grad=True), torch.tensor(t, requires_grad=True)
    loss = taught_intensity_loss(logits, teacher)
    loss.backward()  # type: ignore[no-untyped-call]
    wanted, slope = 0.0, np.zeros((4, 3))
    for b in range(4):
        for a in range(3):
            y, target = sigmoid(z[b, a]), sigmoid(t[b, a])
            wanted += (y - target) ** 2 / 4
            slope[b, a] = 2 * (y - target) * y * (1 - y) / 4
    assert loss.item() == pytest.approx(wanted, rel=1e-9) and teacher.grad is None
    assert logits.grad is not None
    np.testing.assert_allclose(logits.grad.numpy(), slope, rtol=1e-9)


class Faces:
    """A batch source of random faces at one side: four labelled ones, and four without labels."""

    def __init__(self, side: int = 48) -> None:
        generator = torch.Generator().manual_seed(3)
        self.one = Batch(
            image=torch.rand(4, 3, side, side, generator=generator),
            landmarks=torch.rand(4, 68, 2, generator=generator) * side,
            occurrence=torch.tensor([[1.0, 0, -1], [0, 0, 1], [1, 1, 1], [-1, 0, 0]]),
            intensity=torch.tensor([[3.0, 0, math.nan], [0, 0, 4], [2, 5, 1], [math.nan, 0, 0]]),
            row=torch.arange(4),
        )
        hidden = torch.full_like(self.one.occurrence, -1), torch.full_like(self.one.intensity, math.nan)
        self.other = replace(self.one, image=1 - self.one.image, occurrence=hidden[0], intensity=hidden[1])

    def labelled(self) -> Batch:
        return self.one

    def unlabelled(self) -> Batch | None:
        return self.other


def taught(
    task: Task = "occurrence", aus: tuple[int, ...] = (12, 6, 4, 1), see: NetworkConfig = LARGE, **settings: float
) -> tuple[Distil, nn.Module]:
    torch.manual_seed(0)
    method = Distil(DistilConfig(teacher="t", **settings), Setting(task, AUS, SMALL))  # type: ignore[arg-type]
    teacher = AUClassifier(see, len(aus))
    with torch.no_grad():
        teacher.head.weight.mul_(20)
    method.take_teacher(teacher, Setting(task, aus, see))
    return method, teacher


def losses(method: Distil, batches: Faces) -> dict[str, torch.Tensor]:
    (update,) = method.updates(batches, 0)  # type: ignore[arg-type]
    return {"loss": update.loss} | dict(update.terms)


@pytest.mark.parametrize("task", ["occurrence", "intensity"])
def test_a_step_is_the_teachers_answers_on_all_faces_and_the_labels_on_theirs(task: Task) -> None:
    method, teacher = taught(task, weight=0.7, labels=0.4)
    faces = Faces()
    found = losses(method.eval(), faces)
    shrink = {"size": (32, 32), "mode": "bilinear", "antialias": True}
    images = torch.cat([faces.one.image, faces.other.image])
    with torch.no_grad():
        wanted_BA = teacher(images)[:, [3, 2, 0]]  # the student's AUs 1, 4 and 12 among the teacher's
        logits_BA = method.student(torch.nn.functional.interpolate(images, **shrink))  # type: ignore[arg-type]
    if task == "occurrence":
        by_teacher = taught_occurrence_loss(logits_BA, wanted_BA)
        p, y = torch.sigmoid(logits_BA[:4]), faces.one.occurrence
        cross = torch.where(y >= 0, -(y * p.log() + (1 - y) * (1 - p).log()), 0.0)
        by_labels = cross.sum() / (y >= 0).sum() * 3
    else:
        by_teacher = taught_intensity_loss(logits_BA, wanted_BA)
        error = (torch.sigmoid(logits_BA[:4]) - faces.one.intensity / 5) ** 2
        by_labels = error.nansum() / (~error.isnan()).sum() * 3
    torch.testing.assert_close(found["taught"], by_teacher)
    torch.testing.assert_close(found["recognition"], by_labels)
    torch.testing.assert_close(found["loss"], 0.7 * by_teacher + 0.4 * by_labels)


def test_the_teacher_is_fixed_and_no_part_of_the_method() -> None:
    method, teacher = taught()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    method.train()
    (parameters,) = method.parameters_by_optimiser().values()
    optimiser = torch.optim.SGD(parameters, lr=0.1)
    start = [p.clone() for p in parameters]
    for _ in range(2):
        losses(method, Faces())["loss"].backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert any(not torch.equal(one, other) for one, other in zip(start, parameters, strict=True))
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert not teacher.training and all(p.grad is None for p in teacher.parameters())
    own = {id(p) for p in parameters}
    assert not own & {id(p) for p in teacher.parameters()} and len(own) == len(list(method.parameters()))
    assert all(name.startswith("student.") for name in method.state_dict())
    assert method.predictor() is method.student
    method.double()
    assert next(teacher.parameters()).dtype == torch.float64


def test_faces_come_at_the_larger_side_of_the_two() -> None:
    assert taught()[0].needs().side == 48 and taught()[0].needs().unlabelled
    assert taught(see=NetworkConfig(backbone="test_resnet", input_size=32))[0].needs().side == 32
    untaught = Distil(DistilConfig(), Setting("occurrence", AUS, SMALL))
    assert untaught.needs().side == 32
    assert "taught" not in losses(untaught, Faces(32))
    assert not taught(weight=0)[0].needs().unlabelled


def test_without_weight_the_teacher_is_not_asked() -> None:
    method, teacher = taught(weight=0)

    def never(*_: object) -> Iterator[None]:
        raise AssertionError("asked")

    teacher.forward = never  # type: ignore[method-assign,assignment]
    found = losses(method, Faces())
    torch.testing.assert_close(found["loss"], found["recognition"])


def test_teachers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"does not code AU4\. Add --aus 1,12"):
        taught(aus=(1, 12))
    with pytest.raises(InputError, match=r"sees 0\.9 of a face's side, the student 1\. Add --set network\.crop=0\.9"):
        taught(see=NetworkConfig(backbone="test_resnet", input_size=32, crop=0.9))
    method = Distil(DistilConfig(teacher="t"), Setting("intensity", AUS, SMALL))
    with pytest.raises(InputError, match="codes occurrence, and the student is to code intensity"):
        method.take_teacher(AUClassifier(SMALL, 3), Setting("occurrence", AUS, SMALL))
    with pytest.raises(InputError, match=r"--set method\.teacher=RUN"):
        DistilConfig().teacher_run()
