from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pixel_coders import BrightnessCoder


@pytest.fixture
def coder():
    return BrightnessCoder()


@pytest.fixture(scope="session")
def photo():
    """A real face in 256 × 200 pixels (RGB)."""
    return np.ascontiguousarray(pytest.importorskip("skimage.data").astronaut()[0:200, 100:356])


def make_video(path: Path, images, fps=Fraction(25)) -> Path:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "16"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for image in images:
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


@pytest.fixture(scope="session")
def write_video():
    return make_video


@pytest.fixture(scope="session")
def clips(tmp_path_factory, photo):
    """Folder of inputs: face.mp4 (2 frames nothing, 6 a moving face, 3 nothing), empty.mp4, photo.png, bad files."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("clips")
    nothing = np.full_like(photo, 90)
    moving = [np.roll(photo, 2 * shift, axis=1) for shift in range(6)]
    make_video(folder / "face.mp4", [nothing] * 2 + moving + [nothing] * 3)
    make_video(folder / "empty.mp4", [nothing] * 5)
    Image.fromarray(photo).save(folder / "photo.png")
    (folder / "broken.mp4").write_bytes(b"this is no video" * 100)
    (folder / "zero.jpg").write_bytes(b"")
    return folder
