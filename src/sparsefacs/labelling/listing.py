"""`sparsefacs next`: the faces to be coded next as a table, and as a file for a coder's own program.

In ELAN and BORIS the frames to be coded are the stretches called `coded`, so that the file, with the AUs marked in it,
goes back as labels as it is: an AU that is not marked at a frame to be coded was absent there. Frames that are kept for
the test say so: in ELAN in the value of their stretch, in BORIS in its comment.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..data.answer_rows import by_row
from ..data.answers import read_answers
from ..data.store import Store
from ..errors import InputError
from ..events.formats import format_to_write
from ..events.model import EventFile, Recording, Span
from ..files import refuse_existing
from ..row_files import open_rows
from .asking import Ask
from .pool import Rows
from .queue import StoreQueue

COLUMNS = {
    "input": "string", "frame": "int32", "time": "float64", "face": "int32", "subject": "string", "why": "string",
    "test": "int8",
}  # fmt: skip
USUAL_STEP_S = 0.04
TEST = "test"
_MARK = "Frames to be coded are the stretches `coded`; mark each AU that is present there, and leave the rest"
_KEPT = f"Stretches that say `{TEST}` are kept for the test: keep them out of training"
_AS = {".csv": "", ".eaf": "elan", ".boris": "boris"}


@dataclass(frozen=True)
class Listed:
    """What was written: files, faces, and those of them that are kept for the test."""

    files: tuple[Path, ...]
    faces: int
    test: int
    told: str


def write_next(store: Store, labels: Path, out: Path, queue: StoreQueue, count: int) -> Listed:
    """Write the next `count` faces that `queue` asks, beside those answered in `labels`, to `out`.

    out: a table (.csv); or an ELAN file (.eaf) or BORIS project (.boris), with the table beside it (.csv). ELAN's are
    one a video, in a folder of the name before the ending where there are several. Raises InputError where `out` is
    there, is of another kind, or where no face is left.
    """
    if out.suffix.lower() not in _AS:
        raise InputError("does not say what to write", path=out, remedy=f"End its name in one of {', '.join(_AS)}")
    table = out.with_suffix(".csv")
    for path in dict.fromkeys((table, out)):
        refuse_existing(path)
    given = answers_of(store, labels, queue.aus) if labels.exists() else {}
    if given:
        queue.learn(given)
    asked = queue.next(given, count)
    if not asked:
        raise InputError("every face of the store is answered", path=labels, remedy="Nothing is left to be coded")
    order = _in_time(store, asked)
    _write_table(store, order, table)
    files = [table]
    if kind := _AS[out.suffix.lower()]:
        files += _write_for(store, order, out, kind, queue.aus)
    return Listed(tuple(files), len(asked), sum(each.test for each in asked), queue.told)


def answers_of(store: Store, path: Path, aus: tuple[int, ...]) -> dict[int, dict[int, int | None]]:
    """Return what the file of answers of `sparsefacs label` says of the store's faces: row → AU → 0, 1 or None.

    Of several coders' answers on a face the last one holds. Raises InputError for another file.
    """
    rows = by_row(store, read_answers(path).of(None), path)
    return {row: {au: answer.occurrence.get(au) for au in aus} for row, answer in sorted(rows.items())}


def _in_time(store: Store, asked: Sequence[Ask]) -> list[Ask]:
    """Return the faces by video and time: who codes elsewhere goes through a video once."""
    sources, times, frames = store.strings("source"), store.numbers("time"), store.numbers("frame")
    return sorted(asked, key=lambda each: (sources[each.row], float(times[each.row]), int(frames[each.row])))


def _write_table(store: Store, asked: Sequence[Ask], path: Path) -> None:
    sources, subjects = store.strings("source"), store.strings("subject")
    frames, times, faces = (store.numbers(name) for name in ("frame", "time", "face"))
    with open_rows(path, COLUMNS) as rows:
        for each in asked:
            row = each.row
            at = round(float(times[row]), 6)
            rows.write(
                [
                    str(sources[row]), int(frames[row]), None if np.isnan(at) else at, int(faces[row]),
                    str(subjects[row]), each.why, int(each.test),
                ]
            )  # fmt: skip


def _write_for(store: Store, asked: Sequence[Ask], out: Path, name: str, aus: tuple[int, ...]) -> list[Path]:
    """Write the faces as stretches to be coded, in the form of the program `name`."""
    kind = format_to_write(name, out)
    rows = np.array([each.row for each in asked], np.int64)
    tests = {each.row for each in asked if each.test}
    sources, times, faces = store.strings("source"), store.numbers("time"), store.numbers("face")
    steps = _steps(store, rows)
    several = {name for name in steps if np.ptp(faces[sources == name])}  # there it must be said whose codes are asked
    spans = tuple(
        Span(
            str(sources[row]),
            str(subject),
            float(times[row]),
            float(times[row]) + steps[str(sources[row])],
            face=int(faces[row]) if str(sources[row]) in several else None,
            remark=TEST if row in tests else "",
        )
        for row, subject in zip(rows, store.strings("subject")[rows], strict=True)
        if np.isfinite(times[row])
    )
    if not spans:
        raise InputError("no face to be coded is of a video", path=store.path, remedy="Write a table (.csv)")
    media = list(dict.fromkeys(span.media for span in spans))
    whole = EventFile(
        path=out,
        what=kind.what,
        aus=aus,
        events=(),
        coded=spans,
        recordings=tuple(Recording(name, 1 / steps[name], None) for name in media),
        clock="first-frame",
        notes=(_MARK, *([_KEPT] if tests else [])),
    )
    files = [whole]
    if kind.one_video and len(media) > 1:
        refuse_existing(out.with_suffix(""))
        files = [
            replace(
                whole,
                path=out.with_suffix("") / f"{number:03d}-{Path(name.replace(chr(92), '/')).stem}{kind.suffixes[0]}",
                coded=tuple(span for span in spans if span.media == name),
                recordings=tuple(each for each in whole.recordings if each.name == name),
            )
            for number, name in enumerate(media, 1)
        ]
    for each in files:
        each.path.parent.mkdir(parents=True, exist_ok=True)
        kind.module.write(each.path, each)
    return [each.path for each in files]


def _steps(store: Store, rows: Rows) -> dict[str, float]:
    """Return how long a frame of each video is shown: time over frames, as its stored faces tell."""
    sources, times, frames = store.strings("source"), store.numbers("time"), store.numbers("frame")
    found = {}
    for name in np.unique(sources[rows]):
        own = sources == name
        passed = np.ptp(frames[own])
        step = float(np.ptp(times[own]) / passed) if passed else USUAL_STEP_S
        found[str(name)] = step if step > 0 else USUAL_STEP_S
    return found
