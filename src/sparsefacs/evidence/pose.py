"""Head pose: yaw, pitch and roll in degrees, and OpenFace's angles of the same head.

Axes are x to the image's right, y up, z towards the camera. Yaw is positive where the nose points to the image's right,
pitch where it points up, roll where the crown tilts to the image's right; the head's rotation is roll after pitch after
yaw.
"""

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def rotation_of(pose_B3: NDArray[np.floating]) -> F64:
    """Return the rotation matrices (..., 3, 3) of poses (..., 3): yaw, pitch, roll in degrees."""
    yaw, pitch, roll = np.moveaxis(np.radians(np.asarray(pose_B3, np.float64) * [1, -1, -1]), -1, 0)
    cy, sy, cx, sx, cz, sz = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    return np.stack(
        [
            np.stack([cz * cy - sz * sx * sy, -sz * cx, cz * sy + sz * sx * cy], axis=-1),
            np.stack([sz * cy + cz * sx * sy, cz * cx, sz * sy - cz * sx * cy], axis=-1),
            np.stack([-cx * sy, sx, cx * cy], axis=-1),
        ],
        axis=-2,
    )


def pose_of(rotation: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return yaw, pitch, roll (..., 3) in degrees of rotation matrices (..., 3, 3), whose scale does not matter."""
    r = np.asarray(rotation, np.float64)
    r = r / np.linalg.norm(r, axis=-2, keepdims=True)
    yaw = np.arctan2(-r[..., 2, 0], r[..., 2, 2])
    pitch = -np.arcsin(np.clip(r[..., 2, 1], -1, 1))
    roll = -np.arctan2(-r[..., 0, 1], r[..., 1, 1])
    return np.asarray(np.degrees(np.stack([yaw, pitch, roll], axis=-1)), np.float32)


def openface_angles(pose_B3: NDArray[np.floating]) -> F64:
    """Return OpenFace's pose_Rx, pose_Ry, pose_Rz (..., 3), radians, of poses (..., 3) in degrees; NaN stays NaN.

    OpenFace's axes are x to the image's right, y down, z away from the camera, and its head turns by R = Rx · Ry · Rz.
    """
    flip = np.array([1.0, -1.0, -1.0])
    r = rotation_of(pose_B3) * flip[:, None] * flip
    x = np.arctan2(-r[..., 1, 2], r[..., 2, 2])
    y = np.arcsin(np.clip(r[..., 0, 2], -1, 1))
    z = np.arctan2(-r[..., 0, 1], r[..., 0, 0])
    return np.stack([x, y, z], axis=-1)
