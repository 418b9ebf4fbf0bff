"""What the faces of `predict` are compared with: a person's other moments, those so far, or a given reference.

In a video a person is a face id of the file. Photos of one sub-folder are one person's where they show one face; any
other photo's face is a person of its own, of whom nothing else is known.
"""

from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.store import Reject
from ..evidence.activity import Settle
from ..evidence.reference import PersonSample, no_reference
from ..faces.tracking import GAP_S
from .frames import Closed, EncodedFrame, Opened
from .sources import Source
from .spool import Spool

F32 = NDArray[np.float32]
Encoded = Opened | EncodedFrame | Closed
_SAMPLES_HELD = 32  # people whose samples are held although they have left the picture


@dataclass(frozen=True)
class Comparison:
    """A stage of `predict` that gives frames their references; at_end: only once their file has come to its end, and
    without their pictures.

    Of a given reference, passed_over: what lay in it and is not read; notes: what else to know of it.
    """

    frames: Callable[[Iterator[Encoded]], Generator[Encoded, None, None]]
    at_end: bool = False
    passed_over: tuple[Reject, ...] = ()
    notes: tuple[str, ...] = ()

    def all_passed_over(self, inputs: Sequence[Reject]) -> list[Reject]:
        """Return what of the inputs and of the reference is not read; both may be in one folder."""
        return list(dict.fromkeys((*inputs, *self.passed_over)))


def not_compared(frames: Iterator[Encoded]) -> Generator[Encoded, None, None]:
    """Yield the frames as they are, for a model that does not look at the person."""
    yield from frames


def compared_with(frames: Iterator[Encoded], reference_R: F32) -> Generator[Encoded, None, None]:
    """Yield the frames with one reference (known + 1,) for all faces."""
    for item in frames:
        if isinstance(item, EncodedFrame):
            yield replace(item, references_FR=np.tile(reference_R, (len(item.faces), 1)))
        else:
            yield item


def compared_so_far(
    frames: Iterator[Encoded], known: int, settle: Settle | None = None
) -> Generator[Encoded, None, None]:
    """Yield the frames with references of what has been seen of each person so far, the frame itself included."""
    people, unit = People(known, settle), None
    for item in frames:
        if _unit_of(item.source) != unit:
            people, unit = People(known, settle), _unit_of(item.source)
        if isinstance(item, EncodedFrame):
            people.add(item)
            yield people.compared(item)
        else:
            people.open(item)
            yield item


def compared_in_two_passes(
    frames: Iterator[Encoded], known: int, folder: Path, settle: Settle | None = None
) -> Generator[Encoded, None, None]:
    """Yield the frames with references of all that a file, or a sub-folder of photos, shows of each person.

    Frames wait in a file in `folder` until the last of their people's has come.
    """
    with Spool(folder) as spool:
        unit = _Unit(spool, known, settle, None)
        for item in frames:
            if _unit_of(item.source) != unit.name:
                yield from unit.compared()
                unit = _Unit(spool, known, settle, _unit_of(item.source))
            unit.add(item)
            if isinstance(item, Closed) and item.source.person is None:
                yield from unit.compared()
                unit = _Unit(spool, known, settle, None)
        yield from unit.compared()


def _unit_of(source: Source) -> str:
    """Return what must be seen to its end before the faces of `source` can be compared."""
    return source.person or source.name


@dataclass
class _Unit:
    """A file, or the photos of a sub-folder: its frames are in the spool, the rest in `items` (a number: of frames)."""

    spool: Spool
    known: int
    settle: Settle | None
    name: str | None
    items: list[Opened | Closed | int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.people = People(self.known, self.settle)

    def add(self, item: Encoded) -> None:
        if not isinstance(item, EncodedFrame):
            self.people.open(item)
            self.items.append(item)
            return
        self.people.add(item)
        self.spool.write(item)
        if isinstance(self.items[-1], int):
            self.items[-1] += 1
        else:
            self.items.append(1)

    def compared(self) -> Iterator[Encoded]:
        """Yield all items again, frames with their references, and clear the spool."""
        self.spool.rewind()
        source = None
        for item in self.items:
            if not isinstance(item, int):
                source = item.source
                yield item
                continue
            for _ in range(item):
                assert source is not None
                yield self.people.compared(self.spool.read(source))
        self.spool.clear()


class People:
    """The people of a file or sub-folder: what has been seen of each, in bounded memory."""

    def __init__(self, known: int, settle: Settle | None = None) -> None:
        """known: how many numbers at the end of an encoded face tell about its person; settle: as of a coder."""
        self._known, self._settle = known, settle
        self._samples: dict[Hashable, PersonSample] = {}
        self._seen_s: dict[Hashable, float] = {}
        self._left: dict[Hashable, F32] = {}  # references of those who cannot come back
        self._gap_s = GAP_S

    def open(self, item: Opened | Closed) -> None:
        """Note how long a face of the file keeps its id."""
        if isinstance(item, Opened):
            self._gap_s = item.gap_s

    def add(self, frame: EncodedFrame) -> None:
        """Count the faces of a frame."""
        for face, person in enumerate(self._whose(frame)):
            if person in self._left:
                continue
            vector = frame.features_FE[face, -self._known :].copy()  # a view would hold the whole batch
            sample = self._samples.setdefault(person, PersonSample(self._settle))
            sample.add(frame.source.name, frame.index, frame.time_s, vector)
            if frame.time_s is not None:
                self._seen_s[person] = frame.time_s
        if frame.time_s is not None and len(self._samples) > _SAMPLES_HELD:
            self._let_go(frame.time_s)

    def compared(self, frame: EncodedFrame) -> EncodedFrame:
        """Return a frame with the references of its faces, as far as their people are known by now."""
        rows = [self._reference(person) for person in self._whose(frame)]
        return replace(frame, references_FR=np.stack(rows) if rows else no_reference(0, self._known))

    def _whose(self, frame: EncodedFrame) -> list[Hashable]:
        if frame.source.person is not None and len(frame.faces) == 1:
            return [frame.source.person]
        return [(frame.source.name, face.face) for face in frame.faces]

    def _reference(self, person: Hashable) -> F32:
        if person in self._left:
            return self._left[person]
        return self._samples[person].reference(self._known)

    def _let_go(self, time_s: float) -> None:
        """Keep no more than the reference of those whose id the tracker gives to nobody any more."""
        for person in [one for one, seen_s in self._seen_s.items() if time_s - seen_s > 2 * self._gap_s]:
            self._left[person] = self._samples.pop(person).reference(self._known)
            del self._seen_s[person]
