"""Scores of one row over its seeds: the mean, with an interval over subjects, and paired differences between rows.

Subjects are resampled alike for every seed and row, so what makes a subject hard for all of them cancels in a
difference. The interval says what another draw of people could change; how far seeds differ is told beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.run import RunFolder
from ..facs.units import column
from ..inference.pooling import Answered, limits_in, read_predictions
from ..metrics.bootstrap import SubjectSums, interval, mean_over_aus, resampled
from ..metrics.intensity import IntensitySums
from ..metrics.occurrence import OccurrenceSums
from ..records import MetricsRecord, read_record

Floats = NDArray[np.float64]
RESAMPLES = 1000
_AGAIN = "Delete the run folder and give the command again"


@dataclass(frozen=True)
class Drawn:
    """A run's scores: metric → (1 + resamples, A), the value first. key: of the rows, people and labels scored on."""

    aus: tuple[int, ...]
    values: Mapping[str, Floats]
    key: str
    frames: int
    subjects: int


def read_scores(folder: Path, resamples: int = RESAMPLES) -> Drawn:
    """Return the scores of a run folder with metrics.json and predictions.parquet."""
    import hashlib

    metrics = read_record(folder / "metrics.json", MetricsRecord, what="the record of the run's scores", remedy=_AGAIN)
    occurs, aus = metrics["task"] == "occurrence", tuple(int(au) for au in metrics["aus"])
    found = read_predictions(RunFolder(folder), Answered(metrics["task"], aus))
    table = found.sort_values(["row", "fold"], kind="stable")
    truth = table[[column(au, "true") for au in aus]].to_numpy(np.float64, na_value=np.nan)
    predicted = table[[column(au, "p" if occurs else "r") for au in aus]].to_numpy(np.float64, na_value=np.nan)
    used = (truth >= 0) & ~np.isnan(predicted)
    rows = used.any(axis=1)
    people = table["subject"].to_numpy(dtype=np.str_)
    subject = np.unique(people[rows], return_inverse=True)[1]
    sums: SubjectSums
    if occurs:
        sums = OccurrenceSums(truth[rows], predicted[rows], used[rows], subject, limits_in(table, aus)[rows], resamples)
    else:
        sums = IntensitySums(truth[rows], predicted[rows], used[rows], subject)
    digest = hashlib.sha256("\n".join(people[rows].tolist()).encode())
    digest.update(np.where(used, truth, -1.0)[rows].astype(np.float32).tobytes())
    digest.update(table["row"].to_numpy(np.int64)[rows].tobytes())
    return Drawn(aus, resampled(sums, resamples, 0), digest.hexdigest(), int(rows.sum()), int(subject.max()) + 1)


def over_seeds(seeds: Sequence[Drawn]) -> dict[str, dict[str, Any]]:
    """Return metric → value, low, high and per AU of the mean over seeds, and each seed's value."""
    found = {}
    for metric in seeds[0].values:
        mean_RA = np.mean([each.values[metric] for each in seeds], axis=0)
        found[metric] = _told(mean_RA, seeds[0]) | {
            "seeds": [_rounded(mean_over_aus(each.values[metric])[0]) for each in seeds]
        }
    return found


def paired(ours: Sequence[Drawn], theirs: Sequence[Drawn]) -> dict[str, dict[str, Any]] | None:
    """Return metric → the mean over our seeds less that over theirs; None where they were not scored on the same."""
    if {each.key for each in ours} != {each.key for each in theirs} or ours[0].aus != theirs[0].aus:
        return None
    found = {}
    for metric in ours[0].values:
        mean_RA = np.mean([each.values[metric] for each in ours], axis=0)
        found[metric] = _told(mean_RA - np.mean([each.values[metric] for each in theirs], axis=0), ours[0])
    return found


def _told(values_RA: Floats, one: Drawn) -> dict[str, Any]:
    mean_R = mean_over_aus(values_RA)
    edges = [None if np.isnan(edge) else _rounded(edge) for edge in interval(mean_R[1:], one.subjects)]
    per_au = {str(au): _rounded(value) for au, value in zip(one.aus, values_RA[0], strict=True)}
    return {"value": _rounded(mean_R[0]), "low": edges[0], "high": edges[1], "per_au": per_au}


def _rounded(value: Any) -> float:
    return round(float(value), 5)
