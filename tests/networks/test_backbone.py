"""Backbones by timm name: options, starting weights, and what is refused."""

import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sparsefacs import InputError
from sparsefacs.networks import hub
from sparsefacs.networks.backbone import create_backbone
from sparsefacs.networks.classifier import AUClassifier
from sparsefacs.networks.config import NetworkConfig
from sparsefacs.networks.patches import PatchRecogniser


def test_options_reach_timm() -> None:
    network, width, _, _ = create_backbone("resnet10t", options={"channels": [8, 16, 32, 64]})
    assert width == 64
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 64)
    with pytest.raises(InputError, match=r"network\.options"):
        create_backbone("resnet10t", options={"no_such_thing": 1})
    with pytest.raises(InputError, match="--init imagenet"):
        create_backbone("resnet10t", options={"pretrained": True})


def test_starting_weights_come_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(1)
    saved, *_ = create_backbone("test_resnet")
    extra = {"fc.weight": torch.zeros(10, 4), **saved.state_dict()}
    save_file({key: value.contiguous() for key, value in extra.items()}, tmp_path / "w.safetensors")
    loaded, *_ = create_backbone("test_resnet", str(tmp_path / "w.safetensors"))
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in saved.state_dict().items())
    with pytest.raises(InputError, match="does not fit"):
        create_backbone("resnet10t", str(tmp_path / "w.safetensors"))


def test_a_face_is_normalised_inside_the_network() -> None:
    classifier = AUClassifier(NetworkConfig(backbone="test_resnet", input_size=32), 3).eval()
    seen: list[torch.Tensor] = []
    classifier.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    classifier(classifier.mean.expand(1, 3, 32, 32))
    assert seen[0].abs().max() < 1e-6


def test_a_transformer_of_one_size_tells_how_to_take_another() -> None:
    network = "vit_tiny_patch16_224"
    with pytest.raises(InputError, match=r"224 pixels, not of 48\. Add .*img_size: 48"):
        AUClassifier(NetworkConfig(backbone=network, input_size=48), 3)
    with pytest.raises(InputError, match="img_size: 16"):
        PatchRecogniser(NetworkConfig(backbone=network, input_size=48), 3)
    small = {"img_size": 48, "depth": 1}
    logits = AUClassifier(NetworkConfig(backbone=network, input_size=48, options=small), 3)(torch.zeros(2, 3, 48, 48))
    assert logits.shape == (2, 3)
    any_size = {"dynamic_img_size": True, "depth": 1}
    AUClassifier(NetworkConfig(backbone=network, input_size=48, options=any_size), 3)


@pytest.mark.parametrize(
    ("backbone", "options"),
    [
        ("mobilenetv3_small_050", {}),
        ("lcnet_050", {}),
        ("mobilenetv2_035", {}),
        ("resnet10t", {"channels": [8, 16, 32, 64]}),
        ("vit_tiny_patch16_224", {"img_size": 64, "depth": 1, "global_pool": "avg"}),
    ],
)
def test_the_head_is_as_wide_as_what_is_pooled_and_maps_are_as_they_are(backbone: str, options: dict) -> None:
    network = AUClassifier(NetworkConfig(backbone=backbone, input_size=64, options=options), 3).eval()
    faces, nowhere = torch.rand(2, 3, 64, 64), torch.zeros(2, 68, 2)
    logits = network(faces)
    assert logits.shape == (2, 3)
    assert network.maps(faces).shape[1] == network.map_width
    seen = network.recognise(faces, nowhere)
    torch.testing.assert_close(seen.logits_BA, logits)
    torch.testing.assert_close(seen.maps_BCHW, network.maps(faces))


def test_weights_that_cannot_be_fetched_are_told_without_trying_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    asked: list[str] = []

    def no_such_name(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        raise socket.gaierror("name not known")

    monkeypatch.setattr(hub, "hub_answers", lambda: False)
    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    before = constants.HF_HUB_OFFLINE
    with pytest.raises(InputError, match=r"test_resnet.*--init RUN \(of `sparsefacs pretrain`"):
        create_backbone("test_resnet", "imagenet")
    assert not asked and constants.HF_HUB_OFFLINE is before


def test_a_hub_is_asked_once_and_for_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []

    class Session:
        def head(self, url: str, timeout: float) -> None:
            limits.append(timeout)
            raise OSError("no route to host")

    monkeypatch.setattr("huggingface_hub.get_session", Session)
    assert not hub.hub_answers() and limits == [hub.ANSWERS_WITHIN_S]
    monkeypatch.setattr(Session, "head", lambda *_, **__: None)
    assert hub.hub_answers()
