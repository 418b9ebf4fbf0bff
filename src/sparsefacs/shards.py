"""Work in shards: which part of it one of several processes does, on this machine or on a cluster's.

Who does what depends on the work and on the number of shards alone, never on who has run before.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace
from pathlib import Path

from .errors import InputError

_SLURM = "SLURM_ARRAY_TASK_"
OWN_INPUTS = "where each task has inputs of its own, add --shard 1/1"
"""What to do in an array whose tasks do not share their work, which nothing but its user knows."""


@dataclass(frozen=True)
class Shard:
    """Shard `number`, from 1, of `of`. told_by: who says so, where that was not the user."""

    number: int = 1
    of: int = 1
    told_by: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise InputError(f"there is no shard {self.number} of {self.of}", remedy="Give --shard 1/8 up to 8/8")

    @property
    def is_whole(self) -> bool:
        """Say whether it is all of the work."""
        return self.of == 1

    @property
    def name(self) -> str:
        """Return it in words."""
        return f"shard {self.number} of {self.of}" + (f" ({self.told_by})" if self.told_by else "")

    def check_busy(self, pieces: int, source: Path) -> None:
        """Raise InputError where Slurm said which shard this is and none of so many pieces of work is left for it.

        Its tasks may have inputs of their own then, and would each do next to nothing. A user who names an empty shard
        knows that it is one.
        """
        if self.told_by and self.number > pieces:
            raise InputError(
                f"nothing is left for {self.name}, since there are more tasks than pieces of work ({pieces})",
                path=source,
                remedy=f"{OWN_INPUTS[0].upper()}{OWN_INPUTS[1:]}; where they share these, submit a smaller array",
            )


WHOLE = Shard()


def read_shard(given: str | None, environment: Mapping[str, str] = os.environ) -> Shard:
    """Return the shard that `given` ("3/8") names; None: the task of a Slurm array that this is, else all.

    Slurm's tasks may be numbered from any number and by any step; raises InputError where they have gaps.
    """
    if given is not None:
        number, sign, of = given.partition("/")
        if not (sign and number.isascii() and number.isdigit() and of.isascii() and of.isdigit()):
            raise InputError(f"--shard {given} is not possible", remedy="Give --shard 1/8 up to 8/8")
        return Shard(int(number), int(of))
    told = {key: environment.get(f"{_SLURM}{key}", "") for key in ("ID", "COUNT", "MIN", "STEP")}
    if not (told["ID"] and told["COUNT"]):
        return WHOLE
    try:
        task, count, first = int(told["ID"]), int(told["COUNT"]), int(told["MIN"] or 0)
        place, beside = divmod(task - first, int(told["STEP"] or 1))
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"Slurm's {_SLURM}ID … are no numbers", remedy="Give --shard i/n") from error
    if beside or not 0 <= place < count:
        raise InputError(
            f"Slurm's array has gaps: task {task} is none of {count} from {first} on",
            remedy="Say which shard this is, such as --shard $SLURM_ARRAY_TASK_ID/8, or --shard 1/1 for all",
        )
    return Shard(place + 1, count, "task of a Slurm array")


def deal(sizes: Sequence[int], shards: int) -> list[int]:
    """Return the shard, from 1, of each piece of work, so that each shard has about as much: the largest first."""
    heap = [(0, shard) for shard in range(1, shards + 1)]
    heapify(heap)
    dealt = [0] * len(sizes)
    for place in sorted(range(len(sizes)), key=lambda place: (-sizes[place], place)):
        load, shard = heap[0]
        dealt[place] = shard
        heapreplace(heap, (load + max(sizes[place], 1), shard))
    return dealt
