"""TCL's group loss against loops over its equations."""

import math

import pytest
import torch

from sparsefacs.losses.temporal import group_contrast_loss


def literal(fast: torch.Tensor, slow: torch.Tensor, members: list[torch.Tensor], tau: float) -> torch.Tensor:
    """Equations 3 and 4 group by group, both speeds as anchors."""
    views = []
    for features, member in zip((fast, slow), members, strict=True):
        groups: dict[int, torch.Tensor] = {}
        for au in range(member.shape[1]):
            inside = [features[clip] / features[clip].norm() for clip in range(len(features)) if member[clip, au]]
            if inside:
                groups[au] = torch.stack(inside).sum(dim=0) / len(inside)
        views.append(groups)
    both = [au for au in views[0] if au in views[1]]

    def h(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return torch.exp(one @ other / (one.norm() * other.norm()) / tau)

    total = torch.zeros((), dtype=fast.dtype)
    for own, other in ((0, 1), (1, 0)):
        for au in both:
            near = h(views[own][au], views[other][au])
            far = sum(h(views[own][au], views[speed][b]) for b in both if b != au for speed in (0, 1))
            total = total - torch.log(near / (near + far))
    return total / (2 * len(both))


def test_groups_are_contrasted_as_written_out() -> None:
    generator = torch.Generator().manual_seed(2)
    fast, slow = (torch.randn(6, 5, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2))
    members = [torch.rand(6, 4, generator=generator) > 0.5 for _ in range(2)]
    members[1][:, 3] = False  # an AU that is predicted at one speed alone
    ours, slowly = group_contrast_loss(fast, slow, *members, 0.5), literal(fast, slow, members, 0.5)
    torch.testing.assert_close(ours, slowly)
    torch.testing.assert_close(torch.autograd.grad(ours, [fast, slow]), torch.autograd.grad(slowly, [fast, slow]))
    torch.testing.assert_close(group_contrast_loss(7 * fast, slow / 3, *members, 0.5), ours)  # features are normalised


def test_fewer_than_two_groups_teach_nothing() -> None:
    features = torch.ones(3, 4, requires_grad=True)
    member = torch.zeros(3, 4, dtype=torch.bool)
    member[:, 0] = True
    loss = group_contrast_loss(features, features, member, member, 0.5)
    loss.backward()
    assert float(loss.detach()) == 0 and features.grad is not None and float(features.grad.abs().sum()) == 0


def test_speeds_that_agree_are_better_than_speeds_that_do_not() -> None:
    features, member = torch.eye(4), torch.eye(4, dtype=torch.bool)
    agreed = group_contrast_loss(features, features, member, member, 0.5)
    crossed = group_contrast_loss(features, features.roll(1, dims=1), member, member, 0.5)
    assert float(agreed) < float(crossed)
    assert float(agreed) == pytest.approx(float(literal(features, features, [member, member], 0.5)), rel=1e-5)
    assert math.isfinite(float(crossed))
