"""Correcting codes: the moments of a coded video at which its codes are in doubt or change suddenly."""

import io
import math
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from pathlib import Path, PurePosixPath
from threading import Condition, Thread

import numpy as np
from numpy.typing import NDArray

from ..data.adapters.columns import read_labels
from ..data.answers import FaceKey
from ..errors import InputError
from ..events.coded_tables import FaceCodes, codes_files, read_codes
from ..files import file_problem, readable, sha256_file
from ..inference.outputs import shortened
from .asking import Ask
from .faces import AROUND

SIDE = 480  # pixels, at most, of a face as it is shown
APART_S = 0.5  # moments of a face are at least so far apart
MOST = 200  # moments of a video
_DOUBT = 0.4  # log odds from the limit, nearer than which a code is in doubt
_JUMP = 0.35  # change of a probability from one coded frame to the next that is sudden,
_NEXT_S = 0.21  # if that is no later than this: codes may be of every few frames
_WIDER = 1.7  # of the face's box
_SHORT_S = 0.15  # an AU that comes or goes for less is sudden
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Moment:
    """A frame of a face worth looking at: its place in the codes, why, and how much (0–1)."""

    place: int
    why: str
    weight: float


def moments(codes: FaceCodes, aus: Sequence[int]) -> list[Moment]:
    """Return the moments of one face, in time: near an AU's limit, or where a code jumps or flickers."""
    places = [codes.aus.index(au) for au in aus]
    share, present = codes.probability[:, places], codes.occurrence[:, places]
    doubt = _doubt(share, present)
    times = np.where(np.isnan(codes.time_s), codes.frame / 25, codes.time_s)
    sudden = _sudden(codes, times, share, present)
    weight = np.fmax(doubt, sudden)
    picked: list[Moment] = []
    for place in np.argsort(-weight, kind="stable"):
        if weight[place] <= 0 or len(picked) == MOST:
            break
        if all(abs(times[place] - times[other.place]) >= APART_S for other in picked):
            why = "doubt" if doubt[place] >= sudden[place] else "sudden"
            picked.append(Moment(int(place), why, float(weight[place])))
    return sorted(picked, key=lambda moment: moment.place)


def _doubt(share: Floats, present: NDArray[np.int8]) -> Floats:
    """Return how near (N,), 0–1, a frame's nearest AU is to its limit, in log odds."""
    nearest = np.zeros(len(share))
    for place in range(share.shape[1]):
        known = ~np.isnan(share[:, place]) & (present[:, place] >= 0)
        if not known.any():
            continue
        on, off = share[known & (present[:, place] == 1), place], share[known & (present[:, place] == 0), place]
        limit = np.clip(0.5, off.max(initial=0.0), on.min(initial=1.0))  # codes do not tell it, but it lies between
        apart = np.abs(_log_odds(share[:, place]) - _log_odds(limit))
        nearest = np.fmax(nearest, np.where(known, 1 - apart / _DOUBT, 0))
    return np.clip(nearest, 0, 1)


def _sudden(codes: FaceCodes, times: Floats, share: Floats, present: NDArray[np.int8]) -> Floats:
    """Return how sudden (N,), 0–1, the change to a frame is: a jump of a probability, or an AU that flickers."""
    jump = np.zeros(len(share))
    if len(share) < 2:
        return jump
    following = (np.diff(codes.frame) == codes.stride) & ((codes.stride == 1) | (np.diff(times) < _NEXT_S))
    change = np.abs(np.diff(share, axis=0))
    largest = np.where(np.isnan(change), 0, change).max(axis=1, initial=0)
    jump[1:] = np.where(following & (largest > _JUMP), largest, 0)
    shown = np.nan_to_num(codes.shown_s, nan=1.0)
    for place in range(present.shape[1]):
        starts = np.flatnonzero(np.r_[True, np.diff(present[:, place]) != 0])
        for start, end in pairwise(starts[1:]):
            if shown[start:end].sum() < _SHORT_S and present[start - 1, place] == present[end, place] >= 0:
                jump[start] = max(jump[start], 0.5)
    return jump


def _log_odds(share: Floats) -> Floats:
    clipped = np.clip(share, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(clipped / (1 - clipped)))


class VideoFaces:
    """The coded faces of one video that lie around moments; cut out of it, in order, by a thread of its own.

    Raises InputError where the codes are not of this video.
    """

    def __init__(self, video: Path, codes_file: Path, aus: tuple[int, ...] = ()) -> None:
        self.video = video
        faces, table = _of_video(video, codes_file)
        self.aus = aus or faces[0].aus
        unknown = [au for au in self.aus if au not in faces[0].aus]
        if unknown:
            raise InputError(
                f"has no codes of AU{unknown[0]}",
                path=codes_file,
                remedy=f"It has AUs {','.join(map(str, faces[0].aus))}",
            )
        self._codes: list[tuple[FaceCodes, int]] = []
        self.keys: list[FaceKey] = []
        self._around: dict[int, list[int]] = {}
        self._usual: list[int] = []
        self.moments: list[Ask] = []
        for face in faces:
            self._add(face)
        if not self.moments:
            raise InputError(
                "has no moment of doubt and no sudden change", path=codes_file, remedy="There is nothing to correct"
            )
        self.moments.sort(key=lambda ask: self.keys[ask.row].frame)
        self._cut = _Cutter(video, self.keys, _boxes(table, faces))

    def _add(self, codes: FaceCodes) -> None:
        """Take the frames around the moments of one face, and the one that shows least."""
        found = moments(codes, self.aus)
        if not found:
            return
        strength = np.nansum(codes.probability[:, [codes.aus.index(au) for au in self.aus]], axis=1)
        least = int(np.where(codes.success, strength, np.inf).argmin())
        wanted = {least}
        for moment in found:
            wanted.update(range(max(moment.place - AROUND, 0), min(moment.place + AROUND + 1, len(codes.frame))))
        kept = [place for place in sorted(wanted) if codes.success[place]]
        row_of = {place: len(self.keys) + at for at, place in enumerate(kept)}
        for moment in found:
            if moment.place in row_of:
                row = row_of[moment.place]
                near = range(moment.place - AROUND, moment.place + AROUND + 1)
                self._around[row] = [row_of[place] for place in near if place in row_of]
                self.moments.append(Ask(row, moment.why))
        source = _which(codes, self.video)
        for place in kept:
            self.keys.append(FaceKey(*source, int(codes.frame[place]) - 1, codes.face))
            self._codes.append((codes, place))
            self._usual.append(row_of[least])

    def picture(self, row: int) -> bytes:
        """Return the face as JPEG, once it is cut."""
        return self._cut.picture(row)

    def time_s(self, row: int) -> float | None:
        """Return the seconds into the video."""
        codes, place = self._codes[row]
        time = float(codes.time_s[place])
        return None if math.isnan(time) else time

    def around(self, row: int) -> list[int]:
        """Return the rows around a moment; of other frames, themselves."""
        return self._around.get(row, [row])

    def reference(self, row: int) -> int | None:
        """Return the frame in which the codes see least in this face."""
        return self._usual[row]

    def coded(self, row: int) -> Mapping[int, int]:
        """Return what the codes say."""
        codes, place = self._codes[row]
        told = dict(zip(codes.aus, codes.occurrence[place].tolist(), strict=True))
        return {au: told[au] for au in self.aus if told[au] >= 0}

    def believed(self, row: int) -> Mapping[int, float]:
        """Return the probabilities of the codes."""
        codes, place = self._codes[row]
        told = dict(zip(codes.aus, codes.probability[place].tolist(), strict=True))
        return {au: told[au] for au in self.aus if not math.isnan(told[au])}

    def close(self) -> None:
        """Stop cutting."""
        self._cut.close()


class MomentQueue:
    """The moments one after the other; nothing is learned."""

    problem = ""

    def __init__(self, faces: VideoFaces) -> None:
        self._faces = faces

    def next(self, answered: Mapping[int, Mapping[int, int]], count: int = 1) -> list[Ask]:
        """Return the next moments that have no answer."""
        return [ask for ask in self._faces.moments if ask.row not in answered][:count]

    def learn(self, answers: Mapping[int, Mapping[int, int]]) -> None:
        """Learn nothing."""

    def beliefs(self, row: int) -> Mapping[int, float]:
        """Return the probabilities of the codes."""
        return self._faces.believed(row)


def _of_video(video: Path, codes_file: Path) -> tuple[list[FaceCodes], Path]:
    """Return the codes of the video, a face each, and the table that they stand in.

    Codes name files as `predict` was given them: of several files of the video's name the same file is meant, else the
    one whose folders are the video's. Raises InputError where none or several are, or another file is.
    """
    found: dict[str, tuple[list[FaceCodes], Path]] = {}
    tables = codes_files(codes_file)
    own = [(file, called) for file, called in tables if file.stem.startswith(shortened(video.stem))]
    for file, called in tables if len(tables) == 1 else own:
        for face in read_codes(file):
            name = called if face.input == file.stem else face.input
            if _plain(name).name in (video.name, video.stem):
                found.setdefault(name, ([], file))[0].append(face)
    best = max((_shared(name, video) for name in found), default=0)
    meant = [name for name in found if _is_same(name, video)] or [n for n in found if _shared(n, video) == best]
    if not meant:
        raise InputError(
            f"has no codes of {video.name}",
            path=codes_file,
            remedy=f"Code it first: sparsefacs predict {video} --out codes.csv",
        )
    if len(meant) > 1:
        raise InputError(
            f"has codes of {len(meant)} videos {video.name} ({', '.join(meant[:3])})",
            path=codes_file,
            remedy="Name the video as it was named when it was coded, from the same folder",
        )
    _check_not_another(meant[0], video, codes_file)
    return found[meant[0]]


def _check_not_another(name: str, video: Path, codes_file: Path) -> None:
    """Raise InputError where the file that codes name is here, and is not the video nor a copy of it."""
    coded = Path(name)
    if _is_same(name, video):
        return
    if coded.is_file() and (coded.stat().st_size != video.stat().st_size or sha256_file(coded) != sha256_file(video)):
        raise InputError(
            f"has codes of {name}, which is another file than {video}",
            path=codes_file,
            remedy=f"Give the codes of this one, or code it: sparsefacs predict {video} --out codes.csv",
        )
    if len(_plain(name).parts) > 1 and not coded.is_file():
        print(f"note: {codes_file}: the codes of {name} are taken to be of {video}", file=sys.stderr)


def _plain(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))


def _is_same(name: str, video: Path) -> bool:
    try:
        return Path(name).samefile(video)
    except OSError:
        return False


def _shared(name: str, video: Path) -> int:
    """Return how many of the last parts of the name that codes give a file are those of the video's path."""
    below = zip(reversed(_plain(name).parts[:-1]), reversed(video.absolute().parts[:-1]), strict=False)
    return 1 + sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], below))


def _which(codes: FaceCodes, video: Path) -> tuple[str, str, str]:
    """Return path, subject and clip of the video: its whole path, since others of its name may be coded apart, and the
    rest as `prepare` names them, of it alone or of the folder coded.

    Of a copy it is the path of the file that was coded, as long as that is there: a store is made of it, too.
    """
    coded = Path(codes.input)
    folders, path = _plain(codes.input).parts[:-1], readable((video if file_problem(coded) else coded).resolve())
    if codes.subject not in folders:
        return path, codes.subject or video.stem, video.stem
    inside = folders[len(folders) - folders[::-1].index(codes.subject) :]
    return path, codes.subject, "/".join((*inside, video.stem))


def _boxes(codes_file: Path, faces: Sequence[FaceCodes]) -> dict[tuple[int, int], tuple[float, float, float, float]]:
    """Return where each face is, by frame from 0 and face; nothing where the codes do not say."""
    table = read_labels(codes_file)
    if table.box is None or table.frame is None:
        return {}
    ids = np.zeros(len(table.frame), np.int64) if table.face is None else table.face
    media = [faces[0].input] * len(table.frame) if table.media is None else table.media
    return {
        (int(frame), int(face)): (box[0], box[1], box[2], box[3])
        for frame, face, name, box in zip(table.frame, ids, media, table.box.tolist(), strict=True)
        if name == faces[0].input and not math.isnan(box[0])
    }


class _Cutter:
    """Cuts faces out of a video in order, into a file without a name; who asks for one waits until it is cut."""

    def __init__(
        self, video: Path, keys: Sequence[FaceKey], boxes: Mapping[tuple[int, int], tuple[float, float, float, float]]
    ) -> None:
        self._video, self._boxes = video, boxes
        self._rows: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for row, key in enumerate(keys):
            self._rows[key.frame].append((row, key.face))
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by `close`
        self._places: dict[int, tuple[int, int]] = {}
        self._turn = Condition()
        self._ended, self._stopped = "", False
        self._thread = Thread(target=self._run, name="cut", daemon=True)
        self._thread.start()

    def picture(self, row: int) -> bytes:
        with self._turn:
            self._turn.wait_for(lambda: row in self._places or self._ended)
            if row not in self._places:
                raise InputError(self._ended, path=self._video, remedy="Is it the video that was coded?")
            start, length = self._places[row]
            self._file.seek(start)
            return self._file.read(length)

    def close(self) -> None:
        self._stopped = True
        self._thread.join()
        self._file.close()

    def _run(self) -> None:
        from ..faces.video import VideoReader

        last, ended = max(self._rows), "the video has fewer frames than its codes"
        try:
            with VideoReader(self._video) as frames:
                for frame in frames:
                    for row, face in self._rows.get(frame.index, ()):
                        content = _jpeg(_around(frame.image, self._boxes.get((frame.index, face))))
                        with self._turn:
                            self._file.seek(0, 2)
                            self._places[row] = (self._file.tell(), len(content))
                            self._file.write(content)
                            self._turn.notify_all()
                    if self._stopped or frame.index >= last:
                        break
        except (InputError, OSError) as error:
            ended = str(error)
        finally:
            with self._turn:
                self._ended = ended
                self._turn.notify_all()


def _around(image: NDArray[np.uint8], box: tuple[float, float, float, float] | None) -> NDArray[np.uint8]:
    """Return the square around a face, as far as the picture goes; the whole picture where no box is known."""
    if box is None:
        return image
    half = _WIDER * max(box[2] - box[0], box[3] - box[1]) / 2
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    top, left = max(int(y - half), 0), max(int(x - half), 0)
    found = image[top : max(int(y + half), top + 1), left : max(int(x + half), left + 1)]
    return found if found.size else image


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()
