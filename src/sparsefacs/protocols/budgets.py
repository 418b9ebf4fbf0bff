"""Label budgets: which of the training labels may be seen.

Frames, single labels and subjects are drawn by draw numbers that hash the seed with the frame's own name (draw.py).
So, for one seed, 1 % lies within 5 %, `count:100` within `count:1000`, `missing:95%` keeps what `5%` keeps, and
the choice depends neither on the order of the store nor on the test subjects. Percentages count the *labelled*
training frames (or entries): "5 % of the frames" is what a coder would have had to code of the training set.
A stratified draw keeps about the share of each label combination, and the smaller lies in the larger there too.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import atomic_path, hash_json
from .budget_words import parse_budget
from .draw import draw_keys, entry_keys, shuffled

_WRITTEN_BY = "Take the file that `sparsefacs train` wrote, or train again"


@dataclass(frozen=True, eq=False)
class VisibleLabels:
    """Which labels may be seen: mask (M, A) bool over the rows of a store and its AUs, False outside training."""

    spec: str
    seed: int
    mask: NDArray[np.bool_]

    @property
    def frames(self) -> int:
        """How many frames show at least one label."""
        return int(self.mask.any(axis=1).sum())

    @property
    def entries(self) -> int:
        """How many single labels may be seen."""
        return int(self.mask.sum())

    @property
    def hash(self) -> str:
        """Hash of the budget, its seed and the mask."""
        content = hashlib.sha256(np.packbits(self.mask).tobytes()).hexdigest()
        return hash_json([self.spec, self.seed, list(self.mask.shape), content])

    def hide(
        self, occurrence: NDArray[np.int8], intensity: NDArray[np.float32]
    ) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
        """Return copies of both (M, A) label arrays in which every label outside the mask is unlabelled (−1, NaN)."""
        hidden_occurrence = np.where(self.mask, occurrence, np.int8(-1)).astype(np.int8)
        hidden_intensity = np.where(self.mask, intensity, np.float32(np.nan)).astype(np.float32)
        return hidden_occurrence, hidden_intensity

    def as_json(self) -> dict[str, Any]:
        """Return the summary that a run's `protocol.json` keeps."""
        rows, aus = self.mask.shape
        counts = {"frames": self.frames, "entries": self.entries, "rows": rows, "aus": aus}
        return {"spec": self.spec, "seed": self.seed, "hash": self.hash, **counts}

    def save(self, path: Path) -> None:
        """Write Parquet: a line for each row with a visible label, `row` and `visible` (A bools); whole or not at all.

        Spec, seed, shape and hash are in the file's metadata.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        shown = np.flatnonzero(self.mask.any(axis=1))
        flat = pa.array(self.mask[shown].ravel(), pa.bool_())
        visible = pa.FixedSizeListArray.from_arrays(flat, self.mask.shape[1])
        metadata = {key: str(value) for key, value in self.as_json().items()}
        table = pa.table({"row": pa.array(shown, pa.int64()), "visible": visible}).replace_schema_metadata(metadata)
        with atomic_path(path) as temporary:
            pq.write_table(table, temporary)

    @classmethod
    def load(cls, path: Path) -> "VisibleLabels":
        """Read what `save` wrote; raises InputError if missing, broken, or if the hash is not that of the labels."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not Path(path).is_file():
            raise InputError("the file of visible labels is missing", path=path, remedy=_WRITTEN_BY)
        try:
            table = pq.read_table(path)
            metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
            mask = np.zeros((int(metadata["rows"]), int(metadata["aus"])), dtype=bool)
            lines = np.array(table.column("visible").to_pylist(), dtype=bool).reshape(-1, mask.shape[1])
            mask[table.column("row").to_numpy()] = lines
            labels = cls(metadata["spec"], int(metadata["seed"]), mask)
        except (pa.ArrowException, OSError, KeyError, ValueError, IndexError, TypeError, MemoryError) as error:
            raise InputError(f"holds no visible labels ({error})", path=path, remedy=_WRITTEN_BY) from error
        if labels.hash != metadata.get("hash"):
            raise InputError("its hash is not that of its labels, so it was changed", path=path, remedy=_WRITTEN_BY)
        return labels


@dataclass(frozen=True)
class _Frames:
    """The training frames: store rows (n,) in order, labelled entries (n, A), and who they show."""

    rows: NDArray[np.int64]
    labelled: NDArray[np.bool_]
    names: list[tuple[str, str, int, int]]  # subject, clip, frame number, which face of that frame
    seed: int
    combinations: NDArray[np.int8] | None  # (n, C) labels that make a frame's stratum; None: the draw is plain

    @property
    def candidates(self) -> NDArray[np.int64]:
        """Places (not store rows) of the frames that carry a label."""
        return np.flatnonzero(self.labelled.any(axis=1))

    def keys(self) -> NDArray[np.uint64]:
        return draw_keys(self.seed, "frame", self.names)

    def in_order(self) -> NDArray[np.int64]:
        """Places of the labelled frames, first drawn first."""
        keys = self.keys()[self.candidates]
        if self.combinations is None:
            return self.candidates[np.argsort(keys, kind="stable")]
        return self.candidates[_stratified_order(keys, self.combinations[self.candidates])]


def _stratified_order(keys: NDArray[np.uint64], combinations: NDArray[np.int8]) -> NDArray[np.int64]:
    """Order frames, keys (n,), so that every beginning has about the share of each label combination (n, C).

    The k-th of a combination's n frames, by key, gets the rank (k + u) / n with u uniform in 0–1, and ranks decide:
    of any share t of the ranks, t × n frames of each combination are expected, of rare ones too. u is a second number
    of the frame's own: the key itself is small for the first of many, so rare combinations would come too early.
    """
    _, stratum, sizes = np.unique(combinations, axis=0, return_inverse=True, return_counts=True)
    stratum = stratum.ravel()
    by_stratum = np.lexsort((keys, stratum))
    position = np.empty(len(keys))
    position[by_stratum] = np.arange(len(keys)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    within = entry_keys(keys, 1)[:, 0] / 2.0**64
    return np.lexsort((keys, (position + within) / sizes[stratum]))


def budget_card(
    visible: VisibleLabels,
    aus: Sequence[int],
    occurrence: NDArray[np.int8],
    intensity: NDArray[np.float32],
    subject: NDArray[np.str_],
    rows: NDArray[np.integer] | None = None,
) -> dict[str, Any]:
    """Return `visible.as_json()` with who has labels, and how many each AU has: what a reader of a result must know.

    occurrence, intensity (M, A), subject (M,): as `apply_budget` had them, nothing hidden; rows: training rows, of
    whose labels percentages are told (None: all rows). Adds subjects, labelled_subjects, percent, and per_au, AU →
    labelled (visible labels), positive and negative (of occurrence), percent, and intensity where the labels have it.
    """
    occurrence, intensity = np.asarray(occurrence), np.asarray(intensity)
    there = (occurrence >= 0) | ~np.isnan(intensity)
    training = there if rows is None else there[np.unique(rows)]
    shown = visible.mask & there
    graded = shown & ~np.isnan(intensity)
    per_au: dict[str, dict[str, int | float]] = {}
    for column, au in enumerate(aus):
        mask, codes = shown[:, column], occurrence[:, column]
        per_au[str(au)] = {
            "labelled": int(mask.sum()),
            "positive": int((mask & (codes == 1)).sum()),
            "negative": int((mask & (codes == 0)).sum()),
            "percent": _percentage(int(mask.sum()), int(training[:, column].sum())),
        }
        if graded.any():
            per_au[str(au)]["intensity"] = int(graded[:, column].sum())
    people = np.unique(np.asarray(subject)[shown.any(axis=1)]).tolist()
    return visible.as_json() | {
        "subjects": len(people),
        "labelled_subjects": people,
        "percent": _percentage(int(shown.sum()), int(training.sum())),
        "per_au": per_au,
    }


def _percentage(part: int, whole: int) -> float:
    return round(100 * part / whole, 3) if whole else 0.0


def apply_budget(
    spec: str,
    *,
    subject: NDArray[np.str_],
    clip: NDArray[np.str_],
    frame: NDArray[np.integer],
    occurrence: NDArray[np.int8],
    intensity: NDArray[np.float32],
    rows: NDArray[np.integer],
    seed: int,
) -> VisibleLabels:
    """Choose the labels that may be seen among the training `rows` of a store of M faces.

    subject, clip, frame: (M,); occurrence (M, A) −1 unlabelled; intensity (M, A) NaN unlabelled; rows: training rows.
    spec: `all`; `none`, for methods that answer without labels; `P%` or `count:N` frames at random; `missing:P%` frames
    lose all labels; `entries:P%` single labels
    go missing; `subjects:N` all labels of N subjects; `every:N` each clip's first labelled frame and every N-th after
    it; `one-per-clip:N` one labelled frame at random of each piece of N frames of a clip. Both count the frames that
    the store has of the clip, in order of frame number (`every` the labelled ones): gaps in the numbers do not count,
    and a clip's last piece may be shorter. `:stratified` after a `P%`, `count:N` or `missing:P%`: frames are drawn so
    that each combination of labels (occurrence with its unlabelled entries, intensity rounded) keeps about its share
    of the training frames. See the module for how draws behave.
    Raises InputError for a bad spec, for more than there is, and when no training label is left.
    """
    budget = parse_budget(spec)
    in_order = np.unique(np.asarray(rows, dtype=np.int64))
    labelled = (np.asarray(occurrence)[in_order] >= 0) | ~np.isnan(np.asarray(intensity)[in_order])
    if not labelled.any() and budget.kind != "none":
        raise InputError(
            "no training face carries a label", remedy="Check the label file, or the folds' train subjects"
        )
    strata = _combinations(occurrence, intensity, in_order) if budget.stratified else None
    frames = _Frames(in_order, labelled, _names(subject, clip, frame, in_order), seed, strata)
    shown = _CHOICES[budget.kind](frames, budget.number, spec)
    if not shown.any() and budget.kind != "none":
        raise InputError(f"the label budget {spec!r} leaves no label", remedy="Give a larger budget")
    mask = np.zeros((len(subject), labelled.shape[1]), dtype=bool)
    mask[in_order] = shown
    return VisibleLabels(budget.spec, seed, mask)


def _combinations(
    occurrence: NDArray[np.int8], intensity: NDArray[np.float32], rows: NDArray[np.int64]
) -> NDArray[np.int8]:
    """Labels (n, 2A) that make a frame's stratum: occurrence, and rounded intensity; −1 where there is none."""
    graded = np.rint(np.nan_to_num(np.asarray(intensity)[rows], nan=-1.0)).astype(np.int8)
    return np.concatenate([np.asarray(occurrence)[rows].astype(np.int8), graded], axis=1)


def _names(
    subject: NDArray[np.str_], clip: NDArray[np.str_], frame: NDArray[np.integer], rows: NDArray[np.int64]
) -> list[tuple[str, str, int, int]]:
    seen: dict[tuple[str, str, int], int] = {}
    names = []
    for who, where, when in zip(subject[rows].tolist(), clip[rows].tolist(), frame[rows].tolist(), strict=True):
        face = seen.get((who, where, when), 0)
        seen[who, where, when] = face + 1
        names.append((who, where, when, face))
    return names


def _all(frames: _Frames, _number: float, _spec: str) -> NDArray[np.bool_]:
    return frames.labelled


def _none(frames: _Frames, _number: float, _spec: str) -> NDArray[np.bool_]:
    return np.zeros_like(frames.labelled)


def _only(frames: _Frames, places: NDArray[np.int64]) -> NDArray[np.bool_]:
    shown = np.zeros_like(frames.labelled)
    shown[places] = frames.labelled[places]
    return shown


def _first(frames: _Frames, count: int) -> NDArray[np.bool_]:
    return _only(frames, frames.in_order()[:count])


def _percent(frames: _Frames, number: float, _spec: str) -> NDArray[np.bool_]:
    return _first(frames, round(len(frames.candidates) * number / 100))


def _count(frames: _Frames, number: float, spec: str) -> NDArray[np.bool_]:
    _at_most(int(number), len(frames.candidates), "labelled training frames", spec)
    return _first(frames, int(number))


def _missing(frames: _Frames, number: float, _spec: str) -> NDArray[np.bool_]:
    return _first(frames, round(len(frames.candidates) * (100 - number) / 100))


def _entries(frames: _Frames, number: float, _spec: str) -> NDArray[np.bool_]:
    places = np.flatnonzero(frames.labelled.ravel())
    keys = entry_keys(frames.keys(), frames.labelled.shape[1]).ravel()[places]
    kept = round(len(places) * (100 - number) / 100)
    shown = np.zeros(frames.labelled.size, dtype=bool)
    shown[places[np.argsort(keys, kind="stable")[:kept]]] = True
    return shown.reshape(frames.labelled.shape)


def _subjects(frames: _Frames, number: float, spec: str) -> NDArray[np.bool_]:
    people = shuffled(frames.seed, "labelled subjects", [frames.names[place][0] for place in frames.candidates])
    _at_most(int(number), len(people), "labelled training subjects", spec)
    chosen = set(people[: int(number)])
    return _only(frames, np.flatnonzero([name[0] in chosen for name in frames.names]))


def _every(frames: _Frames, number: float, _spec: str) -> NDArray[np.bool_]:
    chosen: list[int] = []
    for pieces in _by_clip(frames, frames.candidates, 1):
        chosen += [place for piece in pieces[:: int(number)] for place in piece]
    return _only(frames, np.array(sorted(chosen), dtype=np.int64))


def _one_per_clip(frames: _Frames, number: float, _spec: str) -> NDArray[np.bool_]:
    keys, labelled = frames.keys(), set(frames.candidates.tolist())
    chosen = []
    for pieces in _by_clip(frames, np.arange(len(frames.rows)), int(number)):
        for piece in pieces:
            if with_label := [place for place in piece if place in labelled]:
                chosen.append(min(with_label, key=lambda place: int(keys[place])))
    return _only(frames, np.array(sorted(chosen), dtype=np.int64))


def _by_clip(frames: _Frames, places: NDArray[np.int64], length: int) -> list[list[list[int]]]:
    """Cut each clip's `places`, in frame order, into pieces of `length` frames; faces of one frame stay together."""
    ordered = sorted(places.tolist(), key=lambda place: frames.names[place])
    clips = []
    for _, members in groupby(ordered, key=lambda place: frames.names[place][:2]):
        moments = [list(faces) for _, faces in groupby(members, key=lambda place: frames.names[place][2])]
        starts = range(0, len(moments), length)
        clips.append([[face for faces in moments[s : s + length] for face in faces] for s in starts])
    return clips


def _at_most(wanted: int, there: int, what: str, spec: str) -> None:
    if wanted > there:
        raise InputError(f"the label budget {spec!r} asks for more than the {there} {what}", remedy="Ask for fewer")


_CHOICES: dict[str, Callable[[_Frames, float, str], NDArray[np.bool_]]] = {
    "all": _all,
    "none": _none,
    "percent": _percent,
    "count": _count,
    "missing": _missing,
    "entries": _entries,
    "subjects": _subjects,
    "every": _every,
    "one-per-clip": _one_per_clip,
}
