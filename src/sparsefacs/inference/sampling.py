"""Which frames of a video are coded: all, each so manieth, or about so many a second."""

import math
from dataclasses import dataclass

from ..errors import InputError


@dataclass(frozen=True)
class Sampling:
    """every: each so manieth frame, from the first on. fps: as many a second as that comes nearest to, by the video's
    own rate, so that frames stay evenly apart. Raises InputError for values that make no sense, or both.
    """

    every: int = 1
    fps: float | None = None

    def __post_init__(self) -> None:
        if self.every < 1:
            raise InputError(f"--every {self.every} is not possible", remedy="Give 1 (all frames) or more")
        if self.fps is not None and not (math.isfinite(self.fps) and self.fps > 0):
            raise InputError(f"--fps {self.fps:g} is not possible", remedy="Give a number over 0, such as 5")
        if self.fps is not None and self.every > 1:
            raise InputError("--every and --fps both say which frames are coded", remedy="Leave one of them out")

    def step(self, fps: float) -> int:
        """Return how many frames of a video of `fps` a second lie from one that is coded to the next."""
        return self.every if self.fps is None else max(1, round(fps / self.fps))

    @property
    def name(self) -> str:
        """What the files beside the codes say."""
        if self.fps is not None:
            return f"about {self.fps:g} a second"
        return "all" if self.every == 1 else f"every {self.every}"


ALL_FRAMES = Sampling()
