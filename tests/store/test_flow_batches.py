"""Stored flow on its way into batches: one row at a time, moved as the image is, unknown where it is unknown."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from made_stores import build_store
from sparsefacs.data.augmentation import AugmentationConfig, augment, resize
from sparsefacs.data.batches import FaceLoader, FaceStream, RowStream
from sparsefacs.data.flow import Flows, StoredFlow, has_flow
from sparsefacs.data.store import Store
from sparsefacs.errors import InputError
from sparsefacs.faces.flow import flow
from sparsefacs.networks.answers import network_input
from sparsefacs.networks.config import NetworkConfig

STILL = {"brightness": 0, "contrast": 0, "saturation": 0, "tint": 0, "grey": 0, "blur": 0, "noise": 0}
UNMOVED = {"flip": 0, "shift": 0, "rotation": 0, "scale": 0}
POINTS = np.random.default_rng(3).uniform(0, 48, (68, 2)).astype(np.float32)


@pytest.fixture
def flowing(tmp_path: Path) -> Store:
    """A store of three clips, with flow."""
    made = build_store(tmp_path / "flowing", subjects=3)
    flow(made.path, workers=1, part_rows=16)
    return made


def cell_centres(size: int, cells: int) -> np.ndarray:
    along = (np.arange(cells) + 0.5) * (size / cells) - 0.5
    return np.stack(np.meshgrid(along, along), axis=-1)


def affine_flow(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return the flow at `points` of a motion p → matrix · (p, 1)."""
    return points @ matrix[:, :2].T + matrix[:, 2] - points


def seen(flow_map: np.ndarray, size: int, out: int, side: int, seed: int = 0, **config: float) -> np.ndarray:
    image = np.zeros((size, size, 3), np.uint8)
    view = augment(
        image,
        POINTS,
        out,
        AugmentationConfig(**(UNMOVED | STILL | config)),
        np.random.default_rng(seed),
        flow=flow_map,
        flow_side=side,
    )
    assert view.flow is not None
    assert view.flow.shape == (2, side, side)
    assert view.flow.dtype == np.float32
    return view.flow


def test_a_store_without_flow_says_how_to_get_it(store: Store, flowing: Store) -> None:
    with pytest.raises(InputError, match=f"Run sparsefacs flow {store.path}"):
        StoredFlow(store)
    with pytest.raises(InputError, match="Run sparsefacs flow"):
        Flows([store])
    assert not has_flow(store)
    with pytest.raises(InputError, match="Run sparsefacs flow"):
        FaceLoader([store], store.occurrence(), store.intensity(), 32, None, 0, flow_side=4)
    with pytest.raises(IndexError):
        StoredFlow(flowing).at(36)


def test_flow_of_another_store_or_damaged_is_told(flowing: Store, tmp_path: Path) -> None:
    for other in (build_store(tmp_path / "more", subjects=4), build_store(tmp_path / "else", subjects=3, aus=(1, 2))):
        (flowing.path / "flow").rename(other.path / "flow")
        with pytest.raises(InputError, match="another store"):
            StoredFlow(other)
        (other.path / "flow").rename(flowing.path / "flow")
    part = flowing.path / "flow" / "part-00001.npy"
    part.write_bytes(part.read_bytes()[:-7])
    damaged = StoredFlow(flowing)
    damaged.at(15)
    with pytest.raises(InputError, match=r"part-00001.npy: this part of the flow cannot be read"):
        damaged.at(16)
    part.unlink()
    with pytest.raises(InputError, match="is missing"):
        StoredFlow(flowing)


def test_rows_count_through_stores_and_photos_have_none(flowing: Store, store: Store, tmp_path: Path) -> None:
    flows, alone = Flows([store, flowing, flowing]), StoredFlow(flowing)
    for row in (2, 20, 35):
        for offset in (72, 108):
            assert np.array_equal(flows.at(offset + row), alone.at(row), equal_nan=True)
    assert flows.at(71).shape == (8, 8, 2)
    assert np.isnan(flows.at(71)).all()
    other = build_store(tmp_path / "other", subjects=1)
    flow(other.path, step=1, workers=1)
    with pytest.raises(InputError, match=r"over 1 frames.*over 3"):
        Flows([flowing, other])


def test_vectors_turn_scale_and_flip_with_the_picture() -> None:
    """One arrow everywhere, against sums done by hand."""
    arrow = np.broadcast_to(np.array([3.0, -1.0], np.float32), (12, 12, 2))
    np.testing.assert_allclose(seen(arrow, 48, 96, 12), np.array([6, -2])[:, None, None] * np.ones((2, 12, 12)))
    np.testing.assert_allclose(
        seen(arrow, 48, 48, 12, flip=1), np.array([-3, -1])[:, None, None] * np.ones((2, 12, 12))
    )
    draws = np.random.default_rng(5)
    angle, zoom = np.deg2rad(draws.uniform(-30, 30)), 1 + draws.uniform(-0.2, 0.2)
    turned = seen(arrow, 48, 48, 12, seed=5, rotation=30, scale=0.2, flip=1)[:, 6, 6]
    x, y = -3.0, -1.0  # flipped first, then turned and scaled
    by_hand = [zoom * (np.cos(angle) * x - np.sin(angle) * y), zoom * (np.sin(angle) * x + np.cos(angle) * y)]
    np.testing.assert_allclose(turned, by_hand, rtol=1e-5)


def test_a_flip_moves_places_and_twice_is_nothing() -> None:
    flow_map = np.random.default_rng(0).normal(0, 2, (12, 12, 2)).astype(np.float32)
    flow_map[3, 8] = np.nan
    once = seen(flow_map, 48, 48, 12, flip=1)
    np.testing.assert_allclose(once, (flow_map[:, ::-1] * [-1, 1]).transpose(2, 0, 1), atol=1e-5)
    twice = seen(np.ascontiguousarray(once.transpose(1, 2, 0)), 48, 48, 12, flip=1)
    np.testing.assert_allclose(twice, flow_map.transpose(2, 0, 1), atol=1e-5)


def test_pixels_arrive_where_the_moved_flow_says() -> None:
    """View of the later picture at p + flow(p) shows what the view of the earlier shows at p."""
    motion = np.array([[1.02, -0.05, 3.0], [0.05, 1.02, -2.0]])
    pixels = cell_centres(96, 96)

    def scene(points: np.ndarray) -> np.ndarray:
        wave = np.sin(points[..., 0] / 6) + np.cos(points[..., 1] / 8 + points[..., 0] / 15)
        return np.repeat((128 + 50 * wave)[..., None], 3, -1).astype(np.uint8)

    back = np.linalg.inv(np.vstack([motion, [0, 0, 1]]))[:2]
    earlier, later = scene(pixels), scene(pixels @ back[:, :2].T + back[:, 2])
    flow_map = affine_flow(cell_centres(96, 24), motion).astype(np.float32)
    config = AugmentationConfig(flip=0.5, shift=0.04, rotation=20, scale=0.1, **STILL)
    points = np.zeros((68, 2), np.float32)
    for seed in range(6):
        first, second = (
            augment(image, points, 80, config, np.random.default_rng(seed), flow=flow_map, flow_side=20)
            for image in (earlier, later)
        )
        assert first.flow is not None
        at = cell_centres(80, 20)[5:15, 5:15]
        ends = at + first.flow[:, 5:15, 5:15].transpose(1, 2, 0)
        assert np.abs(bilinear(second.image, ends) - bilinear(first.image, at)).max() < 3
        assert np.abs(bilinear(second.image, at) - bilinear(first.image, at)).max() > 20


def bilinear(image: np.ndarray, at: np.ndarray) -> np.ndarray:
    from scipy.ndimage import map_coordinates

    return map_coordinates(image[..., 0].astype(float), [at[..., 1], at[..., 0]], order=1)


def test_coarser_cells_are_means_of_the_known() -> None:
    flow_map = np.random.default_rng(1).normal(0, 2, (12, 12, 2)).astype(np.float32)
    flow_map[0, 0] = np.nan  # a quarter of the first coarse cell
    flow_map[4:6, 6:8] = np.nan  # all of one
    flow_map[8:10, 2:4] = np.nan
    flow_map[8, 2] = 7  # three quarters of one
    coarse = seen(flow_map, 48, 48, 6)
    expected = flow_map.reshape(6, 2, 6, 2, 2).transpose(4, 0, 2, 1, 3).reshape(2, 6, 6, 4)
    known = np.isfinite(expected).sum(axis=-1)
    means = np.where(known > 1, np.nansum(expected, axis=-1) / np.maximum(known, 1), np.nan)
    np.testing.assert_allclose(coarse, means, atol=1e-5)
    assert np.isnan(coarse[:, 2, 3]).all()
    assert np.isnan(coarse).sum() == 4


def test_unknown_stays_unknown_and_does_not_spread() -> None:
    """Under any view known cells keep their value, cells out of the face or of an unknown half are NaN."""
    flow_map = np.full((12, 12, 2), 2.0, np.float32)
    flow_map[:, :6] = np.nan  # the left half
    for seed in range(8):
        view = seen(flow_map, 48, 48, 12, seed=seed, shift=0.1)
        known = np.isfinite(view[0])
        np.testing.assert_allclose(view[:, known], 2, atol=1e-5)
        x, y = shift_of(seed)
        columns = np.arange(12) * 4 + 1.5 - x
        rows = np.arange(12) * 4 + 1.5 - y
        inside = (rows > -0.5) & (rows < 47.5)
        expected = inside[:, None] & ((columns > 23.5) & (columns < 47.5))[None]
        assert np.array_equal(known, expected)
    assert np.isnan(seen(np.full((12, 12, 2), np.nan, np.float32), 48, 40, 5, rotation=10)).all()


def shift_of(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rng.uniform(0, 0), rng.uniform(0, 0)  # turn and scale
    return rng.uniform(-0.1, 0.1, 2) * 48


def test_a_cropped_view_is_the_middle_as_networks_see_it() -> None:
    """Picture, landmarks and flow of the middle 40 of 50 pixels."""
    image = np.random.default_rng(2).integers(0, 256, (50, 50, 3), np.uint8)
    motion = np.array([[1.1, 0.1, 1.0], [-0.2, 0.9, 2.0]])
    flow_map = affine_flow(cell_centres(50, 25), motion).astype(np.float32)
    view = resize(image, POINTS, 40, crop=0.8, flow=flow_map, flow_side=20)
    sees = NetworkConfig(input_size=40, crop=0.8)
    expected, points = network_input(image[None], POINTS[None], sees, torch.device("cpu"))
    assert np.array_equal(view.image, (expected[0] * 255).round().permute(1, 2, 0).numpy().astype(np.uint8))
    np.testing.assert_allclose(view.landmarks, points[0].numpy(), atol=1e-5)
    assert view.flow is not None
    np.testing.assert_allclose(view.flow, affine_flow(cell_centres(40, 20) + 5, motion).transpose(2, 0, 1), atol=1e-4)
    unmoved = AugmentationConfig(**UNMOVED, **STILL)
    random = augment(image, POINTS, 40, unmoved, np.random.default_rng(0), crop=0.8, flow=flow_map, flow_side=20)
    assert np.array_equal(random.image, view.image)
    np.testing.assert_allclose(random.landmarks, view.landmarks, atol=1e-4)
    np.testing.assert_allclose(random.flow, view.flow, atol=1e-4)


def stream(stores: list[Store], threads: int, flow_side: int | None = 4) -> FaceStream:
    occurrence = np.concatenate([store.occurrence() for store in stores])
    intensity = np.concatenate([store.intensity() for store in stores])
    loader = FaceLoader(stores, occurrence, intensity, 32, AugmentationConfig(), seed=4, flow_side=flow_side)
    return FaceStream(loader, RowStream(np.arange(len(occurrence)), 12, 4), ThreadPoolExecutor(threads))


def test_batches_have_flow_whatever_the_threads(flowing: Store, store: Store) -> None:
    alone, together, without = (stream([store, flowing], *how) for how in ((1,), (4,), (2, None)))
    frames = np.concatenate([store.numbers("frame"), flowing.numbers("frame")])
    for _ in range(9):
        first, second, bare = alone.draw(), together.draw(), without.draw()
        assert first.flow is not None
        assert second.flow is not None
        assert first.flow.shape == (12, 2, 4, 4)
        assert first.flow.dtype == torch.float32
        assert torch.equal(torch.nan_to_num(first.flow, 1e6), torch.nan_to_num(second.flow, 1e6))
        some = torch.isfinite(first.flow).any(dim=3).any(dim=2).any(dim=1).numpy()
        rows = first.row.numpy()
        assert np.array_equal(some, (rows >= len(store)) & (frames[rows] < 9))
        assert bare.flow is None
        assert torch.equal(bare.image, first.image)
        assert bare.to("cpu").flow is None
        assert first.to("cpu").flow is not None
