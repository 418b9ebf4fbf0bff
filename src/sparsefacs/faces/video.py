"""Pictures from files: photos by Pillow, videos frame by frame by PyAV, in flat memory."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..data.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES, is_image, is_video
from ..errors import InputError

__all__ = ["IMAGE_SUFFIXES", "VIDEO_SUFFIXES", "Frame", "VideoReader", "decode", "is_image", "is_video", "read_image"]

_BREAK_SHARE = 0.9  # a video that ends before this share of the length its header names has been cut short


@dataclass(frozen=True)
class Frame:
    """One frame: 0-based index in the video, seconds since the first frame, and the RGB image (H, W, 3) uint8.

    until_s: when the next frame is shown, or the video ends; a photo is shown for no time.
    """

    index: int
    time_s: float
    image: NDArray[np.uint8]
    until_s: float = 0.0


def read_image(path: Path, member: str | None = None) -> NDArray[np.uint8]:
    """Read a photo as upright RGB, (H, W, 3) uint8, turned as its EXIF orientation says.

    member: the photo's name inside the zip file `path`. Raises InputError when the file is missing, empty, damaged or
    no image.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not path.is_file():
        raise InputError("is not there", path=path, remedy="Check the name")
    if path.stat().st_size == 0:
        raise InputError("is empty (0 bytes)", path=path, remedy="Copy the image again")
    try:
        with Image.open(path if member is None else io.BytesIO(_from_zip(path, member))) as opened:
            opened.load()
            upright = ImageOps.exif_transpose(opened)
            if upright.mode.startswith("I;16"):  # Pillow would clip 16 bits at 255
                upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
            return np.array(upright.convert("RGB"))
    except Image.DecompressionBombError as error:
        raise InputError("has too many pixels to be opened safely", path=path, remedy="Reduce the image") from error
    except (OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        reason = "is no image" if isinstance(error, UnidentifiedImageError) else f"is damaged ({error})"
        raise InputError(reason, path=path, remedy="Copy or export the image again") from error


@lru_cache(maxsize=2)
def _zip_file(path: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def _from_zip(path: Path, member: str) -> bytes:
    """Return a zip file's member; raises OSError when the zip or the member is damaged or missing."""
    try:
        return _zip_file(path).read(member)
    except (KeyError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise OSError(f"{member} in the zip: {error}") from error


class VideoReader:
    """The frames of one video in order, upright and with square pixels; memory does not grow with its length.

    A context manager and an iterator. After the iteration `rejected` lists (frame index, reason) of frames that were
    damaged and of the place where the video breaks off, if it does: what can be read is given first. Frame indices
    count damaged frames too. `frames` is the number of frames the file claims (None: unknown), `fps` its mean rate,
    `begins_s` when the first frame is shown on the clock of players, which starts with the file's first stream; known
    once a frame was given.
    Raises InputError on opening when the file is missing, empty, or holds no video.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        import av

        self.path = Path(path)
        self.rejected: list[tuple[int, str]] = []
        self.begins_s = 0.0
        if not self.path.is_file():
            raise InputError("is not there", path=path, remedy="Check the name")
        if self.path.stat().st_size == 0:
            raise InputError("is empty (0 bytes)", path=path, remedy="Copy the video again")
        try:
            self._container = av.open(str(self.path))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise _unreadable(self.path, error) from error
        if not self._container.streams.video:
            self._container.close()
            raise InputError("holds no video", path=path, remedy="Give a video or image file")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = threads
        rate = self._stream.average_rate or self._stream.guessed_rate or Fraction(25)
        self.fps = float(rate)
        self._claimed_s = self._claimed_seconds()
        claimed = int(self._stream.frames) or int(self._claimed_s * self.fps + 0.5)
        self.frames: int | None = claimed or None

    def _claimed_seconds(self) -> float:
        """Return how long the video says it is, 0 where it does not say."""
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        alone = len(self._container.streams) == 1  # else the sound may be what lasts so long
        return float(self._container.duration or 0) / 1e6 if alone else 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        index, last = 0, 0.0
        for raw, last, until_s in self._timed_frames():
            if raw.is_corrupt:
                self.rejected.append((index, "damaged frame"))
            else:
                yield Frame(index, last, _upright(raw), until_s)
            index += 1
        if not index:
            reason = self.rejected[0][1] if self.rejected else "no frame can be decoded"
            raise InputError(reason, path=self.path, remedy="Copy or export the video again")
        if not self.rejected and self._claimed_s and last + 1 / self.fps < _BREAK_SHARE * self._claimed_s:
            self.rejected.append((index, f"the video breaks off after {index} frames, {last:.1f} s"))

    def _timed_frames(self) -> Iterator[tuple[Any, float, float]]:
        """Yield frames with the seconds, since the first one, from which and until which they are shown."""
        start: float | None = None
        held: tuple[Any, float] | None = None
        for index, raw in enumerate(self._raw_frames()):
            seconds = None if raw.pts is None else float(raw.pts * self._stream.time_base)
            if start is None and seconds is not None:
                start = seconds - index / self.fps
                self.begins_s = max(start - float(self._container.start_time or 0) / 1e6, 0.0)
            time_s = index / self.fps if seconds is None or start is None else seconds - start
            if held is not None:
                yield *held, time_s
            held = raw, time_s
        if held is not None:
            yield *held, max(held[1] + 1 / self.fps, self._claimed_s)

    def _raw_frames(self) -> Iterator[Any]:
        import av

        count, broken = 0, ""
        try:
            for frame in self._container.decode(self._stream):
                count += 1
                yield frame
        except (av.FFmpegError, OSError, ValueError) as error:
            # Frames beyond damage could not be numbered surely, and labels go by frame number: so stop here.
            broken = str(getattr(error, "strerror", None) or error)
        if broken:
            for frame in self._still_held():
                count += 1
                yield frame
            self.rejected.append((count, f"the video breaks off after {count} frames ({broken})"))

    def _still_held(self) -> list[Any]:
        """Return the frames before the damage that the decoder still holds back to put them in order."""
        import av

        try:
            return list(self._stream.codec_context.decode(None))
        except (av.FFmpegError, OSError, ValueError):
            return []


def decode(path: Path, *, threads: int = 1) -> Iterator[Frame]:
    """Yield the frames of the video at `path`; raises InputError when nothing can be read."""
    with VideoReader(path, threads=threads) as reader:
        yield from reader


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or error
    return InputError(
        f"cannot be read as a video ({reason})", path=path, remedy="Copy or export it again, as MP4 for instance"
    )


def _upright(raw: Any) -> NDArray[np.uint8]:
    aspect = raw.sample_aspect_ratio if hasattr(raw, "sample_aspect_ratio") else None
    if aspect and aspect != 1:  # e.g. PAL: stretch to square pixels, or faces would be
        raw = raw.reformat(width=max(1, round(raw.width * float(aspect))), height=raw.height, format="rgb24")
    image: NDArray[np.uint8] = raw.to_ndarray(format="rgb24")
    turns = round((raw.rotation or 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
