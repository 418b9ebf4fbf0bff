"""All faces of one image, small ones too: YuNet finds them, the landmarker looks at each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .landmarks import UNKNOWN_TRAITS, FaceMesh, Landmarker, TraitReader, Traits
from .yunet import YuNet

SCORE_MIN = 0.7  # YuNet's score of a face anywhere in the picture
SCORE_MIN_TRACKED = 0.5  # and where a face was a frame ago
FACE_MIN = 24.0  # pixels, face width: below this nothing is left to code
_SIDE = 640  # YuNet sees the picture reduced to this longer side,
_REDUCE = 3  # or at most this many times: a 40-pixel face keeps 13 pixels, YuNet's limit is about 10
_SIDE_LARGE = 160  # a face that fills the picture is too large for YuNet at 640
_SIDE_CROP = 160
_OVERLAP = 0.3  # boxes that overlap more than this (intersection over union) are one face


@dataclass(frozen=True)
class DetectedFace:
    """One face: `landmarks` (68, 2) float32 and `box` (4,) x0, y0, x1, y1, both in image pixels; YuNet's `score`.

    Of a face that was followed box and score are YuNet's last ones, the box moved with the face.
    """

    landmarks: NDArray[np.float32]
    box: NDArray[np.float32]
    score: float
    traits: Traits = UNKNOWN_TRAITS
    mesh: FaceMesh | None = None


@dataclass(frozen=True)
class FaceBox:
    """Where YuNet sees a face: box (4,) x0, y0, x1, y1 in image pixels and score 0–1."""

    box: NDArray[np.float32]
    score: float


class BoxFinder:
    """Finds where faces are; one instance a thread or process. Raises InputError when YuNet's file is missing."""

    def __init__(self) -> None:
        self._yunet = YuNet()

    def boxes(self, image: NDArray[np.uint8]) -> list[FaceBox]:
        """Return where faces are in `image` (H, W, 3 RGB), the surest first, without looking for landmarks."""
        longer = max(image.shape[:2])
        found = self._detect(image, max(_SIDE, longer // _REDUCE), SCORE_MIN)
        if not found and longer > _SIDE_LARGE:
            found = self._detect(image, _SIDE_LARGE, SCORE_MIN)
        return found

    def near(self, image: NDArray[np.uint8], box: NDArray[np.floating]) -> FaceBox | None:
        """Return the face nearest to where it was, `box`, a frame ago, looking only round there; None if it left."""
        height, width = image.shape[:2]
        centre, reach = (box[:2] + box[2:]) / 2, float(max(box[2:] - box[:2]))
        x0, y0 = (max(0, int(value)) for value in centre - reach)
        x1, y1 = min(width, int(centre[0] + reach) + 1), min(height, int(centre[1] + reach) + 1)
        if x1 - x0 < FACE_MIN or y1 - y0 < FACE_MIN:
            return None
        corner = np.array([x0, y0, x0, y0], np.float32)
        best, nearest = None, 0.5 * reach
        for found in self._detect(image[y0:y1, x0:x1], _SIDE_CROP, SCORE_MIN_TRACKED):
            moved = found.box + corner
            away = float(np.hypot(*((moved[:2] + moved[2:]) / 2 - centre)))
            if away < nearest:
                best, nearest = FaceBox(moved, found.score), away
        return best

    def _detect(self, image: NDArray[np.uint8], side: int, score_min: float) -> list[FaceBox]:
        import cv2

        height, width = image.shape[:2]
        scale = min(1.0, side / max(height, width))
        size = (max(16, round(width * scale)), max(16, round(height * scale)))
        reduced = image if size == (width, height) else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        per_pixel = np.array([width / size[0], height / size[1]] * 2, np.float32)
        found = []
        reduced_boxes, scores = self._yunet.detect(np.asarray(reduced, np.uint8), score_min)
        for box, score in zip(reduced_boxes * per_pixel, scores, strict=True):
            if box[2] - box[0] >= FACE_MIN:
                found.append(FaceBox(box, float(score)))
        return found


class FaceFinder:
    """Finds the faces of images; one instance a thread or process.

    traits: False leaves blendshapes and pose unknown, for whoever reads them off the meshes later.
    Raises InputError on opening when a model file is missing (see `models.find_model`).
    """

    def __init__(self, *, traits: bool = True) -> None:
        self._boxes, self._landmarker = BoxFinder(), Landmarker()
        self._traits = TraitReader() if traits else None

    def find(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        """Return all faces of `image` (H, W, 3 RGB), the surest first."""
        return self.landmark(image, self.boxes(image))

    def boxes(self, image: NDArray[np.uint8]) -> list[FaceBox]:
        """Return where faces are in `image`, see `BoxFinder`."""
        return self._boxes.boxes(image)

    def near(self, image: NDArray[np.uint8], box: NDArray[np.floating]) -> FaceBox | None:
        """Return the face nearest to where it was, see `BoxFinder`."""
        return self._boxes.near(image, box)

    def landmark(self, image: NDArray[np.uint8], boxes: list[FaceBox]) -> list[DetectedFace]:
        """Return the faces of `boxes` in which landmarks are found, each face once."""
        faces: list[DetectedFace] = []
        for box in boxes:
            mesh = self._landmarker.locate(image, box.box)
            if mesh is not None:
                self._add(faces, DetectedFace(mesh.landmarks, box.box, box.score, mesh=mesh))
        return faces

    def follow(self, image: NDArray[np.uint8], before: Sequence[DetectedFace]) -> list[DetectedFace]:
        """Return, each once, those of the faces of a frame ago that are seen without a detector."""
        faces: list[DetectedFace] = []
        for face in before:
            mesh = None if face.mesh is None else self._landmarker.follow(image, face.mesh)
            if mesh is not None:
                self._add(faces, DetectedFace(mesh.landmarks, mesh.box.astype(np.float32), face.score, mesh=mesh))
        return faces

    def _add(self, faces: list[DetectedFace], face: DetectedFace) -> None:
        extent = landmark_box(face.landmarks)
        if all(overlap(extent, landmark_box(other.landmarks)) < _OVERLAP for other in faces):
            traits = UNKNOWN_TRAITS if self._traits is None or face.mesh is None else self._traits.read(face.mesh)
            faces.append(replace(face, traits=traits))


def landmark_box(landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the box (x0, y0, x1, y1) that just holds landmarks (68, 2)."""
    return np.concatenate([landmarks.min(axis=0), landmarks.max(axis=0)]).astype(np.float32)


def overlap(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Return the intersection over union, 0–1, of two boxes (x0, y0, x1, y1)."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = float(width * height)
    return shared / (float((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])) - shared)
