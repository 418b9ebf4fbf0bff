"""Rotation, exemplar and jigsaw against loops and another library; all of WSRTL's losses on two processes."""

import math
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.reducers import MeanReducer
from scipy.spatial.distance import cdist
from test_contrastive import assert_alike, drawn
from torch import Tensor

from process_pair import ProcessPair
from sparsefacs.engine.devices import share_gradients
from sparsefacs.losses.consistency import (
    cut_consistency_loss,
    fixmatch_loss,
    mean_teacher_loss,
    pseudo_label_loss,
)
from sparsefacs.losses.flow import flow_loss
from sparsefacs.losses.inpainting import (
    patch_adversarial_loss,
    patch_critic_loss,
    reconstruction_loss,
    semantic_loss,
)
from sparsefacs.losses.mixing import mixmatch_losses
from sparsefacs.losses.pretext import jigsaw_loss, jigsaw_orders, rotation_loss, triplet_loss

TURNS = torch.tensor([0, 3, 1, 1, 2])


def literal_classes(logits: Tensor, classes: Tensor) -> Tensor:
    """−log of the softmax at the class, over faces that have one."""
    terms = []
    for row, at in zip(logits, classes.tolist(), strict=True):
        if at >= 0:
            terms.append(-torch.log(torch.exp(row[at]) / sum(torch.exp(g) for g in row)))
    return torch.stack(terms).mean()


def literal_triplets(first: Tensor, second: Tensor, margin: float) -> Tensor:
    """Every triplet of first view, second view and another face's second view."""
    first, second = (rows / rows.square().sum(1, keepdim=True).sqrt() for rows in (first, second))
    terms = []
    for i in range(len(first)):
        for k in range(len(second)):
            if k != i:
                near, far = ((first[i] - second[at]).square().sum().sqrt() for at in (i, k))
                terms.append(torch.clamp(near - far + margin, min=0))
    return torch.stack(terms).mean()


def library_triplets(first: Tensor, second: Tensor, margin: float) -> Tensor:
    """Another library's; the label of an embedding is its face."""
    distance = LpDistance(normalize_embeddings=True, p=2)
    loss = TripletMarginLoss(margin=margin, distance=distance, triplets_per_anchor="all", reducer=MeanReducer())
    faces = torch.arange(len(first))
    return torch.as_tensor(loss(first, faces, ref_emb=second, ref_labels=faces.clone()))


@pytest.mark.parametrize("loss", [rotation_loss, jigsaw_loss])
def test_classes(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    assert_alike(lambda g: loss(g, TURNS), lambda g: literal_classes(g, TURNS), drawn(5, 4))
    assert_alike(lambda g: loss(g, TURNS), lambda g: torch.nn.CrossEntropyLoss()(g, TURNS), drawn(5, 7))
    some = torch.tensor([0, -1, 1, -1, 2])
    assert_alike(lambda g: loss(g, some), lambda g: literal_classes(g, some), drawn(5, 4))
    leaf = torch.where(some[:, None] < 0, math.nan, drawn(5, 4)).requires_grad_()
    value = loss(leaf, some)
    value.backward()
    assert float(value.detach()) == pytest.approx(float(literal_classes(drawn(5, 4), some)))
    assert leaf.grad is not None
    assert (leaf.grad[some < 0] == 0).all() and (leaf.grad[some >= 0] != 0).all()
    assert float(loss(drawn(2, 4), torch.tensor([-1, -1]))) == 0
    extreme = torch.tensor([[1e4, -1e4, 0, 0]], requires_grad=True)
    steep = loss(extreme, torch.tensor([1]))
    steep.backward()
    assert float(steep.detach()) == pytest.approx(2e4)
    assert extreme.grad is not None and torch.isfinite(extreme.grad).all()
    assert loss(extreme.detach().bfloat16(), torch.tensor([0])).dtype == torch.float32


@pytest.mark.parametrize("margin", [0.0, 0.2, 3.0])
@pytest.mark.parametrize("reference", [literal_triplets, library_triplets])
def test_triplets(reference: Callable[[Tensor, Tensor, float], Tensor], margin: float) -> None:
    views = drawn(6, 5), drawn(6, 5, seed=1)
    assert_alike(lambda a, b: triplet_loss(a, b, margin), lambda a, b: reference(a, b, margin), *views)


def test_triplets_by_hand() -> None:
    same = torch.eye(4, dtype=torch.float64)  # views of a face alike, faces √2 apart
    assert float(triplet_loss(same, 7 * same, 1.0)) == 0  # an embedding's length does not matter
    assert float(triplet_loss(same, same, 2.0)) == pytest.approx(2 - math.sqrt(2))
    swapped = same[[1, 0, 3, 2]]  # of three negatives one is at 0, two are as far as the positive
    assert float(triplet_loss(same, swapped, 0.5)) == pytest.approx((math.sqrt(2) + 3 * 0.5) / 3)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_alike_views_have_a_slope(dtype: torch.dtype) -> None:
    """At distance 0 the root has none; a network that sees every face alike must still be moved, not made NaN."""
    view = drawn(3, 5).to(dtype)
    for first, second in ((view, view), (view[:1].repeat(3, 1), view[:1].repeat(3, 1)), (torch.zeros_like(view), view)):
        leaves = first.clone().requires_grad_(), second.clone().requires_grad_()
        value = triplet_loss(*leaves, 0.2)
        assert value.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        value.backward()
        assert all(leaf.grad is not None and torch.isfinite(leaf.grad).all() for leaf in leaves)


def test_close_embeddings_keep_their_digits_and_autocast_changes_nothing() -> None:
    first = drawn(6, 16)
    second = first + 1e-3 * drawn(6, 16, seed=1)
    single = triplet_loss(first.float(), second.float(), 2.0)
    assert float(single) == pytest.approx(float(literal_triplets(first, second, 2.0)), rel=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(triplet_loss(first.float(), second.float(), 2.0), single)


def test_one_face_has_no_triplet() -> None:
    leaf = drawn(1, 5).requires_grad_()
    value = triplet_loss(leaf, drawn(1, 5, seed=1), 0.2)
    value.backward()
    assert float(value.detach()) == 0
    assert leaf.grad is not None and not leaf.grad.any()


def distances(orders: np.ndarray) -> np.ndarray:
    """Hamming distance of each pair of orders."""
    return np.asarray([(first != second).sum() for at, first in enumerate(orders) for second in orders[:at]])


def test_jigsaw_orders_are_far_apart() -> None:
    orders = jigsaw_orders(100)
    assert orders.shape == (100, 9) and orders.dtype == np.int64
    assert (np.sort(orders, axis=1) == np.arange(9)).all()
    assert orders[0].tolist() == list(range(9))
    assert distances(orders[:9]).min() == 9  # no more than nine orders can differ in every place
    assert distances(orders).min() == 6 and distances(orders).mean() > 8
    assert distances(jigsaw_orders(200)).min() >= 5
    assert (jigsaw_orders(30) == orders[:30]).all()  # more orders only add to fewer


def test_jigsaw_orders_are_greedy() -> None:
    """No order of all 362880 is farther from those before it, by the least distance and then by the sum."""
    orders = jigsaw_orders(20)
    others = np.array(list(permutations(range(9))))
    for at in (1, 9, 19):
        apart = (9 * cdist(np.vstack([orders[at], others]), orders[:at], "hamming")).round().astype(int)
        least_and_sum = list(zip(apart.min(1).tolist(), apart.sum(1).tolist(), strict=True))
        assert least_and_sum[0] == max(least_and_sum)


def test_jigsaw_orders_are_the_caller_s_own() -> None:
    orders = jigsaw_orders(5)
    orders[:] = 0  # as loading a state into a tensor that shares the memory does
    assert jigsaw_orders(5)[1].any()
    for count in (0, -1, 362881):
        with pytest.raises(ValueError, match="362880"):
            jigsaw_orders(count)


def holed(values: Tensor, hole: float) -> Tensor:
    """Every third value missing, so that processes have unlike counts."""
    return torch.where(torch.arange(values.numel()).view(values.shape) % 3 == 0, hole, values)


def losses_of(mine: slice) -> dict[str, Callable[[Tensor], Tensor]]:
    """Every loss as a function of this process's embeddings (B, 4)."""
    label, flow = holed(torch.sigmoid(drawn(6, 4, seed=5)), -1)[mine], holed(drawn(6, 4, seed=6), math.nan)[mine]
    other, classes = drawn(6, 4, seed=7)[mine], torch.tensor([0, 3, -1, 1, 2, -1])[mine]
    return {
        "critic": lambda v: patch_critic_loss(v[:, 0], v[:, 1:]),
        "adversarial": patch_adversarial_loss,
        "reconstruction": lambda v: reconstruction_loss(other, v),
        "semantic": lambda v: semantic_loss(v[:, 1], label[:, 1]),
        "flow": lambda v: flow_loss(v.view(-1, 2, 1, 2), flow.view(-1, 2, 1, 2)),
        "mixmatch": lambda v: torch.stack(mixmatch_losses(v, label, v @ drawn(4, 4, seed=8), label.roll(1, 1))).sum(),
        "fixmatch": lambda v: fixmatch_loss(other, v, 0.7),
        "pseudo label": lambda v: pseudo_label_loss(v, 0.7),
        "mean teacher": lambda v: mean_teacher_loss(v, other),
        "cut": lambda v: cut_consistency_loss(v, other, classes.clamp(min=0)),
        "rotation": lambda v: rotation_loss(v, classes),
        "jigsaw": lambda v: jigsaw_loss(v, classes),
    }


def share_of_two(rank: int, world: int, folder: str) -> None:
    """Save values and gradients of all losses, of embeddings that come from one shared layer, added over processes."""
    torch.set_num_threads(1)
    if world > 1:
        torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    unlike = slice(0, 6) if world == 1 else (slice(0, 2), slice(2, 6))[rank]
    alike = slice(0, 6) if world == 1 else (slice(0, 3), slice(3, 6))[rank]
    weight = torch.nn.Parameter(drawn(7, 4, seed=2))
    faces, second = drawn(6, 7), drawn(6, 7, seed=1)
    shares = [lambda loss=loss: loss(faces[unlike] @ weight) for loss in losses_of(unlike).values()]
    shares.append(lambda: triplet_loss(faces[alike] @ weight, second[alike] @ weight, 0.2))
    found = []
    for share in shares:
        weight.grad = None
        value = share()
        value.backward()
        share_gradients([weight])
        total = value.detach().clone()
        if world > 1:
            torch.distributed.all_reduce(total)
        assert weight.grad is not None
        found.append(torch.cat([total[None], weight.grad.flatten()]))
    if rank == 0:
        np.save(f"{folder}/found-{world}.npy", torch.stack(found).numpy())
    if world > 1:
        torch.distributed.destroy_process_group()


def test_two_processes_equal_one(tmp_path: Path, two_processes: ProcessPair) -> None:
    share_of_two(0, 1, str(tmp_path))
    two_processes(share_of_two, str(tmp_path))
    one, two = np.load(tmp_path / "found-1.npy"), np.load(tmp_path / "found-2.npy")
    assert len(one) == 13 and (np.abs(one[:, 1:]).max(axis=1) > 1e-3).all()
    np.testing.assert_allclose(two, one, rtol=1e-9, atol=1e-12)
