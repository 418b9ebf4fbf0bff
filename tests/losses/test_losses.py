"""Every loss against scikit-learn or a slow literal transcription of its equation."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from sparsefacs.losses.adversarial import confusion_loss, discriminator_loss
from sparsefacs.losses.recognition import intensity_loss, occurrence_loss
from sparsefacs.losses.reduction import labelled_mean


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(5, 4, generator=torch.Generator().manual_seed(1))


def test_occurrence_loss_is_equation_5(logits: torch.Tensor) -> None:
    labels = (torch.rand(5, 4, generator=torch.Generator().manual_seed(2)) > 0.5).float()
    slow = 0.0
    for b in range(5):
        for a in range(4):
            p, y = sigmoid(float(logits[b, a])), float(labels[b, a])
            slow += -(y * math.log(p) + (1 - y) * math.log(1 - p))
    assert float(occurrence_loss(logits, labels)) == pytest.approx(slow / 5, rel=1e-5)
    library = log_loss(labels.numpy().ravel(), torch.sigmoid(logits).numpy().ravel().astype(np.float64))
    assert float(occurrence_loss(logits, labels)) == pytest.approx(4 * library, rel=1e-5)


def test_missing_labels_never_contribute(logits: torch.Tensor) -> None:
    labels = torch.tensor([[1, 0, -1, 1], [-1, -1, -1, -1], [0, 0, 1, -1], [1, -1, 0, 0], [0, 1, 1, 1.0]])
    leaf = logits.clone().requires_grad_()
    loss = occurrence_loss(leaf, labels)
    loss.backward()
    assert leaf.grad is not None
    assert (leaf.grad[labels < 0] == 0).all()
    assert (leaf.grad[labels >= 0] != 0).all()
    changed = torch.where(labels < 0, torch.full_like(logits, 1e4), logits)
    assert torch.equal(occurrence_loss(changed, labels), loss.detach())
    kept = labels >= 0
    library = log_loss(labels[kept].numpy(), torch.sigmoid(logits[kept]).numpy().astype(np.float64))
    assert float(loss) == pytest.approx(4 * library, rel=1e-5)


def test_nothing_labelled_is_zero_not_nan(logits: torch.Tensor) -> None:
    leaf = logits.clone().requires_grad_()
    loss = occurrence_loss(leaf, torch.full((5, 4), -1.0))
    loss.backward()
    assert float(loss) == 0
    assert leaf.grad is not None and not leaf.grad.any()


def test_intensity_loss_is_squared_error_of_fifths(logits: torch.Tensor) -> None:
    labels = torch.tensor([[0, 5, math.nan, 2], [math.nan] * 4, [1, 1, 1, 1], [3, 4, 0, math.nan], [5, 5, 0, 0.0]])
    total, count = 0.0, 0
    for b in range(5):
        for a in range(4):
            if not math.isnan(float(labels[b, a])):
                total += (sigmoid(float(logits[b, a])) - float(labels[b, a]) / 5) ** 2
                count += 1
    leaf = logits.clone().requires_grad_()
    loss = intensity_loss(leaf, labels)
    loss.backward()
    assert float(loss) == pytest.approx(4 * total / count, rel=1e-5)
    assert leaf.grad is not None and torch.isfinite(leaf.grad).all()
    assert (leaf.grad[torch.isnan(labels)] == 0).all()


def test_adversarial_losses_are_equations_3_and_4() -> None:
    real, fake = torch.tensor([0.3, -2.0, 1.5]), torch.tensor([-0.7, 0.2, 3.0, -1.0])
    literal_d = -sum(math.log(sigmoid(float(d))) for d in real) / 3
    literal_d -= sum(math.log(1 - sigmoid(float(d))) for d in fake) / 4
    literal_r = -sum(math.log(sigmoid(float(d))) for d in fake) / 4
    assert float(discriminator_loss(real, fake)) == pytest.approx(literal_d, rel=1e-5)
    assert float(confusion_loss(fake)) == pytest.approx(literal_r, rel=1e-5)
    assert math.isfinite(float(discriminator_loss(torch.tensor([-200.0]), torch.tensor([200.0]))))


def test_labelled_mean_ignores_nan_where_unlabelled() -> None:
    values = torch.tensor([1.0, math.nan, 3.0], requires_grad=True)
    mean = labelled_mean(values, torch.tensor([True, False, True]))
    mean.backward()
    assert float(mean) == 2
    assert values.grad is not None and values.grad.tolist() == [0.5, 0.0, 0.5]
