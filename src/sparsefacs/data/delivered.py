"""Landmarks that came with a data set, where they lie and how they are read."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class DeliveredPoints(Protocol):
    """Landmarks by frame; small and picklable: files are opened when asked, in the process that asks."""

    def at(self, frame: int) -> NDArray[np.float32] | None:
        """Return the points (5, 49, 66 or 68, 2) of a frame, pixels of the source image; None: tracking failed there.

        Pixel centres have whole coordinates. Raises InputError when the file is missing or not what it should be.
        """

    def as_json(self) -> Any:
        """Return what identifies the landmarks, as JSON, to be hashed."""


@dataclass(frozen=True, slots=True)
class GivenPoints:
    """The points of one photo, held in memory as (x, y) pairs."""

    points: tuple[tuple[float, float], ...]

    def at(self, frame: int) -> NDArray[np.float32] | None:
        """Return the points (K, 2), whatever the frame."""
        del frame
        return np.array(self.points, np.float32)

    def as_json(self) -> Any:
        """Return the points."""
        return [list(point) for point in self.points]
