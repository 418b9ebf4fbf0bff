"""Start weights of transformers: public key names, another grid, another pooling, and the scale of pixels."""

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed

from sparsefacs import InputError
from sparsefacs.networks import hub
from sparsefacs.networks.autoencoder import DecoderConfig, MaskedAutoencoder
from sparsefacs.networks.backbone import create_backbone
from sparsefacs.networks.classifier import AUClassifier
from sparsefacs.networks.config import NetworkConfig
from sparsefacs.networks.trunk import Trunk

VIT = "vit_tiny_patch16_224"
OPTIONS: dict[str, Any] = {"img_size": 32, "patch_size": 8, "depth": 2, "embed_dim": 24, "num_heads": 2}


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    """A public checkpoint: encoder with class token and norm, decoder, and a head of whatever it was tuned for."""
    torch.manual_seed(2)
    config = NetworkConfig(backbone=VIT, input_size=32, options=OPTIONS)
    made = MaskedAutoencoder(config, DecoderConfig(width=16, depth=1, heads=2)).public_weights()
    made = {name: torch.randn_like(value) for name, value in made.items()}
    return made | {"head.weight": torch.zeros(9, 24), "head.bias": torch.zeros(9)}


@pytest.fixture
def file(weights: dict[str, torch.Tensor], tmp_path: Path) -> str:
    torch.save({"model": weights, "epoch": 799}, tmp_path / "mae.pth")
    return str(tmp_path / "mae.pth")


def test_decoder_and_head_are_passed_over(weights: dict[str, torch.Tensor], file: str, tmp_path: Path) -> None:
    save_file(weights, tmp_path / "mae.safetensors")
    for start in (file, str(tmp_path / "mae.safetensors")):
        state = create_backbone(VIT, start, OPTIONS)[0].state_dict()
        assert {"cls_token", "pos_embed", "norm.weight"} <= state.keys()
        assert all(torch.equal(value, weights[name]) for name, value in state.items())


def test_a_network_that_pools_patches_has_a_fresh_norm_after_it(weights: dict[str, torch.Tensor], file: str) -> None:
    state = create_backbone(VIT, file, OPTIONS | {"global_pool": "avg"})[0].state_dict()
    assert "norm.weight" not in state
    assert torch.equal(state.pop("fc_norm.weight"), torch.ones(24))
    assert torch.equal(state.pop("fc_norm.bias"), torch.zeros(24))
    assert all(torch.equal(value, weights[name]) for name, value in state.items())


@pytest.mark.parametrize("lost", ["blocks.1.mlp.fc2.bias", "cls_token", "norm.weight"])
def test_a_missing_weight_is_an_error(lost: str, weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    del weights[lost]
    torch.save(weights, tmp_path / "mae.pth")
    with pytest.raises(InputError, match=rf"mae\.pth: does not fit this network \(1 weights missing.*first: {lost}"):
        create_backbone(VIT, str(tmp_path / "mae.pth"), OPTIONS)
    if lost == "norm.weight":
        create_backbone(VIT, str(tmp_path / "mae.pth"), OPTIONS | {"global_pool": "avg"})


@pytest.mark.parametrize("pool", ["token", "avg"])
def test_positions_are_resampled_to_another_grid(weights: dict[str, torch.Tensor], file: str, pool: str) -> None:
    network = create_backbone(VIT, file, OPTIONS | {"img_size": 48, "global_pool": pool})[0]
    position = network.state_dict()["pos_embed"]
    assert position.shape == (1, 37, 24)
    assert torch.equal(position[:, 0], weights["pos_embed"][:, 0]), "the class token lies on no grid"
    torch.testing.assert_close(position, resample_abs_pos_embed(weights["pos_embed"], [6, 6]))
    ramp = torch.arange(4.0)[None, :, None].expand(4, 4, 24).reshape(16, 24)  # grows from column to column
    torch.save(weights | {"pos_embed": torch.cat([ramp[:1], ramp])[None]}, file)
    columns = (
        create_backbone(VIT, file, OPTIONS | {"img_size": 48})[0].state_dict()["pos_embed"][0, 1:].reshape(6, 6, 24)
    )
    assert bool((columns.diff(dim=1) > 0).all()) and float(columns.diff(dim=0).abs().max()) < 1e-5


def test_what_cannot_be_resampled_is_an_error(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    for odd in (weights["pos_embed"][:, :15], weights["pos_embed"][0], torch.zeros(1, 17, 12)):
        torch.save(weights | {"pos_embed": odd.clone()}, tmp_path / "odd.pth")
        with pytest.raises(InputError, match=r"1 of another shape; first: pos_embed"):
            create_backbone(VIT, str(tmp_path / "odd.pth"), OPTIONS)
    torch.save(weights, tmp_path / "mae.pth")
    with pytest.raises(InputError, match="of another shape"):  # patches of 16 pixels cannot be made of those of 8
        create_backbone(VIT, str(tmp_path / "mae.pth"), OPTIONS | {"patch_size": 16})


def test_published_weights_start_a_network_that_pools_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model

    def from_hub(name: str, pretrained: bool = False, **rest: Any) -> Any:
        """Stand for timm, whose hub is out of reach, and who is strict with what it fetches."""
        made = create(name, **rest)
        if pretrained:
            assert "global_pool" not in rest, "timm would find no fc_norm among the weights"
            with torch.no_grad():
                for parameter in made.parameters():
                    parameter.fill_(0.125)
        return made

    monkeypatch.setattr(timm, "create_model", from_hub)
    monkeypatch.setattr(hub, "hub_answers", lambda: True)
    state = create_backbone(VIT, "imagenet", OPTIONS | {"global_pool": "avg"})[0].state_dict()
    assert torch.equal(state.pop("fc_norm.weight"), torch.ones(24)) and not state.pop("fc_norm.bias").any()
    assert all(bool((value == 0.125).all()) for value in state.values())
    plain = create_backbone(VIT, "imagenet", OPTIONS)[0].state_dict()
    assert all(bool((value == 0.125).all()) for value in plain.values())


def pretrained(folder: Path, trunk: Trunk, backbone: str) -> str:
    """Write what a pre-training leaves of `trunk`."""
    folder.mkdir()
    save_file({key: value.contiguous() for key, value in trunk.network.state_dict().items()},
              folder / "encoder.safetensors")  # fmt: skip
    (folder / "encoder.json").write_text(json.dumps({"level": trunk.level, "network": {"backbone": backbone}}))
    return str(folder)


def test_a_whole_trunk_is_not_taken_for_the_first_stages_of_a_deeper_one(tmp_path: Path) -> None:
    config = NetworkConfig(backbone=VIT, input_size=32, options=OPTIONS)
    run = pretrained(tmp_path / "whole", Trunk(config, level=None), VIT)
    create_backbone(VIT, run, OPTIONS)
    with pytest.raises(InputError, match=r"12 weights missing.*blocks\.2"):
        create_backbone(VIT, run, OPTIONS | {"depth": 3})
    stages = pretrained(tmp_path / "stages", Trunk(config, level=0), VIT)
    create_backbone(VIT, stages, OPTIONS)
    (tmp_path / "stages" / "encoder.json").unlink()
    with pytest.raises(InputError, match="finished `sparsefacs pretrain`"):
        create_backbone(VIT, stages, OPTIONS)


def test_pixels_stay_on_the_scale_of_the_pre_training(tmp_path: Path) -> None:
    imagenet = "vit_base_patch16_224.mae"  # the public MAE's pixels; other ViTs of timm have 0.5 for mean and deviation
    options = OPTIONS | {"img_size": 32}
    trunk = Trunk(NetworkConfig(backbone=imagenet, input_size=32, options=options), level=None)
    run = pretrained(tmp_path / "run", trunk, imagenet)
    network = NetworkConfig(backbone="vit_base_patch16_224", input_size=32, options=options, init=run)
    started = AUClassifier(network, 3)
    assert torch.equal(started.mean, trunk.mean) and torch.equal(started.deviation, trunk.deviation)
    assert not torch.equal(AUClassifier(network.model_copy(update={"init": "none"}), 3).mean, trunk.mean)
    again = AUClassifier(network.model_copy(update={"init": "none"}), 3)
    again.load_state_dict(started.state_dict())  # as a run's model is loaded
    assert torch.equal(again.mean, trunk.mean)
