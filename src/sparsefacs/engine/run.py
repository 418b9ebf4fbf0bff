"""The run folder: what a training leaves behind, each file whole or absent.

config.yaml  protocol.json  labels.parquet   what was asked: settings, folds, the labels that may be seen
log.csv  tensorboard/  checkpoint/last.pt    how it went, and the whole state to go on from
model.safetensors  model.json                all that coding faces needs
encoder.safetensors  encoder.json            of a pre-training, in their place: what it learned, under timm's names
auxiliary.safetensors                        modules of the training that pictures are made of, where there are any
predictions.parquet  metrics.json            how it does on held-out subjects
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ..errors import InputError
from ..files import is_folder, make_folder, read_json, refuse_existing, write_bytes, write_json, write_text
from ..metrics.limits import HALF, described_limits
from ..networks.backbone import ENCODER_FILE

if TYPE_CHECKING:
    from ..methods.contract import Setting

_RETRAIN = "Train again with `sparsefacs train`, or give a run folder that `train` finished"


class RunFolder:
    """Names and formats of the files of one run."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.protocol = self.path / "protocol.json"
        self.labels = self.path / "labels.parquet"
        self.log = self.path / "log.csv"
        self.tensorboard = self.path / "tensorboard"
        self.checkpoint = self.path / "checkpoint" / "last.pt"
        self.weights = self.path / "model.safetensors"
        self.model = self.path / "model.json"
        self.auxiliary = self.path / "auxiliary.safetensors"
        self.encoder_weights = self.path / ENCODER_FILE
        self.encoder = self.path / "encoder.json"
        self.predictions = self.path / "predictions.parquet"
        self.metrics = self.path / "metrics.json"

    @property
    def begun(self) -> bool:
        """Whether this is the folder of a training, or of a fold of one each, finished or not."""
        if not is_folder(self.path):
            return False
        whole = self.config.is_file() and self.protocol.is_file()
        return whole or self.model.is_file() or self.encoder.is_file() or any(self.path.glob("fold-*/config.yaml"))

    def require(self, file: Path, what: str) -> Path:
        """Return `file` of this run; raises InputError when the folder or the file is missing."""
        if not self.path.exists():
            raise InputError("does not exist", path=self.path, remedy="Give the folder that a training made")
        if not self.path.is_dir():
            raise InputError("is not a run folder", path=self.path, remedy=_RETRAIN)
        if not file.is_file():
            raise InputError(f"{what} is missing from this run folder", path=file, remedy=self._what_to_do())
        return file

    def _what_to_do(self) -> str:
        """Return how a folder that lacks a file is used or finished."""
        if self.encoder.exists():
            return f"It is a pre-training: begin a training from it with `sparsefacs train … --init {self.path}`"
        if self.checkpoint.exists() and not self.metrics.exists():
            return "It is not finished: give the command that began it again, with --resume"
        return _RETRAIN

    def begin(
        self, config: dict[str, Any], plan: Any, resume: bool, first: Callable[[], object] = lambda: None
    ) -> None:
        """Make the folder and write what is asked of the run, or find with `resume` that it is what was asked before.

        first: writes what else belongs there from the start; config.yaml is written last, so its presence means that
        all is there. Raises InputError when the folder exists without `resume`, or holds another run.
        """
        if resume and self.config.exists():
            kept = read_json(self.protocol, what="the run's protocol", remedy="Delete the run folder and begin again")
            if self.read_config() != config or kept != plan:
                raise InputError(
                    "holds a run with other settings, folds, faces or labels",
                    path=self.path,
                    remedy="Resume with the very command that began it, or choose another folder",
                )
            return
        refuse_existing(self.path, what="run folder")
        make_folder(self.path)
        first()
        write_json(self.protocol, plan)
        self.write_config(config)

    def write_config(self, config: dict[str, Any]) -> None:
        """Write the resolved configuration."""
        write_text(self.config, yaml.safe_dump(config, sort_keys=False))

    def read_config(self) -> dict[str, Any]:
        """Read the resolved configuration."""
        try:
            content = yaml.safe_load(self.require(self.config, "the configuration").read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise InputError("the configuration is not valid YAML", path=self.config, remedy=_RETRAIN) from error
        if not isinstance(content, dict):
            raise InputError("the configuration is empty", path=self.config, remedy=_RETRAIN)
        return content

    def read_model(self) -> dict[str, Any]:
        """Read what the model is."""
        content = read_json(self.require(self.model, "the model's description"), what="it", remedy=_RETRAIN)
        missing = {"method", "task", "aus", "network", "recipe"} - set(content)
        if not {"limits", "threshold"} & set(content):
            missing.add("limits")
        if missing:
            raise InputError(f"lacks {sorted(missing)[0]!r}", path=self.model, remedy=_RETRAIN)
        return dict(content) | {"limits": list(described_limits(content))}

    def write_model(
        self,
        setting: "Setting",
        recipe: Mapping[str, Any],
        method: str,
        weights: Mapping[str, Any],
        limits: Sequence[float] | None = None,
        step: int | None = None,
        settings: Mapping[str, Any] | None = None,
        lineage: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Write weights and description of the network that codes faces; step: after which they were taken.

        limits: of each AU the probability from which it counts as present; None: one half of each.
        settings: the method's own, of which its network may depend. lineage: what it was made of (`engine.lineage`).
        """
        write_bytes(self.weights, _tensors(weights))
        write_json(
            self.model,
            {
                "method": method,
                "task": setting.task,
                "aus": list(setting.aus),
                "settings": dict(settings or {}),
                "network": setting.network.model_dump(mode="json") | {"init": "none"},
                "recipe": dict(recipe),
                "limits": [HALF] * len(setting.aus) if limits is None else [float(limit) for limit in limits],
                "step": step,
                "lineage": [dict(entry) for entry in lineage],
            },
        )

    def write_encoder(self, weights: Mapping[str, Any], description: Mapping[str, Any]) -> None:
        """Write what a pre-training is for: its trunk under timm's names, and how to use it."""
        write_bytes(self.encoder_weights, _tensors(weights))
        write_json(self.encoder, dict(description))

    def write_auxiliary(self, weights: Mapping[str, Any]) -> None:
        """Write modules that only training and its pictures need."""
        write_bytes(self.auxiliary, _tensors(weights))


def _tensors(weights: Mapping[str, Any]) -> bytes:
    """Return tensors as the content of a .safetensors file."""
    from safetensors.torch import save

    content: bytes = save({key: value.detach().cpu().contiguous() for key, value in weights.items()})
    return content


class CsvLog:
    """log.csv: a row a logged step; terms that a step lacks are blank. Rewritten whole, so never half a row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, str]] = []
        if path.exists():
            with path.open(encoding="utf-8", newline="") as handle:
                self.rows = list(csv.DictReader(handle))

    def cut(self, step: int) -> None:
        """Drop rows of steps after `step`: they will be made again."""
        self.rows = [row for row in self.rows if int(row["step"]) <= step]

    def add(self, values: Mapping[str, float | int]) -> None:
        """Add one row."""
        row = {key: f"{value:.6g}" if isinstance(value, float) else f"{value}" for key, value in values.items()}
        self.rows.append(row)

    def write(self) -> None:
        """Write all rows."""
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())
