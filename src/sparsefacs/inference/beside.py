"""The file beside a table of codes, `codes.json` of `codes.csv`: what coded it, from what, how, what to know of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..facs.units import column
from ..files import read_json, refuse_existing
from ..version import VERSION
from .contract import Coder
from .origin import Origin

FORMAT = 1


def beside_path(codes: Path) -> Path:
    """Return the name of the file beside the table `codes`."""
    return codes.with_suffix(".json")


def refuse_beside(codes: Path) -> None:
    """Raise InputError where the file beside `codes`, a table to be made, is there: it tells of another table."""
    refuse_existing(
        beside_path(codes),
        what="file beside the codes, which says what coded them,",
        remedy=f"If it was left by a {codes.name} that you deleted, delete it too; else choose another name",
    )


def told_beside(codes: Path) -> tuple[str, ...]:
    """Return what the file beside `codes` says of what coded them; nothing where there is no such file."""
    path = beside_path(codes)
    if not path.is_file():
        return ()
    content = read_json(path, what="the file beside the codes", remedy="Move it away, or code the input again")
    told = content.get("coder") if isinstance(content, dict) else None
    notes = told.get("notes") if isinstance(told, dict) and content.get("codes") == codes.name else None
    return tuple(map(str, notes)) if isinstance(notes, list) else ()


def beside_content(
    codes: str,
    coder: Coder,
    origin: Origin,
    settings: Mapping[str, Any],
    inputs: Sequence[Mapping[str, Any]],
    rejected: Sequence[tuple[str, str]],
    notes: Sequence[str],
) -> dict[str, Any]:
    """Return what the file beside the table called `codes` holds: the same of the same codes, so without dates."""
    return {
        "format": FORMAT,
        "program": f"sparsefacs {VERSION}",
        "codes": codes,
        "coder": origin.as_json() | {"task": coder.task, "aus": list(coder.aus)},
        "limits": {column(au, "p" if coder.task == "occurrence" else "r"): limit
                   for au, limit in zip(coder.aus, coder.limits, strict=True)},
        "settings": dict(settings),
        "inputs": list(inputs),
        "rejected": [{"input": name, "reason": reason} for name, reason in rejected],
        "notes": list(notes),
    }  # fmt: skip
