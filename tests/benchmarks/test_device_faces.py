"""Faces kept and augmented on a device: the views that the program makes, up to rounding."""

import cv2
import numpy as np
import pytest
import torch
from test_benchmarks import FOLDER

from sparsefacs.data.augmentation import AugmentationConfig, _similarity, augment
from sparsefacs.data.batches import FaceLoader, RowStream
from sparsefacs.data.store import Store
from sparsefacs.engine.config import OptimiserConfig
from sparsefacs.engine.optimisers import make_optimisers

STILL = dict.fromkeys(("brightness", "contrast", "saturation", "tint", "grey", "blur", "noise"), 0)


def test_views_on_the_device_lie_where_the_program_s_do(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    from device_faces import moved, warped

    image, points = store.face(3)
    smooth = cv2.GaussianBlur(image, (0, 0), 2)
    for seed in range(6):
        config = AugmentationConfig(**STILL)
        matrix, flipped = _similarity(32, 32, 40, config, np.random.default_rng(seed))
        wanted = augment(smooth, points, 40, config, np.random.default_rng(seed))
        matrices = torch.from_numpy(matrix[None].astype(np.float32))
        seen = warped(torch.from_numpy(smooth).permute(2, 0, 1)[None], matrices, 40)[0].permute(1, 2, 0) * 255
        assert np.abs(seen.numpy() - wanted.image).max() < 2
        there = moved(torch.from_numpy(points)[None], matrices, torch.tensor([flipped]))
        np.testing.assert_allclose(there[0], wanted.landmarks, atol=1e-3)


def test_draws_are_of_the_loader_s_rows_and_labels(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    from device_faces import DeviceFaces

    labels, config = (store.occurrence(), store.intensity()), AugmentationConfig()
    loader = FaceLoader([store], *labels, 32, config, 1)
    rows = RowStream(np.arange(4, 20), 8, 0)
    faces = DeviceFaces(loader, RowStream(rows.rows, 8, 0), torch.device("cpu"))
    for draw in range(3):
        batch = faces.draw()
        assert batch.row.tolist() == rows.batch(draw).tolist()
        np.testing.assert_array_equal(batch.occurrence, labels[0][batch.row])
        assert batch.image.shape == (8, 3, 32, 32) and 0 <= batch.image.min() < batch.image.max() <= 1
    plain = DeviceFaces(FaceLoader([store], *labels, 32, None, 1), RowStream(np.arange(4), 4, 0), torch.device("cpu"))
    batch = plain.draw()
    np.testing.assert_allclose(batch.image[0].permute(1, 2, 0) * 255, store.image(int(batch.row[0])), atol=0.01)


def test_adam_is_fused_on_a_gpu_alone() -> None:
    weight = torch.nn.Parameter(torch.ones(3, 3))
    for name in ("adam", "adamw"):
        made = make_optimisers({"a": [weight]}, OptimiserConfig(name=name), 8)["a"]
        assert made.defaults["fused"] is None
