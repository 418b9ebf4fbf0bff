"""Example faces: held-out frames drawn by a stated seeded rule, with what was coded against what was labelled."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.store import Store
from ..errors import InputError
from .results import Result
from .tables import Cell, Table, figure

if TYPE_CHECKING:
    import pandas as pd

SEED = 0
SIDE = 144  # CSS pixels on the page; twice as many are kept for dense screens
WRONG_BY = 1.0  # of six intensity levels 0–5
RULE = (
    "Half of the faces are drawn from the frames on which {run} gets at least one action unit wrong, half from "
    "those on which it gets every labelled one right (as far as there are such frames), at random with seed {seed}, "
    "one face a subject before any subject's second. Nobody picked them."
)


@dataclass(frozen=True)
class Example:
    """One face as the page shows it: a data URI, where it comes from, and the table of its action units."""

    image: str
    side: int
    caption: str
    mistakes: int
    table: Table


def choose(table: "pd.DataFrame", result: Result, count: int, seed: int = SEED) -> list[int]:
    """Return positions in `table` (a result's predictions) of up to `count` faces, by RULE; mistakes first."""
    wrong_MA, labelled_MA = judged(table, result)
    rng = np.random.default_rng(seed)
    any_label = labelled_MA.any(axis=1)
    pools = [np.flatnonzero(any_label & wrong_MA.any(axis=1)), np.flatnonzero(any_label & ~wrong_MA.any(axis=1))]
    subjects = table["subject"].astype(str).to_numpy()
    queues = [rng.permutation(pool) for pool in pools]
    take = [min(len(queues[0]), (count + 1) // 2), min(len(queues[1]), count // 2)]
    take[0] = min(len(queues[0]), count - take[1])
    take[1] = min(len(queues[1]), count - take[0])
    chosen: list[int] = []
    for queue, number in zip(queues, take, strict=True):
        chosen += _varied(queue, subjects, number, {str(subjects[position]) for position in chosen})
    return chosen


def _varied(queue: NDArray[np.int64], subjects: NDArray[Any], count: int, seen: set[str]) -> list[int]:
    """Take `count` of the queue in its order, subjects not yet seen first."""
    fresh: list[int] = []
    rest: list[int] = []
    for position in queue:
        subject = str(subjects[position])
        (rest if subject in seen else fresh).append(int(position))
        seen.add(subject)
    return [*fresh, *rest][:count]


def judged(table: "pd.DataFrame", result: Result) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return (wrong, labelled), each (M, A): a wrong entry is labelled and coded otherwise, or by a level or more."""
    truth_MA = np.asarray(table[[f"AU{au:02d}_true" for au in result.aus]].to_numpy(np.float64, na_value=np.nan))
    said_MA = np.asarray(
        table[[result.predicted_column(au) for au in result.aus]].to_numpy(np.float64, na_value=np.nan)
    )
    labelled_MA = np.isfinite(truth_MA) & (truth_MA >= 0)
    if result.task == "occurrence":
        wrong_MA = (said_MA >= result.limits(table)) != (truth_MA > 0.5)
    else:
        wrong_MA = np.abs(said_MA - truth_MA) >= WRONG_BY
    return wrong_MA & labelled_MA & np.isfinite(said_MA), labelled_MA


def examples(results: Sequence[Result], count: int) -> tuple[list[Example], str]:
    """Return up to `count` example faces of the first result that has predictions and a store, and the rule's words.

    Raises InputError when the store does not hold a predicted row.
    """
    lead = next((result for result in results if result.predictions is not None and result.store is not None), None)
    if lead is None or lead.predictions is None or lead.store is None or count < 1:
        return [], ""
    store = Store(lead.store)
    positions = choose(lead.predictions, lead, count)
    rows = [int(lead.predictions["row"].iloc[position]) for position in positions]
    if any(not 0 <= row < len(store) for row in rows):
        raise InputError(
            f"has no row {max(rows)}, which {lead.path} predicted",
            path=lead.store,
            remedy="Evaluate the run on this store again, or move the store away",
        )
    shown = [result for result in results if result.predictions is not None and _same_store(result, lead)]
    wrong_MA, _ = judged(lead.predictions, lead)
    made = []
    for position, row in zip(positions, rows, strict=True):
        image = _picture(store.image(row))
        at = lead.predictions.iloc[position]
        where = f"{at['subject']}, {at['clip']}, frame {int(at['frame'])}, {figure(at['time'])} s"
        made.append(Example(image, SIDE, where, int(wrong_MA[position].sum()), _table(where, row, shown)))
    return made, RULE.format(run=lead.label, seed=SEED)


def _same_store(result: Result, lead: Result) -> bool:
    return result.store is not None and lead.store is not None and result.store.resolve() == lead.store.resolve()


def _table(caption: str, row: int, results: Sequence[Result]) -> Table:
    aus = sorted({au for result in results for au in result.aus})
    found = {result.label: _at_row(result, row) for result in results}
    lines = []
    for au in aus:
        truth, cells = None, []
        for result in results:
            at = found[result.label]
            if at is None or au not in result.aus:
                cells.append(Cell("–"))
                continue
            truth = float(at[f"AU{au:02d}_true"].iloc[0]) if truth is None else truth
            said = float(at[result.predicted_column(au)].iloc[0])
            limit = float(result.limits(at, [au])[0, 0])
            cells.append(_verdict(result.task, said, float(at[f"AU{au:02d}_true"].iloc[0]), limit))
        lines.append((Cell(f"AU{au}", head=True), Cell(_label_text(truth, results[0].task)), *cells))
    return Table(caption, ("AU", "Label", *(result.label for result in results)), tuple(lines))


def _at_row(result: Result, row: int) -> "pd.DataFrame | None":
    assert result.predictions is not None
    found = result.predictions[result.predictions["row"] == row]
    return None if found.empty else found.iloc[:1]


def _label_text(truth: float | None, task: str) -> str:
    if truth is None or not np.isfinite(truth) or truth < 0:
        return "–"
    if task == "occurrence":
        return "on" if truth > 0.5 else "off"
    return figure(truth, 1)


def _verdict(task: str, said: float, truth: float, limit: float) -> Cell:
    """Return the cell of one coded AU: its number, and ✓ or ✗ where there is a label to judge it by."""
    if not np.isfinite(said):
        return Cell("lost")
    text = figure(said, 2 if task == "occurrence" else 1)
    if not np.isfinite(truth) or truth < 0:
        return Cell(text)
    differs, off = (said >= limit) != (truth > 0.5), abs(said - truth) >= WRONG_BY
    wrong = differs if task == "occurrence" else off
    return Cell(f"{text} ✗", "wrong") if wrong else Cell(f"{text} ✓", "right")


def _picture(face_HWC: NDArray[np.uint8]) -> str:
    from PIL import Image

    image = Image.fromarray(face_HWC)
    if image.width > 2 * SIDE:
        image = image.resize((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS)
    return jpeg_uri(image)


def jpeg_uri(image: Any) -> str:
    """Return a Pillow image as a JPEG data URI, without its metadata."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
