"""`--overlay`: the video (or photo) again, with its codes drawn in."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import atomic_path, write_with
from .codes import CodedFrame
from .contract import Coder
from .frames import Closed, Opened, Picture
from .painting import Painter
from .sources import Source
from .stages import read_pictures

TICKS = 90_000  # a second, of the written video: fine enough for any frame rate, variable ones too
_ENCODERS = (("libx264", {"crf": "20", "preset": "veryfast"}), ("mpeg4", {"qscale": "3"}))
_JPEG_QUALITY = 92


def overlay_suffixes(source: Source) -> tuple[str, ...]:
    """Return the file endings an overlay of `source` can have, the usual one first."""
    return (".png", ".jpg", ".jpeg") if source.is_photo else (".mp4",)


def with_pictures(
    frames: Iterator[Opened | CodedFrame | Closed],
) -> Generator[Opened | CodedFrame | Closed, None, None]:
    """Yield coded frames with their pictures, which are decoded once more; without them if a file has changed."""
    pictures: Iterator[Opened | Picture | Closed] = iter(())
    for item in frames:
        if isinstance(item, CodedFrame):
            found = (each for each in pictures if isinstance(each, Picture) and each.index == item.index)
            picture = next(found, None)
            yield item if picture is None else replace(item, image=picture.image)
            continue
        pictures = read_pictures([item.source]) if isinstance(item, Opened) else iter(())
        yield item


class OverlayWriter:
    """Takes coded frames with their images; made by `open_overlay`."""

    def __init__(self, path: Path, coder: Coder, fps: float | None, caption: str, stack: ExitStack) -> None:
        self._path, self._fps, self._stack = path, fps, stack
        self._painter = Painter(coder.aus, coder.task, coder.limits, caption)
        self._video: _Video | None = None

    def write(self, frame: CodedFrame) -> None:
        """Draw one frame; raises InputError when it cannot be written."""
        if frame.image is None:
            raise InputError("the file has changed while it was being coded", remedy="Leave it alone and code it again")
        canvas = self._painter.paint(frame)
        if self._fps is None or frame.time_s is None:
            _save_photo(self._path, canvas)
            return
        if self._video is None:
            self._video = self._stack.enter_context(_open_video(self._path, canvas.shape[:2], self._fps))
        self._video.add(canvas, frame.time_s)


@contextmanager
def open_overlay(path: Path, coder: Coder, fps: float | None, caption: str = "") -> Iterator[OverlayWriter]:
    """Open an overlay of one file (fps None: a photo); `path` appears whole, when the block ends without an error.
    caption: a line at the foot of every picture.

    The video keeps the size and the frame times of the source, without sound; a picture whose shorter side has under
    240 pixels is enlarged by a whole factor, and an odd side gets one more pixel, since H.264 wants even ones.
    """
    with ExitStack() as stack:
        yield OverlayWriter(path, coder, fps, caption, stack)


def _save_photo(path: Path, image: NDArray[np.uint8]) -> None:
    from PIL import Image

    kind = "PNG" if path.suffix.lower() == ".png" else "JPEG"
    write_with(path, lambda handle: Image.fromarray(image).save(handle, kind, quality=_JPEG_QUALITY))


class _Video:
    def __init__(self, container: Any, shape: tuple[int, ...], fps: float, path: Path) -> None:
        import av

        self._container, self._path = container, path
        self._last = -1
        self._shape = tuple(side + side % 2 for side in shape)
        name, options = next((name, options) for name, options in _ENCODERS if name in av.codecs_available)
        rate = Fraction(fps).limit_denominator(1001)
        self._stream = container.add_stream(name, rate=rate, options=options)
        self._stream.height, self._stream.width = self._shape
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, TICKS)
        self._stream.time_base = Fraction(1, TICKS)

    def add(self, image: NDArray[np.uint8], time_s: float) -> None:
        import av

        height, width = self._shape
        image = image[:height, :width]  # a video may change its size midway
        short = (height - image.shape[0], width - image.shape[1])
        if any(short):
            image = np.pad(image, ((0, short[0]), (0, short[1]), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        self._last = max(self._last + 1, round(time_s * TICKS))
        frame.pts, frame.time_base = self._last, Fraction(1, TICKS)
        self.encode(frame)

    def encode(self, frame: Any) -> None:
        """Encode one frame, or what is left if None."""
        import av

        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except av.FFmpegError as error:
            raise _not_written(error, self._path) from error


def _not_written(error: Exception, path: Path) -> InputError:
    return InputError(
        f"the overlay cannot be written ({getattr(error, 'strerror', None) or error})",
        path=path,
        remedy="Free some disk space or choose another place for --overlay",
    )


@contextmanager
def _open_video(path: Path, shape: tuple[int, ...], fps: float) -> Iterator[_Video]:
    import av

    try:
        with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
            video = _Video(container, shape, fps, path)
            yield video
            video.encode(None)
    except av.FFmpegError as error:  # on opening and closing the file
        raise _not_written(error, path) from error
