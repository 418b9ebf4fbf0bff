"""What FACS and face geometry say, as data: units, landmarks, AU centres, facial areas."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .units import UNITS, ActionUnit, column, parse_aus

if TYPE_CHECKING:
    from .areas import AREA_GROUPS, AREA_MIRROR, AREA_NAMES, AREAS, EDGES, facial_areas
    from .centres import au_centres, centre_aus, mirrored_centres
    from .landmarks import MEDIAPIPE_TO_68, MIRROR_68, flip_landmarks, points_to_68

__all__ = [
    "AREAS",
    "AREA_GROUPS",
    "AREA_MIRROR",
    "AREA_NAMES",
    "EDGES",
    "MEDIAPIPE_TO_68",
    "MIRROR_68",
    "UNITS",
    "ActionUnit",
    "au_centres",
    "centre_aus",
    "column",
    "facial_areas",
    "flip_landmarks",
    "mirrored_centres",
    "parse_aus",
    "points_to_68",
]


def __getattr__(name: str) -> Any:
    """Return what lies in a module that needs numpy, without which commands start quicker."""
    for module in ("areas", "centres", "landmarks") if name in __all__ else ():
        found = import_module(f".{module}", __name__)
        if hasattr(found, name):
            return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
