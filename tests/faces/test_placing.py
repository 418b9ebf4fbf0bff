"""Kind: a label goes to the face that it means, by place where the table tells it, else by one rule of numbers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparsefacs.data.adapters.plan import FaceLabel, MediaItem
from sparsefacs.faces.alignment import FaceRecipe
from sparsefacs.faces.cutting import CutSettings, PartCutter
from sparsefacs.faces.tracking import FaceTracker
from sparsefacs.faces.video import read_image
from sparsefacs.inference.frames import Opened, Picture
from sparsefacs.inference.sources import Source
from sparsefacs.inference.stages import find_faces


@pytest.fixture(scope="module")
def trio(photo, tmp_path_factory) -> Path:
    """Three faces side by side, the middle one largest, the right one least sure to be found."""
    import cv2

    face = photo[30:230, 130:330]
    wide = np.full((260, 640, 3), 110, np.uint8)
    wide[20:170, 10:160] = cv2.resize(face, (150, 150), interpolation=cv2.INTER_AREA)
    wide[20:240, 200:420] = cv2.resize(face, (220, 220))
    wide[20:170, 460:610] = cv2.GaussianBlur(cv2.resize(face[:, ::-1], (150, 150)), (0, 0), 1.5)
    path = tmp_path_factory.mktemp("trio") / "trio.png"
    Image.fromarray(wide).save(path)
    return path


def label(intensity: float, **told) -> FaceLabel:
    return FaceLabel(np.array([1], np.int8), np.array([intensity], np.float32), **told)


def cut(path: Path, *labels: FaceLabel) -> tuple[dict[float, float], list[str]]:
    """Return, from left to right, x of each face → intensity it is labelled with, and the reasons of rejects."""
    cutter = PartCutter(CutSettings(FaceRecipe(size=64), 1), lambda _: None)
    rows = list(cutter.rows([MediaItem(path, path.name, "s", "c", 0, {0: labels})]))
    left = [-float(row.matrix[0, 2] / row.matrix[0, 0]) for row in rows]
    told = {x: float(row.intensity[0]) for x, row in sorted(zip(left, rows, strict=True), key=lambda pair: pair[0])}
    assert [row.face for row in rows] == [0, 1, 2] and left == sorted(left)
    return told, [reject.reason for reject in cutter.rejected]


def test_kind_face_numbers_photos_count_from_left_to_right_in_prepare_and_predict(trio) -> None:
    told, rejected = cut(trio, label(3, face=2), label(1, face=0), label(2, face=1), label(4, face=3))
    assert list(told.values()) == [1, 2, 3]
    assert rejected == ["labelled face 3 not found in it"]
    source = Source(trio)
    _, located = find_faces(iter([Opened(source, None), Picture(0, None, read_image(trio))]))
    assert [face.face for face in located.found] == [0, 1, 2]
    assert np.diff([face.box[0] for face in located.found]).min() > 0


def test_kind_face_numbers_give_way_to_the_place_that_a_table_tells(trio, finder) -> None:
    """Numbers are the wrong way round, boxes of other programs (round the points, half a face off) are right."""
    faces = FaceTracker(finder).update(read_image(trio), 0)
    points = [np.concatenate([face.landmarks.min(axis=0), face.landmarks.max(axis=0)]) for face in faces]
    loose = [face.box + np.array([-15, -20, 15, 10]) for face in faces]
    for boxes in (points, loose, [face.box for face in faces]):
        given = [label(one + 1, face=2 - one, box=tuple(boxes[one].tolist())) for one in (1, 2, 0)]
        assert list(cut(trio, *given)[0].values()) == [1, 2, 3]
    told, rejected = cut(trio, label(1, box=(300, 500, 400, 600)), label(2, box=tuple(loose[0].tolist())))
    assert np.array_equal(list(told.values()), [2, np.nan, np.nan], equal_nan=True)
    assert rejected == ["no face where the labelled one is (350, 550)"]


def test_a_label_that_says_nothing_takes_no_face(trio) -> None:
    nothing = FaceLabel(np.array([-1], np.int8), np.array([np.nan], np.float32))
    told, rejected = cut(trio, nothing, label(2))
    assert np.array_equal(list(told.values()), [np.nan, 2, np.nan], equal_nan=True) and rejected == []


def test_kind_face_numbers_a_label_that_tells_its_place_goes_before_one_that_does_not(trio) -> None:
    middle = (200.0, 20.0, 420.0, 240.0)
    told, rejected = cut(trio, label(5), label(2, box=middle))
    assert [strength for strength in told.values() if not np.isnan(strength)] == [2]
    assert rejected == ["a second label for face 1, left out"]
