"""The network that a finished training left, out of its run folder."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..methods.contract import Setting
from ..methods.registry import method_class
from ..networks.backbone import read_safetensors
from ..networks.classifier import NetworkConfig
from ..records import as_settings, check_sum
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
    method = method_class(description["method"])
    told = {"what": "the model's description", "remedy": "Restore the run's files, or train again"}
    sees = as_settings(NetworkConfig, description["network"], run.model, **told)
    settings = as_settings(method.Config, description.get("settings", {}), run.model, **told)
    setting = Setting(description["task"], tuple(description["aus"]), sees)
    try:
        with torch.random.fork_rng(devices=[]):
            network = method.build_predictor(setting, settings)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"describes a network that cannot be built ({error})", path=run.model, remedy=told["remedy"]
        ) from error
    check_sum(run.require(run.weights, "the weights"), description.get("sha256", {}), remedy=told["remedy"])
    weights = read_safetensors(run.weights)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(
            "the weights do not fit the model's description",
            path=run.weights,
            remedy="Train again, or restore both files from the same run",
        ) from error
    return Trained(network.eval(), setting, description, method.further(setting.aus, settings))
