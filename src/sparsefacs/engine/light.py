"""The network that a finished training left, for use without torch: of `instant`, and of a coder."""

from dataclasses import dataclass
from typing import Any

from ..methods.coder_settings import CoderConfig, further_columns
from ..methods.instant import InstantConfig
from ..methods.settings import MethodConfig
from ..networks.light import LightNetwork, light_network
from ..networks.weight_files import read_arrays
from .described import DescribedRun, describe_run, read_described
from .run import RunFolder

_KINDS: dict[str, type[MethodConfig]] = {"instant": InstantConfig, "coder": CoderConfig}


@dataclass(frozen=True)
class Light:
    """A network without torch, and what is told of it; further: columns of what it tells beside its task."""

    network: LightNetwork
    described: DescribedRun
    further: tuple[str, ...] = ()


def load_light(run: RunFolder, threads: int | None = None) -> Light | None:
    """Load the network of run folder `run`; None where it is of another kind, which `trained.load_trained` loads.

    threads: of pixels, as of `networks.pixels.Pixels`. Raises InputError when a file of the run is missing or does not
    fit, or the folder holds a run a fold.
    """
    content = read_described(run)
    kind = _KINDS.get(content["method"])
    if kind is None:
        return None
    told = describe_run(run, content, kind)
    settings: Any = told.settings
    aus, further = told.setting.aus, tuple[str, ...]()
    if isinstance(settings, CoderConfig):
        further, said = further_columns(aus), 3 * len(aus)
    elif settings.features:
        return None
    else:
        said = settings.said
    told.check_weights()
    weights = read_arrays(run.weights)
    try:
        network = light_network(
            weights, told.setting.network, len(aus), said=said, further=len(further), threads=threads
        )
    except ValueError as error:
        raise told.misfit() from error
    return Light(network, told, further)
