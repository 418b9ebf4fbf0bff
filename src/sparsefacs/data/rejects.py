"""What gave no face, and why: counted by reason; listed in `store.json`, or beside it where the list is long."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, overload

from ..errors import InputError
from ..files import atomic_path, from_cell, to_cell

REJECTED_CSV = "rejected.csv"
LISTED = 10_000
"""As many rejects stand in `store.json`; more make it unreadable, and all of them then stand in `rejected.csv`."""

_DIFFERS = re.compile(r"^(?:[A-Za-z]:)?[^:(]*[\\/][^:]*(?=: )|\(.*\)|\d+(?:[.,]\d+)*")


def too_narrow(min_face: float) -> str:
    """Return the reason of a reject whose faces are all narrower than `min_face` pixels."""
    return f"no face at least {min_face:.0f} pixels wide"


@dataclass(frozen=True, slots=True)
class Reject:
    """A source file or frame that gave no face, and why; frame None means the whole file."""

    source: str
    frame: int | None
    reason: str

    def as_json(self) -> dict[str, Any]:
        """Return the reject as it stands in `store.json`."""
        return {"source": self.source, "frame": self.frame, "reason": self.reason}


class ReasonCounts:
    """Counts rejects by reason; reasons that differ in a path, numbers or what stands in brackets are one.

    So "is damaged (4 bytes missing)" and "is damaged (9 bytes missing)" are counted together, as "is damaged (…)".
    """

    def __init__(self, rejected: Iterable[Reject] = ()) -> None:
        self._counts: dict[str, int] = {}
        self._shown: dict[str, str] = {}
        for reject in rejected:
            self.add(reject.reason)

    def add(self, reason: str) -> None:
        """Count one reject for `reason`."""
        kind = _DIFFERS.sub(lambda found: "(…)" if found[0][0] == "(" else "…", reason)
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if self._shown.setdefault(kind, reason) != reason:
            self._shown[kind] = kind

    def as_dict(self) -> dict[str, int]:
        """Return reason → count, the most frequent first."""
        ranked = sorted(self._counts.items(), key=lambda item: -item[1])
        return {self._shown[kind]: count for kind, count in ranked}


class RejectFile(Sequence[Reject]):
    """The rejects of `rejected.csv`, read from the disk each time they are gone through: never held in memory."""

    def __init__(self, path: Path, count: int) -> None:
        self.path, self._count = path, count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Reject]:
        try:
            with self.path.open(encoding="utf-8", newline="") as handle:
                for row in csv.DictReader(handle):
                    frame = int(row["frame"]) if row["frame"] else None
                    yield Reject(from_cell(row["source"]), frame, from_cell(row["reason"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
            raise InputError(
                f"the list of rejected files cannot be read ({error})",
                path=self.path,
                remedy="Copy the store again, or make it again with `sparsefacs prepare`",
            ) from error

    @overload
    def __getitem__(self, place: int) -> Reject: ...
    @overload
    def __getitem__(self, place: slice) -> list[Reject]: ...
    def __getitem__(self, place: int | slice) -> Reject | list[Reject]:
        if isinstance(place, slice):
            start, stop, step = place.indices(self._count)
            return list(islice(self, start, stop, step)) if step > 0 else list(self)[place]
        if not -self._count <= place < self._count:
            raise IndexError(place)
        return next(islice(self, place % self._count, None))


def gather(each: Callable[[], Iterable[Reject]], store: Path) -> tuple[Sequence[Reject], dict[str, int]]:
    """Return all rejects that `each()` goes through, and their counts by reason.

    More than `LISTED` are not held but written to a file in the folder `store`, for which `each` is called again.
    """
    counts, listed, total = ReasonCounts(), list[Reject](), 0
    for reject in each():
        counts.add(reject.reason)
        total += 1
        if total <= LISTED:
            listed.append(reject)
    if total == len(listed):
        return tuple(listed), counts.as_dict()
    path = store / REJECTED_CSV
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as handle,
    ):
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("source", "frame", "reason"))
        for reject in each():
            frame = "" if reject.frame is None else reject.frame
            writer.writerow((to_cell(reject.source), frame, to_cell(reject.reason)))
    return RejectFile(path, total), counts.as_dict()


def read_rejected(store: Path, described: dict[str, Any]) -> Sequence[Reject]:
    """Return all rejects of the store in folder `store`, whose `store.json` says `described`."""
    listed = tuple(Reject(**reject) for reject in described["rejected"])
    total = described.get("rejected_count", len(listed))
    return listed if total == len(listed) else RejectFile(store / REJECTED_CSV, total)
