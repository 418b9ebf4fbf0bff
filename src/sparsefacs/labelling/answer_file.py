"""The file that answers are added to: each is on the disk before the page hears of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock

from ..data.answers import Answer, Standing, as_csv, as_line, header, parse_lines, split_answers, whole_lines
from ..errors import InputError
from ..files import make_folder


class AnswerFile:
    """A file of answers that several processes may add to at once; what others add is seen by `refresh`.

    aus: those asked; () takes those of the file. Raises InputError where the file is another kind of table, has other
    AUs, or cannot be written. `notes`: what the user should know, such as a torn line that was dropped.
    """

    def __init__(self, path: Path, aus: tuple[int, ...] = ()) -> None:
        self.path, self.notes = Path(path), list[str]()
        self._guard = RLock()
        make_folder(self.path.parent)
        try:
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise _cannot(error, self.path) from error
        with self._locked():
            begun = self._content(0)
            if aus and b"\n" not in begun and as_csv(header(aus)).startswith(begun):  # new, or killed in its first line
                os.ftruncate(self._handle, 0)
            if not os.fstat(self._handle).st_size:
                if not aus:
                    raise InputError("is new, and no AU was named", path=self.path, remedy="Say --aus 1,2,4,12")
                self._write(as_csv(header(aus)))
            self._read_all()
        if aus and set(aus) != set(self.aus):
            has = ",".join(map(str, self.aus))
            raise InputError(
                f"holds answers on AUs {has}, not on {','.join(map(str, aus))}",
                path=self.path,
                remedy=f"Say --aus {has}, or give another name; `train` and `prepare` take a folder or file of either",
            )

    def add(self, answer: Answer) -> None:
        """Write an answer to the disk, behind all that others have written; raises InputError when it is not there."""
        with self._guard, self._locked():
            self._read_new()
            self._write(as_line(answer, self.aus))
            self._read_new()

    def refresh(self) -> None:
        """Take in what other processes have added."""
        with self._guard:
            if os.fstat(self._handle).st_size != self._end or not self._is_same():
                with self._locked():
                    self._read_new()

    def close(self) -> None:
        """Release the file."""
        with self._guard, suppress(OSError):
            os.close(self._handle)

    def _write(self, line: bytes) -> None:
        try:
            start = os.fstat(self._handle).st_size
            if os.write(self._handle, line) != len(line):
                os.ftruncate(self._handle, start)
                raise OSError(28, "No space left on device")
            os.fsync(self._handle)
        except OSError as error:
            raise _cannot(error, self.path) from error

    def _is_same(self) -> bool:
        """Say whether the open file is still the one under its name: editors put a new file in its place."""
        try:
            return os.path.samestat(os.fstat(self._handle), self.path.stat())
        except OSError:
            return False

    def _read_new(self) -> None:
        size = os.fstat(self._handle).st_size
        if size < self._end or not self._is_same():
            raise InputError(
                "was changed by another program while coding went on",
                path=self.path,
                remedy="Start `sparsefacs label` again; nothing of what the file holds is lost",
            )
        if size == self._end:
            return
        content = self._content(self._end)
        answers, whole, torn = parse_lines(whole_lines(content), self.aus, self.path, self._lines + 1)
        self._take(answers, self._end + whole, torn)

    def _read_all(self) -> None:
        self.standing, self._lines, self._end = Standing(), 1, 0
        content = self._content(0)
        self.aus, whole, answers, torn = split_answers(content, self.path)
        self._take(answers, whole, torn)

    def _take(self, answers: list[Answer], end: int, torn: bool) -> None:
        """Take in answers up to place `end`; behind it the file is cut off, since only a killed writer's line is torn.

        The file is locked, so that nobody is in the middle of writing.
        """
        for answer in answers:
            self.standing.add(answer)
        self._lines += len(answers)
        self._end = end
        if torn:
            os.ftruncate(self._handle, end)
            self.notes.append(f"{self.path}: its last line was cut off in writing and is dropped")
        if end and self._content(end - 1)[:1] != b"\n":
            self._write(b"\n")
            self._end = end + 1

    def _content(self, start: int) -> bytes:
        pieces, place = [], start
        while piece := _read_at(self._handle, 1 << 20, place):
            pieces.append(piece)
            place += len(piece)
        return b"".join(pieces)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from writing meanwhile; where the disk has no locks, appending alone has to do."""
        if os.name != "posix":
            import msvcrt

            beyond = (1 << 31) - 2  # a byte that no row lies on: Windows locks keep others from reading it, too
            os.lseek(self._handle, beyond, os.SEEK_SET)
            with suppress(OSError):
                msvcrt.locking(self._handle, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
            try:
                yield
            finally:
                os.lseek(self._handle, beyond, os.SEEK_SET)
                with suppress(OSError):
                    msvcrt.locking(self._handle, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]
            return
        import fcntl

        with suppress(OSError):
            fcntl.flock(self._handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.flock(self._handle, fcntl.LOCK_UN)


def _read_at(handle: int, count: int, place: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(handle, count, place)
    os.lseek(handle, place, os.SEEK_SET)
    return os.read(handle, count)


def _cannot(error: OSError, path: Path) -> InputError:
    return InputError(
        f"cannot be written ({error.strerror or error})",
        path=path,
        remedy="Check that the disk has space and that you may write there; the answer was not taken",
    )
