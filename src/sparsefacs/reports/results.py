"""Run folders as the report reads them: the metrics always, everything else where it is there."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..inference.pooling import limits_in
from ..metrics.distributions import DISTANCES
from ..metrics.limits import HALF
from ..protocols.selection import MARK, is_marked
from ..records import Record, SourceRecord, read_record

if TYPE_CHECKING:
    import pandas as pd

METRICS_FORMAT = 1
METRICS_OF_TASK: dict[str, tuple[str, ...]] = {
    "occurrence": ("f1", "f1_half", "auc", "accuracy"),
    "intensity": ("icc", "mse", "mae"),
}
LOWER_IS_BETTER = frozenset({"mse", "mae", *DISTANCES})
METRIC_NAMES = {
    **{"f1": "F1", "f1_half": "F1 at .5", "auc": "AUC", "accuracy": "Accuracy"},
    **{"icc": "ICC(3,1)", "mse": "MSE", "mae": "MAE"},
}
BASELINE_METHOD = "supervised"
_EVALUATE = "Run `sparsefacs evaluate RUN` first, then report again"
_EVALUATE_AGAIN = "Run `sparsefacs evaluate RUN` again to rewrite it"


def number(value: Any) -> float | None:
    """Return `value` as a finite float, or None where it is undefined (null, NaN) or no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


@dataclass
class Result:
    """One evaluated run.

    label: how the page names it, unique on the page; log, predictions: None where the file is missing;
    omissions: what the page leaves out for want of a file, in plain words.
    """

    path: Path
    label: str
    metrics: dict[str, Any]
    log: "pd.DataFrame | None" = None
    predictions: "pd.DataFrame | None" = None
    config: str | None = None
    protocol: dict[str, Any] | None = None
    store: Path | None = None
    source: dict[str, Any] | None = None
    omissions: list[str] = field(default_factory=list)

    @property
    def method(self) -> str:
        """Name of the method that was trained."""
        return str(self.metrics["method"])

    @property
    def task(self) -> str:
        """Either `occurrence` or `intensity`."""
        return str(self.metrics["task"])

    @property
    def aus(self) -> tuple[int, ...]:
        """The AUs the run codes."""
        return tuple(int(au) for au in self.metrics["aus"])

    @property
    def marked(self) -> bool:
        """Whether the test fold had a say in the epoch or limits, so that its numbers carry the mark."""
        return is_marked(str(self.fact("selection")))

    def limits(self, table: "pd.DataFrame", aus: Sequence[int] | None = None) -> NDArray[np.float64]:
        """Return the probability from which each AU counts as present, for each row of predictions `table`, (M, A).

        aus: some of the run's; None: all.
        """
        told = self.metrics.get("limits") or [number(self.metrics.get("threshold")) or HALF] * len(self.aus)
        wanted = self.aus if aus is None else aus
        of = dict(zip(self.aus, told, strict=True))
        return limits_in(table, wanted, [of[au] for au in wanted])

    @property
    def main_metric(self) -> str:
        """The metric the summary quotes: F1 of occurrence, ICC(3,1) of intensity."""
        return METRICS_OF_TASK[self.task][0]

    @property
    def synthetic(self) -> bool:
        """Whether the faces were made by the synthetic generator."""
        kind = (self.source or {}).get("kind") or self.fact("store_source")
        return bool(kind == "synthetic")

    def fact(self, name: str) -> Any:
        """Return the entry `name` (such as `labels_frames`) of the provenance, nested or flat; None if absent."""
        wanted = name.replace(".", "_")
        return next((v for key, v in flatten(self.metrics["provenance"]) if key.replace(".", "_") == wanted), None)

    def score(self, au: int, metric: str) -> Mapping[str, Any]:
        """Return value, low, high, entries … of one AU over all held-out frames; empty if the run has none."""
        found = self.metrics["pooled"]["per_au"].get(str(au), {}).get(metric)
        return found if isinstance(found, dict) else {}

    def mean(self, metric: str) -> Mapping[str, Any]:
        """Return value, low, high, entries of the mean over AUs; empty if the run has none."""
        found = self.metrics["pooled"]["mean"].get(metric)
        return found if isinstance(found, dict) else {}

    def predicted_column(self, au: int) -> str:
        """Name of the predictions' column for `au`."""
        return f"AU{au:02d}_{'p' if self.task == 'occurrence' else 'r'}"


def flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of a nested mapping, in its order."""
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flatten(value, f"{name}.")
        else:
            yield name, value


def read_results(paths: Sequence[Path]) -> list[Result]:
    """Read the run folders `paths`; raises InputError when one has no valid metrics or their tasks differ."""
    if not paths:
        raise InputError("no result was given", remedy="Name one or more evaluated run folders")
    folders = [Path(path) for path in paths]
    repeated = next((path for path in folders if [p.resolve() for p in folders].count(path.resolve()) > 1), None)
    if repeated is not None:
        raise InputError("is named twice", path=repeated, remedy="Name every run once")
    metrics = [_read_metrics(folder) for folder in folders]
    tasks = {content["task"] for content in metrics}
    if len(tasks) > 1:
        raise InputError(
            "some of the results code occurrence and some intensity",
            path=folders[0],
            remedy="Make one report for each of the two tasks",
        )
    names = [f"{content['method']} {MARK}" if _is_marked(content) else str(content["method"]) for content in metrics]
    labels = _labels(folders, names)
    return [_read_result(*three) for three in zip(folders, labels, metrics, strict=True)]


def baseline_of(results: Sequence[Result]) -> Result | None:
    """Return the run the others are compared with: the supervised one, else the first; None for a single run."""
    if len(results) < 2:
        return None
    return next((result for result in results if result.method == BASELINE_METHOD), results[0])


def _is_marked(content: Mapping[str, Any]) -> bool:
    return is_marked(str(content["provenance"].get("selection")))


def _labels(folders: Sequence[Path], methods: Sequence[str]) -> list[str]:
    labels: list[str] = []
    for folder, method in zip(folders, methods, strict=True):
        label = method if methods.count(method) == 1 else f"{method} ({folder.resolve().name})"
        while label in labels:
            label += "′"
        labels.append(label)
    return labels


def _read_metrics(folder: Path) -> dict[str, Any]:
    path = folder / "metrics.json"
    if not folder.is_dir():
        raise InputError("is not a run folder", path=folder, remedy="Give the folder that `sparsefacs train` made")
    content = read_record(path, Record, what="the record of the run's scores", remedy=_EVALUATE)
    problem = _problem(content)
    if problem:
        raise InputError(problem, path=path, remedy=_EVALUATE_AGAIN)
    return {**content, "folds": content.get("folds") or {}, "provenance": content.get("provenance") or {}}


def _problem(content: Any) -> str | None:
    if not isinstance(content, dict) or content.get("format") != METRICS_FORMAT:
        found = content.get("format") if isinstance(content, dict) else None
        return f"metrics format {found} is not {METRICS_FORMAT}"
    missing = [key for key in ("method", "task", "aus", "pooled") if key not in content]
    if missing:
        return f"has no {missing[0]!r}"
    if str(content["task"]) not in METRICS_OF_TASK:
        return f"task {content['task']!r} is neither occurrence nor intensity"
    return _problem_within(content, content["aus"], content["pooled"])


def _problem_within(content: dict[str, Any], aus: Any, pooled: Any) -> str | None:
    if not isinstance(aus, list) or not aus or not all(isinstance(au, int) and au > 0 for au in aus):
        return "its AU list is not a list of AU numbers"
    if not isinstance(pooled, dict) or not all(isinstance(pooled.get(key), dict) for key in ("per_au", "mean")):
        return "has no scores per AU and mean"
    if not all(isinstance(content.get(key) or {}, dict) for key in ("folds", "distributions", "provenance")):
        return "has folds, distributions or provenance of the wrong kind"
    return None


def _read_result(folder: Path, label: str, metrics: dict[str, Any]) -> Result:
    result = Result(folder, label, metrics)
    result.log = _read_log(result)
    result.predictions = _read_predictions(result)
    config = _file(result, "config.yaml")
    if config is not None:
        result.config = config.read_text(encoding="utf-8", errors="replace")
    else:
        result.omissions.append("config.yaml is missing: no resolved settings")
    path = _file(result, "protocol.json")
    if path is not None:
        result.protocol = read_record(path, Record, what="the run's protocol", remedy=_EVALUATE_AGAIN)
    else:
        result.omissions.append("protocol.json is missing: no folds and label budget in full")
    _find_store(result)
    return result


def _file(result: Result, name: str) -> Path | None:
    """Return the run's file `name`: of the run itself, else (a run of all folds) of its first fold, which is said."""
    if (result.path / name).is_file():
        return result.path / name
    in_folds = sorted(result.path.glob(f"fold-*/{name}"))
    if not in_folds:
        return None
    result.omissions.append(f"{name} is shown of {in_folds[0].parent.name} only, not of the other folds")
    return in_folds[0]


def _read_log(result: Result) -> "pd.DataFrame | None":
    import pandas as pd

    path = _file(result, "log.csv")
    if path is None:
        result.omissions.append("log.csv is missing: no training curves")
        return None
    try:
        log = pd.read_csv(path)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise InputError(f"the training log cannot be read ({error})", path=path, remedy="Move it away") from error
    if "step" not in log.columns or log.empty:
        result.omissions.append("log.csv has no steps: no training curves")
        return None
    numbers: pd.DataFrame = log.apply(pd.to_numeric, errors="coerce")
    return numbers


def _read_predictions(result: Result) -> "pd.DataFrame | None":
    import pandas as pd
    import pyarrow as pa

    path = result.path / "predictions.parquet"
    if not path.exists():
        result.omissions.append("predictions.parquet is missing: no example faces and no paired difference")
        return None
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"the predictions cannot be read ({error})", path=path, remedy=_EVALUATE_AGAIN) from error
    wanted = ["row", "subject", "clip", "frame", "time", "fold"]
    for au in result.aus:
        wanted += [result.predicted_column(au), f"AU{au:02d}_true"]
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise InputError(f"has no column {missing[0]!r}", path=path, remedy=_EVALUATE_AGAIN)
    labels = table[[f"AU{au:02d}_true" for au in result.aus]].to_numpy(float, na_value=math.nan)
    top = 1.0 if result.task == "occurrence" else 5.0
    if (labels > top).any() or (result.task == "occurrence" and ((labels > 0) & (labels < 1)).any()):
        raise InputError(f"has {result.task} labels out of range", path=path, remedy=_EVALUATE_AGAIN)
    return table


def _find_store(result: Result) -> None:
    named = result.fact("store") or result.fact("store_path")
    if isinstance(named, list):
        result.omissions.append(f"it was scored on {len(named)} joined stores: no example faces")
        return
    if not named:
        result.omissions.append("its scores do not name the store: no example faces")
        return
    candidates = [Path(str(named)), result.path / str(named)]
    found = next((path for path in candidates if (path / "store.json").is_file()), None)
    if found is None:
        result.omissions.append(f"its store {named} is no longer there: no example faces")
        return
    result.store = found
    told = {"what": "the store's description", "remedy": "Move the broken store away"}
    result.source = read_record(found / "store.json", SourceRecord, **told).get("source")
