"""A user's own folder of photos and videos, without labels or with a table of them."""

from collections.abc import Iterator
from dataclasses import dataclass

from ...facs.units import column
from .faces import AUS, Cast, Face
from .writing import Shape, Tree

FPS = 25


@dataclass(frozen=True)
class _Medium:
    """A photo, or a frame of a video, that was written: path, subject, clip, frame number (None: a photo), face."""

    path: str
    subject: str
    clip: str
    frame: int | None
    face: Face


def write_folder(tree: Tree, cast: Cast, shape: Shape) -> None:
    """Write `P01/C01/0001.jpg …` (photos) and `P01/C02.mp4` (a video): odd clips are photos, even ones videos."""
    for person, subject in tree.people(_subjects(shape)):
        for _ in _media(tree, cast, shape, person, subject):
            pass


def write_table(tree: Tree, cast: Cast, shape: Shape) -> None:
    """Write the same media with their labels in `labels.csv`: occurrence AU01_c … and intensity AU01_r …

    Not everything is labelled: the last AU in every second row, and the last frame of a video not at all.
    """
    columns = [column(au, kind) for kind in "cr" for au in AUS]
    lines = [",".join(("path", "subject", "clip", "frame", *columns))]
    for person, subject in tree.people(_subjects(shape)):
        for medium in _media(tree, cast, shape, person, subject):
            if medium.frame is not None and medium.frame == shape.frames - 1 > 0:
                continue
            known = AUS[:-1] if len(lines) % 2 else AUS
            values = [of.get(au) for of in (medium.face.occurrence, medium.face.intensity) for au in AUS]
            cells = ["" if au not in known else str(value) for au, value in zip((*AUS, *AUS), values, strict=True)]
            frame = "" if medium.frame is None else str(medium.frame)
            lines.append(",".join((medium.path, medium.subject, medium.clip, frame, *cells)))
    tree.lines("labels.csv", lines)


def _subjects(shape: Shape) -> Iterator[str]:
    return (f"P{number:02d}" for number in range(1, shape.subjects + 1))


def _media(tree: Tree, cast: Cast, shape: Shape, person: int, subject: str) -> Iterator[_Medium]:
    for number in range(shape.clips):
        clip = f"C{number + 1:02d}"
        faces = list(cast.clip(person, number, shape.frames))
        if number % 2:
            path = f"{subject}/{clip}.mp4"
            tree.video(path, (face.image for face in faces), FPS)
            yield from (_Medium(path, subject, clip, frame, face) for frame, face in enumerate(faces))
            continue
        for frame, face in enumerate(faces, start=1):
            path = f"{subject}/{clip}/{frame:04d}.jpg"
            tree.photo(path, face.image)
            yield _Medium(path, subject, clip, None, face)
