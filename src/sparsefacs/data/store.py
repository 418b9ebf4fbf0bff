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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import hash_json
from ..records import StoreRecord, read_record
from .face_row import FaceRow, vector
from .given_labels import GivenLabels
from .rejects import LISTED, Reject, read_rejected
from .store_files import StoreFiles

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["STORE_FORMAT", "UNLABELLED", "FaceRow", "Reject", "Store", "StoreInfo", "vector"]

STORE_FORMAT = 1
UNLABELLED = -1
REBUILD = "Make the store again with `sparsefacs prepare` or `sparsefacs synth`"


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


class Store:
    """A finished store, read memory-mapped: nothing but the labels is ever held whole in memory."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise InputError("is not a store folder", path=path, remedy=REBUILD)
        if (self.path / "job.json").exists():
            raise InputError(
                "this store is unfinished", path=path, remedy="Give the `prepare` or `synth` command again to go on"
            )
        raw = read_record(self.path / "store.json", StoreRecord, what="the store's description", remedy=REBUILD)
        if raw["format"] != STORE_FORMAT:
            raise InputError(f"store format {raw['format']} is not {STORE_FORMAT}", path=path, remedy=REBUILD)
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
        self._files = StoreFiles(self.path, raw, REBUILD)
        self._table = self._files.load(len(self.info.aus))
        if len(self._table) != self.info.faces:
            raise InputError(
                f"holds {len(self._table)} faces but its description says {self.info.faces}",
                path=path,
                remedy=REBUILD,
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
            raise InputError(f"the face in row {row} is damaged", path=self.path, remedy=REBUILD) from error

    def face(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return the face of row `row`, RGB (H, W, 3) uint8, and its landmarks (68, 2), pixels of it.

        Only this row is read from the disk.
        """
        piece, place = self._at(int(row))
        image = self.image(row)  # first, since it checks the part
        points = self._chunks[2][piece][place].values.to_numpy(zero_copy_only=False)
        return image, points.reshape(68, 2).copy()
