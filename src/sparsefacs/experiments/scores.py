"""Scores of one row over its seeds: the mean, with an interval over subjects and seeds, and paired differences.

Each resample draws people, and of a row with several seeds as many of these, both alike for every row: so what makes a
person or a draw hard for all rows cancels in a difference. With one seed the interval is of people alone. Seeds that
test other people each (the benchmark's) are resampled by the people of all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..engine.run import RunFolder
from ..facs.units import column
from ..inference.pooling import Answered, limits_in, read_predictions
from ..metrics.bootstrap import SubjectSums, Together, interval, mean_over_aus, resampled
from ..metrics.distributions import DISTANCES, DistributionSums
from ..metrics.intensity import IntensitySums
from ..metrics.occurrence import OccurrenceSums
from ..metrics.ratios import ratio
from ..records import read_record
from ..run_records import MetricsRecord, PseudoLabelsRecord

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
RESAMPLES = 1000
_AGAIN = "Delete the run folder and give the command again"


@dataclass(frozen=True)
class Scored:
    """What a run's scores come from: sums per person.

    key: of the rows, people and labels scored on; aus: none where a score is of all AUs together.
    """

    aus: tuple[int, ...]
    sums: SubjectSums
    people: tuple[str, ...]
    key: str
    frames: int


@dataclass(frozen=True)
class Drawn:
    """A run's scores: metric → (1 + resamples, A), the value first. key: of the rows, people and labels scored on."""

    aus: tuple[int, ...]
    values: Mapping[str, Floats]
    key: str
    frames: int
    subjects: int


class ShareSums:
    """Shares by name, from how often something was right and counted of each subject: both (S, shares)."""

    def __init__(self, names: Sequence[str], right: Floats, counted: Floats) -> None:
        self.names, self.right, self.counted = names, right, counted
        self.shape = (len(right), 1)

    def values(self, weights_BS: Floats) -> dict[str, Floats]:
        """Return each share, (B, 1), when subject s counts weights_BS[b, s] times; NaN where nothing counted."""
        right, counted = weights_BS @ self.right, weights_BS @ self.counted
        share = ratio(right, counted)
        return {name: share[:, [i]] for i, name in enumerate(self.names)}


def read_pseudo_labels(folders: Sequence[Path]) -> Scored | None:
    """Return how right the pseudo labels of a run are, by training person, over its folds; None where it makes none."""
    found: dict[str, Floats] = {}
    for path in (RunFolder(folder).pseudo_labels for folder in folders):
        if path.exists():
            told = read_record(path, PseudoLabelsRecord, what="the record of the run's pseudo labels", remedy=_AGAIN)
            for person, counts in told["by_subject"].items():
                found[person] = found.get(person, np.zeros(4)) + counts
    if not found:
        return None
    people = tuple(sorted(found))
    counts_S4 = np.stack([found[person] for person in people])
    sums = ShareSums(("pseudo-labels", "confirmed-pseudo-labels"), counts_S4[:, ::2], counts_S4[:, 1::2])
    return Scored((), sums, people, "\n".join(people), int(counts_S4[:, 1].sum()))


def read_scores(*folders: Path, resamples: int = RESAMPLES, distributions: bool = False) -> Scored:
    """Return what the scores of a run folder with metrics.json and predictions.parquet come from.

    folders: the run's, and those of its scores on other people's faces, all of whom count alike; people of different
    folders are others, whatever they are called. distributions: also how far predicted AUs are distributed from the
    labels.
    """
    import hashlib

    answered, table, truth = _predictions(folders)
    occurs, aus = answered.task == "occurrence", answered.aus
    predicted = table[[column(au, "p" if occurs else "r") for au in aus]].to_numpy(np.float64, na_value=np.nan)
    used = (truth >= 0) & ~np.isnan(predicted)
    rows = used.any(axis=1)
    people = table["subject"].to_numpy(dtype=np.str_)
    names, subject = np.unique(people[rows], return_inverse=True)
    sums: SubjectSums
    if occurs:
        limits = limits_in(table, aus)[rows]
        sums = OccurrenceSums(truth[rows], predicted[rows], used[rows], subject, limits, resamples)
        if distributions:
            sums = Together(sums, DistributionSums(truth[rows], predicted[rows], used[rows], subject, limits))
    else:
        sums = IntensitySums(truth[rows], predicted[rows], used[rows], subject)
    digest = hashlib.sha256("\n".join(people[rows].tolist()).encode())
    digest.update(np.where(used, truth, -1.0)[rows].astype(np.float32).tobytes())
    digest.update(table["row"].to_numpy(np.int64)[rows].tobytes())
    return Scored(aus, sums, tuple(names.tolist()), digest.hexdigest(), int(rows.sum()))


def always_present(*folders: Path) -> float | None:
    """Return the mean F1, over AUs, of who calls every AU present in every face: what a row must be above to count.

    folders: as of `read_scores`. None where intensities are predicted, or nothing is labelled.
    """
    answered, _, truth = _predictions(folders)
    if answered.task != "occurrence":
        return None
    present, labelled = (truth == 1).sum(axis=0), (truth >= 0).sum(axis=0)
    return _rounded(np.mean((2 * present / (present + labelled))[labelled > 0])) if labelled.any() else None


def _predictions(folders: Sequence[Path]) -> tuple[Answered, "pd.DataFrame", Floats]:
    """Return what was asked, the predictions of several folders in one order, people of each but the first named after
    it, and their truth (M, A), NaN where it is not known.
    """
    import pandas as pd

    path = folders[0] / "metrics.json"
    metrics = read_record(path, MetricsRecord, what="the record of the run's scores", remedy=_AGAIN)
    answered, tables = Answered(metrics["task"], tuple(int(au) for au in metrics["aus"])), []
    for folder in folders:
        table = read_predictions(RunFolder(folder), answered).sort_values(["row", "fold"], kind="stable")
        named = (
            table if folder == folders[0] else table.assign(subject=f"{folder.name}/" + table["subject"].astype(str))
        )
        tables.append(named)
    joined = tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)
    return answered, joined, joined[[column(au, "true") for au in answered.aus]].to_numpy(np.float64, na_value=np.nan)


def draw(scored: Sequence[Scored], resamples: int = RESAMPLES) -> list[Drawn]:
    """Return the runs' scores, the people of all of them resampled alike in each."""
    everyone = sorted({name for each in scored for name in each.people})
    place = {name: index for index, name in enumerate(everyone)}
    return [
        Drawn(
            each.aus, resampled(each.sums, resamples, 0, [place[name] for name in each.people], len(everyone)),
            each.key, each.frames, len(each.people),
        )
        for each in scored
    ]  # fmt: skip


def over_seeds(seeds: Sequence[Drawn]) -> dict[str, dict[str, Any]]:
    """Return metric → value, low, high and per AU of the mean over seeds, and each seed's value.

    A distance of distributions has no interval: what people who are drawn differ by makes it larger in every resample.
    """
    found = {}
    for metric in seeds[0].values:
        told = _told(_mean(seeds, metric), seeds[0])
        if metric in DISTANCES:
            del told["low"], told["high"]
        found[metric] = told | {"seeds": [_rounded(mean_over_aus(each.values[metric])[0]) for each in seeds]}
    return found


def paired(ours: Sequence[Drawn], theirs: Sequence[Drawn]) -> dict[str, dict[str, Any]] | None:
    """Return metric → the mean over our seeds less that over theirs, the same seeds in the same order.

    None where a seed of theirs was not scored on what ours was. Of distances of distributions the interval is 2 d less
    the percentiles (the basic bootstrap), which takes out what resampling adds to the one more than to the other.
    """
    if [each.key for each in ours] != [each.key for each in theirs] or ours[0].aus != theirs[0].aus:
        return None
    found = {}
    for metric in ours[0].values:
        told = _told(_mean(ours, metric) - _mean(theirs, metric), ours[0])
        if metric in DISTANCES and told["low"] is not None:
            low, high = (_rounded(2 * told["value"] - told[end]) for end in ("high", "low"))
            told |= {"low": low, "high": high}
        found[metric] = told
    return found


def _mean(seeds: Sequence[Drawn], metric: str) -> Floats:
    """Return (1 + resamples, A): the mean over seeds, then over as many seeds drawn anew in each resample."""
    values_SRA = np.stack([each.values[metric] for each in seeds])
    count, resamples = len(seeds), values_SRA.shape[1] - 1
    drawn_RS = np.random.default_rng([1, count]).multinomial(count, np.full(count, 1 / count), size=resamples)
    weights_SR = np.concatenate([np.ones((1, count)), drawn_RS]).T / count
    used = weights_SR[..., None] > 0  # a seed that is not drawn may be undefined there
    return np.asarray((np.where(used, values_SRA, 0.0) * weights_SR[..., None]).sum(axis=0), np.float64)


def _told(values_RA: Floats, one: Drawn) -> dict[str, Any]:
    mean_R = mean_over_aus(values_RA)
    edges = [None if np.isnan(edge) else _rounded(edge) for edge in interval(mean_R[1:], one.subjects)]
    per_au = {str(au): _rounded(value) for au, value in zip(one.aus, values_RA[0], strict=bool(one.aus))}
    return {"value": _rounded(mean_R[0]), "low": edges[0], "high": edges[1], "per_au": per_au}


def _rounded(value: Any) -> float:
    return round(float(value), 5)
