"""A user's own folder of photos and videos, without labels or with a table of them."""

from collections.abc import Iterator
from dataclasses import dataclass

from ...events.formats import format_to_write
from ...events.model import Event, EventFile, Recording, Span
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


def write_table(tree: Tree, cast: Cast, shape: Shape, *, events: str = "none") -> None:
    """Write the same media with their labels in `labels.csv`: occurrence AU01_c … and intensity AU01_r …

    Not everything is labelled: the last AU in every second row, and the last frame of a video not at all.
    events: boris, bids or csv: videos alone, and in place of the table a coder's file of events, `coded.boris` say; the
    first two thirds of each video are coded. Raises InputError for another kind.
    """
    if events != "none":
        _write_events(tree, cast, shape, events)
        return
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


def _write_events(tree: Tree, cast: Cast, shape: Shape, form: str) -> None:
    kind = format_to_write(form, tree.root)
    until = -(-2 * shape.frames // 3)
    recordings, coded, found = [], [], list[Event]()
    for person, subject in tree.people(_subjects(shape)):
        for number in range(shape.clips):
            path = f"{subject}/C{number + 1:02d}.mp4"
            faces = list(cast.clip(person, number, shape.frames))
            tree.video(path, (face.image for face in faces), FPS)
            recordings.append(Recording(path, FPS, shape.frames / FPS))
            coded.append(Span(path, subject, 0, until / FPS))
            found += _events(path, subject, faces[:until])
    out = tree.root / f"coded{kind.suffixes[0]}"
    kind.module.write(out, EventFile(out, kind.what, AUS, tuple(found), tuple(coded), recordings=tuple(recordings)))


def _events(path: str, subject: str, faces: list[Face]) -> Iterator[Event]:
    """Yield the events of a clip, each with its highest intensity; times are the frames' own."""
    for au in AUS:
        run: list[int] = []
        for frame in range(len(faces) + 1):
            if frame < len(faces) and faces[frame].occurrence.get(au):
                run.append(frame)
            elif run:
                strength = max(float(faces[each].intensity.get(au) or 0) for each in run)
                yield Event(path, subject, au, run[0] / FPS, frame / FPS, intensity=float(max(1, round(strength))))
                run = []


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
