"""Fake delivered trees: synthetic faces in the folders, files and quirks of each data set, to try `prepare` on.

Every face is synthetic and nothing in a tree comes from the data set whose layout it has. This package is the one place
outside `data/` and `protocols/` that knows data sets by name, since layouts are all it is about. Like a delivered tree,
and unlike a store, it holds whole pictures: faces must be found and aligned.
"""

import inspect
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ...data.media import SYNTHETIC_MARK
from ...errors import InputError
from ...progress import progress
from .faces import Cast
from .writing import Shape, Tree, staged

SMALLEST, LARGEST = 120, 1024  # sides of pictures: below, a face is too small to be coded


@dataclass(frozen=True)
class Layout:
    """A data set's layout.

    place: module and function that write it; people: number of its first person, since data sets show different people
    unless they really share them; profile: whose AU statistics its labels follow.
    """

    name: str
    what: str
    place: str
    people: int
    profile: str = "bp4d"

    @property
    def writer(self) -> Any:
        """The function that writes it; imported when asked for."""
        module, function = self.place.split(":")
        return getattr(import_module(f"{__package__}.{module}"), function)

    @property
    def variants(self) -> dict[str, Any]:
        """The ways in which the tree can vary, with their defaults: its writer's, and hold.

        hold: a new picture every `hold` frames, repeated in between, so that long clips are made quickly.
        """
        given = inspect.signature(self.writer).parameters.values()
        own = {part.name: part.default for part in given if part.kind is inspect.Parameter.KEYWORD_ONLY}
        return own | {"hold": 1}


LAYOUTS: dict[str, Layout] = {
    row.name: row
    for row in (
        Layout("bp4d", "BP4D: photos a sequence, labels of a coded segment, 49 tracked points", "bp4d:write_bp4d", 0),
        Layout("bp4d+", "BP4D+: a zip of photos a subject, four of ten tasks coded", "bp4d:write_bp4d_plus", 300),
        Layout("disfa", "DISFA: videos of two cameras, 66 tracked points", "disfa:write_disfa", 600, "disfa"),
        Layout("disfa+", "DISFA+: photos by trial, DISFA's people", "disfa:write_disfa_plus", 600, "disfa"),
        Layout("emotionet", "EmotioNet: a list of URLs with AUs, its pictures", "collections:write_emotionet", 10_000),
        Layout("affectnet", "AffectNet: pictures, 68 points, two releases", "collections:write_affectnet", 20_000),
        Layout("casia-webface", "CASIA-WebFace: photos by identity", "collections:write_casia_webface", 30_000),
        Layout("imdb-wiki", "IMDB-WIKI: two folders of faces, two tables", "collections:write_imdb_wiki", 40_000),
        Layout("celeba", "CelebA: numbered pictures and text lists", "collections:write_celeba", 50_000),
        Layout("folder", "a folder of your own photos and videos", "folder:write_folder", 60_000),
        Layout("table", "a folder of your own photos and videos with labels", "folder:write_table", 60_000),
    )
}
"""Every layout by the name that `prepare --dataset` knows it by."""


def write_tree(
    out: Path,
    dataset: str,
    *,
    subjects: int = 4,
    clips: int = 2,
    frames: int = 12,
    size: int = 160,
    seed: int = 0,
    **variant: Any,
) -> Path:
    """Write a fake delivered tree of data set `dataset` to folder `out` and return it.

    subjects, clips, frames: people, clips of each, labelled frames of a clip (of a collection of photos, clips × frames
    are the photos of a person); size: side of the square pictures, pixels; variant: see `LAYOUTS[dataset].variants`.
    The same arguments give the same bytes. Raises InputError for an `out` that is not empty, and for impossible
    arguments; the tree is whole or not there.
    """
    layout = find_layout(dataset)
    given = _checked(layout, variant)
    hold = given.pop("hold", 1)
    for name, value, least in (("subjects", subjects, 1), ("clips", clips, 1), ("frames", frames, 1),
                               ("hold", hold, 1), ("seed", seed, 0)):  # fmt: skip
        if value < least:
            raise InputError(f"{name} must be at least {least}, not {value}", remedy=f"Give {name} {least} or more")
    if not SMALLEST <= size <= LARGEST or size % 2:
        raise InputError(
            f"pictures of {size} pixels are not possible", remedy=f"Choose an even size of {SMALLEST} to {LARGEST}"
        )
    out = Path(out)
    with staged(out) as stage, progress(f"synth {dataset}", subjects, "subjects") as shown:
        layout.writer(
            Tree(stage, shown), Cast(seed, size, layout.profile, hold), Shape(subjects, clips, frames), **given
        )
        (stage / "README.txt").write_text(_readme(layout, seed), encoding="utf-8")
    return out


def find_layout(name: str) -> Layout:
    """Return the layout of data set `name`; raises InputError when there is none."""
    if name not in LAYOUTS:
        raise InputError(f"there is no layout {name!r}", remedy=f"Choose one of: {', '.join(LAYOUTS)}")
    return LAYOUTS[name]


def _readme(layout: Layout, seed: int) -> str:
    return (
        f"{SYNTHETIC_MARK}: rendered by sparsefacs (seed {seed}).\n"
        f"Nothing here comes from a data set. Only the folders, file names and file formats are those of\n"
        f"{layout.what}.\n"
        "It is for trying `sparsefacs prepare` on; what is learned from it says nothing about real faces.\n"
    )


def _checked(layout: Layout, variant: dict[str, Any]) -> dict[str, Any]:
    """Return the variant with each value of its default's type; text, as the command line has it, is read."""
    known = layout.variants
    out = {}
    for name, value in variant.items():
        if name not in known:
            takes = ", ".join(f"{key}={_shown(default)}" for key, default in known.items())
            raise InputError(f"{layout.name} has no variant {name!r}", remedy=f"It has: {takes}")
        out[name] = _read(name, value, known[name])
    return out


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(name: str, value: Any, default: Any) -> Any:
    text = str(value).strip().lower()
    if isinstance(default, bool):
        if text in {"true", "yes", "1"} or text in {"false", "no", "0"}:
            return text in {"true", "yes", "1"}
    elif isinstance(default, int):
        if text.isdigit():
            return int(text)
    else:
        return text
    wanted = "true or false" if isinstance(default, bool) else "a whole number"
    raise InputError(f"{name}={value} is not possible", remedy=f"Give {wanted}")


__all__ = ["LAYOUTS", "Layout", "find_layout", "write_tree"]
