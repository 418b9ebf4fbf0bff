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


@dataclass(frozen=True)
class DescribedLight:
    """A network without torch as it is told, none of its weights read yet.

    said: how many answers of pixels it looks at; further: as of `Light`.
    """

    described: DescribedRun
    said: int
    further: tuple[str, ...] = ()

    def load(self, threads: int | None = None) -> Light:
        """Load it; arguments and errors as of `load_light`."""
        told, setting = self.described, self.described.setting
        told.check_weights()
        weights = read_arrays(told.run.weights)
        sizes = {"said": self.said, "further": len(self.further)}
        try:
            network = light_network(weights, setting.network, len(setting.aus), **sizes, threads=threads)
        except ValueError as error:
            raise told.misfit() from error
        return Light(network, told, self.further)


def describe_light(run: RunFolder) -> DescribedLight | None:
    """Return what is told of the network of run folder `run`; as `load_light`, but for its weights."""
    content = read_described(run)
    kind = _KINDS.get(content["method"])
    if kind is None:
        return None
    told = describe_run(run, content, kind)
    settings: Any = told.settings
    if isinstance(settings, CoderConfig):
        aus = told.setting.aus
        return DescribedLight(told, 3 * len(aus), further_columns(aus))
    return None if settings.features else DescribedLight(told, settings.said)


def load_light(run: RunFolder, threads: int | None = None) -> Light | None:
    """Load the network of run folder `run`; None where it is of another kind, which `trained.load_trained` loads.

    threads: of pixels, as of `networks.pixels.Pixels`. Raises InputError when a file of the run is missing or does not
    fit, or the folder holds a run a fold.
    """
    described = describe_light(run)
    return None if described is None else described.load(threads)
