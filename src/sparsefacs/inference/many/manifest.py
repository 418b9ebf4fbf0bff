"""`manifest.csv` of a folder of codes: a row an input, made of the records."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import InputError
from ...row_files import MANIFEST, open_rows
from .plan import Plan
from .work import read_coded

_TYPES = {
    "input": "string", "codes": "string", "status": "string", "reason": "string", "bytes": "int64", "sha256": "string",
    "frames": "int64", "faces": "int64", "rows": "int64", "seconds": "float64", "coder": "string",
    "coder_hash": "string", "settings": "string", "program": "string",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """An input that is expected: where its codes are, and what its record says (None: it has none, and no codes).

    damaged: why the record cannot be read, "" where it can.
    """

    input: str
    place: str
    told: Mapping[str, Any] | None
    damaged: str = ""

    @property
    def status(self) -> str:
        """Return done, failed, missing, or damaged."""
        if self.damaged:
            return "damaged"
        return "missing" if self.told is None else str(self.told["status"])


def entries(plan: Plan) -> Iterator[Entry]:
    """Yield the inputs that are expected, by place, with what is known of each."""
    for one in plan.inputs:
        try:
            told = read_coded(plan, one["place"])
        except InputError as error:
            yield Entry(one["input"], one["place"], None, str(error))
            continue
        if told is not None and told["status"] == "done" and not plan.table(one["place"]).exists():
            told = None
        yield Entry(one["input"], one["place"], told)


def write_manifest(plan: Plan) -> None:
    """Write the manifest anew; one that was there is taken away first, so that none is there that is not true."""
    remove_manifest(plan)
    with open_rows(plan.folder / MANIFEST, _TYPES) as rows:
        for entry in entries(plan):
            rows.write(_row(plan, entry))
        for name, reason in plan.passed_over:
            rows.write([name, None, "not read", reason, *[None] * (len(_TYPES) - 4)])


def remove_manifest(plan: Plan) -> None:
    """Take the manifest away, before what it says changes."""
    (plan.folder / MANIFEST).unlink(missing_ok=True)


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
        entry.damaged or told.get("reason") or None,
        sum(file["bytes"] for file in files) if files else None,
        files[0]["sha256"] if len(files) == 1 else None,
        *(told.get(name) for name in ("frames", "faces", "rows", "seconds")),
        plan.told["coder"].get("name"),
        plan.told["coder_hash"],
        settings,
        told.get("program"),
    ]
