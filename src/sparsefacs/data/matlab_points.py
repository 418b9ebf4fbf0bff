"""Delivered landmarks in MATLAB files: BP4D's tracks, one file a sequence, and DISFA's, one file a frame.

MATLAB counts pixels from 1, this program from 0, so 1 is taken off both coordinates. Public loaders in Python use
DISFA's points as they stand, which is a pixel of 768 either way; none documents the origin.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

_FIT_POINTS, _PTS_POINTS = 49, 66
_MEND = "Copy the file again from the data set"


@dataclass(frozen=True, slots=True)
class FitPoints:
    """BP4D's track of a sequence, `F001_T1.mat`: entry k of `fit.pred` is its k-th image.

    first: the frame number of the first entry.
    """

    path: Path
    first: int = 0

    def at(self, frame: int) -> NDArray[np.float32] | None:
        """Return the points (49, 2) of image number `frame`; None where tracking failed or the track has ended.

        Raises InputError when the file is not what it should be.
        """
        track = _fit_track(self.path)
        place = frame - self.first
        if not 0 <= place < len(track) or not np.isfinite(track[place]).all():
            return None
        return np.asarray(track[place])

    def as_json(self) -> Any:
        """Return the file's name and size and the first frame."""
        return [self.path.name, self.path.stat().st_size, self.first]


@dataclass(frozen=True, slots=True)
class PtsPoints:
    """DISFA's landmarks of a subject, a file `pts` a frame. name: the file's name, `{}` the number; first: frame 0's.

    A frame without a file has no landmarks.
    """

    folder: Path
    name: str
    first: int = 0

    def at(self, frame: int) -> NDArray[np.float32] | None:
        """Return the points (66, 2) of 0-based frame `frame`; raises InputError for a file that cannot be read."""
        path = self.folder / self.name.format(frame + self.first)
        return _pts(path) if path.is_file() else None

    def as_json(self) -> Any:
        """Return the subject's folder, how its files are named, and how many there are."""
        return [self.folder.parent.name, self.name, self.first, sum(1 for _ in self.folder.iterdir())]


def check_fit(path: Path) -> None:
    """Look into a track, without reading it; raises InputError when there is none in the file."""
    import h5py

    with _told(path), h5py.File(path, "r") as opened:
        opened["fit"]["pred"].shape  # noqa: B018


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what a damaged or foreign MATLAB file raises into an InputError."""
    try:
        yield
    except Exception as error:  # scipy has an error of its own, and junk makes both readers stumble over anything
        reason = " ".join(str(error).split())
        raise InputError(f"holds no landmarks that can be read ({reason})", path=path, remedy=_MEND) from error


@lru_cache(maxsize=4)  # the photos of a clip come one after another, so one would nearly do
def _fit_track(path: Path) -> NDArray[np.float32]:
    """Return the track (N, 49, 2), NaN where tracking failed.

    `fit` is a struct array, which v7.3 keeps as a group whose field `pred` is a list of references; MATLAB's columns
    are HDF5's rows, so each of them is (2, 49) here. An empty matrix is kept as its size.
    """
    import h5py

    with _told(path), h5py.File(path, "r") as opened:
        pred = opened["fit"]["pred"]
        if h5py.check_ref_dtype(pred.dtype) is None:  # a track of one frame
            return np.stack([_fit_points(pred)])
        entries = [_fit_points(opened[reference]) for reference in pred[()].ravel()]
        return np.stack(entries) if entries else np.zeros((0, _FIT_POINTS, 2), np.float32)


def _fit_points(entry: Any) -> NDArray[np.float32]:
    values = np.asarray(entry[()], np.float64)
    if entry.attrs.get("MATLAB_empty", 0) or values.size == 0 or not np.isfinite(values).any():
        return np.full((_FIT_POINTS, 2), np.nan, np.float32)
    if values.shape not in {(2, _FIT_POINTS), (_FIT_POINTS, 2)}:
        raise ValueError(f"{values.shape[::-1]} is not {_FIT_POINTS} points")
    return np.asarray((values.T if len(values) == 2 else values) - 1, np.float32)


def _pts(path: Path) -> NDArray[np.float32] | None:
    from scipy.io import loadmat

    with _told(path):
        values = np.asarray(loadmat(path)["pts"], np.float64)
        if values.size and values.shape != (_PTS_POINTS, 2):
            raise ValueError(f"{values.shape} is not {_PTS_POINTS} points")
    if not values.size or not np.isfinite(values).all():
        return None
    return np.asarray(values - 1, np.float32)
