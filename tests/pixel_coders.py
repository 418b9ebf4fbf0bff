"""Stand-ins for trained networks that see pixels alone."""

import numpy as np

from sparsefacs.faces.alignment import FaceRecipe


class PixelCoder:
    """What coders of single faces that see pixels alone have in common; subclasses code aligned faces."""

    clip, known, person, further, lineage, settle = (1, 0), 0, False, (), (), None

    def encode(self, faces_BHWC, landmarks_BPC, vectors_BW=None):
        assert vectors_BW is None
        return self(faces_BHWC, landmarks_BPC)

    def decode(self, features_BLE, references_BR=None):
        assert features_BLE.shape[1] == 1 and references_BR is None
        return features_BLE[:, 0]


class BrightnessCoder(PixelCoder):
    """A stand-in for a trained network: each AU's probability grows with the brightness of one image row band."""

    aus = (1, 12, 25)
    recipe = FaceRecipe(size=64)
    limits = (0.4, 0.4, 0.4)

    def __init__(self, task="occurrence"):
        self.task = task

    def __call__(self, faces_BHWC, landmarks_BPC):
        top, mouth, whole = faces_BHWC[:, :20], faces_BHWC[:, 40:56], faces_BHWC
        codes = np.stack([part.mean(axis=(1, 2, 3)) / 255 for part in (top, mouth, whole)], axis=1)
        return (codes * (5 if self.task == "intensity" else 1)).astype(np.float32)
