"""The landmarker's blendshapes: their names, and their mirror images."""

import numpy as np

from sparsefacs.evidence.blendshapes import BLENDSHAPES, MIRROR_BLENDSHAPES
from sparsefacs.faces.landmarks import Landmarker, TraitReader


def test_the_mirror_of_the_mirror_is_the_face() -> None:
    assert MIRROR_BLENDSHAPES[MIRROR_BLENDSHAPES].tolist() == list(range(52))
    named = {BLENDSHAPES[i]: BLENDSHAPES[MIRROR_BLENDSHAPES[i]] for i in range(52)}
    assert named["eyeBlinkLeft"] == "eyeBlinkRight" and named["mouthRight"] == "mouthLeft"
    assert named["jawOpen"] == "jawOpen" and sum(one == other for one, other in named.items()) == 12


def test_names_stand_in_the_landmarkers_order() -> None:
    """In MediaPipe's own answers (tests/faces), which stand in its order, the shapes of what a face shows are high."""
    import json
    from pathlib import Path

    answers = json.loads((Path(__file__).parents[1] / "faces" / "mediapipe_answers.json").read_text())
    shown = {name: dict(zip(BLENDSHAPES, answers[name]["blendshapes"], strict=True)) for name in ("smile", "turned")}
    assert shown["smile"]["mouthSmileLeft"] > 0.3 > 5 * shown["turned"]["mouthSmileLeft"]
    assert shown["turned"]["browDownLeft"] > 0.2 > 2 * shown["smile"]["browDownLeft"]


def narrowed(photo: np.ndarray, eye: np.ndarray) -> np.ndarray:
    """The photo with the eye of outline `eye` (6, 2) squeezed from above and below."""
    import cv2

    (x, y), width = eye.mean(axis=0), 0.9 * np.ptp(eye[:, 0])
    down, across = np.mgrid[: photo.shape[0], : photo.shape[1]].astype(np.float32)
    inside = np.clip(1 - ((across - x) / width) ** 2 - ((down - y) / (0.75 * width)) ** 2, 0, 1)
    return cv2.remap(photo, across, np.float32(y + (down - y) * (1 + 6 * inside**0.7)), cv2.INTER_LINEAR)


def test_left_is_the_subjects_and_swaps_with_right_in_a_flipped_photo() -> None:
    import skimage.data

    photo, box = np.ascontiguousarray(skimage.data.astronaut()), np.array([170, 65, 275, 190], np.float32)
    left, right = BLENDSHAPES.index("eyeBlinkLeft"), BLENDSHAPES.index("eyeBlinkRight")
    landmarker, reader = Landmarker(), TraitReader()
    plain = landmarker.points(photo, box)
    assert plain is not None
    closed = narrowed(photo, plain[36:42])  # at the image's left: the subject's right eye
    one = landmarker.locate(closed, box)
    other = landmarker.locate(np.ascontiguousarray(closed[:, ::-1]), np.array([236, 65, 341, 190], np.float32))
    assert one is not None and other is not None
    seen, swapped = reader.read(one), reader.read(other)
    shapes, flipped = seen.blendshapes, swapped.blendshapes
    assert shapes[right] > 3 * shapes[left] and flipped[left] > 3 * flipped[right]
    assert abs(flipped[MIRROR_BLENDSHAPES][right] - shapes[right]) < 0.15
    np.testing.assert_allclose(swapped.pose, seen.pose * [-1, 1, -1], atol=4)  # degrees
