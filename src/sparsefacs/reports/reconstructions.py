"""Faces restored by a masked autoencoder: at several masking ratios, and by two runs (MAE-Face, Figs 5 and 8).

Beside the pictures stands what they cannot say: the mean absolute error of hidden pixels, and that of painting each
hidden patch with its own mean, which a loss on normalised patches leaves to be put back.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.joined import AnyStore, open_stores
from ..data.people import SeenPeople
from ..engine.run import RunFolder
from ..errors import InputError
from ..files import hash_json, refuse_existing, write_json
from ..inference.reconstruction import Reconstructed, Restorer, load_restorer
from ..inference.unseen import unseen_faces
from ..metrics.bootstrap import interval, resampled
from ..metrics.scores import RESAMPLES
from ..records import read_record
from ..run_records import PeopleRecord, PlanRecord
from .embedding import evenly
from .flow_errors import ErrorSums
from .grids import draw_grid
from .tables import with_interval

RATIOS = (0.5, 0.75, 0.9)
BESIDE_RATIO = 0.75
MOST_MEASURED = 500
RECONSTRUCTIONS, BESIDE = "reconstructions.png", "beside.png"
_PUT_BACK = (
    "The loss was on patches less their own mean, over their own deviation: those of the true patch are put back, so "
    "its mean colour and contrast are not the network's."
)


@dataclass(frozen=True)
class Shown:
    """Rows of a store that are shown; seen: the run was trained on them, since no fold keeps anybody out."""

    store: AnyStore
    rows: NDArray[np.int64]
    seen: bool

    @property
    def words(self) -> str:
        """Whose faces they are."""
        return "of people the run WAS trained on (no fold kept any out)" if self.seen else "of people not trained on"


def is_of_pretraining(run: Path) -> bool:
    """Say whether `run` is the folder of a pre-training, or of one a fold."""
    return RunFolder(run).encoder.is_file() or any(Path(run).glob("fold-*/encoder.json"))


def faces_to_show(run: Path, store: AnyStore | None) -> Shown:
    """Return the faces of people that a pre-training has not seen, in its own store or another.

    A pre-training without a protocol has seen all people of its own store; these are then returned, and said to be
    seen. Raises InputError when nobody is left of another store, or the run's own is no longer there.
    """
    plan = read_record(RunFolder(run).protocol, PlanRecord, what="the run's protocol", remedy="Pre-train again")
    if plan.get("fold") is None:
        found = store
        if found is None:
            found = open_stores(plan["store"])
        if hash_json(found.info.as_json()) == plan["store_hash"]:
            return Shown(found, np.arange(len(found)), seen=True)
        if store is None:
            raise InputError(
                "is no longer the store this run learned from", path=found.path, remedy="Name a store to show faces of"
            )
    unseen = unseen_faces(run, store)
    return Shown(unseen.store, unseen.rows, seen=False)


def reconstructions(
    run: Path,
    out: Path,
    numbers: str,
    store: AnyStore | None = None,
    *,
    beside: Path | None = None,
    faces: int = 6,
    seed: int = 0,
) -> dict[str, Any]:
    """Write reconstructions.png, and with a second run `beside` also beside.png, and the file `numbers`, to `out`.

    store: faces of people that no run has seen; default: the test people of the run's own fold. Returns the content of
    `numbers`. Raises InputError when a run is no pre-trained masked autoencoder, the two runs hide other patches, or no
    face is left to show.
    """
    refuse_existing(out, what="folder of pictures")
    restorer, shown = load_restorer(run), faces_to_show(run, store)
    other = None if beside is None else load_restorer(beside)
    if other is not None:
        shown = _unseen_by_both(shown, restorer, other)
    restorer.check(shown.store)
    subjects = shown.store.strings("subject")
    chosen = shown.rows[evenly(subjects[shown.rows], faces, seed)]
    measured = shown.rows[evenly(subjects[shown.rows], MOST_MEASURED, seed)]
    told: dict[str, Any] = {"run": str(run), "seed": seed, "written": {}, "not_written": {}}
    told |= {"store": str(shown.store.path), "seen_by_run": shown.seen, "faces": _described(shown.store, chosen)}
    errors = {
        ratio: error_figures(restorer.errors(shown.store, measured, ratio, seed), subjects[measured])
        for ratio in RATIOS
    }
    told["reconstructions"] = {
        "learned": restorer.name,
        "unit": "mean absolute difference of hidden pixels, of a range of 0 to 1",
        "hidden": {f"{100 * ratio:g} %": figures for ratio, figures in errors.items()},
    }
    _draw_ratios(out / RECONSTRUCTIONS, restorer, shown, chosen, errors, seed)
    told["written"][RECONSTRUCTIONS] = (
        f"{len(chosen)} faces {shown.words}, at {', '.join(f'{100 * ratio:g} %' for ratio in RATIOS)} hidden. "
        f"{_errors_told(errors[BESIDE_RATIO])} at {100 * BESIDE_RATIO:g} %"
    )
    if other is not None:
        first = restorer.errors(shown.store, measured, BESIDE_RATIO, seed)["restored"]
        second = other.errors(shown.store, measured, BESIDE_RATIO, seed)
        figures = error_figures(second | {"first_run": first}, subjects[measured])
        told["beside"] = {"run": str(other.run.path), "learned": other.name, "hidden": f"{100 * BESIDE_RATIO:g} %"}
        told["beside"] |= figures
        _draw_beside(out / BESIDE, (restorer, other), shown, chosen, (errors[BESIDE_RATIO], figures), seed)
        told["written"][BESIDE] = f"the same faces by {restorer.name} and {other.name}. {_errors_told(figures)}"
    write_json(out / numbers, told)
    return told


def _unseen_by_both(shown: Shown, first: Restorer, other: Restorer) -> Shown:
    """Return those faces that the second run has not seen either; raises InputError where they cannot be compared."""
    if first.recipe.hash != other.recipe.hash or (first.sees.input_size, first.patches) != (
        other.sees.input_size,
        other.patches,
    ):
        raise InputError(
            "sees other faces or patches than the run it is shown beside",
            path=other.run.path,
            remedy="Compare runs of the same faces, input size and patch size",
        )
    if shown.seen:
        return shown
    plan = read_record(other.run.protocol, PeopleRecord, what="the run's protocol", remedy="Pre-train again")
    seen_N = SeenPeople.of_plan(plan).rows(shown.store)[shown.rows]
    if seen_N.all():
        raise InputError(
            "has seen everybody whom the other run has not", path=other.run.path, remedy="Name a store of other people"
        )
    return Shown(shown.store, shown.rows[~seen_N], seen=False)


def error_figures(errors: dict[str, NDArray[np.float64]], subjects_N: NDArray[Any], seed: int = 0) -> dict[str, Any]:
    """Return the mean of each kind of error (N,) over faces with its 95 % interval, and differences from `restored`.

    Keys: faces, subjects, then {value, low, high} a kind, and `restored_minus_<kind>`. Intervals from resampling
    subjects.
    """
    names, subject_N = np.unique(np.asarray(subjects_N).astype(str), return_inverse=True)
    others = {f"restored_minus_{name}": errors["restored"] - each for name, each in errors.items()}
    others.pop("restored_minus_restored")
    totals = {
        name: np.asarray(np.bincount(subject_N, each, len(names)), np.float64)
        for name, each in (errors | others).items()
    }
    counts = np.bincount(subject_N, minlength=len(names)).astype(np.float64)
    figures: dict[str, Any] = {"faces": len(subject_N), "subjects": len(names)}
    for name, draws_R1 in resampled(ErrorSums((len(names), 1), totals, counts), RESAMPLES, seed).items():
        low, high = interval(draws_R1[1:, 0], len(names))
        figures[name] = {"value": float(draws_R1[0, 0]), "low": low, "high": high}
    return figures


def _errors_told(figures: dict[str, Any]) -> str:
    def told(name: str) -> str:
        return with_interval(figures[name], 4)

    words = f"Mean absolute error of hidden pixels (0–1): {told('restored')}, of each patch's mean {told('patch_mean')}"
    if "first_run" in figures:
        words = words.replace("pixels (0–1)", "pixels (0–1), second run") + (
            f", first run {told('first_run')}, second less first {told('restored_minus_first_run')}"
        )
    return words + f" [95\u00a0% interval over people], {figures['faces']} faces of {figures['subjects']} people"


def _described(store: AnyStore, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    subjects, clips, frames = (store.strings("subject"), store.strings("clip"), store.numbers("frame"))
    return [
        {"row": row, "subject": str(subjects[row]), "clip": str(clips[row]), "frame": int(frames[row])}
        for row in rows.tolist()
    ]


def _titles(store: AnyStore, rows: NDArray[np.int64]) -> list[str]:
    return [f"{face['subject']}\n{face['clip']}\nframe {face['frame']}" for face in _described(store, rows)]


def _by_face(columns: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Return columns of N pictures each as N rows of pictures."""
    return list(np.stack(columns, axis=1))


def _draw_ratios(
    path: Path,
    restorer: Restorer,
    shown: Shown,
    rows: NDArray[np.int64],
    errors: dict[float, dict[str, Any]],
    seed: int,
) -> None:
    """Draw Fig. 5: a row a face, its original, and at each ratio what is left of it and what was made of that."""
    columns: list[NDArray[np.float32]] = []
    titles = ["original"]
    for ratio in RATIOS:
        made: Reconstructed = restorer.reconstruct(shown.store, rows, ratio, seed)
        columns += [made.masked, made.restored] if columns else [made.original, made.masked, made.restored]
        error = errors[ratio]["restored"]["value"]
        titles += [f"{100 * ratio:g} % hidden", f"restored\n(error {error:.3f})"]
    notes = [
        f"Faces {shown.words}; learned on {restorer.name}. Grey: hidden; patches that were not are shown as they are.",
        *_put_back_told((restorer,)),
        "Error: mean absolute difference of hidden pixels, of a range of 0 to 1, over "
        f"{errors[RATIOS[0]]['faces']} faces of {errors[RATIOS[0]]['subjects']} people; with each patch's own mean "
        + ", ".join(f"{errors[ratio]['patch_mean']['value']:.3f} at {100 * ratio:g} %" for ratio in RATIOS)
        + ".",
    ]
    draw_grid(path, _by_face(columns), _titles(shown.store, rows), titles, notes)


def _put_back_told(restorers: tuple[Restorer, ...]) -> list[str]:
    """Return what is to be said of the runs whose loss was on normalised patches: of which, where not of all."""
    normalised = [each for each in restorers if each.config.normalise]
    if len(normalised) in (0, len(restorers)):
        return [_PUT_BACK] if normalised else []
    return [f"{each.name}: {_PUT_BACK[0].lower()}{_PUT_BACK[1:]}" for each in normalised]


def _draw_beside(
    path: Path,
    restorers: tuple[Restorer, Restorer],
    shown: Shown,
    rows: NDArray[np.int64],
    figures: tuple[dict[str, Any], dict[str, Any]],
    seed: int,
) -> None:
    """Draw Fig. 8: masked, restored by either run, original."""
    first, second = (each.reconstruct(shown.store, rows, BESIDE_RATIO, seed) for each in restorers)
    columns = [first.masked, first.restored, second.restored, first.original]
    names = [each.name.replace(", ", "\n") for each in restorers]
    if names[0] == names[1]:
        names = [each.run.path.name for each in restorers]
    told = [f"{name}\n(error {each['restored']['value']:.3f})" for name, each in zip(names, figures, strict=True)]
    notes = [
        f"Faces {shown.words}. The same patches are hidden from both runs.",
        *_put_back_told(restorers),
        _errors_told(figures[1]) + ".",
    ]
    titles = [f"{100 * BESIDE_RATIO:g} % hidden", *told, "original"]
    draw_grid(path, _by_face(columns), _titles(shown.store, rows), titles, notes)
