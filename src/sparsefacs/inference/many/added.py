"""Photos and videos that were put among the inputs after `predict` had looked, which the plan does not know."""

from collections.abc import Sequence
from pathlib import Path, PurePath

from ...data.media import is_media
from ...errors import InputError
from ...files import file_problem, is_folder
from ..sources import Source, list_sources
from .manifest import Entry
from .plan import Plan
from .units import Unit, units_of
from .work import AGAIN, input_changed


def with_added(plan: Plan, found: Sequence[Entry]) -> list[Entry]:
    """Return the inputs that are expected, those as changed to which photos were added, and behind them new ones.

    Looked into are the folders that `predict` was given, as far as they are still there.
    """
    by_input = {entry.input: entry for entry in found}
    new: list[Entry] = []
    for unit in units_of(_unknown(plan, found)):
        entry = by_input.get(unit.input)
        if entry is None:
            problem = "was put there after the inputs were listed, and is not coded yet"
            missing = InputError(problem, path=unit.input, remedy=AGAIN.capitalize())
            new.append(Entry(unit.input, unit.place, None, "missing", str(missing)))
        elif entry.status == "done":  # of all others it is said already that they are to be coded
            by_input[unit.input] = entry.changed(input_changed(plan, entry.place, unit.input, _problem(unit)))
    return [*by_input.values(), *new]


def _problem(unit: Unit) -> str:
    first, more = unit.sources[0].name, len(unit.sources) - 1
    return f"its photos are not those that were coded: {first}{f' and {more} more' if more else ''} came later"


def _unknown(plan: Plan, found: Sequence[Entry]) -> list[Source]:
    """Return the photos and videos in the folders searched of which neither the plan nor a record tells."""
    coded = [file["input"] for entry in found for file in (entry.told or {}).get("files", [])]
    names = dict.fromkeys([*coded, *(entry.input for entry in found if is_media(Path(entry.input)))])
    seen = {Path(name).resolve() for name in names}
    unknown: list[Source] = []
    for folder in (Path(name) for name in plan.searched if _is_here(name, list(names))):
        try:
            sources = list_sources([folder])
        except InputError:  # moved away by now, or emptied
            continue
        for source in sources:
            if (path := source.path.resolve()) not in seen:
                seen.add(path)
                unknown.append(source)
    return unknown


def _is_here(name: str, known: Sequence[str]) -> bool:
    """Say whether the folder `name` is the one that was searched: from elsewhere, `videos` may be another's videos."""
    below = (file for file in known if PurePath(file).is_relative_to(name))
    return is_folder(Path(name)) and (Path(name).is_absolute() or any(not file_problem(Path(file)) for file in below))
