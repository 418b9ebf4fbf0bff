"""Codes files (what `predict` writes) and overlay stills, read for the report."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..events.coded_tables import FaceCodes, read_codes
from ..inference.beside import told_beside
from .examples import jpeg_uri

MOST_FACES = 4
STILL_WIDTH = 960


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


def read_tracks(path: Path) -> list[Track]:
    """Read a codes file (CSV or Parquet), one Track an input in it; raises InputError when it is no codes file.

    A track shows probabilities where the file has any, else intensities.
    """
    by_input: dict[str, list[FaceCodes]] = {}
    for face in read_codes(Path(path)):
        by_input.setdefault(face.input, []).append(face)
    if not by_input:
        raise InputError("holds no coded frame", path=path, remedy="Leave it out, or code another input")
    every = [face for faces in by_input.values() for face in faces]
    likely = np.any([~np.isnan(face.probability).all(axis=0) for face in every], axis=0)
    strong = np.any([~np.isnan(face.intensity).all(axis=0) for face in every], axis=0)
    told = likely if likely.any() or not strong.any() else strong
    shown = np.flatnonzero(told if told.any() else ~told)
    top = 1.0 if told is likely else 5.0
    notes = told_beside(path)
    return [replace(_track(name, faces, shown, top), notes=notes) for name, faces in by_input.items()]


def _track(name: str, faces: Sequence[FaceCodes], shown: NDArray[np.intp], top: float) -> Track:
    often = sorted((face for face in faces if face.success.any()), key=lambda face: -int(face.success.sum()))
    return Track(
        name=name,
        rows=sum(len(face.frame) for face in faces),
        coded=sum(int(face.success.sum()) for face in faces),
        aus=tuple(faces[0].aus[place] for place in shown),
        faces={
            f"face {face.face}": (face.time_s, (face.probability if top == 1 else face.intensity)[:, shown])
            for face in often[:MOST_FACES]
        },
        hidden=max(0, len(often) - MOST_FACES),
        top=top,
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
