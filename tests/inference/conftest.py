import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from coded_folder import FRAMES
from pixel_coders import BrightnessCoder
from quick_faces import find_faces_quickly, load
from sparsefacs.inference import pipeline
from sparsefacs.inference.many.folder import predict_folder
from sparsefacs.inference.pipeline import Way


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


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(pipeline, "find_faces", find_faces_quickly)


@pytest.fixture(scope="session")
def films(tmp_path_factory, write_video) -> Path:
    """Videos of three frames in two people's folders, one that cannot be read, and photos."""
    from PIL import Image

    folder, rng = tmp_path_factory.mktemp("films"), np.random.default_rng(0)
    for number, name in enumerate(("ann/a.mp4", "ann/b.mp4", "bob/a.mp4", "c.mp4", "d.mp4")):
        (folder / name).parent.mkdir(exist_ok=True)
        images = [rng.integers(0, 255 - 40 * number, (120, 160, 3), np.uint8) for _ in range(FRAMES)]
        write_video(folder / name, images)
    (folder / "bob" / "bad.mp4").write_bytes(b"no video" * 20)
    for name in ("1.png", "2.png"):
        Image.fromarray(rng.integers(0, 255, (120, 160, 3), np.uint8)).save(folder / "ann" / name)
    return folder


@pytest.fixture(scope="session")
def predicted(films, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("predicted") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "find_faces", find_faces_quickly)
        predict_folder(load, [films], out, Way())
    return out


@pytest.fixture
def whole(quick, predicted, tmp_path) -> Path:
    """A folder of codes of `films`, a copy of the test's own."""
    return Path(shutil.copytree(predicted, tmp_path / "whole"))
