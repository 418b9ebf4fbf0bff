"""One division of the subjects, and the folds of one evaluation. No person is ever on two sides of a fold."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import InputError
from ..files import hash_json

Person = Mapping[str, str]
"""Who a subject name stands for: a person may have a name in each of several data sets. A name it lacks is itself."""


@dataclass(frozen=True)
class Fold:
    """One division of the subjects, every side sorted; raises InputError when a subject is on two sides.

    validation: subjects that only choose the epoch or the threshold; a part of neither train nor test.
    """

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    validation: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if told := self.crossing():
            raise InputError(
                f"fold {self.name} has {told}",
                remedy="Keep each subject on one side: a model must be tested on people it has not seen",
            )

    def crossing(self, person: Person | None = None) -> str:
        """Say who is on two sides (`A, B in both train and test`), matching people if `person` is given; else empty."""
        sides = [("train", self.train), ("validation", self.validation), ("test", self.test)]
        for place, (one, first) in enumerate(sides):
            for other, second in sides[place + 1 :]:
                people = {who(name, person) for name in first}
                if both := sorted(name for name in second if who(name, person) in people):
                    return f"{few(both)} in both {one} and {other}"
        return ""

    def with_validation(self, subjects: Iterable[str]) -> "Fold":
        """Return the fold in which `subjects`, training subjects until now, only validate."""
        held = set(subjects)
        train = tuple(name for name in self.train if name not in held)
        return replace(self, train=train, validation=tuple(sorted(held | set(self.validation))))

    def as_json(self) -> dict[str, Any]:
        """Return the lists; "validation" only where there is one, so that the hashes of other folds stay the same."""
        lists: dict[str, Any] = {"name": self.name, "train": list(self.train), "test": list(self.test)}
        return lists | ({"validation": list(self.validation)} if self.validation else {})


@dataclass(frozen=True)
class Protocol:
    """The folds of one evaluation; `source` says where they come from, `notes` what the user should be told.

    aus: task (`occurrence`, `intensity`) → the AUs that the protocol scores; empty where it does not say.
    """

    name: str
    folds: tuple[Fold, ...]
    source: str
    notes: tuple[str, ...] = ()
    aus: dict[str, tuple[int, ...]] = field(default_factory=dict, hash=False)

    @property
    def hash(self) -> str:
        """Hash of the folds alone: equal hashes mean the same subjects on the same sides, whatever name and order."""
        return hash_json([fold.as_json() for fold in sorted(self.folds, key=lambda fold: _number_order(fold.name))])

    def fold(self, name: str) -> Fold:
        """Return the fold called `name`; raises InputError when there is none."""
        for fold in self.folds:
            if fold.name == name:
                return fold
        names = [fold.name for fold in self.folds]
        raise InputError(f"protocol {self.name} has no fold {name!r}", remedy=f"It has: {few(names)}")

    def as_json(self) -> dict[str, Any]:
        """Return what is written to disk; `make_protocol` reads it back from a file."""
        content: dict[str, Any] = {"name": self.name, "source": self.source, "hash": self.hash}
        content["notes"] = list(self.notes)
        if self.aus:
            content["aus"] = {task: list(aus) for task, aus in self.aus.items()}
        return content | {"folds": [fold.as_json() for fold in self.folds]}


def who(name: str, person: Person | None) -> str:
    """Return the person that the subject `name` stands for."""
    return name if person is None else person.get(name, name)


def against_rest(name: str, test: Iterable[str], known: Iterable[str], person: Person | None = None) -> Fold:
    """Return the fold that tests on `test` and trains on the rest of `known`, people under test left out."""
    tested = set(test)
    people = {who(subject, person) for subject in tested}
    return Fold(name, tuple(sorted(s for s in known if who(s, person) not in people)), tuple(sorted(tested)))


def few(names: Sequence[str], shown: int = 5) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return (", ".join(names[:shown]) or "none") + more


def _number_order(name: str) -> tuple[int, str]:
    """Sort key of fold names: 2 before 10, and part1 before part2."""
    return (int(name), "") if re.fullmatch(r"\d{1,9}", name) else (10**9, name)
