"""Folds drawn from the store's own subjects: by seed, or a data set at a time. People are divided, not names."""

from collections.abc import Sequence

from ..errors import InputError
from .division import Fold, Person, Protocol, against_rest, few, who
from .draw import shuffled

LEAVE_ONE_OUT = "leave-one-data-set-out"
EVERYONE = "everyone"


def everyone(known: Sequence[str]) -> Protocol:
    """Return the fold that trains on all people, so that nobody is left to score it on."""
    note = "nobody is left to test on, so the run is not scored: score it on other people"
    return Protocol(EVERYONE, (Fold(EVERYONE, tuple(sorted(set(known))), ()),), "all people of the store", (note,))


def tested_on(people: Sequence[str], known: Sequence[str], person: Person | None = None) -> Protocol:
    """Return the fold that tests on `people`, whose faces `sparsefacs label` kept for it, and trains on the rest."""
    fold = against_rest("kept", people, known, person)
    if not fold.train:
        raise InputError("all people with labels are kept for the test", remedy="Code some faces of others")
    return Protocol("kept", (fold,), "the people whose faces `sparsefacs label` kept for the test")


def holdout(percent: float, known: Sequence[str], seed: int, person: Person | None = None) -> Protocol:
    """Return one fold that tests on `percent` % of the people; raises InputError when a side would be empty."""
    if not 0 < percent < 100:
        raise InputError(f"holdout:{percent:g}% leaves one side empty", remedy="Give a percentage between 0 and 100")
    order = _people(known, seed, person, 2, "a hold-out")
    tested = min(max(round(len(order) * percent / 100), 1), len(order) - 1)
    fold = Fold("holdout", _names(order[tested:], known, person), _names(order[:tested], known, person))
    return Protocol(f"holdout:{percent:g}%", (fold,), f"drawn with seed {seed}")


def kfold(folds: int, known: Sequence[str], seed: int, person: Person | None = None) -> Protocol:
    """Return `folds` folds, each person tested on once; raises InputError when there are fewer people than folds."""
    if folds < 2:
        raise InputError(f"kfold:{folds} is not a division", remedy="Give at least 2 folds, or use holdout:25%")
    order = _people(known, seed, person, folds, f"{folds} folds")
    parts = [_names(order[start::folds], known, person) for start in range(folds)]
    made = [against_rest(str(number), part, known) for number, part in enumerate(parts, start=1)]
    return Protocol(f"kfold:{folds}", tuple(made), f"drawn with seed {seed}")


def split(shares: Sequence[float], known: Sequence[str], seed: int, person: Person | None = None) -> Protocol:
    """Return one fold of train and test (two shares, %) or train, validation and test (three), by person.

    Every side has at least one person. Raises InputError unless the shares are over 0 and sum to 100.
    """
    text = "-".join(f"{share:g}" for share in shares)
    if len(shares) not in (2, 3) or min(shares) <= 0 or abs(sum(shares) - 100) > 1e-9:
        raise InputError(
            f"split:{text} is not a division into train, (validation) and test",
            remedy="Give two or three percentages over 0 that sum to 100, such as split:60-20-20",
        )
    order = _people(known, seed, person, len(shares), f"split:{text}")
    sides, taken = [], 0
    for left, share in zip(range(len(shares) - 1, 0, -1), reversed(shares[1:]), strict=True):  # test, then validation
        number = min(max(round(len(order) * share / 100), 1), len(order) - taken - left)
        sides.append(_names(order[taken : taken + number], known, person))
        taken += number
    fold = Fold("split", _names(order[taken:], known, person), sides[0], sides[1] if len(sides) > 1 else ())
    name = text if text == "60-20-20" else f"split:{text}"
    return Protocol(name, (fold,), f"drawn with seed {seed}")


def leave_one_out(known: Sequence[str], person: Person | None = None) -> Protocol:
    """Return a fold for each data set of a joined store, whose subjects are called `data set:subject`.

    A fold tests on one data set and trains on the others, but for names of people it tests on, which the notes
    count. Raises InputError for fewer than two data sets, or when no one is left to train on.
    """
    corpora: dict[str, list[str]] = {}
    for name in known:
        corpora.setdefault(name.partition(":")[0] if ":" in name else "", []).append(name)
    if len(corpora) < 2 or "" in corpora:
        named = few(sorted(corpus for corpus in corpora if corpus)) if set(corpora) - {""} else "no data set"
        raise InputError(
            f"{LEAVE_ONE_OUT} needs subjects of two data sets, called `data set:subject`; "
            f"the store's subjects name {named} (its subjects: {few(known)})",
            remedy="Join stores of other data sets with `--with STORE`",
        )
    folds, notes = [], []
    for corpus in sorted(corpora):
        fold = against_rest(corpus, corpora[corpus], known, person)
        if left_out := sorted(set(known) - set(fold.train) - set(fold.test)):
            notes.append(
                f"fold {corpus}: {len(left_out)} subjects of other data sets are people of {corpus} "
                f"and are not trained on: {few(left_out)}"
            )
        if not fold.train:
            raise InputError(
                f"{LEAVE_ONE_OUT} leaves no one to train on for {corpus}: the other data sets show only people of it",
                remedy="Join a data set of other people with `--with STORE`",
            )
        folds.append(fold)
    return Protocol(LEAVE_ONE_OUT, tuple(folds), f"the store's data sets: {', '.join(sorted(corpora))}", tuple(notes))


def _people(known: Sequence[str], seed: int, person: Person | None, needed: int, what: str) -> list[str]:
    """Return the store's people in an order that the seed decides; raises InputError if there are under `needed`."""
    order = shuffled(seed, "subjects", [who(name, person) for name in known])
    if len(order) < needed:
        raise InputError(
            f"the store has {len(order)} subject{'s' * (len(order) != 1)}, too few for {what}",
            remedy=f"Use a store with at least {needed} subjects, since no subject may be trained and tested on",
        )
    return order


def _names(people: Sequence[str], known: Sequence[str], person: Person | None) -> tuple[str, ...]:
    chosen = set(people)
    return tuple(sorted(name for name in known if who(name, person) in chosen))
