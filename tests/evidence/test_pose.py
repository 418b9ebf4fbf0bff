"""Head pose: angles and matrices, by hand, against SciPy, and OpenFace's angles against its own code."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sparsefacs.evidence.pose import openface_angles, pose_of, rotation_of


def poses(count: int = 200) -> np.ndarray:
    return np.random.default_rng(0).uniform((-80, -70, -170), (80, 70, 170), (count, 3))


def test_angles_point_where_they_are_said_to() -> None:
    """x to the image's right, y up, z to the camera: the nose is z, the crown y."""
    half, much = 0.5, np.sqrt(3) / 2
    nose, crown = np.array([0, 0, 1]), np.array([0, 1, 0])
    np.testing.assert_allclose(rotation_of(np.array([30, 0, 0])) @ nose, [half, 0, much], atol=1e-12)
    np.testing.assert_allclose(rotation_of(np.array([0, 30, 0])) @ nose, [0, half, much], atol=1e-12)
    np.testing.assert_allclose(rotation_of(np.array([0, 0, 30])) @ crown, [half, much, 0], atol=1e-12)
    # a nose turned to the right and then up: roll after pitch after yaw, so pitch lifts what yaw left in front
    np.testing.assert_allclose(rotation_of(np.array([30, 90, 0])) @ nose, [half, much, 0], atol=1e-12)


def test_rotations_are_scipys() -> None:
    found = rotation_of(poses())
    expected = Rotation.from_euler("ZXY", (poses() * [1, -1, -1])[:, [2, 1, 0]], degrees=True).as_matrix()
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 7.3])
def test_pose_and_rotation_are_each_others_inverse(scale: float) -> None:
    np.testing.assert_allclose(pose_of(scale * rotation_of(poses())), poses(), atol=1e-3)
    assert pose_of(rotation_of(poses()[0])).shape == (3,)


def rotation_matrix_to_euler(rotation: np.ndarray) -> tuple[float, float, float]:
    """OpenFace, lib/local/Utilities/include/RotationHelpers.h, RotationMatrix2Euler, line by line."""
    q0 = np.sqrt(1 + rotation[0, 0] + rotation[1, 1] + rotation[2, 2]) / 2.0
    q1 = (rotation[2, 1] - rotation[1, 2]) / (4.0 * q0)
    q2 = (rotation[0, 2] - rotation[2, 0]) / (4.0 * q0)
    q3 = (rotation[1, 0] - rotation[0, 1]) / (4.0 * q0)
    t1 = 2.0 * (q0 * q2 + q1 * q3)
    t1 = min(max(t1, -1), 1)
    yaw = np.arcsin(t1)
    pitch = np.arctan2(2.0 * (q0 * q1 - q2 * q3), q0 * q0 - q1 * q1 - q2 * q2 + q3 * q3)
    roll = np.arctan2(2.0 * (q0 * q3 - q1 * q2), q0 * q0 + q1 * q1 - q2 * q2 - q3 * q3)
    return pitch, yaw, roll


def test_openface_angles_are_those_of_its_own_code() -> None:
    turned = poses()
    flip = np.diag([1.0, -1.0, -1.0])  # its axes: y down, z away from the camera
    expected = [rotation_matrix_to_euler(flip @ rotation_of(pose) @ flip) for pose in turned]
    np.testing.assert_allclose(openface_angles(turned), expected, atol=1e-9)


def test_openface_angles_of_one_turn_alone_are_that_turn() -> None:
    found = openface_angles(np.array([[30, 0, 0], [0, 30, 0], [0, 0, 30], [np.nan, 0, 0]]))
    np.testing.assert_allclose(np.degrees(found[:3]), [[0, -30, 0], [-30, 0, 0], [0, 0, 30]], atol=1e-9)
    assert np.isnan(found[3]).any()
