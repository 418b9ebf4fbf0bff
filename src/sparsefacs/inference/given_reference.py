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
    frames: Iterator[Opened | EncodedFrame | Closed], coder: Coder, sources: Sequence[Source]
) -> NDArray[np.float32]:
    """Return the reference (known + 1,) of encoded frames of `sources`, made of the largest face in each.

    Raises InputError when one of them cannot be read, or none shows a face.
    """
    sample = PersonSample()
    for item in frames:
        if isinstance(item, Closed) and item.failed is not None:
            raise item.failed
        if isinstance(item, EncodedFrame) and item.faces:
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
