"""A map of faces by their features (t-SNE), once coloured by subject and once by each AU, with figures that say it.

Distances and clusters on such a map depend on its settings; the share of nearest neighbours in the features
themselves, printed above each map beside what chance would give, does not.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import atomic_path
from ..metrics.probing import neighbour_agreement
from .plots import COLOURS, MARKERS, shown_name, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 2000
PERPLEXITY = 30.0
NEIGHBOURS = 10
_FEWEST = 5
_NAMED = 14  # subjects that a legend has room for
_SIDE_INCHES = 3.2
_ACROSS = 4
_LAYERS = 8
_STATES = (("unlabelled", "#bbbbbb", "."), ("absent", COLOURS[4], "o"), ("present", COLOURS[1], "^"))


def draw_embedding(
    path: Path,
    features_ND: NDArray[np.floating],
    subjects_N: NDArray[Any],
    occurrence_NA: NDArray[Any],
    aus: Sequence[int],
    *,
    most: int = MOST_POINTS,
    perplexity: float = PERPLEXITY,
    seed: int = 0,
) -> dict[str, Any]:
    """Draw the map of features (N, D) into `path` (.png or .svg), by subject and by each of `aus`; return the figures.

    occurrence_NA: −1 unlabelled, 0, 1. most: points drawn, evenly over subjects. The same input and seed draw the
    same file, whatever the number of threads. Keys of the result: those of `metrics.probing.neighbour_agreement`
    over the points drawn (10 neighbours), subjects, faces (N), seed, perplexity. Raises InputError for fewer than 5
    faces or another suffix.
    """
    path = Path(path)
    if path.suffix.lower() not in (".png", ".svg"):
        raise InputError("the map is drawn as PNG or SVG", path=path, remedy="End its name in .png or .svg")
    occurrence_NA = np.asarray(occurrence_NA)
    if not len(features_ND) == len(subjects_N) == len(occurrence_NA) or occurrence_NA.shape[1:] != (len(aus),):
        raise ValueError(f"{len(features_ND)} features, {len(subjects_N)} subjects, labels {occurrence_NA.shape}")
    rows = evenly(subjects_N, most, seed)
    drawn = features_ND[rows], np.asarray(subjects_N).astype(str)[rows], occurrence_NA[rows]
    used = min(perplexity, (len(rows) - 1) / 3)
    points_N2 = embed(drawn[0], used, seed)
    figures = neighbour_agreement(*drawn, aus, NEIGHBOURS)
    figures |= {"subjects": len(np.unique(drawn[1])), "faces": len(features_ND), "seed": seed, "perplexity": used}
    _draw(path, points_N2, drawn[1], drawn[2], aus, figures)
    return figures


def evenly(subjects_N: NDArray[Any], most: int, seed: int) -> NDArray[np.int64]:
    """Return at most `most` rows, in ascending order, as many of each subject as there are, or as of any other."""
    rng = np.random.default_rng(seed)
    subject_N = np.unique(np.asarray(subjects_N), return_inverse=True)[1]
    shuffled = rng.permutation(len(subject_N))
    turn_N = np.empty(len(subject_N), np.int64)  # how many of the same subject come before in the shuffled order
    for number in range(int(subject_N.max()) + 1 if len(subject_N) else 0):
        own = shuffled[subject_N[shuffled] == number]
        turn_N[own] = np.arange(len(own))
    lot_N = rng.permutation(len(subject_N))  # who gets the last places
    return np.sort(np.lexsort((lot_N, turn_N))[:most])


def embed(features_ND: NDArray[np.floating], perplexity: float = PERPLEXITY, seed: int = 0) -> NDArray[np.float32]:
    """Return t-SNE's places (N, 2) of features, compared by cosine as neighbours are (van der Maaten & Hinton 2008).

    Raises InputError for fewer than 5 faces.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if len(features_ND) < _FEWEST:
        raise InputError(
            f"{len(features_ND)} faces make no map", remedy=f"Give a store of {_FEWEST} faces or more, better hundreds"
        )
    length_N1 = np.linalg.norm(features_ND, axis=1, keepdims=True)
    unit_ND = np.asarray(features_ND / np.where(length_N1 > 0, length_N1, 1), np.float32)  # squared distance: 2 − 2 cos
    start = "pca" if min(unit_ND.shape) >= 2 and np.ptp(unit_ND, axis=0).max() > 0 else "random"
    with threadpool_limits(1):  # threads would add up in another order: another map; this few points gain little
        places_N2 = TSNE(perplexity=perplexity, init=start, random_state=seed).fit_transform(unit_ND)
    return np.asarray(places_N2, np.float32)


def _draw(
    path: Path,
    points_N2: NDArray[np.float32],
    subjects_N: NDArray[np.str_],
    occurrence_NA: NDArray[Any],
    aus: Sequence[int],
    figures: Mapping[str, Any],
) -> None:
    from matplotlib.figure import Figure

    panels = 1 + len(aus)
    across = min(panels, _ACROSS)
    down = -(-panels // across)
    with style(), atomic_path(path) as temporary:
        drawn = Figure(figsize=(_SIDE_INCHES * across, (_SIDE_INCHES + 0.5) * down + 0.3), layout="constrained")
        axes = drawn.subplots(down, across, squeeze=False).ravel()
        _by_subject(axes[0], points_N2, subjects_N)
        for panel, label_N in zip(axes[1:panels], occurrence_NA.T, strict=True):
            _by_state(panel, points_N2, label_N)
        near, per_au = figures["neighbours"], figures["per_au"]
        told = [_told(figures["same_subject"], f"of {near} neighbours: same subject")]
        for each in (per_au[str(au)] for au in aus):
            told.append(_told(each, f"of {near} neighbours: same label"))
            told[-1] += f"\n{_told(each['other_subjects'], 'of those of other people')}"
        for panel, name, words in zip(axes, ["subject", *(f"AU{au}" for au in aus)], told, strict=False):
            panel.set_title(f"{name}\n{words}", fontsize=8)
        for panel in axes:
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(True)
        for panel in axes[panels:]:
            panel.set_visible(False)
        if panels > 1:
            handles, names = _state_handles()
            drawn.legend(handles, names, loc="outside lower right", frameon=False, ncols=3)
        metadata = {"Software": None} if path.suffix.lower() == ".png" else {"Date": None, "Creator": None}
        drawn.savefig(temporary, dpi=160, metadata=metadata, facecolor="white", format=path.suffix[1:].lower())


def _told(figure: Mapping[str, Any], words: str) -> str:
    if not np.isfinite(figure["share"]):
        return "no neighbours to compare"
    return f"{100 * figure['share']:.0f} % {words} (chance {100 * figure['chance']:.0f} %)"


def _by_subject(axes: "Axes", points_N2: NDArray[np.float32], subjects_N: NDArray[np.str_]) -> None:
    """Draw each subject in a colour and marker of its own, up to 49 of them, named where there is room."""
    names = np.unique(subjects_N)
    for number, name in enumerate(names.tolist()):
        place, marker = number % len(COLOURS), (number // len(COLOURS) + number) % len(MARKERS)
        own = points_N2[subjects_N == name]
        look: dict[str, Any] = {"color": COLOURS[place], "marker": MARKERS[marker], "label": shown_name(name)}
        axes.scatter(own[:, 0], own[:, 1], s=9, alpha=0.7, linewidths=0, **look)
    if len(names) <= _NAMED:
        axes.legend(fontsize=6, ncols=2, loc="best", framealpha=0.6, handletextpad=0.1, columnspacing=0.6)


def _by_state(axes: "Axes", points_N2: NDArray[np.float32], label_N: NDArray[Any]) -> None:
    """Draw unlabelled faces below, the others in a few mixed layers, so that no label lies over all of another."""
    state_N = np.where(label_N < 0, 0, np.where(label_N > 0, 2, 1))
    mixed = np.random.default_rng(0).permutation(len(state_N))
    layers = [np.flatnonzero(state_N == 0), *np.array_split(mixed[state_N[mixed] > 0], _LAYERS)]
    for rows in layers:
        for number, (_, colour, marker) in enumerate(_STATES):
            own = points_N2[rows[state_N[rows] == number]]
            axes.scatter(own[:, 0], own[:, 1], s=9, color=colour, marker=marker, alpha=0.7, linewidths=0)


def _state_handles() -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=4) for _, colour, marker in _STATES
    ]
    return handles, [name for name, _, _ in _STATES]
