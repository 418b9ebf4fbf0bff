"""Backbones: every one by its timm name, behind this one door."""

import difflib
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import InputError
from ..records import check_sum, read_record
from ..run_records import ModelRecord, StartRecord
from .config import ENCODER_FILE, NAMED_STARTS, start_folder
from .hub import hub_without_waiting
from .start_weights import fitted
from .torch_files import SUFFIXES, read_torch_file
from .weight_files import GIVE_WEIGHTS, readable_weights

_COUNTERS = "num_batches_tracked"


def create_backbone(
    name: str, init: str = "none", options: Mapping[str, Any] | None = None
) -> tuple[nn.Module, int, tuple[float, ...], tuple[float, ...]]:
    """Return timm backbone `name` without its classifier, its feature width, and the pixel mean and deviation.

    init: `none` (random), `imagenet` (timm's published weights, fetched once from their hub), a .safetensors file of
    timm keys, a .pth file of them (such as the public MAE and MAE-Face checkpoints), the run folder of a pre-training,
    whose stages are taken and the others left random, or that of a coder, or a packaged coder's name. options: further
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
        with hub_without_waiting() if init == "imagenet" else nullcontext():
            network: Any = _created(name, init == "imagenet", dict(options or {}))
    except TypeError as error:
        raise InputError(
            f"{name} does not take these network.options ({error})", remedy="See timm's documentation of the model"
        ) from error
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"the ImageNet weights of {name} could not be fetched ({type(error).__name__})",
            remedy="Connect to the network once, or start from elsewhere: --init RUN (of `sparsefacs pretrain` on your "
            f"own faces, with this backbone), --init FILE (weights of {name}, fetched elsewhere), or --init none",
        ) from error
    settings: dict[str, Any] = network.pretrained_cfg
    if (run := start_folder(init)) is not None and not (run / ENCODER_FILE).is_file() and (run / _CODER).is_file():
        _check_start(run / _CODER, run / "model.json")
        weights = read_safetensors(run / _CODER)
        pixels = {key.removeprefix(_PIXELS): value for key, value in weights.items() if key.startswith(_PIXELS)}
        _fit(network, pixels, run / _CODER)
    elif run is not None:
        described = _described(run)
        check_sum(run / ENCODER_FILE, described.get("sha256", {}), remedy=_FINISHED)
        load_weights(network, run / ENCODER_FILE, partial=described["level"] is not None)
        if (its := timm.get_pretrained_cfg(described["network"]["backbone"])) is not None:
            settings = its.to_dict()  # pixels stay on the scale they were pre-trained on
    elif init not in NAMED_STARTS:
        load_weights(network, Path(init))
    mean = tuple(settings.get("mean", (0.485, 0.456, 0.406)))
    deviation = tuple(settings.get("std", (0.229, 0.224, 0.225)))
    width = getattr(network, "head_hidden_size", None) or network.num_features  # some widen maps after pooling them
    return network, int(width), mean, deviation


def _created(name: str, pretrained: bool, options: dict[str, Any]) -> nn.Module:
    """Return timm's model of that name, where asked with its published weights."""
    import timm

    plain = {key: value for key, value in options.items() if key not in ("global_pool", "fc_norm")}
    network: nn.Module = timm.create_model(name, pretrained=pretrained and plain == options, num_classes=0, **options)
    if not pretrained or plain == options:
        return network
    # timm refuses published weights that lack a normalisation after pooling, and is not asked to fit them
    _fit(network, timm.create_model(name, pretrained=True, num_classes=0, **plain).state_dict(), Path(name))
    return network


def check_side(network: nn.Module, name: str, side: int) -> None:
    """Raise InputError where backbone `name` takes pictures of one size alone, and `side` pixels is another."""
    patches: Any = getattr(network, "patch_embed", None)
    size = getattr(patches, "img_size", None)
    if size is not None and getattr(patches, "strict_img_size", False) and tuple(size) != (side, side):
        raise InputError(
            f"{name} takes pictures of {size[0]} pixels, not of {side}",
            remedy=f"Add --set 'network.options={{img_size: {side}}}'",
        )


_CODER, _PIXELS = "model.safetensors", "pixels.backbone."
"""Where a coder's pixels are: a start of other networks, as a pre-training is."""


_FINISHED = "Give the run folder of a finished `sparsefacs pretrain`"


def _described(run: Path) -> dict[str, Any]:
    """Return what a pre-training says of its trunk; `level` is None where it is the whole backbone."""
    return read_record(run / "encoder.json", StartRecord, what="the encoder's description", remedy=_FINISHED)


def _check_start(weights: Path, description: Path) -> None:
    """Raise InputError where the weights of a coder are not those that it was described with."""
    if description.is_file():
        told = read_record(description, ModelRecord, what="the model's description", remedy=GIVE_WEIGHTS)
        check_sum(weights, told.get("sha256", {}), remedy=GIVE_WEIGHTS)


def load_weights(network: nn.Module, path: Path, *, partial: bool = False) -> None:
    """Load a .safetensors or .pth file into `network`; extra weights, as of a classifier or a decoder, are ignored.

    Missing ones are an error, but for those that `start_weights.fitted` names. partial: the file holds the first stages
    alone; then each of its weights must have its place instead.
    """
    _fit(network, read_weights(path), path, partial=partial)


def _fit(network: nn.Module, weights: dict[str, torch.Tensor], path: Path, *, partial: bool = False) -> None:
    weights, fresh = fitted(weights, network)
    wanted = network.state_dict()
    missing = [key for key in wanted if key not in weights and key not in fresh and not key.endswith(_COUNTERS)]
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


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a .safetensors file, or a .pth file of torch.save; raises InputError if it is missing or is not one."""
    return read_torch_file(path) if path.suffix.lower() in SUFFIXES else read_safetensors(path)


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a .safetensors file; raises InputError if it is missing or is not one (nothing is ever unpickled)."""
    from safetensors.torch import load_file

    return readable_weights(path, load_file)
