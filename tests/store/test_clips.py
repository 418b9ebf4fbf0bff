"""Windows of frames: never another clip's, subject's or face's frame; batches of clips."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from made_stores import build_store
from sparsefacs.data.augmentation import AugmentationConfig, augment
from sparsefacs.data.batches import FaceLoader, FaceStream, RowStream
from sparsefacs.data.clips import ClipLoader, Tracks
from sparsefacs.data.store import Store

TRACKS = [(subject, clip, face) for subject in "ab" for clip in "xy" for face in (0, 1)]


class Columns:
    """As much of a store as tracks are made of."""

    def __init__(self, rows: list[tuple[str, str, int, int]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def strings(self, name: str) -> np.ndarray:
        return np.array([row[("subject", "clip").index(name)] for row in self._rows], dtype=np.str_)

    def numbers(self, name: str) -> np.ndarray:
        return np.array([row[2 + ("face", "frame").index(name)] for row in self._rows])


def slow_window(rows: list[tuple[str, str, int, int]], row: int, length: int, key: int, every: int) -> list[int]:
    """The window row by row: walk from frame to frame while the distance is the track's commonest or less."""
    track = sorted((i for i, each in enumerate(rows) if each[:3] == rows[row][:3]), key=lambda i: rows[i][3])
    steps = [rows[b][3] - rows[a][3] for a, b in pairwise(track)]
    usual = min(sorted(set(steps)), key=lambda step: (-steps.count(step), step)) if steps else 0
    at = track.index(row)
    first = last = at
    while first > 0 and steps[first - 1] <= usual:
        first -= 1
    while last < len(track) - 1 and steps[last] <= usual:
        last += 1
    return [track[min(max(at + every * (place - key), first), last)] for place in range(length)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_windows_equal_a_slow_walk(data: st.DataObject) -> None:
    rows = []
    for track in data.draw(st.lists(st.sampled_from(TRACKS), min_size=1, max_size=4, unique=True)):
        steps = data.draw(st.lists(st.sampled_from([1, 1, 1, 2, 5]), max_size=10))
        rows += [(*track, 3 + sum(steps[:frame])) for frame in range(len(steps) + 1)]
    rows = data.draw(st.permutations(rows))
    length = data.draw(st.integers(1, 5))
    key = data.draw(st.integers(0, length - 1))
    every = data.draw(st.integers(1, 3))
    cut = data.draw(st.integers(0, len(rows)))
    stores = [Columns(part) for part in (rows[:cut], rows[cut:]) if part]
    tracks = Tracks(stores)  # type: ignore[arg-type]
    found = tracks.windows(np.arange(len(rows)), length, key, every)
    for row in range(len(rows)):
        own, start = (rows[:cut], 0) if row < cut else (rows[cut:], cut)
        assert found[row].tolist() == [start + each for each in slow_window(own, row - start, length, key, every)]


def test_a_gap_and_another_face_end_a_run() -> None:
    rows = [("s", "c", face, frame) for face in (0, 1) for frame in (0, 1, 2, 5, 6)]
    tracks = Tracks([Columns(rows)])  # type: ignore[list-item]
    assert tracks.windows(np.array([2]), 5, 2).tolist() == [[0, 1, 2, 2, 2]]
    assert tracks.windows(np.array([3]), 5, 2).tolist() == [[3, 3, 3, 4, 4]]
    assert tracks.windows(np.array([5]), 3, 1).tolist() == [[5, 5, 6]]


def test_every_tenth_frame_makes_clips_too() -> None:
    rows = [("s", "c", 0, 10 * frame) for frame in range(5)]
    assert Tracks([Columns(rows)]).windows(np.array([2]), 3, 1).tolist() == [[1, 2, 3]]  # type: ignore[list-item]


def test_clips_without_a_label_hold_none_at_any_key() -> None:
    rows = [("s", clip, 0, frame) for clip in "ab" for frame in range(9)]
    tracks = Tracks([Columns(rows)])  # type: ignore[list-item]
    free = tracks.away_from(np.arange(len(rows)), np.array([4]), 3)
    assert free.tolist() == [0, 1, 7, 8, *range(9, 18)]
    for key in range(3):
        assert not (tracks.windows(free, 3, key) == 4).any()


@pytest.fixture
def moving(tmp_path: Path) -> Store:
    return build_store(tmp_path / "moving", subjects=3, frames=7)


def test_a_view_is_drawn_whatever_the_picture_shows() -> None:
    """Else frames of a clip would drift apart after the first draw that a picture decides."""
    rng = np.random.default_rng(0)
    pictures = [np.zeros((32, 32, 3), np.uint8), rng.integers(0, 256, (32, 32, 3), np.uint8)]
    points = rng.uniform(0, 32, (68, 2)).astype(np.float32)
    config = AugmentationConfig(rotation=45, hue=20, blur=0.5, grey=0.5)
    for seed in range(20):
        draws = [np.random.default_rng(seed) for _ in pictures]
        views = [augment(each, points, 24, config, draw) for each, draw in zip(pictures, draws, strict=True)]
        assert draws[0].bit_generator.state == draws[1].bit_generator.state
        assert np.array_equal(views[0].landmarks, views[1].landmarks)


def loader(store: Store, augmentation: AugmentationConfig | None) -> ClipLoader:
    faces = FaceLoader([store], store.occurrence(), store.intensity(), 24, augmentation, seed=3)
    return ClipLoader(faces, Tracks([store]), 3)


def test_the_key_place_moves_from_batch_to_batch(moving: Store) -> None:
    clips = loader(moving, None)
    rows = np.array([3, 10])
    for draw in range(4):
        batch = clips.load(rows, draw)
        assert (batch.length, batch.key) == (3, draw % 3)
        assert batch.row.view(2, 3)[:, draw % 3].tolist() == rows.tolist()
        assert torch.equal(batch.occurrence, torch.from_numpy(moving.occurrence()[batch.row].astype(np.float32)))


def test_all_frames_of_a_clip_are_augmented_alike(tmp_path: Path) -> None:
    """In a clip that stands still all views are one; another clip's view is another."""
    store = build_store(tmp_path / "one", subjects=2, frames=1)
    view = AugmentationConfig(rotation=45, noise=9, blur=0.5, grey=0.5, hue=20)
    batch = loader(store, view).load(np.array([0, 1]), draw=5)
    clips = batch.image.view(2, 3, *batch.image.shape[1:])
    assert torch.equal(clips[0, 0], clips[0, 1]) and torch.equal(clips[0, 0], clips[0, 2])
    again = loader(store, view).load(np.array([0, 0]), draw=5).image.view(2, 3, *batch.image.shape[1:])
    assert not torch.equal(again[0], again[1])


def test_threads_and_processes_change_no_batch(moving: Store) -> None:
    rows = RowStream(np.arange(len(moving)), 4, 1)

    def drawn(threads: int, rank: int, world: int) -> torch.Tensor:
        with ThreadPoolExecutor(threads) as pool:
            stream = FaceStream(loader(moving, AugmentationConfig()), rows, pool, rank, world)
            images = torch.stack([stream.draw().image for _ in range(3)])
        assert stream.faces() == 3 * 4 * 3
        return images

    whole = drawn(1, 0, 1)
    assert torch.equal(whole, drawn(3, 0, 1))
    assert torch.equal(whole, torch.cat([drawn(1, rank, 2) for rank in (0, 1)], dim=1))


def test_key_frames_come_once_more_in_a_view_of_their_own(tmp_path: Path) -> None:
    """Knowledge-Spreader's teacher and students must see different pictures, whatever the number of processes."""
    store, own = build_store(tmp_path / "films", subjects=2, frames=6), 3
    loaders = [
        FaceLoader([store], store.occurrence(), store.intensity(), 32, AugmentationConfig(), seed) for seed in (1, 7)
    ]
    clips, rows = ClipLoader(loaders[0], Tracks([store]), own, loaders[1]), np.array([1, 8, 4])
    batch = clips.load(rows, 4)
    assert batch.key == 1 and batch.key_image is not None and batch.key_image.shape == (3, 3, 32, 32)
    keys = batch.image.view(3, own, 3, 32, 32)[:, batch.key]
    assert all(not torch.equal(one, other) for one, other in zip(batch.key_image, keys, strict=True))
    assert torch.equal(batch.key_image, loaders[1].load(rows, 4).image)
    second = clips.load(rows[2:], 4, first=2)
    assert second.key_image is not None and torch.equal(second.key_image, batch.key_image[2:])
    assert ClipLoader(loaders[0], Tracks([store]), own).load(rows, 4).key_image is None
