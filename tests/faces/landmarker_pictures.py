"""Pictures of which MediaPipe's own answers are kept in mediapipe_answers.json.

Made once with mediapipe 1.2.2: its FaceLandmarker in IMAGE mode (confidences 0.4), each picture cut round the kept box
as `faces.landmarks` cuts it, its points brought back to the picture and 0.5 taken away, since it counts from edges.
"""

from functools import lru_cache

import numpy as np

from sparsefacs.faces.alignment import FaceRecipe
from sparsefacs.synthetic.expression import Expression, Pose
from sparsefacs.synthetic.grid import GRID_RECIPE
from sparsefacs.synthetic.identity import make_subject
from sparsefacs.synthetic.render import FaceRenderer
from sparsefacs.synthetic.scene import make_scene

SYNTHETIC = {"smile": ({12: 1.0, 6: 0.6}, Pose()), "turned": ({26: 0.7, 4: 0.8}, Pose(yaw=22, pitch=-8, roll=5))}


def pictures() -> dict[str, np.ndarray]:
    """The astronaut of scikit-image in several guises, and two synthetic faces."""
    import cv2
    import skimage.data

    photo = np.ascontiguousarray(skimage.data.astronaut())
    shown = photo[:300, 60:420]
    tilted = cv2.getRotationMatrix2D((163.0, 120.0), 25, 1.0)
    hidden = shown.copy()
    hidden[130:190, 120:200] = (200, 150, 120)
    made = {
        "photo": photo,
        "large": cv2.resize(shown, None, fx=2.6, fy=2.6, interpolation=cv2.INTER_CUBIC),
        "small": cv2.resize(shown, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        "tilted": cv2.warpAffine(shown, tilted, (360, 300)),
        "flipped and dark": np.ascontiguousarray(shown[:, ::-1]) // 3,
        "mouth hidden": hidden,
        "at the border": np.ascontiguousarray(photo[60:200, 200:330]),
    }
    return made | {name: synthetic_face(*what) for name, what in SYNTHETIC.items()}


@lru_cache(maxsize=1)
def _actor():
    subject = make_subject(7, 1)
    return FaceRenderer(subject, 1), make_scene(subject.rng(20), subject.colours.skin)


def synthetic_face(weights: dict[int, float], pose: Pose) -> np.ndarray:
    renderer, scene = _actor()
    picture = renderer.render(Expression(weights), pose, scene, FaceRecipe(size=160, **GRID_RECIPE), 2)
    return np.ascontiguousarray(np.clip(picture.colours, 0, 255).astype(np.uint8))
