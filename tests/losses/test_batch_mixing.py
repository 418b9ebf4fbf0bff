"""Mixup and CutMix of a batch: by hand, against loops, and against timm's own with the same draws."""

import numpy as np
import pytest
import torch
from timm.data import mixup as timm_mixup

from sparsefacs.losses.batch_mixing import blend, box_share, cut_box, neighbours, paste, shared_labels


def faces(count: int, side: int = 8) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(3).random((count, 3, side, side)))


def test_partners() -> None:
    assert neighbours(6).tolist() == [1, 0, 3, 2, 5, 4]
    assert neighbours(5).tolist() == [1, 0, 3, 2, 4]
    assert neighbours(1).tolist() == [0]


def test_labels_by_hand() -> None:
    labels = torch.tensor([[1.0, 0, -1, 1], [0, 0, 1, 1], [1, -1, 0, 0]])
    mixed = shared_labels(labels, 0.75, -1.0)
    expected = [[0.75, 0, -1, 1], [0.25, 0, -1, 1], [1, -1, 0, 0]]
    np.testing.assert_allclose(mixed, expected)
    intensity = torch.tensor([[5.0, torch.nan], [1, 3]])
    np.testing.assert_allclose(shared_labels(intensity, 0.25, float("nan")), [[2, np.nan], [4, np.nan]], equal_nan=True)


@pytest.mark.parametrize("count", [4, 5])
def test_faces_against_loops(count: int) -> None:
    image, box = faces(count), (1, 5, 2, 8)
    blended, pasted = blend(image, 0.3), paste(image, box)
    before = image.clone()
    for row, partner in enumerate(neighbours(count).tolist()):
        for at in np.ndindex(3, 8, 8):
            mine, other = float(image[row][at]), float(image[partner][at])
            assert float(blended[row][at]) == pytest.approx(0.3 * mine + 0.7 * other)
            inside = box[0] <= at[1] < box[1] and box[2] <= at[2] < box[3]
            assert float(pasted[row][at]) == (other if inside else mine)
    assert torch.equal(image, before), "the batch itself is left as it was"
    assert box_share(box, 8) == pytest.approx(1 - 24 / 64)


def test_boxes_are_cut_at_the_edge_and_tell_what_is_left() -> None:
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(400):
        box = cut_box(10, 0.64, rng)
        assert 0 <= box[0] <= box[1] <= 10 and 0 <= box[2] <= box[3] <= 10
        assert box[1] - box[0] <= 6 and box[3] - box[2] <= 6
        shares.append(box_share(box, 10))
    assert min(shares) == pytest.approx(0.64)  # the whole box is inside
    assert max(shares) > 0.85
    assert box_share(cut_box(10, 1.0, rng), 10) == 1.0


@pytest.mark.parametrize("cuts", [False, True])
def test_it_is_timm_s_mixup_of_a_batch(cuts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """timm pairs first with last: our batch is put in the order in which its partners are our neighbours."""
    image, labels = faces(6), torch.from_numpy(np.random.default_rng(1).integers(0, 2, (6, 4))).double()
    order = torch.tensor([0, 5, 1, 4, 2, 3])
    share, drawn = 0.4, iter([6, 1])
    monkeypatch.setattr(timm_mixup.np.random, "beta", lambda *_: share)
    monkeypatch.setattr(timm_mixup.np.random, "randint", lambda *_, **__: next(drawn))
    theirs = timm_mixup.Mixup(
        mixup_alpha=0.0 if cuts else 0.2,
        cutmix_alpha=0.75 if cuts else 0.0,
        label_smoothing=0.0,
        num_classes=4,
        multi_label=True,
    )
    expected_image, expected_labels = theirs(image.clone(), labels)

    class Scripted:
        def integers(self, below: int) -> int:
            assert below == 8
            return next(left)

    left = iter([6, 1])
    if cuts:
        box = cut_box(8, share, Scripted())  # type: ignore[arg-type]
        ours, share = paste(image[order], box), box_share(box, 8)
    else:
        ours = blend(image[order], share)
    torch.testing.assert_close(ours, expected_image[order])
    torch.testing.assert_close(
        shared_labels(labels[order], share, -1.0), expected_labels[order].double(), atol=1e-6, rtol=0
    )
