"""Pictures and videos made from one real photo (an astronaut's portrait, NASA, public domain, in scikit-image)."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sparsefacs.faces.detection import FaceFinder

WriteVideo = Callable[..., Path]


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """The photo: 512 × 512, one face about 90 pixels wide round (223, 120)."""
    import skimage.data

    return np.ascontiguousarray(skimage.data.astronaut())


@pytest.fixture(scope="session")
def finder() -> Iterable[FaceFinder]:
    opened = FaceFinder()
    yield opened


@pytest.fixture(scope="session")
def panned(photo: np.ndarray) -> list[np.ndarray]:
    """Thirty frames, 240 × 256, that pan over the face."""
    return [np.ascontiguousarray(photo[:240, 90 + step : 346 + step]) for step in range(30)]


@pytest.fixture(scope="session")
def write_video() -> WriteVideo:
    """Write frames as H.264: rate in frames/s, rotation in degrees, times in milliseconds if the rate varies."""
    import av

    def write(
        path: Path, frames: list[np.ndarray], *, rate: int = 25, rotation: int = 0, times: list[int] | None = None
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream("libx264", rate=rate)
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt, stream.gop_size = "yuv420p", 10
            if times is not None:
                stream.codec_context.time_base = Fraction(1, 1000)
            if rotation:
                stream.set_display_rotation(rotation)
            for number, image in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                if times is not None:
                    frame.pts, frame.time_base = times[number], Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write
