"""KDSRL's network and losses as the paper states them."""

import numpy as np
import pytest
import torch

from sparsefacs import InputError, api
from sparsefacs.engine.config import resolve
from sparsefacs.engine.pretrainer import make_pretraining
from sparsefacs.facs import AREA_GROUPS, EDGES, facial_areas
from sparsefacs.facs.landmarks import mean_face
from sparsefacs.methods.kdsrl import KDSRL, KDSRLConfig
from sparsefacs.methods.settings import Setting
from sparsefacs.networks.areas import AreaClassifier
from sparsefacs.networks.config import NetworkConfig
from sparsefacs.networks.trunk import Trunk, perceptron

SMALL = ("network.backbone=test_resnet", "network.options={}", "network.input_size=64")


def landmarks(faces: int, size: int) -> torch.Tensor:
    return torch.from_numpy(mean_face() * size - 0.5).float().expand(faces, 68, 2)


def test_the_papers_sizes() -> None:
    """Parameters by hand: ResNet-50 to conv4_x, g 4096 → 2048 → 128, 26 predictors 128 → 1024 → 128."""
    cost = api.methods("kdsrl")
    resnet_50_to_conv4 = (
        8_543_296  # torchvision's 25,557,032 less layer4 (14,964,736) and its 1000-way layer (2,049,000)
    )
    assert resnet_50_to_conv4 == 25_557_032 - 14_964_736 - 2_049_000
    g = 4096 * 2048 + 2048 + 2048 * 128 + 128
    predictors = 26 * (128 * 1024 + 1024 + 1024 * 128 + 128)
    assert cost["pretraining_parameters"] == resnet_50_to_conv4 + g + predictors
    assert cost["pretraining_parameters_kept"] == resnet_50_to_conv4
    heads = 0
    for areas, aus in ((4, 3), (4, 2), (4, 2), (1, 3), (2, 2)):  # Table 2 with BP4D's twelve AUs
        heads += areas * 4096 * 1024 + 1024 + 1024 * 128 + 128 + 128 * aus + aus
    assert cost["parameters_inference"] == resnet_50_to_conv4 + heads
    assert cost["input_size"] == 224


def test_conv4_of_a_224_face_is_1024_by_14_by_14_and_an_area_4096() -> None:
    trunk = Trunk(NetworkConfig(backbone="resnet50", input_size=224)).eval()
    with torch.no_grad():
        assert trunk(torch.zeros(1, 3, 224, 224)).shape == (1, 1024, 14, 14)
        assert trunk.by_area(torch.zeros(1, 3, 224, 224), landmarks(1, 224)).shape == (1, 8, 4096)


def test_an_area_sees_its_own_place() -> None:
    """Of a map that is the identity, RoIAlign's four cells are the picture's means over each quarter of the area."""
    size = 64
    trunk = Trunk(NetworkConfig(backbone="test_resnet", input_size=size))
    trunk.forward = lambda image: image  # type: ignore[method-assign]
    trunk.stride = 1
    ramp = torch.arange(size).float()
    image = torch.stack([ramp.expand(size, size), ramp[:, None].expand(size, size), torch.ones(size, size)])[None]
    points = landmarks(1, size)
    cells = trunk.by_area(image, points)[0].reshape(8, 3, 2, 2)
    for area, (x0, y0, x1, y1) in enumerate(facial_areas(points.numpy())[0]):
        inside = [min(max(v, 0.0), size - 1.0) for v in (x0, y0, x1, y1)]
        if inside != [x0, y0, x1, y1]:
            continue  # at the picture's border RoIAlign repeats the last pixel
        quarter_x = [x0 + (x1 - x0) * share for share in (0.25, 0.75)]
        quarter_y = [y0 + (y1 - y0) * share for share in (0.25, 0.75)]
        np.testing.assert_allclose(cells[area, 0].numpy(), [quarter_x, quarter_x], atol=0.02)
        np.testing.assert_allclose(cells[area, 1].numpy(), np.transpose([quarter_y, quarter_y]), atol=0.02)
    assert torch.allclose(cells[:, 2], torch.ones(8, 2, 2))


def test_each_group_sees_its_areas_alone() -> None:
    aus = (1, 6, 12, 14, 17, 26)
    network = AreaClassifier(NetworkConfig(backbone="test_resnet", input_size=64), aus, 3, frozen=True).eval()
    areas = torch.randn(2, 8, network.trunk.area_width)
    network.trunk.areas_of = lambda maps, points, whole: areas  # type: ignore[method-assign, assignment]
    with torch.no_grad():
        before = network(torch.zeros(2, 3, 64, 64), landmarks(2, 64))
        for area in range(8):
            kept, areas = areas, areas.clone()
            areas[:, area] += 1.0
            after = network(torch.zeros(2, 3, 64, 64), landmarks(2, 64))
            areas = kept
            moved = {au for column, au in enumerate(aus) if not torch.equal(before[:, column], after[:, column])}
            assert moved == {au for au in aus for own, members in AREA_GROUPS if au in members and area + 1 in own}


def test_the_whole_face_may_stand_in_place_of_each_area() -> None:
    """What areas are compared with: the same trunk and classifiers, each of which sees a quarter of the map a cell."""
    setting = Setting("occurrence", (1, 12), NetworkConfig(backbone="test_resnet", input_size=64))
    made = [KDSRL.build_predictor(setting, KDSRLConfig(areas=areas)).eval() for areas in ("facial", "whole-face")]
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        local, whole = (
            each.pixel_features(image, landmarks(2, 64)).view(2, 8, -1, 2, 2) for each in (made[0], made[1])
        )
        maps = made[1].trunk(image)
    assert (whole == whole[:, :1]).all() and not (local == local[:, :1]).all()
    assert maps.shape[-1] == 4  # so that bilinear samples of a cell, 2 × 2 of them, fall on its pixels
    torch.testing.assert_close(whole[:, 0], torch.nn.functional.avg_pool2d(maps, 2))


def test_predictions_are_the_mean_over_related_areas() -> None:
    """Eq. 7 transcribed: one predictor an arrow q → p, averaged over the K areas q related to p."""
    settings = (*SMALL, "method.hidden=8", "method.embedding=6", "method.predictor_hidden=5")
    method = make_pretraining(resolve("pretrain/kdsrl", settings=settings))
    assert len(method.predictors) == len(EDGES) == 26
    v = torch.randn(4, 8, 6)
    with torch.no_grad():
        found = method.predicted(v)
        for i in range(4):
            for p in range(1, 9):
                told = [method.predictors[EDGES.index((q, p))](v[i, q - 1]) for q in range(1, 9) if (q, p) in EDGES]
                torch.testing.assert_close(found[i, p - 1], sum(told) / len(told))


def test_the_loss_is_weighed_as_equations_6_and_9() -> None:
    from sparsefacs.methods.contract import Setting
    from sparsefacs.methods.cost import _BlankBatches

    settings = (*SMALL, "method.alpha=0.3", "method.beta=0.7", "method.intra_weight=0.2", "method.hidden=8",
                "method.embedding=6", "method.predictor_hidden=5")  # fmt: skip
    config = resolve("pretrain/kdsrl", settings=settings)
    method = make_pretraining(config)
    (update,) = method.updates(_BlankBatches(Setting("occurrence", (), config.network)), 0)
    terms = {name: float(value) for name, value in update.terms.items()}
    expected = 0.3 * (terms["inter"] + 0.2 * terms["intra"]) + 0.7 * terms["prediction"]
    assert float(update.loss.detach()) == pytest.approx(expected, rel=1e-5)


def test_an_au_without_areas_is_refused_and_perceptrons_have_relu_between() -> None:
    with pytest.raises(InputError, match="AU43"):
        AreaClassifier(NetworkConfig(backbone="test_resnet", input_size=64), (1, 43), 3, frozen=True)
    kinds = [type(layer).__name__ for layer in perceptron(4, 3, 2)]
    assert kinds == ["Linear", "ReLU", "Linear"]
