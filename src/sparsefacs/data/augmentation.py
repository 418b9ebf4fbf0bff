"""Random views of an aligned face: one affine map (crop, turn, scale, flip) that moves image, landmarks and optical
flow alike, then colour, blur and noise. Every draw comes from a generator that the caller seeds, so that threads
cannot change it.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ..errors import InputError
from ..facs.landmarks import MIRROR_68
from .rand_augment import LARGEST, rand_augment

Fraction = Annotated[float, Field(ge=0, le=1)]


class AugmentationConfig(BaseModel):
    """How far training views may differ from the stored face; 0 turns a change off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    flip: Fraction = Field(0.5, description="chance of a horizontal flip")
    shift: Fraction = Field(0.04, description="largest shift, as a fraction of the side")
    rotation: float = Field(8.0, ge=0, le=180, description="largest turn, degrees")
    scale: Fraction = Field(0.08, description="largest relative change of size")
    crop: Annotated[float, Field(ge=0.01, le=1)] = Field(
        1.0, description="smallest share of the area that a random crop keeps; 1 = no crop"
    )
    aspect: Annotated[float, Field(ge=1, le=4)] = Field(
        1.0, description="longest crop, its long side by its short one; 1 = square crops"
    )
    recolour: Fraction = Field(1.0, description="chance that brightness, contrast, saturation, tint and hue change")
    brightness: Fraction = 0.25
    contrast: Fraction = 0.25
    saturation: Fraction = 0.3
    tint: Fraction = Field(0.08, description="largest relative gain of one colour channel")
    hue: float = Field(0.0, ge=0, le=180, description="largest turn of the hue, degrees")
    grey: Fraction = Field(0.1, description="chance of a grey image")
    blur: Fraction = Field(0.2, description="chance of a blur (sigma up to 1 % of the side)")
    noise: float = Field(6.0, ge=0, description="largest standard deviation of pixel noise, of 255")
    rand_augment: float = Field(0.0, ge=0, le=LARGEST, description="magnitude of RandAugment, 0 = off")
    rand_augment_spread: float = Field(0.5, ge=0, description="standard deviation of that magnitude")


@dataclass(frozen=True)
class View:
    """A view of a face: image (S, S, 3) uint8; landmarks (68, 2) float32, pixels of it; flow (2, h, h) float32, x and y
    displacement in pixels of it, NaN where unknown (None where it was not asked for); flipped: left is right in it.
    """

    image: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    flow: NDArray[np.float32] | None = None
    flipped: bool = False


def _similarity(
    size: int, kept: int, out: int, config: AugmentationConfig, rng: np.random.Generator
) -> tuple[NDArray[np.float64], bool]:
    """Return the (2, 3) matrix from stored pixels to view pixels and whether it flips; `kept` of `size` fill `out`."""
    angle = np.deg2rad(rng.uniform(-config.rotation, config.rotation))
    zoom = (out / kept) * (1 + rng.uniform(-config.scale, config.scale))
    shift = rng.uniform(-config.shift, config.shift, 2) * out
    flipped = bool(rng.random() < config.flip)
    cosine, sine = zoom * np.cos(angle), zoom * np.sin(angle)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    if flipped:
        linear = linear @ np.diag([-1.0, 1.0])
    centre_in, centre_out = (size - 1) / 2, (out - 1) / 2
    seen = np.array([centre_in, centre_in])
    if config.crop < 1:
        sides = np.full(2, np.sqrt(rng.uniform(config.crop, 1)))  # across and down, of the whole
        if config.aspect > 1:
            longer = np.sqrt(config.aspect) ** rng.uniform(-1, 1)
            sides = np.minimum(sides * [longer, 1 / longer], 1)
        seen += rng.uniform(-0.5, 0.5, 2) * (1 - sides) * kept
        linear = linear / sides
    offset = centre_out + shift - linear @ seen
    return np.hstack([linear, offset[:, None]]), flipped


def _recolour(view: NDArray[np.float32], config: AugmentationConfig, rng: np.random.Generator) -> NDArray[np.float32]:
    recoloured = config.recolour >= 1 or rng.random() < config.recolour
    draws = rng.uniform(-1, 1, 6) * recoloured
    luma = np.array([0.299, 0.587, 0.114], np.float32)
    lit = view * np.float32(1 + config.brightness * draws[0])
    middle = lit.mean()
    lit = (lit - middle) * np.float32(1 + config.contrast * draws[1]) + middle
    grey = (lit @ luma)[..., None]
    keep = 0.0 if rng.random() < config.grey else 1 + config.saturation * draws[2]
    coloured = grey + (lit - grey) * np.float32(keep)
    if config.hue > 0:
        coloured = coloured @ _hue_turn(float(rng.uniform(-config.hue, config.hue)) * recoloured)
    return np.asarray(coloured * (1 + config.tint * draws[3:]), np.float32)


def _hue_turn(degrees: float) -> NDArray[np.float32]:
    """Return the (3, 3) matrix by which RGB rows turn round the grey axis of YIQ, luma kept."""
    to_yiq = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    turn = np.deg2rad(degrees)
    turned = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]])
    return np.asarray((np.linalg.inv(to_yiq) @ turned @ to_yiq).T, np.float32)


def check_flow(config: AugmentationConfig, flow_side: int | None) -> None:
    """Raise InputError where flow maps of side `flow_side` (None: none) would not move with the face."""
    if flow_side is not None and config.rand_augment > 0:
        raise InputError(
            "RandAugment moves faces in ways that optical flow does not follow",
            remedy="Set data.augmentation.rand_augment=0 (and data.strong's), or leave the flow task out",
        )


def augment(
    image: NDArray[np.uint8],
    landmarks: NDArray[np.float32],
    out: int,
    config: AugmentationConfig,
    rng: np.random.Generator,
    *,
    crop: float = 1.0,
    flow: NDArray[np.float32] | None = None,
    flow_side: int | None = None,
) -> View:
    """Return one random view, `out` pixels a side, of a square face (S, S, 3) with its landmarks (68, 2).

    crop: share of the face's side that fills the view. flow: (h, h, 2), x and y displacement in pixels of the face,
    NaN unknown, to be given as (2, flow_side, flow_side). Raises InputError for RandAugment of a face with flow.
    """
    import cv2

    check_flow(config, flow_side if flow is not None else None)
    size = image.shape[0]
    matrix, flipped = _similarity(size, round(size * crop), out, config, rng)
    view = cv2.warpAffine(image, matrix, (out, out), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    points: NDArray[np.floating[Any]] = landmarks @ matrix[:, :2].T + matrix[:, 2]
    if flipped:
        points = points[MIRROR_68]
    if config.rand_augment > 0:
        view, points = rand_augment(view, points, config.rand_augment, config.rand_augment_spread, rng)
    blurred = rng.random() < config.blur
    sigma = rng.uniform(0.2, 0.01 * out + 0.2)
    if blurred:
        view = cv2.GaussianBlur(view, (0, 0), sigma)
    coloured = _recolour(view.astype(np.float32), config, rng)
    deviation = rng.uniform(0, config.noise)
    if config.noise > 0:
        coloured += rng.standard_normal(coloured.shape, dtype=np.float32) * np.float32(deviation)
    final = np.clip(np.rint(coloured), 0, 255).astype(np.uint8)
    return View(final, points.astype(np.float32), _moved_flow(flow, size, matrix, out, flow_side), flipped)


def resize(
    image: NDArray[np.uint8],
    landmarks: NDArray[np.float32],
    out: int,
    *,
    crop: float = 1.0,
    flow: NDArray[np.float32] | None = None,
    flow_side: int | None = None,
) -> View:
    """Return the face, or its middle where `crop` is below 1, at `out` pixels a side; arguments as of `augment`."""
    import cv2

    size = image.shape[0]
    kept = round(size * crop)
    first, zoom = (size - kept) // 2, out / kept
    seen = image[first : first + kept, first : first + kept]
    points = landmarks - first
    if kept != out:
        method = cv2.INTER_AREA if out < kept else cv2.INTER_LINEAR
        seen = np.asarray(cv2.resize(seen, (out, out), interpolation=method), np.uint8)
        points = (points + 0.5) * zoom - 0.5
    offset = (0.5 - first) * zoom - 0.5
    matrix = np.array([[zoom, 0, offset], [0, zoom, offset]])
    return View(seen, points.astype(np.float32), _moved_flow(flow, size, matrix, out, flow_side))


def _moved_flow(
    flow: NDArray[np.float32] | None, size: int, matrix: NDArray[np.float64], out: int, side: int | None
) -> NDArray[np.float32] | None:
    """Return flow (h, h, 2) of a face of `size` pixels as that of the view that `matrix` makes, (2, side, side).

    Each cell of the view is the mean of known samples, about as dense as the face's own cells; where more than half of
    them are unknown it is NaN.
    """
    if flow is None or side is None:
        return None
    linear, cells = matrix[:, :2], flow.shape[0]
    zoom = np.sqrt(abs(np.linalg.det(linear)))
    dense = max(1, int(np.ceil(out / side / (zoom * size / cells) - 1e-6)))  # samples along a cell of the view
    along = (np.arange(side * dense) + 0.5) * (out / (side * dense)) - 0.5
    there = np.stack(np.meshgrid(along, along), axis=-1)
    here = (there - matrix[:, 2]) @ np.linalg.inv(linear).T
    sampled, known = _sampled(flow, (here + 0.5) * (cells / size) - 0.5)
    by_cell = (side, dense, side, dense)
    total = (sampled * known[..., None]).reshape(*by_cell, 2).sum(axis=(1, 3))
    count = known.reshape(by_cell).sum(axis=(1, 3))[..., None]
    mean = np.where(2 * count >= dense**2, total / np.maximum(count, 1), np.nan)
    return np.ascontiguousarray((mean @ linear.T).transpose(2, 0, 1), np.float32)


def _sampled(flow: NDArray[np.float32], at: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return flow (h, h, 2) at places `at` (..., 2), x and y in cells, and where it is known: inside, by half or more.

    Bilinear among known cells only.
    """
    last = flow.shape[0] - 1
    inside = ((at > -0.5 - 1e-6) & (at < last + 0.5 + 1e-6)).all(axis=-1)
    at = np.clip(at, 0, last)
    low = np.minimum(at.astype(int), max(last - 1, 0))
    high, share = np.minimum(low + 1, last), at - low
    known = np.asarray(np.isfinite(flow).all(axis=-1))
    filled = np.where(known[..., None], flow, 0.0)
    total, weight = np.zeros(at.shape), np.zeros(at.shape[:-1])
    for x, along_x in ((low[..., 0], 1 - share[..., 0]), (high[..., 0], share[..., 0])):
        for y, along_y in ((low[..., 1], 1 - share[..., 1]), (high[..., 1], share[..., 1])):
            part = along_x * along_y * known[y, x]
            total += part[..., None] * filled[y, x]
            weight += part
    return total / np.maximum(weight, 1e-9)[..., None], inside & (weight >= 0.5 - 1e-6)
