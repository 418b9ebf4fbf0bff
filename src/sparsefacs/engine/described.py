"""What a finished training says of its network, read and checked before any of it is built."""

from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..methods.registry import method_class
from ..methods.settings import MethodConfig, Setting
from ..networks.config import NetworkConfig
from ..records import as_settings, check_sum
from .run import RunFolder

AGAIN = "Restore the run's files, or train again"


@dataclass(frozen=True)
class DescribedRun:
    """A run's network as it is told: model.json, what it codes and sees, and its method's settings."""

    run: RunFolder
    content: dict[str, Any]
    setting: Setting
    settings: MethodConfig

    def check_weights(self) -> None:
        """Raise InputError where the weights are missing or not those that were described."""
        weights = self.run.require(self.run.weights, "the weights")
        check_sum(weights, self.content.get("sha256", {}), remedy=AGAIN)

    def misfit(self) -> InputError:
        """Return what to say of weights that are not of this network."""
        return InputError(
            "the weights do not fit the model's description",
            path=self.run.weights,
            remedy="Train again, or restore both files from the same run",
        )


def read_described(run: RunFolder) -> dict[str, Any]:
    """Return the content of a run's model.json; raises InputError where it lacks, or there is one a fold."""
    folds = sorted(run.path.glob("fold-*/model.json"))
    if folds and not run.model.exists():
        raise InputError("holds several folds", path=run.path, remedy=f"Name one of them: {folds[0].parent}")
    return run.read_model()


def describe_run(run: RunFolder, content: dict[str, Any], kind: type[MethodConfig] | None = None) -> DescribedRun:
    """Return what `content`, of model.json, tells; kind: its method's settings, None: as the registry has them."""
    told = {"what": "the model's description", "remedy": AGAIN}
    sees = as_settings(NetworkConfig, content["network"], run.model, **told)
    wanted = method_class(content["method"]).Config if kind is None else kind
    settings = as_settings(wanted, content.get("settings", {}), run.model, **told)
    return DescribedRun(run, content, Setting(content["task"], tuple(content["aus"]), sees), settings)
