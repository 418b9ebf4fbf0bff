"""RandAugment as the public MAE fine-tunes with: timm's `rand-m9-mstd0.5-inc1`, drawn from a given generator alone.

Cubuk, Zoph, Shlens, Le: RandAugment: Practical automated data augmentation with a reduced search space, 2020; the
fifteen operations whose strength grows with the magnitude are those of `timm.data.auto_augment`.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST = 10.0
"""The magnitude at which an operation is strongest."""
_FILL = (124, 116, 104)  # ImageNet's mean colour, in what an operation leaves empty
_CHANCE, _OPERATIONS_A_FACE = 0.5, 2

# each: (image, strength 0-1, direction -1 or 1) -> image
Operation = Callable[["Image", float, int], "Image"]
# each: (strength, direction, side) -> (2, 3) matrix from places of the result to those of the image, in pixels from
# the outer corner of the first one
Placing = Callable[[float, int, int], NDArray[np.float64]]


def _shear_x(strength: float, direction: int, side: int) -> NDArray[np.float64]:
    del side
    return np.array([[1, direction * strength * 0.3, 0], [0, 1, 0]])


def _shear_y(strength: float, direction: int, side: int) -> NDArray[np.float64]:
    del side
    return np.array([[1, 0, 0], [direction * strength * 0.3, 1, 0]])


def _shift_x(strength: float, direction: int, side: int) -> NDArray[np.float64]:
    return np.array([[1, 0, direction * strength * 0.45 * side], [0, 1, 0]])


def _shift_y(strength: float, direction: int, side: int) -> NDArray[np.float64]:
    return np.array([[1, 0, 0], [0, 1, direction * strength * 0.45 * side]])


def _turn(strength: float, direction: int, side: int) -> NDArray[np.float64]:
    angle, middle = -math.radians(direction * strength * 30), side / 2
    cosine, sine = round(math.cos(angle), 15), round(math.sin(angle), 15)
    linear = np.array([[cosine, sine], [-sine, cosine]])
    return np.hstack([linear, (middle - linear @ [middle, middle])[:, None]])


def _auto_contrast(image: "Image", strength: float, direction: int) -> "Image":
    from PIL import ImageOps

    del strength, direction
    return ImageOps.autocontrast(image)


def _equalise(image: "Image", strength: float, direction: int) -> "Image":
    from PIL import ImageOps

    del strength, direction
    return ImageOps.equalize(image)


def _invert(image: "Image", strength: float, direction: int) -> "Image":
    from PIL import ImageOps

    del strength, direction
    return ImageOps.invert(image)


def _posterise(image: "Image", strength: float, direction: int) -> "Image":
    del direction
    dropped = 4 + int(strength * 4)  # of 8 bits; at full strength all, which Pillow's own function refuses
    return image.point([value >> dropped << dropped for value in range(256)] * 3)


def _solarise(image: "Image", strength: float, direction: int) -> "Image":
    from PIL import ImageOps

    del direction
    return ImageOps.solarize(image, 256 - min(256, int(strength * 256)))


def _solarise_add(image: "Image", strength: float, direction: int) -> "Image":
    del direction
    more = min(128, int(strength * 110))
    return image.point([min(255, value + more) if value < 128 else value for value in range(256)] * 3)


def _enhanced(kind: str) -> Operation:
    def operation(image: "Image", strength: float, direction: int) -> "Image":
        from PIL import ImageEnhance

        changed: Image = getattr(ImageEnhance, kind)(image).enhance(max(0.1, 1 + direction * strength * 0.9))
        return changed

    return operation


PLACINGS: dict[str, Placing] = {
    "rotate": _turn,
    "shear-x": _shear_x,
    "shear-y": _shear_y,
    "shift-x": _shift_x,
    "shift-y": _shift_y,
}
"""Operations that move the face, and its landmarks with it."""
COLOURINGS: dict[str, Operation] = {
    "auto-contrast": _auto_contrast,
    "equalise": _equalise,
    "invert": _invert,
    "posterise": _posterise,
    "solarise": _solarise,
    "solarise-add": _solarise_add,
    "colour": _enhanced("Color"),
    "contrast": _enhanced("Contrast"),
    "brightness": _enhanced("Brightness"),
    "sharpness": _enhanced("Sharpness"),
}
"""Operations that change colours alone."""
_NAMES = (*COLOURINGS, *PLACINGS)


def apply(
    name: str, image: NDArray[np.uint8], landmarks: NDArray[np.floating[Any]], level: float, direction: int
) -> tuple[NDArray[np.uint8], NDArray[np.floating[Any]]]:
    """Return what operation `name` makes of a square face (S, S, 3) and its landmarks (P, 2), pixels.

    level: 0–10, how strong; direction: −1 or 1, which way, where there are two.
    """
    from PIL import Image

    picture, strength = Image.fromarray(image), level / LARGEST
    if name in COLOURINGS:
        return np.array(COLOURINGS[name](picture, strength, direction)), landmarks
    matrix = PLACINGS[name](strength, direction, image.shape[0])
    moved = picture.transform(
        picture.size,
        Image.Transform.AFFINE,
        tuple(matrix.ravel().tolist()),
        resample=Image.Resampling.BICUBIC,
        fillcolor=_FILL,
    )
    return np.array(moved), (landmarks + 0.5 - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T - 0.5


def rand_augment(
    image: NDArray[np.uint8],
    landmarks: NDArray[np.floating[Any]],
    magnitude: float,
    spread: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.floating[Any]]]:
    """Return a square face (S, S, 3) and its landmarks (P, 2) after two operations, each left out half the time.

    magnitude, spread: mean and standard deviation of how strong an operation is, cut at 0 and 10.
    """
    for _ in range(_OPERATIONS_A_FACE):
        name = _NAMES[int(rng.integers(len(_NAMES)))]
        used, level = rng.random() < _CHANCE, float(np.clip(rng.normal(magnitude, spread), 0, LARGEST))
        direction = 1 if rng.random() < 0.5 else -1
        if used:
            image, landmarks = apply(name, image, landmarks, level, direction)
    return image, landmarks
