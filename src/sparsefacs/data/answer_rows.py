"""Which faces of a store answers are about: by their key, or by the whole path that corrections give their video."""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeVar

from ..errors import InputError
from ..files import file_problem
from .answers import FaceKey
from .media import is_media
from .store import Store

T = TypeVar("T")


def face_keys(store: Store) -> list[FaceKey]:
    """Return the key of each face of a store, by row."""
    columns = [store.texts(name).to_pylist() for name in ("source", "subject", "clip")]
    numbers = [store.numbers(name).tolist() for name in ("frame", "face")]
    return [FaceKey(*each) for each in zip(*columns, *numbers, strict=True)]


def by_row(store: Store, held: Mapping[FaceKey, T], path: Path) -> dict[int, T]:
    """Return what is held of the store's faces, by row; path: of the file that it comes from, for the message.

    Raises InputError where corrections of several videos of one name could be of a video of the store.
    """
    keys = face_keys(store)
    found = {row: held[key] for row, key in enumerate(keys) if key in held}
    whole = {(key.path, key.frame, key.face): answer for key, answer in held.items() if _is_whole(key.path)}
    if whole:
        videos = _videos(store, {key.path for key in keys}, {name for name, _, _ in whole}, path)
        for row, key in enumerate(keys):
            if (answer := whole.get((videos.get(key.path, ""), key.frame, key.face))) is not None:
                found.setdefault(row, answer)
    return found


def _is_whole(name: str) -> bool:
    return PurePath(name).is_absolute() or name[1:3] in (":/", ":\\")


def _videos(store: Store, sources: Iterable[str], named: set[str], path: Path) -> dict[str, str]:
    """Return which of the whole paths `named` each file of the store was found under, for those that have one."""
    made_of = store.info.source.get("source")
    found: dict[str, str] = {}
    if not isinstance(made_of, str):  # faces that no video holds
        return found
    for source in sources:
        file = Path(made_of) if is_media(Path(made_of)) else Path(made_of, source)
        alike = [name for name in sorted(named) if PurePosixPath(name).name == file.name]
        meant = [name for name in alike if _is_same(file, name, below=len(PurePosixPath(source).parts))]
        if len(meant) > 1:
            raise InputError(
                f"holds corrections of {len(meant)} videos {file.name} ({', '.join(meant[:3])}), and {store.path} does "
                f"not say which of them it was made of ({made_of})",
                path=path,
                remedy="Make the store again from the whole path of the video or its folder, or give the corrections "
                "of each video a file of their own",
            )
        if meant:
            found[source] = meant[0]
    return found


def _is_same(file: Path, name: str, *, below: int) -> bool:
    """Say whether a store's file, as it was named when the store was made, is the one whose whole path is `name`.

    Where it is not there any more, its folders tell, as far as they were named; below: of how many parts it stands
    in the store, which is as much as is known where the folders above have been moved.
    """
    if not file_problem(file):
        return file.resolve() == Path(name)
    parts = [part for part in file.parts if part != ".."]
    kept = parts[-(below + 1) :] if file.is_absolute() else parts
    return list(PurePosixPath(name.replace("\\", "/")).parts[-len(kept) :]) == kept
