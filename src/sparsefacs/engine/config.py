"""The whole configuration of a run: strict, resolved, saved; recipes are YAML files of it."""

import difflib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..data.augmentation import AugmentationConfig
from ..errors import InputError
from ..methods.registry import PRETRAIN, algorithm_class, method_names, pretraining_names
from ..methods.settings import MethodConfig, Task
from ..networks.config import NetworkConfig
from ..protocols.selection import DEFAULT_SELECTION, SelectionRule
from ..yaml_text import content_of

_STRICT = ConfigDict(extra="forbid", frozen=True)
Model = TypeVar("Model", bound=BaseModel)
Positive = Annotated[int, Field(ge=1)]


class DataConfig(BaseModel):
    """Batches. Sizes count the faces of all processes together."""

    model_config = _STRICT

    labelled_batch: Positive = 32
    unlabelled_batch: Positive = 32
    others: Literal["keep", "leave-out"] = Field(
        "keep", description="faces of training people without a visible label: used without labels, or left out"
    )
    workers: Positive = Field(2, description="threads that decode and augment ahead")
    augmentation: AugmentationConfig = AugmentationConfig()
    strong: AugmentationConfig | None = Field(None, description="of a face's second view; none: as the first")


class OptimiserConfig(BaseModel):
    """One kind of optimiser for all of a method's parts; a part may have its own learning rate."""

    model_config = _STRICT

    name: Literal["adam", "adamw", "sgd"] = "adam"
    lr: Annotated[float, Field(gt=0)] = 1e-3
    base_lr: Annotated[float, Field(gt=0)] | None = Field(
        None, description="learning rate per 256 faces of a batch, in place of lr"
    )
    layer_decay: Annotated[float, Field(ge=0, le=1)] = Field(
        1.0,
        description="learning rate of a transformer's layer by that of the one above; 0: the last alone learn",
    )
    lr_of: dict[str, Annotated[float, Field(gt=0)]] = Field({}, description="learning rate of a named part")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.9, 0.999), description="of adam and adamw"
    )
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup: Annotated[float, Field(ge=0, lt=1)] = Field(0.05, description="fraction of the steps that warm up")
    clip: Annotated[float, Field(ge=0)] = Field(0.0, description="largest gradient norm, 0 = no clipping")

    def rate(self, batch: int) -> float:
        """Return the learning rate of steps of `batch` faces: lr, or base_lr · batch / 256 (MAE-Face, eq. 5)."""
        return self.lr if self.base_lr is None else self.base_lr * batch / 256


class TrainingConfig(BaseModel):
    """How long, how precisely, and how often the state is saved."""

    model_config = _STRICT

    steps: int | None = Field(None, ge=1, description="steps; not with epochs")
    epochs: int | None = Field(None, ge=1, description="passes over the labelled faces; not with steps")
    epoch_of: Literal["labelled", "all"] = Field(
        "labelled", description="the faces of an epoch: labelled ones, or all with a label before the budget"
    )
    accumulate: Positive = Field(1, description="parts in which a pre-training's batch is drawn")
    compile: bool = Field(False, description="compile the networks; needs a C++ compiler, pays on a GPU")
    precision: Annotated[
        Literal["auto", "32", "bf16"],
        BeforeValidator(lambda given: str(given) if isinstance(given, int) else given),  # YAML reads 32 as a number
    ] = Field("auto", description="auto: bf16 where the hardware has products of it; a run keeps what it began with")
    log_every: Positive = 10
    checkpoint_every: Positive = Field(
        100, description="steps between two savings of the whole state, which is also saved after half a minute"
    )


class SelectionConfig(BaseModel):
    """What is chosen on a score, on whose faces, and when a training that no longer gains ends.

    A choice made on the test fold (`published-practice`) is marked on every table that shows its numbers.
    """

    model_config = _STRICT

    rule: SelectionRule = Field(DEFAULT_SELECTION, description="validation, last or published-practice")
    threshold: Literal["base-rate", "chosen-frames", "fixed", "chosen"] = Field(
        "base-rate",
        description="limits, from which AUs count: each AU's by its rate in the training labels (of AUs learned from a "
        "coder: as expected of all faces), by that and what is expected (for frames chosen by `label` or `next`), 0.5, "
        "or one by F1",
    )
    share: Annotated[float, Field(gt=0, lt=1, description="of the labelled training subjects, to validate on")] = 0.2
    checks: Positive = Field(10, description="how often in a training the score is taken")
    score: Literal["main", "loss"] = Field("main", description="F1 or ICC, or the loss on the same faces")
    patience: int | None = Field(
        None, ge=1, description="stop after so many checks without a better score; with rule last, never"
    )


class RunConfig(BaseModel):
    """Everything that decides what a run learns, besides the store and the labels."""

    model_config = _STRICT

    name: str
    recipe: str
    task: Task = "occurrence"
    aus: tuple[Positive, ...] = Field((), description="AUs to learn; none named: all that the store has")
    seed: Annotated[int, Field(ge=0, description="of weights and batches")] = 0
    split_seed: Annotated[int, Field(ge=0, description="of drawn folds and labels, so that seeds share a split")] = 0
    network: NetworkConfig = NetworkConfig()
    data: DataConfig = DataConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    training: TrainingConfig = TrainingConfig()
    selection: SelectionConfig = SelectionConfig()
    method: dict[str, Any] = {}

    def method_config(self) -> MethodConfig:
        """Return the method's own settings, checked."""
        return _checked(algorithm_class(self.name).Config, self.method, "method.")

    def teacher_run(self) -> str | None:
        """Return the run folder whose network the method learns from, None for none; raises InputError if it must."""
        return self.method_config().teacher_run() if "teacher" in self.method else None

    def as_json(self) -> dict[str, Any]:
        """Return the resolved configuration, the method's defaults filled in."""
        resolved = self.model_dump(mode="json")
        resolved["method"] = self.method_config().model_dump(mode="json")
        return resolved


def _checked(model: type[Model], values: dict[str, Any], prefix: str = "") -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = prefix + ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            names = _names(model, [str(part) for part in first["loc"][:-1]])
            near = difflib.get_close_matches(str(first["loc"][-1]), names, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Settings there: {', '.join(names)}"
            raise InputError(f"there is no setting {where}", remedy=hint) from error
        given, remedy = first["input"], ""
        if first["type"] == "tuple_type":
            remedy = f"Write a list, such as --set '{where}=[{given}]', or [] for none"
        elif first["type"] == "model_type":
            remedy = f"Settings there: {', '.join(_names(model, [str(part) for part in first['loc']]))}"
        raise InputError(f"setting {where}: {first['msg']}, got {given!r}", remedy=remedy) from error


def _names(model: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        inner = model.model_fields[part].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)


def _check_name(method: str) -> None:
    """Raise InputError where no method or pre-training is called so; none is imported otherwise."""
    if method not in (*method_names(), *(PRETRAIN + name for name in pretraining_names())):
        algorithm_class(method)


def recipe_names(method: str) -> list[str]:
    """Return the recipes shipped for a method."""
    _check_name(method)
    folder = resources.files("sparsefacs.recipes") / method
    return sorted(Path(str(entry)).stem for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def read_recipe(method: str, recipe: str) -> dict[str, Any]:
    """Read recipe `recipe` of `method`, or the YAML file of that path; raises InputError when there is none.

    A recipe may name another as `base` (of another method as METHOD/RECIPE), whose settings it changes one by one, and
    hold a `sweep`: one setting and its values.
    """
    _check_name(method)
    if recipe.endswith((".yaml", ".yml")):
        path: Any = Path(recipe)
        if not path.is_file():
            raise InputError("the recipe file is missing", path=recipe, remedy="Check the path")
    else:
        path = resources.files("sparsefacs.recipes") / method / f"{recipe}.yaml"
        if not path.is_file():
            raise InputError(
                f"method {method} has no recipe {recipe!r}", remedy=f"It has: {', '.join(recipe_names(method))}"
            )
    try:
        content = content_of(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise InputError(f"is not valid YAML ({error})", path=recipe, remedy="Mend the file") from error
    if not isinstance(content, dict):
        raise InputError("a recipe must be a mapping of settings", path=recipe, remedy="See recipes/ in the package")
    base = content.pop("base", None)
    if base is None:
        return content
    other, _, own = str(base).rpartition("/")
    return _merged(read_recipe(other or method, own), content)


def _merged(values: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return `values` with those of `over` in their place, part by part."""
    merged = dict(values)
    for key, value in over.items():
        inner = merged.get(key)
        merged[key] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def read_sweep(method: str, recipe: str) -> tuple[str, list[Any]] | None:
    """Return the setting that a recipe sweeps over and its values; None for a recipe of a single run."""
    sweep = read_recipe(method, recipe).get("sweep")
    if sweep is None:
        return None
    if not isinstance(sweep, dict) or len(sweep) != 1 or not isinstance(next(iter(sweep.values())), list):
        raise InputError("a sweep names one setting and a list of values", path=recipe, remedy="sweep: {key: [1, 2]}")
    return next(iter(sweep.items()))


def sweep_runs(sweep: tuple[str, list[Any]], out: Path) -> list[tuple[Path, str]]:
    """Return the run folder of each value of a sweep and the setting, `key.sub=value`, that it is trained with."""
    key, values = sweep
    return [(out / f"{key.rpartition('.')[2]}-{value}", f"{key}={value}") for value in values]


def resolve(method: str, recipe: str = "small", settings: tuple[str, ...] = (), **overrides: Any) -> RunConfig:
    """Return the configuration of `recipe`, with `key.sub=value` settings and dotted overrides on top.

    overrides: dotted keys with `__` for the dot (`training__epochs=3`); None leaves the recipe's value.
    """
    config = _with_settings(method, recipe, settings, overrides)
    checked = config.model_copy(update={"method": config.method_config().model_dump(mode="json")})
    _check_accumulation(checked)
    if checked.task not in algorithm_class(method).tasks:
        tasks = " and ".join(algorithm_class(method).tasks)
        raise InputError(f"method {method} does not learn {checked.task}", remedy=f"It learns {tasks}")
    return checked


def resolve_plan(settings: tuple[str, ...] = (), **overrides: Any) -> RunConfig:
    """Return the configuration of a plan of who trains and which labels are seen, whatever the method; as `resolve`."""
    return _with_settings("supervised", "small", settings, overrides)


def _with_settings(method: str, recipe: str, settings: tuple[str, ...], overrides: dict[str, Any]) -> RunConfig:
    """Return the configuration of a recipe with all that was set; what concerns the method alone is not checked."""
    values = read_recipe(method, recipe) | {"name": method, "recipe": recipe}
    values.pop("sweep", None)
    if recipe.endswith((".yaml", ".yml")):
        _check_file(values, recipe)
    for setting in settings:
        key, mark, text = setting.partition("=")
        if not mark or not key.strip():
            raise InputError(
                f"--set {setting!r} is not of the form key.sub=value", remedy="Example: --set method.alpha=0.1"
            )
        try:
            _put(values, key.strip().split("."), content_of(text))
        except yaml.YAMLError as error:
            raise InputError(f"--set {setting!r}: the value is not readable", remedy="Quote it") from error
    for key, value in overrides.items():
        if value is not None:
            _put(values, key.split("__"), value)
    config = _checked(RunConfig, values)
    if config.selection.threshold == "chosen" and (config.selection.rule == "last" or config.task == "intensity"):
        raise InputError(
            "selection.threshold=chosen needs occurrence labels to choose on",
            remedy="Use --selection validation or published-practice, or leave the limits to the base rates",
        )
    return config


def _check_file(values: dict[str, Any], path: str) -> None:
    """Raise InputError naming a recipe file where its settings, by themselves, are not possible."""
    try:
        _checked(RunConfig, values)
    except InputError as error:
        raise InputError(error.problem, path=path, remedy=error.remedy) from error


def _check_accumulation(config: RunConfig) -> None:
    """Raise InputError where gradients of parts are to be added that are no parts."""
    parts, batch = config.training.accumulate, config.data.unlabelled_batch
    if parts > 1 and not config.name.startswith(PRETRAIN):
        raise InputError(
            "training.accumulate is for pre-trainings, and this learns AUs", remedy="Leave it out, or lower the batch"
        )
    if batch % parts:
        raise InputError(
            f"a batch of {batch} faces has no {parts} equal parts",
            remedy=f"Set data.unlabelled_batch to a multiple of {parts}, or training.accumulate to a divisor of it",
        )


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        inner = values.setdefault(part, {})
        if not isinstance(inner, dict):
            raise InputError(f"there is no setting {'.'.join(path)}", remedy=f"{part} has no parts")
        values = inner
    values[path[-1]] = value
    other = {"steps": "epochs", "epochs": "steps"}.get(path[-1])
    if path[0] == "training" and other is not None and value is not None:
        values.pop(other, None)  # the length given last holds
    if path == ["network", "backbone"]:
        values.pop("options", None)  # a recipe's options are those of its own backbone
