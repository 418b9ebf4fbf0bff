"""Codes files (what `predict` writes) and overlay stills, read for the report."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..inference.beside import told_beside
from .examples import jpeg_uri

if TYPE_CHECKING:
    import pandas as pd

MOST_FACES = 4
STILL_WIDTH = 960
_CODE_AGAIN = "Give a file that `sparsefacs predict` wrote"


@dataclass(frozen=True)
class Track:
    """One coded input: its name, rows and rows with a face, and each shown face's course.

    aus: (A,) numbers; faces maps a face's name to (times (T,) in s, values (T, A)); hidden: faces left out;
    top: largest possible value (1 for probabilities, 5 for intensities); notes: what is to be known of what coded it.
    """

    name: str
    rows: int
    coded: int
    aus: tuple[int, ...]
    faces: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
    hidden: int
    top: float
    notes: tuple[str, ...] = ()

    @property
    def timed(self) -> bool:
        """Whether any face was coded at two times or more, so that there is a curve to draw."""
        return any(np.isfinite(values).any(axis=1).sum() > 1 for _, values in self.faces.values())


def read_codes(path: Path) -> list[Track]:
    """Read a codes file (CSV or Parquet), one Track an input in it; raises InputError when it is no codes file."""
    table = _read_table(Path(path))
    listed = {kind: [name for name in table.columns if re.fullmatch(rf"AU\d+_{kind}", name)] for kind in "pr"}
    kind = "p" if listed["p"] and (table[listed["p"]].notna().any(axis=None) or not listed["r"]) else "r"
    columns = listed[kind]
    needed = [name for name in ("frame", "timestamp", "success") if name not in table.columns]
    if needed or not columns:
        lacking = needed[0] if needed else "AU01_p"
        raise InputError(f"has no column {lacking!r}", path=path, remedy=_CODE_AGAIN)
    if table.empty:
        raise InputError("holds no coded frame", path=path, remedy="Leave it out, or code another input")
    names = table["input"].astype(str) if "input" in table.columns else [Path(path).name] * len(table)
    inputs = dict(tuple(table.groupby(np.asarray(names), sort=False)))
    notes = told_beside(Path(path))
    return [replace(_track(name, rows, columns, kind), notes=notes) for name, rows in inputs.items()]


def _read_table(path: Path) -> "pd.DataFrame":
    import pandas as pd
    import pyarrow as pa

    if not path.is_file():
        raise InputError("is not a codes file", path=path, remedy=_CODE_AGAIN)
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, skipinitialspace=True)
    except (OSError, ValueError, pd.errors.ParserError, pa.ArrowException) as error:
        raise InputError(f"cannot be read as codes ({error})", path=path, remedy=_CODE_AGAIN) from error


def _track(name: Any, table: "pd.DataFrame", columns: list[str], kind: str) -> Track:
    import pandas as pd

    success = pd.to_numeric(table["success"], errors="coerce").fillna(0).to_numpy() == 1
    numbers_TA = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    values_TA = np.where(success[:, None], numbers_TA, np.nan)
    times_T = pd.to_numeric(table["timestamp"], errors="coerce").to_numpy(np.float64)
    ids = table["face_id"].astype(str).to_numpy() if "face_id" in table.columns else np.full(len(table), "0")
    seen = {each: int(success[ids == each].sum()) for each in dict.fromkeys(ids)}
    often = sorted((each for each in seen if seen[each]), key=lambda each: -seen[each])
    faces = {}
    for each in often[:MOST_FACES]:
        mine = np.flatnonzero(ids == each)
        mine = mine[np.argsort(times_T[mine], kind="stable")]
        faces[f"face {each}"] = (times_T[mine], values_TA[mine])
    return Track(
        name=str(name),
        rows=len(table),
        coded=int(success.sum()),
        aus=tuple(int(column[2:].split("_")[0]) for column in columns),
        faces=faces,
        hidden=max(0, len(often) - MOST_FACES),
        top=1.0 if kind == "p" else 5.0,
    )


def read_stills(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Read still pictures, at most 960 pixels wide, as {name, uri, width, height}; InputError on a broken one."""
    from PIL import Image, ImageOps

    stills = []
    for path in paths:
        try:
            with Image.open(path) as opened:
                image = ImageOps.exif_transpose(opened).convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise InputError("cannot be read as a picture", path=path, remedy="Give a PNG or JPEG file") from error
        image.thumbnail((STILL_WIDTH, 4 * STILL_WIDTH), Image.Resampling.LANCZOS)
        stills.append({"name": Path(path).name, "uri": jpeg_uri(image), "width": image.width, "height": image.height})
    return stills
