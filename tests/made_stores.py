"""Small stores whose AUs can be seen: each active AU brightens its own patch of the face."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from edited import edit_record
from sparsefacs.data.store import FaceRow, Reject, Store, StoreInfo, vector
from sparsefacs.data.store_writer import StoreWriter
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
    file: str = "made",
) -> Store:
    """Write a store of `subjects` × `frames` patch faces; `hide` may take labels away (occurrence (A,) → (A,)).

    faces: landmarks where a face's are, rather than anywhere. file: the name of what the faces are of.
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
                    source=file,
                )
            )
        writer.write_part(number, rows, [Reject("made", 99, "no face")] if number == 0 else [])
    return writer.finish(subjects)


def evident_store(
    path: Path,
    *,
    subjects: int = 8,
    frames: int = 16,
    seed: int = 0,
    change: Callable[[str, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]] = lambda who, labels, points: (
        labels,
        points,
    ),
    blank: bool = False,
    graded: bool = True,
    sides: bool = False,
) -> Store:
    """Write a store of noise whose faces tell AUs 1, 4, 12 by points and blendshapes over a resting face of their own.

    change: may alter a face's labels (3,) and points (68, 2), told whose they are. blank: every fourth face has points
    and blendshapes that are not numbers. graded: intensities too. sides: those of left and right; a third differ.
    """
    from sparsefacs.evidence.blendshapes import BLENDSHAPES

    aus, size, rng = (1, 4, 12), 32, np.random.default_rng(seed)
    moved = {0: ([20, 21, 22, 23], (0, -1.0)), 1: ([19, 20, 23, 24], (0, 1.0)), 2: ([48, 54], (0, -1.2))}
    names = ("browInnerUp", "browDown", "mouthSmile")
    extras = {"sides": vector(6)} if sides else None
    info = StoreInfo(aus, FaceRecipe(size=size).as_json(), {"kind": "test"})
    writer = StoreWriter(path, info, {"seed": seed}, extras)
    for number in range(subjects):
        who, rows = f"s{number:02d}", []
        rest, resting = rng.normal(0, 0.5, (68, 2)), rng.uniform(0.02, 0.1, 3)
        for frame in range(frames):
            labels = (rng.random(3) < 0.4).astype(np.int8)
            points = mean_face() * size - 0.5 + rest + rng.normal(0, 0.1, (68, 2))
            shapes = rng.uniform(0.01, 0.03, len(BLENDSHAPES))
            for place, name in enumerate(names):
                group, way = moved[place]
                points[group] += labels[place] * np.array(way)
                for one, full in enumerate(BLENDSHAPES):
                    if full.removesuffix("Left").removesuffix("Right") == name:
                        shapes[one] = resting[place] + 0.4 * labels[place] * rng.uniform(0.3, 1)
            image = io.BytesIO()
            Image.fromarray(rng.integers(60, 120, (size, size, 3), dtype=np.uint8)).save(image, "PNG")
            labels, points = change(who, labels, points)
            if blank and frame % 4 == 3:
                points, shapes = points * np.nan, shapes * np.nan
            by_side = 3.0 * labels * np.array([[1, 1, 1], [1, 1, 1]])
            by_side[frame % 2] *= 1 - (frame % 3 == 0) * np.array([0, 0.5, 1])
            rows.append(
                FaceRow(
                    image=image.getvalue(),
                    subject=who,
                    clip="c1",
                    frame=frame,
                    time=float(frame),
                    face=0,
                    landmarks=points.astype(np.float32),
                    matrix=np.eye(2, 3, dtype=np.float32),
                    occurrence=labels,
                    intensity=np.where(labels > 0, 3, 0 if graded else np.nan).astype(np.float32),
                    score=1.0,
                    source="made",
                    blendshapes=shapes.astype(np.float32),
                    pose=np.zeros(3, np.float32),
                    extras={"sides": by_side.ravel().astype(np.float32)} if sides else {},
                )
            )
        writer.write_part(number, rows, [])
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
    edit_record(path / "store.json", {}, "sha256", "part_faces")
    return Store(path)
