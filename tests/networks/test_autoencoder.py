"""The masked autoencoder against literal transcriptions of MAE, and against timm on the same weights."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from sparsefacs import InputError
from sparsefacs.networks.autoencoder import (
    DecoderConfig,
    MaskedAutoencoder,
    patchify,
    sincos_2d,
    unpatchify,
)
from sparsefacs.networks.config import NetworkConfig
from sparsefacs.networks.torch_files import read_torch_file

OPTIONS: dict[str, Any] = {"img_size": 32, "patch_size": 8, "depth": 2, "embed_dim": 24, "num_heads": 2}
NETWORK = NetworkConfig(backbone="vit_tiny_patch16_224", input_size=32, options=OPTIONS)
DECODER = DecoderConfig(width=16, depth=2, heads=4)


@pytest.fixture
def network() -> MaskedAutoencoder:
    torch.manual_seed(5)
    made = MaskedAutoencoder(NETWORK, DECODER).double().eval()
    with torch.no_grad():
        for parameter in made.parameters():  # biases, norms and positions too, so that none can be left out unseen
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made


def faces(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def noise(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 16, generator=torch.Generator().manual_seed(2))


def test_patches_are_those_of_a_loop() -> None:
    image = faces(2)[:, :, :24, :24]
    known = np.empty((2, 9, 192))
    for face in range(2):
        for number in range(9):
            row, column = divmod(number, 3)
            values = []
            for y in range(8):
                for x in range(8):
                    values += [image[face, c, row * 8 + y, column * 8 + x].item() for c in range(3)]
            known[face, number] = values
    assert np.array_equal(patchify(image, 8).numpy(), known)
    assert torch.equal(unpatchify(patchify(image, 8), 8), image)
    by_einsum = torch.einsum("bchpwq->bhwpqc", image.reshape(2, 3, 3, 8, 3, 8)).reshape(2, 9, 192)
    assert torch.equal(patchify(image, 8), by_einsum)
    unfolded = F.unfold(image, 8, stride=8).transpose(1, 2).reshape(2, 9, 3, 64).transpose(2, 3).reshape(2, 9, 192)
    assert torch.equal(patchify(image, 8), unfolded)


def test_positions_are_the_sines_and_cosines_of_column_and_row() -> None:
    width, grid = 32, 5
    known = np.zeros((1 + grid * grid, width))
    for y in range(grid):
        for x in range(grid):
            for k in range(width // 4):
                omega = 1 / 10000 ** (k / (width / 4))
                at = known[1 + y * grid + x]
                at[k], at[width // 4 + k] = math.sin(x * omega), math.cos(x * omega)
                at[width // 2 + k], at[3 * width // 4 + k] = math.sin(y * omega), math.cos(y * omega)
    np.testing.assert_allclose(sincos_2d(width, grid).numpy(), known, atol=1e-7)
    with pytest.raises(ValueError, match="four equal parts"):
        sincos_2d(30, 5)


def test_positions_are_those_of_timm_in_another_order() -> None:
    from timm.layers.pos_embed_sincos import build_sincos2d_pos_embed

    width, grid = 64, 7
    theirs = build_sincos2d_pos_embed([grid, grid], dim=width)
    ours = sincos_2d(width, grid)[1:]
    order = [int((theirs - column[:, None]).abs().sum(0).argmin()) for column in ours.T]
    torch.testing.assert_close(theirs[:, order], ours, atol=2e-5, rtol=0)


@pytest.mark.parametrize(("ratio", "kept"), [(0.5, 8), (0.75, 4), (0.9, 1), (0.0, 16)])
def test_masks_hide_the_share_and_can_be_undone(network: MaskedAutoencoder, ratio: float, kept: int) -> None:
    tokens, mask, restore = network.encode(faces(), noise(), ratio)
    assert tokens.shape == (3, 1 + kept, 24) and mask.dtype == torch.bool
    for face in range(3):
        order = sorted(range(16), key=lambda patch: float(noise()[face, patch]))
        assert sorted(order[:kept]) == torch.nonzero(~mask[face]).flatten().tolist()
        assert [order[place] for place in restore[face].tolist()] == list(range(16))
    assert ratio == 0 or len({tuple(row) for row in mask.tolist()}) > 1


def test_the_pixels_of_hidden_patches_are_nowhere_in_the_encoder(network: MaskedAutoencoder) -> None:
    tokens, mask, _ = network.encode(faces(), noise(), 0.75)
    predicted, _ = network(faces(), noise(), 0.75)
    patches = patchify(faces(), 8)
    elsewhere = unpatchify(torch.where(mask[..., None], torch.rand_like(patches), patches), 8)
    assert torch.equal(network.encode(elsewhere, noise(), 0.75)[0], tokens)
    assert torch.equal(network(elsewhere, noise(), 0.75)[0], predicted)
    seen = unpatchify(torch.where(mask[..., None], patches, torch.rand_like(patches)), 8)
    assert not torch.allclose(network.encode(seen, noise(), 0.75)[0], tokens)


def test_the_encoder_without_masking_is_timm_s(network: MaskedAutoencoder) -> None:
    tokens, _, restore = network.encode(faces(), noise(), 0.0)
    timms = timm.create_model("vit_tiny_patch16_224", num_classes=0, **OPTIONS).double().eval()
    timms.load_state_dict(network.encoder.state_dict(), strict=True)
    normal = (faces() - 0.5) / 0.5
    known = timms.forward_features(normal)
    torch.testing.assert_close(tokens[:, 0], known[:, 0])
    back = torch.stack([tokens[face, 1:][restore[face]] for face in range(3)])
    torch.testing.assert_close(back, known[:, 1:])
    torch.testing.assert_close(network.trunk.pooled(faces()), known[:, 1:].mean(dim=1))


def test_a_whole_pass_is_that_of_a_transcription(network: MaskedAutoencoder) -> None:
    """Face by face and patch by patch, as MAE's paper tells it, with the same weights."""
    encoder, decoder = network.encoder, network.decoder
    predicted, mask = network.reconstruct(faces(), noise(), 0.75)
    for face in range(3):
        normal = (faces()[face : face + 1] - 0.5) / 0.5
        embedded = encoder.patch_embed.proj(normal)[0].flatten(1).T  # by the convolution itself
        visible = torch.nonzero(~mask[face]).flatten().tolist()  # in any order: attention has none
        sequence = [encoder.cls_token[0, 0] + encoder.pos_embed[0, 0]]
        sequence += [embedded[patch] + encoder.pos_embed[0, 1 + patch] for patch in visible]
        x = torch.stack(sequence)[None]
        for block in encoder.blocks:
            x = block(x)
        x = decoder.decoder_embed(encoder.norm(x))[0]
        whole = [x[0]] + [
            x[1 + visible.index(patch)] if patch in visible else decoder.mask_token[0, 0] for patch in range(16)
        ]
        x = torch.stack([token + decoder.decoder_pos_embed[0, place] for place, token in enumerate(whole)])[None]
        for block in decoder.decoder_blocks:
            x = block(x)
        known = decoder.decoder_pred(decoder.decoder_norm(x))[0, 1:]
        torch.testing.assert_close(predicted[face], known)


def test_faces_come_back_from_patches(network: MaskedAutoencoder) -> None:
    torch.testing.assert_close(network.faces(network.patches(faces())), faces())


def test_positions_are_fixed_and_weights_start_as_in_mae() -> None:
    torch.manual_seed(0)
    made = MaskedAutoencoder(NETWORK, DECODER)
    fixed = {name for name, parameter in made.named_parameters() if not parameter.requires_grad}
    assert fixed == {"trunk.network.pos_embed", "decoder.decoder_pos_embed"}
    assert torch.equal(made.encoder.pos_embed[0], sincos_2d(24, 4))
    assert torch.equal(made.decoder.decoder_pos_embed[0], sincos_2d(16, 4))
    for layer, inside, outside in (
        (made.encoder.blocks[0].attn.qkv, 24, 72),
        (made.encoder.blocks[1].mlp.fc1, 24, 96),
        (made.decoder.decoder_pred, 16, 192),
        (made.encoder.patch_embed.proj, 192, 24),
    ):
        bound = math.sqrt(6 / (inside + outside))  # Xavier, uniform
        assert bool((layer.weight.abs() <= bound).all())
        assert float(layer.weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.1)
        assert not layer.bias.any()
    for token in (made.encoder.cls_token, made.decoder.mask_token):
        assert 0.01 < float(token.detach().std()) < 0.03


def public_names(depth: int, decoder_depth: int) -> set[str]:
    """The names in a public MAE checkpoint with its decoder."""
    layers = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    blocks = [("blocks", n) for n in range(depth)] + [("decoder_blocks", n) for n in range(decoder_depth)]
    names = [f"{stem}.{n}.{layer}" for stem, n in blocks for layer in layers]
    names += ["patch_embed.proj", "norm", "decoder_embed", "decoder_norm", "decoder_pred"]
    both = {f"{name}.{part}" for name in names for part in ("weight", "bias")}
    return both | {"cls_token", "pos_embed", "mask_token", "decoder_pos_embed"}


def test_vit_base_has_the_public_names_and_sizes() -> None:
    with torch.device("meta"):
        made = MaskedAutoencoder(NetworkConfig(backbone="vit_base_patch16_224", input_size=224), DecoderConfig())
        timms = timm.create_model("vit_base_patch16_224", num_classes=0)
    shapes = {name: tuple(value.shape) for name, value in made.public_weights().items()}
    assert set(shapes) == public_names(12, 8)
    assert {name: tuple(v.shape) for name, v in timms.state_dict().items()}.items() <= shapes.items()
    assert shapes["decoder_embed.weight"] == (512, 768) and shapes["decoder_pos_embed"] == (1, 197, 512)
    assert shapes["decoder_pred.weight"] == (768, 512) and shapes["mask_token"] == (1, 1, 512)
    assert shapes["decoder_blocks.7.mlp.fc1.weight"] == (2048, 512)
    assert made.decoder.decoder_blocks[0].attn.num_heads == 16
    sizes = [parameter.numel() for parameter in made.parameters() if parameter.requires_grad]
    assert sum(sizes) == pytest.approx(111.65e6, rel=1e-3)  # He et al.'s ViT-B with its decoder


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_a_public_checkpoint_makes_the_round_trip(network: MaskedAutoencoder, kind: str, tmp_path: Path) -> None:
    weights = {name: value.float().contiguous() for name, value in network.public_weights().items()}
    file = tmp_path / f"mae.{kind}"
    torch.save({"model": weights, "epoch": 1}, file) if kind == "pth" else save_file(weights, file)
    started = MaskedAutoencoder(NETWORK.model_copy(update={"init": str(file)}), DECODER)
    assert all(torch.equal(started.encoder.state_dict()[name], weights[name]) for name in started.encoder.state_dict())
    assert not started.encoder.pos_embed.requires_grad
    assert not torch.equal(started.decoder.decoder_pred.weight, weights["decoder_pred.weight"]), "the decoder is new"
    if kind == "pth":
        started.load_public_weights(read_torch_file(file))
        again = started.public_weights()
        assert again.keys() == weights.keys() and all(torch.equal(again[name], weights[name]) for name in weights)
        with pytest.raises(RuntimeError, match="Missing"):
            started.load_public_weights({name: v for name, v in weights.items() if name != "decoder_norm.weight"})


def test_bf16_restores_in_bf16_and_learns_in_float32() -> None:
    made = MaskedAutoencoder(NETWORK, DECODER)
    with torch.autocast("cpu", torch.bfloat16):
        predicted, mask = made(faces().float(), noise(), 0.75)
    assert predicted.dtype == torch.bfloat16
    plain, _ = made(faces().float(), noise(), 0.75)
    assert float((predicted.float() - plain).detach().abs().max()) < 0.05 * float(plain.detach().abs().max())
    predicted.float().square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made.parameters() if p.requires_grad)
    assert mask.sum(dim=1).tolist() == [12, 12, 12]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone": "test_resnet", "options": {}}, "no vision transformer"),
        ({"options": OPTIONS | {"global_pool": "avg"}}, "without global_pool"),
        ({"options": OPTIONS | {"class_token": False, "global_pool": ""}}, "no vision transformer"),
        ({"input_size": 48}, "img_size: 48"),
        ({"input_size": 48, "options": OPTIONS | {"dynamic_img_size": True}}, "Set img_size .* to 48"),
    ],
)
def test_networks_that_cannot_be_masked_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        MaskedAutoencoder(NETWORK.model_copy(update=change), DECODER)


def test_a_decoder_that_cannot_be_built_is_refused() -> None:
    with pytest.raises(InputError, match="multiple of 4"):
        MaskedAutoencoder(NETWORK, DecoderConfig(width=18, depth=1, heads=2))
    with pytest.raises(InputError, match="heads"):
        MaskedAutoencoder(NETWORK, DecoderConfig(width=16, depth=1, heads=3))
