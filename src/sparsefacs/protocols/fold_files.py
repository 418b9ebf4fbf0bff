"""Folds of the user's own: a JSON file of subject lists, as written by hand or by an earlier run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import hash_json, read_json
from .division import Fold, Person, Protocol, few, who

_REMEDY = 'Write {"name": …, "folds": [{"train": […], "validation": […], "test": […]}]}; only "test" must be there'
_KEYS = {"name", "source", "hash", "notes", "aus", "folds"}


def read_folds(path: Path, known: Sequence[str], person: Person | None = None) -> Protocol:
    """Read a JSON file of folds over the store's subjects `known`; raises InputError that names the file and fold."""
    content = read_json(path, what="the protocol file", remedy=_REMEDY)
    if not isinstance(content, dict) or not isinstance(content.get("folds"), list) or not content["folds"]:
        raise InputError("holds no list of folds", path=path, remedy=_REMEDY)
    _only_keys(content, _KEYS, "the protocol", path)
    folds = [_fold(fold, number, known, person, path) for number, fold in enumerate(content["folds"], start=1)]
    if len({fold.name for fold in folds}) < len(folds):
        raise InputError("two folds have the same name", path=path, remedy="Give every fold its own name")
    notes = content.get("notes", [])
    protocol = Protocol(
        str(content.get("name", path.stem)),
        tuple(folds),
        str(content.get("source", f"file {path.name}")),
        tuple(map(str, notes if isinstance(notes, list) else [notes])),
        _aus(content.get("aus", {}), path),
    )
    as_listed = hash_json([fold.as_json() for fold in folds])  # files of earlier versions hash the folds as they stand
    if content.get("hash", protocol.hash) not in (protocol.hash, as_listed):
        raise InputError(
            "its hash is not that of its folds, so the folds were changed after it was written",
            path=path,
            remedy='Take the original file, or delete its "hash" to make this a protocol of your own',
        )
    return protocol


def _fold(entry: Any, number: int, known: Sequence[str], person: Person | None, path: Path) -> Fold:
    where = f"fold {number}"
    if not isinstance(entry, dict) or "test" not in entry:
        raise InputError(f'{where} has no "test" list', path=path, remedy="Name the subjects to test on")
    _only_keys(entry, {"name", "train", "validation", "test"}, where, path)
    test = _side(entry["test"], f"{where} test", known, path)
    validation: tuple[str, ...] = ()
    if "validation" in entry:
        validation = _side(entry["validation"], f"{where} validation", known, path)
    if "train" in entry:
        train = _side(entry["train"], f"{where} train", known, path)
    else:
        kept = {who(name, person) for name in (*test, *validation)}
        train = tuple(name for name in known if who(name, person) not in kept)
    if not train:
        raise InputError(f"{where} leaves no subject to train on", path=path, remedy="Test on fewer subjects")
    try:
        fold = Fold(str(entry.get("name", number)), *(tuple(sorted(side)) for side in (train, test, validation)))
    except InputError as error:
        raise InputError(error.problem, path=path, remedy=error.remedy) from error
    if told := fold.crossing(person):
        raise InputError(
            f"fold {fold.name} has people of two names on two sides: {told}",
            path=path,
            remedy='Keep all names of a person on one side, or leave "train" out to train on everyone else',
        )
    return fold


def _side(listed: Any, where: str, known: Sequence[str], path: Path) -> tuple[str, ...]:
    if not isinstance(listed, list) or not all(isinstance(subject, str) for subject in listed):
        raise InputError(f"{where} is not a list of subject names", path=path, remedy='Write ["S01", "S02"], in quotes')
    if not listed:
        raise InputError(f"{where} is empty", path=path, remedy="Name at least one subject")
    if repeated := sorted({subject for subject in listed if listed.count(subject) > 1}):
        raise InputError(f"{where} names {few(repeated)} twice", path=path, remedy="Name every subject once")
    if unknown := sorted(set(listed) - set(known)):
        raise InputError(
            f"{where} names subjects that the store does not have: {few(unknown)}",
            path=path,
            remedy=f"The store has {few(known)}",
        )
    return tuple(listed)


def _aus(listed: Any, path: Path) -> dict[str, tuple[int, ...]]:
    lists = listed.values() if isinstance(listed, dict) else [None]
    if not all(isinstance(aus, list) and aus and all(type(au) is int and au > 0 for au in aus) for aus in lists):
        raise InputError('"aus" is not lists of AU numbers', path=path, remedy='Write {"occurrence": [1, 2, 4]}')
    _only_keys(listed, {"occurrence", "intensity"}, '"aus"', path)
    return {task: tuple(aus) for task, aus in listed.items()}


def _only_keys(entry: dict[str, Any], allowed: set[str], where: str, path: Path) -> None:
    if unknown := sorted(set(map(str, entry)) - allowed):
        raise InputError(f"{where} has an unknown key {unknown[0]!r}", path=path, remedy=f"Keys: {sorted(allowed)}")
