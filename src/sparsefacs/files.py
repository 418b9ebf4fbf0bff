"""Files that are either whole or not there: temporary name, flush, rename."""

import errno
import hashlib
import json
import math
import os
import platform
import re
import stat
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, TypeVar

from .errors import InputError

READABLE = "Check that it is a file that you may read"
_SHORT = 40  # letters of a name that its temporary file keeps
_LOOK_S = 0.05  # how soon a lock is tried again
_HOST = f"{zlib.crc32(platform.node().encode()):08x}"
_TEMPORARY = re.compile(r"\..*\.([0-9a-f]{8})-(\d+)-\w{8}\.tmp(\.\w+)?")
"""Names of temporary files: beginning of the name, host, process, eight characters at random, suffix."""
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_IN_USE = (5, 32, 33)  # Windows: refused, or another program has the file open
_AGAIN_S = (0.05, 0.1, 0.2, 0.4)
WINDOWS = os.name == "nt"
T = TypeVar("T")


@contextmanager
def atomic_path(path: Path, *, new: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and renamed over `path`.

    new: refuse a `path` that came to be meanwhile. Raises InputError then, and when the disk is full or the folder
    cannot be written; `path` is untouched.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent.resolve(), os.getpid())
        prefix = f".{path.stem[:_SHORT]}.{_HOST}-{os.getpid()}-"
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=f".tmp{path.suffix}", dir=path.parent)
    except OSError as error:
        raise _disk_error(error, path) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("r+b") as written:  # Windows flushes no file that is open for reading alone
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        if new:
            _put_new(temporary, path)
        retried(lambda: temporary.replace(path))
    except OSError as error:
        raise _disk_error(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def retried(work: Callable[[], T]) -> T:
    """Return what `work` does to a file; on Windows, wait a moment for a virus scanner that looks into it."""
    for wait_s in _AGAIN_S if WINDOWS else ():
        try:
            return work()
        except PermissionError:
            time.sleep(wait_s)
    return work()


def _put_new(temporary: Path, path: Path) -> None:
    """Take the name `path`, as long as nobody else has; raises InputError when somebody has."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError as error:
        raise InputError(
            "was written by another run meanwhile and is left as it is", path=path, remedy="Choose another name"
        ) from error
    except OSError:  # a disk without links
        refuse_existing(path)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


@lru_cache(maxsize=64)
def _sweep(folder: Path, process: int) -> None:
    """Sweep `folder`, once a process; itself `process`."""
    sweep(folder, process)


def sweep(folder: Path, process: int) -> None:
    """Take away what killed processes of this machine, other than `process`, left half-written in `folder`.

    What another process is writing now stays, and so does anything under another kind of name.
    """
    for path in folder.iterdir():
        found = _TEMPORARY.fullmatch(path.name)
        if found and found[1] == _HOST and int(found[2]) != process and has_died(int(found[2])):
            with suppress(OSError):
                path.unlink()


def has_died(process: int) -> bool:
    """Return whether the process of that number is surely no more; never where the system does not tell."""
    if WINDOWS:  # signal 0 is not a mere question there
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def _disk_error(error: OSError, path: Path) -> InputError:
    again = "then give the same command again (`train` and `pretrain` with --resume)"
    if error.errno in _NO_SPACE:
        remedy = f"Free some disk space, {again}"
    elif error.errno == errno.ENAMETOOLONG:
        remedy = "Choose a shorter name"
    elif WINDOWS and error.errno == errno.EINVAL:
        remedy = 'Choose a name without any of < > : " | ? *'
    elif getattr(error, "winerror", None) in _IN_USE:
        remedy = "Close the program that has it open, or choose another place, where you may write"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = "Choose another place, where you may write"
    else:
        remedy = f"Check that the disk is there and has space, {again}"
    return InputError(f"cannot be written ({error.strerror or error})", path=path, remedy=remedy)


class SoleWriter:
    """Keeps a second run from writing into `folder` while this process does; ends with `release` or the process.

    shared: others may write there too that say so, as the shards of one work do. wait_s: how long to wait for others.
    remedy: what to do where that was in vain. Raises InputError where another process is writing there. Threads of one
    process are not told apart; the lock is not taken along into a worker process. Where the disk has no locks, as on
    some network drives, nothing is kept out.
    """

    def __init__(self, folder: Path, *, shared: bool = False, wait_s: float = 0.0, remedy: str = "") -> None:
        make_folder(folder)
        self.path, self._shared = Path(folder) / ".lock", shared
        until = time.monotonic() + wait_s
        while (handle := _locked_file(self.path, shared)) is None:
            if time.monotonic() >= until:
                usual = "Wait until that has ended, or choose another name"
                raise InputError("another run is writing it", path=folder, remedy=remedy or usual)
            time.sleep(_LOOK_S)
        self._handle: IO[bytes] | None = handle

    def release(self) -> None:
        """Let others write, and take the lock's file away, as long as it is not shared."""
        if self._handle is not None:
            if not self._shared:
                with suppress(OSError):  # Windows does not delete an open file
                    self.path.unlink(missing_ok=True)
            self._handle.close()
            self._handle = None
            if not self._shared and WINDOWS:
                with suppress(OSError):  # another may have it by now, or be about to open it
                    self.path.unlink(missing_ok=True)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_shared": self._shared, "_handle": None}


def _locked_file(path: Path, shared: bool) -> IO[bytes] | None:
    """Return the file at `path`, made where it is not there, open and locked; None where another has it."""
    while True:
        try:
            handle = path.open("a+b")
        except OSError as error:
            raise _disk_error(error, path) from error
        if not _locked(handle, shared):
            handle.close()
            return None
        try:
            if os.path.samestat(os.fstat(handle.fileno()), path.stat()):
                return handle
        except FileNotFoundError:
            pass
        handle.close()  # whoever had it took it away meanwhile, so that a third could lock another of that name


def _locked(handle: IO[bytes], shared: bool) -> bool:
    """Lock an open file, and say whether that was possible; True too where the system has no such locks."""
    try:
        if WINDOWS and shared:
            return True
        if WINDOWS:
            import msvcrt

            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.lockf(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return True


def make_folder(path: Path) -> None:
    """Make the folder `path` and those above it; raises InputError when that is not possible."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _disk_error(error, path) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` to `path` as UTF-8, whole or not at all."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """Write `content` to `path` as indented JSON, whole or not at all; NaN becomes null."""
    write_text(path, json.dumps(without_nan(content), indent=1, allow_nan=False) + "\n")


def without_nan(content: Any) -> Any:
    """Return `content` with every NaN or infinite float replaced by None, since JSON has neither."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {str(key): without_nan(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [without_nan(value) for value in content]
    return content


def read_json(path: Path, *, what: str, remedy: str) -> Any:
    """Read the JSON file `path`, which is `what` (for the message); raises InputError if missing or broken.

    For what this program wrote itself, see `records.read_record`.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{what} is missing", path=path, remedy=remedy) from error
    except (OSError, ValueError, RecursionError) as error:  # bad UTF-8 and bad JSON are ValueErrors
        raise InputError(f"{what} cannot be read ({error})", path=path, remedy=remedy) from error


def hash_json(content: Any) -> str:
    """Return the first 16 hex digits of the SHA-256 of `content` in canonical JSON."""
    canonical = json.dumps(without_nan(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def sha256_file(path: Path, *, remedy: str = READABLE) -> str:
    """Return the full SHA-256 of the file at `path`; raises InputError, with what to do, where it cannot be read."""
    with _to_read(path, remedy=remedy) as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def bytes_of(path: Path, *, remedy: str = READABLE) -> bytes:
    """Return what is in the file at `path`; raises InputError, with what to do, where it cannot be read."""
    with _to_read(path, remedy=remedy) as handle:
        return handle.read()


@contextmanager
def _to_read(path: Path, *, remedy: str) -> Iterator[BufferedReader]:
    """Open a file to be read; an OSError of the block is an InputError with what to do."""
    try:
        with Path(path).open("rb") as handle:
            yield handle
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", path=path, remedy=remedy) from error


def refuse_existing(path: Path, *, what: str = "output", remedy: str = "") -> None:
    """Raise InputError if `path` exists and is not an empty folder: nothing of the user's is overwritten.

    remedy: what to do, where more is known than that there is something.
    """
    path = Path(path)
    try:
        empty = path.is_dir() and all(entry.name == ".lock" for entry in path.iterdir())
        there = path.is_symlink() or path.exists()
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise _disk_error(error, path) from error
    if there and not empty:
        usual = "Choose another name, or move or delete it first"
        raise InputError(f"the {what} already exists", path=path, remedy=remedy or usual)


def file_problem(path: Path) -> str:
    """Return why `path` is no file that can be looked at ("is not there"), "" if it is one; nothing is raised."""
    try:
        return "" if stat.S_ISREG(Path(path).stat().st_mode) else "is not a file"
    except (FileNotFoundError, NotADirectoryError):
        return "is not there"
    except (OSError, ValueError) as error:  # too long a name, a link to itself, a folder that may not be entered
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"


def as_named(path: Path) -> Path:
    """Return the whole path of what was named so, links as they are; `Path.absolute` would leave `..` in."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def may_be_there(path: Path) -> bool:
    """Say whether there is something at `path`, or could be: nobody knows where it may not be looked."""
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
    return True


def check_new_name(path: Path) -> None:
    """Raise InputError when a folder to be made cannot be called `path`: too long a name, or one that is no text."""
    try:
        str(path).encode()
        Path(path).is_symlink()
    except OSError as error:
        raise _disk_error(error, path) from error
    except UnicodeEncodeError as error:
        raise InputError("its name is not valid text (UTF-8)", path=readable(path), remedy="Choose another") from error


def is_folder(path: Path) -> bool:
    """Say whether `path` is a folder; a name that is too long, or may not be looked at, is none."""
    try:
        return Path(path).is_dir()
    except OSError:
        return False


def readable(name: str | Path) -> str:
    r"""Return a file's name, with forward slashes, as text that can be written: bytes that are no UTF-8 as `\xfc`."""
    return os.fsencode(Path(name).as_posix()).decode("utf-8", "backslashreplace")


def write_with(path: Path, writer: Callable[[IO[bytes]], None]) -> None:
    """Write `path` through `writer(binary handle)`, whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        writer(handle)


_RISKY = re.compile(r"'*[=+\-@\t\r]")
"""Beginnings of cells that a spreadsheet takes for a formula, and of those that `to_cell` made harmless."""


def to_cell(text: str) -> str:
    """Return a text for a CSV cell: with ' before it where a spreadsheet would take it for a formula."""
    return f"'{text}" if _RISKY.match(text) else text


def from_cell(text: str) -> str:
    """Return the text that `to_cell` made a cell of."""
    return text[1:] if text.startswith("'") and _RISKY.match(text) else text


def from_folder(name: str, file: Path) -> str:
    """Return the path from `file`'s folder to the file `name`, with forward slashes; "" where that is not there.

    The whole path where they lie on two drives.
    """
    if file_problem(Path(name)):
        return ""
    path = Path(name).resolve()
    try:
        return os.path.relpath(path, file.parent.resolve()).replace(os.sep, "/")
    except ValueError:
        return path.as_posix()
