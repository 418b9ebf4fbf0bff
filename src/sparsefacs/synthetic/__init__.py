"""AU-labelled synthetic faces: geometry, skin, dynamics, renderer.

Scores on these faces are a runnable benchmark, never evidence about real faces.
"""

from .dynamics import DEFAULT_AUS, label_sequences
from .flow import unpack_flow
from .grid import grid
from .pipeline import synth
from .profiles import PROFILES

__all__ = ["DEFAULT_AUS", "PROFILES", "grid", "label_sequences", "synth", "unpack_flow"]
