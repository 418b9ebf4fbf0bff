"""Batches and the labelled and unlabelled streams: a batch depends on the seed and its number, nothing else.

So worker threads, the number of processes, and a stop and resume cannot change what is trained on.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .augmentation import AugmentationConfig, View, augment, resize
from .evidence import EvidenceTable
from .flow import Flows
from .rows import Faces
from .store import Store

if TYPE_CHECKING:
    import torch

PREFETCH = 3


@dataclass
class Batch:
    """B faces: image (B, 3, S, S) float 0–1 RGB, landmarks (B, 68, 2) pixels of `image`, occurrence (B, A) float
    −1 unlabelled / 0 / 1, intensity (B, A) 0–5 or NaN unlabelled, row (B,) index in the store, flow (B, 2, h, w) x and
    y displacement in pixels of `image`, NaN unknown (None where it was not asked for).

    evidence: (B, 2W + 1), as of `evidence.linear.evidence_of` (None where no network looks at it). sides: (B, 2, A),
    intensity 0–5 on the left and right of the person shown, NaN unlabelled (None where it was not asked for).

    length, key: the faces are clips of `length` frames, one after the other, whose frame number `key` is the key frame.
    key_image: (B / length, 3, S, S), the key frames once more, in a view of their own (None where not asked for).
    """

    image: "torch.Tensor"
    landmarks: "torch.Tensor"
    occurrence: "torch.Tensor"
    intensity: "torch.Tensor"
    row: "torch.Tensor"
    flow: "torch.Tensor | None" = None
    evidence: "torch.Tensor | None" = None
    sides: "torch.Tensor | None" = None
    length: int = 1
    key: int = 0
    key_image: "torch.Tensor | None" = None

    def to(self, device: "torch.device | str") -> "Batch":
        """Return the batch on `device`."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        tensors = {name: part for name, part in parts.items() if part is not None and not isinstance(part, int)}
        return replace(self, **{name: part.to(device, non_blocking=True) for name, part in tensors.items()})

    def first(self, count: int) -> "Batch":
        """Return the first `count` faces."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        tensors = {name: part for name, part in parts.items() if part is not None and not isinstance(part, int)}
        return replace(self, **{name: part[:count] for name, part in tensors.items()})

    def __len__(self) -> int:
        return int(self.image.shape[0])


def together(*parts: Batch) -> "torch.Tensor | None":
    """Return the evidence of the faces of all `parts`, in order; None where no network looks at it."""
    import torch

    known = [part.evidence for part in parts if part.evidence is not None]
    return torch.cat(known) if len(known) == len(parts) else None


class RowStream:
    """An endless shuffled stream of rows: batch number `draw` is a function of (rows, size, seed, draw) alone.

    Each pass over the rows is a fresh seeded permutation; a batch may straddle two passes.
    """

    def __init__(self, rows: NDArray[np.int64], size: int, seed: int) -> None:
        if len(rows) == 0 or size < 1:
            raise ValueError("a stream needs rows and a positive batch size")
        self.rows, self.size, self.seed = np.asarray(rows, np.int64), size, seed
        self._permutation: tuple[int, NDArray[np.int64]] | None = None

    def _pass(self, number: int) -> NDArray[np.int64]:
        if self._permutation is None or self._permutation[0] != number:
            rng = np.random.default_rng([self.seed, number])
            self._permutation = (number, rng.permutation(self.rows))
        return self._permutation[1]

    def batch(self, draw: int) -> NDArray[np.int64]:
        """Return the rows of batch number `draw`, in order."""
        start = draw * self.size
        picked: list[int] = []
        while len(picked) < self.size:
            number, offset = divmod(start + len(picked), len(self.rows))
            picked.extend(self._pass(number)[offset : offset + self.size - len(picked)].tolist())
        return np.array(picked, dtype=np.int64)


class FaceLoader:
    """Decodes and augments faces of one or several stores, with the labels that may be seen.

    Rows count through the stores in order; faces are read when asked for, and none is kept. occurrence (M, A) int8
    and intensity (M, A) float32 are the visible labels of every row. flow_side: side of the flow maps that come with
    each batch (None: none do). crop: share of the stored face's side that fills the image. Raises InputError when flow
    is asked for and no store has any. evidence: of every row, where a network looks at it; views of a face share it,
    since it is the same for a shifted, turned, scaled or flipped face. sides: (M, 2, A) of every row, where a method
    learns left and right apart; a flipped view has them exchanged.
    """

    length = 1

    def __init__(
        self,
        stores: Sequence[Store],
        occurrence: NDArray[np.int8],
        intensity: NDArray[np.float32],
        input_size: int,
        augmentation: AugmentationConfig | None,
        seed: int,
        flow_side: int | None = None,
        crop: float = 1.0,
        evidence: EvidenceTable | None = None,
        sides: NDArray[np.float32] | None = None,
    ) -> None:
        self.stores, self.occurrence, self.intensity = stores, occurrence, intensity
        self._faces = Faces(stores)
        self._flows = None if flow_side is None else Flows(stores)
        self.input_size, self.augmentation, self.seed = input_size, augmentation, seed
        self.flow_side, self.crop, self.evidence = flow_side, crop, evidence
        self.sides = sides

    def face(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return the face of row `row`, (S, S, 3) uint8 RGB, and its landmarks (68, 2), pixels of it."""
        return self._faces.face(row)

    def load(self, rows: NDArray[np.int64], draw: int, first: int = 0) -> Batch:
        """Load `rows` as batch number `draw`; `first` is the place of rows[0] in the whole batch of all processes."""
        return self.load_at(rows, draw, np.arange(first, first + len(rows)))

    def load_at(self, rows: NDArray[np.int64], draw: int, places: NDArray[np.integer]) -> Batch:
        """Load `rows` as batch number `draw`; rows with one place of the whole batch are augmented alike."""
        import torch

        views = [self._view(int(row), draw, int(place)) for row, place in zip(rows, places, strict=True)]
        flows = [view.flow for view in views if view.flow is not None]
        sides = None
        if self.sides is not None:
            sides = self.sides[rows]
            sides = np.where(np.array([[[view.flipped]] for view in views]), sides[:, ::-1], sides)
        image_BHWC = torch.from_numpy(np.stack([view.image for view in views]))
        return Batch(
            image=image_BHWC.permute(0, 3, 1, 2).float().div_(255),
            landmarks=torch.from_numpy(np.stack([view.landmarks for view in views])),
            occurrence=torch.from_numpy(self.occurrence[rows].astype(np.float32)),
            intensity=torch.from_numpy(self.intensity[rows]),
            row=torch.from_numpy(np.asarray(rows)),
            flow=torch.from_numpy(np.stack(flows)) if flows else None,
            evidence=None if self.evidence is None else torch.from_numpy(self.evidence.of(np.asarray(rows))),
            sides=None if sides is None else torch.from_numpy(np.ascontiguousarray(sides)),
        )

    def _view(self, row: int, draw: int, place: int) -> View:
        """Return the view of row `row` at place `place` of the whole batch number `draw`."""
        image, landmarks = self.face(row)
        flow = None if self._flows is None else self._flows.at(row)
        if self.augmentation is None:
            return resize(image, landmarks, self.input_size, crop=self.crop, flow=flow, flow_side=self.flow_side)
        rng = np.random.default_rng([self.seed, draw, place])
        return augment(
            image,
            landmarks,
            self.input_size,
            self.augmentation,
            rng,
            crop=self.crop,
            flow=flow,
            flow_side=self.flow_side,
        )


class Loader(Protocol):
    """Loads the faces of rows, `length` faces a row."""

    length: int

    def load(self, rows: NDArray[np.int64], draw: int, first: int = 0) -> Batch:
        """Load `rows` as batch number `draw`; `first` is the place of rows[0] in the whole batch of all processes."""


class FaceStream:
    """Batches of one row stream, loaded ahead in threads; `position` is all its state."""

    def __init__(
        self, loader: Loader, rows: RowStream, pool: ThreadPoolExecutor, rank: int = 0, world: int = 1
    ) -> None:
        if rows.size % world:
            raise InputError(
                f"a batch of {rows.size} faces cannot be split evenly over {world} devices",
                remedy=f"Set data.labelled_batch and data.unlabelled_batch to multiples of {world}",
            )
        self.loader, self.rows, self.pool, self.rank, self.world = loader, rows, pool, rank, world
        self.position = 0
        self._ahead: dict[int, Future[Batch]] = {}

    def _submit(self, draw: int) -> Future[Batch]:
        share = self.rows.size // self.world
        rows = self.rows.batch(draw)[self.rank * share : (self.rank + 1) * share]
        return self.pool.submit(self.loader.load, rows, draw, self.rank * share)

    def draw(self) -> Batch:
        """Return the next batch and move on."""
        for number in range(self.position, self.position + PREFETCH):
            if number not in self._ahead:
                self._ahead[number] = self._submit(number)
        batch = self._ahead.pop(self.position).result()
        self.position += 1
        return batch

    def faces(self) -> int:
        """Return how many faces were drawn so far, by all processes together."""
        return self.position * self.rows.size * self.loader.length

    def seek(self, position: int) -> None:
        """Go on from batch number `position`."""
        self._ahead.clear()
        self.position = position


class LabelStream:
    """Label vectors drawn at random, with replacement, from those of the training faces (Adversarial, Alg. 1 line 5).

    labels (M', A): −1 unlabelled, 0, 1; `position` counts the draws.
    """

    def __init__(self, labels: NDArray[np.int8], seed: int, rank: int = 0, world: int = 1) -> None:
        self.labels, self.seed, self.rank, self.world = labels, seed, rank, world
        self.position = 0

    def draw(self, count: int) -> "torch.Tensor":
        """Return `count` label vectors (count, A) float for this process."""
        import torch

        rng = np.random.default_rng([self.seed, 7, self.position])
        picked = rng.integers(0, len(self.labels), count * self.world)
        self.position += 1
        mine = picked[self.rank * count : (self.rank + 1) * count]
        return torch.from_numpy(self.labels[mine].astype(np.float32))


class BatchSource(Protocol):
    """What a method draws from."""

    def labelled(self) -> Batch:
        """Return the next batch of faces that carry labels."""

    def unlabelled(self) -> Batch | None:
        """Return the next batch of faces without visible labels, or None when the training set has none."""

    def unlabelled_views(self) -> tuple[Batch, Batch] | None:
        """Return the next such batch in two random views, the second of the stronger augmentation if there is one."""

    def every(self) -> Batch:
        """Return the next batch of all training faces, with labels and without as they come."""

    def labels(self, count: int) -> "torch.Tensor":
        """Return `count` label vectors (count, A) drawn from the training labels."""


@dataclass
class Batches:
    """The batch source of a training: labelled faces, faces without labels (None: there are none), label vectors.

    second_view: the same faces without labels in another view; it follows `unlabelled_faces`. every_face: all training
    faces, where a method draws from them.
    """

    labelled_faces: FaceStream
    unlabelled_faces: FaceStream | None
    label_vectors: LabelStream
    second_view: FaceStream | None = None
    every_face: FaceStream | None = None
    place: Callable[[Batch], Batch] = lambda batch: batch

    def labelled(self) -> Batch:
        """Return the next batch of faces that carry labels."""
        return self.place(self.labelled_faces.draw())

    def unlabelled(self) -> Batch | None:
        """Return the next batch of faces without visible labels, or None when the training set has none."""
        return None if self.unlabelled_faces is None else self.place(self.unlabelled_faces.draw())

    def unlabelled_views(self) -> tuple[Batch, Batch] | None:
        """Return the next such batch in two random views, the second of the stronger augmentation if there is one."""
        if self.unlabelled_faces is None or self.second_view is None:
            return None
        if self.second_view.position != self.unlabelled_faces.position:
            self.second_view.seek(self.unlabelled_faces.position)
        return self.place(self.unlabelled_faces.draw()), self.place(self.second_view.draw())

    def every(self) -> Batch:
        """Return the next batch of all training faces, with labels and without as they come.

        Raises ValueError where the method did not say that it draws them.
        """
        if self.every_face is None:
            raise ValueError("a method that draws from all faces says so in needs()")
        return self.place(self.every_face.draw())

    def labels(self, count: int) -> "torch.Tensor":
        """Return `count` label vectors (count, A) drawn from the training labels."""
        return self.label_vectors.draw(count)

    def images(self) -> int:
        """Return how many faces were drawn so far, by all processes together; one in two views counts once."""
        streams = (self.labelled_faces, self.unlabelled_faces, self.every_face)
        return sum(stream.faces() for stream in streams if stream is not None)

    def positions(self) -> dict[str, int]:
        """Return the state of all streams."""
        unlabelled = 0 if self.unlabelled_faces is None else self.unlabelled_faces.position
        return {
            "labelled": self.labelled_faces.position,
            "unlabelled": unlabelled,
            "labels": self.label_vectors.position,
            "every": 0 if self.every_face is None else self.every_face.position,
        }

    def seek(self, positions: dict[str, int]) -> None:
        """Restore the state of all streams."""
        self.labelled_faces.seek(positions["labelled"])
        if self.unlabelled_faces is not None:
            self.unlabelled_faces.seek(positions["unlabelled"])
        if self.every_face is not None:
            self.every_face.seek(positions["every"])
        self.label_vectors.position = positions["labels"]


class ViewSource(Protocol):
    """What a pre-training draws from: faces without labels, seen once or twice."""

    def views(self) -> tuple[Batch, Batch]:
        """Return the next faces in two random views; row by row the two show one face. No label is in them."""

    def faces(self) -> Batch:
        """Return the next faces in one random view, the first of the two. No label is in them."""


@dataclass
class Views:
    """The source of a pre-training: two streams of the same faces, each augmented on its own.

    The second follows the first, and nothing of it is loaded where one view is enough.
    """

    first: FaceStream
    second: FaceStream
    place: Callable[[Batch], Batch] = lambda batch: batch

    def views(self) -> tuple[Batch, Batch]:
        """Return the next faces in two random views; row by row the two show one face. No label is in them."""
        if self.second.position != self.first.position:
            self.second.seek(self.first.position)
        return self.place(self.first.draw()), self.place(self.second.draw())

    def faces(self) -> Batch:
        """Return the next faces in one random view, the first of the two. No label is in them."""
        return self.place(self.first.draw())

    def images(self) -> int:
        """Return how many faces were drawn so far, by all processes together, each counted once."""
        return self.first.faces()

    def positions(self) -> dict[str, int]:
        """Return the state of the streams."""
        return {"views": self.first.position}

    def seek(self, positions: dict[str, int]) -> None:
        """Restore the state of the streams."""
        self.first.seek(positions["views"])
        self.second.seek(positions["views"])
