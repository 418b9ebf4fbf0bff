import numpy as np
import pytest

from sparsefacs.faces.alignment import FaceRecipe, align_face, alignment_matrix, anchor_points, transform_points
from sparsefacs.faces.detection import overlap
from sparsefacs.faces.video import decode, read_image
from sparsefacs.facs import MIRROR_68, flip_landmarks


def test_the_face_of_a_photo_and_where_its_eyes_are(photo, finder) -> None:
    (face,) = finder.find(photo)
    eyes_and_mouth = anchor_points(face.landmarks)
    assert face.score > 0.8
    assert (
        np.abs(eyes_and_mouth - [[202.5, 100.5], [246.5, 102.5], [224, 139.5]]).max() < 3
    )  # read off the photo by hand
    assert overlap(face.box, np.array([180, 65, 268, 178])) > 0.7


def test_a_flipped_photo_gives_flipped_landmarks(photo, finder) -> None:
    """Also says that the 478 → 68 map is symmetric: point i of the flip is point MIRROR_68[i] of the face."""
    (face,) = finder.find(photo)
    (flipped,) = finder.find(np.ascontiguousarray(photo[:, ::-1]))
    apart = np.linalg.norm(flip_landmarks(face.landmarks, photo.shape[1]) - flipped.landmarks, axis=1)
    assert apart.mean() < 1.5  # pixels, of a face 90 wide: the landmark network itself is not quite symmetric
    assert apart.max() < 3.5
    unswapped = face.landmarks.copy()
    unswapped[:, 0] = photo.shape[1] - 1 - unswapped[:, 0]
    assert np.linalg.norm(unswapped - flipped.landmarks, axis=1).max() > 40
    assert (MIRROR_68[MIRROR_68] == np.arange(68)).all()


def test_small_faces_in_a_wide_picture_are_found(photo, finder) -> None:
    import cv2

    small = cv2.resize(photo, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)  # face 36 pixels wide
    wide = np.full((720, 1280, 3), 120, np.uint8)
    wide[500 : 500 + small.shape[0], 1000 : 1000 + small.shape[1]] = small
    wide[40 : 40 + small.shape[0], 60 : 60 + small.shape[1]] = small[:, ::-1]
    faces = finder.find(wide)
    assert len(faces) == 2
    assert sorted(int(anchor_points(face.landmarks)[:, 0].mean()) // 100 for face in faces) == [1, 10]


def test_a_face_that_fills_the_picture_is_found(photo, finder) -> None:
    import cv2

    close = cv2.resize(photo[60:190, 165:285], (1200, 1300), interpolation=cv2.INTER_CUBIC)
    assert len(finder.find(close)) == 1


def test_nothing_is_found_where_nothing_is(finder) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    assert finder.find(noise) == []
    assert finder.find(np.zeros((200, 300, 3), np.uint8)) == []
    assert finder.find(np.zeros((3, 5, 3), np.uint8)) == []


def test_alignment_puts_eyes_and_mouth_in_their_places(photo, finder) -> None:
    (face,) = finder.find(photo)
    for size in (32, 112, 224):
        recipe = FaceRecipe(size=size)
        aligned, points, matrix = align_face(photo, face.landmarks, recipe)
        assert aligned.shape == (size, size, 3)
        assert np.abs(anchor_points(points) - recipe.template()).max() < 0.04 * size
        assert np.allclose(points, transform_points(face.landmarks, matrix), atol=1e-3)
        inside = points[17:]  # brows, eyes, nose, mouth
        assert (inside > 0).all() and (inside < size - 1).all()
        assert points[8, 1] < size  # the chin too


def test_a_shrunk_face_equals_the_face_of_a_shrunk_photo(photo, finder) -> None:
    """The reduction before warping changes neither place nor brightness."""
    import cv2

    (face,) = finder.find(photo)
    recipe = FaceRecipe(size=32)
    direct, _, _ = align_face(photo, face.landmarks, recipe)
    tripled = cv2.resize(photo, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    from_large, _, _ = align_face(tripled, (face.landmarks + 0.5) * 3 - 0.5, recipe)
    assert np.abs(direct.astype(float) - from_large).mean() < 3
    with pytest.raises(ValueError, match="landmarks"):
        alignment_matrix(np.zeros((68, 2)), recipe)


@pytest.mark.media
def test_real_photos_and_a_film_without_faces(media, finder) -> None:
    assert len(finder.find(read_image(media / "multi_face.jpg"))) == 5
    assert len(finder.find(read_image(media / "single_face.jpg"))) == 1
    assert not any(finder.find(frame.image) for frame in decode(media / "no_face.mp4") if frame.index % 8 == 0)
