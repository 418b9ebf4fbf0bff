"""Writing a tree: beside its place first, so that it is whole or not there."""

import io
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...files import make_folder, refuse_existing
from ...progress import Progress
from ..scene import encode_jpeg

_QUALITY = 92


@dataclass(frozen=True)
class Shape:
    """How large a tree is asked for: people, clips (or photos) of each, and frames of a clip."""

    subjects: int
    clips: int
    frames: int

    @property
    def photos(self) -> int:
        """How many photos of a person a collection without clips holds."""
        return self.clips * self.frames

    def at_most(self, data_set: str, *, subjects: int | None = None, clips: int | None = None) -> None:
        """Raise InputError when more is asked for than the data set has names for."""
        for what, asked, most in (("subjects", self.subjects, subjects), ("clips", self.clips, clips)):
            if most is not None and asked > most:
                raise InputError(f"{data_set} has {most} {what}, not {asked}", remedy=f"Give --{what} {most} or fewer")


class Tree:
    """A folder being filled; names are relative to it, with `/`."""

    def __init__(self, root: Path, shown: Progress) -> None:
        self.root, self._shown = root, shown

    def people(self, names: Iterable[str]) -> Iterator[tuple[int, str]]:
        """Yield number and name of each person, and show progress when the next is asked for."""
        for number, name in enumerate(names):
            yield number, name
            self._shown.advance()

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def lines(self, name: str, lines: Iterable[str]) -> None:
        """Write a text file, a line each."""
        self.write(name, "".join(f"{line}\n" for line in lines).encode())

    def photo(self, name: str, image: NDArray[np.uint8]) -> None:
        """Write an RGB image (H, W, 3) as JPEG."""
        self.write(name, encode_jpeg(image, _QUALITY))

    def zip_photos(self, name: str, images: Mapping[str, NDArray[np.uint8]]) -> None:
        """Write RGB images by name into a zip file, undated, so that the same images give the same bytes."""
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as opened:
            for member, image in images.items():
                opened.writestr(zipfile.ZipInfo(member, date_time=(1980, 1, 1, 0, 0, 0)), encode_jpeg(image, _QUALITY))
        self.write(name, made.getvalue())

    def spoilt_photo(self, name: str, image: NDArray[np.uint8]) -> None:
        """Write a JPEG that breaks off after a third of it, as a download that was cut short does."""
        content = encode_jpeg(image, _QUALITY)
        self.write(name, content[: len(content) // 3])

    def video(self, name: str, images: Iterable[NDArray[np.uint8]], fps: int) -> None:
        """Write RGB images (H, W, 3), even sides, as an MPEG-4 video (.avi, .mp4); the same images, the same bytes."""
        import av

        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
            stream = container.add_stream("mpeg4", rate=fps, options={"flags": "+bitexact"})
            stream.pix_fmt, stream.bit_rate, stream.gop_size = "yuv420p", 4_000_000, 12
            stream.codec_context.thread_count = 1
            for number, image in enumerate(images):
                if number == 0:
                    stream.height, stream.width = image.shape[:2]
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode())


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """Yield a folder beside `out` that becomes `out` on success and is removed otherwise.

    Raises InputError when `out` exists and is not an empty folder, or the disk does not take it.
    """
    refuse_existing(out, what="tree")
    stage = out.parent / f".{out.name}.unfinished"  # one name, so that what a kill left is cleared by the next call
    shutil.rmtree(stage, ignore_errors=True)
    try:
        make_folder(stage)
        yield stage
        if out.is_dir():
            out.rmdir()
        stage.rename(out)
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror or error})",
            path=out,
            remedy="Free some disk space or choose another OUT",
        ) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
