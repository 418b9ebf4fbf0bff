"""Pictures from files: photos by Pillow (see `photos`), videos frame by frame by PyAV, in flat memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from heapq import heappop, heappush
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..data.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES, is_image, is_video
from ..errors import InputError
from ..files import file_problem, readable
from .hdr import KINDS, to_ordinary
from .photos import read_image

__all__ = ["IMAGE_SUFFIXES", "VIDEO_SUFFIXES", "Frame", "VideoReader", "decode", "is_image", "is_video", "read_image"]

_SQUARE = Fraction(1)
_WIDEST = 4  # pixels more than so many times as wide as high, or as high as wide, are a fault of the header
_DAMAGED = "damaged frame"
_STUCK = "gives all its frames the same time, so that durations and events are unknown: export it again"
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


class VideoReader:
    """The frames of one video in order, upright and with square pixels; memory does not grow with its length.

    A context manager and an iterator. After the iteration `rejected` lists (frame index, reason) of frames that were
    damaged and of the place where the video breaks off, if it does: what can be read is given first. Frame indices
    count damaged frames too. `frames` is the number of frames the file claims (None: unknown), `fps` its mean rate,
    `begins_s` when the first frame is shown on the clock of players, which starts with the file's first stream; known
    once a frame was given. `note` says, after the iteration, what was done to its colours or times ("" for nothing). An
    attached picture (cover art) is no video. Raises InputError on opening when the file is missing, empty, or holds no
    video, and at the end when no frame could be read or all were damaged.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        import av

        self.path = Path(path)
        self.rejected: list[tuple[int, str]] = []
        self.note, self.begins_s = "", 0.0
        problem = file_problem(self.path)
        if problem:
            raise InputError(problem, path=readable(path), remedy="Check the name")
        if self.path.stat().st_size == 0:
            raise InputError("is empty (0 bytes)", path=readable(path), remedy="Copy the video again")
        try:
            self._container = av.open(str(self.path))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise _unreadable(self.path, error) from error
        self._stream = self._film()
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = threads
        rate = self._stream.average_rate or self._stream.guessed_rate or Fraction(25)
        self.fps = float(rate)
        self._claimed_s = self._claimed_seconds()
        claimed = int(self._stream.frames) or int(self._claimed_s * self.fps + 0.5)
        self.frames: int | None = claimed or None

    def _film(self) -> Any:
        """Return the largest video stream that is no picture, the first of these; raises InputError for none."""
        from av.stream import Disposition

        still = Disposition.attached_pic | Disposition.timed_thumbnails
        films = [stream for stream in self._container.streams.video if not stream.disposition & still]
        if films:
            best = max(films, key=lambda one: (one.frames != 1, one.width * one.height))
            if len(films) > 1:
                self.note = f"holds {len(films)} videos, of which the largest is read, {best.width} × {best.height}"
            return best
        art = " but a picture, such as a cover" if self._container.streams.video else ""
        self._container.close()
        raise InputError(f"holds no video{art}", path=readable(self.path), remedy="Give a video or image file")

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
        return self.every(1)

    def every(self, step: int) -> Iterator[Frame]:
        """Yield each so manieth frame, from the first on; the others are decoded, and nothing is made of them."""
        index, until_s = 0, 0.0
        for raw, last, until_s in self._timed_frames():
            if raw.is_corrupt:
                self.rejected.append((index, _DAMAGED))
            elif index % step == 0:
                yield Frame(index, last, self._upright(raw), until_s)
            index += 1
        damaged = sum(reason == _DAMAGED for _, reason in self.rejected)
        if damaged == index:
            reason = self.rejected[0][1] if self.rejected else "no frame can be decoded"
            reason = f"all its {index} frames are damaged" if index else reason
            raise InputError(reason, path=readable(self.path), remedy="Copy or export the video again")
        if not self.rejected and self._breaks_off(index, until_s):
            self.rejected.append((index, f"the video breaks off after {index} frames, {last:.1f} s"))

    def _timed_frames(self) -> Iterator[tuple[Any, float, float]]:
        """Yield frames with the seconds, since the first one, from which and until which they are shown."""
        clock = _Clock(1 / self.fps)
        held: tuple[Any, float] | None = None
        index = 0
        for index, raw in enumerate(self._raw_frames()):
            time_s = clock.read(index, None if raw.pts is None else float(raw.pts * self._stream.time_base))
            if held is None and raw.pts is not None:
                self.begins_s = max(clock.start_s - float(self._container.start_time or 0) / 1e6, 0.0)
            if held is not None:
                yield *held, time_s
            held = raw, time_s
        if held is not None:
            raw, time_s = held
            if index and not time_s:
                clock.note = _STUCK
            yield raw, time_s, time_s + max(1 / self.fps, float((raw.duration or 0) * self._stream.time_base))
        self.note = ". It ".join(said for said in (self.note, clock.note) if said)

    def _breaks_off(self, frames: int, seconds: float) -> bool:
        """Say whether so many frames and seconds fall short of what the file claims; its last frame may last long."""
        whole = self._stream.frames and frames >= _BREAK_SHARE * self._stream.frames
        return not whole and bool(self._claimed_s) and seconds < _BREAK_SHARE * self._claimed_s

    def _raw_frames(self) -> Iterator[Any]:
        import av

        count, broken, sent = 0, "", _Sent(self._stream)
        try:
            for packet in self._container.demux(self._stream):
                sent.add(packet)
                for frame in packet.decode():
                    lost = sent.lost_before(frame, float(self._stream.time_base), 1 / self.fps)
                    count += 1 + len(lost)
                    yield from lost
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

    def _upright(self, raw: Any) -> NDArray[np.uint8]:
        """Return a frame's picture with square pixels, ordinary colours, and turned as its display matrix says.

        The stretch comes first, since the pixels' shape is that of the frame as stored.
        """
        width, transfer = raw.width, int(raw.color_trc or 0)
        aspect = self._pixel_aspect()
        if aspect != _SQUARE:
            width = max(1, round(raw.width * float(aspect)))
        if transfer in KINDS:
            self.note = f"is HDR video ({KINDS[transfer]}): its colours were brought to ordinary ones"
            deep = raw.reformat(width=width, format="rgb48le").to_ndarray()
            image = to_ordinary(deep, transfer)
        else:
            image = (raw if width == raw.width else raw.reformat(width=width, format="rgb24")).to_ndarray(
                format="rgb24"
            )
        turns = round((raw.rotation or 0) / 90) % 4
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image

    def _pixel_aspect(self) -> Fraction:
        """Return how much wider than high the stored pixels are: what the file says, else what its video says."""
        said = self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio or _SQUARE
        return said if Fraction(1, _WIDEST) <= said <= _WIDEST else _SQUARE


@dataclass(frozen=True)
class _Lost:
    """A frame that the decoder passed over without a word, since what was stored of it is damaged."""

    pts: int
    is_corrupt: bool = True
    duration: int | None = None


class _Sent:
    """What went into the decoder and has not come out: where frames are missing in time too, these are they."""

    def __init__(self, stream: Any) -> None:
        # what the file's index lists as empty is never even handed out
        self._waiting: list[int] = [entry.timestamp for entry in stream.index_entries if not entry.size]
        self._last: int | None = None

    def add(self, packet: Any) -> None:
        """Note what goes in."""
        if packet.pts is not None and packet.size and not packet.is_discard:
            heappush(self._waiting, packet.pts)

    def lost_before(self, frame: Any, base_s: float, frame_s: float) -> list[_Lost]:
        """Return the frames missing between the last frame and this one; base_s: of its clock, frame_s: usual step."""
        if frame.pts is None:
            return []
        last, self._last = self._last, frame.pts
        between: list[int] = []
        while self._waiting and self._waiting[0] <= frame.pts:
            between.append(heappop(self._waiting))
        if last is None:
            return []
        near = 0.5 * frame_s / base_s  # parts that show no picture of their own lie at a frame's own time
        return [_Lost(pts) for pts in between if last + near < pts < frame.pts - near]


class _Clock:
    """Turns the times that frames carry into seconds since the first frame, which never go back."""

    def __init__(self, frame_s: float) -> None:
        self._frame_s, self._start, self._last = frame_s, float("nan"), 0.0
        self.note = ""

    @property
    def start_s(self) -> float:
        """When the first frame is shown, on the file's own clock."""
        return self._start

    def read(self, index: int, seconds: float | None) -> float:
        """Return the time of frame `index`, which says that it is `seconds` on the file's clock (None: it does not).

        Where a recording was joined from pieces and the clock jumps back, time goes on a frame after the one before.
        """
        if seconds is None:
            self._last = max(self._last, index * self._frame_s)
            return self._last
        if index == 0 or self._start != self._start:
            self._start = seconds - self._last
        if seconds - self._start < self._last - 2 * self._frame_s:
            self._start = seconds - (self._last + self._frame_s)
            self.note = self.note or f"has a clock that jumps back at frame {index + 1}: times go on from there"
        self._last = max(self._last, seconds - self._start)
        return self._last


def decode(path: Path, *, threads: int = 1) -> Iterator[Frame]:
    """Yield the frames of the video at `path`; raises InputError when nothing can be read."""
    with VideoReader(path, threads=threads) as reader:
        yield from reader


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or error
    return InputError(
        f"cannot be read as a video ({reason})",
        path=readable(path),
        remedy="Copy or export it again, as MP4 for instance",
    )
