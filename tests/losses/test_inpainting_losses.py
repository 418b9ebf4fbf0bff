"""WSRTL's equations 2 to 6 against loops over the printed sums, and what a missing label or a NaN may not reach."""

import math

import pytest
import torch
from sklearn.metrics import log_loss
from test_contrastive import assert_alike, drawn
from torch import Tensor

from sparsefacs.losses.inpainting import (
    patch_adversarial_loss,
    patch_critic_loss,
    reconstruction_loss,
    semantic_loss,
)
from sparsefacs.losses.reduction import cross_entropy, difference, global_mean, known_only

LABELS = torch.tensor([1, 0, -1, 0.25, 1, -1, 0.9], dtype=torch.float64)


def probability(logit: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-logit))


def literal_critic(real: Tensor, fake: Tensor) -> Tensor:
    """Minus equation 2 as printed; D is a probability there."""
    on_real = sum(torch.log(probability(d)) for d in real.flatten())
    on_fake = sum(torch.log(1 - probability(d)) for d in fake.flatten())
    return -(on_real / real.numel() + on_fake / fake.numel())


def literal_adversarial(fake: Tensor) -> Tensor:
    """Equation 3 as printed."""
    return torch.as_tensor(-sum(torch.log(probability(d)) for d in fake.flatten()) / fake.numel())


def literal_reconstruction(real: Tensor, fake: Tensor) -> Tensor:
    """Equation 4, over patches, channels and pixels."""
    total, count = real.new_zeros(()), 0
    for k, c, i, j in torch.cartesian_prod(*(torch.arange(size) for size in real.shape)).tolist():
        total, count = total + abs(real[k, c, i, j] - fake[k, c, i, j]), count + 1
    return total / count


def literal_semantic(logits: Tensor, labels: Tensor) -> Tensor:
    """Equations 5 and 6, over patches with a label."""
    terms = []
    for logit, label in zip(logits, labels.tolist(), strict=True):
        if label >= 0:
            p = probability(logit)
            terms.append(-label * torch.log(p) - (1 - label) * torch.log(1 - p))
    return torch.stack(terms).mean()


def test_equation_2_has_one_mean_of_real_and_one_of_fake_patches() -> None:
    assert_alike(patch_critic_loss, literal_critic, drawn(6), drawn(4, seed=1))
    assert_alike(patch_critic_loss, literal_critic, drawn(3, 1, 2, 2), drawn(3, 1, 2, 2, seed=1))  # a map of logits
    assert float(patch_critic_loss(torch.zeros(2), torch.zeros(3))) == pytest.approx(2 * math.log(2))


def test_equation_3() -> None:
    assert_alike(patch_adversarial_loss, literal_adversarial, drawn(6))
    assert_alike(patch_adversarial_loss, lambda d: torch.nn.BCEWithLogitsLoss()(d, torch.ones_like(d)), drawn(6))


def test_equation_4_is_a_mean() -> None:
    assert_alike(reconstruction_loss, literal_reconstruction, drawn(4, 3, 2, 5), drawn(4, 3, 2, 5, seed=1))
    white, black = torch.ones(2, 3, 48, 48), torch.zeros(2, 3, 48, 48)
    assert float(reconstruction_loss(white, black)) == 1  # whatever the patch's size
    assert float(reconstruction_loss(white, white)) == 0


def test_equations_5_and_6_with_hard_and_soft_labels() -> None:
    assert_alike(lambda g: semantic_loss(g, LABELS), lambda g: literal_semantic(g, LABELS), drawn(7))
    hard = torch.tensor([1, 0, 0, 1, 1])
    library = log_loss(hard.numpy(), torch.sigmoid(drawn(5)).numpy())
    assert float(semantic_loss(drawn(5), hard)) == pytest.approx(library, rel=1e-12)  # integer labels too


@pytest.mark.parametrize("missing", [-1.0, math.nan])
def test_a_patch_without_label_contributes_nothing_not_even_nan(missing: float) -> None:
    labels = torch.where(LABELS < 0, missing, LABELS)
    gradients = []
    for logit in (0.3, 1e30, math.nan, math.inf):
        leaf = torch.where(LABELS < 0, logit, drawn(7)).requires_grad_()
        value = semantic_loss(leaf, labels)
        value.backward()
        assert float(value.detach()) == pytest.approx(float(literal_semantic(drawn(7), LABELS)), rel=1e-12)
        assert leaf.grad is not None
        gradients.append(leaf.grad)
    assert (gradients[0][LABELS < 0] == 0).all() and (gradients[0][LABELS >= 0] != 0).all()
    assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)


def test_no_label_at_all_is_zero_with_gradient_zero() -> None:
    leaf = drawn(3).requires_grad_()
    value = semantic_loss(leaf, torch.full((3,), -1.0))
    value.backward()
    assert float(value.detach()) == 0
    assert leaf.grad is not None and leaf.grad.tolist() == [0, 0, 0]


def test_extreme_logits_stay_finite() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        extreme = torch.tensor([1e4, -1e4], dtype=dtype)
        size = float(extreme[0])
        for value, expected in (
            (patch_critic_loss(extreme, extreme), size),
            (patch_adversarial_loss(extreme), size / 2),
            (semantic_loss(extreme, torch.tensor([0.0, 1.0])), size),
            (semantic_loss(extreme, torch.tensor([1.0, 0.0])), 0),
        ):
            assert value.dtype == torch.float32
            assert float(value) == pytest.approx(expected)
    leaf = torch.tensor([1e4, -1e4], requires_grad=True)
    (patch_critic_loss(leaf, leaf) + patch_adversarial_loss(leaf) + semantic_loss(leaf, torch.zeros(2))).backward()
    assert leaf.grad is not None and torch.isfinite(leaf.grad).all()


def test_shapes_that_would_broadcast_are_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        semantic_loss(torch.zeros(4, 1), torch.zeros(4))
    with pytest.raises(ValueError, match="differ"):
        reconstruction_loss(torch.zeros(4, 3, 2, 2), torch.zeros(1, 3, 2, 2))
    with pytest.raises(ValueError, match="differ"):
        difference(torch.zeros(2), torch.zeros(2, 2))
    with pytest.raises(ValueError, match="differ"):
        known_only(torch.zeros(2, 3), torch.ones(3, dtype=torch.bool))


def test_means_of_nothing_are_zero() -> None:
    assert float(global_mean(torch.zeros(0, 3))) == 0
    assert float(cross_entropy(torch.zeros(0, 3), torch.zeros(0, 3))) == 0
