import numpy as np
import pytest

from sparsefacs.inference.batching import NETWORK_BATCH, code_faces, whole_batches


class SmallNetwork:
    aus = (1, 2, 4, 6, 12)

    def __init__(self):
        import timm
        import torch

        torch.manual_seed(3)
        self.network = timm.create_model("resnet18", num_classes=len(self.aus)).eval()
        self.seen = []

    def __call__(self, faces_BHWC, landmarks_BPC):
        import torch

        assert landmarks_BPC.shape == (len(faces_BHWC), 68, 2)

        self.seen.append(len(faces_BHWC))
        with torch.inference_mode():
            return self.network(torch.from_numpy(faces_BHWC).permute(0, 3, 1, 2).float() / 255).numpy()


@pytest.fixture(scope="module")
def network():
    return SmallNetwork()


@pytest.fixture(scope="module")
def faces():
    return np.random.default_rng(0).integers(0, 256, (20, 48, 48, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(1).uniform(0, 48, (20, 68, 2)).astype(np.float32)


def test_codes_are_bit_identical_in_any_company(network, faces, points):
    together = code_faces(network, faces, points)
    for size in (1, 7, 32):
        parts = [
            code_faces(network, faces[start : start + size], points[start : start + size])
            for start in range(0, 20, size)
        ]
        assert np.array_equal(np.concatenate(parts), together), size
    assert np.array_equal(code_faces(network, faces[3:9], points[3:9]), together[3:9])
    assert np.ptp(together, axis=0).min() > 1e-3  # the faces do differ


def test_every_call_is_of_one_size(network, faces, points):
    network.seen.clear()
    assert code_faces(network, faces, points).shape == (20, 5)
    assert set(network.seen) == {NETWORK_BATCH} and len(network.seen) == -(-20 // NETWORK_BATCH)


def test_no_faces_no_call(network, faces, points):
    network.seen.clear()
    assert code_faces(network, faces[:0], points[:0]).shape == (0, 5) and network.seen == []


@pytest.mark.parametrize(("given", "whole"), [(1, 1), (7, 1), (16, 1), (17, 2), (32, 2), (0, 1)])
def test_whole_batches(given, whole):
    assert whole_batches(given) == whole * NETWORK_BATCH
