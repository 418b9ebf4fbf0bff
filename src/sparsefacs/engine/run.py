"""The run folder: what a training leaves behind, each file whole or absent.

config.yaml  protocol.json  labels.parquet   what was asked: settings, folds, the labels that may be seen
answers.csv                                  the answers of `label` that it learned from, if it did, as they were then
log.csv  tensorboard/  checkpoint/last.pt    how it went, and the whole state to go on from
model.safetensors  model.json                all that coding faces needs
encoder.safetensors  encoder.json            of a pre-training, in their place: what it learned, under timm's names
auxiliary.safetensors                        modules of the training that pictures are made of, where there are any
predictions.parquet  metrics.json            how it does on held-out subjects
pseudo-labels.json                           how right its pseudo labels are, by training subject, if it makes any
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..files import SoleWriter, is_folder, refuse_existing, write_bytes, write_text
from ..metrics.limits import HALF, Limits, described_limits
from ..networks.config import ENCODER_FILE
from ..networks.weight_files import as_file
from ..records import read_record, read_yaml, sums_of, write_record, write_yaml
from ..run_records import ConfigRecord, ModelRecord, PlanRecord

if TYPE_CHECKING:
    from ..methods.settings import Setting

_RETRAIN = "Train again with `sparsefacs train`, or give a run folder that `train` finished"
_ANEW = "Delete the run folder and begin again"
_FIRST_FILES = {"answers.csv", "labels.parquet", "protocol.json", ".lock"}
"""What `begin` writes before config.yaml; a folder of these alone is of a run that had not begun when it was killed."""


class RunFolder:
    """Names and formats of the files of one run."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.protocol = self.path / "protocol.json"
        self.labels = self.path / "labels.parquet"
        self.answers = self.path / "answers.csv"
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
        self.pseudo_labels = self.path / "pseudo-labels.json"
        self._sole: SoleWriter | None = None

    def on(self, store: Path) -> Path:
        """Return the folder of the run's scores on another store than its own."""
        return self.path / f"on-{store.name}"

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
        all is there. Until `release` no other process can begin or resume it. Raises InputError when the folder exists
        without `resume`, holds another run, or another process is at it.
        """
        going_on = resume and self.config.exists()
        if not going_on and not (resume and self._never_began()):
            self.refuse_existing()
        self._sole = SoleWriter(self.path)
        if going_on:
            kept = read_record(self.protocol, PlanRecord, what="the run's protocol", remedy=_ANEW)
            if self.read_config() != config or kept != plan:
                raise InputError(
                    "holds a run with other settings, folds, faces or labels",
                    path=self.path,
                    remedy="Resume with the very command that began it, or choose another folder",
                )
            return
        first()
        write_record(self.protocol, plan)
        self.write_config(config)

    def release(self) -> None:
        """Let other processes go on with this run."""
        if self._sole is not None:
            self._sole.release()

    def refuse_existing(self) -> None:
        """Raise InputError if the folder exists and is not empty; an unfinished run's remedy is to resume it."""
        unfinished = (
            any(
                (folder / "config.yaml").exists() and not ((folder / "metrics.json").exists() or run.encoder.exists())
                for folder in (self.path, *self.path.glob("fold-*"))
                for run in (RunFolder(folder),)
            )
            or self._never_began()
        )
        remedy = "It is not finished: give the command that began it again, with --resume, or choose another name"
        refuse_existing(self.path, what="run folder", remedy=remedy if unfinished else "")

    def _never_began(self) -> bool:
        """Say whether the folder holds nothing but what is written before a run begins."""
        names = {entry.name for entry in self.path.iterdir()} if self.path.is_dir() else set()
        return bool(names) and all(name in _FIRST_FILES or ".tmp" in name for name in names)

    def write_config(self, config: dict[str, Any]) -> None:
        """Write the resolved configuration."""
        write_yaml(self.config, config)

    def read_config(self) -> dict[str, Any]:
        """Read the resolved configuration."""
        file = self.require(self.config, "the configuration")
        return read_yaml(file, ConfigRecord, what="the configuration", remedy=_RETRAIN)

    def read_model(self) -> dict[str, Any]:
        """Read what the model is."""
        file = self.require(self.model, "the model's description")
        content = read_record(file, ModelRecord, what="the model's description", remedy=_RETRAIN)
        return content | {"limits": list(described_limits(content))}

    def read_log(self) -> list[dict[str, str]]:
        """Return the rows of log.csv, none where there is no such file; raises InputError where it is damaged."""
        return CsvLog(self.log).rows

    def write_model(
        self,
        setting: "Setting",
        recipe: Mapping[str, Any],
        method: str,
        weights: Mapping[str, Any],
        limits: Limits | None = None,
        step: int | None = None,
        settings: Mapping[str, Any] | None = None,
        lineage: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Write weights and description of the network that codes faces; step: after which they were taken.

        limits: of each AU the probability from which it counts as present, and by which rule; None: one half of each.
        settings: the method's own, of which its network may depend. lineage: what it was made of (`engine.lineage`).
        """
        limits = limits or Limits([HALF] * len(setting.aus), "fixed")
        write_bytes(self.weights, _tensors(weights))
        write_record(
            self.model,
            {
                "method": method,
                "task": setting.task,
                "aus": list(setting.aus),
                "settings": dict(settings or {}),
                "network": setting.network.model_dump(mode="json") | {"init": "none"},
                "recipe": dict(recipe),
                "limits": [float(limit) for limit in limits.values],
                "limit_rule": limits.rule,
                "step": step,
                "lineage": [dict(entry) for entry in lineage],
                "sha256": sums_of(self.weights, self.auxiliary),
            },
        )

    def write_encoder(self, weights: Mapping[str, Any], description: Mapping[str, Any]) -> None:
        """Write what a pre-training is for: its trunk under timm's names, and how to use it."""
        write_bytes(self.encoder_weights, _tensors(weights))
        write_record(self.encoder, dict(description) | {"sha256": sums_of(self.encoder_weights, self.auxiliary)})

    def write_auxiliary(self, weights: Mapping[str, Any]) -> None:
        """Write modules that only training and its pictures need."""
        write_bytes(self.auxiliary, _tensors(weights))


def _tensors(weights: Mapping[str, Any]) -> bytes:
    """Return tensors, or arrays, as the content of a .safetensors file."""
    if all(isinstance(value, np.ndarray) for value in weights.values()):
        return as_file(weights)
    from safetensors.torch import save

    content: bytes = save({key: value.detach().cpu().contiguous() for key, value in weights.items()})
    return content


class CsvLog:
    """log.csv: a row a logged step; terms that a step lacks are blank. Rewritten whole, so never half a row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, str]] = []
        if not path.exists():
            return
        try:
            with path.open(encoding="utf-8", newline="") as handle:
                self.rows = list(csv.DictReader(handle))
            for row in self.rows:
                int(row["step"]), int(row["images"]), float(row["seconds"])
        except (OSError, ValueError, KeyError, TypeError, csv.Error):
            self.rows = []
        if not self.rows:
            raise InputError(
                "the training log is damaged",
                path=path,
                remedy="Move it away: the training goes on without it, and the curves of the steps so far are lost",
            )

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
