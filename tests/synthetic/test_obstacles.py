"""What is worn or held before rendered faces: where it is drawn, that it follows the face, how often it comes."""

from collections import Counter

import cv2
import numpy as np
import pytest

from sparsefacs.facs.landmarks import mean_face
from sparsefacs.synthetic.obstacles import PAINTERS, RATES, STYLES, Item, Obstacles, cover, draw_obstacles

SIZE = 112
SKIN = np.array([0.52, 0.27, 0.16], np.float32)
HAIR = np.array([0.03, 0.02, 0.01], np.float32)
POINTS = (mean_face() * 84 + 14).astype(np.float32)  # with room around it, to be moved in
KINDS = [(kind, style) for kind, styles in STYLES.items() for style in styles]


def plain_face(size=SIZE):
    picture = np.full((size, size, 3), (190, 140, 110), np.float32)
    return picture + np.linspace(-20, 20, size, dtype=np.float32)[None, :, None]


def wearing(kind, style, seed=0):
    """Obstacles of one item, which stays where it is (draws[3, 0] below 0.5)."""
    rng = np.random.default_rng(seed)
    draws = rng.random((64, 4), dtype=np.float32)
    draws[3, 0] = 0.2
    colour = SKIN if kind == "hand" else HAIR
    return Obstacles((Item(kind, style, colour, draws),), SKIN, draw_obstacles(rng, SKIN, HAIR, 0.0).grain)


def changed_by(worn, picture=None, points=POINTS, moment=0.0):
    picture = plain_face() if picture is None else picture
    return np.abs(cover(picture, points, worn, moment) - picture).max(axis=2)


def inside(*groups, points=POINTS):
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for group in groups:
        cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points[group]).astype(np.int32)), 1)
    return mask > 0


EYES, CHIN, LIPS, INNER = [range(36, 42), range(42, 48)], range(6, 11), range(48, 60), range(60, 68)


def test_all_kinds_have_a_painter_and_shares_of_styles_add_up():
    assert set(PAINTERS) == set(RATES) == set(STYLES)
    for styles in STYLES.values():
        assert sum(styles.values()) == pytest.approx(1)


def test_nothing_worn_changes_nothing():
    picture = plain_face()
    got = cover(picture, POINTS, Obstacles((), SKIN, np.zeros((256, 256), np.float32)), 1.0)
    assert np.array_equal(got, picture) and got is not picture


@pytest.mark.parametrize(("kind", "style"), KINDS)
def test_each_is_the_same_twice_seen_and_in_range(kind, style):
    picture = plain_face()
    before = picture.copy()
    worn = wearing(kind, style)
    got = cover(picture, POINTS, worn, 0.5)
    assert np.array_equal(picture, before), "the given picture is left alone"
    assert got.dtype == np.float32 and got.shape == picture.shape
    assert np.isfinite(got).all() and got.min() >= 0 and got.max() <= 255
    assert np.array_equal(got, cover(picture, POINTS, worn, 0.5))
    assert (np.abs(got - picture).max(axis=2) > 4).sum() > 12


@pytest.mark.parametrize(("kind", "style"), KINDS)
def test_moving_the_face_moves_what_it_wears(kind, style):
    flat = np.full((SIZE, SIZE, 3), (190, 140, 110), np.float32)
    worn, (dx, dy) = wearing(kind, style), (7, -5)
    here = cover(flat, POINTS, worn, 0.0)
    there = cover(flat, POINTS + np.array([dx, dy], np.float32), worn, 0.0)
    margin = 12  # what left the picture, or came into it, cannot be compared
    expected = np.roll(here, (dy, dx), axis=(0, 1))[margin:-margin, margin:-margin]
    apart = np.abs(there[margin:-margin, margin:-margin] - expected)
    assert np.quantile(apart, 0.99) < 3  # an edge may be rounded to another quarter of a pixel
    assert np.abs(there - here).max() > 4


@pytest.mark.parametrize("style", STYLES["glasses"])
def test_glasses_are_at_the_eyes_and_not_at_the_chin(style):
    changed = changed_by(wearing("glasses", style))
    ring = cv2.dilate(inside(*EYES).astype(np.uint8), np.ones((25, 25))) > 0
    assert (changed[ring] > 6).mean() > 0.08
    assert changed[inside(CHIN)].max() == 0


@pytest.mark.parametrize("style", STYLES["beard"])
def test_a_beard_leaves_the_lips(style):
    points = POINTS.copy()
    points[[55, 56, 57, 58, 59, 65, 66, 67]] += np.array([0, 8], np.float32)  # an open mouth
    for seed in range(4):
        changed = changed_by(wearing("beard", style, seed), points=points)
        assert changed[inside(INNER, points=points)].max() == 0
        assert changed[inside(LIPS, points=points)].mean() < 3
        assert changed[55:].max() > 15


def test_a_hand_covers_part_of_the_face():
    face = inside(range(68))
    shares = [
        (changed_by(wearing("hand", style, seed))[face] > 2).mean() for style in STYLES["hand"] for seed in range(6)
    ]
    assert min(shares) > 0.05 and max(shares) < 0.35


def test_a_hand_drifts_and_may_leave():
    worn = wearing("hand", "mouth")
    assert np.abs(changed_by(worn, moment=0.0) - changed_by(worn, moment=1.0)).max() > 0
    worn.items[0].draws[3] = (0.9, 0.0, 0.0, 0.0)  # in and out, every three seconds
    covered = [(changed_by(worn, moment=t) > 6).sum() for t in np.arange(0, 3, 0.25)]
    assert min(covered) < 0.2 * max(covered)


def test_the_light_of_the_face_lights_what_is_worn():
    worn = wearing("hand", "mouth")
    dim, bright = (cover(plain_face() * k, POINTS, worn, 0.0)[80:].mean() for k in (0.5, 1.0))
    assert dim < 0.7 * bright
    assert cover(plain_face(), POINTS, worn, 0.0, light=1.3).mean() > cover(plain_face(), POINTS, worn, 0.0).mean()


@pytest.mark.parametrize("size", [96, 224])
def test_other_sizes_and_turned_heads(size):
    points = (mean_face() * size).astype(np.float32)
    turned = size / 2 + (points - size / 2) * np.array([0.5, 1], np.float32)
    turned[27:36, 0] += 0.2 * size
    for kind, style in KINDS:
        got = cover(plain_face(size), turned, wearing(kind, style), 2.0)
        assert np.isfinite(got).all() and got.min() >= 0 and got.max() <= 255


def test_rates_are_those_stated():
    rng = np.random.default_rng(3)
    for female, draws in ((0.1, 2000), (0.9, 1000)):
        seen = Counter(i.kind for _ in range(draws) for i in draw_obstacles(rng, SKIN, HAIR, female).items)
        for kind, rate in RATES.items():
            expected = 0.0 if kind == ("beard" if female > 0.5 else "make-up") else rate
            assert abs(seen[kind] / draws - expected) <= 4 * np.sqrt(expected * (1 - expected) / draws)


def test_draws_repeat_with_the_seed_and_are_colours():
    for seed in range(60):
        first, second = (draw_obstacles(np.random.default_rng(seed), SKIN, HAIR, 0.2) for _ in range(2))
        assert np.array_equal(first.grain, second.grain) and len(first.items) == len(second.items)
        for one, other in zip(first.items, second.items, strict=True):
            assert (one.kind, one.style) == (other.kind, other.style) and one.style in STYLES[one.kind]
            assert np.array_equal(one.draws, other.draws) and np.array_equal(one.colour, other.colour)
            assert one.colour.shape == (3,) and one.colour.min() > 0 and one.colour.max() < 1
