"""Coding within clips: every face once through the backbone, the right neighbours, order and memory kept."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from made_stores import build_store
from sparsefacs.data.clips import Tracks
from sparsefacs.data.joined import AnyStore, JoinedStore
from sparsefacs.engine.coding import AT_ONCE, RowCoder
from sparsefacs.engine.selection import Selector
from sparsefacs.faces.alignment import FaceRecipe
from sparsefacs.faces.tracking import TrackedFace
from sparsefacs.inference.batching import NETWORK_BATCH
from sparsefacs.inference.clips import decode_frames
from sparsefacs.inference.codes import CodedFrame
from sparsefacs.inference.evaluation import code_store
from sparsefacs.inference.frames import Closed, FoundFrame, Opened
from sparsefacs.inference.network_model import NetworkCoder
from sparsefacs.inference.stages import encode_frames
from sparsefacs.methods.contract import Setting
from sparsefacs.networks.config import NetworkConfig
from sparsefacs.networks.evidence import Evident

LENGTH, KEY = 5, 2
WEIGHTS = np.array([1, 10, 100, 1000, 10000], np.float64)


class ClipCoder:
    """Codes are a number in which each place of the window has a digit of its own."""

    aus, task, limits, clip, known, person = (12,), "occurrence", (0.5,), (LENGTH, KEY), 0, False
    further: tuple[str, ...] = ()
    recipe = FaceRecipe(size=32)

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, faces_BHWC: np.ndarray, landmarks_BPC: np.ndarray, vectors_BW: Any = None) -> np.ndarray:
        assert len(faces_BHWC) == 16
        self.encoded += len(np.unique(landmarks_BPC[:, 0, 0]))
        return faces_BHWC[:, :1, 0, 0].astype(np.float32)

    def decode(self, features_BLE: np.ndarray, references_BR: Any = None) -> np.ndarray:
        assert len(features_BLE) == 16
        return (features_BLE[..., 0] @ WEIGHTS)[:, None].astype(np.float32)


def code_frames(items: Iterator[Opened | FoundFrame | Closed], coder: Any, batch_size: int) -> Any:
    return decode_frames(encode_frames(items, coder, batch_size), coder, batch_size)


def frame(source: Any, index: int, values: dict[int, int]) -> FoundFrame:
    """A frame in which face i is a square of brightness values[i]."""
    points, box = np.zeros((68, 2), np.float32), np.array([0, 0, 1, 1], np.float32)
    faces = tuple(TrackedFace(i, points, box, 1.0) for i in values)
    squares = [np.full((32, 32, 3), value, np.uint8) for value in values.values()]
    cut = [np.full((68, 2), index * 10 + i, np.float32) for i in values]
    aligned = np.stack(squares) if squares else np.empty((0, 32, 32, 3), np.uint8)
    landmarks = np.stack(cut) if cut else np.empty((0, 68, 2), np.float32)
    return FoundFrame(source, index, index / 25, faces, aligned, landmarks, (), None)


def slow(track: dict[int, int], index: int) -> float:
    """The code of one face in frame `index` of {frame: brightness}, walking outwards."""
    first = last = index
    while first - 1 in track:
        first -= 1
    while last + 1 in track:
        last += 1
    return float(sum(w * track[min(max(index + place - KEY, first), last)] for place, w in enumerate(WEIGHTS)))


def test_a_frame_that_cannot_be_read_ends_a_run() -> None:
    """Frames 3 and 5 are not neighbours, though nothing came between them."""
    source, track = SimpleNamespace(name="damaged.mp4", subject=None), {0: 1, 1: 2, 2: 3, 3: 4, 5: 5, 6: 6, 7: 7}
    items = [Opened(source, 25.0), *(frame(source, index, {0: value}) for index, value in track.items())]  # type: ignore[arg-type]
    coded = code_frames(iter([*items, Closed(source, damaged=((4, "broken"),))]), ClipCoder(), 16)  # type: ignore[arg-type]
    found = {item.index: float(item.faces[0].codes[0]) for item in coded if isinstance(item, CodedFrame)}
    assert found == {index: slow(track, index) for index in track}


@pytest.mark.parametrize("batch_size", [1, 16, 40, 200])
def test_videos_are_coded_as_one_window_after_the_other(batch_size: int) -> None:
    rng = np.random.default_rng(0)
    films = []
    for name, frames in (("a.mp4", 90), ("photo.png", 1), ("b.mp4", 3), ("empty.mp4", 0)):
        source = SimpleNamespace(name=name, subject=None)
        tracks: list[dict[int, int]] = [{}, {}]
        for face, track in enumerate(tracks):
            for index in range(frames):
                if frames == 1 or rng.random() > 0.1 * (face + 1):
                    track[index] = int(rng.integers(1, 10))
        films.append((source, frames, tracks))

    def items() -> Iterator[Opened | FoundFrame | Closed]:
        for source, frames, tracks in films:
            yield Opened(source, 25.0)  # type: ignore[arg-type]
            for index in range(frames):
                yield frame(source, index, {f: track[index] for f, track in enumerate(tracks) if index in track})
            yield Closed(source)  # type: ignore[arg-type]

    coder = ClipCoder()
    coded = list(code_frames(items(), coder, batch_size))
    assert [type(item) for item in coded] == [{FoundFrame: CodedFrame}.get(type(item), type(item)) for item in items()]
    found = iter(item for item in coded if isinstance(item, CodedFrame))
    for source, frames, tracks in films:
        for index in range(frames):
            one = next(found)
            assert (one.source, one.index) == (source.name, index)
            for face in one.faces:
                assert float(face.codes[0]) == slow(tracks[face.face_id], index)


def test_a_face_goes_through_the_backbone_once_and_frames_do_not_pile_up() -> None:
    source, taken, given = SimpleNamespace(name="long.mp4", subject=None), 0, 0

    def items() -> Iterator[Opened | FoundFrame | Closed]:
        nonlocal given
        yield Opened(source, 25.0)  # type: ignore[arg-type]
        for index in range(400):
            given += 1
            yield frame(source, index, {0: index % 9})
        yield Closed(source)  # type: ignore[arg-type]

    coder, waiting = ClipCoder(), []
    for item in code_frames(items(), coder, 16):
        if isinstance(item, CodedFrame):
            taken += 1
            waiting.append(given - taken)
    assert coder.encoded == taken == 400
    assert max(waiting) < 2 * 16 + LENGTH


class ClipNetwork(Evident):
    """Features: brightness; a window's logit: a weighted sum, in which each place shows."""

    clip_length, key, evidence = LENGTH, KEY, None

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor([0.5, -1.0, 2.0, 3.0, -0.25]))
        self.seen = self.most = 0

    def frame_features(self, image: torch.Tensor, landmarks: Any, vector: Any = None) -> torch.Tensor:
        self.seen += len(image)
        self.most = max(self.most, len(image))
        return image.mean(dim=(1, 2, 3))[:, None]

    def from_windows(self, features_BLE: torch.Tensor, reference: Any = None) -> torch.Tensor:
        return (features_BLE[..., 0] @ self.weights)[:, None]


def test_stores_are_coded_by_window_and_each_row_once(tmp_path: Path) -> None:
    store = build_store(tmp_path / "store", subjects=4, frames=9, aus=(12,))
    network = ClipNetwork()
    selector = Selector(
        setting=Setting("occurrence", (12,), NetworkConfig(input_size=32)),
        coder=RowCoder((store,)),
        rows=np.array([20, 3, 4, 35, 0]),
        subject_M=np.array(list("abcde")),
        truth_MA=np.zeros((5, 1)),
        steps=frozenset({1}),
    )
    coded = selector._coded(network)
    tracks = Tracks([store])
    bright = np.array([store.image(row).mean() / 255 for row in range(len(store))])
    windows = tracks.windows(selector.rows, LENGTH, KEY)
    wanted = 1 / (1 + np.exp(-(bright[windows] @ network.weights.detach().numpy())))
    np.testing.assert_allclose(coded[:, 0], wanted, rtol=1e-5)
    assert network.seen == len(np.unique(windows))

    np.testing.assert_allclose(code_store(coder_of(network, store), store, selector.rows)[:, 0], wanted, rtol=1e-5)


def coder_of(network: nn.Module, store: AnyStore) -> NetworkCoder:
    coder = NetworkCoder.__new__(NetworkCoder)
    coder.aus, coder.task, coder.recipe, coder.limits = (12,), "occurrence", FaceRecipe(**store.info.recipe), (0.5,)
    coder.sees, coder.network = NetworkConfig(input_size=32), network.eval()
    return coder


def test_joined_stores_and_scattered_rows_are_coded_in_small_batches(tmp_path: Path) -> None:
    """Namesakes of two stores share no window; the network never meets more faces than a check or a call may hold."""
    parts = [build_store(tmp_path / name, subjects=2, frames=220, aus=(12,), seed=n) for n, name in enumerate("ab")]
    store, network = JoinedStore(parts), ClipNetwork()
    rows = np.random.default_rng(1).permutation(len(store))[:800]
    bright = np.array([store.image(row).mean() / 255 for row in range(len(store))])
    subject = store.strings("subject")
    windows = np.array(
        [[min(max(row + place - KEY, row // 220 * 220), row // 220 * 220 + 219) for place in range(5)] for row in rows]
    )
    assert (subject[windows] == subject[rows, None]).all()
    wanted = 1 / (1 + np.exp(-(bright[windows] @ network.weights.detach().numpy())))
    np.testing.assert_allclose(code_store(coder_of(network, store), store, rows)[:, 0], wanted, rtol=1e-5)
    assert network.most == NETWORK_BATCH
    network.seen = 0
    selector = Selector(
        setting=Setting("occurrence", (12,), NetworkConfig(input_size=32)),
        coder=RowCoder(store.parts),
        rows=rows,
        subject_M=subject[rows],
        truth_MA=np.zeros((len(rows), 1)),
        steps=frozenset({1}),
    )
    np.testing.assert_allclose(selector._coded(network)[:, 0], wanted, rtol=1e-5)
    assert network.most == AT_ONCE
    assert network.seen == len(np.unique(windows))
