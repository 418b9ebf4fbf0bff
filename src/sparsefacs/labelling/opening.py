"""From files to a coder's session: of a store's faces, or of the codes of a video that are corrected."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ..coders import LATEST
from ..data.media import is_video
from ..data.store import Store
from ..errors import InputError
from ..files import file_problem
from .answer_file import AnswerFile
from .asking import Asker, FaceQueue
from .choosing import OURS
from .corrections import MomentQueue, VideoFaces
from .faces import StoreFaces
from .queue import StoreQueue
from .session import Session, Setting, plain

MakeQueue = Callable[[Store, tuple[int, ...]], FaceQueue]
_LONGEST_NAME = 60


@contextmanager
def label_store(
    store: Path,
    answers: Path,
    aus: tuple[int, ...],
    *,
    coder: str,
    blind: bool = False,
    double: float = 0.1,
    default_aus: tuple[int, ...] = (),
    strategy: str = OURS,
    begin: str = LATEST,
    seed: int = 0,
    make_queue: MakeQueue | None = None,
    later: Callable[[Callable[[], None]], Any] | None = None,
) -> Iterator[Session]:
    """Open a session on the faces of a store; answers go to the file `answers`, begun or gone on with.

    aus: () takes those of the file, or `default_aus` for a new one. double, later: as of `Asker`. strategy, begin (its
    `coder`), seed: as of `queue.StoreQueue`; make_queue makes another. Raises InputError.
    """
    opened = Store(store)
    with ExitStack() as stack:
        file = _answers(stack, answers, aus, default_aus)
        queue: FaceQueue
        if make_queue is not None:
            queue = make_queue(opened, file.aus)
        else:
            queue = own = StoreQueue(opened, file.aus, strategy=strategy, coder=begin, seed=seed)
            stack.callback(own.close)
        asker = Asker(queue, _share(double), later)
        stack.callback(asker.close)
        yield Session(StoreFaces(opened), file, asker, Setting(_coder(coder), blind, title=store.name))


@contextmanager
def correct_codes(
    video: Path,
    codes: Path,
    answers: Path,
    aus: tuple[int, ...],
    *,
    coder: str,
    blind: bool = False,
    later: Callable[[Callable[[], None]], Any] | None = None,
) -> Iterator[Session]:
    """Open a session on the moments of a coded video that are worth a look; corrections go to the file `answers`.

    Raises InputError where `codes` are not of this video, or have no such moment.
    """
    if (problem := file_problem(video)) or not is_video(video):
        raise InputError(problem or "is no video", path=video, remedy="Give the video that was coded")
    with ExitStack() as stack:
        faces = VideoFaces(video, codes, aus)
        stack.callback(faces.close)
        file = _answers(stack, answers, aus, faces.aus)
        asker = Asker(MomentQueue(faces), 0.0, later)
        stack.callback(asker.close)
        setting = Setting(_coder(coder), blind, corrects=True, title=video.name, asks=len(faces.moments))
        yield Session(faces, file, asker, setting)


def _answers(stack: ExitStack, path: Path, aus: tuple[int, ...], default: tuple[int, ...]) -> AnswerFile:
    if path.suffix.lower() != ".csv":
        raise InputError("answers are written as CSV", path=path, remedy="End its name in .csv")
    new = not path.exists() or not path.stat().st_size
    file = AnswerFile(path, aus or (default if new else ()))
    stack.callback(file.close)
    return file


def _share(double: float) -> float:
    if not 0 <= double <= 1:
        raise InputError(f"--double {double:g} is no share", remedy="Give 0 to 1, such as 0.1")
    return double


def _coder(name: str) -> str:
    found = plain(name)
    if not found or len(found) > _LONGEST_NAME or found != name.strip():
        raise InputError(f"--coder {name!r} is no name", remedy=f"Give a name of 1 to {_LONGEST_NAME} letters")
    return found
