"""What an item comes to: its jobs, each a command line of sparsefacs with what it waits for, and the runs they make."""

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from .items import Data, Item, Paper, Place, Row, Scale
from .stores import Stores


@dataclass(frozen=True)
class Training:
    """What a job learns: the algorithm's name, recipe, settings, data set, protocol and budget; for its cost."""

    name: str
    recipe: str
    settings: tuple[str, ...]
    data: Data
    protocol: str | None
    labels: str = "all"
    beside: bool = False
    faces: int = 0


@dataclass(frozen=True)
class Job:
    """One command.

    words: of the command line, without `sparsefacs`; done: the file that is there once it has ended well; made: files
    and folders to be removed where it is begun anew (one that can `--resume` is not); needs: jobs before it; to: where
    its output goes, None for the log.
    """

    id: str
    kind: str
    words: tuple[str, ...]
    done: Path
    made: tuple[Path, ...]
    needs: tuple[str, ...] = ()
    to: Path | None = None
    training: Training | None = None

    @property
    def resumes(self) -> bool:
        """Whether it goes on where it was stopped."""
        return "--resume" in self.words or self.kind in ("synth", "flow")

    @property
    def finished(self) -> bool:
        """Whether it has ended well."""
        return self.done.exists()


@dataclass(frozen=True)
class Run:
    """One row at one data set, budget and seed.

    folds: the folder of each fold's run, one where there is one fold; start: the pre-training that it begins from.
    """

    row: Row
    data: str
    task: str
    labels: str
    printed_labels: str
    seed: int
    folder: Path
    folds: tuple[Path, ...]
    jobs: tuple[str, ...]
    recipe: str
    settings: tuple[str, ...]
    start: str | None

    @property
    def place(self) -> Place:
        """Data set, budget and row: what its seeds share."""
        return self.data, self.labels, self.row.name


@dataclass
class Plan:
    """All that an item needs.

    out: of its faces, starts and runs, which other items of the paper share; extras: file or folder made beside, by
    what it is; counts: data set → its AUs' counts; left_out: runs of the item that were not asked for.
    """

    paper: str
    key: str
    item: Item
    scale: Scale
    out: Path
    seeds: int
    stores: Stores
    content: Paper
    jobs: list[Job] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    extras: dict[str, Path] = field(default_factory=dict)
    counts: dict[str, Path] = field(default_factory=dict)
    left_out: int = 0

    @property
    def results(self) -> Path:
        """The folder of the item's own results."""
        return self.out / self.key

    def stages(self) -> list[list[Job]]:
        """Return the jobs in stages, each of which needs only those before."""
        level: dict[str, int] = {}
        for job in self.jobs:  # a job stands after those it needs
            level[job.id] = 1 + max((level[need] for need in job.needs), default=-1)
        return [
            [job for job in self.jobs if level[job.id] == stage] for stage in range(max(level.values(), default=-1) + 1)
        ]

    def narrowed(self, places: Container[Place]) -> "Plan":
        """Return the same with the runs at these data sets, budgets and rows, and those that are finished, alone.

        What is made beside stays where it needs no other training.
        """
        jobs = {job.id: job for job in self.jobs}
        done = {name for name, job in jobs.items() if job.finished}
        runs = [run for run in self.runs if run.place in places or done.issuperset(run.jobs)]
        kept = _needed(jobs, (name for run in runs for name in run.jobs))
        beside = {name: _needed(jobs, [name]) for name, job in jobs.items() if job.training is None}
        kept |= {name for name, needs in beside.items() if all(each in kept for each in needs if jobs[each].training)}
        left = [job for job in self.jobs if job.id in kept]
        return replace(self, jobs=left, runs=runs, left_out=len(self.runs) - len(runs))

    def data(self) -> tuple[str, ...]:
        """Return the data sets of the item at this scale."""
        small = self.item.small.data if self.scale == "small" else ()
        return small or (self.item.data if self.scale == "paper" else self.item.data[:1])


def _needed(jobs: Mapping[str, Job], names: Iterable[str]) -> set[str]:
    """Return these jobs and all that they need."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        if (name := todo.pop()) not in found:
            found.add(name)
            todo += jobs[name].needs
    return found


def slug(name: str) -> str:
    """Return a name as part of a path."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", name).strip("-")
