"""What an encoder makes of the faces of a store, in memory or as a Parquet table for other programs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..data.evidence import EvidenceTable
from ..data.joined import AnyStore
from ..data.people import SeenPeople
from ..errors import InputError
from ..faces.alignment import FaceRecipe
from ..facs.units import column
from ..files import atomic_path
from ..progress import progress
from .batching import NETWORK_BATCH

CELLS_PER_GROUP = (
    32_000_000  # features held a second time while they are written: 128 MB; fewer, longer groups read fast
)


class FaceEncoder(Protocol):
    """Turns aligned faces into features: any network, frozen. seen: whose faces it learned from."""

    @property
    def name(self) -> str:
        """What tables call it."""

    @property
    def width(self) -> int:
        """How many features a face has."""

    @property
    def recipe(self) -> FaceRecipe:
        """How its faces are cut."""

    @property
    def seen(self) -> SeenPeople:
        """Whose faces it was trained on, with or without labels."""

    def features(
        self,
        faces_BHWC: NDArray[np.uint8],
        landmarks_BPC: NDArray[np.float32],
        evidence_BE: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Return features (B, width) of aligned RGB faces (B, S, S, 3), landmarks (B, 68, 2) in their pixels.

        evidence_BE: (B, 2W + 1), given where the encoder has a `person` that is not None.
        """


def extract_features(encoder: FaceEncoder, store: AnyStore, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the features (len(rows), D) of faces of a store, in the order of `rows`.

    Where the encoder looks at evidence (its `person` is not None), it is given that of the store's faces. Faces are
    decoded and encoded NETWORK_BATCH at a time, the last batch filled up with its last face, so that
    memory holds little beside the result, and company never changes a face's features. Raises InputError when faces
    are cut differently from those the encoder learned on, or a feature is no finite number.
    """
    if store.info.recipe_hash != encoder.recipe.hash:
        raise InputError(
            "its faces are cut differently from those the encoder learned on",
            path=store.path,
            remedy=f"Prepare it with --size {encoder.recipe.size}, and the --landmarks and version of its faces",
        )
    person = getattr(encoder, "person", None)
    table = None if person is None else EvidenceTable(store.parts, person=person)
    features_ND = np.empty((len(rows), encoder.width), np.float32)
    with progress("encode faces", len(rows), "faces") as bar:
        for first in range(0, len(rows), NETWORK_BATCH):
            part = rows[first : first + NETWORK_BATCH]
            pairs = [store.face(int(row)) for row in part]
            pairs += [pairs[-1]] * (NETWORK_BATCH - len(pairs))
            faces, points = zip(*pairs, strict=True)
            whole = np.concatenate([part, np.repeat(part[-1:], NETWORK_BATCH - len(part))])
            given = () if table is None else (table.of(whole),)
            encoded_BD = encoder.features(np.stack(faces), np.stack(points), *given)[: len(part)]
            if not np.isfinite(encoded_BD).all():
                worst = int(part[~np.isfinite(encoded_BD).all(axis=1)][0])
                raise InputError(
                    f"encoder {encoder.name} gives no finite features for the face of row {worst}",
                    path=store.path,
                    remedy="Train the encoder again, perhaps at a lower learning rate: its weights have diverged",
                )
            features_ND[first : first + len(part)] = encoded_BD
            bar.advance(len(part))
    return features_ND


def write_features(
    path: Path,
    store: AnyStore,
    rows: NDArray[np.int64],
    features_ND: NDArray[np.float32],
    aus: Sequence[int],
    about: Mapping[str, str] | None = None,
) -> None:
    """Write Parquet, a row a face: row, subject, clip, frame, AU01_c …, AU01_r …, then f000 …; whole or not at all.

    AU01_c: occurrence 0 or 1, AU01_r: intensity 0–5, empty where unlabelled. about: kept in the file's metadata, such
    as the encoder's name. Raises InputError for an AU the store lacks, another suffix than .parquet, a full disk.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    if path.suffix.lower() != ".parquet":
        raise InputError("features are written as Parquet", path=path, remedy="End the name of --out in .parquet")
    if features_ND.ndim != 2 or len(features_ND) != len(rows):
        raise ValueError(f"{len(rows)} rows do not fit features {features_ND.shape}")
    known: dict[str, Any] = {
        "row": pa.array(rows, pa.int64()),
        "subject": pa.array(store.strings("subject")[rows].tolist(), pa.string()),
        "clip": pa.array(store.strings("clip")[rows].tolist(), pa.string()),
        "frame": pa.array(store.numbers("frame")[rows], pa.int64()),
    }
    occurrence_NA, intensity_NA = store.occurrence(tuple(aus))[rows], store.intensity(tuple(aus))[rows]
    known |= {
        column(au, "c"): pa.array(label_N, pa.int8(), mask=label_N < 0)
        for au, label_N in zip(aus, occurrence_NA.T, strict=True)
    }
    known |= {
        column(au, "r"): pa.array(label_N, pa.float32(), mask=np.isnan(label_N))
        for au, label_N in zip(aus, intensity_NA.T, strict=True)
    }
    labels = pa.table(known)
    names = feature_columns(features_ND.shape[1])
    fields = [*labels.schema, *(pa.field(name, pa.float32()) for name in names)]
    schema = pa.schema(fields, metadata=dict(about or {}))
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        step = max(1, CELLS_PER_GROUP // max(1, len(names)))
        for first in range(0, len(rows), step):
            part = slice(first, first + step)
            numbers = [pa.array(np.ascontiguousarray(values)) for values in features_ND[part].astype(np.float32).T]
            columns = labels.slice(first, step).columns
            writer.write_table(pa.Table.from_arrays([*columns, *numbers], schema=schema))


def feature_columns(width: int) -> list[str]:
    """Return the names of `width` features: f000 …, with more digits where three are too few."""
    digits = max(3, len(str(width - 1)))
    return [f"f{number:0{digits}d}" for number in range(width)]
