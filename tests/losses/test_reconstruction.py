"""The loss of restored patches against loops over patches and values, with hand-derived slopes."""

import numpy as np
import pytest
import torch

from sparsefacs.losses.reconstruction import normalised_patches, patch_statistics, reconstruction_loss


def drawn() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    predicted = torch.randn(3, 5, 12, dtype=torch.float64, requires_grad=True)
    target = torch.rand(3, 5, 12, dtype=torch.float64)
    mask = torch.rand(3, 5) < 0.6
    return predicted, target, mask


def normalised_by_loop(target: np.ndarray) -> np.ndarray:
    made = np.empty_like(target)
    for face, patch in np.ndindex(target.shape[:2]):
        values = target[face, patch]
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
        made[face, patch] = [(value - mean) / (variance + 1e-6) ** 0.5 for value in values]
    return made


@pytest.mark.parametrize("kind", ["l1", "l2"])
@pytest.mark.parametrize("norm", [True, False])
def test_loss_and_slope_are_those_of_loops(kind: str, norm: bool) -> None:
    predicted, target, mask = drawn()
    known = normalised_by_loop(target.numpy()) if norm else target.numpy()
    total, slope, hidden = 0.0, np.zeros(predicted.shape), int(mask.sum())
    for face, patch in np.argwhere(mask.numpy()):
        for place in range(12):
            off = predicted.detach().numpy()[face, patch, place] - known[face, patch, place]
            total += (abs(off) if kind == "l1" else off**2) / 12
            slope[face, patch, place] = (np.sign(off) if kind == "l1" else 2 * off) / 12 / hidden
    loss = reconstruction_loss(predicted, normalised_patches(target) if norm else target, mask, kind)  # type: ignore[arg-type]
    loss.backward()
    assert float(loss.detach()) == pytest.approx(total / hidden, rel=1e-12)
    assert predicted.grad is not None
    np.testing.assert_allclose(predicted.grad.numpy(), slope, rtol=1e-9, atol=1e-15)


def test_patches_that_were_seen_have_no_part() -> None:
    predicted, target, mask = drawn()
    other = torch.where(mask[..., None], predicted, torch.full_like(predicted, 99.0))
    assert torch.equal(reconstruction_loss(predicted, target, mask), reconstruction_loss(other, target, mask))
    assert float(reconstruction_loss(predicted, target, torch.zeros_like(mask)).detach()) == 0


def test_normalising_can_be_undone_and_a_patch_of_one_colour_is_zero() -> None:
    _, target, _ = drawn()
    mean, deviation = patch_statistics(target)
    torch.testing.assert_close(normalised_patches(target) * deviation + mean, target)
    assert torch.equal(normalised_patches(torch.full((1, 2, 12), 0.25)), torch.zeros(1, 2, 12))


def test_narrow_numbers_are_widened_and_odd_shapes_refused() -> None:
    predicted, target, mask = drawn()
    assert reconstruction_loss(predicted.bfloat16(), target.float(), mask).dtype == torch.float32
    assert normalised_patches(target.bfloat16()).dtype == torch.float32
    with pytest.raises(ValueError, match="differ"):
        reconstruction_loss(predicted[:, :4], target, mask)
    with pytest.raises(ValueError, match="differ"):
        reconstruction_loss(predicted, target, mask[:, :4])
