"""What a job will take: faces to be seen, exactly as configured, and its share of two cores' hours, roughly.

The rates (rates.csv) are of two trainings of one thread at a time, since one of two threads draws fewer faces.
"""

import csv
import re
from functools import cache
from importlib import resources
from typing import Any

from ..engine.config import RunConfig, resolve
from ..methods.contract import Method, Needs, Setting
from ..methods.registry import PRETRAIN, algorithm_class
from ..networks.config import NetworkConfig
from .jobs import Job, Plan, Training

_AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
_SECONDS = {"evaluate": 30.0, "pictures": 60.0, "map": 90.0, "card": 5.0, "counts": 5.0}
_START_S = 15.0  # of a process, and of coding the people tested on
_SHARE = {"fera2015-bp4d": 21 / 41, "bp4d+-4fold": 3 / 4}  # of the people, who are trained on
_PEOPLE = 40  # in a training set, roughly


def job_cost(plan: Plan, job: Job) -> tuple[int, float]:
    """Return the faces that a job is to see and its share, in seconds, of what two cores may take for all jobs."""
    if job.kind in ("synth", "flow"):
        faces = _made(plan, job)
        return faces, faces / _rates()["job", job.kind] + 5
    if job.training is None:
        return 0, _SECONDS[job.kind]
    config = _config(job.training)
    seen = faces_seen(job.training, config, _faces(plan, job.training))
    return seen, seen / rate(config) + _START_S


def faces_seen(training: Training, config: RunConfig, faces: int) -> int:
    """Return how many faces a training draws of a data set of `faces`: steps × faces a step."""
    from ..engine.trainer import total_steps

    people = _people_share(training.protocol)
    if config.name.startswith(PRETRAIN):
        batch = config.data.unlabelled_batch
        return total_steps(config, int(faces * people), batch)[0] * batch
    validated = 1 - config.selection.share * (config.selection.rule == "validation")
    share = _label_share(training.labels)
    needs = _needs(config.name, _key(config))
    trained = faces * people * validated
    epoch = trained if config.training.epoch_of == "all" else trained * share
    batch = config.data.labelled_batch
    drawn = needs.every or (needs.unlabelled and (share < 1 or training.beside))
    free = config.data.unlabelled_batch if drawn else 0
    return total_steps(config, int(epoch), batch)[0] * (batch + free) * (needs.clip_length or 1)


def rate(config: RunConfig) -> float:
    """Return how many faces a second two trainings on two cores draw: of the backbone, times what the method adds."""
    backbone = config.network.backbone.partition(".")[0]
    known = {name: value for (kind, name), value in _rates().items() if kind == "backbone"}
    side = config.network.input_size
    if f"{backbone}@{side}" in known:
        base = known[f"{backbone}@{side}"]
    else:  # the work goes with the pixels
        others = {
            int(name.partition("@")[2]): value for name, value in known.items() if name.startswith(f"{backbone}@")
        }
        nearest = min(others, key=lambda other: abs(other - side)) if others else 0
        base = others[nearest] * (nearest / side) ** 2 if others else _rates()["backbone", "other"]
    tasks = config.method.get("auxiliary", ()) if config.name == "wsrtl" else ()
    name = "wsrtl+inpainting" if "inpainting" in tasks else config.name
    return base * _rates().get(("method", name), 1.0)


@cache
def _rates() -> dict[tuple[str, str], float]:
    with (resources.files(__package__) / "rates.csv").open(encoding="utf-8") as handle:
        return {(line["kind"], line["name"]): float(line["value"]) for line in csv.DictReader(handle)}


def _config(training: Training) -> RunConfig:
    overrides: dict[str, Any] = {"task": training.data.task} if not training.name.startswith(PRETRAIN) else {}
    settings = training.settings
    if training.name == "distil":  # its teacher is not there yet
        settings = (*settings, "method.teacher=TEACHER")
    return resolve(training.name, training.recipe, settings, **overrides)


def _faces(plan: Plan, training: Training) -> int:
    """Return how many faces are drawn from: of a pre-training's stores together, or of the data set's."""
    if training.faces:
        return training.faces
    key = next(key for key, data in plan.content.data.items() if data is training.data)
    return plan.stores.faces(key, training.data.faces)


def _made(plan: Plan, job: Job) -> int:
    """Return how many faces a job renders or computes the flow of."""
    for key, path in plan.stores.places.items():
        if str(path) == job.words[1]:
            return plan.stores.faces(key, plan.content.data[key].faces)
    others = (*plan.stores.shifted.values(), *plan.stores.further.values(), *plan.stores.people.values())
    return next((faces.faces for path, faces in others if str(path) == job.words[1]), 0)


def _people_share(protocol: str | None) -> float:
    if protocol is None:
        return 1.0
    if match := re.fullmatch(r"holdout:([\d.]+)%", protocol):
        return 1 - float(match[1]) / 100
    if match := re.fullmatch(r"kfold:(\d+)", protocol):
        return 1 - 1 / int(match[1])
    if match := re.match(r"(?:split:)?([\d.]+)-[\d.]+", protocol):
        return float(match[1]) / 100
    return _SHARE.get(protocol, 2 / 3)


def _label_share(labels: str) -> float:
    budget = labels.removesuffix(":stratified")
    if budget in ("none", "0"):
        return 0.0
    if match := re.fullmatch(r"([\d.]+)%", budget):
        return float(match[1]) / 100
    if match := re.fullmatch(r"(?:missing|entries):([\d.]+)%", budget):
        return 1 - float(match[1]) / 100
    if match := re.fullmatch(r"(?:every|one-per-clip):(\d+)", budget):
        return 1 / int(match[1])
    if match := re.fullmatch(r"subjects:(\d+)", budget):
        return min(int(match[1]) / _PEOPLE, 1.0)
    return 1.0


def _key(config: RunConfig) -> str:
    return config.model_copy(update={"network": NetworkConfig(), "seed": 0}).method_config().model_dump_json()


@cache
def _needs(name: str, settings: str) -> Needs:
    """Return what a method draws; asked of one on the smallest network, for which its own is not needed."""
    kind: Any = algorithm_class(name)
    if not issubclass(kind, Method):
        return Needs()
    config = kind.Config.model_validate_json(settings)
    network = NetworkConfig(backbone="test_resnet", input_size=64, init="none")
    made: Method = kind(config, Setting("occurrence", _AUS, network))
    return made.needs()
