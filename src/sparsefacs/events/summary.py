"""`sparsefacs summary`: codes in, a table out of how much of its time each face showed each AU."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..facs import column
from ..files import refuse_existing
from ..row_files import Cell, check_table_path, open_rows
from .coded_tables import FaceCodes, coded_aus, read_codes
from .finding import Rules, find_events

Floats = NDArray[np.float64]
_FACE = {
    "input": "string", "subject": "string", "face_id": "int32",
    "frames": "int32", "seconds": "float64", "scorable": "float64",
}  # fmt: skip
_AU = {
    "coded": "float64", "present": "float64", "intensity_mean": "float64", "intensity_max": "float64",
    "events": "int32", "events_cut": "int32", "event_mean_s": "float64", "events_per_minute": "float64",
}  # fmt: skip
_PAIR = ("together", "jaccard")


@dataclass(frozen=True)
class FaceSummary:
    """What a face of a video, or of a photo, showed; shares are of time, of frames where there is no time.

    seconds: from its first row to its last, NaN without times. scorable: share of them in which the face was found.
    by_au: (A, 8) as `_AU` names them, NaN where undefined: seconds (frames) coded, share of these in which the AU is
    present, mean and highest intensity 0–5, events, those cut short, mean seconds of an event, events a minute.
    together, jaccard: (A, A) share of the time in which two AUs are coded that both are present; of the time in which
    one of them is.
    """

    codes: FaceCodes
    seconds: float
    scorable: float
    by_au: Floats
    together: Floats
    jaccard: Floats


@dataclass(frozen=True)
class Summarised:
    """What was written: rows of how many inputs and faces; the AUs; what an event is; files that could not be used."""

    out: Path
    rows: int
    inputs: int
    faces: int
    aus: tuple[int, ...]
    event_rule: str
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return vars(self) | {"out": str(self.out), "aus": list(self.aus), "problems": list(self.problems)}


def summarise(codes: Path, out: Path, *, rules: Rules | None = None, wide: bool = False) -> Summarised:
    """Write the summary of a codes file, or of a folder of them, to the CSV or Parquet table `out`.

    wide: a row a face with columns such as AU12_present; else a row a face and AU. Files are read one after the other,
    so that memory does not grow with them. Raises InputError where nothing can be read, and for an `out` that exists.
    """
    check_table_path(out, "summaries")
    refuse_existing(out, what="summary")
    rules = rules or Rules()
    aus = coded_aus(codes)
    problems: list[InputError] = []
    rows = faces = inputs = 0
    last = None
    with open_rows(out, _wide_types(aus) if wide else _long_types(aus)) as table:
        for face in read_codes(codes, problems=problems):
            summary = summarise_face(face, rules)
            for row in [_wide_row(summary, aus)] if wide else _long_rows(summary, aus):
                table.write([*row, rules.words])
                rows += 1
            faces, inputs, last = faces + 1, inputs + (face.input != last), face.input
        if not faces:
            raise (
                problems[0]
                if problems
                else InputError("holds no coded frame", path=codes, remedy="Code a photo or video first")
            )
    return Summarised(out, rows, inputs, faces, aus, rules.words, tuple(map(str, problems)))


def summarise_face(codes: FaceCodes, rules: Rules) -> FaceSummary:
    """Return what a face showed; each frame weighs as long as it is shown."""
    timed = not np.isnan(codes.time_s).any()
    weight_N = codes.shown_s if timed else np.ones(len(codes.frame))
    known_NA, present_NA = codes.occurrence >= 0, codes.occurrence == 1
    strong_NA = ~np.isnan(codes.intensity)
    coded_A, strong_A = weight_N @ known_NA, weight_N @ strong_NA
    by_au = np.full((len(codes.aus), len(_AU)), np.nan)
    by_au[:, 0] = coded_A
    by_au[:, 1] = _share(weight_N @ present_NA, coded_A)
    by_au[:, 2] = _share(weight_N @ np.where(strong_NA, codes.intensity, 0.0), strong_A)
    by_au[:, 3] = np.where(strong_NA.any(axis=0), np.max(np.where(strong_NA, codes.intensity, -1), axis=0), np.nan)
    if timed:
        by_au[:, 4:] = _events(codes, rules, coded_A)
    absent_NA = known_NA & ~present_NA
    both_AA = _products(present_NA, weight_N)
    known_AA = _products(known_NA, weight_N)
    seconds = float(weight_N.sum())
    return FaceSummary(
        codes,
        seconds if timed else float("nan"),
        float(weight_N @ codes.success / seconds) if seconds else float("nan"),
        by_au,
        _share(both_AA, known_AA),
        _share(both_AA, known_AA - _products(absent_NA, weight_N)),
    )


def _events(codes: FaceCodes, rules: Rules, coded_A: Floats) -> Floats:
    """Return number, number cut, mean seconds and number a minute of each AU's events, (A, 4)."""
    found = np.zeros((len(codes.aus), 3))
    for event in find_events(codes, rules):
        lasts = (event.offset_s or event.onset_s) - event.onset_s
        found[codes.aus.index(event.au)] += 1, bool(event.cut), lasts
    number, cut, lasting = found.T
    table = np.stack([number, cut, _share(lasting, number), _share(number * 60, coded_A)], axis=1)
    return np.where((coded_A > 0)[:, None], table, np.nan)


def _products(flags_NA: NDArray[np.bool_], weight_N: Floats) -> Floats:
    """Return how long each two flags are true together, (A, A)."""
    together: Floats = (flags_NA * weight_N[:, None]).T @ flags_NA
    return together


def _share(part: Floats, whole: Floats) -> Floats:
    share: Floats = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 1e-9)
    return share


def _long_types(aus: tuple[int, ...]) -> dict[str, str]:
    pairs = {f"{what}_AU{au:02d}": "float64" for what in _PAIR for au in aus}
    return _FACE | {"au": "int32"} | _AU | pairs | {"event_rule": "string"}


def _wide_types(aus: tuple[int, ...]) -> dict[str, str]:
    single = {column(au, name): kind for au in aus for name, kind in _AU.items()}
    pairs = {f"{column(one, f'AU{two:02d}')}_{what}": "float64" for one, two in _pairs(aus) for what in _PAIR}
    return _FACE | single | pairs | {"event_rule": "string"}


def _pairs(aus: tuple[int, ...]) -> list[tuple[int, int]]:
    return [(one, two) for place, one in enumerate(aus) for two in aus[place + 1 :]]


def _start(summary: FaceSummary) -> list[Cell]:
    codes = summary.codes
    return [
        codes.input,
        codes.subject or None,
        codes.face,
        len(codes.frame),
        _cell(summary.seconds),
        _cell(summary.scorable),
    ]


def _cells(values: Floats) -> list[Cell]:
    """Return a row of `by_au` as cells; counts are whole numbers."""
    whole = [name in ("events", "events_cut") for name in _AU]
    cells = [_cell(float(value)) for value in values]
    return [int(cell) if count and cell is not None else cell for cell, count in zip(cells, whole, strict=True)]


def _cell(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 6)


def _long_rows(summary: FaceSummary, aus: tuple[int, ...]) -> Iterator[list[Cell]]:
    own = summary.codes.aus
    for place, au in enumerate(own):
        pairs: list[Cell] = []
        for matrix in (summary.together, summary.jaccard):
            told = dict(zip(own, matrix[place].tolist(), strict=True)) | {au: float("nan")}
            pairs += [_cell(told.get(other, float("nan"))) for other in aus]
        yield [*_start(summary), au, *_cells(summary.by_au[place]), *pairs]


def _wide_row(summary: FaceSummary, aus: tuple[int, ...]) -> list[Cell]:
    at = {au: place for place, au in enumerate(summary.codes.aus)}
    empty: list[Cell] = [None] * len(_AU)
    cells = [cell for au in aus for cell in (_cells(summary.by_au[at[au]]) if au in at else empty)]
    for one, two in _pairs(aus):
        both = one in at and two in at
        cells += [
            _cell(float(matrix[at[one], at[two]])) if both else None for matrix in (summary.together, summary.jaccard)
        ]
    return [*_start(summary), *cells]
