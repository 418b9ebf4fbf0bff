"""Coders that come with the package: trained on faces that are free for any use, and named where a run is asked for.

A folder each, laid out as a run's: model.json, model.safetensors, protocol.json; and card.json: what it is, how it was
made, its scores, what it cannot do, and the SHA-256 of the other files.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import sha256_file

LATEST = "coder"
"""Names the newest one."""
CARD = "card.json"
_FOLDER = Path(__file__).parent
_AGAIN = "Install sparsefacs again"


def coder_names() -> tuple[str, ...]:
    """Return the names of the packaged coders, oldest first."""
    names = (path.parent.name for path in _FOLDER.glob(f"*/{CARD}"))
    return tuple(sorted(names, key=lambda name: (len(name), name)))  # coder-2 before coder-10


def is_coder_name(name: str) -> bool:
    """Return whether `name` is that of a packaged coder; a file or folder of that name is given by its whole path."""
    return name in (LATEST, *coder_names())


def coder_folder(name: str = LATEST) -> Path:
    """Return the folder of a packaged coder, its files checked; raises InputError for other names and changed files."""
    names = coder_names()
    if name != LATEST and name not in names:
        raise InputError(f"no coder is called {name!r}", remedy=f"There are: {', '.join((LATEST, *names))}")
    if not names:
        raise InputError("no coder came with this package", remedy=_AGAIN)
    return _checked(_FOLDER / (names[-1] if name == LATEST else name))


@lru_cache(maxsize=4)
def _checked(folder: Path) -> Path:
    for file, digest in read_card(folder.name)["sha256"].items():
        path = folder / file
        if not path.is_file() or sha256_file(path) != digest:
            raise InputError("is missing, or is not what was packaged", path=path, remedy=_AGAIN)
    return folder


def read_card(name: str) -> dict[str, Any]:
    """Return the card of the packaged coder of that very name."""
    from ..records import read_record  # commands start quicker without pydantic
    from ..run_records import CoderRecord

    return read_record(_FOLDER / name / CARD, CoderRecord, what="the coder's card", remedy=_AGAIN)
