"""Wild clips: sides, speech and closed eyes are labelled as they are acted; usual clips are what they were."""

import numpy as np
import pytest

from sparsefacs.synthetic.appearance import USUAL, WILD
from sparsefacs.synthetic.dynamics import DEFAULT_AUS, LEVELS
from sparsefacs.synthetic.expression import Pose, move_face
from sparsefacs.synthetic.identity import make_subject
from sparsefacs.synthetic.liveliness import one_sided, shut_eyes, speech, two_sided
from sparsefacs.synthetic.motion import make_clip

AUS = (*DEFAULT_AUS, 43, 45)
CLIPS = range(6)


def wild(clip: int, subject: int = 3):  # type: ignore[no-untyped-def]
    return make_clip("bp4d", AUS, 11, subject, clip, 300, WILD)


def test_only_muscles_that_are_there_twice_have_sides() -> None:
    assert [au for au in AUS if not two_sided(au)] == [1, 17, 26]
    drawn = one_sided(np.random.default_rng(0), AUS, 1.0)
    assert set(drawn) <= {au for au in AUS if two_sided(au)} and len(drawn) > 8
    assert all(max(pair) == 1 and 0 <= min(pair) <= 0.6 for pair in drawn.values())
    assert one_sided(np.random.default_rng(0), AUS, 0.0) == {}


def test_labels_of_the_stronger_side_are_the_labels_and_the_other_side_has_less() -> None:
    differ = 0
    for clip in CLIPS:
        made = wild(clip)
        np.testing.assert_array_equal(made.sides.max(axis=1), made.intensity)
        differ += int((made.sides[:, 0] != made.sides[:, 1]).sum())
        sided = {au for expression in made.expressions for au in expression.sides}
        for a, au in enumerate(AUS):
            if au not in sided and not (au == 43 and 45 in sided):
                np.testing.assert_array_equal(made.sides[:, 0, a], made.sides[:, 1, a])
    assert differ > 100


def test_a_one_sided_smile_moves_that_corner_of_the_mouth() -> None:
    subject = make_subject(11, 3)
    from sparsefacs.synthetic.expression import Expression

    rest = move_face(subject, Expression(), Pose())
    moved = move_face(subject, Expression({12: 1.0}, {12: (1.0, 0.0)}), Pose()) - rest
    far = np.linalg.norm(moved, axis=1)
    left = rest[:, 0] > 0.05  # the person's left is at the picture's right
    assert far[left].max() > 5 * far[~left & (rest[:, 0] < -0.05)].max()


def test_speech_opens_the_mouth_several_times_a_second_and_is_labelled() -> None:
    weights = speech(np.random.default_rng(1), 500, 25.0)
    jaw = weights[25]
    peaks = ((jaw[1:-1] > jaw[:-2]) & (jaw[1:-1] >= jaw[2:]) & (jaw[1:-1] > 0.1)).sum()
    assert 2 < peaks / 20 < 8
    talking = [make for make in map(wild, CLIPS) if any(22 in e.weights for e in make.expressions)]
    assert 0 < len(talking) < len(CLIPS)
    parted = AUS.index(25)
    for made in talking:
        for t, expression in enumerate(made.expressions):
            if expression.weights.get(25, 0) >= LEVELS[1]:  # as strong as counts as present
                assert made.occurrence[t, parted] == 1


def test_eyes_that_stay_closed_are_au43_and_blinks_are_au45() -> None:
    long = [shut_eyes(np.random.default_rng(seed), 1000, 25.0) for seed in range(8)]
    assert any(each.max() == 0 for each in long) and any((each > 0.9).sum() >= 15 for each in long)
    closed, blinked = AUS.index(43), AUS.index(45)
    found = np.zeros(2)
    for clip in range(12):
        made = wild(clip, subject=5)
        lids = np.array([expression.weights[45] for expression in made.expressions])
        either = made.occurrence[:, closed] | made.occurrence[:, blinked]
        assert (lids[either == 1] > 0).all()
        found += made.occurrence[:, [closed, blinked]].sum(axis=0)
    assert (found > 0).all()


@pytest.mark.parametrize("profile", ["bp4d", "disfa"])
def test_usual_clips_have_no_sides_no_speech_and_no_closed_eyes(profile: str) -> None:
    made = make_clip(profile, AUS, 11, 3, 0, 100, USUAL)
    assert not made.occurrence[:, AUS.index(43)].any()
    assert all(not expression.sides for expression in made.expressions)
    np.testing.assert_array_equal(made.sides[:, 0], made.sides[:, 1])
    same = make_clip(profile, DEFAULT_AUS, 11, 3, 0, 100, USUAL)
    np.testing.assert_array_equal(made.intensity[:, :17], same.intensity)


def test_creases_follow_the_side_that_acts() -> None:
    from sparsefacs.synthetic.expression import Expression
    from sparsefacs.synthetic.render import FaceRenderer

    renderer = FaceRenderer(make_subject(11, 3), 1)
    both = renderer.crease_weights(Expression({12: 1.0}))
    left = renderer.crease_weights(Expression({12: 1.0}, {12: (1.0, 0.0)}))
    own = [k for k, (au, _) in enumerate(renderer.creases.keys) if au == 12]
    assert own and any(renderer.creases.keys[k][1] == "right" for k in own)
    for k in own:
        assert left[k] == (both[k] if renderer.creases.keys[k][1] == "left" else 0)
