"""The plan of a folder of codes: coder, settings and inputs, agreed on by all processes that work in it."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ...data.store import Reject
from ...errors import InputError
from ...files import SoleWriter, file_problem, hash_json, is_folder, may_be_there, readable, refuse_existing, retried
from ...records import Count, Record, read_record, write_record
from ...row_files import JOB, MANIFEST
from ...shards import Shard, deal
from ...version import VERSION
from ..contract import Coder
from ..origin import Origin
from ..pipeline import Way
from .units import Unit, placed

FORMAT = 1
_WAIT_S = 600.0  # for others that write the plan, each in a second or so
_OTHER = "Choose another folder for --out, or code as before"
Codes = Literal["csv", "parquet"]


class PlannedRecord(Record):
    """An input that is expected."""

    input: str
    place: str
    bytes: Count


class PlanRecord(Record):
    """plan.json."""

    format: int
    program: str
    codes: Codes
    coder: dict[str, Any]
    coder_hash: str
    limits: dict[str, float]
    settings: dict[str, Any]
    inputs: list[PlannedRecord]
    passed_over: list[list[str]]
    searched: list[str] = Field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """What `plan.json` of a folder of codes says."""

    folder: Path
    told: Mapping[str, Any]

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """The inputs that are expected, by place."""
        return list(self.told["inputs"])

    @property
    def passed_over(self) -> list[tuple[str, str]]:
        """What lay among the inputs and is not read: name and why."""
        return [(name, reason) for name, reason in self.told["passed_over"]]

    @property
    def searched(self) -> list[str]:
        """The folders that were looked into for inputs, by name."""
        return list(self.told.get("searched", []))

    def table(self, place: str) -> Path:
        """Return the name of the table at `place`."""
        return self.folder / f"{place}.{self.told['codes']}"

    def record(self, place: str) -> Path:
        """Return the name of the record at `place`."""
        return self.folder / f"{place}.json"

    def of_shard(self, shard: Shard) -> set[str]:
        """Return the places of a shard's inputs; each has about as many bytes."""
        dealt = deal([one["bytes"] for one in self.inputs], shard.of)
        return {one["place"] for one, number in zip(self.inputs, dealt, strict=True) if number == shard.number}


def read_plan(folder: Path) -> Plan:
    """Return the plan of a folder of codes; raises InputError where it is none."""
    path = folder / JOB / "plan.json"
    if file_problem(path):
        raise InputError(
            "is no folder that `sparsefacs predict --out FOLDER` made", path=folder, remedy="Check the name"
        )
    told = read_record(path, PlanRecord, what="the plan of this folder of codes", remedy="Code into another folder")
    return Plan(folder, told)


def remove_manifest(plan: Plan) -> None:
    """Take the manifest away, before what it says changes."""
    path = plan.folder / MANIFEST
    try:
        retried(lambda: path.unlink(missing_ok=True))
    except OSError as error:
        problem = f"cannot be taken away, though it is no longer true ({error.strerror or error})"
        remedy = "Close the program that has it open, then give the same command again"
        raise InputError(problem, path=path, remedy=remedy) from error


def job_of(coder: Coder, origin: Origin, way: Way, codes: Codes, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what must be the same for all tables of a folder; told: `coder` and `limits` as the records hold them."""
    same = [origin.weights, coder.recipe.as_json(), coder.clip, coder.known, coder.person, coder.further]
    coder_hash = hash_json([told["coder"]["aus"], told["coder"]["task"], told["limits"], *same])
    return {
        "format": FORMAT,
        "program": f"sparsefacs {VERSION}",
        "codes": codes,
        "coder": told["coder"],
        "coder_hash": coder_hash,
        "limits": told["limits"],
        "settings": way.as_json() | {"reference_sha256": way.reference_sums()},
    }


@dataclass(frozen=True)
class Listing:
    """What a call of `predict` is given: inputs, the units found in them, and what of them is not read."""

    inputs: Sequence[Path]
    units: Sequence[Unit]
    passed_over: Sequence[Reject]


def agree(folder: Path, job: Mapping[str, Any], listing: Listing) -> tuple[Plan, list[Unit]]:
    """Return the folder's plan, begun or with new inputs added, and the units of `listing` at their places.

    Inputs once planned stay expected, unless they were never coded and are gone; what was passed over in other inputs
    than these stays named, as long as it is there. Raises InputError where the folder holds codes of another coder,
    other settings or another version, and where a new input's table is already there.
    The plan is locked for no longer than it takes to write it, and not at all where there is nothing to add: of a
    hundred shards with ten thousands of inputs each would keep all others waiting.
    """
    path = folder / JOB / "plan.json"
    while True:
        seen = _bytes(path)
        try:
            before = None if seen is None else read_plan(folder)
            plan, units = _proposed(folder, job, before, listing)
        except InputError:
            if _bytes(path) == seen:
                raise
            continue  # the tables in the way, say, are another shard's that has begun meanwhile
        if before is not None and plan.told == before.told:
            return plan, units
        with _alone(folder):
            if _bytes(path) == seen:
                write_record(path, plan.told)
                return plan, units


def _bytes(path: Path) -> bytes | None:
    """Return what is in a file, None where it is not there: on a network drive more to be relied on than its date."""
    try:
        return retried(path.read_bytes)
    except FileNotFoundError:
        return None
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise InputError(problem, path=path, remedy="Check that the disk is there, and that you may read it") from error


def _proposed(folder: Path, job: Mapping[str, Any], before: Plan | None, listing: Listing) -> tuple[Plan, list[Unit]]:
    """Return what `before` becomes with what is listed, and the units at their places."""
    if before is not None:
        _check_same(before, job)
    planned = {} if before is None else {one["input"]: one for one in before.inputs}
    units = placed(listing.units, {name: one["place"] for name, one in planned.items()})
    begun = Plan(folder, dict(job) | {"inputs": [], "passed_over": [], "searched": []})
    new = [unit for unit in units if unit.input not in planned]
    for unit in new:
        for file in (begun.table(unit.place), begun.record(unit.place)):
            refuse_existing(file, what="file to be written")
    listed = {unit.input for unit in units}
    kept = [one for name, one in planned.items() if name in listed or not _given_up(begun, one)]
    added = [{"input": unit.input, "place": unit.place, "bytes": unit.size} for unit in new]
    fresh = {one.source for one in listing.passed_over}
    searched = [] if before is None else before.searched
    elsewhere = [] if before is None else _passed_over_elsewhere(before, listing.inputs, fresh)
    told = dict(job) | {
        "inputs": sorted([*kept, *added], key=lambda one: one["place"]),
        "passed_over": elsewhere + [[one.source, one.reason] for one in listing.passed_over],
        "searched": sorted({*searched, *(readable(one) for one in listing.inputs if is_folder(one))}),
    }
    return Plan(folder, told), units


def _given_up(plan: Plan, planned: Mapping[str, Any]) -> bool:
    """Say whether an input is gone and has no codes, so that nothing is to be expected of it."""
    return not may_be_there(plan.table(planned["place"])) and not may_be_there(Path(planned["input"]))


def _passed_over_elsewhere(plan: Plan, inputs: Sequence[Path], fresh: Collection[str]) -> list[list[str]]:
    """Return what was passed over in other inputs than these, and is still there; fresh: what is now."""
    searched = [Path(readable(one)).absolute() for one in inputs]
    return [
        [name, reason]
        for name, reason in plan.passed_over
        if name not in fresh
        and os.path.lexists(name)
        and not any(Path(name).absolute().is_relative_to(one) for one in searched)
    ]


def _check_same(plan: Plan, job: Mapping[str, Any]) -> None:
    was = plan.told
    differs = ""
    if was["coder_hash"] != job["coder_hash"]:
        differs = f"another coder ({was['coder'].get('name')})"
    elif was["settings"] != job["settings"]:
        names = {**was["settings"], **job["settings"]}
        name = next(name for name in names if was["settings"].get(name) != job["settings"].get(name))
        differs = f"other settings ({name}: {was['settings'].get(name)}, now {job['settings'].get(name)})"
    elif was["codes"] != job["codes"]:
        differs = f"another format ({was['codes']})"
    elif was["program"] != job["program"]:
        differs = f"another version ({was['program']})"
    if differs:
        raise InputError(f"holds codes made with {differs}", path=plan.folder, remedy=_OTHER)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others from writing the plan meanwhile."""
    again = "Give the same command again, or start the task again: it goes on where it is"
    sole = SoleWriter(folder / JOB, wait_s=_WAIT_S, remedy=again)
    try:
        yield
    finally:
        sole.release()


def hold(folder: Path, shard: Shard) -> SoleWriter:
    """Keep other processes from doing the same shard; raises InputError where one does."""
    again = "Wait until that has ended, then give the same command again: it does what is still missing"
    return SoleWriter(folder / JOB / f"shard-{shard.number}-of-{shard.of}", remedy=again)
