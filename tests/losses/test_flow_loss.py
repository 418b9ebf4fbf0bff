"""Equation 8 against loops and numpy; unknown flow."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from test_contrastive import assert_alike, drawn
from torch import Tensor

from sparsefacs.losses.flow import endpoint_error, flow_loss

SHAPE = (2, 2, 3, 4)


def holed() -> Tensor:
    """Flow of two faces: a pixel unknown, one unknown in x only."""
    flow = drawn(*SHAPE, seed=1)
    flow[0, :, 1, 2] = math.nan
    flow[1, 0, 0, 0] = math.nan
    return flow


def literal_flow(predicted: Tensor, flow: Tensor) -> Tensor:
    """Equation 8, over known entries."""
    terms = []
    for at in np.ndindex(tuple(flow.shape)):
        if not math.isnan(float(flow[at])):
            terms.append(abs(flow[at] - predicted[at]))
    return torch.stack(terms).mean()


def literal_endpoint(predicted: Tensor, flow: Tensor) -> float:
    distances = []
    for b, i, j in np.ndindex(flow.shape[0], flow.shape[2], flow.shape[3]):
        x, y = (float(predicted[b, axis, i, j] - flow[b, axis, i, j]) for axis in (0, 1))
        if not math.isnan(x + y):
            distances.append(math.hypot(x, y))
    return sum(distances) / len(distances)


def test_equation_8_over_known_entries() -> None:
    assert_alike(lambda p: flow_loss(p, holed()), lambda p: literal_flow(p, holed()), drawn(*SHAPE))
    whole = drawn(*SHAPE, seed=1)
    assert_alike(lambda p: flow_loss(p, whole), lambda p: torch.nn.functional.l1_loss(p, whole), drawn(*SHAPE))


def test_unknown_flow_contributes_nothing_not_even_nan() -> None:
    flow = holed()
    unknown = torch.isnan(flow)
    gradients = []
    for guess in (0.5, math.nan, math.inf):
        leaf = torch.where(unknown, guess, drawn(*SHAPE)).requires_grad_()
        value = flow_loss(leaf, flow)
        value.backward()
        assert float(value.detach()) == pytest.approx(float(literal_flow(drawn(*SHAPE), flow)), rel=1e-12)
        assert leaf.grad is not None
        gradients.append(leaf.grad)
    assert (gradients[0][unknown] == 0).all() and (gradients[0][~unknown] != 0).all()
    assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)


def test_photos_have_no_flow() -> None:
    leaf = drawn(*SHAPE).requires_grad_()
    value = flow_loss(leaf, torch.full(SHAPE, math.nan))
    value.backward()
    assert float(value.detach()) == 0
    assert leaf.grad is not None and not leaf.grad.any()
    assert math.isnan(float(endpoint_error(leaf, torch.full(SHAPE, math.nan))))  # no error measured is not error 0


@given(arrays.arrays(np.float64, SHAPE, elements=st.one_of(st.just(math.nan), st.floats(-9, 9))))
def test_any_holes(flow: np.ndarray) -> None:
    known = ~np.isnan(flow)
    predicted = drawn(*SHAPE)
    expected = np.abs(predicted.numpy()[known] - flow[known]).mean() if known.any() else 0.0
    assert float(flow_loss(predicted, torch.from_numpy(flow))) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_endpoint_error() -> None:
    assert float(endpoint_error(drawn(*SHAPE), holed())) == pytest.approx(
        literal_endpoint(drawn(*SHAPE), holed()), rel=1e-12
    )
    flow = torch.zeros(1, 2, 1, 2)
    flow[0, :, 0, 0] = torch.tensor([3.0, -4.0])
    leaf = torch.zeros(1, 2, 1, 2, requires_grad=True)
    error = endpoint_error(leaf, flow)
    assert float(error) == 2.5
    assert not error.requires_grad
    flow[0, 1, 0, 1] = math.nan  # half a displacement is none
    assert float(endpoint_error(leaf, flow)) == 5


def test_narrow_predictions_are_compared_in_single_precision() -> None:
    assert flow_loss(drawn(*SHAPE).bfloat16(), holed().float()).dtype == torch.float32


def test_shapes_that_would_broadcast_are_refused() -> None:
    for measure in (flow_loss, endpoint_error):
        with pytest.raises(ValueError, match="differ"):
            measure(torch.zeros(1, 2, 3, 4), torch.zeros(*SHAPE))
