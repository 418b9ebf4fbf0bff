"""Streams and views: functions of seed and number, split evenly over processes, geometry moving landmarks too."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsefacs import InputError
from sparsefacs.data.augmentation import AugmentationConfig, augment, resize
from sparsefacs.data.batches import FaceLoader, FaceStream, LabelStream, RowStream
from sparsefacs.data.store import Store

STILL = {"brightness": 0, "contrast": 0, "saturation": 0, "tint": 0, "grey": 0, "blur": 0, "noise": 0}


@given(st.integers(1, 40), st.integers(1, 16), st.integers(0, 5))
def test_every_pass_shows_every_row_once(rows: int, size: int, seed: int) -> None:
    stream = RowStream(np.arange(rows) * 3, size, seed)
    draws = -(-3 * rows // size)
    shown = np.concatenate([stream.batch(draw) for draw in range(draws)])[: 3 * rows].reshape(3, rows)
    for one_pass in shown:
        assert sorted(one_pass) == list(range(0, 3 * rows, 3))
    again = RowStream(np.arange(rows) * 3, size, seed)
    assert np.array_equal(again.batch(draws - 1), stream.batch(draws - 1))


def stream(store: Store, rank: int = 0, world: int = 1, pool: ThreadPoolExecutor | None = None) -> FaceStream:
    loader = FaceLoader([store, store], *_doubled(store), 32, AugmentationConfig(), seed=4)
    rows = RowStream(np.arange(2 * len(store)), 8, 4)
    return FaceStream(loader, rows, pool or ThreadPoolExecutor(2), rank, world)


def _doubled(store: Store) -> tuple[np.ndarray, np.ndarray]:
    return np.tile(store.occurrence(), (2, 1)), np.tile(store.intensity(), (2, 1))


def test_processes_share_a_batch_exactly(store: Store) -> None:
    whole, halves = stream(store), [stream(store, rank, 2) for rank in (0, 1)]
    for _ in range(3):
        batch, parts = whole.draw(), [half.draw() for half in halves]
        for name in ("image", "landmarks", "occurrence", "intensity", "row"):
            joined = torch.cat([getattr(part, name) for part in parts])
            assert torch.equal(torch.nan_to_num(joined), torch.nan_to_num(getattr(batch, name)))
    with pytest.raises(InputError, match=r"evenly over 3 devices.*data\.labelled_batch"):
        stream(store, 0, 3)


def test_seek_goes_on_where_it_was(store: Store) -> None:
    straight, jumped = stream(store), stream(store)
    for _ in range(5):
        last = straight.draw()
    jumped.draw()
    jumped.seek(4)
    assert torch.equal(jumped.draw().image, last.image)


def test_rows_count_through_the_stores(store: Store) -> None:
    loader = stream(store).loader
    points = store.vectors("landmarks").reshape(-1, 68, 2)
    for row in (2, len(store) - 1):
        for again in (row, len(store) + row):
            image, landmarks = loader.face(again)
            assert np.array_equal(image, store.image(row))
            assert np.array_equal(landmarks, points[row]) and landmarks.dtype == np.float32
    with pytest.raises(IndexError):
        store.face(len(store))


def test_label_vectors_are_drawn_with_replacement_from_the_labels() -> None:
    labels = np.eye(4, dtype=np.int8)
    drawn = LabelStream(labels, 3).draw(400)
    assert drawn.shape == (400, 4)
    assert (drawn.sum(1) == 1).all()
    assert drawn.mean(0).numpy() == pytest.approx([0.25] * 4, abs=0.08)
    halves = [LabelStream(labels, 3, rank, 2).draw(200) for rank in (0, 1)]
    assert torch.equal(torch.cat(halves), drawn)


def test_landmarks_follow_the_pixels() -> None:
    """A white dot at each of three landmarks is still at them after turn, shift, scale and flip."""
    rng = np.random.default_rng(0)
    flips = 0
    for seed in range(12):
        image = np.zeros((96, 96, 3), np.uint8)
        points = rng.uniform(30, 66, (68, 2)).round().astype(np.float32)
        for index, channel in ((8, 0), (30, 1), (57, 2)):  # on the mid-line: their own mirror images
            x, y = points[index].astype(int)
            image[y - 1 : y + 2, x - 1 : x + 2, channel] = 255
        config = AugmentationConfig(rotation=20, shift=0.05, scale=0.1, **STILL)
        made = augment(image, points, 80, config, np.random.default_rng(seed))
        view, moved = made.image, made.landmarks
        for index, channel in ((8, 0), (30, 1), (57, 2)):
            weight = view[..., channel].astype(float)
            ys, xs = np.mgrid[:80, :80]
            centre = np.array([(xs * weight).sum(), (ys * weight).sum()]) / weight.sum()
            assert np.abs(centre - moved[index]).max() < 0.35
        flips += int(moved[0, 0] != moved[16, 0] and (moved[0, 0] < moved[16, 0]) != (points[16, 0] > points[0, 0]))
    plain = augment(
        image,
        points,
        96,
        AugmentationConfig(flip=0, shift=0, rotation=0, scale=0, **STILL),
        np.random.default_rng(0),
    )
    assert np.array_equal(plain.image, image)
    np.testing.assert_allclose(plain.landmarks, points, atol=1e-4)


def test_flip_swaps_left_and_right_landmarks() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    points = np.random.default_rng(1).uniform(0, 64, (68, 2)).astype(np.float32)
    config = AugmentationConfig(flip=1, shift=0, rotation=0, scale=0, **STILL)
    moved = augment(image, points, 64, config, np.random.default_rng(0)).landmarks
    np.testing.assert_allclose(moved[36], [63 - points[45, 0], points[45, 1]], atol=1e-4)


def test_resize_keeps_landmarks_on_the_same_spot() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[40:44, 20:24] = 255
    small = resize(image, np.full((68, 2), (21.5, 41.5), np.float32), 32)
    ys, xs = np.nonzero(small.image[..., 0] > 128)
    assert np.abs([xs.mean() - small.landmarks[0, 0], ys.mean() - small.landmarks[0, 1]]).max() < 0.1
