"""Who is who across stores: a person is a subject's name within the data sets that share people."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .joined import AnyStore

Person = tuple[str | None, str]
"""Which group of data sets shares the names (None: not known), and the subject's name there."""
MOST_LISTED = 20_000  # people of a store named one by one in a run; of larger stores only the group is kept


def people_of(store: "AnyStore") -> dict[str, Person]:
    """Return subject name → person, for every subject of `store`."""
    persons: dict[str, Person] = {}
    for part in store.parts:
        group = part.info.source.get("people")
        for name in np.unique(part.strings("subject")).tolist():
            persons[store.subject_name(part, name)] = (group, name)
    return persons


def same_people(store: "AnyStore", persons: Iterable[Person]) -> NDArray[np.bool_]:
    """Return, for each row of `store`, whether it may show one of `persons`, (M,).

    Names are compared; only names of two groups that are both known and differ are surely different people. So
    F001 of BP4D is not F001 of BP4D+, SN001 of DISFA is SN001 of DISFA+, and in doubt a face is taken to match.
    """
    by_name: dict[str, set[str | None]] = {}
    for group, name in persons:
        by_name.setdefault(name, set()).add(group)

    def known(person: Person) -> bool:
        group, name = person
        groups = by_name.get(name)
        return groups is not None and (group is None or None in groups or group in groups)

    matching = [name for name, person in people_of(store).items() if known(person)]
    return np.isin(store.strings("subject"), matching)


def person_names(store: "AnyStore") -> dict[str, str] | None:
    """Return subject name → a name for the person, the same for one person in two corpora; None for a plain store."""
    if len(store.parts) == 1:
        return None
    return {name: f"{group or ''}:{own}" for name, (group, own) in people_of(store).items()}


@dataclass(frozen=True)
class SeenPeople:
    """Who had a part in a training, labelled or not, or in choosing from it: persons, and whole groups of them."""

    persons: frozenset[Person]
    groups: frozenset[str] = frozenset()

    def rows(self, store: "AnyStore") -> NDArray[np.bool_]:
        """Return, for each row of `store`, whether it may show one of them, (M,)."""
        found = same_people(store, self.persons)
        names = [name for name, (group, _) in people_of(store).items() if group in self.groups]
        return np.asarray(found | np.isin(store.strings("subject"), names))

    def __or__(self, other: "SeenPeople") -> "SeenPeople":
        return SeenPeople(self.persons | other.persons, self.groups | other.groups)

    def as_json(self) -> dict[str, Any]:
        """Return what a run's protocol.json keeps."""
        return {
            "persons": [list(person) for person in sorted(self.persons, key=lambda p: (p[0] or "", p[1]))],
            "groups": sorted(self.groups),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "SeenPeople":
        """Read what `as_json` wrote."""
        persons = frozenset((group, str(name)) for group, name in content["persons"])
        return cls(persons, frozenset(content["groups"]))

    @classmethod
    def of_plan(cls, plan: Mapping[str, Any]) -> "SeenPeople":
        """Return whom a run has seen, told its protocol.json; one of an earlier version names who trained alone."""
        if plan.get("seen") is not None:
            return cls.from_json(plan["seen"])
        return cls(frozenset((None, str(name)) for name in plan["fold"]["train"]))

    @classmethod
    def of(cls, store: "AnyStore", names: Iterable[str], others: "AnyStore | None") -> "SeenPeople":
        """Return the people called `names` in `store`, and all of the store `others`, whose faces were used too."""
        known = people_of(store)
        persons = {known[name] for name in names}
        extra = set() if others is None else set(people_of(others).values())
        groups = {group for group, _ in extra if group is not None}
        if len(extra) > MOST_LISTED:
            extra = {person for person in extra if person[0] is None}
            return cls(frozenset(persons | extra), frozenset(groups))
        return cls(frozenset(persons | extra))
