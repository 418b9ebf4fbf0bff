"""What FACS and face geometry say, as data: units, landmarks, AU centres, facial areas."""

from .areas import AREA_GROUPS, AREA_MIRROR, AREA_NAMES, AREAS, EDGES, facial_areas
from .centres import au_centres, centre_aus, mirrored_centres
from .landmarks import MEDIAPIPE_TO_68, MIRROR_68, flip_landmarks, points_to_68
from .units import UNITS, ActionUnit, column, parse_aus

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
