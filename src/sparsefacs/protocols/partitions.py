"""Published partitions, tables/folds.json: the community's subject lists, orders of folds, and AUs scored."""

import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from ..errors import InputError
from .division import Fold, Person, Protocol, against_rest, few, who

ORDER_SIGN = "@"


def published() -> dict[str, Any]:
    """Return the table: name → source, people, aus, named orders, folds (test, train; else every other subject)."""
    table = resources.files(__package__) / "tables" / "folds.json"
    content: dict[str, Any] = json.loads(table.read_text(encoding="utf-8"))
    return content


def partition_names() -> list[str]:
    """Return the names of the published partitions; `partition_orders` are further spellings of some."""
    return sorted(published())


def partition_orders() -> list[str]:
    """Return the spellings `name@order`: the same folds, numbered as in the public code that the order names."""
    return sorted(f"{name}{ORDER_SIGN}{order}" for name, entry in published().items() for order in entry["orders"])


def partition_people(spec: str) -> str | None:
    """Return the group of data sets whose people the partition `name` or `name@order` divides; None: no partition."""
    entry = published().get(spec.strip().lower().partition(ORDER_SIGN)[0])
    return None if entry is None else str(entry["people"])


def partition(spec: str, known: Sequence[str], person: Person | None = None) -> Protocol:
    """Return the published partition `name` or `name@order`; subjects the store lacks are left out and told.

    Raises InputError for an unknown name or order, or when no subject of a side is in the store.
    """
    name, sign, order = spec.partition(ORDER_SIGN)
    entry = published()[name]
    listed = entry["folds"]
    if sign:
        if order not in entry["orders"]:
            named = ", ".join(f"{name}{ORDER_SIGN}{other}" for other in sorted(entry["orders"])) or "none"
            raise InputError(f"{spec!r} is not a known order of the folds", remedy=f"Write {name}, or one of: {named}")
        by_name = {fold["name"]: fold for fold in listed}
        listed = [by_name[fold] for fold in entry["orders"][order]]
    everyone = sorted({subject for fold in listed for side in ("test", "train") for subject in fold.get(side, ())})
    folds = tuple(_present(fold, name, everyone, known, person) for fold in listed)
    notes = []
    if absent := sorted(set(everyone) - set(known)):
        notes.append(f"{len(absent)} of the {len(everyone)} subjects of {name} are not in the store: {few(absent)}")
    if unused := sorted(set(known) - set(everyone)):
        notes.append(f"{len(unused)} subjects of the store are not part of {name} and are not used: {few(unused)}")
    for fold in folds:
        if dropped := sorted((set(everyone) & set(known)) - {*fold.train, *fold.test}):
            notes.append(
                f"fold {fold.name}: {len(dropped)} subjects are people of the test subjects under another name "
                f"and are not trained on: {few(dropped)}"
            )
    aus = {task: tuple(numbers) for task, numbers in entry["aus"].items()}
    return Protocol(spec, folds, entry["source"], tuple(notes), aus)


def _present(
    listed: dict[str, Any], name: str, everyone: Sequence[str], known: Sequence[str], person: Person | None
) -> Fold:
    """Return a listed fold with the subjects that the store has; one on each side must remain."""
    there = set(known)
    test = [subject for subject in listed["test"] if subject in there]
    tested = {who(subject, person) for subject in test}
    train = [s for s in listed.get("train", against_rest("", listed["test"], everyone).train) if s in there]
    train = [subject for subject in train if who(subject, person) not in tested]
    if not train or not test:
        raise InputError(
            f"the store has no {'test' if train else 'train'} subject of fold {listed['name']} of {name} "
            f"(it names {few(everyone)}; the store has {few(sorted(there))})",
            remedy="Use holdout:25% or kfold:3, or give a .json file of folds",
        )
    return Fold(listed["name"], tuple(sorted(train)), tuple(sorted(test)))
