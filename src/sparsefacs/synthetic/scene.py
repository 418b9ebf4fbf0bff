"""What is around the face in one clip: camera, light, background, and what the camera does to the picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .appearance import USUAL, Appearance

F32 = NDArray[np.float32]
FRAME_WIDTH, FRAME_HEIGHT = 640, 480  # of the notional camera from which faces are cut


@dataclass(frozen=True)
class Scene:
    """One clip's surroundings.

    distance: camera to eyes, dm; focal: pixels; lights: (2, 6) key and fill, direction towards the light and linear
    RGB; sky, ground: ambient RGB; background: (480, 640, 3) linear; blur: px; noise: sd in grey levels; jpeg: quality
    of the first compression, 0 for none; contrast, colour: of the camera's tone curve (see `_toned`); whole_frame:
    blur, noise and compression are of the camera's picture, before the face is cut from it, not of the stored face.
    """

    distance: float
    focal: float
    centre: tuple[float, float]
    lights: F32
    sky: F32
    ground: F32
    background: F32
    exposure: float
    blur: float
    noise: float
    jpeg: int
    whole_frame: bool = False
    contrast: float = 1.0
    colour: float = 1.0

    @property
    def light_column(self) -> list[float]:
        """What a store keeps of the light: key direction x, y, z, key strength, fill strength, ambient strength."""
        key, fill = self.lights
        ambient = float((self.sky.mean() + self.ground.mean()) / 2)
        return [*(float(v) for v in key[:3]), float(key[3:].mean()), float(fill[3:].mean()), ambient]


def _direction(azimuth: float, elevation: float) -> NDArray[np.float64]:
    a, e = np.radians([azimuth, elevation])
    return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])


def _tint(warmth: float) -> NDArray[np.float64]:
    warmth = min(max(warmth, -3.0), 3.0)
    return np.array([1 + 0.18 * warmth, 1.0, 1 - 0.22 * warmth])


def make_scene(rng: np.random.Generator, skin: F32, drawn: Appearance = USUAL) -> Scene:
    """Draw a clip's surroundings; exposure half follows the skin, as a camera's does."""
    distance = float(rng.uniform(6.0, 11.0))
    face = float(rng.uniform(*drawn.eyes))  # pixels between the eyes in the notional camera
    side = float(np.clip(rng.normal(0, drawn.side[0]), -drawn.side[1], drawn.side[1]))
    key = float(rng.uniform(*drawn.key))
    fill = key * float(rng.uniform(*drawn.fill))
    sky = float(rng.uniform(*drawn.sky)) * _tint(drawn.tint * rng.normal(-0.2, 0.4))
    ground = float(rng.uniform(*drawn.ground)) * sky * _tint(drawn.tint * rng.normal(0.3, 0.3))
    lights = np.stack(
        [
            np.concatenate(
                [_direction(side, rng.uniform(*drawn.elevation)), key * _tint(drawn.tint * rng.normal(0.1, 0.4))]
            ),
            np.concatenate([_direction(-side * 0.8 - 20 * np.sign(side), rng.uniform(-5, 25)), fill * _tint(0.0)]),
        ]
    )
    received = 0.55 * (sky.mean() + ground.mean()) + 0.62 * key + 0.4 * fill
    exposure = 0.62 / (received * float(skin.mean()) ** 0.45) * 0.74 * float(np.exp(rng.normal(*drawn.exposure)))
    return Scene(
        distance=distance,
        focal=face * distance / 0.62,
        centre=(float(rng.uniform(260, 380)), float(rng.uniform(190, 260))),
        lights=lights.astype(np.float32),
        sky=sky.astype(np.float32),
        ground=ground.astype(np.float32),
        background=_background(rng) * np.float32(0.5 / exposure * _behind(rng, drawn)),
        exposure=exposure,
        blur=float(rng.uniform(*drawn.blur) * (rng.integers(2) or drawn.whole_frame)),
        noise=float(rng.uniform(*drawn.noise)),
        jpeg=int(rng.integers(*drawn.jpeg) * (rng.integers(2) or drawn.whole_frame)),
        whole_frame=drawn.whole_frame,
        **_tones(rng, drawn),
    )


def _behind(rng: np.random.Generator, drawn: Appearance) -> float:
    """Return how bright what is behind is."""
    return float(rng.uniform(0.5, 1.5) if drawn.behind is None else np.exp(rng.uniform(*drawn.behind)))


def _tones(rng: np.random.Generator, drawn: Appearance) -> dict[str, float]:
    """Return contrast and colour of the camera; nothing is drawn where they have but one value."""
    ranges = {"contrast": drawn.contrast, "colour": drawn.colour}
    return {name: float(rng.uniform(low, high)) if low < high else low for name, (low, high) in ranges.items()}


def _background(rng: np.random.Generator) -> F32:
    """Out-of-focus room: a colour gradient, a few blurred boxes, mottling."""
    import cv2

    corners = rng.uniform(0.15, 0.85) * np.exp(rng.normal(0, 0.25, (2, 2, 3)))
    picture = cv2.resize(corners.astype(np.float32), (FRAME_WIDTH, FRAME_HEIGHT), interpolation=cv2.INTER_LINEAR)
    for _ in range(int(rng.integers(0, 7))):
        left, top = int(rng.integers(-100, FRAME_WIDTH)), int(rng.integers(-100, FRAME_HEIGHT))
        width, height = int(rng.integers(30, 300)), int(rng.integers(30, 300))
        colour = rng.uniform(0.05, 1) * np.exp(rng.normal(0, 0.3, 3))
        picture[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = colour
    picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(3, 14)))
    mottling = cv2.resize(rng.standard_normal((24, 32, 1)).astype(np.float32), (FRAME_WIDTH, FRAME_HEIGHT))
    return np.asarray(np.clip(picture * (1 + 0.06 * mottling[..., None]), 0.01, 1.5), np.float32)


def photograph(picture: F32, scene: Scene, rng: np.random.Generator, matrix: F32 | None = None) -> NDArray[np.uint8]:
    """Return picture (H, W, 3; sRGB 0–255, float) as the scene's camera delivers it: blurred, noisy, compressed.

    matrix: (2, 3) camera → picture, needed where the scene is `whole_frame`: the picture is then put into the camera's
    frame, at its size there, spoilt, and cut out again.
    """
    import cv2

    if not scene.whole_frame:
        return _taken(picture, scene, rng)
    if matrix is None:
        raise ValueError("a whole frame needs the matrix from the camera to the picture")
    to_camera, size = _place_in_frame(picture, matrix)
    scale = float(np.hypot(*to_camera[0, :2]))
    if scale < 1:  # fine detail must not turn into false coarse detail
        picture = cv2.GaussianBlur(picture, (0, 0), 0.45 * float(np.sqrt(scale**-2 - 1)) + 0.05)
    frame = cv2.warpAffine(picture, to_camera, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    back = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(_taken(frame, scene, rng), to_camera, picture.shape[1::-1], flags=back))


def _place_in_frame(picture: F32, matrix: F32) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Return the matrix (2, 3) picture → the part of the camera's frame it lies in, and that part's width and height.

    The part begins at a multiple of 16 pixels of the frame, as the blocks of its compression do.
    """
    height, width = picture.shape[:2]
    inverse = np.linalg.inv(np.vstack([np.asarray(matrix, np.float64), [0, 0, 1]]))[:2]
    corners = inverse[:, :2] @ np.array([[0, width, 0, width], [0, 0, height, height]]) + inverse[:, 2:]
    first = np.floor(corners.min(axis=1) / 16) * 16
    inverse[:, 2] -= first
    across, down = (int(v) + 1 for v in np.ceil(corners.max(axis=1) - first))
    return inverse, (across, down)


MIDDLE = 0.5  # of the tone curve: grey that keeps its brightness, as a share of white


def _toned(picture: F32, scene: Scene) -> F32:
    """Return picture (sRGB 0–255) by the camera's tone curve, a power about middle grey, and with its colours."""
    if scene.contrast == 1 and scene.colour == 1:
        return picture
    share = np.clip(picture, 0, 255) * np.float32(1 / (255 * MIDDLE))
    toned = np.float32(255 * MIDDLE) * share ** np.float32(scene.contrast)
    grey = toned @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.asarray(grey[..., None] + np.float32(scene.colour) * (toned - grey[..., None]), np.float32)


def _taken(picture: F32, scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    import cv2

    picture = _toned(picture, scene)
    if scene.blur > 0.2:
        picture = cv2.GaussianBlur(picture, (0, 0), scene.blur)
    grain = rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(scene.noise)
    image = np.clip(picture + grain + 0.5, 0, 255).astype(np.uint8)
    if scene.jpeg:
        coded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, scene.jpeg])[1]
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))[..., ::-1]
    return np.ascontiguousarray(image)


def encode_jpeg(image: NDArray[np.uint8], quality: int) -> bytes:
    """Return an RGB image (H, W, 3) as JPEG bytes."""
    import cv2

    return bytes(cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())
