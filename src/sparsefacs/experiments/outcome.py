"""From finished runs to results.json: small, without paths or dates, the same when made again from the same runs."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import yaml

from ..engine.run import RunFolder
from ..metrics.distributions import DISTANCES
from ..networks.config import start_folder
from ..protocols.card import card_text
from ..protocols.published import Published, published_results
from ..records import CountsRecord, read_record
from ..reports.comparison import is_clear
from ..reports.results import METRICS_OF_TASK, number
from ..run_records import CardRecord, CardsRecord, MetricsRecord
from ..version import VERSION
from .claims import wanted
from .execute import Failure
from .items import BENCHMARK, Faces, Item, Place, benchmark
from .jobs import Plan, Run
from .scores import Drawn, Scored, always_present, draw, over_seeds, paired, read_pseudo_labels, read_scores
from .speed import coding_speed
from .stores import read_source

FORMAT = 1
_AGAIN = "Delete the run folder and give the command again"
_FROM_LOG = {
    "loss-ratio": "ratio",
    "loss-ratio-weighted": "weighted_ratio",
    "judged-right": "right_thresholded",
    "judged-right-soft": "right",
}
_NOT_THERE = object()
_COPIED = (
    *("protocol", "protocol_hash", "store_hash", "recipe_hash", "selection", "backbone", "input_size", "version"),
    *("labelled_faces", "unlabelled_faces", "steps", "limit_rule", "precision"),
)


@dataclass(frozen=True)
class _Finished:
    """A row at a data set and budget, with its finished seeds. guesses: of its pseudo labels, where it makes any."""

    runs: tuple[Run, ...]
    scores: tuple[Drawn, ...]
    guesses: tuple[Drawn, ...] = ()

    @property
    def first(self) -> Run:
        return self.runs[0]


def gather(plan: Plan, failed: Sequence[Failure] = ()) -> dict[str, Any]:
    """Return the content of results.json: every finished row, differences from the baseline, published numbers.

    Rows of several folds are pooled. What is not finished is counted as missing.
    """
    by_row = _by_row(plan)
    runs = [run for each in by_row.values() for run in each]
    tested = _Tested(plan, runs)
    groups = _finished(plan, by_row, tested)
    rows = [_row(plan, each) for each in groups]
    total = {run.place for run in plan.runs}
    content: dict[str, Any] = {
        "format": FORMAT,
        "paper": plan.paper,
        "item": plan.key,
        "what": plan.item.what_at(plan.scale),
        "scale": plan.scale,
        "version": VERSION,
        "synthetic": plan.stores.synthetic,
        "faces": _faces(plan, tested),
        "baseline": plan.item.baseline,
        "always_present": _floors(plan, runs, tested),
        "waiting": tested.waiting,
        "rows": rows,
        "differences": _differences(plan.item, groups),
        "compared": _compared(plan, groups),
        "published": [_published(one) for one in _printed(plan) if one.au is None],
        "cards": _cards(groups),
        "label_cards": _label_cards(plan),
        "counts": _counts(plan),
        "missing": len(total) - len(groups),
        "failed": [{"job": each.job, "why": each.why} for each in failed],
    }
    if plan.paper == BENCHMARK:
        content["benchmark"] = benchmark().version
    return content


def _finished(plan: Plan, by_row: Mapping[Place, Sequence[Run]], tested: "_Tested") -> list[_Finished]:
    distributions = any(name in plan.item.metrics for name in DISTANCES)
    scores = _drawn(by_row, lambda run: read_scores(*tested.folders(run), distributions=distributions))
    guesses = _drawn(by_row, lambda run: read_pseudo_labels(run.folds))
    return [_Finished(tuple(runs), scores[key], guesses.get(key, ())) for key, runs in by_row.items()]


def _by_row(plan: Plan) -> dict[Place, list[Run]]:
    """Return data set, budget and row → the runs that are finished, their folds scored together."""
    found: dict[Place, list[Run]] = {}
    for run in plan.runs:
        if all((fold / "metrics.json").exists() for fold in run.folds):
            found.setdefault(run.place, []).append(run)
            _pool(run)
    return found


class _Tested:
    """On whom runs are scored: their test people, and further ones where all runs of a data set are tested on them.

    So rows of a data set are scored on the same people, whichever were trained before there were further ones.
    used: data set → its further people; waiting: data sets of which some runs alone are tested on them.
    """

    def __init__(self, plan: Plan, runs: Sequence[Run]) -> None:
        self.used: dict[str, Faces] = {}
        self.waiting: list[str] = []
        self._store: dict[str, Path] = {}
        for data, (path, faces) in plan.stores.further.items():
            there = [(RunFolder(run.folder).on(path) / "metrics.json").exists() for run in runs if run.data == data]
            if there and all(there):
                self.used[data], self._store[data] = faces, path
            elif any(there):
                self.waiting.append(data)

    def folders(self, run: Run) -> list[Path]:
        """Return the folders of a run's scores."""
        return [run.folder, *([RunFolder(run.folder).on(self._store[run.data])] if run.data in self.used else [])]


def _floors(plan: Plan, runs: Sequence[Run], tested: _Tested) -> dict[str, float]:
    """Return data set → F1 of calling every AU present in every tested face; of the benchmark, a row of its own."""
    first = {run.data: run for run in reversed(runs)} if plan.paper != BENCHMARK else {}
    found = {data: always_present(*tested.folders(run)) for data, run in first.items()}
    return {data: f1 for data, f1 in found.items() if f1 is not None}


def _drawn(
    by_row: Mapping[Place, Sequence[Run]], read: Callable[[Run], Scored | None]
) -> dict[Place, tuple[Drawn, ...]]:
    """Return the scores of each row's runs that have any; the people of a data set are resampled alike in all."""
    found: dict[Place, tuple[Drawn, ...]] = {}
    for data in dict.fromkeys(data for data, _, _ in by_row):
        read_by_row = [(key, each) for key in by_row if key[0] == data for run in by_row[key] if (each := read(run))]
        drawn = draw([each for _, each in read_by_row])
        for (key, _), scores in zip(read_by_row, drawn, strict=True):
            found[key] = (*found.get(key, ()), scores)
    return found


def _pool(run: Run) -> None:
    """Score the folds of a run together, unless that is done."""
    from ..inference.pooling import pool_folds

    pooled = run.folder / "metrics.json"
    if len(run.folds) > 1 and not pooled.exists():
        pool_folds(run.folder, run.folds)


def _row(plan: Plan, each: _Finished) -> dict[str, Any]:
    run, metrics = each.first, [_metrics(run.folder) for run in each.runs]
    config = RunFolder(run.folds[0]).read_config()
    facts = metrics[0]["provenance"]
    scores = over_seeds(each.scores) | (over_seeds(each.guesses) if each.guesses else {})
    for name in plan.item.metrics:
        if name not in scores and (values := [_further(run, name) for run in each.runs]):
            scores[name] = _mean(values)
    content = {
        "data": run.data,
        "task": run.task,
        "labels": run.labels,
        "labels_printed": run.printed_labels,
        "row": run.row.name,
        "printed": list(run.row.printed),
        "method": config["name"],
        "recipe": config["recipe"],
        "settings": _settings(run, config),
        "start": run.start,
        "seeds": [run.seed for run in each.runs],
        "frames": each.scores[0].frames,
        "subjects": each.scores[0].subjects,
        **(_guessed(each, metrics) if each.guesses else {}),
        "folds": len(run.folds),
        "scores": scores,
        "images": round(float(np.mean([_total(run, "images_seen") for run in each.runs]))),
        "seconds": round(float(np.mean([_total(run, "training_seconds") for run in each.runs])), 1),
        "parameters": _parameters(run.folds[0]),
        "labels_hash": facts["labels"]["hash"],
        "labels_frames": facts["labels"]["frames"],
        **{name: facts.get(name) for name in _COPIED},
        **_start(config),
    }
    if plan.paper == BENCHMARK:
        content["coding"] = coding_speed(run.folds[0])
    if found := _shifted(plan, each):
        content["shifted"] = found
    if beside := _beside(plan, run, scores):
        content["published"] = beside
    return content


def _settings(run: Run, config: Mapping[str, Any]) -> list[str]:
    """Return the row's settings as the run was trained with them: the item may have changed since.

    Those that the run's method has not are left out.
    """
    told = {}
    for setting in run.settings:
        key, _, text = setting.partition("=")
        held: Any = config
        for part in key.split("."):
            held = held.get(part, _NOT_THERE) if isinstance(held, Mapping) else _NOT_THERE
        if held is not _NOT_THERE:
            told[key] = setting if held == yaml.safe_load(text) else f"{key}={json.dumps(held)}"
    return list(told.values())


def _start(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the faces that the run's pre-training saw and the seconds it took; nothing where there was none."""
    folder = start_folder(config["network"]["init"])
    if folder is None or not RunFolder(folder).log.exists():
        return {}
    last = RunFolder(folder).read_log()[-1]
    return {"start_images": int(last["images"]), "start_seconds": round(float(last["seconds"]), 1)}


def _shifted(plan: Plan, each: _Finished) -> dict[str, Any]:
    """Return the scores on the second test set, once all seeds have them."""
    shifted = plan.stores.shifted.get(each.first.data)
    if shifted is None:
        return {}
    folders = [RunFolder(run.folder).on(shifted[0]) for run in each.runs]
    if not all((folder / "metrics.json").exists() for folder in folders):
        return {}
    return over_seeds(draw([read_scores(folder) for folder in folders]))


def _metrics(folder: Path) -> dict[str, Any]:
    return read_record(folder / "metrics.json", MetricsRecord, what="the record of the run's scores", remedy=_AGAIN)


def _guessed(each: _Finished, metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return whose pseudo labels were judged, and how often "absent" alone would be right, the mean of seeds."""
    told = [one["provenance"].get("pseudo_labels", {}).get("absent") for one in metrics]
    return {"guessed_subjects": each.guesses[0].subjects, "guessed_absent": _mean(told)["value"]}


def _further(run: Run, name: str) -> float | None:
    """Return what the last tenth of the training's log has of a term, the mean of all folds; None where it has none."""
    if (term := _FROM_LOG.get(name)) is None:
        return None
    logs = [RunFolder(fold).read_log() for fold in run.folds]
    last = [line.get(term) for log in logs for line in log[-max(1, len(log) // 10) :]]
    logged = [float(value) for value in last if value]
    return float(np.mean(logged)) if logged else None


def _mean(values: Sequence[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    mean = round(float(np.mean(known)), 5) if known else None
    return {"value": mean, "per_au": {}, "seeds": list(values)}


def _total(run: Run, name: str) -> float:
    """Return a cost summed over folds."""
    return float(sum(_metrics(fold)["provenance"].get(name) or 0 for fold in run.folds))


def _parameters(folder: Path) -> int:
    """Return how many numbers of a run's network are learned (statistics of normalisation are not)."""
    from safetensors import safe_open

    counted = 0
    with safe_open(str(folder / "model.safetensors"), framework="np") as content:
        for key in content.keys():  # noqa: SIM118
            if not key.endswith(("running_mean", "running_var", "num_batches_tracked")):
                counted += int(np.prod(content.get_slice(key).get_shape()))
    return counted


def _differences(item: Item, groups: Sequence[_Finished]) -> list[dict[str, Any]]:
    """Return each row's paired difference from the baseline at the same data set and budget."""
    found = []
    baselines = {(each.first.data, each.first.labels): each for each in groups if each.first.row.name == item.baseline}
    for each in groups:
        other = baselines.get((each.first.data, each.first.labels))
        told = None if other is None or other is each else _paired(each, other)
        for metric, score in (told or {}).items():
            if metric in (item.metrics or METRICS_OF_TASK[each.first.task]):
                names = {"data": each.first.data, "labels": each.first.labels, "row": each.first.row.name}
                found.append(names | {"metric": metric, **score, "clear": is_clear(score)})
    return found


def _compared(plan: Plan, groups: Sequence[_Finished]) -> list[dict[str, Any]]:
    """Return the further paired differences that claims rest on, without scores per AU."""
    by = {each.first.place: each for each in groups}
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for ours, theirs, metrics in wanted(plan.paper, plan.key):
        for (data, labels, row), one in by.items():
            other = (theirs[0].replace("*", data), theirs[1].replace("*", labels), theirs[2])
            if row != ours[2] or ours[0] not in ("*", data) or ours[1] not in ("*", labels) or other not in by:
                continue
            names = {"data": data, "labels": labels, "row": row, "against": other[2], "against_labels": other[1]}
            for metric, score in (_paired(one, by[other]) or {}).items():
                if metric in metrics:
                    ends = {end: score[end] for end in ("value", "low", "high")}
                    found[*names.values(), metric] = names | {"metric": metric, **ends}
    return list(found.values())


def _paired(ours: _Finished, theirs: _Finished) -> dict[str, dict[str, Any]] | None:
    """Return the paired difference over the seeds that both have."""
    places = {run.seed: place for place, run in enumerate(theirs.runs)}
    shared = [(place, places[run.seed]) for place, run in enumerate(ours.runs) if run.seed in places]
    found: dict[str, dict[str, Any]] = {}
    for one, two in ((ours.scores, theirs.scores), (ours.guesses, theirs.guesses)):
        if shared and len(one) == len(ours.runs) and len(two) == len(theirs.runs):
            found |= paired([one[place] for place, _ in shared], [two[place] for _, place in shared]) or {}
    return found or None


def _printed(plan: Plan) -> list[Published]:
    if plan.paper == BENCHMARK:
        return []
    return [one for item in plan.item.printed for one in published_results(paper=plan.paper, item=item)]


def _published(one: Published) -> dict[str, Any]:
    names = ("item", "dataset", "protocol", "task", "method", "labels", "metric", "unit", "printed", "value")
    return {name: getattr(one, name) for name in names}


def _beside(plan: Plan, run: Run, scores: dict[str, Any]) -> dict[str, Any]:
    """Return metric → the published mean and ours less it, where data set, protocol, metric and budget agree."""
    printed = plan.content.data[run.data].printed
    if plan.scale != "paper" or plan.stores.synthetic or printed is None or not printed.same:
        return {}
    wanted = (printed.dataset, printed.protocol, run.task, run.printed_labels)
    found = {}
    for one in _printed(plan):
        agrees = (one.dataset, one.protocol, one.task, one.labels) == wanted and one.method in run.row.printed
        ours = number((scores.get(one.metric) or {}).get("value"))
        if agrees and one.au is None and ours is not None:
            value = one.fraction
            found[one.metric] = {"value": round(value, 6), "difference": round(ours - value, 5), "item": one.item}
    return found


def _cards(groups: Sequence[_Finished]) -> dict[str, str]:
    """Return the protocol card of the first run of each data set and budget, its store named without its place."""
    found: dict[str, str] = {}
    for each in groups:
        name = f"{each.first.data}, {each.first.labels}"
        if name not in found:
            found[name] = card_text(_without_places(_card(each.first.folds[0] / "protocol.json")))
    return found


def _card(path: Path) -> dict[str, Any]:
    return read_record(path, CardRecord, what="the run's protocol", remedy=_AGAIN)


def _without_places(card: dict[str, Any]) -> dict[str, Any]:
    def named(value: Any) -> Any:
        return [PurePath(each).name for each in value] if isinstance(value, list) else value and PurePath(value).name

    return card | {name: named(card.get(name)) for name in ("store", "unlabelled_store")}


def _label_cards(plan: Plan) -> list[dict[str, Any]]:
    """Return what labels hold at each data set and budget, of an item that asks for that alone."""
    found = []
    for name, path in plan.extras.items():
        if path.parent.name == "cards" and path.exists():
            labels = read_record(path, CardsRecord, what="the label card", remedy=_AGAIN)["folds"][0]["labels"]
            kept = {key: labels["combinations"][key] for key in ("faces", "kept", "dense", "all")}
            found.append({"of": name.removeprefix("labels of "), "frames": labels["frames"], **kept})
    return found


def _counts(plan: Plan) -> dict[str, Any]:
    """Return data set → AU → how many faces show it and how many carry a label of it, of an item that asks for that."""
    found = {}
    for data, path in plan.counts.items():
        if path.exists():
            told = read_record(path, CountsRecord, what="the counts of the faces", remedy=_AGAIN)["aus"]
            found[data] = {str(au["au"]): [au["positive"], au["labelled"]] for au in told if au["labelled"]}
    return found


def _faces(plan: Plan, tested: _Tested) -> dict[str, Any]:
    """Return where the faces of each data set came from, and the further people tested on."""
    names = ("kind", "dataset", "generator_version", "seed", "profile", "appearance", "resting", "points", "subjects")
    told: dict[str, Any] = {}
    for key, path in plan.stores.places.items():
        if (path / "store.json").exists():
            source = read_source(path)
            told[key] = {name: source[name] for name in names if source.get(name) is not None}
            if key in tested.used:
                told[key]["further"] = {name: getattr(tested.used[key], name) for name in ("seed", "subjects")}
    return told
