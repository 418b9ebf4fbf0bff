"""Whole pictures of synthetic people, as a camera that stands still takes them, with everything that is true of them.

A store's faces are aligned; these are not: the head moves, tilts and turns in the picture, so that `prepare` has
something to find and to align.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count

import numpy as np
from numpy.typing import NDArray

from ...faces.alignment import FaceRecipe, transform_points
from ..dynamics import DEFAULT_AUS
from ..expression import Expression, Pose
from ..identity import Subject, make_subject
from ..motion import Clip, make_clip
from ..pipeline import texture_scale
from ..render import FaceRenderer, Picture
from ..scene import Scene, make_scene, photograph

F32 = NDArray[np.float32]
AUS = DEFAULT_AUS
"""The AUs whose truth every picture has."""
WIDE = {"eye_height": 0.42, "eye_distance": 0.22, "mouth_height": 0.65}
"""How a face at rest sits in the picture: nearly half as wide as it, head and neck in view."""
_SUPERSAMPLE = 2
_OTHER_PEOPLE = 100_000  # step between the people tried for one name until the sex is right


@dataclass(frozen=True)
class Face:
    """One picture and what is true of it.

    image: (H, W, 3) uint8 RGB; landmarks: (68, 2) float32, pixels of the image, centres at whole coordinates;
    occurrence: AU → 0 or 1; intensity: AU → 0–5; pose: yaw, pitch, roll in degrees; female: of the person shown.
    """

    image: NDArray[np.uint8]
    landmarks: F32
    occurrence: dict[int, int]
    intensity: dict[int, int]
    pose: tuple[float, float, float]
    female: bool

    def box(self) -> tuple[int, int, int, int]:
        """Return the left, top, right and bottom edge of the face, brows to chin, within the image."""
        last = np.array(self.image.shape[1::-1]) - 1
        low = np.clip(np.floor(self.landmarks.min(axis=0)).astype(int), 0, last)
        high = np.clip(np.ceil(self.landmarks.max(axis=0)).astype(int), 0, last)
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])

    def shrunk(self, side: int = 28) -> "Face":
        """Return the same face in a picture `side` pixels wide, too small to be coded."""
        import cv2

        image = np.asarray(cv2.resize(self.image, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
        scale = np.float32(side / self.image.shape[1])
        return replace(self, image=image, landmarks=(self.landmarks + np.float32(0.5)) * scale - np.float32(0.5))


@dataclass(frozen=True)
class Cast:
    """The people of a tree; the same seed gives the same people and pictures.

    size: side of the square pictures, pixels; profile: whose AU statistics the labels follow, `bp4d` or `disfa`;
    hold: a new picture every `hold` frames, repeated in between, so that long clips are made quickly; first: number of
    the person called 0, so that data sets show different people.
    """

    seed: int
    size: int
    profile: str = "bp4d"
    hold: int = 1
    first: int = 0

    @property
    def recipe(self) -> FaceRecipe:
        """Where the face of a person who sits still lies in the picture."""
        return FaceRecipe(size=self.size, **WIDE)  # type: ignore[arg-type]

    def clip(
        self, person: int, clip: int, frames: int, *, female: bool | None = None, turn: float = 0.0
    ) -> Iterator[Face]:
        """Yield the frames of clip number `clip` of a person.

        female: the person's sex, if it is to be a certain one; turn: degrees by which the camera stands to the side.
        The camera changes neither what is acted nor the light.
        """
        number = _person(self.seed, self.first + person, female)
        acted = make_clip(self.profile, AUS, self.seed, number, clip, frames)
        camera = _camera(self.seed, number, texture_scale(self.size, _SUPERSAMPLE))
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, number, 30, clip]))
        scene = make_scene(rng, camera.subject.colours.skin)
        camera.stand(scene, self.recipe, turn)
        shown = None
        for t in range(frames):
            if t % self.hold == 0 or shown is None:
                shown = self._shoot(camera, acted, t, scene, rng, turn)
            yield shown

    def still(self, person: int, number: int, *, female: bool | None = None) -> Face:
        """Return photo number `number` of a person: another day, light and expression than any other number."""
        return next(self.clip(person, number, 1, female=female))

    def empty(self, number: int) -> NDArray[np.uint8]:
        """Return a picture (H, W, 3) without a face."""
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, self.first, 31, number]))
        scene = make_scene(rng, np.full(3, 0.4, np.float32))
        left, top = (int(rng.integers(0, side - self.size)) if side > self.size else 0 for side in (640, 480))
        seen = scene.background[top : top + self.size, left : left + self.size] * scene.exposure
        colours = 255 * np.clip(seen, 0, 1).astype(np.float32) ** np.float32(1 / 2.2)
        return photograph(np.asarray(colours, np.float32), scene, rng)

    def _shoot(
        self, camera: "_Camera", acted: Clip, t: int, scene: Scene, rng: np.random.Generator, turn: float
    ) -> Face:
        pose = replace(acted.poses[t], yaw=acted.poses[t].yaw + turn)
        picture = camera.render(acted.expressions[t], pose, scene, self.recipe, _SUPERSAMPLE)
        return Face(
            photograph(picture.colours, scene, rng),
            picture.landmarks,
            {au: int(value) for au, value in zip(AUS, acted.occurrence[t], strict=True)},
            {au: int(value) for au, value in zip(AUS, acted.intensity[t], strict=True)},
            (pose.yaw, pose.pitch, pose.roll),
            camera.subject.female > 0.5,
        )


class _Camera(FaceRenderer):
    """A renderer whose picture stays where it was when the person sat still, instead of following the face."""

    def __init__(self, subject: Subject, scale: int) -> None:
        super().__init__(subject, scale)
        self._matrix = np.eye(2, 3)

    def stand(self, scene: Scene, recipe: FaceRecipe, turn: float) -> None:
        """Point the camera at the person at rest."""
        self._matrix = np.asarray(super().place(Expression(), Pose(yaw=turn), scene, recipe)[1].matrix, np.float64)

    def place(self, expression: Expression, pose: Pose, scene: Scene, recipe: FaceRecipe) -> tuple[F32, Picture]:
        """Return the moved vertices (V, 3) dm and a Picture without colours, as `FaceRenderer.place` does."""
        vertices, aligned = super().place(expression, pose, scene, recipe)
        back = np.linalg.inv(np.vstack([aligned.matrix.astype(np.float64), [0, 0, 1]]))
        still = (np.vstack([self._matrix, [0, 0, 1]]) @ back)[:2]
        points = aligned.points.copy()
        points[:, :2] = transform_points(aligned.points[:, :2], still)
        landmarks = points[self.mesh.landmarks, :2].copy()
        return vertices, Picture(aligned.colours, landmarks, self._matrix.astype(np.float32), points)


@lru_cache(maxsize=1)
def _camera(seed: int, person: int, scale: int) -> _Camera:
    return _Camera(make_subject(seed, person), scale)


@lru_cache(maxsize=512)
def _person(seed: int, person: int, female: bool | None) -> int:
    """Return the first of the people person, person + 100000, … who is of the sex asked for."""
    if female is None:
        return person
    tried = (person + step for step in count(0, _OTHER_PEOPLE))
    return next(number for number in tried if (make_subject(seed, number).female > 0.5) == female)
