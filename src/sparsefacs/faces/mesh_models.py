"""The networks of MediaPipe's face landmarker, run one by one: squares round faces, the mesh of one, its blendshapes.

They are its own, written as ONNX (`python landmarker`). What goes in and what is made of what comes out follows
MediaPipe's face landmarker to the pixel (checked against its own answers in tests/faces/test_mesh_models.py), so that
models trained with the one can be used with the other.
"""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..onnx_session import session_of

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
MESH_POINTS = 478
_DETECTOR_SIDE, _MESH_SIDE = 128, 256
_GROWN = 1.5  # a square round a face, over the box that the detector gives
_OVERLAP = 0.3  # boxes that overlap more than this (intersection over union) are averaged
_SHAPED = (
    *(0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80),
    *(81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153),
    *(154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249),
    *(251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314),
    *(317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382),
    *(384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, *range(468, 478)),
)  # the 146 points of the mesh that the blendshapes are read from


class _Network:
    """One of the bundle's networks, on one thread."""

    def __init__(self, bundle: Path, name: str) -> None:
        with zipfile.ZipFile(bundle) as content:
            self._session = session_of(content.read(f"{name}.onnx"), 1)

    def run(self, values: NDArray[Any], *names: str) -> list[F32]:
        """Return the outputs called `names` for an input less its first axis."""
        found: list[F32] = self._session.run(names, {"given": values[None].astype(np.float32, copy=False)})
        return found


class SquareDetector:
    """Finds the squares that the mesh network wants to see: BlazeFace, on a crop that shows one face and few others."""

    def __init__(self, bundle: Path) -> None:
        self._network = _Network(bundle, "face_detector")
        self._places = _places()

    def squares(self, crop: NDArray[np.uint8], score_min: float) -> list[F64]:
        """Return squares (5,) centre x and y, width, height and turn (radians) in `crop` (S, S, 3 RGB), surest first.

        Their coordinates are pixels, whole at pixel centres.
        """
        # rounded half up, as MediaPipe's OpenCV does: its last digit decides about the square's last tenth of a pixel
        small = np.floor(_cut(crop.astype(np.float32), _whole(crop), _DETECTOR_SIDE) + 0.5)
        boxes, logits = self._network.run(small.transpose(2, 0, 1) / 127.5 - 1, "regressors", "classificators")
        scores = _sigmoid(logits[0, :, 0])
        kept = np.flatnonzero(scores >= score_min)
        kept = kept[np.argsort(-scores[kept], kind="stable")]
        parts = boxes[0, kept].astype(np.float64).reshape(-1, 8, 2) / _DETECTOR_SIDE  # centre, size, six points
        parts[:, [0, *range(2, 8)]] += self._places[kept, None]
        return [_square(one * crop.shape[1::-1]) for one in _averaged(parts, scores[kept])]


class MeshNetwork:
    """Lays MediaPipe's mesh of 478 points over the face in a square."""

    def __init__(self, bundle: Path) -> None:
        self._network = _Network(bundle, "face_landmarks_detector")

    def mesh(self, picture: NDArray[np.uint8], square: NDArray[np.floating]) -> tuple[F64, float]:
        """Return the mesh (478, 3), in pixels of `picture` (H, W, 3 RGB, or `padded`), and how sure it is that there is
        a face, 0–1.

        square: (5,) as `SquareDetector.squares` gives them. Depth, in the same unit, is smaller towards the camera.
        """
        import cv2

        planes = np.empty((4, _MESH_SIDE, _MESH_SIDE), np.uint8)
        cv2.split(_cut(padded(picture), square, _MESH_SIDE), list(planes))
        points, logit = self._network.run(planes[:3] * np.float32(1 / 255), "Identity", "Identity_1")
        mesh = points.reshape(MESH_POINTS, 3).astype(np.float64) / _MESH_SIDE
        x, y = (mesh[:, :2] - 0.5).T
        cosine, sine = np.cos(square[4]), np.sin(square[4])
        placed = [(cosine * x - sine * y) * square[2] + square[0], (sine * x + cosine * y) * square[3] + square[1]]
        return np.stack([*placed, mesh[:, 2] * square[2]], axis=1), float(_sigmoid(logit.ravel())[0])


class ShapeNetwork:
    """Reads blendshapes off a mesh."""

    def __init__(self, bundle: Path) -> None:
        self._network = _Network(bundle, "face_blendshapes")

    def blendshapes(self, mesh: NDArray[np.floating]) -> F32:
        """Return the blendshapes (52,) 0–1, in the order of `BLENDSHAPES`, of a mesh (478, 2 or 3) in pixels."""
        return self._network.run(mesh[_SHAPED, :2], "StatefulPartitionedCall:0")[0]


def padded(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) with a fourth channel, or as it is where it has that: OpenCV turns and scales four
    channels to the same values in half the time.
    """
    import cv2

    return picture if picture.shape[2] == 4 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA), np.uint8)


def _places() -> F64:
    """Return where the detector's 896 answers are counted from, (896, 2) in shares of the crop."""
    rows = []
    for cells, answers in ((16, 2), (8, 6)):
        at = (np.arange(cells) + 0.5) / cells
        rows.append(np.repeat(np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2), answers, axis=0))
    return np.concatenate(rows)


def _sigmoid(values: NDArray[np.floating]) -> F64:
    return np.asarray(1 / (1 + np.exp(-np.clip(values.astype(np.float64), -100, 100))))


def _averaged(parts: F64, scores: F64) -> list[F64]:
    """Return the mean, by score, of answers (N, 8, 2; the surest first) that mean the same face."""
    low, high = parts[:, 0] - parts[:, 1] / 2, parts[:, 0] + parts[:, 1] / 2
    area = parts[:, 1].prod(axis=1)
    faces, left = [], np.arange(len(parts))
    while len(left):
        first = left[0]
        shared = (np.minimum(high[first], high[left]) - np.maximum(low[first], low[left])).clip(0).prod(axis=1)
        same = shared > _OVERLAP * (area[first] + area[left] - shared)
        same[0] = True
        faces.append(np.average(parts[left[same]], axis=0, weights=scores[left[same]]))
        left = left[~same]
    return faces


def _square(parts: F64) -> F64:
    (x, y), size, (right_eye, left_eye) = parts[0], parts[1], parts[2:4]
    turn = np.arctan2(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0])
    return np.array([x, y, *(_GROWN * size), turn])


def _whole(crop: NDArray[Any]) -> F64:
    height, width = crop.shape[:2]
    return np.array([width / 2, height / 2, width, height, 0.0])


def _cut(picture: NDArray[Any], square: NDArray[np.floating], side: int) -> NDArray[Any]:
    """Return what lies in a square, (side, side, channels). Beyond the picture its last pixels are repeated.

    As in MediaPipe, the square's corner is met by the middle of the first pixel.
    """
    import cv2

    x, y, width, height, turn = square
    cosine, sine = np.cos(turn), np.sin(turn)
    linear = np.array([[cosine * width, -sine * height], [sine * width, cosine * height]]) / side
    matrix = np.column_stack([linear, np.array([x, y]) - linear @ np.array([side / 2, side / 2])])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE))
