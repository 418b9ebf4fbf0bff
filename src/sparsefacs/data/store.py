"""The store: a folder of aligned faces and labels that HF `datasets` loads (`datasets.load_from_disk`).

    STORE/store.json              AUs, face recipe and its hash, source, counts, rejected frames, SHA-256 of all files
    STORE/rejected.csv            the rejected frames where they are too many for store.json
    STORE/data-00000.arrow …      Arrow streams, one a finished part, memory-mapped when read
    STORE/state.json, dataset_info.json   what HF `datasets` wants to find
    STORE/job.json, done/         only while unfinished: what is being built, and each part's rejects

Parts are written whole or not at all, in any order, by any process, so a killed `prepare` goes on where it was.
What is checked when it is read: see `store_files`.
"""

import copy
import io
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

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
from ..records import PartRecord, Record, StoreRecord, read_record, sums_of, write_record
from .face_row import FaceRow, as_record, hf_features, schema, vector
from .given_labels import GivenLabels
from .rejects import LISTED, Reject, gather, read_rejected, too_narrow
from .store_files import DESCRIPTION, STATE, StoreFiles, mapped

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["STORE_FORMAT", "UNLABELLED", "FaceRow", "Reject", "Store", "StoreInfo", "StoreWriter", "vector"]

STORE_FORMAT = 1
UNLABELLED = -1
_WAIT_S = 60.0  # for another process that begins the same store, or finishes it
_REBUILD = "Make the store again with `sparsefacs prepare` or `sparsefacs synth`"


@dataclass(frozen=True)
class StoreInfo:
    """What `store.json` says of a store.

    rejected: all of them, read from `rejected.csv` where there are many; reasons: their counts by reason, the most
    frequent first.
    """

    aus: tuple[int, ...]
    recipe: dict[str, Any]
    source: dict[str, Any]
    faces: int = 0
    subjects: int = 0
    clips: int = 0
    rejected: Sequence[Reject] = ()
    reasons: Mapping[str, int] = field(default_factory=dict)
    format: int = STORE_FORMAT

    @property
    def recipe_hash(self) -> str:
        """Hash of the face recipe: equal hashes mean faces cut alike."""
        return hash_json(self.recipe)

    @property
    def size(self) -> int:
        """Side of the stored square faces, in pixels."""
        return int(self.recipe["size"])

    def as_json(self) -> dict[str, Any]:
        """Return the content of `store.json`."""
        return {
            "format": self.format,
            "aus": list(self.aus),
            "recipe": self.recipe,
            "recipe_hash": self.recipe_hash,
            "source": self.source,
            "faces": self.faces,
            "subjects": self.subjects,
            "clips": self.clips,
            "rejected_count": len(self.rejected),
            "rejected_reasons": dict(self.reasons),
            "rejected": [reject.as_json() for reject in islice(self.rejected, LISTED)],
        }


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


class Store:
    """A finished store, read memory-mapped: nothing but the labels is ever held whole in memory."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise InputError("is not a store folder", path=path, remedy=_REBUILD)
        if (self.path / "job.json").exists():
            raise InputError(
                "this store is unfinished", path=path, remedy="Give the `prepare` or `synth` command again to go on"
            )
        raw = read_record(self.path / "store.json", StoreRecord, what="the store's description", remedy=_REBUILD)
        if raw["format"] != STORE_FORMAT:
            raise InputError(f"store format {raw['format']} is not {STORE_FORMAT}", path=path, remedy=_REBUILD)
        self.info = StoreInfo(
            aus=tuple(raw["aus"]),
            recipe=raw["recipe"],
            source=raw["source"],
            faces=raw["faces"],
            subjects=raw["subjects"],
            clips=raw["clips"],
            rejected=read_rejected(self.path, raw),
            reasons=raw.get("rejected_reasons", {}),
        )
        self.given: GivenLabels | None = None
        self._files = StoreFiles(self.path, raw, _REBUILD)
        self._table = self._files.load(len(self.info.aus))
        if len(self._table) != self.info.faces:
            raise InputError(
                f"holds {len(self._table)} faces but its description says {self.info.faces}",
                path=path,
                remedy=_REBUILD,
            )

    def __len__(self) -> int:
        return self.info.faces

    @property
    def aus(self) -> tuple[int, ...]:
        """The AUs whose labels the store holds, in column order."""
        return self.info.aus

    @property
    def parts(self) -> "tuple[Store, ...]":
        """The stores that this one is made of: itself (several in a `JoinedStore`)."""
        return (self,)

    def labelled(self, given: GivenLabels) -> "Store":
        """Return this store with other labels in place of its own, none of which is read then."""
        other = copy.copy(self)
        other.given = given
        other.info = replace(self.info, aus=given.aus, source=self.info.source | {"labels": given.as_json()})
        return other

    def subject_name(self, part: "Store", name: str) -> str:
        """Return what subject `name` of store `part` is called here: the same."""
        del part
        return name

    def strings(self, name: str) -> NDArray[np.str_]:
        """Return the text column `name` (subject, clip, source) as an array of M strings."""
        return np.array(self.texts(name).to_pylist(), dtype=np.str_)

    def texts(self, name: str) -> "pa.ChunkedArray":
        """Return the text column `name` as Arrow has it; raises InputError where it is damaged."""
        column = self._table.column(name)
        self._files.refuse_bad(column, name)
        return column

    def numbers(self, name: str) -> NDArray[Any]:
        """Return the number column `name` (frame, time, face, score) as an array of M numbers."""
        return np.asarray(self._table.column(name).to_numpy())

    def vectors(self, name: str) -> NDArray[Any]:
        """Return the vector column `name` (occurrence, intensity, landmarks, matrix) as an array (M, length)."""
        chunks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in self._table.column(name).chunks]
        return np.concatenate(chunks).reshape(len(self), -1)

    def has(self, name: str) -> bool:
        """Say whether the store has the column `name`; one made by an older version may lack it."""
        return name in self._table.column_names and (self.given is None or name != "sides")

    def optional_vectors(self, name: str, width: int) -> NDArray[np.float32]:
        """Return the vector column `name` (blendshapes, pose) as (M, width) float32: NaN where there is no column."""
        if not self.has(name):
            return np.full((len(self), width), np.nan, np.float32)
        return np.asarray(self.vectors(name), np.float32)

    def occurrence(self, aus: tuple[int, ...] | None = None) -> NDArray[np.int8]:
        """Return occurrence labels (M, A) of `aus` (default: the store's): −1 unlabelled, 0, 1."""
        known = self.vectors("occurrence") if self.given is None else self.given.occurrence
        return np.asarray(known[:, self._columns(aus)], dtype=np.int8)

    def intensity(self, aus: tuple[int, ...] | None = None) -> NDArray[np.float32]:
        """Return intensity labels (M, A) of `aus` (default: the store's): 0–5, NaN unlabelled."""
        known = self.vectors("intensity") if self.given is None else self.given.intensity
        return np.asarray(known[:, self._columns(aus)], dtype=np.float32)

    def _columns(self, aus: tuple[int, ...] | None) -> list[int]:
        wanted = self.aus if aus is None else aus
        missing = [au for au in wanted if au not in self.aus]
        if missing:
            raise InputError(
                f"the store has no labels of AU{missing[0]}",
                path=self.path,
                remedy=f"It has AUs {','.join(map(str, self.aus))}",
            )
        return [self.aus.index(au) for au in wanted]

    @cached_property
    def _chunks(self) -> "tuple[NDArray[np.int64], list[pa.Array], list[pa.Array]]":
        """The memory-mapped pieces of the store: their first rows, encoded images, landmarks."""
        images, landmarks = self._table.column("image").chunks, self._table.column("landmarks").chunks
        if [len(chunk) for chunk in images] != [len(chunk) for chunk in landmarks]:
            raise RuntimeError("the columns of the store are cut into different pieces")
        first_rows = np.cumsum([0, *(len(chunk) for chunk in images)])
        return first_rows, [chunk.field("bytes") for chunk in images], landmarks

    def _at(self, row: int) -> tuple[int, int]:
        """Return the piece that row `row` lies in, and its place there."""
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of a store of {len(self)} faces")
        first_rows = self._chunks[0]
        piece = int(np.searchsorted(first_rows, row, side="right")) - 1
        return piece, row - int(first_rows[piece])

    def _checked(self, row: int) -> tuple[int, int]:
        """Return what `_at` does; raises InputError where the part that holds the row is damaged."""
        piece, place = self._at(int(row))
        self._files.check(int(row), self._chunks[1][piece])
        return piece, place

    def value(self, name: str, row: int) -> Any:
        """Return what column `name` holds in row `row`: a number, text, bytes or list; raises InputError on damage."""
        self._checked(row)
        return self._table.column(name)[int(row)].as_py()

    def encoded(self, row: int) -> bytes:
        """Return the picture of row `row` as it is stored, JPEG or PNG; raises InputError where the store is damaged.

        For eyes alone: unlike `image` it does not read the whole part to check it first.
        """
        piece, place = self._at(int(row))
        if piece not in self._seen:
            self._files.refuse_bad(self._chunks[1][piece], "image")
            self._seen.add(piece)
        return bytes(self._chunks[1][piece][place].as_py())

    @cached_property
    def _seen(self) -> set[int]:
        """The pieces whose pictures lie within the file."""
        return set()

    def image(self, row: int) -> NDArray[np.uint8]:
        """Decode the face of row `row` to RGB, (H, W, 3) uint8; raises InputError where it is damaged."""
        from PIL import Image

        piece, place = self._checked(row)
        try:
            with Image.open(io.BytesIO(self._chunks[1][piece][place].as_py())) as image:
                return np.asarray(image.convert("RGB"))
        except Exception as error:  # of damaged pictures, PIL raises almost any kind
            raise InputError(f"the face in row {row} is damaged", path=self.path, remedy=_REBUILD) from error

    def face(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return the face of row `row`, RGB (H, W, 3) uint8, and its landmarks (68, 2), pixels of it.

        Only this row is read from the disk.
        """
        piece, place = self._at(int(row))
        image = self.image(row)  # first, since it checks the part
        points = self._chunks[2][piece][place].values.to_numpy(zero_copy_only=False)
        return image, points.reshape(68, 2).copy()


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
