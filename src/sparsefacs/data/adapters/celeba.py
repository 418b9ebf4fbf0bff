"""CelebA: faces without AU labels.

    img_align_celeba/000001.jpg …
    identity_CelebA.txt                    image, identity
    list_eval_partition.txt                image, 0 training, 1 validation, 2 test
    list_landmarks_align_celeba.txt        count, names of columns, then image and five points

The lists lie beside the images or, as delivered, in Anno/ and Eval/. An identity is a subject, the partition the clip.
"""

from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...facs import UNITS
from ..delivered import GivenPoints
from ..media import media_below
from ..store import Reject
from .collection import Encoded, broken, decoded, encoded, find_names, list_file
from .layout import find_root, folders
from .plan import LazyItems, MediaItem, Plan, Request, photo_frames

_IMAGES = "img_align_celeba"
_SPLITS = ("train", "val", "test")
_LISTS = (("identity_CelebA.txt", 1), ("list_eval_partition.txt", 1), ("list_landmarks_align_celeba.txt", 10))


@dataclass(frozen=True)
class _Photos:
    """The photos by identity and split; points (N, 10) or None."""

    images: Path
    names: Encoded
    identity: NDArray[np.int64]
    split: NDArray[np.int64]
    frame: NDArray[np.int64]
    points: NDArray[np.int64] | None

    def item(self, place: int) -> MediaItem:
        name = decoded(self.names[place])
        points = None
        if self.points is not None:
            x, y = self.points[place, 0::2].tolist(), self.points[place, 1::2].tolist()
            points = GivenPoints(tuple(zip(x, y, strict=True)))
        return MediaItem(
            self.images / name,
            f"{_IMAGES}/{name}",
            str(int(self.identity[place])),
            _SPLITS[int(self.split[place])],
            int(self.frame[place]),
            alone=True,
            points=points,
        )


def plan_celeba(request: Request) -> Plan:
    """Plan every image of the identity list; those not found or not in the other lists are rejected.

    Raises InputError when images or a list are missing, or a list is not what it should be.
    """
    source = request.source
    root = find_root(source, ((_IMAGES,),), "CelebA")
    images = next(path for path in folders(root) if path.name.lower() == _IMAGES)
    wanted = _LISTS if request.delivered_landmarks else _LISTS[:2]
    paths = [list_file(name, source, root, data_set="CelebA") for name, _ in wanted]
    (listed, identity), *others = (_read(path, width) for path, (_, width) in zip(paths, wanted, strict=True))
    rejected: list[Reject] = []
    present = encoded(list(media_below(images, rejected)))
    places = [find_names(listed, known) for known in (present, *(names for names, _ in others))]
    reasons = [f"named in {paths[0].name} but not found", *(f"not in {path.name}" for path in paths[1:])]
    kept = np.ones(len(listed), bool)
    for at, reason in zip(places, reasons, strict=True):
        rejected.extend(Reject(f"{_IMAGES}/{decoded(name)}", None, reason) for name in listed[kept & (at < 0)])
        kept &= at >= 0
    if not kept.any():
        raise InputError(
            f"holds none of the images that {paths[0].name} names",
            path=images,
            remedy="Unpack or copy img_align_celeba.zip again",
        )
    split = others[0][1][places[1], 0]
    if not np.isin(split[kept], range(len(_SPLITS))).all():
        raise InputError("holds a partition other than 0, 1 and 2", path=paths[1], remedy="Copy the file again")
    frame = np.array(photo_frames([decoded(name).rpartition(".")[0] for name in listed]), np.int64)
    rows = np.flatnonzero(kept)
    rows = rows[np.lexsort((frame[rows], split[rows], identity[rows, 0]))]
    points = others[1][1][places[2][rows]] if request.delivered_landmarks else None
    photos = _Photos(images, listed[rows], identity[rows, 0], split[rows], frame[rows], points)
    strangers = int((find_names(present, listed) < 0).sum())
    return Plan(
        request.aus or tuple(UNITS),
        LazyItems(len(rows), photos.item),
        tuple(rejected),
        (f"{strangers} images are not in {paths[0].name} and were left out",) if strangers else (),
        landmarks="5 points delivered with CelebA" if request.delivered_landmarks else None,
    )


def _read(path: Path, width: int) -> tuple[Encoded, NDArray[np.int64]]:
    """Return names (N,) and whole numbers (N, width) of a list; a count and names of columns may stand above it."""
    names: list[bytes] = []
    values = array("q")
    with path.open("rb") as handle:
        for row, line in enumerate(handle, start=1):
            words = line.split()
            if not words or (row <= 2 and b"." not in words[0]):
                continue
            try:
                if len(words) != width + 1:
                    raise ValueError
                values.extend(map(int, words[1:]))
            except ValueError:
                problem = f"is not an image's name and {width} whole numbers"
                raise broken(path, row, problem) from None
            names.append(words[0])
    if not names:
        raise InputError("names no image", path=path, remedy="Copy the file again, as it was delivered")
    listed = np.array(names, np.bytes_)
    sorted_names = np.sort(listed)
    twice = sorted_names[1:][sorted_names[1:] == sorted_names[:-1]]
    if len(twice):
        raise InputError(
            f"names {decoded(twice[0])} twice", path=path, remedy="Copy the file again, as it was delivered"
        )
    return listed, np.array(values, np.int64).reshape(-1, width)
