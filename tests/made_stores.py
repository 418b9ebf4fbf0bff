"""Small stores whose AUs can be seen: each active AU brightens its own patch of the face."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from sparsefacs.data.store import FaceRow, Reject, Store, StoreInfo, StoreWriter
from sparsefacs.faces.alignment import FaceRecipe
from sparsefacs.facs.landmarks import mean_face


def patch_face(active: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A noisy grey square in which AU i, when active, brightens the i-th cell of a 3 × 3 grid."""
    image = rng.normal(90, 18, (size, size, 3))
    cell = size // 3
    for place, on in enumerate(active):
        if on > 0:
            y, x = divmod(place, 3)
            image[y * cell : (y + 1) * cell, x * cell : (x + 1) * cell] += 70
    return np.clip(image, 0, 255).astype(np.uint8)


def _landmarks(rng: np.random.Generator, size: int, faces: bool) -> np.ndarray:
    anywhere = rng.uniform(0, size, (68, 2)).astype(np.float32)  # drawn in any case, so that pictures stay the same
    return (mean_face() * size - 0.5).astype(np.float32) if faces else anywhere


def build_store(
    path: Path,
    *,
    subjects: int = 6,
    frames: int = 12,
    aus: tuple[int, ...] = (1, 4, 12),
    size: int = 32,
    seed: int = 0,
    prefix: str = "s",
    hide: Callable[[np.ndarray], np.ndarray] | None = None,
    source: dict[str, object] | None = None,
    faces: bool = False,
) -> Store:
    """Write a store of `subjects` × `frames` patch faces; `hide` may take labels away (occurrence (A,) → (A,)).

    faces: landmarks where a face's are, rather than anywhere.
    """
    rng = np.random.default_rng(seed)
    info = StoreInfo(aus, FaceRecipe(size=size).as_json(), {"kind": "test"} | (source or {}))
    writer = StoreWriter(path, info, {"seed": seed})
    for number in range(subjects):
        rows = []
        for frame in range(frames):
            truth = (rng.random(len(aus)) < 0.4).astype(np.int8)
            encoded = io.BytesIO()
            Image.fromarray(patch_face(truth, size, rng)).save(encoded, "PNG")
            rows.append(
                FaceRow(
                    image=encoded.getvalue(),
                    subject=f"{prefix}{number:02d}",
                    clip="c1",
                    frame=frame,
                    time=frame / 25,
                    face=0,
                    landmarks=_landmarks(rng, size, faces),
                    matrix=np.eye(2, 3, dtype=np.float32),
                    occurrence=truth if hide is None else hide(truth),
                    intensity=np.where(truth > 0, rng.integers(2, 6, len(aus)), 0).astype(np.float32),
                    score=1.0,
                    source="made",
                )
            )
        writer.write_part(number, rows, [Reject("made", 99, "no face")] if number == 0 else [])
    return writer.finish(subjects)


def without_columns(path: Path, *names: str) -> Store:
    """Take columns away from the store in `path`, as if an older version had made it; return it."""
    import pyarrow as pa

    for part in path.glob("data-*.arrow"):
        with pa.ipc.open_stream(part.read_bytes()) as stream:
            table = stream.read_all().drop_columns(list(names))
        # what HF `datasets` keeps of the columns in the file itself goes too
        table = table.replace_schema_metadata(None)
        with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
    described = json.loads((path / "dataset_info.json").read_text())
    for name in names:
        del described["features"][name]
    (path / "dataset_info.json").write_text(json.dumps(described))
    return Store(path)
