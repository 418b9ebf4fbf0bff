"""What is known of a store's faces before any is coded: evidence, what the packaged coder's pixels say, and weights.

The pass of the coder over all faces takes minutes for a large store and is kept in the store's folder; until it is
done faces are known by points, blendshapes and the person.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..coders import coder_folder
from ..data.evidence import EvidenceTable, store_vectors
from ..data.store import Store
from ..errors import InputError
from ..evidence.linear import LinearEvidence
from ..evidence.vectors import VECTOR_WIDTH
from ..files import atomic_path, sha256_file
from ..networks.pixels import said_of
from ..progress import progress

if TYPE_CHECKING:
    from ..engine.light import Light

F32 = NDArray[np.float32]
Rows = NDArray[np.int64]
Encode = Callable[[NDArray[np.uint8]], F32]
"""Faces (B, S, S, 3) → what their pixels say, (B, said)."""

NO_CODER = "none"
_MOST_FREE = 2_000


@dataclass(frozen=True)
class Features:
    """The faces of a store as numbers.

    begin: weights to learn from, None without a coder. whole: no pass is missing. train: rows of people who are not
    tested.
    """

    table: EvidenceTable
    begin: LinearEvidence | None
    whole: bool
    train: Rows

    @cached_property
    def free(self) -> Rows:
        """At most 2,000 rows of `train`, evenly spread, that say what evidence is measured in."""
        places = np.linspace(0, len(self.train) - 1, min(len(self.train), _MOST_FREE))
        return self.train[places.round().astype(np.int64)]


def store_features(store: Store, aus: tuple[int, ...], coder: str, train: Rows) -> Features:
    """Return what is known of the faces at once: without the coder's pass where none is kept."""
    vectors_MV = store_vectors(store)
    if coder == NO_CODER:
        return Features(EvidenceTable([store], person=True, vectors_ME=vectors_MV), None, True, train)
    begin, said = coder_weights(coder, aus)
    kept = _kept(store, coder)
    whole = kept is not None and kept.shape == (len(store), said)
    pixels = kept if kept is not None and whole else np.full((len(store), said), np.nan, np.float16)
    table = EvidenceTable(
        [store], person=True, vectors_ME=np.concatenate([vectors_MV, pixels.astype(np.float32)], axis=1)
    )
    return Features(table, begin, whole, train)


def with_pixels(
    store: Store,
    features: Features,
    coder: str,
    encode: Encode | None = None,
    wanted: Callable[[], bool] = lambda: True,
) -> Features:
    """Return the features with the coder's pass, done now and kept in the store's folder where that can be written.

    Those that were given, as soon as the pass is not `wanted` any more.
    """
    vectors_ME, done = features.table.vectors_ME.copy(), 0
    with progress("looking at faces", len(store), "faces") as told:
        for said in said_of(encode or packaged_encoder(coder), store.image, np.arange(len(store))):
            if not wanted():
                return features
            vectors_ME[done : done + len(said), VECTOR_WIDTH:] = said
            done += len(said)
            told.advance(len(said))
    _keep(store, coder, vectors_ME[:, VECTOR_WIDTH:])
    as_kept = vectors_ME[:, VECTOR_WIDTH:].astype(np.float16)
    vectors_ME[:, VECTOR_WIDTH:] = as_kept.astype(np.float32)  # as they are when read again
    return Features(EvidenceTable([store], person=True, vectors_ME=vectors_ME), features.begin, True, features.train)


def packaged_encoder(coder: str) -> Encode:
    """Return what runs the pixels of the packaged coder."""
    pixels = _packaged(coder).network.pixels
    assert pixels is not None, "packaged coders look at pixels"
    return pixels


def coder_weights(coder: str, aus: tuple[int, ...]) -> tuple[LinearEvidence, int]:
    """Return a packaged coder's weights for the occurrence of `aus`, zeros for those it does not know, and how many
    answers of its pixels they look at.
    """
    found = _packaged(coder)
    known, network = found.described.setting.aus, found.network
    places = [known.index(au) if au in known else None for au in aus]
    return network.evidence.of_answers(places), network.width - VECTOR_WIDTH


@cache
def _packaged(coder: str) -> "Light":
    from ..engine.light import load_light
    from ..engine.run import RunFolder

    found = load_light(RunFolder(coder_folder(coder)))
    assert found is not None, "packaged coders need no torch"
    return found


def _file(store: Store, coder: str) -> Path:
    return store.path / f"features-{coder_folder(coder).name}.npz"


def _fingerprint(store: Store) -> str:
    return sha256_file(store.path / "store.json")  # which holds the sums of all files


def _kept(store: Store, coder: str) -> NDArray[np.float16] | None:
    """Return what an earlier pass has kept of this very store; None where there is none, or it cannot be read."""
    try:
        with np.load(_file(store, coder), allow_pickle=False) as held:
            if str(held["store"]) == _fingerprint(store):
                return np.asarray(held["said"], np.float16)
    except (OSError, ValueError, KeyError, EOFError):
        pass
    except Exception as error:  # a damaged zip: done again
        if type(error).__module__ not in ("zipfile", "zlib"):
            raise
    return None


def _keep(store: Store, coder: str, said: F32) -> None:
    try:
        with atomic_path(_file(store, coder)) as temporary, temporary.open("wb") as handle:
            np.savez(handle, said=said.astype(np.float16), store=np.str_(_fingerprint(store)))
    except InputError:
        pass  # a store that cannot be written to: the next session does the pass again
