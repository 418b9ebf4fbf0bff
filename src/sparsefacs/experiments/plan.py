"""From an item to its jobs: each a command line of sparsefacs, with what it waits for; made anew each time."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..data.flow import DESCRIPTION
from ..engine.config import read_sweep
from ..engine.run import RunFolder
from ..methods.registry import PRETRAIN
from ..protocols.partitions import ORDER_SIGN, published
from .beside import add_extras
from .items import BENCHMARK, Faces, Item, Paper, Row, Scale, Start, benchmark
from .jobs import Job, Plan, Run, Training, slug
from .stores import Stores

ENCODER_DESCRIPTION = "encoder.json"
FLOW_STEP = 3  # of stores that are given: as WSRTL's paper has it


def make_plan(
    paper: str, key: str, item: Item, content: Paper, scale: Scale, out: Path, stores: Stores, seeds: int = 1,
    settings: Sequence[str] = (),
) -> Plan:  # fmt: skip
    """Return the jobs of an item into the folder `out`, each after those it needs: all of seed 0, then all of seed 1.

    So a plan that is stopped early has every row, of fewer seeds. Its runs stand by row and budget, then seed. A row
    may have fewer seeds than `seeds`.
    settings: of every training and pre-training, over all others.
    """
    plan = Plan(paper, key, item, scale, out.resolve(), seeds, stores, content)
    maker = Maker(plan, tuple(settings))
    for seed in range(seeds):
        for data in plan.data():
            maker.stores(data)
            for row in maker.rows():
                if row.seeds is not None and seed >= row.seeds:
                    continue
                for labels, printed in maker.labels(row).items():
                    maker.run(row, data, labels, printed, seed)
        if seed == 0:  # which pictures and maps are of
            add_extras(plan, maker)
    place = {run.place: index for index, run in enumerate(plan.runs) if run.seed == 0}
    plan.runs.sort(key=lambda run: place[run.place])
    return plan


def fold_count(protocol: str) -> int:
    """Return how many folds the protocol of that name has."""
    if match := re.fullmatch(r"kfold:(\d+)", protocol):
        return int(match[1])
    entry = published().get(protocol.partition(ORDER_SIGN)[0])
    return 1 if entry is None else len(entry["folds"])


class Maker:
    """Adds jobs to a plan, each once."""

    def __init__(self, plan: Plan, settings: tuple[str, ...]) -> None:
        self.plan, self.settings, self.ids = plan, settings, set[str]()
        self.small = plan.scale == "small"
        self.anew = plan.paper == BENCHMARK  # each seed draws people and labels too, and so needs starts of its own
        self.small_start = plan.content.small_start if self.small else None

    def add(self, job: Job) -> str:
        """Add a job unless it is there; return its name."""
        if job.id not in self.ids:
            self.ids.add(job.id)
            self.plan.jobs.append(job)
        return job.id

    def rows(self) -> Iterator[Row]:
        """Yield the item's rows at this scale, those with a sweep once for each of its values."""
        item, chosen = self.plan.item, self.plan.item.small.rows if self.small else ()
        for row in item.rows:
            if not chosen or row.name in chosen:
                yield from self._swept(row)

    def _swept(self, row: Row) -> Iterator[Row]:
        start = None if row.start is None else self.plan.content.pretrain[row.start]
        if start is not None and start.sweep is not None:
            key, values = _sweep(PRETRAIN + start.method, start.sweep)
            for value in values:
                yield row.model_copy(update={"name": f"{row.name} = {value}", "start": f"{row.start}={key}={value}"})
            return
        if row.sweep is None:
            yield row
            return
        key, values = next(iter(row.sweep.items())) if isinstance(row.sweep, dict) else _sweep(row.method, row.sweep)
        for value in values:
            name = f"{row.name}, {key.rpartition('.')[2]} = {value}"
            yield row.model_copy(update={"name": name, "settings": (*row.settings, f"{key}={value}"), "sweep": None})

    def labels(self, row: Row) -> dict[str, str]:
        """Return the budgets of a row, with what the paper calls them."""
        small = self.plan.item.small.labels if self.small else None
        return small or row.labels or self.plan.item.labels

    def protocol(self, data: str) -> str:
        """Return the protocol that a data set is trained and tested by."""
        return benchmark().protocol if self.small else self.plan.content.data[data].protocol or benchmark().protocol

    def stores(self, data: str) -> tuple[str, ...]:
        """Add what makes the store of a data set, and its flow; return the jobs to wait for."""
        path, content = self.plan.stores.of(data), self.plan.content.data[data]
        needs: tuple[str, ...] = ()
        if made := self.plan.stores.made.get(data):
            words = ("synth", str(path), *made.words())
            needs = (self.add(Job(f"faces/{self._called(data)}", "synth", words, path / "store.json", (path,))),)
        if content.flow:
            step = str(made.flow_step if made else FLOW_STEP)
            where = ("--target", "rest") if content.target == "rest" else ("--step", step)
            words, done = ("flow", str(path), *where), path / "flow" / DESCRIPTION
            needs = (*needs, self.add(Job(f"flow/{self._called(data)}", "flow", words, done, (), needs)))
        return needs

    def _called(self, data: str) -> str:
        """Return what the store of a data set is called in names of jobs: several data sets may share one."""
        return data if self.plan.paper == BENCHMARK else self.plan.stores.of(data).name

    def run(self, row: Row, data: str, labels: str, printed: str, seed: int) -> None:
        """Add the trainings of a row: one a fold."""
        plan, content = self.plan, self.plan.content.data[data]
        protocol = self.protocol(data)
        folds = fold_count(protocol)
        of = f"{data}-intensity" if self.plan.item.task == "intensity" else data  # beside an item of occurrence
        name = "/".join(map(slug, (of, labels, row.name, f"seed-{seed}")))
        folder = plan.out / "runs" / name
        recipe = row.recipe_at(plan.scale, data, content.task)
        settings = self._settings(row, data, content.task, labels)
        folders = tuple(folder / f"fold-{number}" if folds > 1 else folder for number in range(1, folds + 1))
        words = ["--protocol", protocol, "--labels", labels, "--recipe", recipe, "--seed", str(seed), "--resume"]
        words += ["--split-seed", str(seed)] if self.anew else []
        words += ["--task", "intensity"] if content.task == "intensity" else []
        if row.unlabelled is not None and not self.small:
            words += ["--unlabelled", str(plan.stores.of(row.unlabelled))]
        ids, begun = [], row.start or self.small_start
        for number, each in enumerate(folders, start=1):
            needs, further = [*self.stores(data)], [*words, "--fold", str(number)]
            given = list(settings)
            if begun is not None:
                start, waits = self.start(begun, data, number, seed)
                further, needs = [*further, "--init", str(start)], [*needs, *waits]
            if row.teacher is not None:
                taught = name.replace(f"/{slug(row.name)}/", f"/{slug(row.teacher)}/")
                given.append(f"method.teacher={plan.out / 'runs' / taught / each.relative_to(folder)}")
                needs.append(self._id(f"runs/{taught}", number, folds))
            further += [word for setting in given for word in ("--set", setting)]
            command = ("train", row.method, str(plan.stores.of(data)), str(each), *further)
            training = Training(
                row.method, recipe, tuple(settings), content, protocol, labels, row.unlabelled is not None
            )
            job = Job(
                self._id(f"runs/{name}", number, folds),
                "train",
                command,
                each / "metrics.json",
                (each,),
                tuple(needs),
                training=training,
            )
            ids.append(self.add(job))
            for others, called in ((plan.stores.shifted, f"{data}-shifted"), (plan.stores.further, "")):
                self._tested_on(others.get(data), called, each, job.id)
        plan.runs.append(
            Run(
                row,
                data,
                content.task,
                labels,
                printed,
                seed,
                folder,
                folders,
                tuple(ids),
                recipe,
                tuple(settings),
                begun,
            )
        )

    def _id(self, name: str, fold: int, folds: int) -> str:
        return f"{name}/fold-{fold}" if folds > 1 else name

    def _settings(self, row: Row, data: str, task: str, labels: str) -> tuple[str, ...]:
        item, keys = self.plan.item, (labels, data, task)
        shared = (*item.settings, *(each for key in keys for each in item.settings_of.get(key, ())))
        small = (*self.plan.content.small_settings, *item.small.settings) if self.small else ()
        return (*shared, *small, *row.settings_at(self.plan.scale, keys), *self.settings)

    def _tested_on(self, others: tuple[Path, Faces] | None, called: str, folder: Path, training: str) -> None:
        """Add the scoring of a run on other people's faces, if there are to be any; called: in names of jobs, else as
        their store is.
        """
        if others is None:
            return
        path, faces = others
        words = ("synth", str(path), *faces.words())
        made = Job(f"faces/{called or path.name}", "synth", words, path / "store.json", (path,))
        done = RunFolder(folder).on(path) / "metrics.json"
        words = ("evaluate", str(folder), str(path))
        needs = (self.add(made), training)
        self.add(Job(f"{training}/on-{path.name}", "evaluate", words, done, (), needs))

    def start(self, name: str, data: str, fold: int, seed: int = 0) -> tuple[Path, tuple[str, ...]]:
        """Return where a pre-training's weights lie, adding it, and the jobs to wait for."""
        given = self.plan.stores.starts.get(name.partition("=")[0])
        if given is not None:
            return given, ()
        base, _, swept = name.partition("=")
        start = self.plan.content.pretrain[base]
        stores, protocol, folds, needs = self._faces_of(base, data)
        drawn = f"seed-{seed}" if self.anew else ""
        own = self._called(data) if self.of_the_training(base) else ""
        where = "/".join(filter(None, (own, slug(base), slug(swept), drawn)))
        folder = self.plan.out / "starts" / where
        if folds > 1:
            folder /= f"fold-{fold}"
        recipe = start.recipe if not self.small or start.small is None else str(start.small.recipe)
        settings = start.settings + (start.small.settings if self.small and start.small is not None else ())
        settings = (*settings, *([swept] if swept else []), *self.settings)
        words = ["pretrain", start.method, str(stores[0]), str(folder), "--recipe", recipe, "--resume"]
        words += [word for store in stores[1:] for word in ("--with", str(store))]
        words += [] if protocol is None else ["--protocol", protocol, "--fold", str(fold if folds > 1 else 1)]
        words += ["--seed", str(seed), "--split-seed", str(seed)] if self.anew else []
        words += [word for setting in settings for word in ("--set", setting)]
        of = self.faces_named(start) or (data,)
        faces = sum(self.plan.stores.faces(each, self.plan.content.data[each].faces) for each in of)
        if base in self.plan.stores.people:
            faces = self.plan.stores.people[base][1].faces
        training = Training(
            PRETRAIN + start.method, recipe, settings, self.plan.content.data[data], protocol, faces=faces
        )
        name = self._id(f"starts/{where}", fold, folds)
        job = Job(name, "pretrain", tuple(words), folder / ENCODER_DESCRIPTION, (folder,), needs, training=training)
        return folder, (self.add(job),)

    def _faces_of(self, name: str, data: str) -> tuple[list[Path], str | None, int, tuple[str, ...]]:
        """Return the stores of a pre-training, who is kept out, of how many folds, and the jobs to wait for."""
        start = self.plan.content.pretrain[name]
        if name in self.plan.stores.people:
            path, faces = self.plan.stores.people[name]
            words, done = ("synth", str(path), *faces.words()), path / "store.json"
            return [path], None, 1, (self.add(Job(f"faces/{path.name}", "synth", words, done, (path,))),)
        named = self.faces_named(start)
        if named and not self.anew:
            return [self.plan.stores.of(each) for each in named], start.protocol, 1, ()
        protocol, of = self.protocol(data), named or (data,)
        needs = tuple(dict.fromkeys(job for each in of for job in self.stores(each)))
        return [self.plan.stores.of(each) for each in of], protocol, fold_count(protocol), needs

    def of_the_training(self, name: str) -> bool:
        """Say whether a pre-training learns from the faces of the training itself, so that its fold tells whom not."""
        return not self.faces_named(self.plan.content.pretrain[name]) and name not in self.plan.stores.people

    def faces_named(self, start: Start) -> tuple[str, ...]:
        """Return the data sets that a pre-training names itself; none: it learns from the training's own."""
        return start.data if self.anew or not self.small else ()


def _sweep(method: str, recipe: str) -> tuple[str, list[Any]]:
    found = read_sweep(method, recipe)
    if found is None:
        raise ValueError(f"recipe {recipe} of {method} sweeps over nothing")
    return found
