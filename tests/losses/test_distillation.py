"""Knowledge-Spreader's losses against literal loops over the equations, with gradients, in float64."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from sparsefacs.losses.distillation import (
    bernoulli_kl,
    confirmed_pseudo_loss,
    ensemble_distillation,
    positive_weights,
    weighted_occurrence_loss,
)

B, L, A = 4, 3, 5


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels(*shape: int, lowest: int = 0, seed: int = 1) -> Tensor:
    return torch.randint(lowest, 2, shape, generator=torch.Generator().manual_seed(seed)).double()


def probability(z: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-z))


def literal_kl(target: Tensor, predicted: Tensor) -> Tensor:
    """Two classes: Σ_c t_c log(t_c / p_c)."""
    present = target * torch.log(target / predicted)
    absent = (1 - target) * torch.log((1 - target) / (1 - predicted))
    return present + absent


def literal_distillation(one: Tensor, other: Tensor, temperature: float) -> Tensor:
    total = one.new_zeros(())
    for b in range(B):
        for a in range(A):
            p, q = probability(one[b, a] / temperature), probability(other[b, a] / temperature)
            target = ((p + q) / 2).detach()
            total = total + literal_kl(target, p) + literal_kl(target, q)
    return temperature**2 * total / (B * A)


def literal_weighted(z: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    total, count = z.new_zeros(()), 0
    for b in range(B):
        for a in range(A):
            if y[b, a] >= 0:
                p = probability(z[b, a])
                total = total - (weight[a] * y[b, a] * torch.log(p) + (1 - y[b, a]) * torch.log(1 - p))
                count += 1
    return total / count


def literal_pseudo(z: Tensor, y: Tensor, keep: Tensor) -> Tensor:
    total, count = z.new_zeros(()), 0
    for b in range(B):
        for i in range(L):
            if keep[b, i]:
                for a in range(A):
                    p = probability(z[b, i, a])
                    total = total - torch.log(p if y[b, i, a] == 1 else 1 - p)
                    count += 1
    return total / count


def same(fast: Callable[..., Tensor], slow: Callable[..., Tensor], *leaves: Tensor) -> None:
    """Assert equal values and equal gradients in every leaf."""
    values = []
    for loss in (fast, slow):
        own = [leaf.clone().requires_grad_() for leaf in leaves]
        value = loss(*own)
        values.append((value.detach(), *torch.autograd.grad(value, own)))
    for one, other in zip(*values, strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_distillation_is_equations_1_and_2(temperature: float) -> None:
    same(
        lambda one, other: ensemble_distillation(one, other, temperature),
        lambda one, other: literal_distillation(one, other, temperature),
        drawn(B, A),
        drawn(B, A, seed=3),
    )


def test_distillation_is_two_way_and_draws_both_to_the_mean() -> None:
    one, other = drawn(B, A).requires_grad_(), drawn(B, A, seed=3).requires_grad_()
    loss = ensemble_distillation(one, other)
    assert torch.equal(loss, ensemble_distillation(other, one))
    first, second = torch.autograd.grad(loss, (one, other))
    mean = (probability(one) + probability(other)) / 2
    assert torch.allclose(first, (probability(one) - mean) / (B * A))
    assert torch.allclose(second, (probability(other) - mean) / (B * A))
    assert float(ensemble_distillation(one, one).detach()) == pytest.approx(0, abs=1e-12)


def test_kl_is_that_of_two_classes_and_its_target_may_learn() -> None:
    z, t = drawn(B, A), probability(drawn(B, A, seed=2))
    assert torch.allclose(bernoulli_kl(t, z), literal_kl(t, probability(z)))
    assert (bernoulli_kl(t, z) > 0).all()
    same(
        lambda target, logits: bernoulli_kl(target, logits, detach=False).sum(),
        lambda target, logits: literal_kl(target, probability(logits)).sum(),
        t,
        z,
    )
    leaf = t.clone().requires_grad_()
    assert not bernoulli_kl(leaf, z).requires_grad


def test_kl_stays_a_number_at_the_ends() -> None:
    ends = torch.tensor([0.0, 1.0, 0.0, 1.0])
    for detach in (True, False):
        target, logits = ends.clone().requires_grad_(), torch.tensor([-200.0, 200.0, 30.0, -30.0], requires_grad=True)
        divergence = bernoulli_kl(target, logits, detach=detach)
        assert torch.allclose(divergence, torch.tensor([0.0, 0.0, 30.0, 30.0]), atol=1e-3)
        divergence.sum().backward()
        assert logits.grad is not None and torch.isfinite(logits.grad).all()
        assert target.grad is None or torch.isfinite(target.grad).all()
    with pytest.raises(ValueError, match="differ"):
        bernoulli_kl(torch.zeros(3, 1), torch.zeros(3, 2))


def test_weighted_cross_entropy_is_equation_3() -> None:
    y, weight = labels(B, A, lowest=-1), torch.rand(A, generator=torch.Generator().manual_seed(5)).double() * 9
    same(lambda z: weighted_occurrence_loss(z, y, weight), lambda z: literal_weighted(z, y, weight), drawn(B, A))
    assert not torch.isclose(
        weighted_occurrence_loss(drawn(B, A), y, weight), weighted_occurrence_loss(drawn(B, A), y, torch.ones(A))
    )


def test_hidden_labels_contribute_nothing() -> None:
    y, weight = labels(B, A, lowest=-1), torch.full((A,), 3.0)
    assert (y < 0).any()
    for odd in (1e6, math.nan):
        z = torch.where(y < 0, odd, drawn(B, A)).requires_grad_()
        loss = weighted_occurrence_loss(z, y, weight)
        loss.backward()
        assert float(loss) == pytest.approx(float(weighted_occurrence_loss(drawn(B, A), y, weight)))
        assert z.grad is not None
        assert (z.grad[y < 0] == 0).all() and (z.grad[y >= 0] != 0).all()
    z = drawn(B, A).requires_grad_()
    nothing = weighted_occurrence_loss(z, torch.full((B, A), -1.0), weight)
    nothing.backward()
    assert float(nothing) == 0 and z.grad is not None and not z.grad.any()


def test_positive_weights_are_counts_of_visible_labels() -> None:
    rows = np.random.default_rng(0).choice([-1, 0, 1], p=[0.3, 0.5, 0.2], size=(400, 6)).astype(np.float32)
    rows[:, 2] = np.where(rows[:, 2] == 1, 0, rows[:, 2])  # never present
    rows[:, 3] = -1  # never labelled
    rows[:, 4] = np.where(np.arange(400) < 1, 1, 0)  # once in 400
    rows[:, 5] = np.where(np.arange(400) < 1, 0, 1)
    expected = [(rows[:, a] == 0).sum() / (rows[:, a] == 1).sum() for a in (0, 1)]
    weight = positive_weights(torch.from_numpy(rows))
    assert weight.dtype == torch.float32
    assert weight.tolist() == pytest.approx([*expected, 1, 1, 20, 1 / 20])
    fewest = [max(1 / 3, min(3, each)) for each in expected]
    assert positive_weights(torch.from_numpy(rows), 3).tolist() == pytest.approx([*fewest, 1, 1, 3, 1 / 3])
    assert positive_weights(torch.from_numpy(rows), 1).tolist() == [1] * 6
    more = np.concatenate([rows, np.full((50, 6), -1, np.float32)])
    assert torch.equal(positive_weights(torch.from_numpy(more)), weight)


@pytest.mark.parametrize("of_frames", [True, False])
def test_pseudo_labels_teach_as_equation_5_where_confirmed(of_frames: bool) -> None:
    y = labels(B, L, A)
    keep = labels(B, L, seed=8).bool() if of_frames else torch.tensor([True, False, True, False])
    every = keep if of_frames else keep[:, None].expand(B, L)
    same(lambda z: confirmed_pseudo_loss(z, y, keep), lambda z: literal_pseudo(z, y, every), drawn(B, L, A))
    z = torch.where(every[..., None], drawn(B, L, A), math.nan).requires_grad_()
    loss = confirmed_pseudo_loss(z, y, keep)
    loss.backward()
    assert float(loss) == pytest.approx(float(confirmed_pseudo_loss(drawn(B, L, A), y, keep)))
    assert z.grad is not None and (z.grad[~every] == 0).all()


def test_no_confirmed_clip_is_zero_not_nan() -> None:
    z = drawn(B, L, A).requires_grad_()
    loss = confirmed_pseudo_loss(z, labels(B, L, A), torch.zeros(B, dtype=torch.bool))
    loss.backward()
    assert float(loss) == 0 and z.grad is not None and not z.grad.any()
    for keep in (torch.ones(L), torch.ones(B, A)):
        with pytest.raises(ValueError, match="do not fit"):
            confirmed_pseudo_loss(z, labels(B, L, A), keep.bool())
