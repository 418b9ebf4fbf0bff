"""FixMatch, pseudo labels, mean teacher and the RoI CutMix, AU by AU, against loops over their equations."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_contrastive import assert_alike, drawn
from torch import Tensor

from sparsefacs.losses.consistency import (
    cut_consistency_loss,
    fixmatch_loss,
    gaussian_ramp,
    mean_teacher_loss,
    pseudo_label_loss,
)

SHAPE = (5, 4)
AT = torch.tensor([0, 3, 1, 1, 2])


def probability(logit: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-logit))


def literal_fixmatch(weak: Tensor, strong: Tensor, threshold: float) -> Tensor:
    """Sohn et al., equation 4, once an AU with the classes present and absent: 1/μB Σ 1(max q ≥ τ) H(q̂, p)."""
    total = strong.new_zeros(())
    for b in range(weak.shape[0]):
        for a in range(weak.shape[1]):
            q = [float(probability(weak[b, a])), 1 - float(probability(weak[b, a]))]
            p = [probability(strong[b, a]), 1 - probability(strong[b, a])]
            if max(q) >= threshold:
                total = total - torch.log(p[q.index(max(q))])
    return total / weak.numel()


def literal_squares(logits: Tensor, target: Tensor, places: list[tuple[int, int]]) -> Tensor:
    return torch.stack([(probability(logits[at]) - probability(target[at])) ** 2 for at in places]).mean()


EVERYWHERE = [(b, a) for b in range(SHAPE[0]) for a in range(SHAPE[1])]


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.95])
def test_fixmatch(threshold: float) -> None:
    weak = 3 * drawn(*SHAPE, seed=1)
    sure = (torch.sigmoid(weak) - 0.5).abs() >= threshold - 0.5
    assert sure.any() and (threshold == 0.5 or not sure.all())
    assert_alike(
        lambda s: fixmatch_loss(weak, s, threshold), lambda s: literal_fixmatch(weak, s, threshold), drawn(*SHAPE)
    )


def test_fixmatch_counts_the_unsure_and_learns_nothing_from_them() -> None:
    weak = torch.tensor([[5.0, 0.1], [-5.0, -0.1]], requires_grad=True)
    strong = torch.tensor([[0.0, math.nan], [0.0, 7.0]], requires_grad=True)
    value = fixmatch_loss(weak, strong, 0.9)
    value.backward()
    assert float(value.detach()) == pytest.approx(2 * math.log(2) / 4)  # two sure entries of four
    assert weak.grad is None
    assert strong.grad is not None and strong.grad.tolist() == [[-0.125, 0], [0.125, 0]]
    certain = fixmatch_loss(torch.tensor([[0.1]]), torch.tensor([[0.0]]).requires_grad_(), 0.9)
    certain.backward()
    assert float(certain.detach()) == 0
    even = fixmatch_loss(torch.zeros(1, 1), torch.zeros(1, 1), 0.5)  # as sure as asked for
    assert float(even) == pytest.approx(math.log(2))
    unlike = fixmatch_loss(torch.full((1, 2), math.nan), torch.zeros(1, 2), 0.5)
    assert float(unlike) == 0  # NaN is not sure of anything
    with pytest.raises(ValueError, match="differ"):
        fixmatch_loss(weak, strong[:, :1], 0.9)


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_pseudo_labels_are_one_s_own_and_get_no_gradient(threshold: float) -> None:
    logits = 2 * drawn(*SHAPE)
    assert_alike(
        lambda g: pseudo_label_loss(g, threshold), lambda g: literal_fixmatch(g.detach(), g, threshold), logits
    )
    whole = torch.nn.functional.binary_cross_entropy_with_logits(logits, (logits > 0).double())
    torch.testing.assert_close(pseudo_label_loss(logits), whole)


def test_mean_teacher() -> None:
    fixed = drawn(*SHAPE, seed=1)
    teacher = fixed.clone().requires_grad_()
    assert_alike(
        lambda s: mean_teacher_loss(s, teacher), lambda s: literal_squares(s, fixed, EVERYWHERE), drawn(*SHAPE)
    )
    mean_teacher_loss(drawn(*SHAPE).requires_grad_(), teacher).backward()
    assert teacher.grad is None
    assert float(mean_teacher_loss(fixed, fixed)) == 0
    with pytest.raises(ValueError, match="differ"):
        mean_teacher_loss(fixed, fixed[:1])


def test_roi_cutmix_sees_the_cut_au_only() -> None:
    fixed = drawn(*SHAPE, seed=1)
    target = fixed.clone().requires_grad_()
    places = list(enumerate(AT.tolist()))
    assert_alike(
        lambda g: cut_consistency_loss(g, target, AT), lambda g: literal_squares(g, fixed, places), drawn(*SHAPE)
    )
    cut = torch.nn.functional.one_hot(AT, SHAPE[1]).bool()
    leaf = torch.where(cut, drawn(*SHAPE), math.nan).requires_grad_()
    value = cut_consistency_loss(leaf, torch.where(cut, target, math.nan), AT)
    value.backward()
    assert float(value.detach()) == pytest.approx(float(literal_squares(drawn(*SHAPE), fixed, places)))
    assert leaf.grad is not None and target.grad is None
    assert (leaf.grad[~cut] == 0).all() and (leaf.grad[cut] != 0).all()


def test_extreme_logits_stay_finite() -> None:
    leaf = torch.tensor([[1e4, -1e4]], requires_grad=True)
    losses = (
        (fixmatch_loss(-leaf, leaf, 0.95), 1e4),
        (pseudo_label_loss(leaf, 0.95), 0),
        (mean_teacher_loss(leaf, -leaf), 1),
        (cut_consistency_loss(leaf, -leaf, torch.tensor([1])), 1),
    )
    for value, expected in losses:
        assert float(value.detach()) == pytest.approx(expected)
        (gradient,) = torch.autograd.grad(value, leaf)
        assert torch.isfinite(gradient).all()
    narrow = leaf.detach().bfloat16()
    for value in (fixmatch_loss(narrow, narrow, 0.9), mean_teacher_loss(narrow, narrow)):
        assert value.dtype == torch.float32


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_ramp_grows_to_1_and_stays(first: float, second: float, length: float) -> None:
    early, late = sorted([first, second])
    assert math.exp(-5) - 1e-12 <= gaussian_ramp(early, length) <= gaussian_ramp(late, length) <= 1
    assert gaussian_ramp(length, length) == gaussian_ramp(2 * length, length) == 1


def test_ramp_by_hand() -> None:
    assert gaussian_ramp(0, 100) == pytest.approx(math.exp(-5))
    assert gaussian_ramp(50, 100) == pytest.approx(math.exp(-1.25))
    assert gaussian_ramp(0, 0) == 1
