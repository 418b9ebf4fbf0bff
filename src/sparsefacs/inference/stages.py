"""The stages of `predict` up to the network: files → pictures → faces → cut-outs → encoded faces, as generators."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..evidence.vectors import face_vectors
from ..faces.alignment import FaceRecipe, align_face, alignment_matrix, transform_points
from ..faces.confidence import Confidence
from ..faces.detection import BoxFinder, FaceFinder
from ..faces.landmarks import Landmarker, TraitReader
from ..faces.photos import read_photo
from ..faces.tracking import LOOK_EVERY, FaceTracker, Glancer, TrackedFace
from ..faces.video import VideoReader
from ..facs.landmarks import mean_face
from .batching import encode_faces, whole_batches
from .contract import Coder
from .frames import Closed, EncodedFrame, FoundFrame, LocatedFrame, Opened, Picture
from .presence import Presence
from .sampling import ALL_FRAMES, Sampling
from .sources import Source

HELD_FRAMES = 64  # frames that wait for the network at most, so that a stretch without faces does not pile up
HELD_BYTES = 100_000_000  # and their pixels, where an overlay needs them


def read_pictures(
    sources: Sequence[Source], sampling: Sampling = ALL_FRAMES
) -> Generator[Opened | Picture | Closed, None, None]:
    """Yield the frames of all `sources` that are wanted, each file's between its Opened and its Closed; no file's fault
    is raised.
    """
    for source in sources:
        try:
            if source.is_photo:
                photo = read_photo(source.path)
                yield Opened(source, None)
                yield Picture(0, None, photo.image)
                yield Closed(source, note=photo.left_out)
                continue
            with VideoReader(source.path) as reader:
                step = sampling.step(reader.fps)
                yield Opened(source, reader.fps / step, step)
                for frame in reader.every(step):
                    yield Picture(frame.index, frame.time_s, frame.image)
                yield Closed(source, damaged=tuple(reader.rejected), note=reader.note)
        except InputError as error:
            yield Closed(source, failed=error)


def glance_at(
    pictures: Iterator[Opened | Picture | Closed],
) -> Generator[Opened | Picture | Closed, None, None]:
    """Look for cuts, and now and then for faces in the whole picture, ahead of those who follow the faces."""
    finder = BoxFinder()
    glancer = Glancer(finder)
    for item in pictures:
        if isinstance(item, Opened):  # new faces are looked for as often in time, however many frames are left out
            glancer = Glancer(finder, max(1, LOOK_EVERY // item.step))
        yield replace(item, glance=glancer.look(item.image)) if isinstance(item, Picture) else item


def find_faces(
    pictures: Iterator[Opened | Picture | Closed],
) -> Generator[Opened | LocatedFrame | Closed, None, None]:
    """Find and name the faces of every picture; blendshapes and pose stay unknown."""
    finder = FaceFinder(traits=False)
    tracker, source = FaceTracker(finder), None
    for item in pictures:
        if isinstance(item, Opened):
            tracker, source = FaceTracker(finder, gap_s=item.gap_s), item.source
        if not isinstance(item, Picture):
            yield item
            continue
        assert source is not None
        yield LocatedFrame(source, item, tracker.update(item.image, item.time_s or 0.0, item.glance))


def judge_faces(
    frames: Iterator[Opened | LocatedFrame | Closed],
) -> Generator[Opened | LocatedFrame | Closed, None, None]:
    """Say how far each face is to be trusted."""
    landmarker = Landmarker()
    sure = Confidence(landmarker)
    for item in frames:
        if isinstance(item, Opened):
            sure = Confidence(landmarker)
        if not isinstance(item, LocatedFrame):
            yield item
            continue
        yield replace(item, found=sure.lowered(item.picture.image, item.found, item.picture.time_s))


def cut_faces(
    frames: Iterator[Opened | LocatedFrame | Closed], recipe: FaceRecipe, *, keep_images: bool
) -> Generator[Opened | FoundFrame | Closed, None, None]:
    """Cut the faces out and say which known ones are lost; `keep_images` passes the pixels on, for an overlay."""
    presence = Presence()
    for item in frames:
        if isinstance(item, Opened):
            presence = Presence(item.gap_s)
        if not isinstance(item, LocatedFrame):
            yield item
            continue
        picture = item.picture
        faces, aligned, landmarks = _cut_out(picture.image, item.found, recipe)
        lost = presence.lost([face.face for face in faces], picture.time_s or 0.0)
        image = picture.image if keep_images else None
        yield FoundFrame(item.source, picture.index, picture.time_s, faces, aligned, landmarks, tuple(lost), image)


def _cut_out(
    image: NDArray[np.uint8], found: list[TrackedFace], recipe: FaceRecipe
) -> tuple[tuple[TrackedFace, ...], NDArray[np.uint8], NDArray[np.float32]]:
    faces, cuts, points = [], [], []
    for face in found:
        try:
            cut, moved, _ = align_face(image, face.landmarks, recipe)
        except ValueError:  # landmarks fallen together: no face to be coded
            continue
        faces.append(face)
        cuts.append(cut)
        points.append(moved)
    if not faces:
        return (), np.empty((0, recipe.size, recipe.size, 3), np.uint8), np.empty((0, 68, 2), np.float32)
    return tuple(faces), np.stack(cuts), np.stack(points)


def encode_frames(
    frames: Iterator[Opened | FoundFrame | Closed], coder: Coder, batch_size: int, reader: TraitReader | None = None
) -> Generator[Opened | EncodedFrame | Closed, None, None]:
    """Send each face through the network once, gathering about `batch_size` of them; order is kept.

    reader: reads the blendshapes and poses of faces that have a mesh; None: they are known, or not to be known.
    """
    wanted = whole_batches(batch_size)
    held: list[Opened | FoundFrame | Closed] = []
    faces = pixels = 0
    for item in frames:
        held.append(item)
        if isinstance(item, FoundFrame):
            faces += len(item.faces)
            pixels += item.image.nbytes if item.image is not None else 0
        if faces >= wanted or len(held) >= max(HELD_FRAMES, wanted) or pixels > HELD_BYTES:
            yield from _encoded(_with_traits(held, reader), coder)
            held, faces, pixels = [], 0, 0
    yield from _encoded(_with_traits(held, reader), coder)


def _with_traits(
    held: list[Opened | FoundFrame | Closed], reader: TraitReader | None
) -> list[Opened | FoundFrame | Closed]:
    """Return the frames with the traits of their faces, which need their meshes no more."""
    if reader is None:
        return held
    meshes = [face.mesh for item in held if isinstance(item, FoundFrame) for face in item.faces if face.mesh]
    read = iter(reader.read_all(meshes))

    def told(face: TrackedFace) -> TrackedFace:
        return replace(face, traits=next(read), mesh=None) if face.mesh else face

    return [
        replace(item, faces=tuple(map(told, item.faces))) if isinstance(item, FoundFrame) else item for item in held
    ]


def _encoded(
    held: list[Opened | FoundFrame | Closed], coder: Coder
) -> Generator[Opened | EncodedFrame | Closed, None, None]:
    found = [item for item in held if isinstance(item, FoundFrame) and len(item.faces)]
    features_BE = np.empty((0, 0), np.float32)
    if found:
        cuts, points = (np.concatenate([getattr(item, name) for item in found]) for name in ("aligned", "landmarks"))
        vectors_BW = None
        if coder.known:
            shapes = np.stack([face.traits.blendshapes for item in found for face in item.faces])
            vectors_BW = face_vectors(points, shapes)
        features_BE = encode_faces(coder, cuts, _all_placed(points, coder.recipe), vectors_BW)
    row = 0
    for item in held:
        if not isinstance(item, FoundFrame):
            yield item
            continue
        own = features_BE[row : row + len(item.faces)]
        yield EncodedFrame(item.source, item.index, item.time_s, item.faces, own, item.lost, item.image)
        row += len(item.faces)


def _all_placed(points_BPC: NDArray[np.float32], recipe: FaceRecipe) -> NDArray[np.float32]:
    """Return landmarks of cut-outs, those that are not numbers where a face has them on average: networks cut there."""
    known = np.isfinite(points_BPC)
    if known.all():
        return points_BPC
    mean = mean_face()
    return np.where(known, points_BPC, transform_points(mean, alignment_matrix(mean, recipe))).astype(np.float32)
