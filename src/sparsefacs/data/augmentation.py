"""Random views of an aligned face: one similarity (crop, turn, scale, flip) that moves image and landmarks alike,
then colour, blur and noise. Every draw comes from a generator the caller seeds, so threads cannot change it.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ..facs.landmarks import MIRROR_68

Fraction = Annotated[float, Field(ge=0, le=1)]


class AugmentationConfig(BaseModel):
    """How far training views may differ from the stored face; 0 turns a change off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    flip: Fraction = Field(0.5, description="chance of a horizontal flip")
    shift: Fraction = Field(0.04, description="largest shift, as a fraction of the side")
    rotation: float = Field(8.0, ge=0, le=180, description="largest turn, degrees")
    scale: Fraction = Field(0.08, description="largest relative change of size")
    brightness: Fraction = 0.25
    contrast: Fraction = 0.25
    saturation: Fraction = 0.3
    tint: Fraction = Field(0.08, description="largest relative gain of one colour channel")
    hue: float = Field(0.0, ge=0, le=180, description="largest turn of the hue, degrees")
    grey: Fraction = Field(0.1, description="chance of a grey image")
    blur: Fraction = Field(0.2, description="chance of a blur (sigma up to 1 % of the side)")
    noise: float = Field(6.0, ge=0, description="largest standard deviation of pixel noise, of 255")


def _similarity(
    size: int, out: int, config: AugmentationConfig, rng: np.random.Generator
) -> tuple[NDArray[np.float64], bool]:
    """Return the (2, 3) matrix from stored pixels to view pixels and whether it flips."""
    angle = np.deg2rad(rng.uniform(-config.rotation, config.rotation))
    zoom = (out / size) * (1 + rng.uniform(-config.scale, config.scale))
    shift = rng.uniform(-config.shift, config.shift, 2) * out
    flipped = bool(rng.random() < config.flip)
    cosine, sine = zoom * np.cos(angle), zoom * np.sin(angle)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    if flipped:
        linear = linear @ np.diag([-1.0, 1.0])
    centre_in, centre_out = (size - 1) / 2, (out - 1) / 2
    offset = centre_out + shift - linear @ np.array([centre_in, centre_in])
    return np.hstack([linear, offset[:, None]]), flipped


def _recolour(view: NDArray[np.float32], config: AugmentationConfig, rng: np.random.Generator) -> NDArray[np.float32]:
    draws = rng.uniform(-1, 1, 6)
    luma = np.array([0.299, 0.587, 0.114], np.float32)
    lit = view * np.float32(1 + config.brightness * draws[0])
    middle = lit.mean()
    lit = (lit - middle) * np.float32(1 + config.contrast * draws[1]) + middle
    grey = (lit @ luma)[..., None]
    keep = 0.0 if rng.random() < config.grey else 1 + config.saturation * draws[2]
    coloured = grey + (lit - grey) * np.float32(keep)
    if config.hue > 0:
        coloured = coloured @ _hue_turn(float(rng.uniform(-config.hue, config.hue)))
    return np.asarray(coloured * (1 + config.tint * draws[3:]), np.float32)


def _hue_turn(degrees: float) -> NDArray[np.float32]:
    """Return the (3, 3) matrix by which RGB rows turn round the grey axis of YIQ, luma kept."""
    to_yiq = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    turn = np.deg2rad(degrees)
    turned = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]])
    return np.asarray((np.linalg.inv(to_yiq) @ turned @ to_yiq).T, np.float32)


def augment(
    image: NDArray[np.uint8],
    landmarks: NDArray[np.float32],
    out: int,
    config: AugmentationConfig,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return one random view (out, out, 3) of a square face (S, S, 3) and its landmarks (68, 2), in view pixels."""
    import cv2

    matrix, flipped = _similarity(image.shape[0], out, config, rng)
    view = cv2.warpAffine(image, matrix, (out, out), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    points = landmarks @ matrix[:, :2].T + matrix[:, 2]
    if flipped:
        points = points[MIRROR_68]
    blurred = rng.random() < config.blur
    sigma = rng.uniform(0.2, 0.01 * out + 0.2)
    if blurred:
        view = cv2.GaussianBlur(view, (0, 0), sigma)
    coloured = _recolour(view.astype(np.float32), config, rng)
    deviation = rng.uniform(0, config.noise)
    if config.noise > 0:
        coloured += rng.standard_normal(coloured.shape, dtype=np.float32) * np.float32(deviation)
    return np.clip(np.rint(coloured), 0, 255).astype(np.uint8), points.astype(np.float32)


def resize(
    image: NDArray[np.uint8], landmarks: NDArray[np.float32], out: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the face and its landmarks at `out` pixels a side, otherwise unchanged."""
    import cv2

    size = image.shape[0]
    if size == out:
        return image, landmarks.astype(np.float32)
    method = cv2.INTER_AREA if out < size else cv2.INTER_LINEAR
    resized = cv2.resize(image, (out, out), interpolation=method)
    points = (landmarks + 0.5) * (out / size) - 0.5
    return resized, points.astype(np.float32)
