"""Codes of faces, made up: as arrays and as the tables they are read from."""

from pathlib import Path

import numpy as np
import pandas as pd

from sparsefacs.events.coded_tables import FaceCodes


def face_codes(occurrence, intensity=None, *, aus=(1, 12), fps=25.0, time_s=None, **told) -> FaceCodes:
    """Return the codes of a face; occurrence and intensity: (N, A), a row of all −1 is a lost face."""
    occurrence = np.array(occurrence, np.int8).reshape(-1, len(aus))
    frames = len(occurrence)
    intensity = np.full(occurrence.shape, np.nan) if intensity is None else np.array(intensity, float)
    return FaceCodes(
        told.get("input", "clip.mp4"),
        told.get("subject", ""),
        told.get("face", 0),
        np.array(told.get("frame", np.arange(1, frames + 1))),
        np.arange(frames) / fps if time_s is None else np.array(time_s, float),
        (occurrence >= 0).any(axis=1),
        aus,
        occurrence,
        intensity.reshape(occurrence.shape),
        np.full(occurrence.shape, np.nan),
    )


def codes_table(faces, *, with_input=True) -> pd.DataFrame:
    """Return the table that `read_codes` reads these faces from."""
    parts = []
    for face in faces:
        part = {"input": face.input, "subject": face.subject} if with_input else {}
        part |= {"frame": face.frame, "face_id": face.face, "timestamp": face.time_s, "success": face.success * 1}
        for place, au in enumerate(face.aus):
            known = face.occurrence[:, place] >= 0
            part[f"AU{au:02d}_c"] = np.where(known, face.occurrence[:, place], np.nan)
            part[f"AU{au:02d}_r"] = face.intensity[:, place]
        parts.append(pd.DataFrame(part))
    return pd.concat(parts)


def save_codes(path: Path, *faces, with_input=True) -> Path:
    """Write these faces as a codes file."""
    table = codes_table(faces, with_input=with_input)
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False)
    return path
