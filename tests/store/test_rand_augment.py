"""RandAugment against timm's own functions, landmarks against pixels, and the random crop."""

import numpy as np
import pytest
from PIL import Image
from timm.data import auto_augment

from sparsefacs import InputError
from sparsefacs.data import rand_augment as made
from sparsefacs.data.augmentation import AugmentationConfig, _similarity, augment

STILL = dict.fromkeys(
    ("brightness", "contrast", "saturation", "tint", "grey", "blur", "noise", "shift", "rotation", "scale"), 0.0
)
TIMM = {
    "auto-contrast": "AutoContrast",
    "equalise": "Equalize",
    "invert": "Invert",
    "rotate": "Rotate",
    "posterise": "PosterizeIncreasing",
    "solarise": "SolarizeIncreasing",
    "solarise-add": "SolarizeAdd",
    "colour": "ColorIncreasing",
    "contrast": "ContrastIncreasing",
    "brightness": "BrightnessIncreasing",
    "sharpness": "SharpnessIncreasing",
    "shear-x": "ShearX",
    "shear-y": "ShearY",
    "shift-x": "TranslateXRel",
    "shift-y": "TranslateYRel",
}
POINTS = np.zeros((68, 2), np.float32)


def picture(seed: int = 0, side: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = rng.integers(20, 230, (5, 5, 3)).astype(np.uint8)
    return np.array(Image.fromarray(rough).resize((side, side), Image.Resampling.BICUBIC))


def test_the_operations_are_timm_s_increasing_ones() -> None:
    assert set(TIMM.values()) == set(auto_augment._RAND_INCREASING_TRANSFORMS)
    assert set(TIMM) == {*made.COLOURINGS, *made.PLACINGS} == set(made._NAMES)


@pytest.mark.parametrize("name", TIMM)
def test_each_operation_is_timm_s(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hparams = {"img_mean": made._FILL, "interpolation": Image.Resampling.BICUBIC}
    changed = 0
    for level in (0.0, 2.6, 9.0, 10.0):
        for direction in (-1, 1):
            monkeypatch.setattr(auto_augment, "_randomly_negate", lambda value, by=direction: by * value)
            if (name, level) == ("posterise", 10.0):  # no bit is left: Pillow 13 refuses, earlier ones gave black
                assert not made.apply(name, picture(), POINTS, level, direction)[0].any()
                continue
            theirs = auto_augment.AugmentOp(TIMM[name], prob=1.0, magnitude=level, hparams=hparams)
            expected = np.array(theirs(Image.fromarray(picture())))
            found, _ = made.apply(name, picture(), POINTS, level, direction)
            np.testing.assert_array_equal(found, expected)
            changed += not np.array_equal(found, picture())
    assert changed >= 2


@pytest.mark.parametrize("name", made.PLACINGS)
@pytest.mark.parametrize("direction", [-1, 1])
def test_landmarks_go_where_the_pixels_go(name: str, direction: int) -> None:
    image = np.zeros((96, 96, 3), np.uint8)
    image[40:43, 55:58] = 255
    points = np.array([[56.0, 41.0]], np.float32)
    moved, there = made.apply(name, image, points, 3.7, direction)
    weight = np.where(moved[..., 0] > 130, moved[..., 0], 0).astype(float)  # the filling is no part of the dot
    ys, xs = np.mgrid[:96, :96]
    centre = np.array([(xs * weight).sum(), (ys * weight).sum()]) / weight.sum()
    np.testing.assert_allclose(there[0], centre, atol=0.2)
    assert np.abs(there - points).max() > 1


def test_two_operations_are_drawn_and_each_is_left_out_half_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, float, int]] = []

    def noted(name: str, image: np.ndarray, points: np.ndarray, level: float, direction: int) -> tuple:
        seen.append((name, level, direction))
        return image, points

    monkeypatch.setattr(made, "apply", noted)
    rng = np.random.default_rng(0)
    for _ in range(2000):
        made.rand_augment(picture(), POINTS, 9.0, 0.5, rng)
    assert len(seen) == pytest.approx(2000, rel=0.07)
    names, levels, directions = (np.array(part) for part in zip(*seen, strict=True))
    assert np.unique(names, return_counts=True)[1].min() > 0.6 * len(seen) / 15
    assert abs(directions.mean()) < 0.08
    assert levels.max() == 10.0 and np.median(levels) == pytest.approx(9, abs=0.05)
    # all that lies within the cut is normal: 84 % of it above one deviation under the mean
    assert (levels > 8.5).mean() == pytest.approx(0.841, abs=0.03)


def test_a_face_depends_on_its_generator_alone() -> None:
    config = AugmentationConfig(**STILL, rand_augment=9)
    views = [augment(picture(), POINTS, 40, config, np.random.default_rng(seed)) for seed in (1, 1, *range(2, 12))]
    assert np.array_equal(views[0].image, views[1].image)
    assert len({view.image.tobytes() for view in views}) > 5


def test_turned_off_it_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was trained before RandAugment and crops there were is trained alike."""
    monkeypatch.setattr("sparsefacs.data.augmentation.rand_augment", lambda *_: pytest.fail("was called"))
    augment(picture(), POINTS, 40, AugmentationConfig(), np.random.default_rng(0))
    drawn, counted = np.random.default_rng(0), np.random.default_rng(0)
    _similarity(40, 40, 40, AugmentationConfig(), drawn)
    counted.random(5)  # turn, zoom, shift down and across, flip
    assert drawn.random() == counted.random()


def test_flow_does_not_follow_and_is_refused() -> None:
    with pytest.raises(InputError, match=r"RandAugment.*rand_augment=0"):
        augment(
            picture(),
            POINTS,
            40,
            AugmentationConfig(rand_augment=9),
            np.random.default_rng(0),
            flow=np.zeros((4, 4, 2), np.float32),
            flow_side=4,
        )


def test_a_random_crop_keeps_its_share_and_stays_inside() -> None:
    side, shares, places = 60, [], []
    for seed in range(300):
        matrix, _ = _similarity(
            side, side, 30, AugmentationConfig(**STILL, flip=0, crop=0.25), np.random.default_rng(seed)
        )
        corners = (np.array([[-0.5, -0.5], [29.5, 29.5]]) - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
        assert corners.min() > -0.5 - 1e-9 and corners.max() < side - 0.5 + 1e-9
        shares.append(np.prod(corners[1] - corners[0]) / side**2)
        places.append(corners.mean(axis=0))
    assert 0.25 <= min(shares) < 0.27 and 0.97 < max(shares) <= 1 + 1e-9
    assert np.mean(shares) == pytest.approx(0.625, abs=0.04)
    assert np.std(places, axis=0).min() > 3 and np.mean(places, axis=0) == pytest.approx([29.5, 29.5], abs=1)


def test_crops_have_the_aspects_that_simclr_s_have() -> None:
    config, ratios = AugmentationConfig(**STILL, flip=0, crop=0.08, aspect=4 / 3), []
    for seed in range(300):
        matrix, _ = _similarity(60, 60, 30, config, np.random.default_rng(seed))
        corners = (np.array([[-0.5, -0.5], [29.5, 29.5]]) - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
        assert corners.min() > -0.5 - 1e-9 and corners.max() < 59.5 + 1e-9
        ratios.append(np.divide(*(corners[1] - corners[0])))
    assert 0.75 - 1e-9 <= min(ratios) < 0.77 and 1.3 < max(ratios) <= 4 / 3 + 1e-9


def test_colours_change_as_often_as_asked() -> None:
    config = AugmentationConfig(flip=0, shift=0, rotation=0, scale=0, grey=0, blur=0, noise=0, hue=72, recolour=0.8)
    plain = augment(picture(), POINTS, 40, AugmentationConfig(**STILL, flip=0), np.random.default_rng(0)).image
    same = [
        np.array_equal(augment(picture(), POINTS, 40, config, np.random.default_rng(seed)).image, plain)
        for seed in range(400)
    ]
    assert np.mean(same) == pytest.approx(0.2, abs=0.06)


def test_landmarks_follow_a_random_crop() -> None:
    image = np.zeros((96, 96, 3), np.uint8)
    image[47:50, 46:49] = 255
    for seed in range(6):
        view = augment(
            image,
            np.full((68, 2), (47.0, 48.0), np.float32),
            64,
            AugmentationConfig(**STILL, flip=0, crop=0.6),
            np.random.default_rng(seed),
        )
        weight = view.image[..., 0].astype(float)
        ys, xs = np.mgrid[:64, :64]
        centre = np.array([(xs * weight).sum(), (ys * weight).sum()]) / weight.sum()
        assert np.abs(centre - view.landmarks[0]).max() < 0.35
