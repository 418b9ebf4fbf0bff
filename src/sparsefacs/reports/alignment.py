"""How much a run's score falls when faces are cut out badly: shifted, turned, or too large or small.

Landmarks that are found a little off cut a face a little off. Here the held-out faces of a store are moved within their
frame, each face in a direction of its own, while the landmarks stay where a well cut face has them: that is where a
network that looks at landmarks would be told they are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..data.joined import AnyStore
from ..engine.selection import MAIN_METRIC
from ..files import refuse_existing, without_nan, write_json, write_text
from ..inference.evaluation import code_store
from ..inference.model import load_coder
from ..inference.unseen import unseen_faces
from ..metrics.scores import paired_difference, score
from .plots import COLOURS, MARKERS, NARROW_INCHES, style, svg
from .results import METRIC_NAMES
from .tables import with_interval

ERRORS: dict[str, tuple[str, tuple[float, ...]]] = {
    "shift": ("% of the face's side", (2.0, 4.0, 8.0)),
    "turn": ("degrees", (5.0, 10.0, 20.0)),
    "scale": ("% of the face's size", (5.0, 10.0, 20.0)),
}
"""Kind of error → its unit, and how large it is made."""
NUMBERS, PLOT = "alignment.json", "alignment.svg"


def misaligned_scores(run: Path, out: Path, store: AnyStore | None = None, *, seed: int = 0) -> dict[str, Any]:
    """Score run `run` on held-out faces cut out ever worse, into alignment.json and alignment.svg of folder `out`.

    store: faces of people the run has not seen; default: the test people of its own. seed: of each face's direction of
    shift, turn and scale, the same for every size of an error. Returns the content of alignment.json: for each kind of
    ERRORS the mean F1 (or ICC) over AUs with its 95 % interval over subjects at each error, and its `change` from well
    cut faces, with the paired interval. Raises InputError when `out` exists or there is no unseen face.
    """
    refuse_existing(out, what="folder of the alignment report")
    coder, unseen = load_coder(run), unseen_faces(run, store)
    faces, rows = unseen.store, unseen.rows
    truth = faces.intensity(coder.aus) if coder.task == "intensity" else faces.occurrence(coder.aus)
    truth_MA, subject_M = truth[rows], faces.strings("subject")[rows]
    metric, limits_1A = MAIN_METRIC[coder.task], np.asarray([coder.limits])
    aligned_MA = code_store(coder, faces, rows)

    def scored(error: float, coded_MA: NDArray[np.float32]) -> dict[str, Any]:
        given = coder.task, coder.aus, truth_MA
        pooled = score(*given, coded_MA, subject_M, threshold=limits_1A)["pooled"]
        change = paired_difference(*given, coded_MA, aligned_MA, subject_M, threshold=limits_1A)[metric]
        mean = {key: pooled["mean"][metric][key] for key in ("value", "low", "high")}
        return {"error": error} | mean | {"change": {key: change[key] for key in ("value", "low", "high")}}

    well_cut = scored(0.0, aligned_MA)
    kinds = {}
    for kind, (unit, errors) in ERRORS.items():
        worse = [scored(error, code_store(coder, _moved(faces, kind, error, seed), rows)) for error in errors]
        kinds[kind] = {"unit": unit, "scores": [well_cut, *worse]}
    told = {
        "run": str(run),
        "store": str(faces.path),
        "task": coder.task,
        "metric": metric,
        "aus": list(coder.aus),
        "faces": len(rows),
        "subjects": len(np.unique(subject_M)),
        "seed": seed,
        "kinds": kinds,
    }
    told = dict(without_nan(told))
    write_json(out / NUMBERS, told)
    write_text(out / PLOT, _drawn(told))
    return told


def alignment_text(told: Mapping[str, Any]) -> str:
    """Return the content of alignment.json as plain text, a line an error."""
    name = METRIC_NAMES[told["metric"]]
    lines = [f"{'error':34}mean {name:16}change from well cut faces"]
    for kind, found in told["kinds"].items():
        for one in found["scores"][lines[1:] != [] :]:  # the first line of all is that of no error
            what = f"{kind} {one['error']:g} {found['unit']}" if one["error"] else "none"
            change = with_interval(one["change"], signed=True) if one["error"] else ""
            lines.append(f"{what:34}{with_interval(one):21}{change}".rstrip())
    return "\n".join(lines)


def _moved(store: AnyStore, kind: str, error: float, seed: int) -> AnyStore:
    """Return the store with its faces misaligned; all else is as it was."""
    return cast(AnyStore, _Misaligned(store, kind, error, seed))


class _Misaligned:
    """A store whose faces are moved when they are asked for."""

    def __init__(self, store: AnyStore, kind: str, error: float, seed: int) -> None:
        self._store, self._kind, self._error, self._seed = store, kind, error, seed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def __len__(self) -> int:
        return len(self._store)

    def face(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return the misaligned face of `row`, and its landmarks where they were."""
        image, landmarks = self._store.face(row)
        return misaligned(image, self._kind, self._error, np.random.default_rng([self._seed, row])), landmarks


def misaligned(image: NDArray[np.uint8], kind: str, error: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a face (S, S, 3) shifted by `error` % of its side, turned by as many degrees, or scaled by as many %.

    rng: draws the direction of a shift, or which way to turn or scale. Beyond the edge the last pixels are repeated.
    """
    import cv2

    size = image.shape[0]
    way, sign = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
    angle = np.deg2rad(sign * error) if kind == "turn" else 0.0
    zoom = 1 + sign * error / 100 if kind == "scale" else 1.0
    shift = error / 100 * size * np.array([np.cos(way), np.sin(way)]) if kind == "shift" else np.zeros(2)
    cosine, sine = zoom * np.cos(angle), zoom * np.sin(angle)
    linear, centre = np.array([[cosine, -sine], [sine, cosine]]), np.full(2, (size - 1) / 2)
    matrix = np.hstack([linear, (centre + shift - linear @ centre)[:, None]])
    moved = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _drawn(told: dict[str, Any]) -> str:
    """Return the scores over each kind of error as SVG."""
    from matplotlib.figure import Figure

    with style():
        drawn = Figure(figsize=(2 * NARROW_INCHES, 2.5), layout="constrained")
        panels = drawn.subplots(1, len(told["kinds"]), sharey=True)
        for i, (axes, (kind, found)) in enumerate(zip(panels, told["kinds"].items(), strict=True)):
            errors = [one["error"] for one in found["scores"]]
            value, low, high = (
                np.array([np.nan if one[key] is None else one[key] for one in found["scores"]], float)
                for key in ("value", "low", "high")
            )
            axes.fill_between(errors, low, high, color=COLOURS[i], alpha=0.2, linewidth=0)
            axes.plot(errors, value, color=COLOURS[i], marker=MARKERS[i], markersize=4, linewidth=1.4)
            axes.set(xlabel=f"{kind}, {found['unit']}", xticks=errors)
            axes.grid(color="#dddddd", linewidth=0.6)
        panels[0].set_ylabel(f"mean {METRIC_NAMES[told['metric']]}, 95 % over subjects")
        return svg(drawn)
