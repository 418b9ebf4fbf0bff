"""MAE-Face's pre-training: its loss in every variant, its masks, that it learns, and what it leaves out."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from sparsefacs.data.batches import Batch
from sparsefacs.engine.config import resolve
from sparsefacs.engine.optimisers import make_optimisers
from sparsefacs.engine.pretrainer import make_pretraining
from sparsefacs.methods.chance import Chance, Purpose
from sparsefacs.methods.mae_pretraining import MAEPretraining
from sparsefacs.networks.autoencoder import patchify

TINY = (
    "network.backbone=vit_tiny_patch16_224",
    "network.options={img_size: 32, patch_size: 8, depth: 2, embed_dim: 48, num_heads: 2}",
    "network.input_size=32",
    "network.init=none",
    "method.decoder={width: 32, depth: 1, heads: 2}",
)


class Faces:
    """One batch of smooth pictures, which a few patches tell all of, again and again."""

    def __init__(self, count: int = 8) -> None:
        rng = np.random.default_rng(0)
        x, y = np.meshgrid(np.arange(32), np.arange(32))
        waves = [
            0.5 + 0.4 * np.sin(turn[0] + (x * math.cos(turn[1]) + y * math.sin(turn[1])) / 4)
            for turn in rng.uniform(0, 6, (count, 2))
        ]
        image = torch.from_numpy(np.stack(waves)).float()[:, None].expand(-1, 3, -1, -1).contiguous()
        blank = torch.zeros(count, 0)
        self.batch = Batch(image, torch.zeros(count, 68, 2), blank, blank, torch.arange(count))

    def faces(self) -> Batch:
        return replace(self.batch)


def made(recipe: str = "small", *more: str) -> MAEPretraining:
    method = make_pretraining(resolve("pretrain/mae-face", recipe, (*TINY, *more)))
    assert isinstance(method, MAEPretraining)
    return method


def one(method: MAEPretraining, step: int = 0) -> Any:
    (update,) = method.updates(Faces(), step)  # type: ignore[arg-type]
    return update


@pytest.mark.parametrize("recipe", ["small", "paper", "table6-l1-norm", "table6-l1-plain", "table6-l2-norm",
                                    "table6-l2-plain", "vit-small"])  # fmt: skip
def test_the_loss_of_each_recipe_is_that_of_its_name(recipe: str) -> None:
    method, image = made(recipe), Faces().batch.image
    noise = method.chance.uniform(4, Purpose.MASK, 8, 16)
    predicted, mask = method.network(image, noise, 0.75)
    target = patchify((image - method.network.trunk.mean) / method.network.trunk.deviation, 8)
    if "plain" not in recipe:
        target = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6).sqrt()
    off = (predicted - target)[mask]
    known = off.square().mean() if "l2" in recipe else off.abs().mean()
    update = one(method, 4)
    torch.testing.assert_close(update.loss, known)
    assert update.optimiser == "all" and update.terms.keys() == {"reconstruction"}
    assert mask.sum(dim=1).tolist() == [12] * 8


def test_paper_settings() -> None:
    config = resolve("pretrain/mae-face", "paper")
    assert config.optimiser.rate(config.data.unlabelled_batch) == pytest.approx(1.5e-4 * 4096 / 256)
    assert config.training.epochs == 800 and config.optimiser.warmup * 800 == 40
    assert config.optimiser.betas == (0.9, 0.95) and config.optimiser.weight_decay == 0.05
    assert config.method["decoder"] == {"width": 512, "depth": 8, "heads": 16} and config.network.init == "imagenet"
    short = resolve("pretrain/mae-face", "table6-l2-plain")
    assert (short.training.epochs, short.method["loss"], short.method["normalise"]) == (200, "l2", False)
    assert short.method["mask_ratio"] == 0.75 and short.data == config.data
    view = config.data.augmentation
    assert view.shift * config.network.crop <= (1 - config.network.crop) / 2, "a window would leave the face"


def test_masks_differ_from_step_to_step_and_face_to_face_and_hide_all_alike() -> None:
    chance = Chance(3)
    first = chance.uniform(0, Purpose.MASK, 400, 16)
    assert torch.equal(first, Chance(3).uniform(0, Purpose.MASK, 400, 16))
    assert not torch.equal(first, chance.uniform(1, Purpose.MASK, 400, 16))
    assert not torch.equal(first, Chance(4).uniform(0, Purpose.MASK, 400, 16))
    kept = (first.argsort(dim=1).argsort(dim=1) < 4).float().mean(dim=0)
    assert bool(((kept - 0.25).abs() < 0.08).all())
    assert first.dtype == torch.float32 and float(first.min()) >= 0 and float(first.max()) < 1


def test_it_learns_to_restore_and_its_positions_stay() -> None:
    config = resolve("pretrain/mae-face", settings=TINY)
    method = made()
    before = [method.network.encoder.pos_embed.clone(), method.network.decoder.decoder_pos_embed.clone()]
    parts = method.parameters_by_optimiser()
    assert {id(p) for p in parts["all"]} == {id(p) for p in method.parameters() if p.requires_grad}
    optimiser = make_optimisers(parts, config.optimiser.model_copy(update={"lr": 3e-3}), 8)["all"]
    start = float(one(method, 999).loss.detach())
    for step in range(80):
        optimiser.zero_grad()
        one(method, step).loss.backward()
        optimiser.step()
    end = float(one(method, 999).loss.detach())
    assert end < 0.8 * start, (start, end)
    assert torch.equal(before[0], method.network.encoder.pos_embed)
    assert torch.equal(before[1], method.network.decoder.decoder_pos_embed)


def test_every_trained_weight_gets_a_slope() -> None:
    method = made()
    one(method).loss.backward()
    still = [name for name, p in method.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert not still


@pytest.mark.parametrize("norm", ["true", "false"])
def test_pictures_show_what_is_hidden_restored_and_true(norm: str) -> None:
    method = made("small", f"method.normalise={norm}")
    assert method.pictures() == {}
    one(method)
    shown = method.pictures()["reconstruction"]
    assert shown.shape == (3, 4 * 32, 3 * 32) and float(shown.min()) >= 0 and float(shown.max()) <= 1
    image = Faces().batch.image[:4]
    noise = method.chance.uniform(0, Purpose.MASK, 8, 16)[:4]
    _, mask = method.network(image, noise, 0.75)
    hidden, restored = method.restored(image, torch.zeros(4, 16, 192), mask)
    for face in range(4):
        for patch in range(16):
            y, x = 8 * (patch // 4), 8 * (patch % 4)
            area = (face, slice(None), slice(y, y + 8), slice(x, x + 8))
            if mask[face, patch]:
                # nothing was predicted: the middle of the scale, or the patch's own mean where that is put back
                known = image[area].mean() if norm == "true" else torch.tensor(0.5)
                assert bool((hidden[area] == 0.5).all())
                torch.testing.assert_close(restored[area], known.expand(3, 8, 8), atol=1e-5, rtol=0)
            else:
                assert torch.equal(hidden[area], image[area]) and torch.equal(restored[area], image[area])


def test_what_is_kept_starts_a_timm_network_and_the_decoder_lies_beside() -> None:
    import timm

    method = made()
    options = {"img_size": 32, "patch_size": 8, "depth": 2, "embed_dim": 48, "num_heads": 2}
    timms = timm.create_model("vit_tiny_patch16_224", num_classes=0, **options)
    timms.load_state_dict(method.trunk().network.state_dict(), strict=True)
    beside = method.kept_beside()
    assert beside.keys() == {"decoder"} and not any("mask" in name for name in timms.state_dict())
    assert "mask_token" in beside["decoder"].state_dict()


def test_costs_are_those_of_a_hand_count() -> None:
    from sparsefacs.methods.cost import pretraining_cost

    config = resolve("pretrain/mae-face")
    cost = pretraining_cost("mae-face", config.method_config(), config.network)
    assert cost["pretraining_parameters_kept"] < cost["pretraining_parameters"]
    encoder = 6 * 12 * 192**2 * 17 + 16 * 432 * 192  # blocks on 16 patches and the class token, embedding of the former
    decoder = 2 * 12 * 96**2 * 65 + 17 * 192 * 96 + 64 * 96 * 432
    products = 6 * 2 * 17**2 * 192 + 2 * 2 * 65**2 * 96  # attention's own
    assert cost["pretraining_gflops"] == pytest.approx((encoder + decoder + products) / 1e9, abs=0.001)
