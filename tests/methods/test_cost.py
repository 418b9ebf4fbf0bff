"""Parameters and GFLOPs against hand counts and a second library's known figures."""

import pytest

from sparsefacs import api

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
