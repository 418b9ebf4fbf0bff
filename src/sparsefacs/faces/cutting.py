"""One part of a `prepare`: decode, find faces, align, encode; rows out, rejects noted."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.adapters.plan import FaceLabel, MediaItem, unlabelled
from ..data.media import is_video
from ..data.rejects import too_narrow
from ..data.store import FaceRow, Reject
from ..errors import InputError
from ..events.model import Clock
from ..facs import points_to_68
from .alignment import FaceRecipe, align_face
from .detection import FACE_MIN, FaceFinder, landmark_box
from .photos import read_photo
from .placing import by_track, match_places
from .tracking import FaceTracker, TrackedFace
from .video import Frame, VideoReader

NO_FACE = f"no face at least {FACE_MIN:.0f} pixels wide was found"
NO_POINTS = "no landmarks were delivered for this frame"
_PHOTO_RATE = 25.0  # frames a second that numbered photos are taken to have where nothing is known
_EVER = float("inf")


@dataclass(frozen=True)
class CutSettings:
    """How a part is cut: the recipe, the number of AUs, every how many frames of a clip, and unlabelled frames.

    min_face: faces narrower than this in the source, in pixels, are rejected.
    """

    recipe: FaceRecipe
    aus: int
    frame_step: int = 1
    unlabelled_frames: bool = True
    min_face: float = 0.0


@dataclass
class PartCutter:
    """Cuts the faces of the items of one part, which are one video or photos of one or more clips in order.

    `rejected` fills while `rows` is consumed; `frames` counts what has been looked at, and `on_frame` is told.
    """

    settings: CutSettings
    on_frame: Callable[[int], None]
    rejected: list[Reject] = field(default_factory=list)
    frames: int = 0

    def rows(self, items: Sequence[MediaItem]) -> Iterator[FaceRow]:
        """Yield the rows of `items`; a file that cannot be read is rejected and the rest goes on."""
        import cv2

        cv2.setNumThreads(1)  # the parts run side by side; more threads in each would only get in the way
        finder = None if all(item.points for item in items) else FaceFinder()
        clip: tuple[str, str] | None = None
        tracker = None
        for item in items:
            if is_video(item.path):
                yield from self._video(item, finder)
                continue
            if clip != (item.subject, item.clip):
                clip = (item.subject, item.clip)
                tracker = self._photo_tracker(item, finder)
            yield from self._photo(item, tracker)

    def _photo_tracker(self, item: MediaItem, finder: FaceFinder | None) -> FaceTracker | None:
        """Return the tracker of a clip of photos: a clip with a frame rate is followed like a video."""
        if finder is None:
            return None
        return FaceTracker(finder, look_every=1, timed=False) if item.fps is None else FaceTracker(finder)

    def _count(self) -> None:
        self.frames += 1
        self.on_frame(self.frames)

    def _photo(self, item: MediaItem, tracker: FaceTracker | None) -> Iterator[FaceRow]:
        self._count()
        labels = item.by_frame.get(item.frame, ())
        if item.fps is not None and not self._keeps(item, item.frame, labels):
            return
        try:
            photo = read_photo(item.path, item.member)
        except InputError as error:
            self.rejected.append(Reject(item.source, None, error.problem))
            return
        if photo.left_out:
            self.rejected.append(Reject(item.source, 1, photo.left_out))
        frame = Frame(item.frame, item.frame / (item.fps or _PHOTO_RATE), photo.image)
        yield from self._frame(item, frame, tracker, labels, None)

    def _keeps(self, item: MediaItem, number: int, labels: tuple[FaceLabel, ...]) -> bool:
        """Say whether a clip's frame is wanted: labelled ones always are, unless they are to be skipped."""
        if number in item.skip:
            return False
        return bool(labels) or (self.settings.unlabelled_frames and number % self.settings.frame_step == 0)

    def _frame(
        self,
        item: MediaItem,
        frame: Frame,
        tracker: FaceTracker | None,
        labels: tuple[FaceLabel, ...],
        number: int | None,
    ) -> Iterator[FaceRow]:
        """Yield the faces of one picture; number: the frame a reject names, None for a photo."""
        every, problem = self._found(item, frame, tracker)
        faces = self._wanted(item, every)
        if not faces:
            self.rejected.append(Reject(item.source, number, problem))
        if number is None and item.fps is None:
            labels, lost = by_track(labels, every)
            self.rejected += [Reject(item.source, None, f"labelled face {one} not found in it") for one in lost]
        yield from self._faces(item, frame, faces, labels, number)

    def _found(self, item: MediaItem, frame: Frame, tracker: FaceTracker | None) -> tuple[list[TrackedFace], str]:
        """Return the faces of one picture, and why there is none, or none wide enough."""
        if item.points is not None:
            try:
                delivered = item.points.at(frame.index)
                if delivered is None:
                    return [], NO_POINTS
                points = points_to_68(delivered)
            except InputError as error:  # one damaged file of many must not end the clip
                return [], f"{Path(error.path or '').name}: {error.problem}"
            except ValueError as error:
                return [], str(error)
            faces = [TrackedFace(0, points, landmark_box(points), 1.0)]
        elif tracker is not None:
            faces = tracker.update(frame.image, frame.time_s)
        else:
            raise RuntimeError("an item without landmarks needs a face finder")
        if not faces:
            return [], NO_FACE
        return faces, too_narrow(self.settings.min_face)

    def _wanted(self, item: MediaItem, faces: list[TrackedFace]) -> list[TrackedFace]:
        """Return those of a picture's faces that are wide enough, of these the largest if only that is meant."""
        large = [face for face in faces if face.box[2] - face.box[0] >= self.settings.min_face]
        return [face for face in large if not item.alone or face.face == _largest(large)]

    def _video(self, item: MediaItem, finder: FaceFinder | None) -> Iterator[FaceRow]:
        try:
            with VideoReader(item.path) as reader:
                yield from self._video_rows(item, reader, finder)
                self.rejected.extend(Reject(item.source, frame, reason) for frame, reason in reader.rejected)
        except InputError as error:
            self.rejected.append(Reject(item.source, None, error.problem))

    def _video_rows(self, item: MediaItem, reader: VideoReader, finder: FaceFinder | None) -> Iterator[FaceRow]:
        sparse = self.settings.frame_step > 1 or not self.settings.unlabelled_frames or bool(item.skip)
        tracker = None
        if finder is not None:
            tracker = FaceTracker(finder, gap_s=_EVER) if sparse else FaceTracker(finder)
        last, end_s = -1, 0.0
        for frame in reader:
            last, end_s = frame.index, frame.until_s
            self._count()
            labels = (*item.by_frame.get(frame.index, ()), *_timed(item, frame, reader))
            if self._keeps(item, frame.index, labels):
                yield from self._frame(item, frame, tracker, labels, frame.index)
        beyond = [frame for frame in sorted(item.by_frame) if frame > last]
        self.rejected.extend(Reject(item.source, frame, "labelled, but beyond the video's end") for frame in beyond)
        for timed in item.timed:
            late = _begins_s(timed.clock, reader)
            self.rejected.extend(Reject(item.source, None, told) for told in timed.outside(late, late + end_s))

    def _faces(
        self,
        item: MediaItem,
        frame: Frame,
        faces: list[TrackedFace],
        labels: tuple[FaceLabel, ...],
        number: int | None,
    ) -> Iterator[FaceRow]:
        given = self._assign(item, frame, faces, labels)
        for face in faces:
            try:
                aligned, points, matrix = align_face(frame.image, face.landmarks, self.settings.recipe)
            except ValueError as error:
                self.rejected.append(Reject(item.source, number, str(error)))
                continue
            label = given.get(face.face) or unlabelled(self.settings.aus)
            yield FaceRow(
                image=encode_jpeg(aligned, self.settings.recipe.quality),
                subject=item.subject,
                clip=item.clip,
                frame=frame.index,
                time=frame.time_s,
                face=face.face,
                landmarks=points,
                matrix=matrix,
                occurrence=label.occurrence,
                intensity=label.intensity,
                score=face.score,
                source=item.source,
                blendshapes=face.traits.blendshapes,
                pose=face.traits.pose,
            )

    def _assign(
        self, item: MediaItem, frame: Frame, faces: list[TrackedFace], labels: tuple[FaceLabel, ...]
    ) -> dict[int, FaceLabel]:
        """Give each label its face: by place where the label tells it, else by id, else the largest; reject the rest.

        A label that says nothing takes no face.
        """
        telling = sorted((label for label in labels if not label.says_nothing), key=lambda label: label.box is None)
        if not faces or not telling:
            return {}
        placed = match_places([label.box for label in telling], faces)
        largest = _largest(faces)
        present = {face.face for face in faces}
        given: dict[int, FaceLabel] = {}
        for label, place in zip(telling, placed, strict=True):
            if label.box is not None and place is None:
                middle = ", ".join(f"{(label.box[at] + label.box[at + 2]) / 2:.0f}" for at in (0, 1))
                self.rejected.append(Reject(item.source, frame.index, f"no face where the labelled one is ({middle})"))
                continue
            face = place if place is not None else largest if label.face is None else label.face
            if face not in present:
                self.rejected.append(Reject(item.source, frame.index, f"labelled face {face} not found in the frame"))
            elif face in given:
                self.rejected.append(Reject(item.source, frame.index, f"a second label for face {face}, left out"))
            else:
                given[face] = label
        return given


def _largest(faces: list[TrackedFace]) -> int:
    return max(faces, key=lambda face: (float(np.prod(face.box[2:] - face.box[:2])), -face.face)).face


def _begins_s(clock: Clock, reader: VideoReader) -> float:
    """Return when the video's first frame is shown, in seconds on `clock`."""
    return reader.begins_s if clock == "media" else 0.0


def _timed(item: MediaItem, frame: Frame, reader: VideoReader) -> list[FaceLabel]:
    """Return the labels given by time that belong to `frame`."""
    found: list[FaceLabel] = []
    for labels in item.timed:
        late = _begins_s(labels.clock, reader)
        found += labels.at(late + frame.time_s, late + frame.until_s)
    return found


def encode_jpeg(image: NDArray[np.uint8], quality: int) -> bytes:
    """Encode RGB (H, W, 3) as JPEG."""
    import cv2

    done, content = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError("OpenCV could not encode a JPEG")
    return content.tobytes()


def count_frames(path: Path) -> int:
    """Return how many frames the photo or video at `path` claims to have, for the progress bar; 0 if unreadable."""
    if not is_video(path):
        return 1
    try:
        with VideoReader(path) as reader:
            return reader.frames or 0
    except InputError:
        return 0
