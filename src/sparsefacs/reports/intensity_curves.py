"""Predicted intensity of AUs over a clip of a person not trained on, beside the truth (MAE-Face, Fig. 6)."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.joined import AnyStore, known_intensity
from ..engine.run import RunFolder
from ..errors import InputError
from ..facs.units import UNITS, column
from ..inference.evaluation import code_store
from ..inference.model import load_coder
from ..inference.pooling import Answered, table_of
from ..inference.unseen import unseen_faces
from ..metrics.intensity import IntensitySums
from ..records import read_parquet, read_record
from ..run_records import MetricsRecord
from .plots import COLOURS, style, svg

if TYPE_CHECKING:
    import pandas as pd

MOST_AUS = 4
_FEWEST_FRAMES = 10  # a clip of two labelled frames has the largest spread of all by chance
_TOP = 5.0
_WIDTH_INCHES, _STRIP_INCHES = 7.2, 1.15

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClipCurves:
    """Intensities 0–5 of A AUs over T frames of a clip, true (T, A), NaN without a label, and predicted (T, A).

    place: (T,) times in seconds, or numbers of frames where times are not known; unit: which.
    """

    subject: str
    clip: str
    aus: tuple[int, ...]
    place: Floats
    unit: str
    truth: Floats
    predicted: Floats


def is_of_intensity(run: Path) -> bool:
    """Say whether run folder `run` holds a network that codes intensity, or the scores of several folds of such."""
    folder = RunFolder(run)
    if folder.model.is_file():
        return bool(folder.read_model()["task"] == "intensity")
    if not folder.metrics.is_file():
        return False
    return bool(read_record(folder.metrics, MetricsRecord, what="scores", remedy="Train again")["task"] == "intensity")


def intensity_curves(run: Path, store: AnyStore | None = None) -> ClipCurves | None:
    """Return the curves of the clip in whose labels an AU moves most, of up to four AUs that move most there.

    The clip is chosen by the truth alone: by the largest standard deviation of an AU's labels in it. From the run's
    predictions.parquet, or of the people of `store` whom it has not seen. None where no label varies. Raises
    InputError when the run was not scored, or `store` has nobody it has not seen.
    """
    if store is None:
        table, aus = _predicted(RunFolder(run))
        truth_MA = table[[column(au, "true") for au in aus]].to_numpy(np.float64)
        chosen = _liveliest(table["subject"].to_numpy(np.str_), table["clip"].to_numpy(np.str_), truth_MA)
        return None if chosen is None else _of(table.iloc[chosen], aus)
    coder, found = load_coder(run), unseen_faces(run, store)
    truth_MA = known_intensity(found.store, coder.aus)[found.rows].astype(np.float64)
    subjects, clips = (found.store.strings(name)[found.rows] for name in ("subject", "clip"))
    chosen = _liveliest(subjects, clips, truth_MA)
    if chosen is None:
        return None
    rows = found.rows[chosen]
    coded_TA = code_store(coder, found.store, rows)
    answered = Answered("intensity", coder.aus)
    return _of(table_of(answered, found.store, rows, coded_TA, "unseen", coder.limits), coder.aus)


def _predicted(folder: RunFolder) -> "tuple[pd.DataFrame, tuple[int, ...]]":
    file = folder.require(folder.predictions, "the table of predictions")
    keys = ("subject", "clip", "time")
    table = read_parquet(file, what="the table of predictions", remedy="Evaluate the run again", columns=keys)
    aus = tuple(au for au in UNITS if {column(au, "r"), column(au, "true")} <= set(table.columns))
    if not aus:
        raise InputError("holds no predicted intensities", path=file, remedy="Evaluate the run again")
    return table, aus


def _liveliest(subjects_M: NDArray[Any], clips_M: NDArray[Any], truth_MA: Floats) -> NDArray[np.int64] | None:
    """Return the places of the clip in which an AU's labels (M, A) spread most; None where none varies.

    Clips of under ten labelled frames come after all others.
    """
    clip_M = np.unique(np.stack([subjects_M, clips_M]).astype(str), axis=1, return_inverse=True)[1].ravel()
    order = np.argsort(clip_M, kind="stable")
    best: tuple[tuple[bool, float], NDArray[np.int64]] | None = None
    for places in np.split(order, np.flatnonzero(np.diff(clip_M[order])) + 1):
        spread = float(_spread(truth_MA[places]).max(initial=0))
        enough = bool(np.isfinite(truth_MA[places]).any(axis=1).sum() >= _FEWEST_FRAMES)
        if spread > 0 and (best is None or (enough, spread) > best[0]):
            best = (enough, spread), places
    return None if best is None else best[1]


def _spread(truth_TA: Floats) -> Floats:
    """Return the standard deviation of each AU's known labels (T, A), 0 where there is none."""
    known = np.isfinite(truth_TA)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, truth_TA, 0).sum(axis=0) / count
    away = np.where(known, truth_TA - mean, 0)
    return np.asarray(np.sqrt((away * away).sum(axis=0) / count), np.float64)


def _of(table: "pd.DataFrame", aus: tuple[int, ...]) -> ClipCurves:
    """Return one clip's rows as curves of the AUs that move, the liveliest MOST_AUS, in the order of their numbers."""
    seconds = table["time"].to_numpy(np.float64)
    timed = bool(np.isfinite(seconds).all() and np.ptp(seconds) > 0)
    place = seconds if timed else table["frame"].to_numpy(np.float64)
    order = np.argsort(place, kind="stable")
    truth = table[[column(au, "true") for au in aus]].to_numpy(np.float64)[order]
    predicted = table[[column(au, "r") for au in aus]].to_numpy(np.float64)[order]
    spread = _spread(truth)
    kept = np.sort(np.argsort(-spread, kind="stable")[: min(MOST_AUS, int((spread > 0).sum()))])
    return ClipCurves(
        subject=str(table["subject"].iloc[0]),
        clip=str(table["clip"].iloc[0]),
        aus=tuple(aus[place] for place in kept.tolist()),
        place=place[order],
        unit="s" if timed else "frame",
        truth=truth[:, kept],
        predicted=predicted[:, kept],
    )


def figures_of(curves: ClipCurves) -> dict[str, Any]:
    """Return what pictures.json says of the curves: whose they are, and each AU's ICC(3,1), MSE and MAE in this clip.

    An ICC that is undefined (nothing varies) is None.
    """
    used = np.isfinite(curves.truth)
    sums = IntensitySums(curves.truth, curves.predicted, used, np.zeros(len(used), np.int64))
    values = {name: each[0].tolist() for name, each in sums.values(np.ones((1, 1))).items()}
    per_au = {
        str(au): {name: each[place] if np.isfinite(each[place]) else None for name, each in values.items()}
        for place, au in enumerate(curves.aus)
    }
    return {"subject": curves.subject, "clip": curves.clip, "frames": len(used), "unit": curves.unit, "per_au": per_au}


def draw_curves(curves: ClipCurves) -> str:
    """Draw predicted and true intensity 0–5 over time, a strip an AU, as SVG text; breaks where frames are missing."""
    from matplotlib.figure import Figure

    with style():
        strips = len(curves.aus)
        drawn = Figure(figsize=(_WIDTH_INCHES, 0.85 + _STRIP_INCHES * strips), layout="constrained")
        panels = drawn.subplots(strips, 1, sharex=True, squeeze=False)[:, 0]
        per_au = figures_of(curves)["per_au"]
        handles: list[Any] = []
        for place, (panel, au) in enumerate(zip(panels, curves.aus, strict=True)):
            true = panel.plot(*_broken(curves.place, curves.truth[:, place]), color="#777777", linewidth=2.2)
            coded = panel.plot(
                *_broken(curves.place, curves.predicted[:, place]), color=COLOURS[1], linestyle="--", linewidth=1.3
            )
            handles = [*true, *coded]
            icc = per_au[str(au)]["icc"]
            told = "undefined" if icc is None else f"{icc:.2f}"
            title = f"AU{au} {UNITS[au].name}: ICC {told}, MAE {per_au[str(au)]['mae']:.2f} in this clip"
            panel.set_title(title, loc="left", fontsize=8)
            panel.set(ylim=(-0.15, _TOP + 0.15), yticks=range(int(_TOP) + 1))
            panel.grid(axis="y", color="#eeeeee", linewidth=0.6)
            panel.margins(x=0.01)
        panels[-1].set_xlabel("time (s)" if curves.unit == "s" else "frame")
        drawn.supylabel("intensity (0–5)", fontsize=9)
        names = ["labels", f"predicted · {curves.subject}, {curves.clip}, not trained on"]
        drawn.legend(handles, names, loc="outside upper left", frameon=False, ncols=2)
        return svg(drawn)


def _broken(place_T: Floats, value_T: Floats) -> tuple[Floats, Floats]:
    """Return a curve with a gap wherever more than one and a half of the usual step lies between two frames."""
    steps = np.diff(place_T)
    wide = np.flatnonzero(steps > 1.5 * np.median(steps)) + 1 if len(steps) else np.array([], np.int64)
    return np.insert(place_T, wide, place_T[wide - 1]), np.insert(value_T, wide, np.nan)
