"""Folds: who is trained on and who is tested on. No subject is ever on both sides of a fold."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import hash_json, read_json
from .draw import shuffled

DEFAULT_PROTOCOL = "holdout:25%"
FORMS = "holdout:25%, kfold:3, a .json file of folds"


@dataclass(frozen=True)
class Fold:
    """One division of the subjects, both sides sorted."""

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Protocol:
    """The folds of one evaluation; `source` says where they come from, `notes` what the user should be told."""

    name: str
    folds: tuple[Fold, ...]
    source: str
    notes: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """Hash of the folds alone: equal hashes mean the same subjects on the same sides, whatever the name."""
        return hash_json(_fold_lists(self.folds))

    def fold(self, name: str) -> Fold:
        """Return the fold called `name`; raises InputError when there is none."""
        for fold in self.folds:
            if fold.name == name:
                return fold
        raise InputError(f"protocol {self.name} has no fold {name!r}", remedy=f"It has: {_few(self._names())}")

    def as_json(self) -> dict[str, Any]:
        """Return what is written to disk; `make_protocol` reads it back from a file."""
        return {
            "name": self.name,
            "source": self.source,
            "hash": self.hash,
            "notes": list(self.notes),
            "folds": _fold_lists(self.folds),
        }

    def _names(self) -> list[str]:
        return [fold.name for fold in self.folds]


def make_protocol(spec: str | Path = DEFAULT_PROTOCOL, subjects: Sequence[str] = (), seed: int = 0) -> Protocol:
    """Make the protocol that `spec` describes for the store's `subjects` (any order, repeats allowed).

    spec: `holdout:P%` (one fold, P % of the subjects tested on), `kfold:K` (each subject tested on once), the name
    of a published partition (`protocol_names`), or a JSON file `{"name": …, "folds": [{"train": […], "test": […]}]}`;
    a fold without "train" trains on every other subject. The seed matters to `holdout` and `kfold` alone.
    Raises InputError for a subject on both sides, an unknown subject, an empty side, too few subjects, a bad spec.
    """
    known = sorted({str(subject) for subject in subjects})
    text = str(spec).strip()
    if isinstance(spec, Path) or text.lower().endswith(".json"):
        return _from_file(Path(spec), known)
    if text.lower() in _published():
        return _from_table(text.lower(), known)
    if match := re.fullmatch(r"holdout:(\d+(?:\.\d+)?)%", text):
        return _holdout(float(match[1]), known, seed)
    if match := re.fullmatch(r"kfold:(\d+)", text):
        return _kfold(int(match[1]), known, seed)
    raise InputError(f"{text!r} is not a protocol", remedy=f"Write one of: {FORMS}, {', '.join(protocol_names())}")


def protocol_names() -> list[str]:
    """Return the names of the published partitions in tables/folds.json."""
    return sorted(_published())


def _holdout(percent: float, known: list[str], seed: int) -> Protocol:
    if not 0 < percent < 100:
        raise InputError(f"holdout:{percent:g}% leaves one side empty", remedy="Give a percentage between 0 and 100")
    _enough(known, 2, "a hold-out")
    tested = min(max(round(len(known) * percent / 100), 1), len(known) - 1)
    order = shuffled(seed, "subjects", known)
    fold = Fold("holdout", tuple(sorted(order[tested:])), tuple(sorted(order[:tested])))
    return Protocol(f"holdout:{percent:g}%", (fold,), f"drawn with seed {seed}")


def _kfold(folds: int, known: list[str], seed: int) -> Protocol:
    if folds < 2:
        raise InputError(f"kfold:{folds} is not a division", remedy="Give at least 2 folds, or use holdout:25%")
    _enough(known, folds, f"{folds} folds")
    order = shuffled(seed, "subjects", known)
    parts = [order[start::folds] for start in range(folds)]
    made = [_against_rest(str(number), part, known) for number, part in enumerate(parts, start=1)]
    return Protocol(f"kfold:{folds}", tuple(made), f"drawn with seed {seed}")


def _enough(known: list[str], needed: int, what: str) -> None:
    if len(known) < needed:
        raise InputError(
            f"the store has {len(known)} subject{'s' * (len(known) != 1)}, too few for {what}",
            remedy=f"Use a store with at least {needed} subjects, since no subject may be trained and tested on",
        )


def _against_rest(name: str, test: Sequence[str], known: Sequence[str]) -> Fold:
    tested = set(test)
    return Fold(name, tuple(sorted(s for s in known if s not in tested)), tuple(sorted(tested)))


def _published() -> dict[str, Any]:
    table = resources.files(__package__) / "tables" / "folds.json"
    published: dict[str, Any] = json.loads(table.read_text(encoding="utf-8"))
    return published


def _from_table(name: str, known: list[str]) -> Protocol:
    """Return a published partition; subjects the store lacks are left out and told, one on each side must remain."""
    entry = _published()[name]
    everyone = sorted({subject for fold in entry["folds"] for subject in fold["test"] + fold.get("train", [])})
    absent = sorted(set(everyone) - set(known))
    folds = []
    for listed in entry["folds"]:
        rest = _against_rest(listed["name"], listed["test"], everyone)
        train = tuple(s for s in sorted(listed.get("train", rest.train)) if s not in absent)
        test = tuple(s for s in rest.test if s not in absent)
        if not train or not test:
            side = "train" if not train else "test"
            raise InputError(
                f"the store has no {side} subject of fold {listed['name']} of {name} "
                f"(it names {_few(everyone)}; the store has {_few(known)})",
                remedy="Use holdout:25% or kfold:3, or give a .json file of folds",
            )
        folds.append(Fold(listed["name"], train, test))
    notes = []
    if absent:
        notes.append(f"{len(absent)} of the {len(everyone)} subjects of {name} are not in the store: {_few(absent)}")
    if unused := sorted(set(known) - set(everyone)):
        notes.append(f"{len(unused)} subjects of the store are not part of {name} and are not used: {_few(unused)}")
    return Protocol(name, tuple(folds), entry["source"], tuple(notes))


def _from_file(path: Path, known: list[str]) -> Protocol:
    remedy = 'Write {"name": …, "folds": [{"train": […], "test": […]}]}'
    content = read_json(path, what="the protocol file", remedy=remedy)
    if not isinstance(content, dict) or not isinstance(content.get("folds"), list) or not content["folds"]:
        raise InputError("holds no list of folds", path=path, remedy=remedy)
    _only_keys(content, {"name", "source", "hash", "notes", "folds"}, "the protocol", path)
    folds = tuple(_read_fold(fold, number, known, path) for number, fold in enumerate(content["folds"], start=1))
    names = [fold.name for fold in folds]
    if len(set(names)) < len(names):
        raise InputError("two folds have the same name", path=path, remedy="Give every fold its own name")
    notes = content.get("notes", [])
    protocol = Protocol(
        str(content.get("name", path.stem)),
        folds,
        str(content.get("source", f"file {path.name}")),
        tuple(map(str, notes if isinstance(notes, list) else [notes])),
    )
    if content.get("hash", protocol.hash) != protocol.hash:
        raise InputError(
            "its hash is not that of its folds, so the folds were changed after it was written",
            path=path,
            remedy='Take the original file, or delete its "hash" to make this a protocol of your own',
        )
    return protocol


def _read_fold(entry: Any, number: int, known: list[str], path: Path) -> Fold:
    where = f"fold {number}"
    if not isinstance(entry, dict) or "test" not in entry:
        raise InputError(f'{where} has no "test" list', path=path, remedy="Name the subjects to test on")
    _only_keys(entry, {"name", "train", "test"}, where, path)
    test = _read_side(entry["test"], f"{where} test", known, path)
    rest = _against_rest("", test, known).train
    train = _read_side(entry["train"], f"{where} train", known, path) if "train" in entry else rest
    if both := sorted(set(train) & set(test)):
        raise InputError(
            f"{where} has {_few(both)} in both train and test",
            path=path,
            remedy="Keep each subject on one side: a model must be tested on people it has not seen",
        )
    if not train:
        raise InputError(f"{where} leaves no subject to train on", path=path, remedy="Test on fewer subjects")
    return Fold(str(entry.get("name", number)), tuple(sorted(train)), tuple(sorted(test)))


def _read_side(listed: Any, where: str, known: list[str], path: Path) -> tuple[str, ...]:
    if not isinstance(listed, list) or not all(isinstance(subject, str) for subject in listed):
        raise InputError(f"{where} is not a list of subject names", path=path, remedy='Write ["S01", "S02"], in quotes')
    if not listed:
        raise InputError(f"{where} is empty", path=path, remedy="Name at least one subject")
    if repeated := sorted({subject for subject in listed if listed.count(subject) > 1}):
        raise InputError(f"{where} names {_few(repeated)} twice", path=path, remedy="Name every subject once")
    if unknown := sorted(set(listed) - set(known)):
        raise InputError(
            f"{where} names subjects that the store does not have: {_few(unknown)}",
            path=path,
            remedy=f"The store has {_few(known)}",
        )
    return tuple(listed)


def _only_keys(entry: dict[str, Any], allowed: set[str], where: str, path: Path) -> None:
    if unknown := sorted(set(map(str, entry)) - allowed):
        raise InputError(f"{where} has an unknown key {unknown[0]!r}", path=path, remedy=f"Keys: {sorted(allowed)}")


def _fold_lists(folds: Sequence[Fold]) -> list[dict[str, Any]]:
    return [{"name": fold.name, "train": list(fold.train), "test": list(fold.test)} for fold in folds]


def _few(names: Sequence[str], shown: int = 5) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return (", ".join(names[:shown]) or "none") + more
