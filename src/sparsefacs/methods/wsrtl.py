"""WSRTL: RoI inpainting, optical flow from one face, and MixMatch on the RoI backbone, with the paper's settings."""

from ..networks.recognisers import RecogniserConfig
from .weakly_supervised import SemiName, TaskName, WeakConfig, WeaklySupervised


class WSRTLConfig(WeakConfig):
    """The paper's choice of each part."""

    recogniser: RecogniserConfig = RecogniserConfig(kind="roi")
    auxiliary: tuple[TaskName, ...] = ("flow", "inpainting")
    semi_supervised: SemiName = "mixmatch"


class WSRTL(WeaklySupervised):
    """Weakly supervised regional and temporal learning (Algorithm 1)."""

    Config = WSRTLConfig
