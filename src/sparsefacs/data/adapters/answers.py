"""Answers of `sparsefacs label` as a table of labels: of each face what holds, whatever was said before."""

from pathlib import Path

import numpy as np

from ...errors import InputError
from ..answers import is_answers, read_answers
from ..store import UNLABELLED
from .columns import LabelTable

_TORN = "its last line was cut off in writing and is left out"
_SEVERAL = "coders {}: where several coded a face, the answer of whoever stands first in the file is taken"


def recognises(path: Path) -> bool:
    """Say whether the file at `path` holds answers of `sparsefacs label`."""
    return is_answers(path)


def read(path: Path, coder: str | None = None) -> LabelTable:
    """Read the answers of `coder`, or of all; faces that were skipped or could not be judged have no row.

    Raises InputError where no face was coded.
    """
    table = read_answers(path)
    rows = [answer for answer in table.of(coder).values() if answer.occurrence]
    if not rows:
        raise InputError("holds no coded face", path=path, remedy="Code some with `sparsefacs label`")
    occurrence = np.array([[row.occurrence.get(au, UNLABELLED) for au in table.aus] for row in rows], np.int8)
    intensity = np.array([[row.intensity.get(au, np.nan) for au in table.aus] for row in rows], np.float32)
    notes = [_TORN] if table.torn else []
    if coder is None and len(table.standing.coders) > 1:
        notes.append(_SEVERAL.format(", ".join(table.standing.coders)))
    return LabelTable(
        path,
        "answers",
        table.aus,
        occurrence,
        intensity,
        [row.key.path for row in rows],
        np.array([row.key.frame for row in rows], np.int64),
        np.array([np.nan if row.time_s is None else row.time_s for row in rows]),
        np.array([row.key.face for row in rows], np.int64),
        [row.key.subject for row in rows],
        [row.key.clip for row in rows],
        notes=tuple(notes),
    )
