"""`manifest.csv` of a folder of codes: a row an input, made of the records."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...errors import InputError
from ...files import may_be_there
from ...row_files import MANIFEST, open_rows
from .plan import Plan, remove_manifest
from .work import AGAIN, Status, read_coded

MEND = f"Mend that or take it away, then {AGAIN}"

_TYPES = {
    "input": "string", "codes": "string", "status": "string", "reason": "string", "bytes": "int64", "sha256": "string",
    "frames": "int64", "faces": "int64", "rows": "int64", "seconds": "float64", "coder": "string",
    "coder_hash": "string", "settings": "string", "program": "string",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """An input that is expected: where its codes are, and what its record says, None where there is none to be read.

    reason: why it is not done, and what to do.
    """

    input: str
    place: str
    told: Mapping[str, Any] | None
    status: Status
    reason: str = ""

    def changed(self, reason: str) -> "Entry":
        """Return it as one whose input or codes are not what its record says."""
        return replace(self, status="changed", reason=reason)

    def unread(self, reason: str) -> "Entry":
        """Return it as one whose input or codes cannot be compared with what its record says."""
        return replace(self, status="not read", reason=reason)


def entries(plan: Plan) -> Iterator[Entry]:
    """Yield the inputs that are expected, by place, with what their records say."""
    for name, place in ((one["input"], one["place"]) for one in plan.inputs):
        try:
            told = read_coded(plan, place)
        except InputError as error:
            yield Entry(name, place, None, "changed", str(error))
            continue
        if told is None or (told["status"] == "done" and not may_be_there(plan.table(place))):
            missing = InputError("is not coded yet", path=name, remedy=AGAIN.capitalize())
            yield Entry(name, place, None, "missing", str(missing))
        elif told["status"] == "failed":
            yield Entry(name, place, told, "failed", str(InputError(told["reason"], remedy=MEND)))
        else:
            yield Entry(name, place, told, "done")


def write_manifest(plan: Plan, entries: Iterable[Entry]) -> None:
    """Write the manifest anew; one that was there is taken away first, so that none is there that is not true."""
    remove_manifest(plan)
    with open_rows(plan.folder / MANIFEST, _TYPES) as rows:
        for entry in entries:
            rows.write(_row(plan, entry))
        for name, reason in plan.passed_over:
            rows.write([name, None, "not read", reason, *[None] * (len(_TYPES) - 4)])


def _row(plan: Plan, entry: Entry) -> list[Any]:
    told = entry.told or {}
    files = told.get("files", [])
    table = plan.table(entry.place).relative_to(plan.folder).as_posix()
    frames = plan.told["settings"]
    settings = "; ".join(f"{name} {value}" for name, value in frames.items() if value not in (None, False, []))
    return [
        entry.input,
        table if entry.status == "done" else None,
        entry.status,
        entry.reason or None,
        sum(file["bytes"] for file in files) if files else None,
        files[0]["sha256"] if len(files) == 1 else None,
        *(told.get(name) for name in ("frames", "faces", "rows", "seconds")),
        plan.told["coder"].get("name"),
        plan.told["coder_hash"],
        settings,
        told.get("program"),
    ]
