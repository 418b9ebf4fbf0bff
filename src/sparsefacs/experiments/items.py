"""What each table and figure of a paper needs, as items/PAPER.yaml has it: rows, data sets, labels, start weights.

`small` keys hold what differs at small scale, on synthetic faces; all else is the paper's own.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..errors import InputError
from ..methods.settings import Task

Scale = Literal["paper", "small"]
BENCHMARK = "benchmark"
PAPERS = ("adversarial", "kdsrl", "wsrtl", "mae-face", "knowledge-spreader", BENCHMARK)
Place = tuple[str, str, str]  # data, labels, row: where a row stands in an item
_STRICT = ConfigDict(extra="forbid", frozen=True)


class Printed(BaseModel):
    """What papers call a data set and protocol. same: whether its folds are known to be the paper's."""

    model_config = _STRICT

    dataset: str
    protocol: str
    same: bool = True


class Data(BaseModel):
    """A data set as a paper uses it.

    dataset: name of `prepare --dataset`; faces: about how many there are; prepare: options of `prepare`; flow: whether
    `flow` is needed, and target: to where, as a store has room for one; profile: of the synthetic faces at small scale.
    """

    model_config = _STRICT

    dataset: str
    protocol: str | None = None
    printed: Printed | None = None
    task: Task = "occurrence"
    faces: int
    prepare: str = ""
    flow: bool = False
    target: Literal["later", "rest"] = "later"
    profile: Literal["bp4d", "disfa"] = "bp4d"


class Faces(BaseModel):
    """Arguments of `synth`, frames to the later one for `flow`, and what the faces must come out as."""

    model_config = _STRICT

    subjects: int
    clips: int
    frames: int
    size: int
    seed: int
    profile: Literal["bp4d", "disfa"] = "bp4d"
    fps: float | None = None
    appearance: str | None = None
    resting: Literal["plain", "varied"] | None = None
    points: Literal["found", "true"] | None = None
    flow_step: int = 3
    generator_version: int | None = None
    sha256: str | None = None

    @property
    def faces(self) -> int:
        """How many faces it makes, those that the finder misses included."""
        return self.subjects * self.clips * self.frames

    def words(self) -> list[str]:
        """Return the options of `sparsefacs synth`."""
        names = ("subjects", "clips", "frames", "size", "seed", "profile", "fps", "appearance", "resting", "points")
        given = {name: getattr(self, name) for name in names}
        return [word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))]


class Further(BaseModel):
    """Further people of a store's kind: how many, and the seed they are drawn by."""

    model_config = _STRICT

    subjects: int
    seed: int


class Small(BaseModel):
    """What differs at small scale: the recipe, further settings.

    faces: of a pre-training, of people of its own; made: the same, unless the user gives a store, whose faces it
    learns from then.
    """

    model_config = _STRICT

    recipe: str | dict[str, str] = "small"
    settings: tuple[str, ...] = ()
    faces: Faces | None = None
    made: Faces | None = None


class Start(BaseModel):
    """A pre-training.

    data: of whose faces at paper scale (several are joined; none: those of the training, its test people kept out);
    protocol: who of these stays out; sweep: a recipe, whose sweep's values make a start each.
    """

    model_config = _STRICT

    method: str
    recipe: str
    data: tuple[str, ...] = ()
    protocol: str | None = None
    settings: tuple[str, ...] = ()
    sweep: str | None = None
    small: Small | None = Small()


class Row(BaseModel):
    """A row of a table, or a curve of a figure.

    printed: its names in the published table; recipe: one, or by data set; start: a pre-training's name; teacher: the
    row whose run is learned from; sweep: a setting and its values, or a recipe that has them, a row each; labels: in
    place of the item's; seeds: as many at most; unlabelled: the data set, at paper scale, whose faces are used without
    labels. settings_of: by budget, data set or task; at paper scale alone, unless the small scale has nothing of its
    own.
    """

    model_config = _STRICT

    name: str
    method: str
    recipe: str | dict[str, str]
    printed: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    settings_of: dict[str, tuple[str, ...]] = {}
    start: str | None = None
    teacher: str | None = None
    sweep: str | dict[str, list[Any]] | None = None
    labels: dict[str, str] | None = None
    seeds: Annotated[int, Field(ge=1)] | None = None
    unlabelled: str | None = None
    small: Small | None = Small()

    def recipe_at(self, scale: Scale, data: str, task: str) -> str:
        """Return the recipe's name for a data set at a scale."""
        found = self.recipe if scale == "paper" or self.small is None else self.small.recipe
        return found if isinstance(found, str) else found.get(data) or found[task]

    def settings_at(self, scale: Scale, keys: Sequence[str]) -> tuple[str, ...]:
        """Return the row's own settings at a scale; keys: budget, data set and task, which may have some of theirs."""
        if scale == "small" and self.small is not None:
            return (*self.settings, *self.small.settings)
        return (*self.settings, *(setting for key in keys for setting in self.settings_of.get(key, ())))


class Extra(BaseModel):
    """What is made of an item's runs beside scores.

    pictures, map: of rows, or of pre-trainings (`of`), a map also of `pixels`, the faces themselves; beside: another
    whose pictures stand beside. card: what labels hold, without a training. counts: how often each AU occurs in the
    data sets, with F1 of the rows and, at paper scale, of published methods (`of`). report: the page with
    distributions.
    """

    model_config = _STRICT

    kind: Literal["pictures", "map", "card", "counts", "report"]
    of: tuple[str, ...] = ()
    beside: str | None = None


class SmallItem(BaseModel):
    """What an item is at small scale: fewer data sets, other labels, fewer rows, further settings.

    what: where the item's own words would be wrong of it.
    """

    model_config = _STRICT

    what: str | None = None
    data: tuple[str, ...] = ()
    labels: dict[str, str] | None = None
    rows: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


class Item(BaseModel):
    """One table or figure.

    printed: its names in published.csv; task: where it is not that of its data sets; labels: budget → the paper's word;
    metrics: shown.
    """

    model_config = _STRICT

    what: str
    printed: tuple[str, ...] = ()
    data: tuple[str, ...]
    task: Task | None = None
    labels: dict[str, str] = {"all": "all"}
    metrics: tuple[str, ...] = ()
    baseline: str | None = None
    settings: tuple[str, ...] = ()
    settings_of: dict[str, tuple[str, ...]] = {}
    rows: tuple[Row, ...] = ()
    extras: tuple[Extra, ...] = ()
    small: SmallItem = SmallItem()

    def what_at(self, scale: Scale) -> str:
        """Return what the item shows at a scale."""
        return self.what if scale == "paper" or self.small.what is None else self.small.what

    def row(self, name: str) -> Row:
        """Return the row of that name."""
        return next(row for row in self.rows if row.name == name)


class Paper(BaseModel):
    """The items of a paper.

    small_start: the pre-training that rows without a start of their own begin from at small scale, in place of the
    ImageNet weights of the paper, which no short training from random weights stands for.
    """

    model_config = _STRICT

    title: str
    data: dict[str, Data]
    pretrain: dict[str, Start] = {}
    items: dict[str, Item]
    store: Faces | None = Field(None, description="synthetic faces of the small scale; none: the benchmark's")
    small_start: str | None = None
    small_settings: tuple[str, ...] = ()

    def of(self, item: Item) -> "Paper":
        """Return the same with the data sets as `item` uses them: for its task."""
        if item.task is None:
            return self
        data = {
            key: each.model_copy(update={"task": item.task, "flow": each.flow and item.task == "occurrence"})
            for key, each in self.data.items()
        }
        return self.model_copy(update={"data": data})


class _BenchmarkRow(BaseModel):
    """A row. budgets: its own, in place of the benchmark's; seeds: as many at most, however many are asked for."""

    model_config = _STRICT

    name: str
    method: str
    recipe: str | dict[str, str]
    settings: tuple[str, ...] = ()
    settings_of: dict[str, tuple[str, ...]] = {}
    pretrain: str | None = None
    teacher: str | None = None
    budgets: tuple[str, ...] | None = None
    seeds: Annotated[int, Field(ge=1)] | None = None


class Benchmark(BaseModel):
    """items/benchmark.yaml: the faces, folds and budgets that all methods share, and the methods.

    faces: data set → its faces; shifted: data set → its second test set; further: the people on whom papers' small
    trainings are tested beside those of their own store.
    """

    model_config = _STRICT

    version: Annotated[int, Field(ge=1)]
    title: str
    faces: dict[str, Faces]
    shifted: dict[str, Faces] = {}
    further: Further
    protocol: str
    budgets: tuple[str, ...]
    tasks: tuple[Task, ...]
    baseline: str
    settings: tuple[str, ...] = ()
    settings_of: dict[str, tuple[str, ...]] = {}
    pretrain: dict[str, Start]
    rows: tuple[_BenchmarkRow, ...]

    @property
    def stores(self) -> dict[str, Faces]:
        """The stores by name: those of the data sets, and their second test sets, called `DATA-shifted`."""
        return self.faces | {f"{key}-shifted": faces for key, faces in self.shifted.items()}

    @model_validator(mode="after")
    def _taught_where_there_is_a_teacher(self) -> Self:
        by_name = {row.name: row for row in self.rows}
        for row in self.rows:
            if row.teacher is not None:
                teacher = by_name[row.teacher]
                if not set(row.budgets or self.budgets) <= set(teacher.budgets or self.budgets):
                    raise ValueError(f"{row.name} has budgets that its teacher {row.teacher} has not")
                if teacher.seeds is not None and (row.seeds is None or row.seeds > teacher.seeds):
                    raise ValueError(f"{row.name} has seeds that its teacher {row.teacher} has not")
        return self


@cache
def benchmark() -> Benchmark:
    """Return the open synthetic benchmark."""
    found: Benchmark = _checked(Benchmark, BENCHMARK)
    return found


@cache
def read_paper(name: str) -> Paper:
    """Return the items of a paper, or of the benchmark; raises InputError, naming the choices, for another name."""
    if name.casefold() not in PAPERS:
        raise InputError(f"{name!r} is not one of the papers", remedy=f"Papers: {', '.join(PAPERS)}")
    return _benchmark_items() if name.casefold() == BENCHMARK else _checked(Paper, name.casefold())


def find_item(paper: str, name: str) -> tuple[str, Item]:
    """Return an item's key and the item: `Table 1`, `table-1`, `Fig. 4` and `figure-4` alike."""
    items = read_paper(paper).items
    key = re.sub(r"[\s_-]+", "-", re.sub(r"^fig\b\.?", "figure", name.strip().casefold()))
    if key not in items:
        raise InputError(f"{paper} has no item {name!r}", remedy=f"It has: {', '.join(items)}")
    return key, items[key]


def _checked(model: Any, name: str) -> Any:
    text = (resources.files(__package__) / "items" / f"{name}.yaml").read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    content.pop("shared", None)  # anchors of the file's own
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ValueError(f"items/{name}.yaml: {error}") from error


def _benchmark_items() -> Paper:
    """Return the benchmark as the items of a paper: one for each task."""
    from ..methods.registry import algorithm_class

    content = benchmark()
    data = {
        key: Data(dataset="synthetic", faces=faces.faces, flow=True, profile=faces.profile)
        for key, faces in content.faces.items()
    }
    return Paper(
        title=content.title,
        data=data,
        pretrain={name: start.model_copy(update={"small": None}) for name, start in content.pretrain.items()},
        items={
            task: Item(
                what=f"{task} of AUs on synthetic faces, from {', '.join(content.budgets)} of the labels",
                data=tuple(data),
                task=task,
                small=SmallItem(data=tuple(data)),
                labels={budget: budget for budget in content.budgets},
                baseline=content.baseline,
                settings=content.settings,
                settings_of=content.settings_of,
                rows=tuple(_as_row(row) for row in content.rows if task in algorithm_class(row.method).tasks),
            )
            for task in content.tasks
        },
    )


def _as_row(row: _BenchmarkRow) -> Row:
    values: Mapping[str, Any] = row.model_dump(exclude={"pretrain", "budgets"})
    labels = None if row.budgets is None else {budget: budget for budget in row.budgets}
    return Row(**values, labels=labels, start=row.pretrain, small=None)
