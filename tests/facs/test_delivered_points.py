"""Delivered landmarks of 49, 66 and 5 points become 68: what is known is kept, what is not lies where it should."""

import numpy as np
import pytest

from sparsefacs.faces.alignment import anchor_points
from sparsefacs.facs import points_to_68
from sparsefacs.facs.landmarks import POINTS_49_TO_68, POINTS_66_TO_68, mean_face
from sparsefacs.synthetic.trees.faces import Cast

SIDE = 180.0


@pytest.fixture
def face() -> np.ndarray:
    """A face that is not the mean one: tilted, narrowed, its mouth open and drawn to one side."""
    points = mean_face() * SIDE
    points[48:68, 0] += 6
    points[[56, 57, 58, 65, 66, 67], 1] += 14
    angle = np.deg2rad(12)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points * (0.9, 1.05) @ turn.T + (40, -5)


@pytest.mark.parametrize("known", [np.arange(68), POINTS_66_TO_68, POINTS_49_TO_68], ids=["68", "66", "49"])
def test_known_points_are_kept_to_the_bit(face: np.ndarray, known: np.ndarray) -> None:
    full = points_to_68(face[known])
    assert full.shape == (68, 2) and full.dtype == np.float32
    assert (full[known] == face[known].astype(np.float32)).all()


def test_what_49_and_66_points_lack_lies_near_the_truth(face: np.ndarray) -> None:
    for known, within in ((POINTS_66_TO_68, 0.02), (POINTS_49_TO_68, 0.08)):
        away = np.linalg.norm(points_to_68(face[known]) - face, axis=1) / SIDE
        assert away.max() < within, f"{len(known)} points"
    mouth = np.linalg.norm(points_to_68(face[POINTS_49_TO_68]) - face, axis=1)[[60, 64]] / SIDE
    assert mouth.max() < 0.02  # the inner corners stay beside the outer ones though the mouth is drawn aside


def test_the_49_points_are_those_that_the_data_set_description_names() -> None:
    expected = [i + 17 for i in range(43)] + [61, 62, 63, 65, 66, 67]
    assert POINTS_49_TO_68.tolist() == expected
    assert len(expected) == 49


def test_five_points_align_the_face_exactly_as_they_lie(face: np.ndarray) -> None:
    given = np.stack([face[36:42].mean(axis=0), face[42:48].mean(axis=0), face[30], face[48], face[54]])
    found = anchor_points(points_to_68(given))
    wanted = np.stack([given[0], given[1], (given[3] + given[4]) / 2])
    assert np.allclose(found, wanted, atol=1e-3)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (np.zeros((21, 2)), "is not 5, 49, 66 or 68 points"),
        (np.full((49, 2), np.nan), "not numbers"),
        (np.stack([np.arange(5.0), np.arange(5.0)], axis=1), "on one line"),
        (np.ones((49, 2)), "on one line"),
    ],
)
def test_points_that_are_no_face_are_refused(points: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        points_to_68(points)


def test_estimates_lie_near_the_truth_on_a_rendered_face_that_turns() -> None:
    """In shares of the distance between the eyes: what turns out of the picture's plane is not known to the map."""
    for truth in (frame.landmarks for frame in Cast(seed=3, size=160).clip(1, 0, 3)):
        eyes = float(np.linalg.norm(truth[36:42].mean(axis=0) - truth[42:48].mean(axis=0)))
        for known, jaw, mouth in ((POINTS_66_TO_68, 0.0, 0.05), (POINTS_49_TO_68, 0.4, 0.05)):
            away = np.linalg.norm(points_to_68(truth[known]) - truth, axis=1) / eyes
            assert away[:17].mean() <= jaw and away[[60, 64]].max() < mouth
            assert (np.delete(away, [*range(17), 60, 64]) == 0).all()
        five = np.stack([truth[36:42].mean(axis=0), truth[42:48].mean(axis=0), truth[30], truth[48], truth[54]])
        assert np.linalg.norm(points_to_68(five) - truth, axis=1)[17:].mean() / eyes < 0.2
