"""Finding the photos and videos that a file of labels names, in folders that may have moved since."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from ...files import as_named, file_problem, is_folder, readable
from ..media import is_media, is_video, list_media
from ..store import Reject


class NamedMedia:
    """Finds the media files that a table names."""

    def __init__(self, source: Path, *, by_name: bool = False) -> None:
        self._by_name = by_name
        self.rejected: list[Reject] = []
        self.notes: list[str] = []
        self.files = files = list_media(source, self.rejected)
        self.root = source if is_folder(source) else source.parent
        self.only = None if is_folder(source) else source
        self._names: defaultdict[str, list[Path]] = defaultdict(list)
        self._stems: defaultdict[str, list[Path]] = defaultdict(list)
        for path in files:
            self._names[path.name.casefold()].append(path)
            if is_video(path) or self.only:
                self._stems[path.stem.casefold()].append(path)

    def find(self, names: Iterable[str]) -> dict[str, Path | None]:
        """Return the file of each of `names`, None where it is not there or may be one of several.

        Where two absolute paths from another computer come down to one file here, at least one of them means another.
        Where all absolute paths name one folder that is not here, SOURCE is taken to be that folder, moved; `notes`
        then says so.
        """
        found = {name: self.named(name) for name in names}
        found |= self._in_moved_folder([name for name, path in found.items() if path is None])
        moved: defaultdict[Path | None, set[Path]] = defaultdict(set)
        for name, path in found.items():
            if path is not None and _is_from_elsewhere(_plain(name)) and _plain(name) != path:
                moved[path].add(_plain(name))
        found = {name: path if len(moved[path]) < 2 else None for name, path in found.items()}
        bare = {name: path for name, path in found.items() if path is not None and len(_plain(name).parts) == 1}
        inside = [(name, path.relative_to(self.root)) for name, path in bare.items() if path.parent != self.root]
        if inside:
            self.notes.append(
                f"{len(inside)} of the names have no folder and were found in sub-folders by name, for instance "
                f"{inside[0][0]} in {readable(inside[0][1].parent)}"
            )
        return found

    def _in_moved_folder(self, names: Iterable[str]) -> dict[str, Path | None]:
        """Return the files directly in SOURCE of absolute paths that all name one folder of another computer."""
        foreign = {name: _plain(name) for name in names if _is_from_elsewhere(_plain(name))}
        here = {name: self.root / given.name for name, given in foreign.items() if self.root / given.name in self.files}
        folders = {given.parent for given in foreign.values()}
        if not here or len(folders) > 1:
            return {}
        folder = next(iter(folders)).as_posix()
        self.notes.append(f"{folder} is a folder of another computer: its files are taken to be those in {self.root}")
        return dict(here)

    def named(self, name: str) -> Path | None:
        """Return the file `name`: as it stands, under SOURCE, or one whose folders are those that it names.

        A table from another computer names other folders above SOURCE: then all folders below SOURCE must be named, or
        all that the table names be there.
        """
        given = _plain(name)
        for candidate in (self.root / given, given):
            meant = given.is_absolute() or candidate == self.root / given
            if meant and is_media(candidate) and not file_problem(candidate):
                return candidate
        alike = [
            path for path in self._names.get(given.name.casefold(), []) if self._by_name or self._fits(path, given)
        ]
        return alike[0] if len(alike) == 1 else None

    def video_called(self, name: str) -> Path | None:
        """Return the one video whose name without its ending is `name`: so observations are often called.

        Else the one whose name begins so: `sub-01_task-x` is that of `sub-01_task-x_video.mp4`.
        """
        alike = [path for path in self._stems.get(name.casefold(), []) if is_video(path)]
        if name and not alike:
            alike = [
                path for path in self.files if is_video(path) and path.name.casefold().startswith(f"{name}_".casefold())
            ]
        return alike[0] if len(alike) == 1 else None

    def _fits(self, path: Path, given: Path) -> bool:
        """Say whether the folders that `given` names, if any, are those of `path`, as far up as both are known."""
        own = as_named(path).parts  # links are not followed: it is their names that count
        named = given.parts
        below = len(path.relative_to(self.root).parts)
        if len(named) == 1 or own[-len(named) :] == named:
            return True
        shared = max(below, 2)  # a file directly in SOURCE must at least lie in a folder of the name given
        return _is_from_elsewhere(given) and own[-shared:] == named[-shared:]

    def elsewhere(self, name: str) -> str:
        """Return, in brackets, what to do about files of that name in other folders; "" if there are none."""
        alike = self._names.get(_plain(name).name.casefold(), [])
        if len(alike) > 1:
            return f" ({len(alike)} files have that name: name their folders)"
        if not alike:
            return ""
        where = readable(alike[0].parent)
        return f" (a file of that name is in {where}: correct the path, leave its folders out, or say --by-name)"

    def of_table(self, path: Path) -> Path | None:
        """Return the one video that a table without a path column belongs to; beside it, where it lies below SOURCE."""
        alike = self._stems.get(path.stem.casefold(), [])
        folder, root = path.resolve().parent, self.root.resolve()
        if folder != root and folder.is_relative_to(root) and not self._by_name:
            alike = [video for video in alike if video.resolve().parent == folder]
        return self.only or (alike[0] if len(alike) == 1 else None)


def _plain(name: str) -> Path:
    """Return a path as the table gives it, without `.` and without leading `..`."""
    parts = [part for part in Path(name.replace("\\", "/")).parts if part != "."]
    while parts and parts[0] == "..":
        parts.pop(0)
    return Path(*parts)


def _is_from_elsewhere(given: Path) -> bool:
    """Say whether a path is absolute, here or on Windows."""
    return given.is_absolute() or given.parts[0].endswith(":")
