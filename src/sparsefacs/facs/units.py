"""The action units of FACS: number, name, muscles (Ekman, Friesen & Hager 2002; table in tables/units.csv)."""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

from ..errors import InputError


@dataclass(frozen=True)
class ActionUnit:
    """One action unit: FACS number, name, muscles that make it, half of the face it shows in, other names."""

    number: int
    name: str
    muscles: tuple[str, ...]
    region: str
    synonyms: tuple[str, ...] = ()


def _read_units() -> dict[int, ActionUnit]:
    table = resources.files(__package__) / "tables" / "units.csv"
    with table.open(encoding="utf-8") as handle:
        return {
            int(row["au"]): ActionUnit(
                int(row["au"]),
                row["name"],
                tuple(row["muscles"].split("; ")),
                row["region"],
                tuple(name for name in row["synonyms"].split("; ") if name),
            )
            for row in csv.DictReader(handle)
        }


UNITS: dict[int, ActionUnit] = _read_units()


def column(au: int, kind: str) -> str:
    """Return OpenFace's column name of AU number `au`: kind `c` occurrence, `r` intensity, `p` probability.

    Not of OpenFace, in predictions: `true` the label, `limit` the probability from which the AU counts as present.
    """
    return f"AU{au:02d}_{kind}"


def parse_aus(text: str | Iterable[int | str]) -> tuple[int, ...]:
    """Read an AU list such as `1,2,4` or `AU1,AU02` in the order given; raises InputError on an unknown AU."""
    items = text.split(",") if isinstance(text, str) else list(text)
    numbers: list[int] = []
    for item in items:
        match = re.fullmatch(r"\s*(?:AU)?0*(\d+)\s*", str(item), flags=re.IGNORECASE)
        if match is None:
            raise InputError(f"{str(item)!r} is not an action unit", remedy="Write AUs as numbers: 1,2,4,6,12")
        number = int(match[1])
        if number not in UNITS:
            known = ", ".join(str(known) for known in UNITS)
            raise InputError(f"AU{number} is not a known action unit", remedy=f"Known AUs: {known}")
        if number in numbers:
            raise InputError(f"AU{number} is named twice", remedy="Name every AU once")
        numbers.append(number)
    return tuple(numbers)
