"""Geometry without shift, turn and scale; vectors of evidence; what AUs mean in blendshapes."""

import numpy as np
import pytest

from sparsefacs.evidence.blendshapes import BLENDSHAPES, MIRROR_BLENDSHAPES
from sparsefacs.evidence.geometry import GEOMETRY_WIDTH, STABLE, shape_of, symmetric_shape
from sparsefacs.evidence.vectors import GEOMETRY, SHAPES, VECTOR_WIDTH, face_vectors, meaning_of
from sparsefacs.facs.landmarks import MIRROR_68, flip_landmarks, mean_face


def faces(count: int = 5, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return mean_face() * 200 + rng.normal(0, 2, (count, 68, 2))


def moved(points: np.ndarray, degrees: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(scale * points @ turn.T + np.array(shift))


@pytest.mark.parametrize(
    ("degrees", "scale", "shift"), [(0, 1, (500, -3)), (33, 1, (0, 0)), (-90, 0.2, (9, 9)), (180, 7, (1, 2))]
)
def test_shape_does_not_change_under_shift_turn_and_scale(
    degrees: float, scale: float, shift: tuple[float, float]
) -> None:
    points = faces()
    np.testing.assert_allclose(shape_of(moved(points, degrees, scale, shift)), shape_of(points), atol=1e-9)


def test_shape_changes_with_the_face_but_not_the_frame_of_reference_with_the_mouth() -> None:
    points = faces(1)
    smiling = points.copy()
    smiling[:, [48, 54], 1] -= 10
    apart = shape_of(smiling) - shape_of(points)
    assert np.abs(apart[0, [48, 54], 1]).min() > 0.1 and np.abs(np.delete(apart[0], [48, 54], axis=0)).max() < 1e-9


def test_the_mean_face_is_laid_on_itself_in_units_of_its_eyes() -> None:
    mean = mean_face()
    unit = np.linalg.norm(mean[42:48].mean(axis=0) - mean[36:42].mean(axis=0))
    expected = (mean - mean[list(STABLE)].mean(axis=0)) / unit
    np.testing.assert_allclose(shape_of(mean[None])[0], expected, atol=1e-9)


def test_a_flipped_face_has_the_same_symmetric_shape_and_vector() -> None:
    points = faces()
    shapes = np.random.default_rng(1).random((5, len(BLENDSHAPES)))
    flipped = flip_landmarks(points, 200)
    np.testing.assert_allclose(symmetric_shape(flipped), symmetric_shape(points), atol=1e-9)
    assert not np.allclose(shape_of(flipped), shape_of(points))
    np.testing.assert_allclose(
        face_vectors(flipped, shapes[:, MIRROR_BLENDSHAPES]), face_vectors(points, shapes), atol=1e-6
    )


def test_symmetric_shape_counts_each_pair_once_and_the_mid_line_by_height() -> None:
    middle = int((np.arange(68) == MIRROR_68).sum())
    assert (68 - middle) // 2 * 2 + middle == GEOMETRY_WIDTH == symmetric_shape(faces()).shape[1]


def test_points_that_are_not_numbers_or_fall_together_are_unknown_and_leave_the_others_alone() -> None:
    points = faces(3)
    points[0, 10] = np.nan
    points[1] = 7.0
    vectors = face_vectors(points, np.full((3, 52), 0.5))
    assert np.isnan(vectors[:2, GEOMETRY]).all() and np.isfinite(vectors[2]).all()
    np.testing.assert_array_equal(vectors[2], face_vectors(points[2:], np.full((1, 52), 0.5))[0])


def test_vectors_without_blendshapes_know_the_points_alone() -> None:
    vectors = face_vectors(faces())
    assert vectors.shape == (5, VECTOR_WIDTH)
    assert np.isfinite(vectors[:, GEOMETRY]).all() and np.isnan(vectors[:, SHAPES]).all()


def test_blendshapes_mirror_twice_to_themselves_and_swap_sides() -> None:
    assert (MIRROR_BLENDSHAPES[MIRROR_BLENDSHAPES] == np.arange(52)).all()
    assert BLENDSHAPES[MIRROR_BLENDSHAPES[BLENDSHAPES.index("mouthSmileLeft")]] == "mouthSmileRight"
    assert MIRROR_BLENDSHAPES[BLENDSHAPES.index("jawOpen")] == BLENDSHAPES.index("jawOpen")


@pytest.mark.parametrize(
    ("au", "shape"), [(12, "mouthSmileLeft"), (26, "jawOpen"), (2, "browOuterUpRight"), (45, "eyeBlinkLeft")]
)
def test_the_meaning_of_an_au_rises_with_its_blendshape_alone(au: int, shape: str) -> None:
    still, acted = np.full((1, 52), 0.02), np.full((1, 52), 0.02)
    acted[0, BLENDSHAPES.index(shape)] = 0.8
    rise = (face_vectors(faces(1), acted) - face_vectors(faces(1), still)) @ meaning_of(au)
    assert rise[0] > 0.5
    other = acted.copy()
    other[0, BLENDSHAPES.index(shape)], other[0, BLENDSHAPES.index("cheekPuff")] = 0.02, 0.9
    assert abs(float(((face_vectors(faces(1), other) - face_vectors(faces(1), still)) @ meaning_of(au))[0])) < 1e-6


def test_every_blendshape_named_in_the_table_exists() -> None:
    for au in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 22, 23, 24, 25, 26, 27, 28, 43, 45):
        assert np.abs(meaning_of(au)).sum() >= 0.99, au
    assert not meaning_of(99).any()
