"""Experiments: tables and figures of the papers as data, the runs they need, and what came out of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .reproduction import Reproduced


def reproduce(paper: str, item: str, out: str | Path | None = None, **given: Any) -> "Reproduced":
    """Make a table or figure of a paper, or of the benchmark, and return its results; see `reproduction.reproduce`."""
    from .reproduction import reproduce as run

    return run(paper, item, None if out is None else Path(out), **given)
