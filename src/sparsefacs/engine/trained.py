"""The network that a finished training left, out of its run folder."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..methods.contract import Setting
from ..methods.registry import method_class
from ..networks.backbone import read_safetensors
from ..networks.classifier import NetworkConfig
from .run import RunFolder

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Trained:
    """A network in evaluation mode, what it codes and sees, and its description, the content of model.json.

    further: columns of what it tells beside its task.
    """

    network: "nn.Module"
    setting: Setting
    description: dict[str, Any]
    further: tuple[str, ...] = ()


def load_trained(run: RunFolder) -> Trained:
    """Load the network of run folder `run`, on the CPU; no random number is drawn that others would miss.

    Raises InputError when a file of it is missing or does not fit, or the folder holds a run a fold.
    """
    import torch

    folds = sorted(run.path.glob("fold-*/model.json"))
    if folds and not run.model.exists():
        raise InputError("holds several folds", path=run.path, remedy=f"Name one of them: {folds[0].parent}")
    description = run.read_model()
    setting = Setting(description["task"], tuple(description["aus"]), NetworkConfig(**description["network"]))
    method = method_class(description["method"])
    settings = method.Config(**description.get("settings", {}))
    with torch.random.fork_rng(devices=[]):
        network = method.build_predictor(setting, settings)
    weights = read_safetensors(run.require(run.weights, "the weights"))
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(
            "the weights do not fit the model's description",
            path=run.weights,
            remedy="Train again, or restore both files from the same run",
        ) from error
    return Trained(network.eval(), setting, description, method.further(setting.aus, settings))
