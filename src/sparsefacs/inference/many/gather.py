"""`gather`: one table of all the tables of a folder of codes, and what is missing, double, changed or not read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ...errors import InputError
from ...files import (
    READABLE,
    atomic_path,
    from_cell,
    make_folder,
    read_json,
    refuse_existing,
    sha256_file,
    to_cell,
    write_json,
)
from ...progress import progress
from ...row_files import TABLE_SUFFIXES, check_table_path, is_manifest
from ..beside import FORMAT, beside_path, refuse_beside
from ..codes import column_type
from .added import with_added
from .manifest import Entry, entries, write_manifest
from .plan import Plan, read_plan
from .work import AGAIN, input_changed

_ROWS = 65_536  # of a Parquet table's group; a group is what is held in memory
_COPIED = 1 << 20
_READ = "Do that or take it away, then give `sparsefacs predict` again"
_DELETE = f"To have its input coded again, delete it and {AGAIN}"


@dataclass(frozen=True)
class Gathered:
    """What is in a folder of codes. out: the table made of it, None for none; problems: a line each."""

    folder: Path
    out: Path | None
    expected: int
    done: int
    rows: int
    problems: tuple[str, ...]

    def text(self) -> str:
        """Return the line at the end."""
        made = f"{self.out}: {self.rows} rows of {self.done} inputs" if self.out else f"{self.folder}: no table made"
        bad = len(self.problems)
        whole = f"{bad or 'nothing'} missing, double, changed or not read"
        return f"{made}; {self.done} of {self.expected} inputs coded, {whole}"

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "folder": str(self.folder), "out": None if self.out is None else str(self.out), "inputs": self.expected,
            "done": self.done, "rows": self.rows, "problems": list(self.problems),
        }  # fmt: skip


def gather(folder: Path, out: Path | None = None, *, partial: bool = False) -> Gathered:
    """Check a folder of codes against its plan, write its manifest, and join its tables into `out`, by place.

    out: .csv or .parquet, None for no table; not made where anything is missing, double, changed or not read, unless
    partial: then of what is as it should be. Memory does not grow with the tables. Raises InputError where the folder
    is none of `predict --out FOLDER`, or `out` exists.
    """
    plan = read_plan(folder)
    if out is not None:
        check_table_path(out, "codes")
        refuse_existing(out)
        if not _is_left_over(plan, out):
            refuse_beside(out)
        if out.resolve().is_relative_to(folder.resolve()):
            raise InputError(
                "lies in the folder that is gathered, where it would be there twice", path=out,
                remedy="Choose a place outside of it",
            )  # fmt: skip
    found = with_added(plan, _checked(plan))
    write_manifest(plan, found)
    sound = [entry for entry in found if entry.status == "done"]
    problems = [_line(entry) for entry in found if entry.status != "done"] + _strays(plan)
    problems += [f"not read: {InputError(reason, path=name, remedy=_READ)}" for name, reason in plan.passed_over]
    rows = sum(int((entry.told or {})["rows"]) for entry in sound)
    made = out if out is not None and sound and (partial or not problems) else None
    if made is not None:
        make_folder(made.parent)
        _join(plan, [plan.table(entry.place) for entry in sound], made, _about(plan, sound, made, problems))
    return Gathered(folder, made, len(found), len(sound), rows, tuple(problems))


def _checked(plan: Plan) -> list[Entry]:
    """Return the inputs that are expected, those as changed whose codes or input are not what their record says."""
    found = []
    with progress("check", len(plan.inputs), "inputs") as bar:
        for entry in entries(plan):
            try:
                problem = _problem(plan, entry) if entry.status == "done" else ""
                found.append(entry.changed(problem) if problem else entry)
            except InputError as error:
                found.append(entry.unread(str(error)))
            bar.advance()
    return found


def _problem(plan: Plan, entry: Entry) -> str:
    """Return what of an input's codes, or of itself, is not as its record says; raises InputError for what cannot be
    read.
    """
    told, table, record = entry.told or {}, plan.table(entry.place), plan.record(entry.place)
    if (told["input"], told["coder_hash"], told["codes"]) != (entry.input, plan.told["coder_hash"], table.name):
        return str(InputError("is of other codes", path=record, remedy=_DELETE))
    if sha256_file(table, remedy=f"{READABLE}. {_DELETE}") != told["codes_sha256"]:
        return str(InputError("is not as it was written", path=table, remedy=_DELETE))
    for file in told["files"]:
        try:
            stat = Path(file["input"]).stat()
        except OSError:  # kept elsewhere by now
            continue
        same = (stat.st_size, stat.st_mtime_ns) == (file["bytes"], file["changed_ns"])
        if same:
            continue
        away = f"{READABLE}, or move it away: its codes are there"
        if stat.st_size != file["bytes"] or sha256_file(Path(file["input"]), remedy=away) != file["sha256"]:
            return input_changed(plan, entry.place, file["input"])
    return ""


def _line(entry: Entry) -> str:
    return f"{'missing' if entry.status == 'failed' else entry.status}: {entry.reason}"


def _strays(plan: Plan) -> list[str]:
    """Return the tables in the folder that no input of the plan has."""
    expected = {plan.table(one["place"]) for one in plan.inputs}
    found = (path for path in sorted(plan.folder.rglob("*")) if path.suffix.lower() in TABLE_SUFFIXES)
    strays = (
        path for path in found if not path.name.startswith(".") and path not in expected and not is_manifest(path)
    )
    problem = "no input has this table, so that its rows are others' or unknown"
    remedy = f"Delete it, or move it out of {plan.folder}"
    return [f"double: {InputError(problem, path=path, remedy=remedy)}" for path in strays]


def _join(plan: Plan, tables: Sequence[Path], out: Path, about: Mapping[str, Any]) -> None:
    """Write the joined table, and just before it has its name the file beside it, which `_is_left_over` knows again."""
    same = out.suffix.lower() == f".{plan.told['codes']}"
    with atomic_path(out, new=True) as temporary, progress("gather", len(tables), "inputs") as bar:
        if out.suffix.lower() == ".csv" and same:
            with temporary.open("wb") as handle:
                _copy_csv(tables, handle, bar.advance)
        else:
            _copy_rows(tables, temporary, out.suffix.lower() == ".csv", bar.advance)
        refuse_existing(out)  # before what another run wrote beside it meanwhile is lost
        write_json(beside_path(out), about)


def _copy_csv(tables: Sequence[Path], sink: IO[bytes], done: Callable[[], object]) -> None:
    """Write the lines of all tables, under one header."""
    header: bytes | None = None
    for path in tables:
        with path.open("rb") as handle:
            own = handle.readline()
            if header is None:
                header = own
                sink.write(own)
            if own != header:
                raise _other_columns(path)
            while block := handle.read(_COPIED):
                sink.write(block)
        done()


def _copy_rows(tables: Sequence[Path], out: Path, to_csv: bool, done: Callable[[], object]) -> None:
    """Write the rows of all tables to a Parquet file, or a CSV, some at a time."""
    import pyarrow as pa

    first, _ = _batches(tables[0])
    held: list[Any] = []
    with _open_rows(out, first, to_csv) as writer:
        for path in tables:
            schema, batches = _batches(path)
            if schema != first:
                raise _other_columns(path)
            for batch in batches:
                held.append(_with_texts(batch, to_cell) if to_csv else batch)
                if sum(len(one) for one in held) >= _ROWS:
                    writer.write_table(pa.Table.from_batches(held))
                    held.clear()
            done()
        if held:
            writer.write_table(pa.Table.from_batches(held))


def _open_rows(out: Path, schema: Any, to_csv: bool) -> Any:
    """Return a writer of Arrow's tables, to be used in a with block."""
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    if to_csv:
        return pc.CSVWriter(str(out), schema, write_options=pc.WriteOptions(quoting_style="needed"))
    return pq.ParquetWriter(out, schema, write_page_checksum=True)


def _batches(path: Path) -> tuple[Any, Iterator[Any]]:
    """Return the columns of a table of codes as Arrow has them, and its rows in batches."""
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    if path.suffix.lower() == ".parquet":
        opened = pq.ParquetFile(path, page_checksum_verification=True)
        return opened.schema_arrow, opened.iter_batches(batch_size=_ROWS)
    with path.open("rb") as handle:
        names = handle.readline().decode().strip().split(",")
        any_rows = bool(handle.read(1))
    schema = pa.schema([(name, pa.type_for_alias(column_type(name))) for name in names])
    if not any_rows:
        return schema, iter(())
    convert = pc.ConvertOptions(
        column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    reader = pc.open_csv(path, convert_options=convert, parse_options=pc.ParseOptions(newlines_in_values=True))
    return schema, (_with_texts(batch, from_cell) for batch in reader)


def _with_texts(batch: Any, change: Callable[[str], str]) -> Any:
    """Return a batch with its texts changed, each different one once."""
    import pyarrow as pa

    columns = []
    for column in batch.columns:
        if not pa.types.is_string(column.type):
            columns.append(column)
            continue
        told = column.dictionary_encode()
        texts = [None if text is None else change(text) for text in told.dictionary.to_pylist()]
        columns.append(pa.array(texts, pa.string()).take(told.indices))
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _other_columns(path: Path) -> InputError:
    return InputError("has other columns than the tables before it", path=path, remedy="Code into another folder")


def _about(plan: Plan, sound: Sequence[Entry], out: Path, problems: Sequence[str]) -> dict[str, Any]:
    """Return what stands beside the joined table, as beside one that `predict` wrote."""
    records = [entry.told or {} for entry in sound]
    notes = [*dict.fromkeys(note for record in records for note in record.get("notes", [])), *problems]
    return _same(plan, out) | {
        "inputs": [one for record in records for one in record.get("inputs", [])],
        "rejected": [one for record in records for one in record.get("rejected", [])],
        "notes": notes,
    }


def _same(plan: Plan, out: Path) -> dict[str, Any]:
    """Return what stands beside `out` whichever of the plan's inputs are joined."""
    told = plan.told
    return {
        "format": FORMAT, "program": told["program"], "codes": out.name, "coder": told["coder"],
        "limits": told["limits"], "settings": told["settings"],
    }  # fmt: skip


def _is_left_over(plan: Plan, out: Path) -> bool:
    """Say whether the file beside `out` tells of a join of this folder, so that nothing is lost when it is replaced."""
    try:
        told = read_json(beside_path(out), what="the file beside the codes", remedy="")
    except InputError:
        return False
    if not isinstance(told, dict) or not _same(plan, out).items() <= told.items():
        return False
    own = {name for entry in entries(plan) for name in _inputs_in(entry.told or {})}
    return _inputs_in(told) <= own


def _inputs_in(told: Mapping[str, Any]) -> set[str]:
    """Return what a record, or the file beside a table, says was coded or rejected."""
    listed = [*told.get("inputs", []), *told.get("rejected", [])]
    return {str(one["input"]) for one in listed if isinstance(one, dict) and "input" in one}
