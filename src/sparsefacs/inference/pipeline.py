"""`predict`: photos and videos in, a table of codes out, with decoding, landmarks and network at work together."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..data.store import Reject
from ..errors import InputError
from ..extras import check_installed
from ..faces.landmarks import TraitReader
from ..faces.video import VideoReader
from ..files import refuse_existing, sha256_file, write_json
from ..progress import progress
from ..row_files import check_table_path
from .beside import beside_content, beside_path, refuse_beside
from .clips import decode_frames
from .codes import CodedFrame, CodesWriter, code_columns, open_codes
from .contract import Coder
from .frames import Closed, EncodedFrame, Opened
from .given_reference import given_reference
from .origin import UNKNOWN, Origin
from .outcome import InputSummary, Summary
from .outputs import plan_outputs
from .overlay import OverlayWriter, open_overlay, overlay_suffixes, with_pictures
from .people import Comparison, compared_in_two_passes, compared_so_far, compared_with, not_compared
from .plot import PLOT_SUFFIXES, plot_codes
from .sampling import ALL_FRAMES, Sampling
from .smoothing import Smoothing, smoothed
from .sources import Source, list_sources
from .stages import cut_faces, encode_frames, find_faces, glance_at, judge_faces, read_pictures
from .threads import cores_shared, overlapped

T = TypeVar("T")
DECODED_AHEAD = 8  # frames decoded before they are glanced at, and as many again before their landmarks are wanted
LOCATED_AHEAD = 4  # frames with landmarks, which still have their pixels, before their faces are cut out
CUT_AHEAD = 32  # frames whose faces are cut out before the network wants them
CODED_AHEAD = 8  # coded frames before they are drawn and written


@dataclass(frozen=True)
class Pace:
    """How faces go through the stages: how many are gathered for the network, and whether stages have threads."""

    batch_size: int = 32
    threads: bool = True


@dataclass(frozen=True)
class Way:
    """How inputs are coded, as the arguments of `predict` say. Raises InputError for what does not fit together."""

    reference: tuple[Path, ...] = ()
    causal: bool = False
    smooth: float | None = None
    sampling: Sampling = ALL_FRAMES

    def __post_init__(self) -> None:
        _ = self.smoothing  # refuses what is out of range

    @property
    def smoothing(self) -> Smoothing | None:
        """How codes are smoothed in time."""
        return None if self.smooth is None else Smoothing(self.smooth, self.causal)

    def reference_sums(self) -> list[str]:
        """Return the SHA-256 of each file of the reference."""
        return [sha256_file(source.path) for source in list_sources(self.reference)] if self.reference else []

    def as_json(self) -> dict[str, Any]:
        """Return it as the file beside the codes holds it."""
        return {
            "reference": [path.as_posix() for path in self.reference],
            "causal": self.causal,
            "smoothing": None if self.smoothing is None else self.smoothing.name,
            "frames": self.sampling.name,
        }


def predict(
    coder: Coder,
    inputs: Sequence[Path],
    out: Path,
    *,
    overlay: Path | None = None,
    plot: Path | None = None,
    reference: Sequence[Path] = (),
    causal: bool = False,
    smooth: float | None = None,
    sampling: Sampling = ALL_FRAMES,
    origin: Origin = UNKNOWN,
    batch_size: int = 32,
    threads: bool = True,
) -> Summary:
    """Code the faces of photos, videos and folders of them into the table `out` (.csv or .parquet), and say in a .json
    beside it what coded them (`inference.beside`).

    overlay: .mp4 of a video (.png or .jpg of a photo) with the codes drawn in; plot: picture of the codes over time;
    each a folder when there are several inputs. A model that looks at the person compares each face with all that the
    file (of photos: their sub-folder) shows of its person, so a video's rows follow its last frame; causal: with what
    was shown so far; reference: with the largest faces of these photos and videos, for inputs of one person.
    smooth: seconds of the window over which a video's codes are smoothed (`inference.smoothing`), None for none.
    sampling: which frames of a video are coded; the others are decoded alone.
    origin: what the coder is, for that file and for captions.
    batch_size: faces gathered for the network; codes do not depend on it. threads: False does one thing after the
    other, for comparison. Memory does not grow with the length of a video. Damaged files are passed over and listed.
    Raises InputError, before any work, if an output exists, an input is not there or is of no known kind; and if
    nothing could be read at all.
    """
    check_table_path(out, "codes", "give a name without a dot, or a folder, for a table a file")
    refuse_existing(out, what="--out file")
    refuse_beside(out)
    if out.is_dir():
        raise InputError("is a folder", path=out, remedy="Give --out a file name ending in .csv or .parquet")
    passed_over: list[Reject] = []
    sources = list_sources(inputs, passed_over)
    overlays = plan_outputs(overlay, sources, overlay_suffixes, option="--overlay")
    plots = plan_outputs(plot, sources, lambda _: PLOT_SUFFIXES, option="--plot")
    if plots:
        check_installed("matplotlib")
    way, pace = Way(tuple(map(Path, reference)), causal, smooth, sampling), Pace(batch_size, threads)
    compare = comparison(coder, way, out.parent, pace)
    with progress("predict", claimed_frames(sources, sampling)) as bar:
        summary, told = code_sources(
            coder, sources, out, way, compare, origin,
            pace=pace, overlays=overlays, passed_over=compare.all_passed_over(passed_over), done=bar.advance,
        )  # fmt: skip
    write_json(beside_path(out), told)
    coded = {one.input for one in summary.inputs if one.coded_rows}
    for source, path in plots.items():
        if source.name in coded:
            try:
                plot_codes(out, path, source=source.name, limits=coder.limits, caption=origin.caption)
            except InputError as error:  # the codes are there and stay
                next(one for one in summary.inputs if one.input == source.name).notes.append(
                    f"the plot was not written: {error}"
                )
    return summary


def code_sources(
    coder: Coder,
    sources: Sequence[Source],
    out: Path,
    way: Way,
    compare: Comparison,
    origin: Origin,
    *,
    pace: Pace,
    done: Callable[[], object],
    overlays: Mapping[Source, Path] = MappingProxyType({}),
    passed_over: Sequence[Reject] = (),
) -> tuple[Summary, dict[str, Any]]:
    """Code `sources` into the table `out`; return what came of them, and what the file beside the table is to hold.

    done: told of each frame that the network has seen. Raises InputError if nothing could be read at all.
    """
    started = time.monotonic()
    smoothing = way.smoothing
    with open_codes(out, _columns(coder, smoothing)) as rows:
        writer = CodesWriter(
            rows, coder.aus, coder.task, coder.limits, further=coder.further,
            smoothing=None if smoothing is None else smoothing.name,
        )  # fmt: skip
        coded = coded_frames(coder, sources, compare, pace, way, keep_images=bool(overlays), done=done)
        with closing(coded), _Run(writer, coder, overlays, origin.caption) as run:
            run.rejected += [(one.source, f"{one.source}: {one.reason}") for one in passed_over]
            for item in coded:
                run.take(item)
            run.check_any_read(len(sources))
    seconds, notes = time.monotonic() - started, (*origin.notes, *compare.notes)
    summary = Summary(out, tuple(run.summaries.values()), tuple(run.rejected), seconds, notes)
    inputs_told = [{**asdict(one), "subject": source.subject} for source, one in run.summaries.items()]
    told = beside_content(out.name, coder, origin, way.as_json(), inputs_told, run.rejected, summary.messages())
    return summary, told


def _columns(coder: Coder, smoothing: Smoothing | None) -> list[str]:
    return code_columns(coder.aus, further=coder.further, smoothing=smoothing is not None)


def comparison(coder: Coder, way: Way, folder: Path, pace: Pace) -> Comparison:
    """Return the stage that says what each face is compared with; raises InputError for a way the coder cannot go."""
    if coder.clip[0] > 1 and way.sampling != ALL_FRAMES:
        raise InputError(
            f"this model codes a frame within the {coder.clip[0]} neighbouring ones, so that none can be left out",
            remedy="Leave --every and --fps out, or code with a model of single frames",
        )
    if way.reference:
        if not coder.person:
            raise InputError(
                "this model does not compare a face with its person, so that --reference would change nothing",
                remedy="Leave --reference out, or train with network.evidence=person",
            )
        passed_over, notes = list[Reject](), list[str]()
        given_R = _given(coder, list_sources(way.reference, passed_over), pace, notes)
        stage = partial(compared_with, reference_R=given_R)
        return Comparison(stage, passed_over=tuple(passed_over), notes=tuple(notes))
    if not coder.person:
        return Comparison(not_compared)
    if way.causal:
        return Comparison(partial(compared_so_far, known=coder.known, settle=coder.settle))
    waiting = partial(compared_in_two_passes, known=coder.known, folder=folder, settle=coder.settle)
    return Comparison(waiting, at_end=True)


def _given(coder: Coder, shown: Sequence[Source], pace: Pace, notes: list[str]) -> NDArray[np.float32]:
    """Return the reference that photos and videos `shown` make; notes: takes what there is to say of them."""
    with progress("look at the reference", claimed_frames(shown)) as bar:
        encoded = _counted(_encoded_frames(coder, shown, pace, keep_images=False), bar.advance)
        with closing(_sharing_cores(encoded) if pace.threads else encoded) as frames:
            return given_reference(frames, coder, shown, notes)


def _encoded_frames(
    coder: Coder, sources: Sequence[Source], pace: Pace, sampling: Sampling = ALL_FRAMES, *, keep_images: bool
) -> Generator[Opened | EncodedFrame | Closed, None, None]:
    """Yield the frames of all `sources`, each face once through the network, which runs in the caller's thread.

    Decoding, a glance at whole pictures, landmarks, and what is made of them have a thread each: native code does the
    work (PyAV, OpenCV, ONNX Runtime) and lets go of Python's lock meanwhile.
    """
    decoded, located, cut = (DECODED_AHEAD, LOCATED_AHEAD, CUT_AHEAD) if pace.threads else (0, 0, 0)
    pictures = overlapped(read_pictures(sources, sampling), decoded, "decode")
    pictures = overlapped(glance_at(pictures), decoded, "glance")
    faces = judge_faces(overlapped(find_faces(pictures), located, "landmarks"))
    frames = overlapped(cut_faces(faces, coder.recipe, keep_images=keep_images), cut, "cut out")
    with closing(frames):
        yield from encode_frames(frames, coder, pace.batch_size, TraitReader())


def coded_frames(
    coder: Coder,
    sources: Sequence[Source],
    compare: Comparison,
    pace: Pace,
    way: Way,
    *,
    keep_images: bool,
    done: Callable[[], object],
) -> Generator[Opened | CodedFrame | Closed, None, None]:
    """Yield the coded frames of all `sources` in order; done: told of each frame that the network has seen."""
    ahead = CODED_AHEAD if pace.threads else 0
    encoded = _encoded_frames(coder, sources, pace, way.sampling, keep_images=keep_images and not compare.at_end)
    coded = decode_frames(compare.frames(_counted(encoded, done)), coder, pace.batch_size)
    if way.smoothing is not None:
        coded = smoothed(coded, way.smoothing)
    coded = overlapped(_sharing_cores(coded) if pace.threads else coded, ahead, "network")
    if keep_images and compare.at_end:  # pictures of a whole video do not wait for its codes: they are decoded again
        coded = overlapped(with_pictures(coded), ahead, "decode again")
    yield from coded


def _counted(
    frames: Iterator[Opened | EncodedFrame | Closed], done: Callable[[], object]
) -> Generator[Opened | EncodedFrame | Closed, None, None]:
    for item in frames:
        if isinstance(item, EncodedFrame):
            done()
        yield item


def _sharing_cores(items: Iterator[T]) -> Generator[T, None, None]:
    with cores_shared():
        yield from items


def claimed_frames(sources: Sequence[Source], sampling: Sampling = ALL_FRAMES) -> int | None:
    """Return how many frames of what all files claim to hold are wanted, None if one does not say; unreadable ones
    count nothing.
    """
    total = 0
    for source in sources:
        if source.is_photo:
            total += 1
            continue
        try:
            with VideoReader(source.path) as reader:
                frames, step = reader.frames, sampling.step(reader.fps)
        except InputError:
            continue
        if frames is None:
            return None
        total += -(-frames // step)
    return total


class _Run:
    """Takes what the stages deliver: writes rows, draws overlays, keeps count."""

    def __init__(self, writer: CodesWriter, coder: Coder, overlays: Mapping[Source, Path], caption: str) -> None:
        self._writer, self._coder, self._overlays, self._caption = writer, coder, overlays, caption
        self.summaries: dict[Source, InputSummary] = {}
        self.rejected: list[tuple[str, str]] = []
        self._failed: list[InputError] = []
        self._now = InputSummary("")
        self._next_face = 0
        self._drawing = ExitStack()
        self._overlay: OverlayWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drawing.__exit__(kind, error, trace)

    def take(self, item: Opened | CodedFrame | Closed) -> None:
        """Deal with the next item."""
        if isinstance(item, Opened):
            self._open(item)
        elif isinstance(item, CodedFrame):
            self._write(item)
        else:
            self._close(item)

    def check_any_read(self, sources: int) -> None:
        """Raise InputError if no input could be read."""
        if self.summaries:
            return
        if sources == 1:
            raise self._failed[0]
        raise InputError(
            f"none of the {sources} inputs can be read; the first: {self._failed[0]}",
            remedy="Check that these are photos or videos",
        )

    def _open(self, item: Opened) -> None:
        self._now = self.summaries[item.source] = InputSummary(item.source.name, item.step)
        self._next_face = 0
        self._writer.next_source()
        if item.source in self._overlays:
            opened = open_overlay(self._overlays[item.source], self._coder, item.fps, self._caption)
            self._overlay = self._drawing.enter_context(opened)

    def _draw(self, frame: CodedFrame) -> None:
        if self._overlay is None:
            return
        try:
            self._overlay.write(frame)
        except InputError as error:
            self._give_up(error)

    def _finish_drawing(self) -> None:
        self._overlay = None
        try:
            self._drawing.close()
        except InputError as error:
            self._give_up(error)

    def _give_up(self, error: InputError) -> None:
        """End an overlay that cannot be written, leaving nothing of it; the codes go on."""
        self._now.notes.append(f"the overlay was not written: {error}")
        self._overlay = None
        with suppress(InputError):
            self._drawing.__exit__(type(error), error, None)

    def _write(self, frame: CodedFrame) -> None:
        self._writer.write(frame)
        self._now.frames += 1
        self._next_face = max([self._next_face, *(face.face_id + 1 for face in frame.faces)])
        self._draw(frame)

    def _close(self, item: Closed) -> None:
        if item.failed is not None:
            with suppress(InputError):
                self._drawing.__exit__(type(item.failed), item.failed, None)
            self._overlay = None
            self.summaries.pop(item.source, None)
            self._failed.append(item.failed)
            self.rejected.append((item.source.name, str(item.failed)))
            return
        self._finish_drawing()
        self._now.notes += [item.note] if item.note else []
        self._now.faces = self._next_face
        self._now.coded_rows, self._now.lost_rows = self._writer.take_counts()
        self._now.damaged = list(item.damaged)
