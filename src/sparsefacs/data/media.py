"""Which files are photos and which videos, by name, and listing them in stable order, nothing passed over unsaid."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..errors import InputError
from ..files import file_problem, is_folder, readable
from .rejects import Reject

IMAGE_SUFFIXES: frozenset[str] = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
)
VIDEO_SUFFIXES: frozenset[str] = frozenset(
    (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv")
    + (".ts", ".mts", ".m2ts")
)
_UNREAD = {
    **dict.fromkeys((".heic", ".heif"), "HEIC"),
    **dict.fromkeys((".jp2", ".j2k", ".jpx", ".jpf", ".j2c"), "JPEG 2000"),
    **dict.fromkeys((".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2"), "a camera's raw format"),
    **{".gif": "GIF", ".avif": "AVIF", ".jxl": "JPEG XL", ".apng": "APNG", ".psd": "Photoshop's format"},
    **{".vob": "VOB", ".asf": "ASF", ".mxf": "MXF", ".dv": "DV", ".m2v": "M2V", ".3g2": "3G2", ".f4v": "F4V"},
    **{".rm": "RealMedia", ".rmvb": "RealMedia", ".divx": "DivX"},
    **{".mpo": "MPO", ".tga": "TGA", ".exr": "OpenEXR", ".hdr": "Radiance HDR", ".pnm": "PNM", ".pbm": "PBM"},
    **{".qoi": "QOI", ".dds": "DDS", ".sgi": "SGI", ".ico": "ICO", ".eps": "EPS", ".y4m": "Y4M", ".lrv": "LRV"},
    **{".insv": "INSV", ".braw": "Blackmagic RAW"},
    **dict.fromkeys((".h264", ".264", ".h265", ".265", ".hevc"), "a bare video stream"),
}
"""Kinds of pictures and videos that are not read, so that they can be named."""
_MOVING = {
    *("GIF", "APNG", "VOB", "ASF", "MXF", "DV", "M2V", "3G2", "F4V", "RealMedia", "DivX", "a bare video stream"),
    *("Y4M", "LRV", "INSV", "Blackmagic RAW"),
}
_LINK = "is a link to a folder, which is not followed: name it too, or put the folder in its place"
_NO_TEXT = "its name is not valid text (UTF-8)"

SYNTHETIC_MARK = "Every face in this folder is synthetic"
"""How README.txt begins in a folder of pictures that this program made."""


def is_marked_synthetic(source: Path) -> bool:
    """Say whether the folder `source`, or the one a file `source` lies in, is marked as made by this program."""
    readme = (source if source.is_dir() else source.parent) / "README.txt"
    try:
        with readme.open(encoding="utf-8") as handle:
            return handle.read(len(SYNTHETIC_MARK)) == SYNTHETIC_MARK
    except (OSError, UnicodeDecodeError):
        return False


def is_image(path: Path) -> bool:
    """Say whether `path` is named like a photo."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def is_video(path: Path) -> bool:
    """Say whether `path` is named like a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def is_media(path: Path) -> bool:
    """Say whether `path` is named like a photo or video."""
    return is_image(path) or is_video(path)


def why_unread(path: Path) -> str:
    """Return, of a file that is named like a picture or video of a kind not read, why it is passed over; else ""."""
    kind = _UNREAD.get(path.suffix.lower())
    return f"{kind} is not read: save it as {'MP4' if kind in _MOVING else 'PNG or JPEG'} in its place" if kind else ""


def media_below(
    folder: Path,
    rejected: list[Reject],
    keep: Callable[[Path], bool] = is_image,
    prefix: str = "",
    *,
    text_only: bool = True,
) -> Iterator[str]:
    """Yield the names in `folder`, at any depth, that `keep` wants: a folder's files side by side, sorted by name.

    prefix: the folder's own name and a slash, put before each. Hidden files and folders are left out. Added to
    `rejected`: folders that cannot be listed, links to folders (followed, they could go round for ever, or show a file
    under two names), what `keep` wants but is no file that can be read, pictures and videos of kinds that are not read,
    and names that are no text (text_only False: these are yielded as well).
    """
    inside: list[str] = []
    files: list[str] = []
    linked: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    inside.append(entry.name)
                elif entry.is_symlink() and is_folder(Path(entry.path)):
                    linked.append(entry.name)
                elif keep(Path(entry.name)) or why_unread(Path(entry.name)):
                    files.append(entry.name)
    except OSError as error:
        where = readable(prefix.rstrip("/")) if prefix else readable(folder)
        rejected.append(Reject(where, None, f"the folder cannot be listed ({error.strerror or error})"))
        return
    rejected += [Reject(readable(prefix + name), None, _LINK) for name in sorted(linked)]
    for name in sorted(files):
        problem = file_problem(folder / name) if keep(Path(name)) else why_unread(Path(name))
        if problem:
            rejected.append(Reject(readable(prefix + name), None, problem))
        elif not text_only or is_text(name, rejected, prefix):
            yield prefix + name
    for name in sorted(inside):
        if not text_only or is_text(name, rejected, prefix):
            yield from media_below(folder / name, rejected, keep, f"{prefix}{name}/", text_only=text_only)


def is_text(name: str, rejected: list[Reject], prefix: str = "") -> bool:
    """Say whether `name` can be written as UTF-8; else add it to `rejected`."""
    try:
        name.encode()
    except UnicodeEncodeError:
        rejected.append(Reject(readable(prefix + name), None, _NO_TEXT))
        return False
    return True


def list_media(source: Path, rejected: list[Reject] | None = None) -> list[Path]:
    """Return the photos and videos in the folder `source`, at any depth, sorted; hidden files are left out.

    Given a file, returns just that. rejected: takes what `media_below` passes over. Raises InputError when `source` is
    missing or holds neither.
    """
    passed_over: list[Reject] = [] if rejected is None else rejected
    if not is_folder(source):
        check_media_file(source)
        if not is_text(source.name, []):
            raise InputError(_NO_TEXT, path=readable(source), remedy="Give the file another name")
        return [source]
    before = len(passed_over)
    found = sorted(source / name for name in media_below(source, passed_over, is_media))
    if not found:
        raise InputError("holds no images or videos" + first_of(passed_over[before:]), path=source, remedy=_remedy())
    return found


def check_media_file(path: Path) -> None:
    """Raise InputError unless `path` is a file that is named like a photo or video."""
    problem = file_problem(path)
    if problem:
        raise InputError(problem, path=readable(path), remedy="Check the name")
    if not is_media(path):
        kind = f"a {path.suffix} file" if path.suffix else "a file without a suffix"
        problem = why_unread(path) or f"{kind} is neither photo nor video"
        raise InputError(problem, path=readable(path), remedy=_remedy())


def first_of(passed_over: Sequence[Reject]) -> str:
    """Return, to end a sentence, the first file passed over and why, and how many there were; "" for none."""
    if not passed_over:
        return ""
    first, more = passed_over[0], len(passed_over) - 1
    return f" that can be read; {first.source}: {first.reason}" + (f", and {more} more" if more else "")


def _remedy() -> str:
    return "Give images (.jpg, .png …) or videos (.mp4, .mov, .avi …), or a folder of them"
