"""`predict --out FOLDER`: codes what is missing, goes on past bad files, and says what came of it."""

import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...data.store import Reject
from ...errors import InputError
from ...files import check_new_name
from ...progress import progress
from ...shards import WHOLE, Shard
from ..beside import beside_content
from ..contract import Coder
from ..origin import Origin
from ..pipeline import Way
from ..sources import list_sources
from .crew import code_in_processes
from .manifest import entries, write_manifest
from .plan import Codes, Listing, Plan, agree, hold, job_of, remove_manifest
from .units import Unit, units_of
from .work import Job, Loaded, Outcome, Worker, loaded, look_at


@dataclass(frozen=True)
class FolderSummary:
    """What `predict` did in a folder of codes.

    planned: inputs in all; before: of this shard's, those that were coded already; outcomes: of the others.
    passed_over: what could be an input but is not read, and why; the first shard tells it for all.
    """

    out: Path
    shard: Shard
    planned: int
    before: int
    outcomes: tuple[Outcome, ...]
    passed_over: tuple[tuple[str, str], ...]
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        """Frames coded."""
        return sum(one.frames for one in self.outcomes)

    @property
    def rows(self) -> int:
        """Rows written."""
        return sum(one.rows for one in self.outcomes)

    @property
    def bad(self) -> tuple[Outcome, ...]:
        """Inputs without codes, those that have changed since they were coded, and what is not read."""
        unread = (Outcome(name, "", "not read", f"{name}: {reason}") for name, reason in self.passed_over)
        return (*unread, *(one for one in self.outcomes if one.status != "done"))

    def messages(self) -> list[str]:
        """Return what a person should know, a line each."""
        lines = [line for one in self.outcomes for line in one.messages]
        lines += [f"{one.status}: {one.reason}" for one in self.bad]
        return [*lines, *(f"note: {note}" for note in self.notes)]

    def text(self) -> str:
        """Return the line at the end."""
        coded = sum(one.status == "done" for one in self.outcomes)
        share = "" if self.shard.is_whole else f" of {self.shard.name}, {self.planned} in all"
        already = f", {self.before} were already" if self.before else ""
        failed = len(self.bad) - len(self.passed_over)
        bad = f", {failed} could not be" if failed else ""
        bad += f", {len(self.passed_over)} not read" if self.passed_over else ""
        rate = self.frames / max(self.seconds, 1e-9)
        return (
            f"{self.out}: {coded} of {self.before + len(self.outcomes)} inputs{share} coded{already}{bad}; "
            f"{self.rows} rows of {self.frames} frames, {rate:.1f} frames/s"
        )

    def as_json(self) -> dict[str, Any]:
        """Return the summary as JSON holds it."""
        return {
            "out": str(self.out),
            "shard": f"{self.shard.number}/{self.shard.of}",
            "inputs": self.planned,
            "already": self.before,
            "coded": sum(one.status == "done" for one in self.outcomes),
            "frames": self.frames,
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "bad": [{"input": one.input, "status": one.status, "reason": one.reason} for one in self.bad],
            "notes": list(self.notes),
        }


def predict_folder(
    load: Callable[[], tuple[Coder, Origin]],
    inputs: Sequence[Path],
    folder: Path,
    way: Way,
    *,
    codes: Codes = "csv",
    shard: Shard = WHOLE,
    workers: int = 1,
) -> FolderSummary:
    """Code each video, and the photos of each folder, into a table of its own in `folder`; again: what is missing.

    load: returns the coder and what it is; called in each process. codes: the tables' format. workers: processes.
    Tables are the same for any number of shards and workers. What cannot be read is listed and the rest is coded.
    Raises InputError, before any work, where the folder holds codes of another coder, other settings or another
    version; and where it cannot be written or the user stops the work: what is coded by then stays.
    """
    started = time.monotonic()
    if workers < 1:
        raise InputError(f"--workers {workers} is not possible", remedy="Give 1 or more")
    check_new_name(folder)
    passed_over: list[Reject] = []
    sources = list_sources(inputs, passed_over)
    mine_loaded = coder, origin, compare = loaded(load, way, folder)  # before anything is written
    passed_over = compare.all_passed_over(passed_over)
    told = beside_content("", coder, origin, {}, [], [], [])
    listing = Listing(inputs, units_of(sources), passed_over)
    plan, units = agree(folder, job_of(coder, origin, way, codes, told), listing)
    held = hold(folder, shard)
    outcomes: list[Outcome] = []
    try:
        remove_manifest(plan)
        mine = plan.of_shard(shard)
        known = {unit: look_at(plan, unit) for unit in units if unit.place in mine}
        todo = [unit for unit, found in known.items() if found.status in ("missing", "failed")]
        outcomes += [found for found in known.values() if found.status == "changed"]
        before = len(known) - len(todo) - len(outcomes)
        _code(Job(plan, way, load), todo, workers, outcomes, before, mine_loaded)
    except BaseException:
        with suppress(InputError):  # of a full disk there is one line
            _tell(plan, shard, outcomes)
        raise
    else:
        _tell(plan, shard, outcomes)
    finally:
        held.release()
    return FolderSummary(
        folder, shard, len(plan.inputs), before,
        tuple(outcomes), tuple((one.source, one.reason) for one in passed_over if shard.number == 1),
        time.monotonic() - started, (*origin.notes, *compare.notes),
    )  # fmt: skip


def _tell(plan: Plan, shard: Shard, outcomes: Sequence[Outcome]) -> None:
    """Write the manifest; of shards, which do not wait for each other, `gather` does."""
    if shard.is_whole:
        why = {one.place: one.reason for one in outcomes if one.status == "changed"}
        write_manifest(plan, (one.changed(why[one.place]) if one.place in why else one for one in entries(plan)))


def _code(job: Job, todo: list[Unit], workers: int, outcomes: list[Outcome], already: int, mine: Loaded) -> None:
    """Code `todo`, the largest first, and add what comes of each to `outcomes`."""
    todo = sorted(todo, key=lambda unit: (-unit.size, unit.place))
    left = len(todo)
    with _stoppable(), _Bar.open(todo, already) as bar:
        work = _in_turn(job, todo, bar, mine) if workers == 1 else code_in_processes(job, todo, workers, bar.ahead)
        try:
            with closing(work):
                for outcome in work:
                    outcomes.append(outcome)
                    bar.finished(outcome)
                    left -= 1
        except KeyboardInterrupt:
            raise InputError(
                f"stopped with {left} of {len(todo)} inputs to go",
                path=job.plan.folder,
                remedy="Give the same command again to go on",
            ) from None


def _in_turn(job: Job, todo: Sequence[Unit], bar: "_Bar", mine: Loaded) -> Generator[Outcome, None, None]:
    worker = Worker(job, mine)
    for unit in todo:
        yield worker.code(unit, lambda share, unit=unit: bar.ahead(unit, share))  # type: ignore[misc]


class _Bar:
    """Progress in megabytes of input, which tell the time left better than their number."""

    def __init__(self, todo: Sequence[Unit], already: int) -> None:
        self._sizes = {unit.place: unit.size for unit in todo}
        self._shares: dict[str, float] = {}
        self._done = self._shown = 0
        self._count, self._all = already, already + len(todo)
        self.scale, self.unit = (1e6, "MB") if sum(self._sizes.values()) >= 1e8 else (1e3, "kB")
        self.advance: Callable[[int, str], None] = lambda items, note: None

    @classmethod
    @contextmanager
    def open(cls, todo: Sequence[Unit], already: int) -> Iterator["_Bar"]:
        """Show it while the block runs."""
        bar = cls(todo, already)
        total = int(sum(bar._sizes.values()) / bar.scale)
        with progress("predict", total, bar.unit) as shown:
            bar.advance = shown.advance
            yield bar

    def ahead(self, unit: Unit, share: float) -> None:
        """Note what share of a unit, 0–1, is coded."""
        self._shares[unit.place] = share
        self._show()

    def finished(self, outcome: Outcome) -> None:
        """Note that a unit has come to its end."""
        self._shares.pop(outcome.place, None)
        self._done += self._sizes.get(outcome.place, 0)
        self._count += 1
        self._show()

    def _show(self) -> None:
        under_way = sum(self._sizes[place] * share for place, share in self._shares.items())
        now = int((self._done + under_way) / self.scale)
        if now > self._shown:
            self.advance(now - self._shown, f"{self._count} of {self._all} inputs")
            self._shown = now


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let `kill`, and a queue that takes the machine back, stop the work as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
