"""Writing a store part by part, whole or not at all, by one process or several."""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..files import (
    SoleWriter,
    atomic_path,
    check_new_name,
    hash_json,
    refuse_existing,
    sha256_file,
    write_json,
    write_text,
)
from ..records import PartRecord, Record, read_record, sums_of, write_record
from .face_row import FaceRow, as_record, hf_features, schema
from .rejects import Reject, gather, too_narrow
from .store import Store, StoreInfo
from .store_files import DESCRIPTION, STATE, mapped

if TYPE_CHECKING:
    import pyarrow as pa

_WAIT_S = 60.0  # for another process that begins the same store, or finishes it


class StoreWriter:
    """Builds a store part by part; `finish` makes it readable.

    shared: other processes that say so may write other parts meanwhile, until one has it `alone` and finishes it.
    Opening refuses an existing finished store, and an unfinished one begun by a different `job` description.
    """

    def __init__(
        self,
        path: Path,
        info: StoreInfo,
        job: dict[str, Any],
        extras: "Mapping[str, pa.DataType] | None" = None,
        *,
        shared: bool = False,
    ) -> None:
        """extras: further columns, by name."""
        self.path, self.info = Path(path), info
        self._schema = schema(len(info.aus), extras)
        check_new_name(self.path)
        job = job | {"columns": self._schema.names}  # parts of another version's do not fit
        if not self._unfinished:
            try:
                refuse_existing(self.path, what="store")
            except InputError:
                if not self._unfinished:  # another shard has just begun it
                    raise
        self._sole = SoleWriter(self.path, shared=shared, wait_s=_WAIT_S if shared else 0.0)
        beginning = SoleWriter(self.path / "done", wait_s=_WAIT_S)  # what is shared is begun by one after the other
        try:
            self._begin(job)
        finally:
            beginning.release()

    @property
    def _unfinished(self) -> bool:
        return (self.path / "job.json").exists()

    def alone(self) -> bool:
        """Try to have the store alone, of which others wrote parts; False where they still do, or it is finished."""
        self._sole.release()
        try:
            self._sole = SoleWriter(self.path)
        except InputError:
            return False
        if not self._unfinished:
            self._sole.release()
        return self._unfinished

    def release(self) -> None:
        """Let others have the store, which is not finished."""
        self._sole.release()

    def _begin(self, job: dict[str, Any]) -> None:
        """Write down what is being built, or check that it is this."""
        path, job_file = self.path, self.path / "job.json"
        if job_file.exists():
            begun = read_record(job_file, Record, what="the record of an unfinished store", remedy="Delete this folder")
            if begun != json.loads(json.dumps(job)):
                raise InputError(
                    "holds an unfinished store that was begun with other settings or files, or by another version",
                    path=path,
                    remedy="Give the same command as before to go on, or choose another name",
                )
        else:
            refuse_existing(self.path / "store.json", what="store")  # finished by another meanwhile
            write_record(job_file, job)

    def is_done(self, part: int) -> bool:
        """Say whether part number `part` is already written."""
        return (self.path / "done" / f"{part:05d}.json").exists()

    def write_part(self, part: int, rows: Iterable[FaceRow], rejected: Iterable[Reject]) -> int:
        """Write part number `part` (its rows, then its rejects, whole or not at all) and return its row count."""
        import pyarrow as pa

        count = 0
        with atomic_path(self._part(part)) as temporary:
            with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_stream(sink, self._schema) as stream:
                for batch in _batches(rows, 64):
                    stream.write_table(pa.Table.from_pylist([as_record(row) for row in batch], schema=self._schema))
                    count += len(batch)
            digest = sha256_file(temporary)  # now, as long as the system has it in memory
        write_record(
            self.path / "done" / f"{part:05d}.json",
            {"faces": count, "rejected": [reject.as_json() for reject in rejected], "sha256": digest},
        )
        return count

    def finish(self, parts: int) -> "Store":
        """Make the store readable once all `parts` parts are written; raises InputError when no face was found."""
        done = [self._done(part) for part in range(parts)]
        faces = [int(part["faces"]) for part in done]
        sums = {self._part(number).name: part["sha256"] for number, part in enumerate(done) if part["faces"]}
        rejected, reasons = gather(lambda: self._rejects(parts), self.path)
        if not sum(faces):
            first = f" The first of {len(rejected)} rejects: {_told(rejected[0])}" if rejected else ""
            shutil.rmtree(self.path)
            raise InputError(
                f"no face was found, so there is no store to keep.{first}",
                path=self.path,
                remedy=_for_no_face(reasons, self.info.source),
            )
        files = [f"data-{part:05d}.arrow" for part in range(parts) if faces[part]]
        words = dict.fromkeys(("description", "citation", "homepage", "license"), "")
        write_text(self.path / DESCRIPTION, json.dumps(words | {"features": hf_features(self._schema)}))
        state: dict[str, Any] = {
            "_data_files": [{"filename": name} for name in files],
            "_fingerprint": hash_json([self.info.as_json(), files]),
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": None,
            "_output_all_columns": False,
            "_split": None,
        }
        write_json(self.path / STATE, state)
        names = mapped(self.path / name for name in files).select(["subject", "clip"])
        clips = names.group_by(["subject", "clip"]).aggregate([])
        info = replace(
            self.info,
            faces=sum(faces),
            subjects=len(clips.column("subject").unique()),
            clips=len(clips),
            rejected=rejected,
            reasons=reasons,
        )
        sums |= sums_of(self.path / STATE, self.path / DESCRIPTION)
        write_record(
            self.path / "store.json",
            info.as_json() | {"part_faces": [count for count in faces if count], "sha256": sums},
        )
        for part in range(parts):
            if not faces[part]:
                self._part(part).unlink(missing_ok=True)
        shutil.rmtree(self.path / "done")
        for stale in self.path.glob(".*.tmp*"):  # half-written files of a killed run
            stale.unlink()
        (self.path / "job.json").unlink()
        self._sole.release()
        return Store(self.path)

    def _rejects(self, parts: int) -> Iterator[Reject]:
        for part in range(parts):
            yield from (Reject(**reject) for reject in self._done(part)["rejected"])

    def _done(self, part: int) -> dict[str, Any]:
        return read_record(
            self.path / "done" / f"{part:05d}.json",
            PartRecord,
            what="the record of a finished part",
            remedy="Delete this file and the part of that number, then give the same command again",
        )

    def _part(self, part: int) -> Path:
        return self.path / f"data-{part:05d}.arrow"


def _for_no_face(reasons: Mapping[str, int], source: Mapping[str, Any]) -> str:
    """Return the remedy for a source without a usable face, given the rejects by reason, the most frequent first."""
    reason, count = next(iter(reasons.items()), ("", 0))
    if source.get("points") == "found":
        return "Synthetic faces this small are not found: give --size 64 or more, or --points true"
    min_face = source.get("min_face", 0)
    if min_face and reason == too_narrow(min_face):
        return f"Lower --min-face, now {min_face:g}: it rejects {count} of {sum(reasons.values())}"
    return "Check that the source shows faces at least 40 pixels wide"


def _told(reject: Reject) -> str:
    at = "" if reject.frame is None else f" frame {reject.frame}"
    return f"{reject.source}{at}: {reject.reason}"


def _batches(rows: Iterable[FaceRow], size: int) -> Iterable[list[FaceRow]]:
    batch: list[FaceRow] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
