"""68 landmarks, blendshapes and pose of one face: MediaPipe's face landmarker on a crop round the face."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..evidence.blendshapes import BLENDSHAPES
from ..evidence.pose import pose_of
from ..facs import MEDIAPIPE_TO_68
from .models import LANDMARKER, find_model
from .quiet import native_stderr_silenced

CROP_SCALE = 2.0  # crop side over face size: MediaPipe's own detector, inside the crop, wants air round the face
CROP_MAX = 448  # pixels; the landmark network sees 256 × 256, so more would only cost time
CROP_MIN = 192  # pixels; smaller crops are enlarged, since MediaPipe's detector misses tiny pictures
CONFIDENCE = 0.4  # MediaPipe's default of 0.5 drops some half-covered faces that YuNet is sure of
NEIGHBOURS = 3  # faces looked for in a crop, since a neighbour may stand in it


@dataclass(frozen=True)
class Traits:
    """What the landmarker tells of a face beside its points: blendshapes (52,) 0–1 in the order of `BLENDSHAPES`, and
    pose (3,): yaw, pitch, roll in degrees (see `evidence.pose`). NaN where it was not asked, as for delivered points.
    """

    blendshapes: NDArray[np.float32]
    pose: NDArray[np.float32]


UNKNOWN_TRAITS = Traits(np.full(len(BLENDSHAPES), np.nan, np.float32), np.full(3, np.nan, np.float32))


class Landmarker:
    """Finds the 68 landmarks of the face in a box; one instance a thread. Close it when done."""

    def __init__(self, model: Path | None = None) -> None:
        path = find_model(LANDMARKER, model)
        os.environ.setdefault("GLOG_minloglevel", "2")
        with native_stderr_silenced():
            import mediapipe as mp
            from mediapipe.tasks.python import BaseOptions, vision

            self._image, self._format = mp.Image, mp.ImageFormat.SRGB
            self._task = vision.FaceLandmarker.create_from_options(
                vision.FaceLandmarkerOptions(
                    base_options=BaseOptions(model_asset_buffer=path.read_bytes()),
                    running_mode=vision.RunningMode.IMAGE,
                    num_faces=NEIGHBOURS,
                    min_face_detection_confidence=CONFIDENCE,
                    min_face_presence_confidence=CONFIDENCE,
                    output_face_blendshapes=True,
                    output_facial_transformation_matrixes=True,
                )
            )

    def close(self) -> None:
        """Release the model."""
        self._task.close()

    def locate(self, image: NDArray[np.uint8], box: NDArray[np.floating]) -> tuple[NDArray[np.float32], Traits] | None:
        """Return the landmarks (68, 2), pixels of `image` (H, W, 3 RGB), of the face in `box` (x0, y0, x1, y1), and
        its traits.

        None when the landmarker sees no face there.
        """
        crop, scale, corner = _crop(image, box)
        result = self._task.detect(self._image(image_format=self._format, data=crop))
        height, width = crop.shape[:2]
        centre, size = (box[:2] + box[2:]) / 2, float(max(box[2:] - box[:2]))
        best, nearest = None, 0.5 * size
        for number, mesh in enumerate(result.face_landmarks):
            points = np.array([[mesh[i].x * width, mesh[i].y * height] for i in MEDIAPIPE_TO_68])
            points = points / scale + corner - 0.5  # MediaPipe counts from the pixel's edge
            away = float(np.hypot(*((points.min(axis=0) + points.max(axis=0)) / 2 - centre)))
            if away < nearest and np.isfinite(points).all():
                best, nearest = (number, points.astype(np.float32)), away
        if best is None:
            return None
        number, found = best
        shapes = np.array([each.score for each in result.face_blendshapes[number]], np.float32)
        return found, Traits(shapes, pose_of(result.facial_transformation_matrixes[number][:3, :3]))


def _crop(image: NDArray[np.uint8], box: NDArray[np.floating]) -> tuple[NDArray[np.uint8], float, NDArray[np.float64]]:
    """Return a square crop round `box`, its scale against the image, and its corner in image pixel edges."""
    import cv2

    side = max(8, round(CROP_SCALE * float(max(box[2:] - box[:2]))))
    x0, y0 = (round(float(centre - side / 2)) for centre in (box[:2] + box[2:]) / 2)
    height, width = image.shape[:2]
    inside = image[max(0, y0) : max(0, min(height, y0 + side)), max(0, x0) : max(0, min(width, x0 + side))]
    crop = np.zeros((side, side, 3), np.uint8)
    top, left = max(0, -y0), max(0, -x0)
    crop[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    wanted = min(max(side, CROP_MIN), CROP_MAX)
    if wanted != side:
        # a slight shrink does not alias, and area averaging costs five times as much
        way = cv2.INTER_AREA if side > 1.5 * wanted else cv2.INTER_LINEAR
        crop = np.asarray(cv2.resize(crop, (wanted, wanted), interpolation=way), np.uint8)
    return crop, wanted / side, np.array([x0, y0], np.float64)
