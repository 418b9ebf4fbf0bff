"""Parameters and GFLOPs against hand counts and a second library's known figures."""

import pytest
import torch
from torch import nn

from sparsefacs import api
from sparsefacs.engine.config import resolve
from sparsefacs.methods.cost import CONVENTION, counting, method_cost

AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)


def test_the_adversarial_recipe_is_resnet_50_plus_d() -> None:
    cost = api.methods("adversarial", aus=AUS)
    resnet_50, classes = 25_557_032, 1000  # torchvision's published count, with its 1000-way layer
    recogniser = resnet_50 - (2048 * classes + classes) + 2048 * 12 + 12
    discriminator = 12 * 64 + 64 + 64 * 64 + 64 + 64 + 1
    assert cost["parameters_inference"] == recogniser
    assert cost["parameters_training"] == recogniser + discriminator
    assert cost["gflops_inference"] == pytest.approx(4.09, abs=0.01)  # torchvision's table: 4.09 GFLOPS
    assert {"input_size", "paper", "gflops_training"} <= cost.keys()
    assert cost["input_size"] == 224


def test_small_recipe_and_aus_are_honoured() -> None:
    twelve, three = (
        api.methods("adversarial", aus=AUS, recipe="small"),
        api.methods("adversarial", aus=(1,), recipe="small"),
    )
    assert twelve["parameters_inference"] - three["parameters_inference"] == 11 * (256 + 1)


def test_a_vision_transformer_s_attention_is_counted() -> None:
    small = ("network.options={img_size: 32, patch_size: 4, depth: 2, global_pool: avg}", "network.input_size=32")
    config = resolve("mae-face", settings=("network.pool=mean", *small))
    cost = method_cost("mae-face", config.method_config(), config.network, "occurrence", AUS)
    patches, width, depth = (32 // 4) ** 2, 192, 2
    tokens = patches + 1
    linear = tokens * width * (3 * width + width + 2 * 4 * width)  # queries, keys, values; projection; perceptron
    attention = 2 * tokens * tokens * width  # queries by keys, and the weights by values, all heads together
    embedded, head = patches * 3 * 4 * 4 * width, width * len(AUS)
    multiply_adds = embedded + depth * (linear + attention) + head
    assert CONVENTION.startswith("1 FLOP = 1 multiply-add")
    assert (
        cost["gflops_inference"] == round(multiply_adds / 1e9, 3) != round((multiply_adds - depth * attention) / 1e9, 3)
    )
    assert cost["gflops_training"] == cost["gflops_inference"]


@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_torch_s_own_attention_is_counted_whichever_way_it_is_taken(gradients: bool, training: bool) -> None:
    before = torch.backends.mha.get_fastpath_enabled()
    encoder = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True).train(training)
    with torch.set_grad_enabled(gradients), counting() as counter:
        encoder(torch.zeros(1, 10, 32))
    assert counter.get_total_flops() == 2 * (10 * (4 * 32 * 32 + 2 * 32 * 64) + 2 * 10 * 10 * 32)
    assert torch.backends.mha.get_fastpath_enabled() == before
