"""A face that is hidden, or cut off by the picture's border, is told with less confidence."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from sparsefacs.faces.confidence import LOOK_EVERY_S, WORST, Confidence, agreement, share_inside
from sparsefacs.faces.landmarks import Landmarker
from sparsefacs.faces.tracking import TrackedFace
from sparsefacs.faces.video import VideoReader
from sparsefacs.facs import MIRROR_68

landmarker = cache(Landmarker)


def only(finder, image) -> TrackedFace:
    (found,) = finder.find(image)
    return TrackedFace(0, found.landmarks, found.box, found.score, found.traits, found.mesh)


def told(finder, image, time_s=None) -> float:
    (face,) = Confidence(landmarker()).lowered(image, [only(finder, image)], time_s)
    return face.score


def test_points_beyond_the_border_are_not_seen() -> None:
    points = np.full((68, 2), 5.0)
    points[:17, 0] = -0.6  # left of the first pixel's edge
    points[17:20, 1] = 9.4  # within the last pixel of ten
    assert share_inside(points, (10, 20)) == 51 / 68
    assert share_inside(points + [0, 0.2], (10, 20)) == 48 / 68


def test_the_more_of_a_face_the_border_cuts_off_the_less_it_is_trusted(photo, finder) -> None:
    whole = only(finder, photo)
    clear = told(finder, photo)
    assert 0.75 * whole.score < clear <= whole.score
    x0, y0, x1, y1 = whole.box
    for cut in (
        lambda share: photo[: int(y1 - share * (y1 - y0))],
        lambda share: photo[:, int(x0 + share * (x1 - x0)) :],
    ):
        half, most = (told(finder, np.ascontiguousarray(cut(share))) for share in (0.2, 0.35))
        assert most < 0.75 * clear and most < half < 0.95 * clear
        assert only(finder, np.ascontiguousarray(cut(0.35))).score > 0.88, "the detector is as sure as ever"


def test_a_second_look_is_taken_four_times_a_second_and_for_every_new_face(photo, finder, monkeypatch) -> None:
    looks: list[int] = []

    def seen(_, image, face):
        looks.append(face.face)
        return 0.5

    monkeypatch.setattr("sparsefacs.faces.confidence.agreement", seen)
    sure, face = Confidence(landmarker()), only(finder, photo)
    times = [number / 20 for number in range(11)]
    scores = [sure.lowered(photo, [face], time_s)[0].score for time_s in times]
    assert len(looks) == 1 + int(0.5 / LOOK_EVERY_S) and set(scores) == {face.score / 2}
    sure.lowered(photo, [face, replace(face, face=1)], 0.5)
    assert looks[3:] == [1]
    sure.lowered(photo, [], 0.55)
    sure.lowered(photo, [face], 0.6)
    assert looks[4:] == [0], "whoever was away is looked at again"
    assert told(finder, photo) == told(finder, photo) == face.score / 2


def test_a_face_not_found_in_the_mirror_keeps_little(photo, finder, monkeypatch) -> None:
    monkeypatch.setattr(landmarker(), "mirrored", lambda *_: None)
    assert agreement(landmarker(), photo, only(finder, photo)) == WORST


def test_the_mirror_shows_the_points_of_the_mirrored_picture(photo, finder) -> None:
    face = only(finder, photo)
    assert face.mesh is not None
    seen = landmarker().mirrored(photo, face.mesh)
    again = only(finder, np.ascontiguousarray(photo[:, ::-1]))
    other = again.landmarks[MIRROR_68] * [-1, 1] + [photo.shape[1] - 1, 0]
    width = np.ptp(face.landmarks[:, 0])
    assert seen is not None and np.linalg.norm(seen - other, axis=1).mean() < 0.015 * width
    assert np.linalg.norm(seen - face.landmarks, axis=1).mean() > 1e-4 * width, "it is a look of its own"


@pytest.mark.media
def test_a_hand_before_a_real_face_lowers_the_confidence(media, finder) -> None:
    wanted, scores = {120: "hand", 132: "hand", 156: "hand", 240: "clear", 252: "clear", 384: "clear"}, {}
    with VideoReader(media / "woman_smiling.mp4") as reader:
        for frame in reader:
            if frame.index in wanted:
                scores[frame.index] = told(finder, frame.image)
            if frame.index == max(wanted):
                break
    hand, clear = ([scores[index] for index, what in wanted.items() if what == name] for name in ("hand", "clear"))
    assert max(hand) < 0.6 and min(clear) > 0.9
