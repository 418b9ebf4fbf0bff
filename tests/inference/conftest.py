from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sparsefacs.faces.alignment import FaceRecipe


class PixelCoder:
    """What coders of single faces that see pixels alone have in common; subclasses code aligned faces."""

    clip, known, person, further, lineage = (1, 0), 0, False, (), ()

    def encode(self, faces_BHWC, landmarks_BPC, vectors_BW=None):
        assert vectors_BW is None
        return self(faces_BHWC, landmarks_BPC)

    def decode(self, features_BLE, references_BR=None):
        assert features_BLE.shape[1] == 1 and references_BR is None
        return features_BLE[:, 0]


class BrightnessCoder(PixelCoder):
    """A stand-in for a trained network: each AU's probability grows with the brightness of one image row band."""

    aus = (1, 12, 25)
    recipe = FaceRecipe(size=64)
    limits = (0.4, 0.4, 0.4)

    def __init__(self, task="occurrence"):
        self.task = task

    def __call__(self, faces_BHWC, landmarks_BPC):
        top, mouth, whole = faces_BHWC[:, :20], faces_BHWC[:, 40:56], faces_BHWC
        codes = np.stack([part.mean(axis=(1, 2, 3)) / 255 for part in (top, mouth, whole)], axis=1)
        return (codes * (5 if self.task == "intensity" else 1)).astype(np.float32)


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
