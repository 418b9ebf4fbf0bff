"""Codes drawn over a picture: box, landmarks, and a panel with one bar an AU beside each face."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .codes import CodedFace, CodedFrame
from .contract import Task

SIDE_MIN = 240  # pixels; smaller pictures are enlarged by a whole factor, or letters could not be read
FONT_MIN, FONT_MAX = 10, 40
_PRESENT, _ABSENT = (255, 176, 0), (132, 166, 200)
_FACE, _LOST, _TEXT, _TICK = (64, 220, 255), (255, 96, 96), (245, 245, 245), (255, 255, 255)
_FOOT_MIN = 7
_STAY = 0.15  # a panel changes sides only if it hides that much less (share of the panel) than where it is

Image = NDArray[np.uint8]
Rectangle = tuple[int, int, int, int]  # x0, y0, x1, y1


@dataclass(frozen=True)
class _Layout:
    """Sizes of a panel in pixels: `rows` bars in each of `columns`, letters `font` high."""

    font: int
    rows: int
    columns: int

    @property
    def line(self) -> int:
        return round(self.font * 1.25)

    @property
    def column(self) -> int:
        return round(self.font * 8.5)

    @property
    def width(self) -> int:
        return self.columns * self.column + self.font // 2

    @property
    def height(self) -> int:
        return self.rows * self.line + self.font // 2


class Painter:
    """Draws the codes of one file's frames; remembers where panels stood, so that they do not jump."""

    def __init__(self, aus: Sequence[int], task: Task, limits: Sequence[float], caption: str = "") -> None:
        self._caption = caption
        self._labels = [f"AU{au}" for au in aus]
        self._full = 1.0 if task == "occurrence" else 5.0
        self._digits = 2 if task == "occurrence" else 1
        self._limits = tuple(limits)
        self._sides: dict[int, int] = {}
        self._boxes: dict[int, NDArray[np.float32]] = {}

    def paint(self, frame: CodedFrame) -> Image:
        """Return the frame's image (H, W, 3 RGB) with its codes drawn in, enlarged if its shorter side is tiny."""
        assert frame.image is not None
        times = enlargement(frame.image.shape[:2])
        canvas = frame.image.repeat(times, axis=0).repeat(times, axis=1) if times > 1 else frame.image.copy()
        thick = max(1, round(min(canvas.shape[:2]) / 360))
        boxes = {face.face_id: (face.box + 0.5) * times - 0.5 for face in frame.faces}
        for face in frame.faces:
            _mark_face(canvas, boxes[face.face_id], (face.landmarks + 0.5) * times - 0.5, thick)
            if len(frame.faces) + len(frame.lost) > 1:
                _label(canvas, boxes[face.face_id], f"face {face.face_id}", _FACE)
        for face_id in frame.lost:
            if face_id in self._boxes:
                _mark_lost(canvas, self._boxes[face_id], face_id, thick)
        self._boxes = {known: self._boxes[known] for known in frame.lost if known in self._boxes} | boxes
        taken = [_rectangle(box) for box in boxes.values()]
        for face in sorted(frame.faces, key=lambda one: -_height(one.box)):
            layout = self._layout(canvas.shape[:2], boxes[face.face_id], len(frame.faces))
            taken.append(self._place_panel(canvas, face, boxes[face.face_id], layout, taken))
        if self._caption:
            _foot(canvas, self._caption)
        return canvas

    def _layout(self, shape: tuple[int, ...], box: NDArray[np.floating], faces: int) -> _Layout:
        height, width = shape
        bars = len(self._labels)
        room = height * 0.95 if faces == 1 else min(height * 0.95, 1.25 * _height(box))
        wanted = min(height, 0.75 * width) / 28
        font = int(np.clip(min(wanted, room / (1.25 * bars + 0.5)), FONT_MIN, FONT_MAX))
        rows = max(1, min(bars, int((height * 0.95 - font / 2) / round(font * 1.25))))
        return _Layout(font, rows, -(-bars // rows))

    def _place_panel(
        self, canvas: Image, face: CodedFace, box: NDArray[np.floating], layout: _Layout, taken: list[Rectangle]
    ) -> Rectangle:
        height, width = canvas.shape[:2]
        places = _places(_rectangle(box), layout, height, width)
        hidden = [sum(_shared(place, other) for other in taken) / (layout.width * layout.height) for place in places]
        best = int(np.argmin(hidden))
        before = self._sides.get(face.face_id)
        side = before if before is not None and hidden[before] <= hidden[best] + _STAY else best
        self._sides[face.face_id] = side
        self._draw_panel(canvas, places[side], face.codes, layout)
        return places[side]

    def _draw_panel(self, canvas: Image, place: Rectangle, codes: NDArray[np.float32], layout: _Layout) -> None:
        import cv2

        x0, y0, x1, y1 = place
        _shade(canvas[y0:y1, x0:x1])
        font, bar_width = layout.font, round(layout.font * 2.6)
        for number, (label, value, limit) in enumerate(zip(self._labels, codes.tolist(), self._limits, strict=True)):
            column, row = divmod(number, layout.rows)
            left, top = x0 + font // 3 + column * layout.column, y0 + font // 4 + row * layout.line
            colour = _PRESENT if value >= limit else _ABSENT
            write(canvas, label, (left, top), font, _TEXT if value < limit else _PRESENT)
            bar = left + round(font * 3.05)
            middle, half = top + layout.line // 2, max(2, round(font * 0.32))
            cv2.rectangle(canvas, (bar, middle - half), (bar + bar_width, middle + half), (60, 60, 60), -1)
            share = min(max(value / self._full, 0.0), 1.0)
            if round(bar_width * share) > 0:
                end = (bar + round(bar_width * share), middle + half)
                cv2.rectangle(canvas, (bar, middle - half), end, colour, -1)
            tick = bar + round(bar_width * limit / self._full)
            cv2.line(canvas, (tick, middle - half), (tick, middle + half), _TICK, 1)
            write(canvas, f"{value:.{self._digits}f}", (bar + bar_width + font // 3, top), font, _TEXT)


def enlargement(shape: tuple[int, ...]) -> int:
    """Return the whole factor by which a picture of `shape` (H, W) is enlarged before it is drawn on."""
    return max(1, -(-SIDE_MIN // min(shape)))


def write(canvas: Image, text: str, corner: tuple[int, int], font: int, colour: tuple[int, int, int]) -> None:
    """Write `text` with its upper left corner at (x, y), letters `font` pixels high, cut off at the edges."""
    mask = _text_mask(text, font)
    x, y = max(0, corner[0]), max(0, corner[1])
    part = canvas[y : y + mask.shape[0], x : x + mask.shape[1]]
    alpha = mask[: part.shape[0], : part.shape[1], None]
    part[:] = (part * (1 - alpha) + np.array(colour, np.float32) * alpha + 0.5).astype(np.uint8)


def _shade(part: Image) -> None:
    """Darken a part of a picture, in place, to three eighths."""
    part >>= 3
    part *= 3


@lru_cache(maxsize=4096)
def _text_mask(text: str, font: int) -> NDArray[np.float32]:
    """Return how much ink `text` leaves on each pixel, 0–1."""
    from PIL import Image as Pictures
    from PIL import ImageDraw, ImageFont

    letters = ImageFont.load_default(size=font)
    page = Pictures.new("L", (max(1, round(letters.getlength(text)) + 2), round(font * 1.25)))
    ImageDraw.Draw(page).text((0, 0), text, fill=255, font=letters)
    return np.array(page).astype(np.float32) / np.float32(255)


def _mark_face(canvas: Image, box: NDArray[np.floating], landmarks: NDArray[np.floating], thick: int) -> None:
    import cv2

    x0, y0, x1, y1 = _rectangle(box)
    cv2.rectangle(canvas, (x0, y0), (x1, y1), _FACE, thick, cv2.LINE_AA)
    radius = max(1, round(_height(box) / 160))
    for x, y in landmarks:
        cv2.circle(canvas, (round(float(x)), round(float(y))), radius, _FACE, -1, cv2.LINE_AA)


def _mark_lost(canvas: Image, box: NDArray[np.floating], face_id: int, thick: int) -> None:
    import cv2

    x0, y0, x1, y1 = _rectangle(box)
    dash = 8 * thick
    for x in range(x0, x1, 2 * dash):
        for y in (y0, y1):
            cv2.line(canvas, (x, y), (min(x + dash, x1), y), _LOST, thick, cv2.LINE_AA)
    for y in range(y0, y1, 2 * dash):
        for x in (x0, x1):
            cv2.line(canvas, (x, y), (x, min(y + dash, y1)), _LOST, thick, cv2.LINE_AA)
    _label(canvas, box, f"face {face_id} lost", _LOST)


def _label(canvas: Image, box: NDArray[np.floating], text: str, colour: tuple[int, int, int]) -> None:
    """Write `text` on a shade above the upper left corner of a face's box, or in it at the picture's upper edge."""
    x0, y0, _, _ = _rectangle(box)
    font = int(np.clip(min(min(canvas.shape[:2]) / 24, _height(box) / 7), FONT_MIN, FONT_MAX))
    height, width = _text_mask(text, font).shape
    x = min(max(0, x0), max(0, canvas.shape[1] - width))
    y = min(y0 - height if y0 >= height else max(0, y0 + font // 4), max(0, canvas.shape[0] - height))
    _shade(canvas[y : y + height, x : x + width])
    write(canvas, text, (x, y), font, colour)


def _foot(canvas: Image, text: str) -> None:
    """Write `text` on a shade along the lower edge, small enough to fit the width."""
    height, width = canvas.shape[:2]
    font = int(np.clip(height / 32, FONT_MIN, FONT_MAX))
    while font > _FOOT_MIN and _text_mask(text, font).shape[1] > width:
        font -= 1
    high, wide = _text_mask(text, font).shape
    _shade(canvas[max(0, height - high) :, :wide])
    write(canvas, text, (0, height - high), font, _TEXT)


def _places(face: Rectangle, layout: _Layout, height: int, width: int) -> list[Rectangle]:
    """Return where a panel may stand: right of the face, left, below, above, and in its corners; always inside."""
    x0, y0, x1, y1 = face
    gap = layout.font // 2
    middle_x, middle_y = (x0 + x1 - layout.width) // 2, (y0 + y1 - layout.height) // 2
    corners = [
        (x1 + gap, middle_y),
        (x0 - gap - layout.width, middle_y),
        (middle_x, y1 + gap),
        (middle_x, y0 - gap - layout.height),
    ]
    places = []
    for x, y in corners:
        left, top = min(max(0, x), max(0, width - layout.width)), min(max(0, y), max(0, height - layout.height))
        places.append((left, top, min(width, left + layout.width), min(height, top + layout.height)))
    return places


def _shared(a: Rectangle, b: Rectangle) -> int:
    """Return the area two rectangles share, in pixels."""
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


def _rectangle(box: NDArray[np.floating]) -> Rectangle:
    x0, y0, x1, y1 = (round(float(side)) for side in box)
    return x0, y0, x1, y1


def _height(box: NDArray[np.floating]) -> float:
    return float(box[3] - box[1])
