"""MixMatch for many AUs: equations 10 and 11 against loops, the printed softmax sharpening, and missing labels."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from test_contrastive import assert_alike, drawn
from torch import Tensor

from sparsefacs.losses.mixing import beta_weights, mixed_labels, mixmatch_losses, mixup, sharpened

LABELLED = torch.tensor([[1, 0, 0.3], [-1, 0.75, 0], [1, -1, -1]], dtype=torch.float64)
UNLABELLED = torch.tensor([[0.1, 0.2, -1], [0.99, 0.5, 0]], dtype=torch.float64)


def probability(logit: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-logit))


def literal_losses(logits: Tensor, targets: Tensor, u_logits: Tensor, u_targets: Tensor) -> tuple[Tensor, Tensor]:
    """Equation 11 as printed, over entries with a target."""
    on_labelled, on_unlabelled = [], []
    for at in np.ndindex(tuple(targets.shape)):
        y, p = float(targets[at]), probability(logits[at])
        if y >= 0:
            on_labelled.append(-(y * torch.log(p) + (1 - y) * torch.log(1 - p)))
    for at in np.ndindex(tuple(u_targets.shape)):
        if float(u_targets[at]) >= 0:
            on_unlabelled.append((float(u_targets[at]) - probability(u_logits[at])) ** 2)
    return torch.stack(on_labelled).mean(), torch.stack(on_unlabelled).mean()


def test_sharpening_is_mixmatch_s_with_two_classes() -> None:
    """Berthelot et al., equation 7, on the distribution (p, 1 − p): p^(1/T) / (p^(1/T) + (1 − p)^(1/T))."""
    for temperature in (1.0, 0.5, 0.1):
        for logit in drawn(20):
            p, q = (float(probability(sign * logit)) ** (1 / temperature) for sign in (1, -1))
            assert float(sharpened(logit, temperature)) == pytest.approx(p / (p + q), rel=1e-12)
    assert sharpened(torch.tensor([-1e4, 0, 1e4]), 0.01).tolist() == [0, 0.5, 1]
    assert sharpened(drawn(3).bfloat16(), 0.5).dtype == torch.float32


def test_weights_keep_the_first_part_in_front() -> None:
    weights = beta_weights(np.random.default_rng(3), 4000, 0.75)
    assert weights.shape == (4000,) and weights.dtype == torch.float64
    assert float(weights.min()) >= 0.5 and float(weights.max()) <= 1
    # P(max(λ, 1 − λ) ≤ x) = F(x) − F(1 − x) = 2 F(x) − 1, as Beta(α, α) is symmetric
    folded = stats.kstest(weights.numpy(), lambda x: 2 * stats.beta(0.75, 0.75).cdf(x) - 1)
    assert folded.pvalue > 0.01
    assert stats.kstest(weights.numpy(), lambda x: 2 * stats.beta(2, 2).cdf(x) - 1).pvalue < 1e-6
    assert torch.equal(weights, beta_weights(np.random.default_rng(3), 4000, 0.75))
    with pytest.raises(ValueError, match="a <= 0"):
        beta_weights(np.random.default_rng(3), 2, 0)


def test_mixup_row_by_row() -> None:
    share = torch.tensor([1.0, 0.5, 0.8])
    values, partners = drawn(3, 2, 2).float(), drawn(3, 2, 2, seed=1).float()
    mixed = mixup(values, partners, share.double())
    for at in np.ndindex(3, 2, 2):
        expected = float(share[at[0]]) * float(values[at]) + (1 - float(share[at[0]])) * float(partners[at])
        assert float(mixed[at]) == pytest.approx(expected, rel=1e-5)
    assert torch.equal(mixed[0], values[0]) and mixed.dtype == torch.float32
    half = mixup(torch.ones(1, 2, dtype=torch.int64), torch.zeros(1, 2, dtype=torch.int64), torch.tensor([0.75]))
    assert half.tolist() == [[0.75, 0.75]]  # whole numbers are not rounded
    for wrong in (partners[:1], partners[:, :1]):
        with pytest.raises(ValueError, match="row by row"):
            mixup(values, wrong, share)
    with pytest.raises(ValueError, match="row by row"):
        mixup(values, partners, share[:1])


labels = st.lists(st.one_of(st.sampled_from([-1.0, 0.0, 1.0, math.nan]), st.floats(0, 1)), min_size=6, max_size=6)


@given(labels, labels, st.lists(st.floats(0.5, 1), min_size=2, max_size=2))
def test_a_mixed_label_is_known_where_both_are(first: list[float], second: list[float], share: list[float]) -> None:
    tensors = [torch.tensor(part, dtype=torch.float64).view(2, 3) for part in (first, second)]
    mixed = mixed_labels(*tensors, torch.tensor(share, dtype=torch.float64))
    for place, (y, z) in enumerate(zip(first, second, strict=True)):
        weight = share[place // 3]
        expected = weight * y + (1 - weight) * z if y >= 0 and z >= 0 else -1
        assert float(mixed.flatten()[place]) == pytest.approx(expected, rel=1e-12, abs=1e-300)


def test_equation_11() -> None:
    def weighted(losses: Callable[..., tuple[Tensor, Tensor]], weight: float) -> Callable[[Tensor, Tensor], Tensor]:
        def loss(logits: Tensor, u_logits: Tensor) -> Tensor:
            on_labelled, on_unlabelled = losses(logits, LABELLED, u_logits, UNLABELLED)
            return on_labelled + weight * on_unlabelled

        return loss

    for weight in (1.0, 75.0):
        assert_alike(
            weighted(mixmatch_losses, weight), weighted(literal_losses, weight), drawn(3, 3), drawn(2, 3, seed=1)
        )


@pytest.mark.parametrize("missing", [-1.0, math.nan])
def test_entries_without_target_contribute_nothing_not_even_nan(missing: float) -> None:
    targets = [torch.where(kind < 0, missing, kind) for kind in (LABELLED, UNLABELLED)]
    expected = literal_losses(drawn(3, 3), LABELLED, drawn(2, 3, seed=1), UNLABELLED)
    for logit in (0.5, 1e30, math.nan):
        first = torch.where(LABELLED < 0, logit, drawn(3, 3)).requires_grad_()
        second = torch.where(UNLABELLED < 0, logit, drawn(2, 3, seed=1)).requires_grad_()
        found = mixmatch_losses(first, targets[0], second, targets[1])
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
        (found[0] + found[1]).backward()
        for leaf, kind in ((first, LABELLED), (second, UNLABELLED)):
            assert leaf.grad is not None
            assert (leaf.grad[kind < 0] == 0).all()
            assert torch.isfinite(leaf.grad).all() and (leaf.grad[kind >= 0] != 0).all()


def test_targets_get_no_gradient() -> None:
    targets = LABELLED.clone().requires_grad_(), UNLABELLED.clone().requires_grad_()
    found = mixmatch_losses(drawn(3, 3).requires_grad_(), targets[0], drawn(2, 3).requires_grad_(), targets[1])
    (found[0] + found[1]).backward()
    assert targets[0].grad is None and targets[1].grad is None


def test_no_faces_without_labels() -> None:
    found = mixmatch_losses(drawn(3, 3), LABELLED, torch.zeros(0, 3), torch.zeros(0, 3))
    assert float(found[0]) > 0 and float(found[1]) == 0


def test_extreme_logits_stay_finite() -> None:
    leaf = torch.tensor([[1e4, -1e4]], requires_grad=True)
    found = mixmatch_losses(leaf, torch.tensor([[0.25, 1.0]]), leaf, torch.tensor([[0.5, 0.0]]))
    assert float(found[0].detach()) == pytest.approx((0.75e4 + 1e4) / 2)
    assert float(found[1].detach()) == pytest.approx(0.125)
    (found[0] + found[1]).backward()
    assert leaf.grad is not None and torch.isfinite(leaf.grad).all()
    with pytest.raises(ValueError, match="differ"):
        mixmatch_losses(leaf, torch.zeros(1, 2), leaf, torch.zeros(2))
