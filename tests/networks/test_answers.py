"""What a network sees of a stored face."""

import numpy as np
import torch

from sparsefacs.networks.answers import network_input
from sparsefacs.networks.config import NetworkConfig

CPU = torch.device("cpu")


def test_a_crop_is_the_middle_of_the_face_pixel_by_pixel() -> None:
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (2, 200, 200, 3), dtype=np.uint8)
    points = rng.uniform(0, 200, (2, 68, 2)).astype(np.float32)
    image, landmarks = network_input(faces, points, NetworkConfig(input_size=192, crop=0.96), CPU)
    middle = torch.from_numpy(faces[:, 4:196, 4:196]).permute(0, 3, 1, 2).float() / 255
    torch.testing.assert_close(image, middle, rtol=0, atol=0)
    np.testing.assert_allclose(landmarks.numpy(), points - 4, atol=1e-5)


def test_a_crop_is_resized_with_its_landmarks() -> None:
    faces = np.zeros((1, 200, 200, 3), np.uint8)
    faces[0, 100:102, 60:62] = 255
    image, landmarks = network_input(
        faces, np.array([[[60.5, 100.5]] * 68], np.float32), NetworkConfig(input_size=96, crop=0.96), CPU
    )
    y, x = np.unravel_index(int(image[0, 0].argmax()), (96, 96))
    np.testing.assert_allclose(landmarks[0, 0].numpy(), [(60.5 - 4 + 0.5) / 2 - 0.5, (100.5 - 4 + 0.5) / 2 - 0.5])
    assert abs(landmarks[0, 0, 0] - x) <= 0.5 and abs(landmarks[0, 0, 1] - y) <= 0.5
