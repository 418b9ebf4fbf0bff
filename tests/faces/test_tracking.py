import itertools
from dataclasses import dataclass, field

import numpy as np
import pytest

from sparsefacs.faces.detection import DetectedFace, FaceBox
from sparsefacs.faces.tracking import FaceTracker, Glancer, assign, distances
from sparsefacs.faces.video import decode

SHAPE = np.random.default_rng(5).uniform(0.1, 0.9, (68, 2)).astype(np.float32)
SHAPE[36:42], SHAPE[42:48] = (0.38, 0.42), (0.62, 0.42)  # the aligned face lies within the box
SHAPE[48], SHAPE[54] = (0.42, 0.667), (0.58, 0.667)
FACES = [np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8) for seed in range(4)]
COUSIN = 4  # who looks like face 0, by half
FACES.append(
    np.clip(128 + (FACES[0].astype(float) - 128) * 0.45 + (FACES[3].astype(float) - 128) * 0.75, 0, 255).astype(
        np.uint8
    )
)


def box_at(x: float, y: float, size: float = 60) -> np.ndarray:
    return np.array([x, y, x + size, y + size], np.float32)


@dataclass
class SceneFinder:
    """A finder that knows where the faces are, in place of the models; counts how often it looks everywhere."""

    boxes_now: list[np.ndarray] = field(default_factory=list)
    searches: int = 0

    def boxes(self, image: np.ndarray) -> list[FaceBox]:
        self.searches += 1
        return [FaceBox(box, 0.9) for box in self.boxes_now]

    def near(self, image: np.ndarray, box: np.ndarray) -> FaceBox | None:
        found = [other for other in self.boxes_now if np.abs(other - box).max() < 30]
        return FaceBox(found[0], 0.9) if found else None

    def follow(self, image: np.ndarray, before: list[DetectedFace]) -> list[DetectedFace]:
        return self.landmark(image, [box for face in before if (box := self.near(image, face.box)) is not None])

    def landmark(self, image: np.ndarray, boxes: list[FaceBox]) -> list[DetectedFace]:
        return [DetectedFace(face.box[:2] + SHAPE * (face.box[2:] - face.box[:2]), face.box, 0.9) for face in boxes]


def scene(people: dict[int, tuple[float, float]], background: int = 90) -> tuple[np.ndarray, list[np.ndarray]]:
    """A picture with textures for faces, and their boxes."""
    import cv2

    image = np.full((240, 400, 3), background, np.uint8)
    boxes = []
    for person, (x, y) in people.items():
        image[int(y) : int(y) + 60, int(x) : int(x) + 60] = cv2.resize(FACES[person], (60, 60))
        boxes.append(box_at(int(x), int(y)))
    return image, boxes


def play(scenes: list[tuple[np.ndarray, list[np.ndarray]]], *, fps: float = 25) -> tuple[list[dict[int, float]], int]:
    """Return, for each scene, face id → x of its box; and how often the whole picture was searched."""
    finder = SceneFinder()
    tracker = FaceTracker(finder)  # type: ignore[arg-type]
    seen = []
    for number, (image, boxes) in enumerate(scenes):
        finder.boxes_now = boxes
        seen.append({face.face: float(face.box[0]) for face in tracker.update(image, number / fps)})
    return seen, finder.searches


def test_ids_follow_faces_that_pass_each_other() -> None:
    steps = range(0, 240, 6)
    seen, _ = play([scene({0: (40 + step, 20), 1: (280 - step, 110)}) for step in steps])
    assert all(set(frame) == {0, 1} for frame in seen)
    assert [frame[0] for frame in seen] == [40 + step for step in steps]


def test_the_whole_picture_is_searched_now_and_then_only() -> None:
    _, searches = play([scene({0: (40 + step, 20)}) for step in range(25)])
    assert searches == 3  # frames 0, 12 and 24


def test_a_face_back_within_two_seconds_keeps_its_id_and_later_gets_a_new_one() -> None:
    here, gone = scene({0: (100, 50)}), scene({})
    seen, _ = play([here] * 3 + [gone] * 40 + [here] * 3 + [gone] * 60 + [here] * 3)
    assert [set(frame) for frame in seen] == [{0}] * 3 + [set()] * 40 + [{0}] * 3 + [set()] * 60 + [{1}] * 3


def test_another_face_in_a_lost_faces_place_gets_a_new_id() -> None:
    seen, _ = play([scene({0: (100, 50)})] * 3 + [scene({})] * 5 + [scene({1: (100, 50)})] * 3)
    assert set(seen[2]) == {0}
    assert set(seen[-1]) == {1}


def test_across_a_cut_faces_are_known_by_their_looks() -> None:
    first = scene({0: (40, 50), 1: (250, 50)})
    swapped = scene({1: (40, 50), 0: (250, 50)}, background=200)
    other = scene({2: (40, 50)}, background=20)
    seen, _ = play([first] * 3 + [swapped] * 3 + [other] * 3)
    assert seen[3] == {0: 250, 1: 40}
    assert set(seen[-1]) == {2}


def test_kind_tracking_takes_of_a_studio_cut_together_are_not_one_person() -> None:
    """The background stays, so that no cut is seen: others sit where two people sat, or these have changed seats."""
    first, others = scene({0: (40, 50), 1: (250, 50)}), scene({2: (40, 50), 3: (250, 50)})
    swapped = scene({1: (40, 50), 0: (250, 50)})
    seen, _ = play([first] * 5 + [others] * 5 + [swapped] * 5)
    assert [seen[frame] for frame in (4, 9, 14)] == [{0: 40, 1: 250}, {2: 40, 3: 250}, {1: 40, 0: 250}]


def test_kind_tracking_seats_changed_off_screen_keep_people_apart() -> None:
    first, gone = scene({0: (40, 50), COUSIN: (250, 50)}), scene({})
    swapped = scene({COUSIN: (40, 50), 0: (250, 50)})
    seen, _ = play([first] * 5 + [gone] * 10 + [swapped] * 5)
    assert seen[4] == {0: 40, 1: 250} and seen[-1] == {1: 40, 0: 250}


def test_kind_tracking_without_colours_asks_for_more() -> None:
    def grey(picture: tuple[np.ndarray, list[np.ndarray]]) -> tuple[np.ndarray, list[np.ndarray]]:
        return np.repeat(picture[0].mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8), picture[1]

    seen, _ = play([grey(scene({0: (100, 50)}))] * 5 + [grey(scene({COUSIN: (100, 50)}))] * 5)
    assert [set(frame) for frame in seen] == [{0}] * 5 + [{1}] * 5


def test_kind_tracking_a_hand_before_a_face_takes_its_id_for_a_while_only() -> None:
    plain = scene({0: (100, 50)})
    covered = plain[0].copy()
    covered[65:110, 105:160] = (200, 120, 90)
    seen, _ = play([plain] * 5 + [(covered, plain[1])] * 5 + [plain] * 5)
    assert set(seen[4]) == set(seen[-1]) == {0}


def test_kind_face_numbers_count_from_left_to_right_among_those_who_appear_together() -> None:
    both = scene({0: (250, 50), 1: (40, 50)})
    seen, _ = play([both] * 3 + [scene({0: (250, 50), 1: (40, 50), 2: (150, 150)})] * 12)
    assert seen[0] == {0: 40, 1: 250} and seen[-1] == {0: 40, 1: 250, 2: 150}


def test_a_newcomer_is_picked_up_within_a_dozen_frames() -> None:
    alone, both = scene({0: (40, 50)}), scene({0: (40, 50), 1: (250, 50)})
    seen, _ = play([alone] * 3 + [both] * 12)
    assert set(seen[-1]) == {0, 1}


def test_assignment_takes_the_least_total_and_only_allowed_pairs() -> None:
    cost = np.array([[0.1, 0.2], [0.15, 0.9]])
    assert assign(cost, np.ones((2, 2), bool)) == {0: 1, 1: 0}  # greedy would pair 0 with 0
    assert assign(cost, np.array([[True, False], [True, False]])) == {0: 0}


def test_distance_is_in_face_sizes_and_infinite_between_sizes() -> None:
    found = distances([box_at(0, 0, 100)], [box_at(50, 0, 100), box_at(0, 0, 40)])
    assert found[0, 0] == pytest.approx(0.5)
    assert np.isinf(found[0, 1])


def test_a_real_face_keeps_one_id_and_its_place(tmp_path, panned, write_video, finder) -> None:
    tracker = FaceTracker(finder)
    path = write_video(tmp_path / "a.mp4", panned)
    tracked = [tracker.update(frame.image, frame.time_s) for frame in decode(path)]
    assert [[face.face for face in faces] for faces in tracked] == [[0]] * 30
    nose = np.array([faces[0].landmarks[30] for faces in tracked])
    steps = np.diff(nose, axis=0)
    assert np.abs(steps - [-1, 0]).max() < 1.2  # the picture pans one pixel a frame


@pytest.mark.media
@pytest.mark.parametrize(
    ("name", "frames", "faces"),
    [
        ("woman_smiling.mp4", range(0, 120, 3), 40),
        ("face_noface.mov", range(60, 90), 12),
        ("no_face.mp4", range(20), 0),
    ],
)
def test_real_clips(media, finder, name, frames, faces) -> None:
    tracker = FaceTracker(finder)
    shown = itertools.takewhile(lambda frame: frame.index < frames.stop, decode(media / name))
    tracked = [tracker.update(frame.image, frame.time_s) for frame in shown if frame.index in frames]
    assert abs(sum(map(len, tracked)) - faces) <= 1
    assert {face.face for found in tracked for face in found} <= {0}


def shifted(photo: np.ndarray, x: int, y: int) -> np.ndarray:
    """A 300 × 400 picture with the photo's face at about (x, y)."""
    image = np.full((300, 400, 3), 90, np.uint8)
    image[y - 75 : y + 75, x - 65 : x + 65] = photo[45:195, 160:290]
    return image


def test_a_face_is_followed_without_detectors_lost_and_found_again(photo, finder, monkeypatch) -> None:
    tracker, searches, boxes = FaceTracker(finder), [], finder.boxes
    monkeypatch.setattr(finder, "boxes", lambda image: searches.append(1) or boxes(image))
    away = np.full((300, 400, 3), 90, np.uint8)
    scenes = [shifted(photo, 150 + 2 * step, 150) for step in range(6)] + [away] * 2 + [shifted(photo, 230, 140)] * 3
    tracked = [tracker.update(image, number / 25) for number, image in enumerate(scenes)]
    assert [[face.face for face in faces] for faces in tracked] == [[0]] * 6 + [[]] * 2 + [[0]] * 3
    assert len(searches) == 4  # at first, when it is lost, and until it is found
    noses = np.array([faces[0].landmarks[30] for faces in tracked if faces])
    assert np.abs(np.diff(noses[:6], axis=0) - [2, 0]).max() < 0.7
    assert np.abs(noses[6] - noses[0] - [80, -10]).max() < 1.5
    assert all(np.isfinite(faces[0].traits.blendshapes).all() for faces in tracked if faces)


def test_two_faces_are_followed_and_a_face_that_jumps_is_searched_for(photo, finder) -> None:
    def both(left: int, right: int) -> np.ndarray:
        image = np.concatenate([shifted(photo, left, 150), shifted(photo[:, ::-1].copy()[:, 80:], right, 150)], axis=1)
        return np.ascontiguousarray(image)

    tracker = FaceTracker(finder)
    scenes = [both(100 + step, 250 - step) for step in range(4)] + [both(180, 250)]
    tracked = [tracker.update(image, number / 25) for number, image in enumerate(scenes)]
    assert all([face.face for face in faces] == [0, 1] for faces in tracked[:4])
    steps = np.diff([[face.landmarks[30, 0] for face in faces] for faces in tracked[:4]], axis=0)
    assert np.abs(steps - [1, -1]).max() < 0.7
    assert np.abs(tracked[4][0].landmarks[30, 0] - tracked[0][0].landmarks[30, 0] - 80) < 1.5


def test_glances_taken_ahead_change_nothing(panned, finder) -> None:
    frames = [*panned[:14], np.ascontiguousarray(255 - panned[14]), *panned[14:18]]
    alone, ahead, glancer = FaceTracker(finder), FaceTracker(finder), Glancer(finder)
    glances = [glancer.look(image) for image in frames]
    assert [glance.boxes is not None for glance in glances] == [number in (0, 12, 14, 15) for number in range(19)]
    for number, (image, glance) in enumerate(zip(frames, glances, strict=True)):
        told, seen = alone.update(image, number / 25), ahead.update(image, number / 25, glance)
        assert [face.face for face in told] == [face.face for face in seen]
        for one, other in zip(told, seen, strict=True):
            np.testing.assert_array_equal(one.landmarks, other.landmarks)
            np.testing.assert_array_equal(one.traits.blendshapes, other.traits.blendshapes)
