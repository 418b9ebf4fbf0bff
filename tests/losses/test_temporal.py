"""TCL's group loss against loops over its equations."""

import math

import pytest
import torch

from sparsefacs.losses.temporal import group_contrast_loss


def literal(dense: torch.Tensor, sparse: torch.Tensor, tau: float) -> torch.Tensor:
    """Equations 3 and 4 group by group, both speeds as anchors."""
    views = []
    for logits in (dense, sparse):
        groups: dict[int, torch.Tensor] = {}
        for au in range(logits.shape[1]):
            members = [logits[clip] for clip in range(len(logits)) if logits[clip, au] > 0]
            if members:
                groups[au] = torch.stack(members).sum(dim=0) / len(members)
        views.append(groups)
    both = [au for au in views[0] if au in views[1]]

    def h(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return torch.exp(one @ other / (one.norm() * other.norm()) / tau)

    total = torch.zeros((), dtype=dense.dtype)
    for own, other in ((0, 1), (1, 0)):
        for au in both:
            near = h(views[own][au], views[other][au])
            far = sum(h(views[own][au], views[speed][b]) for b in both if b != au for speed in (0, 1))
            total = total - torch.log(near / (near + far))
    return total / (2 * len(both))


def test_groups_are_contrasted_as_written_out() -> None:
    generator = torch.Generator().manual_seed(2)
    dense, sparse = (torch.randn(6, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    dense[:, 3] = -dense[:, 3].abs()  # an AU that is predicted at one speed alone
    for values in (dense, sparse):
        values.requires_grad_()
    ours, slow = group_contrast_loss(dense, sparse, 0.5), literal(dense, sparse, 0.5)
    torch.testing.assert_close(ours, slow)
    torch.testing.assert_close(torch.autograd.grad(ours, [dense, sparse]), torch.autograd.grad(slow, [dense, sparse]))


def test_fewer_than_two_groups_teach_nothing() -> None:
    logits = -torch.ones(3, 4)
    logits[:, 0] = 1
    logits.requires_grad_()
    loss = group_contrast_loss(logits, logits, 0.5)
    loss.backward()
    assert float(loss) == 0 and logits.grad is not None and float(logits.grad.abs().sum()) == 0


def test_speeds_that_agree_are_better_than_speeds_that_do_not() -> None:
    logits = 4 * torch.eye(4) - 1
    agreed = group_contrast_loss(logits, logits, 0.5)
    other = 0.1 * torch.eye(4) - 5 * (1 - torch.eye(4) - torch.eye(4).roll(1, dims=1))  # the same groups, other means
    crossed = group_contrast_loss(logits, other, 0.5)
    assert float(agreed) < float(crossed)
    assert float(agreed) == pytest.approx(float(literal(logits, logits, 0.5)), rel=1e-5)
    assert math.isfinite(float(crossed))
