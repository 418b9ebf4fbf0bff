"""The landmarker's blendshapes: their names, and their mirror images."""

import numpy as np

from sparsefacs.evidence.blendshapes import BLENDSHAPES, MIRROR_BLENDSHAPES
from sparsefacs.faces.landmarks import Landmarker


def test_the_mirror_of_the_mirror_is_the_face() -> None:
    assert MIRROR_BLENDSHAPES[MIRROR_BLENDSHAPES].tolist() == list(range(52))
    named = {BLENDSHAPES[i]: BLENDSHAPES[MIRROR_BLENDSHAPES[i]] for i in range(52)}
    assert named["eyeBlinkLeft"] == "eyeBlinkRight" and named["mouthRight"] == "mouthLeft"
    assert named["jawOpen"] == "jawOpen" and sum(one == other for one, other in named.items()) == 12


def test_names_stand_in_the_landmarkers_order(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    import skimage.data

    photo = np.ascontiguousarray(skimage.data.astronaut())
    opened = Landmarker()
    seen = []
    detect = opened._task.detect
    monkeypatch.setattr(opened._task, "detect", lambda *given: seen.append(detect(*given)) or seen[-1])
    located = opened.locate(photo, np.array([170, 65, 275, 190], np.float32))
    opened.close()
    assert located is not None
    assert tuple(each.category_name for each in seen[0].face_blendshapes[0]) == BLENDSHAPES


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
    opened = Landmarker()
    plain = opened.locate(photo, box)
    assert plain is not None
    closed = narrowed(photo, plain[0][36:42])  # at the image's left: the subject's right eye
    one = opened.locate(closed, box)
    other = opened.locate(np.ascontiguousarray(closed[:, ::-1]), np.array([236, 65, 341, 190], np.float32))
    opened.close()
    assert one is not None and other is not None
    shapes, flipped = one[1].blendshapes, other[1].blendshapes
    assert shapes[right] > 3 * shapes[left] and flipped[left] > 3 * flipped[right]
    assert abs(flipped[MIRROR_BLENDSHAPES][right] - shapes[right]) < 0.15
    np.testing.assert_allclose(other[1].pose, one[1].pose * [-1, 1, -1], atol=4)  # degrees
