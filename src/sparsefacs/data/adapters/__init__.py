"""Data sets by name: one file and one row here for each."""

from ...errors import InputError
from .folder import plan_folder
from .plan import Adapter, FaceLabel, MediaItem, Plan, Request
from .table import plan_table

ADAPTERS: dict[str, Adapter] = {
    "folder": plan_folder,
    "table": plan_table,
}
"""Name of a data set → the function that plans its work."""


def find_adapter(name: str) -> Adapter:
    """Return the adapter of the data set `name`; raises InputError when there is none."""
    if name not in ADAPTERS:
        raise InputError(f"there is no data set {name!r}", remedy=f"Choose one of: {', '.join(ADAPTERS)}")
    return ADAPTERS[name]


__all__ = ["ADAPTERS", "Adapter", "FaceLabel", "MediaItem", "Plan", "Request", "find_adapter"]
