"""The network that a finished training left, out of its run folder, as torch has it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..methods.registry import method_class
from ..methods.settings import Setting
from ..networks.backbone import read_safetensors
from .described import AGAIN, describe_run, read_described
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

    told = describe_run(run, read_described(run))
    method = method_class(told.content["method"])
    try:
        with torch.random.fork_rng(devices=[]):
            network = method.build_predictor(told.setting, told.settings)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"describes a network that cannot be built ({error})", path=run.model, remedy=AGAIN) from error
    told.check_weights()
    weights = read_safetensors(run.weights)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise told.misfit() from error
    return Trained(network.eval(), told.setting, told.content, method.further(told.setting.aus, told.settings))
