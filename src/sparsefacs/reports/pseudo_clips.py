"""Pseudo labels of two clips beside the labels that the run could not see: one clip dropped since its order was not
recognised, and one taught (Knowledge-Spreader, Fig. 6).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.joined import AnyStore, known_occurrence
from ..engine.run import RunFolder
from ..files import write_text
from ..inference.pseudo_labels import Guessed, guessed_clips, hidden_rows
from .plots import style, svg

if TYPE_CHECKING:
    from ..inference.network_model import NetworkCoder

PSEUDO = "pseudo-labels.svg"
_PRESENT, _ABSENT, _WRONG = "#0072B2", "#eeeeee", "#D55E00"


def draw_pseudo_labels(
    path: Path, run: RunFolder, coder: "NetworkCoder", store: AnyStore, plan: Mapping[str, Any], seed: int = 0
) -> dict[str, Any]:
    """Draw the pseudo labels of two clips of training people into `path`; return what is shown, {} where nothing is.

    Of up to 500 clips, the dropped one and the taught one with the most wrong pseudo labels. Keys: clips, a list of
    {taught, subject, clip, frames, wrong, entries}; drawn: how many clips they were chosen from.
    """
    guessed = guessed_clips(coder, store, hidden_rows(run, store, plan), seed)
    if guessed is None:
        return {}
    truth_MA = known_occurrence(store, coder.aus)
    truth_CLA = truth_MA[guessed.windows]
    known_CLA = (truth_CLA >= 0) & guessed.unseen[..., None]
    wrong_CLA = known_CLA & (guessed.label != truth_CLA)
    wrong_C = wrong_CLA.sum(axis=(1, 2))
    chosen = []
    for taught in (False, True):
        places = np.flatnonzero(guessed.confirmed == taught)
        if len(places):
            chosen.append(int(places[np.argmax(wrong_C[places])]))
    shown = [
        {
            "taught": bool(guessed.confirmed[place]),
            "subject": str(store.strings("subject")[guessed.windows[place, 0]]),
            "clip": str(store.strings("clip")[guessed.windows[place, 0]]),
            "frames": [int(frame) for frame in store.numbers("frame")[guessed.windows[place]]],
            "wrong": int(wrong_C[place]),
            "entries": int(known_CLA[place].sum()),
        }
        for place in chosen
    ]
    write_text(path, _drawn(store, coder.aus, guessed, truth_CLA, chosen, shown))
    return {"clips": shown, "drawn": len(guessed.windows)}


def _drawn(
    store: AnyStore,
    aus: tuple[int, ...],
    guessed: Guessed,
    truth_CLA: NDArray[np.int8],
    chosen: list[int],
    shown: list[dict[str, Any]],
) -> str:
    from matplotlib.figure import Figure

    length = guessed.windows.shape[1]
    with style():
        figure = Figure(figsize=(0.9 * length * len(chosen) + 1.6, 1.6 + 0.24 * len(aus)), layout="constrained")
        grids = figure.subfigures(1, len(chosen), squeeze=False)[0]
        for part, place, told in zip(grids, chosen, shown, strict=True):
            word = "taught" if told["taught"] else "dropped: order not recognised"
            who = f"{told['subject']}, {told['clip']}"
            part.suptitle(f"{word}\n{who}; {told['wrong']} of {told['entries']} wrong", fontsize=8)
            axes = part.subplots(2, length, height_ratios=(1, 0.24 * len(aus)), squeeze=False)
            for frame in range(length):
                axes[0, frame].imshow(store.image(int(guessed.windows[place, frame])))
                axes[0, frame].set_axis_off()
                cell = (guessed.label[place, frame], guessed.sure[place, frame], truth_CLA[place, frame])
                _column(axes[1, frame], *cell, unseen=bool(guessed.unseen[place, frame]))
            axes[1, 0].set_yticks(np.arange(len(aus)), [f"AU{au}" for au in aus], fontsize=7)
        figure.supxlabel(
            "filled: pseudo label present; ×: wrong; ·: not sure enough, not taught; blank: seen", fontsize=7
        )
        return svg(figure)


def _column(
    axes: Any, label_A: NDArray[np.int8], sure_A: NDArray[np.bool_], truth_A: NDArray[np.int8], *, unseen: bool
) -> None:
    """Draw one frame's pseudo labels from the first AU down."""
    for place, (label, sure, truth) in enumerate(zip(label_A, sure_A, truth_A, strict=True)):
        colour = (_PRESENT if label else _ABSENT) if unseen else "white"
        axes.barh(place, 1, 0.86, color=colour)
        if unseen and truth >= 0 and label != truth:
            axes.text(0.5, place, "×", color=_WRONG, ha="center", va="center", fontsize=9, fontweight="bold")
        elif unseen and not sure:
            axes.text(0.5, place, "·", color="black", ha="center", va="center", fontsize=9)
    axes.set(xlim=(0, 1), ylim=(len(label_A) - 0.5, -0.5), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
