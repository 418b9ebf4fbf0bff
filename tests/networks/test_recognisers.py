"""Recognisers: sizes by hand count, mirror images, what each part sees, and what is refused."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn

from sparsefacs import InputError
from sparsefacs.facs import MIRROR_68, mirrored_centres
from sparsefacs.facs.landmarks import mean_face
from sparsefacs.networks.areas import AreaClassifier
from sparsefacs.networks.backbone import create_backbone
from sparsefacs.networks.classifier import AUClassifier
from sparsefacs.networks.config import NetworkConfig
from sparsefacs.networks.fused import FusedTrunk
from sparsefacs.networks.generation import FlowHead, PatchCritic, PatchGenerator
from sparsefacs.networks.patches import PatchRecogniser
from sparsefacs.networks.recognisers import RecogniserConfig, make_recogniser
from sparsefacs.networks.roi_recogniser import RoIConfig, RoIRecogniser
from sparsefacs.networks.rois import crop_cells

BP4D_AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
SMALL = NetworkConfig(backbone="test_resnet", input_size=64)
CELLS = RoIConfig(cells=3, level=2, heads=4, feedforward=32)


def landmarks_at(side: int, faces: int = 2) -> Tensor:
    """Lopsided faces with landmarks at whole 64ths of pixels, so that mirroring them is exact."""
    generator = torch.Generator().manual_seed(0)
    points = torch.from_numpy(mean_face()) * side + 2 * torch.randn(faces, 68, 2, generator=generator)
    return ((points * 64).round() / 64).float()


def shaken(network: nn.Module) -> nn.Module:
    """Give every batch norm its own statistics, and every layer some weight."""
    generator = torch.Generator().manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor in (layer.weight, layer.running_var):
                tensor.data.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            for tensor in (layer.bias, layer.running_mean):
                tensor.data.copy_(0.2 * torch.randn(tensor.shape, generator=generator))
    return network.eval()


def parameters(*networks: nn.Module) -> int:
    return sum(p.numel() for network in networks for p in network.parameters())


def test_parameters_are_the_papers_and_those_of_a_hand_count() -> None:
    n, d, hidden = len(BP4D_AUS), 128, 1024
    config = NetworkConfig(backbone="resnet18", input_size=192)
    recogniser = make_recogniser(config, BP4D_AUS, RecogniserConfig())
    resnet = 11_176_512  # torchvision's resnet18, 11,689,512, less its classifier
    rois = 2 * n * 2 * (d * d * 9 + 2 * d)
    lateral = (512 + 1) * 256 + (256 + 1) * d
    attention, fed = 4 * (d * d + d), d * hidden + hidden + hidden * d + d
    transformer = (attention + fed + 4 * d) + (2 * attention + fed + 6 * d) + n * d
    heads = n * (d + 1) + n * (512 + 1)
    assert parameters(recogniser) == resnet + rois + lateral + transformer + heads
    assert parameters(recogniser) == pytest.approx(19.12e6, rel=0.05)
    side, width = recogniser.roi_side, recogniser.width
    assert (side, width, recogniser.map_width) == (48, 128, 512)
    others = (PatchGenerator(width, side), PatchCritic(1, side), PatchCritic(n, side), FlowHead(512))
    assert parameters(recogniser, *others) == pytest.approx(54.62e6, rel=0.1)


@pytest.mark.parametrize(
    ("backbone", "options"),
    [("test_resnet", {}), ("vit_tiny_patch16_224", {"img_size": 64, "depth": 1}), ("mobilenetv3_small_050", {})],
)
def test_a_layer_on_cells_sees_each_cell_at_its_place(backbone: str, options: dict[str, int]) -> None:
    torch.manual_seed(0)
    config = NetworkConfig(backbone=backbone, options=options, input_size=64, pool="cells")
    network = shaken(AUClassifier(config, 3))
    image = torch.rand(2, 3, 64, 64)
    maps = network.maps(image)
    weights = network.head.weight.view(3, *maps.shape[1:])
    expected = torch.stack([(maps * weight).sum(dim=(1, 2, 3)) for weight in weights], dim=1) + network.head.bias
    assert torch.allclose(network(image), expected, atol=1e-5)
    assert torch.allclose(network.recognise(image, landmarks_at(64)).logits_BA, expected, atol=1e-5)
    assert network.head.in_features == maps[0].numel()
    assert AUClassifier(config, 3).training  # measuring its map leaves it as it was


def test_the_fused_map_is_the_sum_of_enlarged_maps() -> None:
    torch.manual_seed(0)
    trunk = shaken(FusedTrunk(NetworkConfig(backbone="resnet18", input_size=192), level=2))
    image = torch.rand(1, 3, 192, 192)
    fused, deepest = trunk(image)
    assert fused.shape == (1, 128, 24, 24) and deepest.shape == (1, 512, 6, 6)
    assert (trunk.width, trunk.map_width, trunk.stride) == (128, 512, 8)
    whole, *_ = create_backbone("resnet18")
    whole.load_state_dict(trunk.network.state_dict())
    layer2 = nn.Sequential(whole.conv1, whole.bn1, whole.act1, whole.maxpool, whole.layer1, whole.layer2)
    fine = layer2.eval()((image - trunk.mean) / trunk.deviation)
    middle = whole.layer3.eval()(fine)
    assert torch.allclose(deepest, whole.layer4.eval()(middle), atol=1e-4)
    assert torch.allclose(trunk.deepest(image), deepest)
    to_middle, to_fine = sorted(trunk.lateral, key=lambda lateral: -lateral.in_channels)
    up = nn.Upsample(scale_factor=2, mode="bilinear")
    assert torch.allclose(fused, fine + up(to_fine(middle + up(to_middle(deepest)))), atol=1e-4)


def mirrored(network: RoIRecogniser) -> RoIRecogniser:
    """Return the network's mirror image: kernels flipped, the two sides' own layers exchanged where AUs' sides are."""
    twin = deepcopy(network)
    count, width = len(network.aus), network.width
    swap = torch.from_numpy(mirrored_centres(network.aus))
    with torch.no_grad():
        for layer in twin.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.copy_(layer.weight.flip(-1))
        for layer in twin.by_roi.layers:
            for tensor in [*layer.parameters(), *layer.buffers()]:
                if tensor.ndim:
                    by_side = tensor.view(count, 2, width, *tensor.shape[1:]).clone()
                    tensor.copy_(by_side[torch.arange(count)[:, None], swap].view_as(tensor))
    return twin


@pytest.mark.parametrize("relation", ["transformer", "gcn"])
def test_a_flipped_face_is_to_the_mirrored_network_what_the_face_is_to_the_network(relation: str) -> None:
    """193 pixels: strides meet an odd side alike from left and right. AUs 23 and 25 lie on the mid-line."""
    torch.manual_seed(0)
    side, aus = 193, (1, 4, 12, 15, 17, 23, 25)
    config = NetworkConfig(backbone="resnet18", input_size=side)
    network = shaken(RoIRecogniser(config, aus, RoIConfig(relation=relation, feedforward=64))).double()
    if relation == "gcn":
        network.relation.set_adjacency((torch.rand(99, len(aus)) < 0.4).float())
    else:
        nn.init.normal_(network.relation.queries)
    image, landmarks = torch.rand(2, 3, side, side, dtype=torch.float64), landmarks_at(side)
    flipped = landmarks[:, torch.from_numpy(MIRROR_68)].clone()
    flipped[..., 0] = side - 1 - flipped[..., 0]
    with torch.no_grad():
        straight = network.recognise(image, landmarks)
        twin = mirrored(network)
        turned = twin.recognise(image.flip(-1), flipped)
        other = network.recognise(image.flip(-1), flipped)
    assert torch.allclose(turned.logits_BA, straight.logits_BA, atol=1e-6, rtol=0)
    assert torch.allclose(turned.maps_BCHW.flip(-1), straight.maps_BCHW, atol=1e-6, rtol=0)
    swap = torch.from_numpy(mirrored_centres(aus))[None, :, :, None]
    assert torch.allclose(torch.take_along_dim(turned.attended_BASD, swap, 2), straight.attended_BASD, atol=1e-6)
    assert (other.logits_BA - straight.logits_BA).abs().min(dim=1).values.max() > 1e-4
    twin.by_roi.load_state_dict(network.by_roi.state_dict())  # mirrored all but for the RoIs' own layers
    with torch.no_grad():
        half = twin.recognise(image.flip(-1), flipped).attended_BASD
    assert (torch.take_along_dim(half, swap, 2) - straight.attended_BASD).abs().max() > 1e-4


def test_each_rois_convolutions_see_that_roi_alone() -> None:
    torch.manual_seed(0)
    network = shaken(RoIRecogniser(SMALL, (1, 12, 25), CELLS))
    fused = torch.rand(1, network.width, 8, 8, requires_grad=True)
    corners = torch.tensor([[[[0, 0], [40, 0]], [[0, 40], [40, 40]], [[16, 16], [24, 24]]]])
    cells = crop_cells(fused, corners, 24, 64, 3)
    local = network.by_roi(cells.flatten(1, 2))
    first = network.by_roi.layers[0].weight
    for roi, (x, y) in enumerate((corners // 8).view(-1, 2).tolist()):
        by_map, by_weight = torch.autograd.grad(local[0, roi].sum(), (fused, first), retain_graph=True)
        seen = by_map[0].abs().sum(dim=0) > 0
        assert seen[y : y + 3, x : x + 3].all() and seen.sum() == 9
        own = by_weight.view(6, network.width, -1).abs().amax(dim=(1, 2)) > 0
        assert own.tolist() == [place == roi for place in range(6)]


def test_regions_are_related_side_by_side_and_the_mid_line_belongs_to_both() -> None:
    torch.manual_seed(0)
    image, landmarks = torch.rand(2, 3, 64, 64), landmarks_at(64)
    for aus, sequences in (((1, 12), [[0, 0], [1, 1]]), ((1, 23), [[0, 0], [0, 1], [1, 0], [1, 1]])):
        network = shaken(RoIRecogniser(SMALL, aus, CELLS))
        seen: list[Tensor] = []
        network.by_roi.register_forward_hook(lambda *call, seen=seen: seen.append(call[2]))
        network.relation.register_forward_hook(lambda *call, seen=seen: seen.extend([call[1][0], call[2]]))
        attended = network.recognise(image, landmarks).attended_BASD
        local, given, related = seen[0].view(2, 2, 2, -1), seen[1], seen[2]
        assert given.shape[:3] == (2, len(sequences), 2)
        for sequence, picks in enumerate(sequences):
            for au, side in enumerate(picks):
                assert torch.equal(given[:, sequence, au], local[:, au, side])
        for au in range(2):
            for side in range(2):
                own = [related[:, s, au] for s, picks in enumerate(sequences) if picks[au] == side]
                assert torch.allclose(attended[:, au, side], torch.stack(own).mean(dim=0), atol=1e-6)


def test_the_larger_of_regional_and_global_logits_counts() -> None:
    torch.manual_seed(0)
    network = shaken(RoIRecogniser(SMALL, (1, 12, 25), CELLS))
    image, landmarks = torch.rand(2, 3, 64, 64), landmarks_at(64)
    together = network.recognise(image, landmarks)
    features = network.features(image, landmarks)
    assert features.shape == (2, 3 * network.width + network.map_width)
    assert torch.allclose(features[:, : 3 * network.width], together.attended_BASD.mean(dim=2).flatten(1), atol=1e-6)
    regional = features[:, : 3 * network.width].view(2, 3, network.width)
    whole = network.global_head(features[:, 3 * network.width :])
    for au in range(3):
        own = regional[:, au] @ network.regional_head.weight[au] + network.regional_head.bias[au]
        assert torch.allclose(together.logits_BA[:, au], torch.maximum(own, whole[:, au]), atol=1e-5)
    assert torch.equal(network(image, landmarks), together.logits_BA)
    assert torch.allclose(network.maps(image), together.maps_BCHW)
    assert together.maps_BCHW.shape[1] == network.map_width
    corners = network.rois(landmarks, 64)
    assert corners.shape == (2, 3, 2, 2) and network.roi_side == 24 and corners.max() <= 64 - 24


@pytest.mark.parametrize("relation", ["transformer", "encoder", "gcn"])
def test_every_parameter_learns_and_half_precision_is_near(relation: str) -> None:
    torch.manual_seed(0)
    config = CELLS.model_copy(update={"relation": relation})
    network = RoIRecogniser(SMALL, (1, 12, 25), config)
    image, landmarks = torch.rand(2, 3, 64, 64), landmarks_at(64)
    together = network.recognise(image, landmarks)
    (together.logits_BA.sum() + together.attended_BASD.sum() + network.global_head.weight.sum()).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []
    network.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        near = network(image, landmarks)
    assert torch.allclose(near.float(), network(image, landmarks), atol=0.1)


def test_a_fused_trunk_starts_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(1)
    saved, *_ = create_backbone("test_resnet")
    save_file({key: value.contiguous() for key, value in saved.state_dict().items()}, tmp_path / "w.safetensors")
    trunk = FusedTrunk(SMALL.model_copy(update={"init": str(tmp_path / "w.safetensors")}))
    kept = trunk.network.state_dict()
    assert len(kept) > 10 and all(torch.equal(value, saved.state_dict()[key]) for key, value in kept.items())


@pytest.mark.parametrize(("backbone", "grid"), [("test_resnet", 2), ("resnet10t", 2), ("test_vit", 10)])
def test_a_whole_face_is_recognised_as_before(backbone: str, grid: int) -> None:
    torch.manual_seed(0)
    side = 160 if backbone == "test_vit" else 64
    network = AUClassifier(NetworkConfig(backbone=backbone, input_size=side), 3).eval()
    assert {key.split(".")[0] for key in network.state_dict()} == {"backbone", "head", "mean", "deviation"}
    image, landmarks = torch.rand(2, 3, side, side), landmarks_at(side)
    pooled = network.backbone(
        ((image - network.mean) / network.deviation).contiguous(memory_format=torch.channels_last)
    )
    assert torch.equal(network.features(image, landmarks), pooled)
    assert torch.equal(network(image, landmarks), network.head(pooled))
    together = network.recognise(image, landmarks)
    assert torch.equal(together.logits_BA, network(image, landmarks))
    assert together.attended_BASD is None
    assert together.maps_BCHW.shape == (2, network.map_width, grid, grid)
    assert torch.equal(network.maps(image), together.maps_BCHW)
    if backbone != "test_vit":  # which pools otherwise
        assert torch.allclose(together.maps_BCHW.mean(dim=(2, 3)), pooled, atol=1e-6)


def test_nine_patches_are_seen_one_by_one_in_order() -> None:
    torch.manual_seed(0)
    network = shaken(PatchRecogniser(NetworkConfig(backbone="test_resnet", input_size=96), 4))
    image, landmarks = torch.rand(2, 3, 96, 96), landmarks_at(96)
    patches = network.patch_features(image)
    assert patches.shape == (2, 9, network.map_width)
    for row in range(3):
        for column in range(3):
            patch = image[..., 32 * row : 32 * row + 32, 32 * column : 32 * column + 32]
            alone = network.backbone((patch - network.mean) / network.deviation)
            assert torch.allclose(patches[:, 3 * row + column], alone, atol=1e-5)
    together = network.recognise(image, landmarks)
    assert torch.allclose(together.logits_BA, network.head(patches.flatten(1)), atol=1e-6)
    assert torch.allclose(network(image, landmarks), together.logits_BA, atol=1e-6)
    assert together.maps_BCHW.shape == (2, network.map_width, 3, 3)
    assert torch.allclose(together.maps_BCHW.flatten(2).transpose(1, 2), patches, atol=1e-6)
    assert torch.allclose(network.maps(image), together.maps_BCHW)
    assert network.patch_features(torch.rand(1, 3, 100, 100)).shape == (1, 9, network.map_width)


def test_areas_answer_as_kdsrl_s_classifiers_and_show_their_map() -> None:
    torch.manual_seed(0)
    network = make_recogniser(SMALL, (1, 12, 15), RecogniserConfig(kind="areas"))
    image, landmarks = torch.rand(2, 3, 64, 64), 64 * torch.rand(2, 68, 2)
    network.eval()
    seen = network.recognise(image, landmarks)
    assert torch.equal(seen.logits_BA, network(image, landmarks)) and seen.attended_BASD is None
    assert torch.equal(seen.maps_BCHW, network.maps(image)) and seen.maps_BCHW.shape[1] == network.map_width
    seen.logits_BA.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_kinds_are_chosen_by_configuration() -> None:
    kinds = {
        "whole-face": AUClassifier, "roi": RoIRecogniser, "areas": AreaClassifier, "patches": PatchRecogniser
    }  # fmt: skip
    for kind, expected in kinds.items():
        config = RecogniserConfig(kind=kind, cells=3, heads=4)
        assert type(make_recogniser(SMALL, (1, 2), config)) is expected
    with pytest.raises(ValidationError):
        RecogniserConfig(no_such_setting=1)


@pytest.mark.parametrize(
    ("network", "aus", "config", "words"),
    [
        (SMALL, (1, 45), CELLS, "AU45 has no centre"),
        (SMALL, (1,), RoIConfig(cells=9, heads=4), "do not fit into a face of 64"),
        (SMALL, (1,), RoIConfig(level=9), "no level 9"),
        (SMALL, (1,), RoIConfig(cells=3, heads=5), "5 attention heads"),
        (NetworkConfig(backbone="test_vit", input_size=160), (1,), CELLS, "no maps of several sizes"),
    ],
)
def test_what_cannot_be_is_refused(network: NetworkConfig, aus: tuple[int, ...], config: RoIConfig, words: str) -> None:
    with pytest.raises(InputError, match=words):
        RoIRecogniser(network, aus, config)
