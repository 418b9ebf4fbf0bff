"""From photos and videos to a store: plan by adapter, cut in parallel, go on after a kill."""

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.adapters import Plan, Request, find_data_set, make_plan
from ..data.adapters.plan import MediaItem
from ..data.media import is_marked_synthetic
from ..data.store import Store, StoreInfo
from ..data.store_writer import StoreWriter
from ..errors import InputError
from ..files import has_died, sha256_file
from ..progress import Progress, progress
from ..shards import WHOLE, Shard
from ..workers import elsewhere, in_parallel
from .alignment import FaceRecipe
from .cutting import CutSettings, PartCutter
from .models import LANDMARKER, YUNET, find_model
from .parts import Parts, split

_COUNT_EVERY = 25  # frames between two notes of a worker to the progress bar
_LOOK_EVERY_S = 0.5


def prepare(source: Path, out: Path, **settings: Any) -> Store:
    """Cut every face of `source` (a file or folder) into the store `out`, and return it; settings as of `make_store`.

    Parts that shards have written are not made again. Raises InputError as `make_store` does.
    """
    store = make_store(source, out, **settings)
    assert store is not None
    return store


def make_store(
    source: Path,
    out: Path,
    *,
    shard: Shard = WHOLE,
    dataset: str | None = None,
    labels: Path | None = None,
    size: int = 112,
    workers: int = 2,
    aus: tuple[int, ...] | None = None,
    frame_step: int = 1,
    unlabelled_frames: bool = True,
    min_face: float = 0.0,
    **options: Any,
) -> Store | None:
    """Cut the faces of `source` (a file or folder) into the store `out`; return it, None while others' parts lack.

    shard: whose parts are written; the shard that finds all parts written finishes the store, as does a call for all.
    dataset: a name of `data.adapters.DATA_SETS`; None: folder, or table where there are labels. size: side of the
    stored faces, pixels. frame_step: keep every n-th frame of a clip (labelled ones always). unlabelled_frames: keep
    frames of a labelled clip that have no label.
    min_face: reject faces narrower than this, source pixels. options: what some data sets take, see `Request`
    (first_frame, delivered_landmarks, frame_offset, camera, drop_failed_tracking). A killed run goes on with the same
    arguments, to the same bytes for any number of workers. Raises InputError for bad input, and as `Shard.check_busy`
    does; a single bad file or frame is listed in `store.json` instead.
    """
    source, out = Path(source), Path(out)
    dataset = dataset or ("folder" if labels is None else "table")
    if workers < 1 or frame_step < 1:
        name = "workers" if workers < 1 else "frame_step"
        raise InputError(f"{name} must be at least 1", remedy="Choose 1 or more")
    if not unlabelled_frames and not find_data_set(dataset).labelled:
        raise InputError(
            f"the data set {dataset} has no labels, so that no face would be left",
            path=source,
            remedy="Leave out --labelled-only",
        )
    recipe = FaceRecipe(size=size)
    request = Request(source, Path(labels) if labels else None, aus, **options)
    plan = make_plan(dataset, request)
    if plan.landmarks is not None:
        recipe = replace(recipe, landmarks=plan.landmarks)
    for note in plan.notes:
        print(f"note: {note}", file=sys.stderr)
    settings = CutSettings(recipe, len(plan.aus), frame_step, unlabelled_frames, min_face)
    info = StoreInfo(plan.aus, recipe.as_json(), _described(request, dataset, settings, plan))
    if plan.landmarks is None:
        for model in (YUNET, LANDMARKER):  # once here, before anything is written
            find_model(model)
    parts = split(plan.items)
    job = {"source": info.source, "recipe": recipe.as_json(), "aus": list(plan.aus), "items": parts.digest}
    if not shard.is_whole and (made := _finished(out, info)) is not None:
        return made
    shard.check_busy(len(parts), source)
    writer = StoreWriter(out, info, job, shared=not shard.is_whole)
    mine = range(shard.number - 1, len(parts), shard.of)
    _run(writer, parts, [number for number in mine if not writer.is_done(number)], settings, workers)
    if not shard.is_whole and not _last(writer, len(parts)):
        return None
    if not writer.is_done(len(parts)):
        writer.write_part(len(parts), [], plan.rejected)
    return writer.finish(len(parts) + 1)


def _finished(out: Path, info: StoreInfo) -> Store | None:
    """Return the store where shards have finished it by now, None where they have not or it is another."""
    if not (out / "store.json").exists() or (out / "job.json").exists():
        return None
    store = Store(out)
    same = (store.info.recipe, store.info.source) == (info.recipe, json.loads(json.dumps(info.source)))
    return store if same else None


def _last(writer: StoreWriter, parts: int) -> bool:
    """Say whether this process is the one to finish the store, of which it has it alone then.

    Of several shards that end together, each lets go of the store before it asks for it, so that the last one gets it.
    """
    writer.release()
    return all(writer.is_done(number) for number in range(parts)) and writer.alone()


def _described(request: Request, dataset: str, settings: CutSettings, plan: Plan) -> dict[str, object]:
    labels = request.labels
    tables = [] if labels is None else sorted(labels.iterdir()) if labels.is_dir() else [labels]
    return {
        "made_by": "prepare",
        "kind": "synthetic" if is_marked_synthetic(request.source) else "real",
        "dataset": dataset,
        "people": find_data_set(dataset).people,
        "source": str(request.source),
        "labels": {path.name: sha256_file(path) for path in tables if path.is_file()},
        "frame_step": settings.frame_step,
        "unlabelled_frames": settings.unlabelled_frames,
        "min_face": settings.min_face,
        "models": {} if plan.landmarks else {model.name: model.sha256 for model in (YUNET, LANDMARKER)},
        "notes": list(plan.notes),
        **plan.facts,
    }


def _run(writer: StoreWriter, parts: Parts, waiting: list[int], settings: CutSettings, workers: int) -> None:
    """Write the parts `waiting`, in parallel, showing progress."""
    counts = {number: parts.frames(number) for number in waiting}
    with progress("prepare", sum(counts.values()) or None) as bar, _watch(writer.path, counts, bar) as finished:
        # Unordered: the store puts parts in their place by number, so a slow one holds nothing up.
        main = None if elsewhere() else os.getpid()
        jobs = ((writer, number, parts[number], settings, main) for number in waiting)
        for number, frames in in_parallel(_write, jobs, min(workers, len(waiting) or 1)):
            finished(number, frames)


def _write(
    writer: StoreWriter, number: int, items: tuple[MediaItem, ...], settings: CutSettings, parent: int | None
) -> tuple[int, int]:
    """Write part `number` and return it with its count of frames; runs in a worker process.

    parent: the main process, where the worker is its own and ends with it.
    """
    note = _note_path(writer.path, number)

    def looked_at(frames: int) -> None:
        if parent is not None and has_died(parent):
            os._exit(1)  # the main process was killed: leave the store to its successor
        if frames % _COUNT_EVERY == 0:
            note.write_text(str(frames))

    cutter = PartCutter(settings, looked_at)
    writer.write_part(number, cutter.rows(items), cutter.rejected)
    note.unlink(missing_ok=True)
    return number, cutter.frames


def _note_path(store: Path, number: int) -> Path:
    return store / "done" / f"{number:05d}.frames"


@contextmanager
def _watch(store: Path, counts: dict[int, int], bar: Progress) -> "Iterator[_Finished]":
    """Move the bar by what workers note of parts under way, and to the full count as parts finish."""
    finished = _Finished(counts, bar)
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(_LOOK_EVERY_S):
            for path in sorted((store / "done").glob("*.frames")):
                try:
                    finished.under_way(int(path.stem), int(path.read_text() or 0))
                except (OSError, ValueError):  # just removed, or being written: the next look will tell
                    continue

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield finished
    finally:
        stop.set()
        watcher.join()


class _Finished:
    """Counts frames part by part, so that notes and finished parts add up to the total."""

    def __init__(self, counts: dict[int, int], bar: Progress) -> None:
        self._counts, self._bar = counts, bar
        self._shown = dict.fromkeys(counts, 0)
        self._closed: set[int] = set()
        self._lock = threading.Lock()

    def under_way(self, number: int, frames: int) -> None:
        """Note that part `number` has come to `frames`."""
        with self._lock:
            if number in self._counts and number not in self._closed:
                ahead = min(frames, self._counts[number]) - self._shown[number]
                if ahead > 0:
                    self._shown[number] += ahead
                    self._bar.advance(ahead)

    def __call__(self, number: int, frames: int) -> None:
        """Note that part `number` is finished, having `frames` in truth."""
        with self._lock:
            self._closed.add(number)
            self._bar.advance(self._counts[number] - self._shown[number])
