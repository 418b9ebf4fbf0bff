"""What one process does with one input: its table, then its record; and what the record says of it later."""

import errno
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ...errors import InputError
from ...files import may_be_there, sha256_file
from ...records import Count, Record, read_record, write_record
from ..contract import Coder
from ..origin import Origin
from ..people import Comparison
from ..pipeline import Pace, Way, claimed_frames, code_sources, comparison
from ..threads import network_on_one_core
from .plan import Plan, remove_manifest
from .units import Unit

Status = Literal["done", "failed", "changed", "missing", "not read"]
AGAIN = "give `sparsefacs predict` again as before"
_DAMAGED = f"To have the input coded again, delete this file and {AGAIN}"


class CodedRecord(Record):
    """What stands beside a table, or in place of one that could not be made."""

    class File(Record):
        """A file of the input."""

        input: str
        bytes: Count
        sha256: str
        changed_ns: int

    status: Literal["done", "failed"]
    input: str
    reason: str
    coder_hash: str
    files: list[File]
    frames: Count
    faces: Count
    rows: Count
    seconds: float
    codes_sha256: str


@dataclass(frozen=True)
class Outcome:
    """What came of an input. reason: why it has no table; messages: what else is to be told of it."""

    input: str
    place: str
    status: Status
    reason: str = ""
    frames: int = 0
    rows: int = 0
    seconds: float = 0.0
    messages: tuple[str, ...] = ()


Loaded = tuple[Coder, Origin, Comparison]


def loaded(load: Callable[[], tuple[Coder, Origin]], way: Way, folder: Path) -> Loaded:
    """Return the coder, what it is, and what it compares faces with; raises InputError where it cannot go that way."""
    coder, origin = load()
    with network_on_one_core():
        return coder, origin, comparison(coder, way, folder, Pace())


@dataclass(frozen=True)
class Job:
    """All that a process needs in order to code units of a plan; load: returns the coder, and what it is."""

    plan: Plan
    way: Way
    load: Callable[[], tuple[Coder, Origin]]


class Worker:
    """Codes unit after unit; the network has one core, so that sums, and so codes, are the same on any machine."""

    def __init__(self, job: Job, loaded: Loaded | None = None) -> None:
        """loaded: the coder, where this process has it already."""
        self._job, self._given = job, loaded

    @cached_property
    def _loaded(self) -> Loaded:
        return self._given or loaded(self._job.load, self._job.way, self._job.plan.folder)

    def code(self, unit: Unit, done: Callable[[float], object]) -> Outcome:
        """Code a unit and write its record; done: told what share of it, 0–1, is coded.

        A fault of the input, or one that nobody foresaw, is an Outcome; raises InputError where the folder of codes
        cannot be written, which ends all work.
        """
        _ = self._loaded  # whatever is wrong with the coder is no fault of the input
        started, plan = time.monotonic(), self._job.plan
        try:
            with network_on_one_core():
                told = self._coded(unit, done)
        except InputError as error:
            if error.path == plan.table(unit.place):
                if look_at(plan, unit).status == "done":  # by a process with another number of shards, meanwhile
                    return Outcome(unit.input, unit.place, "done")
                raise
            return failed(plan, unit, str(error), time.monotonic() - started)
        except Exception as error:
            if _disk_full(error):
                raise InputError(
                    "cannot be written (the disk is full)", path=plan.folder, remedy="Free some disk space"
                ) from error
            return failed(plan, unit, f"{unit.input}: {type(error).__name__}: {error}", time.monotonic() - started)
        messages = tuple(told.pop("messages"))
        return _recorded(plan, unit, told, time.monotonic() - started, messages)

    def _coded(self, unit: Unit, done: Callable[[float], object]) -> dict[str, Any]:
        coder, origin, compare = self._loaded
        job = self._job
        files = unit.files()
        path = job.plan.table(unit.place)
        path.unlink(missing_ok=True)  # of a process that was killed before it wrote the record
        count = _Share(claimed_frames(unit.sources, job.way.sampling), done)
        summary, told = code_sources(
            coder, unit.sources, path, job.way, compare, origin, pace=Pace(), done=count.one_more
        )
        if unit.files(known=_by_name(files)) != files:
            path.unlink()
            raise InputError("was changed while it was being coded", path=unit.input, remedy="Code it again")
        return told | {
            "status": "done", "reason": "", "files": files, "frames": summary.frames, "rows": summary.rows,
            "faces": sum(one.faces for one in summary.inputs), "codes_sha256": sha256_file(path),
            "messages": [line for line in summary.messages() if not line.startswith("note: ")],
        }  # fmt: skip


class _Share:
    def __init__(self, total: int | None, done: Callable[[float], object]) -> None:
        self._total, self._count, self._done = total, 0, done

    def one_more(self) -> None:
        self._count += 1
        if self._total:
            self._done(min(self._count / self._total, 1.0))


def failed(plan: Plan, unit: Unit, reason: str, seconds: float = 0.0) -> Outcome:
    """Write down that a unit cannot be coded, and why."""
    told = {
        "status": "failed", "reason": " ".join(reason.split()), "files": [], "frames": 0, "faces": 0, "rows": 0,
        "codes_sha256": "",
    }  # fmt: skip
    return _recorded(plan, unit, told, seconds, ())


def _recorded(plan: Plan, unit: Unit, told: dict[str, Any], seconds: float, messages: tuple[str, ...]) -> Outcome:
    told |= {
        "codes": plan.table(unit.place).name, "input": unit.input, "program": plan.told["program"],
        "coder_hash": plan.told["coder_hash"], "seconds": round(seconds, 3),
    }  # fmt: skip
    try:
        remove_manifest(plan)
    except InputError as error:  # hours of work do not end since somebody looks at a table
        messages = (*messages, str(error))
    write_record(plan.record(unit.place), told)
    kept = {name: told[name] for name in ("status", "reason", "frames", "rows", "seconds")}
    return Outcome(unit.input, unit.place, messages=messages, **kept)


def _disk_full(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _by_name(files: list[dict[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {file["input"]: file for file in files}


def read_coded(plan: Plan, place: str) -> dict[str, Any] | None:
    """Return the record at `place`, None where there is none; raises InputError where it is damaged."""
    path = plan.record(place)
    if not may_be_there(path):
        return None
    return read_record(path, CodedRecord, what="the record of a table of codes", remedy=_DAMAGED)


def look_at(plan: Plan, unit: Unit) -> Outcome:
    """Return what is known of a unit: done, failed, changed since it was coded, or missing."""
    try:
        told = read_coded(plan, unit.place)
        if told is None or (told["status"] == "done" and not may_be_there(plan.table(unit.place))):
            return Outcome(unit.input, unit.place, "missing", "is not coded yet")
        if told["status"] == "failed":
            return Outcome(unit.input, unit.place, "failed", told["reason"])
        changed = _changed(unit, told)
    except InputError as error:
        return Outcome(unit.input, unit.place, "changed", str(error))
    if changed:
        return Outcome(unit.input, unit.place, "changed", input_changed(plan, unit.place, unit.input, changed))
    return Outcome(unit.input, unit.place, "done", frames=told["frames"], rows=told["rows"], seconds=told["seconds"])


def input_changed(plan: Plan, place: str, name: str, problem: str = "was changed after it was coded") -> str:
    """Say what an input's problem is, and what to do: never to delete "this file", which is the user's video."""
    remedy = f"To have it coded again, delete what tells of its codes, {plan.record(place)}, and {AGAIN}"
    return str(InputError(problem, path=name, remedy=remedy))


def _changed(unit: Unit, told: Mapping[str, Any]) -> str:
    known = _by_name(told["files"])
    if {source.name for source in unit.sources} != set(known):
        return "its photos are not those that were coded"
    now = _by_name(unit.files(known=known))
    if any(now[name]["sha256"] != known[name]["sha256"] for name in known):
        return "was changed after it was coded"
    return ""
