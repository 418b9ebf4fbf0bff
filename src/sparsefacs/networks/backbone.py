"""Backbones: every one by its timm name, behind this one door."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import InputError

NAMED_STARTS = ("none", "imagenet")
"""Values of `network.init` that are no path."""


def start_folder(init: str) -> Path | None:
    """Return the run folder that `network.init` names, None where it names no folder."""
    return Path(init) if init not in NAMED_STARTS and Path(init).is_dir() else None


def create_backbone(
    name: str, init: str = "none", options: Mapping[str, Any] | None = None
) -> tuple[nn.Module, int, tuple[float, ...], tuple[float, ...]]:
    """Return timm backbone `name` without its classifier, its feature width, and the pixel mean and deviation.

    init: `none` (random), `imagenet` (timm's published weights, fetched once from their hub), a .safetensors file of
    timm keys, or the run folder of a pre-training, whose stages are taken and the others left random. options: further
    arguments of `timm.create_model`. The module maps (B, 3, H, W) to pooled features (B, width). Raises InputError for
    an unknown name, weights that cannot be fetched, or a file that does not fit.
    """
    import timm

    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=5, cutoff=0.4)
        raise InputError(
            f"{name!r} is not a backbone timm knows", remedy=f"Close: {', '.join(close) or 'see timm.list_models()'}"
        )
    if "pretrained" in (options or {}):
        raise InputError("network.options holds pretrained", remedy="Use --init imagenet")
    try:
        network = timm.create_model(name, pretrained=init == "imagenet", num_classes=0, **(options or {}))
    except TypeError as error:
        raise InputError(
            f"{name} does not take these network.options ({error})", remedy="See timm's documentation of the model"
        ) from error
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"the ImageNet weights of {name} could not be fetched ({type(error).__name__})",
            remedy="Check the network, or train from scratch with --init none, or give a file with --init FILE",
        ) from error
    if init not in NAMED_STARTS:
        run = start_folder(init)
        load_weights(network, Path(init) if run is None else run / ENCODER_FILE, partial=run is not None)
    settings: dict[str, Any] = network.pretrained_cfg
    mean = tuple(settings.get("mean", (0.485, 0.456, 0.406)))
    deviation = tuple(settings.get("std", (0.229, 0.224, 0.225)))
    width = getattr(network, "head_hidden_size", None) or network.num_features  # some widen maps after pooling them
    return network, int(width), mean, deviation


def check_side(network: nn.Module, name: str, side: int) -> None:
    """Raise InputError where backbone `name` takes pictures of one size alone, and `side` pixels is another."""
    patches: Any = getattr(network, "patch_embed", None)
    size = getattr(patches, "img_size", None)
    if size is not None and getattr(patches, "strict_img_size", False) and tuple(size) != (side, side):
        raise InputError(
            f"{name} takes pictures of {size[0]} pixels, not of {side}",
            remedy=f"Add --set 'network.options={{img_size: {side}}}'",
        )


ENCODER_FILE = "encoder.safetensors"
"""What a pre-training leaves in its run folder: the trunk's weights under timm's names."""


def load_weights(network: nn.Module, path: Path, *, partial: bool = False) -> None:
    """Load a .safetensors file into `network`; extra classifier weights are ignored, missing ones are an error.

    partial: the file holds the first stages alone; then each of its weights must have its place instead.
    """
    weights = read_safetensors(path)
    wanted = network.state_dict()
    missing = [key for key in wanted if key not in weights and not key.endswith("num_batches_tracked")]
    if partial:
        missing = [key for key in weights if key not in wanted]
    odd = [key for key in wanted if key in weights and weights[key].shape != wanted[key].shape]
    if missing or odd:
        raise InputError(
            f"does not fit this network ({len(missing)} weights missing, {len(odd)} of another shape; "
            f"first: {(missing or odd)[0]})",
            path=path,
            remedy="Give weights of the same backbone, or another network.backbone",
        )
    network.load_state_dict({key: weights[key] for key in wanted if key in weights}, strict=False)


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a .safetensors file; raises InputError if it is missing or is not one (nothing is ever unpickled)."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(str(path)))
    except FileNotFoundError as error:
        raise InputError("the weights file is missing", path=path, remedy="Check the path") from error
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"is not a readable .safetensors file ({error})", path=path, remedy="Give a .safetensors file"
        ) from error
