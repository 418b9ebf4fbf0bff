"""A sheet of faces: subjects down, expressions across, for people to look at."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..faces.alignment import FaceRecipe
from ..files import atomic_path
from .expression import Expression, Pose
from .identity import make_subject
from .render import FaceRenderer
from .scene import make_scene

EXPRESSIONS: tuple[tuple[str, dict[int, float]], ...] = (
    ("neutral", {}),
    ("1+2", {1: 0.9, 2: 0.9, 5: 0.3}),
    ("4", {4: 1.0}),
    ("6+12", {6: 0.9, 12: 0.9}),
    ("6+12+25", {6: 1.0, 12: 1.0, 25: 0.9}),
    ("9", {9: 1.0}),
    ("15+17", {15: 0.9, 17: 0.9}),
    ("25+26", {25: 0.9, 26: 1.0}),
    ("20+25", {20: 1.0, 25: 0.6}),
    ("24", {24: 1.0}),
)
GRID_RECIPE = {"eye_height": 0.43, "eye_distance": 0.27, "mouth_height": 0.71}  # wider than a store's crop


def grid_images(subjects: int, size: int, seed: int) -> list[list[NDArray[np.uint8]]]:
    """Return the faces of the sheet, by subject and expression, each (size, size, 3) RGB."""
    recipe = FaceRecipe(size=size, **GRID_RECIPE)  # type: ignore[arg-type]
    rows = []
    for number in range(subjects):
        subject = make_subject(seed, number)
        renderer = FaceRenderer(subject, 1 if size <= 160 else 2)
        scene = make_scene(subject.rng(20), subject.colours.skin)
        pose = Pose(yaw=float(subject.rng(21).normal(0, 7)), pitch=float(subject.rng(22).normal(0, 3)))
        row = []
        for _, weights in EXPRESSIONS:
            picture = renderer.render(Expression(dict(weights)), pose, scene, recipe, 2)
            row.append(np.clip(picture.colours + 0.5, 0, 255).astype(np.uint8))
        rows.append(row)
    return rows


def grid(path: Path, subjects: int = 4, size: int = 256, seed: int = 0) -> Path:
    """Write a PNG of `subjects` synthetic people by ten expressions; raises InputError if it cannot be written."""
    from PIL import Image

    rows = grid_images(subjects, size, seed)
    sheet = np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)
    with atomic_path(Path(path)) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")
    return Path(path)
