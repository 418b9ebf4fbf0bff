"""Shapes and sizes of what WSRTL trains beside its recogniser."""

import pytest
import torch
from torch import nn

from sparsefacs import InputError
from sparsefacs.networks.generation import FlowHead, PatchCritic, PatchGenerator


@pytest.mark.parametrize("side", [48, 24, 32, 8])
def test_five_layers_lead_from_a_vector_to_a_patch_and_back(side: int) -> None:
    torch.manual_seed(0)
    generator, critic = PatchGenerator(12, side, width=32), PatchCritic(7, side, width=32)
    patches = generator(torch.randn(4, 12))
    assert patches.shape == (4, 3, side, side)
    assert patches.min() >= 0 and patches.max() <= 1
    assert critic(patches).shape == (4, 7)
    assert sum(isinstance(m, nn.ConvTranspose2d) for m in generator.modules()) == 5
    assert sum(isinstance(m, nn.Conv2d) for m in critic.modules()) == 5


def test_the_critic_mirrors_the_generator() -> None:
    shapes = [m.weight.shape for m in PatchGenerator(64, 48).modules() if isinstance(m, nn.ConvTranspose2d)]
    assert shapes == [(64, 1024, 3, 3), (1024, 512, 4, 4), (512, 256, 4, 4), (256, 128, 4, 4), (128, 3, 4, 4)]
    mirrored = [m.weight.shape for m in PatchCritic(64, 48).modules() if isinstance(m, nn.Conv2d)]
    assert mirrored[::-1] == shapes


def test_a_patch_is_judged_whatever_lies_beside_it() -> None:
    torch.manual_seed(0)
    critic = PatchCritic(1, 24, width=32)
    patches = torch.rand(3, 3, 24, 24)
    assert torch.allclose(critic(patches)[:1], critic(patches[:1]), atol=1e-6)


def test_sides_that_five_layers_do_not_reach_are_refused() -> None:
    for make in (PatchGenerator, PatchCritic):
        with pytest.raises(InputError, match="multiple of 8"):
            make(1, 44)


def test_flow_is_four_times_its_map_and_unbounded_and_mirrors_with_it() -> None:
    torch.manual_seed(0)
    head = FlowHead(16, 8).double()
    maps = torch.randn(2, 16, 5, 5, dtype=torch.float64)
    flow = head(maps * 100)
    assert flow.shape == (2, 2, 20, 20)
    assert flow.min() < -1 and flow.max() > 1
    mirrored = FlowHead(16, 8).double()
    mirrored.load_state_dict(head.state_dict())
    with torch.no_grad():
        for layer in (mirrored.layers[0], mirrored.layers[2]):
            layer.weight.copy_(layer.weight.flip(-1))
        mirrored.layers[2].weight[:, 0].neg_()  # what moves to the right moves to the left in the mirror
        mirrored.layers[2].bias[0].neg_()
    expected = head(maps).flip(-1) * torch.tensor([-1.0, 1.0], dtype=torch.float64)[:, None, None]
    assert torch.allclose(mirrored(maps.flip(-1)), expected, atol=1e-12)
    assert not torch.allclose(head(maps.flip(-1)), expected, atol=1e-3)
