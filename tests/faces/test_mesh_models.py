"""The landmarker's networks, run one by one, against MediaPipe's own answers (see landmarker_pictures.py)."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from landmarker_pictures import pictures
from sparsefacs.faces import mesh_models
from sparsefacs.faces.landmarks import SETTLED, FaceMesh, Landmarker, TraitReader
from sparsefacs.faces.mesh_models import padded
from sparsefacs.facs import MIRROR_68

ANSWERS = json.loads(Path(__file__).with_name("mediapipe_answers.json").read_text())
LITERT = json.loads(Path(__file__).with_name("litert_answers.json").read_text())
NAMES = [name for name in ANSWERS if name != "made_with"]
FACE_PX = 200  # the face width in which differences are told


@pytest.fixture(scope="module")
def shown() -> dict[str, np.ndarray]:
    return pictures()


@pytest.fixture(scope="module")
def landmarker() -> Landmarker:
    return Landmarker()


@pytest.fixture(scope="module")
def reader() -> TraitReader:
    return TraitReader()


def located(landmarker: Landmarker, image: np.ndarray, name: str) -> FaceMesh:
    mesh = landmarker.locate(image, np.array(ANSWERS[name]["box"], np.float32))
    assert mesh is not None
    return mesh


def apart(found: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How far points lie apart, in pixels of a face FACE_PX wide."""
    return np.linalg.norm(np.asarray(found) - other, axis=1) / np.ptp(np.asarray(other)[:, 0]) * FACE_PX


@pytest.mark.parametrize("name", NAMES)
def test_points_blendshapes_and_pose_are_mediapipes(shown, landmarker, reader, name) -> None:
    answer = {key: np.array(value) for key, value in ANSWERS[name].items()}
    mesh = located(landmarker, shown[name], name)
    away, traits = apart(mesh.landmarks, answer["landmarks"]), reader.read(mesh)
    assert away.mean() < 0.15 and away.max() < 0.5
    assert np.abs(traits.blendshapes - answer["blendshapes"]).max() < 0.02
    assert np.abs(traits.pose - answer["pose"]).max() < 0.2


@pytest.mark.parametrize("name", [name for name in LITERT if name != "made_with"])
def test_networks_written_as_onnx_answer_as_they_did(shown, landmarker, reader, name) -> None:
    """They are made by the folder landmarker; what is left is rounding (measured: .0016 px, .00007)."""
    mesh, answer = located(landmarker, shown[name], name), LITERT[name]
    assert np.abs(mesh.landmarks - answer["landmarks"]).max() < 0.005
    assert np.abs(reader.read(mesh).blendshapes - answer["blendshapes"]).max() < 3e-4


def test_what_is_read_off_many_meshes_at_once_is_what_is_read_off_each(shown, landmarker, reader) -> None:
    meshes = [located(landmarker, shown[name], name) for name in ("photo", "turned", "tilted")]
    together, alone = reader.read_all(meshes), [reader.read(mesh) for mesh in meshes]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.blendshapes, other.blendshapes)
        np.testing.assert_allclose(one.pose, other.pose, atol=1e-5)
    assert np.ptp([one.pose[0] for one in together]) > 5 and reader.read_all([]) == []


def test_a_fourth_channel_changes_no_value_of_a_cut(shown) -> None:
    for square in ([150.0, 140.0, 230.0, 231.0, 0.3], [20.0, 30.0, 400.0, 400.0, -0.1]):
        cut = mesh_models._cut(shown["photo"], np.array(square), 256)
        np.testing.assert_array_equal(mesh_models._cut(padded(shown["photo"]), np.array(square), 256)[..., :3], cut)


def test_a_face_that_stays_is_followed_to_the_same_points(shown, landmarker, reader) -> None:
    for name in ("photo", "large", "tilted", "turned"):
        mesh = located(landmarker, shown[name], name)
        again = landmarker.follow(shown[name], mesh)
        assert again is not None and apart(again.landmarks, mesh.landmarks).max() < 0.15
        assert np.abs(again.box - mesh.box).max() < 0.2
        assert np.abs(reader.read(again).blendshapes - reader.read(mesh).blendshapes).max() < 0.01


def moved(image: np.ndarray, mesh: FaceMesh, turn: float, growth: float, shift: tuple[float, float]) -> tuple:
    """The picture turned (degrees), grown and shifted (shares of the face's square) round the face, and its map."""
    import cv2

    matrix = cv2.getRotationMatrix2D(mesh.square[:2].tolist(), turn, growth)
    matrix[:, 2] += np.array(shift) * mesh.square[2]
    return cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT), matrix


@pytest.mark.parametrize(
    ("turn", "growth", "shift"),
    [(0, 1.0, (0.04, 0.02)), (0, 1.0, (0.12, -0.05)), (12, 1.0, (0, 0)), (4, 1.1, (0.05, 0))],
)
def test_a_face_that_moves_is_followed(shown, landmarker, turn, growth, shift) -> None:
    mesh = located(landmarker, shown["photo"], "photo")
    image, matrix = moved(shown["photo"], mesh, turn, growth, shift)
    after = landmarker.follow(image, mesh)
    assert after is not None
    expected = mesh.landmarks @ matrix[:, :2].T + matrix[:, 2]
    assert apart(after.landmarks, expected).mean() < 2
    asked, _ = mesh.looked.on(after.points)
    assert np.hypot(*(asked[:2] - after.square[:2])) <= SETTLED * after.square[2]


def test_a_face_that_is_gone_or_far_off_is_not_followed(shown, landmarker) -> None:
    photo = shown["photo"]
    mesh = located(landmarker, photo, "photo")
    rng = np.random.default_rng(0)
    assert landmarker.follow(rng.integers(0, 256, photo.shape, np.uint8), mesh) is None
    assert landmarker.follow(np.full_like(photo, 120), mesh) is None
    assert landmarker.follow(np.ascontiguousarray(photo[:, ::-1]), mesh) is None  # where the face was is the shuttle
    outside = replace(mesh, box=mesh.box + 600, square=mesh.square + [600, 600, 0, 0, 0])
    assert landmarker.follow(photo, outside) is None


def test_a_mirrored_face_has_mirrored_points(shown, landmarker) -> None:
    for name in ("photo", "smile"):
        image, width = shown[name], shown[name].shape[1]
        x0, y0, x1, y1 = ANSWERS[name]["box"]
        seen = landmarker.points(
            np.ascontiguousarray(image[:, ::-1]), np.array([width - 1 - x1, y0, width - 1 - x0, y1])
        )
        assert seen is not None
        back = seen[MIRROR_68] * [-1, 1] + [width - 1, 0]
        assert apart(back, located(landmarker, image, name).landmarks).mean() < 3


def test_nothing_is_found_where_nothing_is(landmarker) -> None:
    box = np.array([40, 40, 100, 110], np.float32)
    assert landmarker.locate(np.random.default_rng(1).integers(0, 256, (200, 200, 3), np.uint8), box) is None
    assert landmarker.locate(np.zeros((9, 9, 3), np.uint8), box) is None
