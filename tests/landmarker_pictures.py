"""Pictures of which MediaPipe's own answers are kept in mediapipe_answers.json.

Made once with mediapipe 1.2.2: its FaceLandmarker in IMAGE mode (confidences 0.4), each picture cut round the kept box
as `faces.landmarks` cuts it, its points brought back to the picture and 0.5 taken away, since it counts from edges.
"""

from pathlib import Path

import numpy as np


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
    for name in ("smile", "turned"):  # of the generator of synthetic faces, kept since its pixels may change
        kept = cv2.imread(str(Path(__file__).parent / "faces" / f"{name}.png"), cv2.IMREAD_COLOR)
        made[name] = cv2.cvtColor(kept, cv2.COLOR_BGR2RGB)
    return made
