"""Finding a data set's folders under SOURCE, and saying what was looked for when they are not there."""

from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError

Names = tuple[str, ...]
"""What one folder may be called; upper and lower case are alike."""

MARKERS: tuple[tuple[str, str, Names], ...] = (
    ("BP4D", "bp4d", ("Sequences(2D+3D)",)),
    ("BP4D+", "bp4d+", ("2D+3D",)),
    ("DISFA", "disfa", ("ActionUnit_Labels",)),
    ("DISFA", "disfa", ("Videos_LeftCamera",)),
    ("DISFA", "disfa", ("Video_RightCamera",)),
    ("AffectNet", "affectnet", ("Manual_Annot",)),
    ("AffectNet", "affectnet", ("Manually_Annotated_Images",)),
    ("AffectNet", "affectnet", ("train_set", "val_set")),
    ("IMDB-WIKI", "imdb-wiki", ("imdb_crop",)),
    ("IMDB-WIKI", "imdb-wiki", ("wiki_crop",)),
    ("CelebA", "celeba", ("img_align_celeba",)),
    ("DISFA+", "disfa+", ("Labels", "Images")),
)
"""Data sets that a folder is known by: name, `--dataset` name, and folders that it then holds, all of them."""


def part(root: Path, names: Names) -> Path | None:
    """Return the folder in `root` that has one of `names`, the first that is there; None when there is none."""
    found = {path.name.lower(): path for path in folders(root)}
    return next((found[name.lower()] for name in names if name.lower() in found), None)


def folders(root: Path) -> list[Path]:
    """Return the folders in `root`, sorted by name; hidden ones are left out, and none is no error."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def find_root(source: Path, parts: Sequence[Names], data_set: str, expected: str | None = None) -> Path:
    """Return the folder that holds `parts`: SOURCE, the one folder in it that does, or the one it is a part of.

    One of the parts is enough, so that a tree copied by half is found too. expected: the parts in words, where not all
    of them belong together. Raises InputError when SOURCE is missing, holds nothing of the kind, or several such
    folders.
    """
    if not source.is_dir():
        problem = "is a file, not a folder" if source.exists() else "is not there"
        raise InputError(problem, path=source, remedy=_point_at(parts, expected))

    def held(folder: Path) -> int:
        return sum(part(folder, names) is not None for names in parts)

    if held(source):
        return source
    inside = {folder: held(folder) for folder in folders(source)}
    best = [folder for folder, count in inside.items() if count and count == max(inside.values())]
    if len(best) > 1:
        raise InputError(
            f"holds several folders laid out like {data_set}: {best[0].name} and {best[1].name}",
            path=source,
            remedy="Point SOURCE at one of them",
        )
    if best:
        return best[0]
    absolute = source.resolve()
    if any(absolute.name.lower() == name.lower() for names in parts for name in names):
        return absolute.parent
    raise wrong_folder(source, data_set, parts, expected)


def wrong_folder(source: Path, data_set: str, parts: Sequence[Names], expected: str | None = None) -> InputError:
    """Return the error that `source` is not `data_set`: what was expected, and what it looks like, if known."""
    problem = f"is not {data_set} as delivered: no {listed(parts, 'or')} in it"
    return mistaken(source, data_set, problem) or InputError(problem, path=source, remedy=_point_at(parts, expected))


def mistaken(source: Path, data_set: str, problem: str) -> InputError | None:
    """Return the error that `source` has `problem` but looks like another data set; None when it looks like none."""
    for looks_like, option, marks in MARKERS:
        holders = [source, *folders(source)]
        if looks_like != data_set and any(all(part(holder, (mark,)) for mark in marks) for holder in holders):
            return InputError(
                f"{problem}, but {' and '.join(marks)}", path=source, remedy=f"{looks_like} is --dataset {option}"
            )
    return None


def _point_at(parts: Sequence[Names], expected: str | None) -> str:
    return f"Point SOURCE at the folder that holds {expected or listed(parts)}"


def listed(parts: Sequence[Names], word: str = "and") -> str:
    """Return the usual names of `parts` as words."""
    return f" {word} ".join(names[0] for names in parts)
