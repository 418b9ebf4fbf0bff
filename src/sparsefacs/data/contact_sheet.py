"""Pictures of what a store holds: many small faces with their labels, and a few with their geometry drawn."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..facs import AREA_NAMES, AREAS, au_centres, centre_aus, facial_areas
from ..files import refuse_existing, write_with
from .store import UNLABELLED, Store

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

_AREA_COLOURS = ("#e6194b", "#3cb44b", "#3cb44b", "#ffe119", "#4363d8", "#4363d8", "#f58231", "#911eb4")
_DRAWN = 512  # pixels a face's side is drawn at, so that the writing can be read

# The sheet of small faces, in pixels.
_TILE = 128
_GAP = 8
_FONT = 12
_LINE = 15
_LABEL_LINES = 2
_MARGIN = 160  # at most, for the subject's name
_HEAD = 2 * _LINE + _GAP
_FEWEST_COLUMNS, _MOST_COLUMNS = 6, 12
_LETTERS = "ABCDE"  # FACS letters of intensity 1 to 5


def contact_sheet(store: Store, path: Path, *, faces: int = 60) -> Path:
    """Write a PNG of up to `faces` small faces of `store`: a row a subject, columns spread over the subject's clips.

    Under each stand clip and frame, and the active AUs with the FACS letter A–E of their intensity where there is one.
    Raises InputError if `path` exists or does not end in .png.
    """
    from PIL import Image, ImageDraw

    path = _new_png(path)
    grid = _spread(store, faces)
    columns = max(len(rows) for _, rows in grid)
    font = _font()
    margin = min(_MARGIN, math.ceil(max(font.getlength(subject) for subject, _ in grid)) + 2 * _GAP)
    height = _TILE + (1 + _LABEL_LINES) * _LINE + _GAP
    drawn = sum(len(rows) for _, rows in grid)
    title = f"{store.path.name}: {drawn} of {len(store)} faces, {len(grid)} of {store.info.subjects} subjects"
    legend = "under a face: clip and frame; active AUs, letters A–E their intensity; – none; ? not labelled"
    width = max(margin + columns * (_TILE + _GAP), _GAP + math.ceil(max(map(font.getlength, (title, legend)))))
    sheet = Image.new("RGB", (width + _GAP, _HEAD + len(grid) * height), "white")
    draw = ImageDraw.Draw(sheet)
    occurrence, intensity = store.occurrence(), store.intensity()
    clips, frames = store.strings("clip"), store.numbers("frame")
    draw.text((_GAP, _GAP // 2), title, "black", font)
    draw.text((_GAP, _GAP // 2 + _LINE), legend, "#555555", font)
    for line, (subject, rows) in enumerate(grid):
        top = _HEAD + line * height
        draw.text((_GAP, top + _TILE // 2), _fitting(subject, font, margin - 2 * _GAP), "black", font)
        for column, row in enumerate(rows):
            left = margin + column * (_TILE + _GAP)
            face = Image.fromarray(store.image(row)).resize((_TILE, _TILE), Image.Resampling.LANCZOS)
            sheet.paste(face, (left, top))
            place = f"{_fitting(str(clips[row]), font, _TILE // 2)} · {frames[row]}"
            draw.text((left, top + _TILE), place, "#555555", font)
            words = active_aus(store.aus, occurrence[row], intensity[row])
            for number, text in enumerate(_lines(words, font, _TILE)):
                draw.text((left, top + _TILE + (number + 1) * _LINE), text, "#b00000", font)
    return _write_png(path, np.asarray(sheet))


def active_aus(aus: tuple[int, ...], occurrence: NDArray[np.int8], intensity: NDArray[np.float32]) -> list[str]:
    """Return the active AUs of one face as words: `12`, or `12C` with its FACS intensity letter.

    occurrence (A,) −1/0/1; where it says nothing, an intensity (A,) of 1 or more is active. [`–`] if none is active,
    [`?`] if nothing is labelled; a `?` at the end tells that some AUs are not labelled.
    """
    known = (occurrence != UNLABELLED) | ~np.isnan(intensity)
    if not known.any():
        return ["?"]
    words = []
    for au, on, level in zip(aus, occurrence, intensity, strict=True):
        grade = 0 if np.isnan(level) else int(np.rint(level))
        if on == 1 or (on == UNLABELLED and grade >= 1):
            words.append(f"{au}{_LETTERS[grade - 1] if grade else ''}")
    return [*(words or ["–"]), *([] if known.all() else ["?"])]


def _spread(store: Store, faces: int) -> list[tuple[str, list[int]]]:
    """Choose the subjects and rows of the sheet: subjects spread over the list, faces over each subject's clips.

    Those with labels come first, since labels are what a sheet is looked at for.
    """
    subjects = store.strings("subject")
    order = np.lexsort((store.numbers("frame"), store.strings("clip"), subjects))
    labelled = (store.occurrence() != UNLABELLED).any(axis=1) | ~np.isnan(store.intensity()).all(axis=1)
    names = np.unique(subjects)
    lines = min(len(names), max(1, faces // min(_FEWEST_COLUMNS, faces)))
    columns = min(_MOST_COLUMNS, max(1, faces // lines))
    told = np.isin(names, subjects[labelled])
    chosen = sorted(names[_first(told, lines)].tolist())
    found = []
    for name in chosen:
        own = order[subjects[order] == name]
        found.append((str(name), own[_first(labelled[own], columns)].tolist()))
    return found


def _first(preferred: NDArray[np.bool_], wanted: int) -> NDArray[np.int64]:
    """Return up to `wanted` places, ascending: evenly spread over the preferred ones, then over the others."""
    places = [np.flatnonzero(preferred), np.flatnonzero(~preferred)]
    first = places[0][_places(len(places[0]), wanted)]
    return np.sort(np.concatenate([first, places[1][_places(len(places[1]), wanted - len(first))]]))


def _places(number: int, wanted: int) -> list[int]:
    """Return up to `wanted` places among `number`, evenly spread, in the middle of equal parts."""
    wanted = min(number, wanted)
    return [int((place + 0.5) * number / wanted) for place in range(wanted)]


def _font() -> "FreeTypeFont":
    """Return DejaVu Sans, which comes with matplotlib: Pillow's own font has no dash and no letter beyond Latin-1."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", _FONT)


def _fitting(text: str, font: "FreeTypeFont", width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _lines(words: list[str], font: "FreeTypeFont", width: int) -> list[str]:
    """Set words in up to `_LABEL_LINES` lines of `width` pixels; what finds no place is counted: +3."""
    lines: list[list[str]] = [[]]
    for number, word in enumerate(words):
        rest = f"+{len(words) - number}"
        last = len(lines) == _LABEL_LINES
        more = number + 1 < len(words)
        trial = [*lines[-1], word, *([rest] if last and more else [])]
        if lines[-1] and font.getlength(" ".join(trial)) > width:
            if last:
                lines[-1].append(rest)
                break
            lines.append([])
        lines[-1].append(word)
    return [" ".join(line) for line in lines]


def _new_png(path: Path) -> Path:
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InputError("the picture of a store is a PNG", path=path, remedy="Name it something.png")
    refuse_existing(path, what="picture")
    return path


def _write_png(path: Path, picture: NDArray[np.uint8]) -> Path:
    from PIL import Image

    write_with(path, lambda handle: Image.fromarray(picture).save(handle, format="PNG"))
    return path


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


def geometry_picture(store: Store, path: Path, *, faces: int = 6, columns: int = 2, side: int = _DRAWN) -> Path:
    """Write a PNG of up to `faces` faces of `store`, one of each subject first, with their geometry drawn.

    Raises InputError if `path` exists or does not end in .png.
    """
    path = _new_png(path)
    landmarks = store.vectors("landmarks").reshape(-1, 68, 2)
    drawn = [draw_geometry(store.image(row), landmarks[row], centre_aus(), side=side) for row in _chosen(store, faces)]
    columns = min(columns, len(drawn))
    drawn += [np.full_like(drawn[0], 255)] * (-len(drawn) % columns)
    sheet = np.vstack([np.hstack(drawn[start : start + columns]) for start in range(0, len(drawn), columns)])
    return _write_png(path, sheet)


def _chosen(store: Store, faces: int) -> list[int]:
    """Return rows spread over subjects: the middle face of each, then their quarters, until there are `faces`."""
    subjects = store.strings("subject")
    by_subject = [np.flatnonzero(subjects == name) for name in dict.fromkeys(subjects.tolist())]
    rows: list[int] = []
    for share in (0.5, 0.25, 0.75, 0.0, 0.99):
        rows.extend(int(members[int(share * len(members))]) for members in by_subject)
    return list(dict.fromkeys(rows))[:faces]
