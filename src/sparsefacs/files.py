"""Files that are either whole or not there: temporary name, flush, rename."""

import hashlib
import json
import math
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from .errors import InputError

_SHORT = 40  # letters of a name that its temporary file keeps


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and renamed over `path`.

    Raises InputError when the disk is full or the folder cannot be written; `path` is then untouched.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        short = path.stem[:_SHORT]  # or a long name that is still allowed would leave no room for the rest
        handle, name = tempfile.mkstemp(prefix=f".{short}.", suffix=f".tmp{path.suffix}", dir=path.parent)
    except OSError as error:
        raise _disk_error(error, path) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _disk_error(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _disk_error(error: OSError, path: Path) -> InputError:
    return InputError(
        f"cannot be written ({error.strerror or error})",
        path=path,
        remedy="Free some disk space or choose another --out, then run the same command again",
    )


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
    """Read the JSON file `path`, which is `what` (for the message); raises InputError if missing or broken."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{what} is missing", path=path, remedy=remedy) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{what} cannot be read ({error})", path=path, remedy=remedy) from error


def hash_json(content: Any) -> str:
    """Return the first 16 hex digits of the SHA-256 of `content` in canonical JSON."""
    canonical = json.dumps(without_nan(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def sha256_file(path: Path) -> str:
    """Return the full SHA-256 of the file at `path`."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def refuse_existing(path: Path, *, what: str = "output") -> None:
    """Raise InputError if `path` exists and is not an empty folder: nothing of the user's is overwritten."""
    path = Path(path)
    try:
        empty = path.is_dir() and not any(path.iterdir())
        there = path.is_symlink() or path.exists()
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise _disk_error(error, path) from error
    if empty:
        return
    if there:
        raise InputError(
            f"the {what} already exists", path=path, remedy="Choose another name, or move or delete it first"
        )


def file_problem(path: Path) -> str:
    """Return why `path` is no file that can be looked at ("is not there"), "" if it is one; nothing is raised."""
    try:
        return "" if stat.S_ISREG(Path(path).stat().st_mode) else "is not a file"
    except (FileNotFoundError, NotADirectoryError):
        return "is not there"
    except (OSError, ValueError) as error:  # too long a name, a link to itself, a folder that may not be entered
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"


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
