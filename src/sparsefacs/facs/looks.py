"""What to look at, in a sentence or two an AU (tables/looks.csv).

Written for this program after the appearance changes that the manual names (Ekman, Friesen & Hager 2002); they remind a
coder of what was learned, and do not stand in for the manual.
"""

import csv
from functools import lru_cache
from importlib import resources


def look(au: int) -> str:
    """Return what to look at in AU number `au`."""
    return _looks()[au]


@lru_cache(maxsize=1)
def _looks() -> dict[int, str]:
    with (resources.files(__package__) / "tables" / "looks.csv").open(encoding="utf-8") as handle:
        return {int(row["au"]): row["look"] for row in csv.DictReader(handle)}
