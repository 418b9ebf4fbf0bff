"""Which files are photos and which are videos, by name, and listing them in stable order."""

from pathlib import Path

from ..errors import InputError

IMAGE_SUFFIXES: frozenset[str] = frozenset(
    (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
)
VIDEO_SUFFIXES: frozenset[str] = frozenset(
    (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv")
    + (".ts", ".mts", ".m2ts")
)

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


def list_media(source: Path) -> list[Path]:
    """Return the photos and videos in the folder `source`, at any depth, sorted; hidden files are left out.

    Given a file, returns just that. Raises InputError when `source` is missing or holds neither.
    """
    if not source.exists():
        raise InputError("is not there", path=source, remedy="Check the name")
    if source.is_file():
        if not (is_image(source) or is_video(source)):
            raise InputError("is not named like an image or video", path=source, remedy=_remedy())
        return [source]
    found = sorted(
        path
        for path in source.rglob("*")
        if (is_image(path) or is_video(path))
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(source).parts)
    )
    if not found:
        raise InputError("holds no images or videos", path=source, remedy=_remedy())
    return found


def _remedy() -> str:
    return "Give images (.jpg, .png …) or videos (.mp4, .mov, .avi …), or a folder of them"
