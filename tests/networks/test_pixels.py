"""A coder's pixels without torch: torch's own answers, whatever the side, crop and stored size; nothing else is run."""

from typing import Any

import numpy as np
import onnx
import pytest
import torch

from sparsefacs.inference.export import sample_faces
from sparsefacs.networks import pixels
from sparsefacs.networks.config import NetworkConfig
from sparsefacs.networks.instant import torch_pixels
from sparsefacs.networks.pixels import Pixels
from sparsefacs.networks.resizing import resizing_matrix

SMALL: dict[str, Any] = {"backbone": "resnet10t", "options": {"channels": [8, 8, 16, 8]}}


def drawn(config: NetworkConfig, said: int = 7) -> dict[str, np.ndarray]:
    """Return random weights of a coder's pixels, with statistics such as a training leaves."""
    from sparsefacs.networks.classifier import AUClassifier

    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    weights = {name: value.numpy().copy() for name, value in AUClassifier(config, said).state_dict().items()}
    for name, value in weights.items():
        if name.endswith(("running_var", "bn1.weight", "bn2.weight")):
            weights[name] = rng.uniform(0.5, 2, value.shape).astype(np.float32)
        elif name.endswith(("running_mean", ".bias")):
            weights[name] = rng.normal(0, 0.3, value.shape).astype(np.float32)
    return weights


@pytest.mark.parametrize(
    ("settings", "stored"),
    [
        ({"input_size": 32, "pool": "cells"}, 32),
        ({"input_size": 45, "pool": "mean"}, 45),  # odd maps are halved by averages that reach over the border
        ({"input_size": 48, "pool": "cells", "crop": 0.8}, 40),
        ({"input_size": 32, "pool": "mean"}, 72),
    ],
)
def test_pixels_say_what_they_say_in_torch(settings: dict[str, Any], stored: int) -> None:
    config = NetworkConfig(**SMALL, **settings)
    weights = drawn(config)
    found, wanted = Pixels(weights, config, threads=1), torch_pixels(weights, config)
    faces = sample_faces(5, stored)[0]
    assert np.abs(wanted(faces)).max() > 0.1 and np.ptp(wanted(faces), axis=0).min() > 1e-3
    np.testing.assert_allclose(found(faces), wanted(faces), atol=1e-5)
    np.testing.assert_array_equal(found(faces), Pixels(weights, config, threads=2)(faces))
    kept = found.weights
    assert all(np.array_equal(kept[name], value) for name, value in weights.items())


def test_the_model_in_memory_is_sound_onnx() -> None:
    config = NetworkConfig(**SMALL, input_size=32, pool="cells")
    model = onnx.load_from_string(pixels._model(drawn(config), config))
    onnx.checker.check_model(model, full_check=True)
    assert [each.op_type for each in model.graph.node].count("Conv") == 15
    assert not any(each.op_type == "BatchNormalization" for each in model.graph.node)


@pytest.mark.parametrize("change", ["missing", "more", "shape"])
def test_weights_of_another_network_are_refused(change: str) -> None:
    config = NetworkConfig(**SMALL, input_size=32, pool="cells")
    weights = drawn(config)
    if change == "missing":
        del weights["backbone.bn1.weight"]
    elif change == "more":
        weights["backbone.layer1.1.conv1.weight"] = weights["backbone.layer1.0.conv2.weight"]
    else:
        weights["head.weight"] = weights["head.weight"][:, :-1]
    with pytest.raises(Exception, match=r"bn1|layer1\.1|Gemm|dimension|DIMENSION|shape"):
        Pixels(weights, config, threads=1)


def test_resizing_is_torchs_smoothed_one() -> None:
    for given, side in ((40, 32), (40, 17), (40, 64), (112, 96), (50, 50)):
        picture, matrix = torch.rand(2, 3, given, given), torch.from_numpy(resizing_matrix(given, side)).float()
        wanted = torch.nn.functional.interpolate(picture, (side, side), mode="bilinear", antialias=True)
        torch.testing.assert_close(matrix @ picture @ matrix.T, wanted, atol=1e-5, rtol=0)
