"""MAE-Face's fine-tuning: its head, its mixing of labelled faces, and the paper's settings."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from sparsefacs.data.batches import Batch
from sparsefacs.engine.config import recipe_names, resolve
from sparsefacs.engine.trainer import make_method
from sparsefacs.methods.mae_face import MAEFace
from sparsefacs.networks.backbone import create_backbone

AUS = (1, 4)
VIT = (
    "network.backbone=vit_tiny_patch16_224",
    "network.options={img_size: 32, patch_size: 8, depth: 2, global_pool: avg}",
    "network.pool=mean",
    "method.mixup=0.2",
    "method.cutmix=0.75",
    "network.input_size=32",
)


def made(*settings: str, task: str = "occurrence") -> MAEFace:
    method = make_method(resolve("mae-face", settings=(*VIT, *settings), aus=AUS, task=task))
    assert isinstance(method, MAEFace)
    return method


def batch(count: int = 4) -> Batch:
    rng = np.random.default_rng(0)
    return Batch(
        image=torch.from_numpy(rng.random((count, 3, 32, 32), np.float32)),
        landmarks=torch.zeros(count, 68, 2),
        occurrence=torch.tensor([[1.0, 0], [0, -1], [1, 1], [0, 0]])[:count],
        intensity=torch.tensor([[5.0, 0], [1, torch.nan], [2, 3], [0, 0]])[:count],
        row=torch.arange(count),
    )


class One:
    """A source of the same labelled faces."""

    def labelled(self) -> Batch:
        return batch()


def test_the_head_is_the_mean_of_the_patches_a_layer_norm_and_a_linear_layer() -> None:
    method = made().eval()
    network = method.predictor()
    seen = batch().image
    tokens = network.backbone.forward_features((seen - network.mean) / network.deviation)
    assert isinstance(network.backbone.norm, nn.Identity) and isinstance(network.backbone.fc_norm, nn.LayerNorm)
    norm = network.backbone.fc_norm
    expected = network.head(norm(tokens[:, 1:].mean(dim=1)))  # the class token is left out
    torch.testing.assert_close(network(seen), expected)


def test_drop_path_is_on_in_training_and_in_training_alone() -> None:
    network = make_method(resolve("mae-face", aus=AUS)).predictor()
    paths = [part for part in network.modules() if type(part).__name__ == "DropPath"]
    assert paths and max(path.drop_prob for path in paths) == pytest.approx(0.1)


def test_off_the_batch_is_untouched() -> None:
    method = made("method.mixup=0", "method.cutmix=0")
    given = batch()
    assert method.mixed(given, 3) is given


def test_mixup_and_cutmix_take_turns_by_chance() -> None:
    method = made()
    kinds = []
    for step in range(300):
        mixed = method.mixed(batch(), step)
        pixels = torch.isclose(mixed.image, batch().image) | torch.isclose(mixed.image, batch().image[[1, 0, 3, 2]])
        kinds.append(bool(pixels.all()))
    assert np.mean(kinds) == pytest.approx(0.5, abs=0.12)  # a share of 0 or 1 makes mixup look like CutMix
    only = [made("method.mixup=0").mixed(batch(), step) for step in range(20)]
    for mixed in only:
        pasted = (mixed.image != batch().image).any(dim=1).float().mean(dim=(1, 2))
        torch.testing.assert_close(mixed.occurrence[0, 0], 1 - pasted[0])  # 1 beside 0: the share that is left
        assert mixed.occurrence[0, 1] == mixed.occurrence[1, 1] == -1
        assert torch.isnan(mixed.intensity[:2, 1]).all()
        torch.testing.assert_close(mixed.intensity[0, 0], 5 - 4 * pasted[0])
    again = made("method.mixup=0").mixed(batch(), 7)
    assert torch.equal(again.image, only[7].image), "the draws of a step are those of its number"


@pytest.mark.parametrize("task", ["occurrence", "intensity"])
def test_a_hidden_label_has_no_part_in_the_loss(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method = made("method.cutmix=0", task=task).eval()
    found = []
    for hidden in ((-1.0, float("nan")), (-1.0, float("nan"))):
        source = batch()
        source.occurrence[1, 1], source.intensity[1, 1] = hidden
        source.occurrence[0, 1], source.intensity[0, 1] = (1.0, 4.0) if found else (0.0, 0.0)
        monkeypatch.setattr(One, "labelled", lambda self, given=source: given)
        found.append(float(next(iter(method.updates(One(), 0))).loss.detach()))  # type: ignore[arg-type]
    assert found[0] == found[1], "a label beside a hidden one does not count either"


def test_the_paper_s_settings() -> None:
    rates = {
        "paper-bp4d": 1e-4,
        "paper-bp4d+": 2e-4,
        "paper-disfa": 2e-4,
        "paper-bp4d-intensity": 3e-5,
        "paper-disfa-intensity": 1.5e-4,
        "table5-scratch": 1e-4,
        "table5-imagenet": 1e-4,
    }
    assert set(rates) | {"small", "small-intensity", "vit-small"} == set(recipe_names("mae-face"))
    for recipe, rate in rates.items():
        config = resolve("mae-face", recipe)
        optimiser, training = config.optimiser, config.training
        assert optimiser.rate(config.data.labelled_batch) == pytest.approx(2 * rate)
        assert (optimiser.name, optimiser.weight_decay, config.data.labelled_batch) == ("adamw", 0.05, 512)
        scratch = recipe == "table5-scratch"
        assert (training.epochs, training.epoch_of) == (200 if scratch else 20, "all")
        assert optimiser.warmup * (training.epochs or 0) == pytest.approx(20 if scratch else 10)
        assert (config.data.augmentation.rand_augment, config.data.augmentation.rand_augment_spread) == (9, 0.5)
        mixes = (0.0, 0.0) if recipe.endswith("intensity") else (0.2, 0.75)
        assert (config.method["mixup"], config.method["cutmix"]) == mixes
        assert config.task == ("intensity" if recipe.endswith("intensity") else "occurrence")
        network = config.network
        start = "imagenet" if recipe == "table5-imagenet" else "none"
        assert (network.backbone, network.init, network.input_size) == ("vit_base_patch16_224.mae", start, 224)
        assert network.options == {"global_pool": "avg", "drop_path_rate": 0.1}
        assert (config.selection.score, config.selection.patience) == ("loss", 3)


def test_pixels_are_on_the_scale_that_the_released_weights_were_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"depth": 1, "embed_dim": 24, "num_heads": 3, "img_size": 32}
    tiny = ("network.input_size=32", *(f"network.options.{name}={value}" for name, value in sizes.items()))
    fetched, create = [], timm.create_model

    def without_hub(name: str, pretrained: bool = False, **rest: Any) -> nn.Module:
        fetched.append(pretrained)
        return create(name, **rest)

    monkeypatch.setattr(timm, "create_model", without_hub)

    def scale(recipe: str, init: Path | None = None) -> list[list[float]]:
        start = () if init is None else (f"network.init={init}",)
        network: Any = make_method(resolve("mae-face", recipe, (*tiny, *start), aus=AUS)).predictor()
        return [network.mean.flatten().tolist(), network.deviation.flatten().tolist()]

    imagenet = [pytest.approx([0.485, 0.456, 0.406]), pytest.approx([0.229, 0.224, 0.225])]
    papers = [recipe for recipe in recipe_names("mae-face") if recipe.startswith("paper")]
    for recipe in (*papers, "table5-scratch"):
        assert scale(recipe) == imagenet
    weights = create("vit_base_patch16_224", num_classes=0, **sizes).state_dict()
    torch.save({"model": weights}, tmp_path / "released.pth")  # as the authors' own file holds them
    assert scale("paper-disfa", tmp_path / "released.pth") == imagenet
    ahead = resolve("pretrain/mae-face", "paper").network.backbone
    assert [list(value) for value in create_backbone(ahead, options=sizes)[2:]] == imagenet
    save_file(weights, tmp_path / "encoder.safetensors")  # what a pre-training leaves
    (tmp_path / "encoder.json").write_text(json.dumps({"level": None, "network": {"backbone": ahead}}))
    assert scale("paper-bp4d", tmp_path) == imagenet
    assert not any(fetched), "a network is needed for the hub's weights alone"
    assert scale("table5-imagenet") == imagenet and any(fetched)
