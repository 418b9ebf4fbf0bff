"""The contrastive losses against literal loops over the equations, another library, and themselves on two processes."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch_metric_learning.losses import NTXentLoss, SupConLoss
from torch import Tensor

from process_pair import ProcessPair
from sparsefacs.engine.devices import share_gradients
from sparsefacs.facs.areas import AREA_MIRROR
from sparsefacs.losses.contrastive import (
    gathered,
    info_nce_queue_loss,
    inter_area_loss,
    intra_area_loss,
    ntxent_loss,
    prediction_loss,
)

TEMPERATURE = 0.07
PHI = {1: {1}, 2: {2, 3}, 3: {2, 3}, 4: {4}, 5: {5, 6}, 6: {5, 6}, 7: {7}, 8: {8}}  # the paper's words, not our table


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def csim(v: Tensor, u: Tensor) -> Tensor:
    return v @ u / (v.square().sum().sqrt() * u.square().sum().sqrt())


def literal_inter(v: Tensor, temperature: float) -> Tensor:
    """Equations 1 to 3 as printed, over 16N."""
    where = [(i, p) for i in range(len(v)) for p in range(1, 9)]
    total = v.new_zeros(())
    for i, p in where:
        others = [(k, r) for k, r in where if k != i or r != p]
        scores = {(k, r): csim(v[i, p - 1], v[k, r - 1]) / temperature for k, r in others}
        denominator = sum(torch.exp(score) for score in scores.values())
        positives = [(j, q) for j, q in others if q in PHI[p]]
        total = total + sum(-torch.log(torch.exp(scores[at]) / denominator) for at in positives) / len(positives)
    return total / len(where)


def literal_intra(v: Tensor, temperature: float) -> Tensor:
    """Equations 4 and 5 as printed, over the number of terms; row i and row i + N are views of one image."""
    views, areas = v.shape[:2]
    total = v.new_zeros(())
    for m in range(areas):
        for i in range(views):
            psi = (i + views // 2) % views
            scores = [torch.exp(csim(v[i, m], v[k, m]) / temperature) for k in range(views)]
            total = total - torch.log(scores[psi] / sum(scores[k] for k in range(views) if k != i))
    return total / (views * areas)


def literal_prediction(v: Tensor, predicted: Tensor) -> Tensor:
    """Equation 8 as printed, over 16N."""
    views, areas = v.shape[:2]
    total = sum(1 - csim(v[i, p], predicted[i, p]) for i in range(views) for p in range(areas))
    return torch.as_tensor(total) / (views * areas)


def literal_queue(query: Tensor, key: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """MoCo, equation 1, averaged over queries."""
    total = query.new_zeros(())
    for q, k in zip(query, key, strict=True):
        positive = torch.exp(csim(q, k) / temperature)
        total = total - torch.log(
            positive / (positive + sum(torch.exp(csim(q, other) / temperature) for other in queue))
        )
    return total / len(query)


def inter(v: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    return inter_area_loss(v, AREA_MIRROR, temperature)


def supcon(v: Tensor, temperature: float) -> Tensor:
    """Khosla's L_out of another library; the label of an embedding is the pair of mirror areas it belongs to."""
    labels = torch.tensor([min(PHI[p]) for p in range(1, 9)]).repeat(len(v))
    return torch.as_tensor(SupConLoss(temperature=temperature)(v.flatten(0, 1), labels))


def library_ntxent(v: Tensor, temperature: float) -> Tensor:
    """NT-Xent of another library, area by area; the label of an embedding is its image."""
    labels = torch.arange(len(v) // 2).repeat(2)
    areas = [torch.as_tensor(NTXentLoss(temperature=temperature)(v[:, m], labels)) for m in range(v.shape[1])]
    return torch.stack(areas).mean()


def assert_alike(ours: Callable[..., Tensor], reference: Callable[..., Tensor], *inputs: Tensor) -> None:
    """Compare values, and the gradients of every input."""
    results = []
    for loss in (ours, reference):
        leaves = [values.clone().requires_grad_() for values in inputs]
        value = loss(*leaves)
        results.append((value.detach(), *torch.autograd.grad(value, leaves)))
    assert all(gradient.abs().max() > 1e-3 for gradient in results[0][1:])
    torch.testing.assert_close(results[0], results[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("temperature", [TEMPERATURE, 0.5])
@pytest.mark.parametrize("reference", [literal_inter, supcon])
def test_inter_area_loss(reference: Callable[[Tensor, float], Tensor], temperature: float) -> None:
    assert_alike(lambda v: inter(v, temperature), lambda v: reference(v, temperature), drawn(6, 8, 5))


@pytest.mark.parametrize("temperature", [TEMPERATURE, 0.5])
@pytest.mark.parametrize("reference", [literal_intra, library_ntxent])
def test_intra_area_loss(reference: Callable[[Tensor, float], Tensor], temperature: float) -> None:
    assert_alike(lambda v: intra_area_loss(v, temperature), lambda v: reference(v, temperature), drawn(8, 8, 5))


@pytest.mark.parametrize("reference", [literal_intra, library_ntxent])
def test_ntxent_loss(reference: Callable[[Tensor, float], Tensor]) -> None:
    assert_alike(lambda v: ntxent_loss(v, 0.1), lambda v: reference(v[:, None], 0.1), drawn(10, 6))


def test_prediction_loss_reaches_predictions_and_targets() -> None:
    assert_alike(prediction_loss, literal_prediction, drawn(4, 8, 5), drawn(4, 8, 5, seed=1))


def test_queue_loss_reaches_queries_only() -> None:
    key, queue = drawn(5, 6, seed=1).requires_grad_(), drawn(7, 6, seed=2).requires_grad_()
    assert_alike(
        lambda q: info_nce_queue_loss(q, key, queue, 0.2), lambda q: literal_queue(q, key, queue, 0.2), drawn(5, 6)
    )
    query = drawn(5, 6).requires_grad_()
    info_nce_queue_loss(query, key, queue, 0.2).backward()
    assert query.grad is not None and key.grad is None and queue.grad is None


def test_one_image_by_hand() -> None:
    """Two identical views, areas at right angles: areas 1, 4, 7 and 8 have 1 positive, the others 3."""
    v = torch.eye(8, dtype=torch.float64).repeat(2, 1, 1)
    e = math.exp(2)  # 1 / τ
    log_total = math.log(e + 14)  # the other view of the same area, and 14 embeddings at right angles
    by_hand = (4 * (log_total - 2) + 4 * (log_total - 2 / 3)) / 8  # of a paired area's 3 positives 1 is alike
    assert float(inter(v, 0.5)) == pytest.approx(by_hand, rel=1e-12)
    assert float(intra_area_loss(v, 0.5)) == pytest.approx(0, abs=1e-12)  # one image has no negatives
    turned = torch.cat([v, torch.roll(v, 1, dims=1)])[[0, 2, 1, 3]]  # a second image, at right angles in every area
    assert float(intra_area_loss(turned, 0.5)) == pytest.approx(math.log(e + 2) - 2, rel=1e-12)
    assert float(prediction_loss(v, 3 * v)) == 0
    assert float(prediction_loss(v, -v)) == 2
    query, queue = torch.eye(4, dtype=torch.float64)[:2], torch.eye(4, dtype=torch.float64)[2:]
    assert float(info_nce_queue_loss(query, query, queue, 0.5)) == pytest.approx(math.log(e + 2) - 2, rel=1e-12)


def test_order_of_images_and_of_views_changes_nothing() -> None:
    v, order = drawn(10, 8, 5), torch.tensor([3, 0, 4, 1, 2])
    for moved in (torch.cat([order, order + 5]), torch.cat([order + 5, order])):
        for loss in (inter, lambda v: intra_area_loss(v, TEMPERATURE), lambda v: ntxent_loss(v[:, 3], TEMPERATURE)):
            torch.testing.assert_close(loss(v[moved]), loss(v), rtol=1e-12, atol=0)
    only_first = torch.cat([order, torch.arange(5, 10)])  # pulls the two views of an image apart
    torch.testing.assert_close(inter(v[only_first]), inter(v), rtol=1e-12, atol=0)
    assert abs(float(intra_area_loss(v[only_first], TEMPERATURE) - intra_area_loss(v, TEMPERATURE))) > 0.1


def test_length_of_an_embedding_changes_nothing_and_temperature_does() -> None:
    v, lengths = drawn(6, 8, 5), torch.rand(6, 8, 1, dtype=torch.float64) + 0.5
    for loss in (inter, intra_area_loss):
        torch.testing.assert_close(loss(lengths * v, TEMPERATURE), loss(v, TEMPERATURE), rtol=1e-10, atol=0)
    # as τ grows, every other embedding is as likely as any
    assert float(inter(v, 1e9)) == pytest.approx(math.log(6 * 8 - 1), abs=1e-8)
    assert float(intra_area_loss(v, 1e9)) == pytest.approx(math.log(6 - 1), abs=1e-8)
    assert float(ntxent_loss(v[:, 0], 1e9)) == pytest.approx(math.log(6 - 1), abs=1e-8)
    assert float(info_nce_queue_loss(v[:, 0], v[:, 1], v[:, 2], 1e9)) == pytest.approx(math.log(7), abs=1e-8)


def test_small_temperature_stays_finite_in_single_precision() -> None:
    """exp(1 / 0.005) is beyond float32."""
    v = drawn(6, 8, 5)
    pairs = [
        (lambda v: inter(v, 0.005), lambda v: literal_inter(v, 0.005)),
        (lambda v: intra_area_loss(v, 0.005), lambda v: literal_intra(v, 0.005)),
        (
            lambda v: info_nce_queue_loss(v[:, 0], v[:, 1], v[:, 2], 0.005),
            lambda v: literal_queue(v[:, 0], v[:, 1], v[:, 2], 0.005),
        ),
    ]
    for ours, literal in pairs:
        single = v.float().requires_grad_()
        value = ours(single)
        value.backward()
        assert single.grad is not None and torch.isfinite(single.grad).all()
        assert float(value.detach()) == pytest.approx(float(literal(v)), rel=1e-4)


def test_autocast_does_not_coarsen_similarities() -> None:
    v = drawn(6, 8, 16).float()
    losses: list[Callable[[], Tensor]] = [
        lambda: inter(v),
        lambda: intra_area_loss(v, TEMPERATURE),
        lambda: ntxent_loss(v[:, 0], TEMPERATURE),
        lambda: info_nce_queue_loss(v[:, 0], v[:, 1], v[:, 2], TEMPERATURE),
    ]
    for loss in losses:
        exact = loss()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(loss(), exact)
    assert inter(v.bfloat16()).dtype == torch.float32


def test_odd_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="7 rows"):
        intra_area_loss(drawn(7, 8, 5), TEMPERATURE)


def test_gathered_alone_is_the_input() -> None:
    v = drawn(3, 2)
    assert gathered(v) is v


def share_of_two(rank: int, world: int, folder: str) -> None:
    """Save values and gradients of all losses, of embeddings that come from one shared layer, added over processes."""
    torch.set_num_threads(1)
    if world > 1:
        torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    images = 6 // world
    mine = slice(rank * images, (rank + 1) * images)
    features = torch.cat([drawn(6, 8, 7)[mine], drawn(6, 8, 7, seed=1)[mine]])  # first views, then second
    weight = torch.nn.Parameter(drawn(7, 5, seed=2))
    predictor = torch.nn.Parameter(drawn(5, 5, seed=3))
    found = []
    losses: list[Callable[[Tensor], Tensor]] = [
        inter,
        lambda v: intra_area_loss(v, TEMPERATURE),
        lambda v: prediction_loss(v, v @ predictor),
        lambda v: ntxent_loss(v[:, 0], TEMPERATURE),
        lambda v: info_nce_queue_loss(v[:, 0], v[:, 1], drawn(9, 5, seed=4), TEMPERATURE),
        lambda v: 0.01 * (inter(v) + 0.1 * intra_area_loss(v, TEMPERATURE)) + prediction_loss(v, v @ predictor),
    ]
    for loss in losses:
        weight.grad = predictor.grad = None
        value = loss(features @ weight)
        value.backward()
        share_gradients([weight, predictor])
        total = value.detach().clone()
        if world > 1:
            torch.distributed.all_reduce(total)
        gradients = [p.grad.flatten() if p.grad is not None else torch.zeros(p.numel()) for p in (weight, predictor)]
        found.append(torch.cat([total[None], *gradients]))
    if rank == 0:
        np.save(f"{folder}/found-{world}.npy", torch.stack(found).numpy())
    if world > 1:
        ordered = gathered(torch.full((2, 3), float(rank)))
        assert ordered[:, 0].tolist() == [0, 0, 1, 1]
        torch.distributed.destroy_process_group()


def test_two_processes_equal_one(tmp_path: Path, two_processes: ProcessPair) -> None:
    share_of_two(0, 1, str(tmp_path))
    two_processes(share_of_two, str(tmp_path))
    one, two = np.load(tmp_path / "found-1.npy"), np.load(tmp_path / "found-2.npy")
    assert (np.abs(one[:, 1:]).max(axis=1) > 1e-3).all()
    np.testing.assert_allclose(two, one, rtol=1e-9, atol=1e-12)
