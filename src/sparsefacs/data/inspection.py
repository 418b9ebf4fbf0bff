"""What a store holds, in numbers and in a picture of its faces with landmarks, AU centres and areas."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..facs import AREA_NAMES, AREAS, UNITS, au_centres, centre_aus, facial_areas
from ..files import refuse_existing, write_with
from .store import UNLABELLED, Store

TOP_COMBINATIONS = 5
_AREA_COLOURS = ("#e6194b", "#3cb44b", "#3cb44b", "#ffe119", "#4363d8", "#4363d8", "#f58231", "#911eb4")
_DRAWN = 512  # pixels a face's side is drawn at, so that the writing can be read


def inspect_store(store: Store) -> dict[str, Any]:
    """Return what `store` holds: counts, per-AU labels and base rates, frequent AU combinations, rejects by reason.

    base_rate is positives over labelled entries; gaps is the share of faces without that label. Combinations are
    counted over the fully labelled faces.
    """
    occurrence, intensity = store.occurrence(), store.intensity()
    subjects = Counter(store.strings("subject").tolist())
    complete = occurrence[(occurrence != UNLABELLED).all(axis=1)] if len(store.aus) else occurrence[:0]
    kinds, counts = np.unique(complete, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:TOP_COMBINATIONS]
    return {
        "store": str(store.path),
        "faces": len(store),
        "subjects": store.info.subjects,
        "clips": store.info.clips,
        "size": store.info.size,
        "recipe_hash": store.info.recipe_hash,
        "source": store.info.source,
        "faces_per_subject": {
            "least": min(subjects.values()),
            "median": float(np.median(list(subjects.values()))),
            "most": max(subjects.values()),
        },
        "faces_labelled": int(((occurrence != UNLABELLED) | ~np.isnan(intensity)).any(axis=1).sum()),
        "faces_fully_labelled": len(complete),
        "aus": [_au_row(au, occurrence[:, i], intensity[:, i]) for i, au in enumerate(store.aus)],
        "combinations": len(kinds),
        "frequent_combinations": [
            {"aus": [au for au, on in zip(store.aus, kinds[i], strict=True) if on == 1], "faces": int(counts[i])}
            for i in order
        ],
        "rejected": dict(Counter(reject.reason for reject in store.info.rejected).most_common()),
        "rejected_files": [reject.source for reject in store.info.rejected if reject.frame is None],
    }


def _au_row(au: int, occurrence: NDArray[np.int8], intensity: NDArray[np.float32]) -> dict[str, Any]:
    labelled = int((occurrence != UNLABELLED).sum())
    positive = int((occurrence == 1).sum())
    graded = ~np.isnan(intensity)
    return {
        "au": au,
        "name": UNITS[au].name,
        "labelled": labelled,
        "positive": positive,
        "base_rate": positive / labelled if labelled else None,
        "gaps": 1 - labelled / len(occurrence),
        "intensity_labelled": int(graded.sum()),
        "intensity_mean": float(intensity[graded].mean()) if graded.any() else None,
    }


def describe(found: dict[str, Any]) -> str:
    """Return what `inspect_store` found as lines of text."""
    per = found["faces_per_subject"]
    lines = [
        f"{found['store']}: {found['faces']} faces, {found['subjects']} subjects, {found['clips']} clips, "
        f"{found['size']} × {found['size']} pixels, recipe {found['recipe_hash']}",
        f"faces per subject: {per['least']} to {per['most']}, median {per['median']:g}",
        f"labelled faces: {found['faces_labelled']}, with every AU: {found['faces_fully_labelled']}, "
        f"distinct AU combinations among these: {found['combinations']}",
    ]
    shown = [row for row in found["aus"] if row["labelled"] or row["intensity_labelled"]]
    if shown:
        lines.append(f"{'AU':>4}  {'name':22} {'labelled':>9} {'positive':>9} {'rate':>6} {'gaps':>6} {'graded':>8}")
    for row in shown:
        rate = "–" if row["base_rate"] is None else f"{row['base_rate']:.1%}"
        lines.append(
            f"{row['au']:>4}  {row['name']:22} {row['labelled']:>9} {row['positive']:>9} {rate:>6} "
            f"{row['gaps']:>6.1%} {row['intensity_labelled']:>8}"
        )
    if len(shown) < len(found["aus"]):
        lines.append(f"AUs without any label: {','.join(str(row['au']) for row in found['aus'] if row not in shown)}")
    for row in found["frequent_combinations"]:
        lines.append(f"{row['faces']:>9} faces show {'+'.join(map(str, row['aus'])) or 'no AU'}")
    if found["rejected"]:
        lines.append("rejected:")
        lines.extend(f"{count:>9}  {reason}" for reason, count in found["rejected"].items())
    return "\n".join(lines)


def draw_geometry(
    image: NDArray[np.uint8], landmarks: NDArray[np.floating], aus: tuple[int, ...], *, side: int = _DRAWN
) -> NDArray[np.uint8]:
    """Return the face `image` (H, W, 3 RGB) beside itself with its geometry drawn, (side, 2·side, 3) uint8.

    Left: the 68 landmarks (68, 2, pixels of `image`), numbered, and the eight areas. Right: the two centres of each
    AU of `aus` that has centres, AUs that share a point named together.
    """
    import cv2
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = image.shape[:2]
    figure = Figure(figsize=(side / 50, side / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    enlarged = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
    points = (np.asarray(landmarks, np.float64) + 0.5) * (side / width, side / height) - 0.5
    left, right = (figure.add_axes((x, 0, 0.5, 1)) for x in (0, 0.5))
    for axes in (left, right):
        axes.imshow(enlarged, interpolation="nearest")
        axes.set_xlim(-0.5, side - 0.5)
        axes.set_ylim(side - 0.5, -0.5)
        axes.axis("off")
    _draw_areas(left, points, side)
    _draw_centres(right, points, tuple(au for au in aus if au in centre_aus()), side)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def _draw_areas(axes: Any, points: NDArray[np.float64], side: int) -> None:
    from matplotlib.patches import Rectangle

    size = side / _DRAWN
    for area, name, colour, box in zip(AREAS, AREA_NAMES, _AREA_COLOURS, facial_areas(points), strict=True):
        x0, y0, x1, y1 = box
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=True, alpha=0.12, color=colour, linewidth=0))
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, color=colour, linewidth=1.4 * size))
        axes.text(x0 + 3, y0 + 3, f"{area} {name}", color="white", fontsize=5 * size, va="top", **_boxed(colour))
    axes.plot(points[:, 0], points[:, 1], ".", color="white", markersize=4 * size, markeredgecolor="black", mew=0.4)
    for number, (x, y) in enumerate(points):
        axes.text(x + 2, y - 2, str(number), color="white", fontsize=3.6 * size, **_outlined())


def _draw_centres(axes: Any, points: NDArray[np.float64], aus: tuple[int, ...], side: int) -> None:
    size = side / _DRAWN
    axes.plot(points[:, 0], points[:, 1], ".", color="white", markersize=2 * size, alpha=0.6)
    if not aus:
        return
    shared: dict[tuple[float, float], list[int]] = {}
    for au, centres in zip(aus, au_centres(points, aus), strict=True):
        for x, y in centres:
            shared.setdefault((round(float(x), 2), round(float(y), 2)), []).append(au)
    for (x, y), here in shared.items():
        axes.plot(x, y, "o", color="#ffd000", markersize=5 * size, markeredgecolor="black", mew=0.6)
        axes.text(x + 6, y, " ".join(map(str, here)), color="#ffd000", fontsize=7 * size, va="center", **_outlined())


def _boxed(colour: str) -> dict[str, Any]:
    return {"bbox": {"facecolor": colour, "alpha": 0.7, "pad": 0.8, "linewidth": 0}}


def _outlined() -> dict[str, Any]:
    from matplotlib.patheffects import withStroke

    return {"path_effects": [withStroke(linewidth=1.4, foreground="black")]}


def contact_sheet(store: Store, path: Path, *, faces: int = 6, columns: int = 2, side: int = _DRAWN) -> Path:
    """Write a PNG of up to `faces` faces of `store`, one of each subject first, with their geometry drawn.

    Raises InputError if `path` exists or does not end in .png.
    """
    from PIL import Image

    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InputError("the picture of a store is a PNG", path=path, remedy="Name it something.png")
    refuse_existing(path, what="picture")
    landmarks = store.vectors("landmarks").reshape(-1, 68, 2)
    drawn = [draw_geometry(store.image(row), landmarks[row], centre_aus(), side=side) for row in _chosen(store, faces)]
    columns = min(columns, len(drawn))
    drawn += [np.full_like(drawn[0], 255)] * (-len(drawn) % columns)
    sheet = np.vstack([np.hstack(drawn[start : start + columns]) for start in range(0, len(drawn), columns)])
    write_with(path, lambda handle: Image.fromarray(sheet).save(handle, format="PNG"))
    return path


def _chosen(store: Store, faces: int) -> list[int]:
    """Return rows spread over subjects: the middle face of each, then their quarters, until there are `faces`."""
    subjects = store.strings("subject")
    by_subject = [np.flatnonzero(subjects == name) for name in dict.fromkeys(subjects.tolist())]
    rows: list[int] = []
    for share in (0.5, 0.25, 0.75, 0.0, 0.99):
        rows.extend(int(members[int(share * len(members))]) for members in by_subject)
    return list(dict.fromkeys(rows))[:faces]
