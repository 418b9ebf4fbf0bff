"""`--reference`: photos or videos whose faces are at rest, as what all coded faces are compared with."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..evidence.reference import PersonSample
from .contract import Coder
from .frames import Closed, EncodedFrame, Opened
from .sources import Source


def given_reference(
    frames: Iterator[Opened | EncodedFrame | Closed],
    coder: Coder,
    sources: Sequence[Source],
    notes: list[str],
) -> NDArray[np.float32]:
    """Return the reference (known + 1,) of encoded frames of `sources`, made of the largest face in each.

    notes: takes what there is to say of the sources, such as which show no face. Raises InputError when one of them
    cannot be read, or none shows a face.
    """
    sample, shown = PersonSample(), set[Source]()
    for item in frames:
        if isinstance(item, Closed) and item.failed is not None:
            raise item.failed
        if isinstance(item, Closed):
            notes += _told(item, shows_face=item.source in shown)
        if isinstance(item, EncodedFrame) and item.faces:
            shown.add(item.source)
            largest = int(np.argmax([np.prod(face.box[2:] - face.box[:2]) for face in item.faces]))
            vector = item.features_FE[largest, -coder.known :].copy()
            sample.add(item.source.name, item.index, item.time_s, vector)
    reference = sample.given_reference(coder.known)
    if not reference[-1]:
        raise InputError(
            "no face was found to compare with",
            path=sources[0].path,
            remedy="Give --reference a photo or video in which the person's face can be seen well",
        )
    return reference


def _told(item: Closed, *, shows_face: bool) -> Iterator[str]:
    """Yield what is to be said of a file that has come to its end, a line each."""
    name = item.source.name
    yield from (f"{name}: frame {index + 1}: {reason}" for index, reason in item.damaged)
    if item.note:
        yield f"{name}: {item.note}"
    if not shows_face:
        yield f"{name}: no face was found in it, so that it is no part of the reference"
