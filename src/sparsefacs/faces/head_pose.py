"""Head pose from a face mesh: MediaPipe's fit of its canonical face, as its face geometry module makes it."""

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..evidence.pose import pose_of
from ..wire import fields

F64 = NDArray[np.float64]
_FACE = 468  # points of the canonical face: the mesh less the irises
_HALF_FOV = np.radians(63.0) / 2  # MediaPipe's camera sees so much, from top to bottom, of a picture
_MESH, _WEIGHTS = 1, 2  # fields of the bundle's table: the canonical face, the weight of a point;
_NUMBERS = 3  # of the face its points: x, y, z (cm) and two of a texture;
_WHICH, _WEIGHT = 1, 2  # of a weight the point and how much it counts


_UP, _NEAR = np.array([1.0, -1.0, 1.0]), np.array([1.0, 1.0, -1.0])  # what turns y up, and z towards the camera


class HeadPose:
    """Tells yaw, pitch and roll of meshes; `bundle`: the landmarker's file, which holds the canonical face."""

    def __init__(self, bundle: Path) -> None:
        with zipfile.ZipFile(bundle) as content:
            table = list(fields(content.read("geometry_pipeline_metadata_landmarks.binarypb")))
        mesh = next(part.value for part in table if part.number == _MESH)
        assert isinstance(mesh, bytes)
        numbers = [part.value for part in fields(mesh) if part.number == _NUMBERS]
        face = np.array(numbers, np.float64).reshape(_FACE, 5)[:, :3]
        weights = {}
        for part in table:
            if part.number == _WEIGHTS:
                assert isinstance(part.value, bytes)
                told = {one.number: one.value for one in fields(part.value)}
                weights[int(told.get(_WHICH, 0))] = float(told[_WEIGHT])
        self._which = np.array(list(weights))
        share = np.array(list(weights.values()))[:, None] / sum(weights.values())
        apart = face[self._which] - (share * face[self._which]).sum(axis=0)
        self._weighted, self._spread = (share * apart).T, float((share * apart**2).sum())

    def poses(self, meshes_FPC: NDArray[np.floating], sides_F: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return yaw, pitch, roll (F, 3) in degrees (see `evidence.pose`) of meshes (F, 478, 3) in pictures `sides_F`
        wide.

        meshes_FPC: pixels of that square picture. The camera is taken to look at its middle, so that they turn with it.
        """
        tall = 2 * np.tan(_HALF_FOV)
        screen = np.asarray(meshes_FPC[:, :_FACE], np.float64) / np.asarray(sides_F)[:, None, None] * tall
        middle = screen[:, :, 2].mean(axis=1)
        seen = screen[:, self._which] * _UP + np.array([-tall / 2, tall / 2, 0])
        scale, _ = self._fitted(seen * _NEAR)
        again, _ = self._fitted(_unprojected(seen, middle, scale))
        return pose_of(self._fitted(_unprojected(seen, middle, scale * again))[1])

    def _fitted(self, points_FPC: F64) -> tuple[F64, F64]:
        """Return scales (F,) and rotations (F, 3, 3) that best take the canonical face to points, least weighted
        squares.
        """
        both = (self._weighted @ points_FPC).swapaxes(-1, -2)
        left, strength, right = np.linalg.svd(both)
        mirrored = np.linalg.det(both) < 0  # a rotation is wanted, no reflection
        left[mirrored, :, 2] *= -1
        strength[mirrored, 2] *= -1
        return strength.sum(axis=1) / self._spread, left @ right


def _unprojected(seen_FPC: F64, middle_F: F64, scale_F: F64) -> F64:
    """Return points in space, x right, y up, z towards the camera, of what the camera sees; middle: mean depth."""
    depth = (seen_FPC[..., 2] - middle_F[:, None] + 1) / scale_F[:, None]
    return np.stack([seen_FPC[..., 0] * depth, seen_FPC[..., 1] * depth, -depth], axis=-1)
