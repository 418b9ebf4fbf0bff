"""Protocols: who is trained on and who is tested on. No subject, and no person, is ever on both sides of a fold."""

import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from .division import Fold, Person, Protocol
from .drawn import EVERYONE, LEAVE_ONE_OUT, everyone, holdout, kfold, leave_one_out, split
from .fold_files import read_folds
from .partitions import ORDER_SIGN, partition, partition_names, partition_orders

__all__ = ["DEFAULT_PROTOCOL", "FORMS", "Fold", "Protocol", "make_protocol", "protocol_names"]

DEFAULT_PROTOCOL = "holdout:25%"
FORMS = f"holdout:25%, kfold:3, 60-20-20, split:70-30, {LEAVE_ONE_OUT}, {EVERYONE}, a .json file of folds"
_NUMBER = r"\d+(?:\.\d+)?"


def make_protocol(
    spec: str | Path = DEFAULT_PROTOCOL, subjects: Sequence[str] = (), seed: int = 0, person: Person | None = None
) -> Protocol:
    """Make the protocol that `spec` describes for the store's `subjects` (any order, repeats allowed).

    spec: `holdout:P%` (one fold, P % of the subjects tested on); `kfold:K` (each subject tested on once);
    `60-20-20` or `split:A-B[-C]` (one fold: train, validation where there are three, test, in %);
    `everyone` (all are trained on, nobody is tested on);
    `leave-one-data-set-out` (a fold for each data set of a joined store, subjects called `data set:subject`);
    a published partition (`protocol_names`), `name@order` for the same folds in another order; or a JSON file
    `{"name": …, "folds": [{"train": […], "validation": […], "test": […]}]}`, where a fold without "train" trains on
    every other subject. The seed matters to `holdout`, `kfold` and splits alone.
    person: subject name → who that is (default: itself). All names of a person lie on one side of a fold, or are
    left out of it.
    Raises InputError for a subject on two sides, an unknown subject, an empty side, too few subjects, a bad spec.
    """
    known = sorted({str(subject) for subject in subjects})
    text = str(spec).strip()
    if isinstance(spec, Path) or text.lower().endswith(".json"):
        return read_folds(Path(spec), known, person)
    text = text.lower()
    if text.partition(ORDER_SIGN)[0] in partition_names():
        return partition(text, known, person)
    if match := re.fullmatch(rf"holdout:({_NUMBER})%", text):
        return holdout(float(match[1]), known, seed, person)
    if match := re.fullmatch(r"kfold:(\d+)", text):
        return kfold(int(match[1]), known, seed, person)
    if match := re.fullmatch(rf"split:({_NUMBER}(?:-{_NUMBER})+)|(60-20-20)", text):
        return split([float(share) for share in (match[1] or match[2]).split("-")], known, seed, person)
    if text in (EVERYONE, LEAVE_ONE_OUT, "leave-one-dataset-out"):
        return everyone(known) if text == EVERYONE else leave_one_out(known, person)
    names = ", ".join([*protocol_names(), *partition_orders()])
    hint = f"{text}%? " if re.fullmatch(rf"holdout:{_NUMBER}", text) else ""
    raise InputError(f"{text!r} is not a protocol", remedy=f"{hint}Write one of: {FORMS}, {names}")


def protocol_names() -> list[str]:
    """Return the names of the published partitions in tables/folds.json."""
    return partition_names()
