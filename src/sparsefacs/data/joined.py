"""Several stores as one: their faces one after the other, each subject named by its data set as well."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .rows import Faces
from .store import UNLABELLED, Store, StoreInfo


class JoinedStore:
    """Labelled stores of faces cut alike, read as one; what `Store` offers, over all rows.

    Subjects are called `corpus:subject`, for example `bp4d:F001`, a corpus being the data set's name or else the
    store folder's. `aus` are those that every store has; others may be asked for, and are unlabelled where absent.
    Raises InputError when faces are cut differently or no AU is common.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        self.parts: tuple[Store, ...] = tuple(stores)
        first = self.parts[0]
        for other in self.parts[1:]:
            if other.info.recipe_hash != first.info.recipe_hash:
                raise InputError(
                    f"its faces are cut differently from those of {first.path}",
                    path=other.path,
                    remedy="Prepare both with the same --size, --landmarks and version",
                )
        if len({store.path.resolve() for store in self.parts}) < len(self.parts):
            raise InputError("a store is named twice", path=first.path, remedy="Name every store once")
        self.path = first.path
        self.corpora = _corpora(self.parts)
        common = tuple(au for au in first.aus if all(au in store.aus for store in self.parts))
        if not common:
            raise InputError(
                "the stores share no AU", path=first.path, remedy="Join stores with labels of the same AUs"
            )
        self.info = StoreInfo(
            aus=common,
            recipe=first.info.recipe,
            source={
                "kind": first.info.source.get("kind")
                if len({s.info.source.get("kind") for s in stores}) == 1
                else None,
                "joined": [store.info.as_json() for store in self.parts],
            },
            faces=sum(len(store) for store in self.parts),
            subjects=sum(store.info.subjects for store in self.parts),
            clips=sum(store.info.clips for store in self.parts),
        )

    def __len__(self) -> int:
        return self.info.faces

    @property
    def aus(self) -> tuple[int, ...]:
        """The AUs that every store has labels of."""
        return self.info.aus

    def subject_name(self, part: Store, name: str) -> str:
        """Return what the subject `name` of store `part` is called here."""
        return f"{self.corpora[self.parts.index(part)]}:{name}"

    def strings(self, name: str) -> NDArray[np.str_]:
        """Return the text column `name` over all rows; subjects with their corpus."""
        columns = [store.strings(name) for store in self.parts]
        if name == "subject":
            columns = [np.char.add(f"{corpus}:", each) for corpus, each in zip(self.corpora, columns, strict=True)]
        return np.concatenate(columns)

    def numbers(self, name: str) -> NDArray[Any]:
        """Return the number column `name` over all rows."""
        return np.concatenate([store.numbers(name) for store in self.parts])

    def has(self, name: str) -> bool:
        """Say whether every store has the column `name`."""
        return all(store.has(name) for store in self.parts)

    def optional_vectors(self, name: str, width: int) -> NDArray[np.float32]:
        """Return the vector column `name` over all rows, (M, width) float32: NaN for stores without it."""
        return np.concatenate([store.optional_vectors(name, width) for store in self.parts])

    def occurrence(self, aus: tuple[int, ...] | None = None) -> NDArray[np.int8]:
        """Return occurrence labels (M, A) of `aus` (default: the common ones): −1 unlabelled, 0, 1."""
        wanted = self._known(aus)
        return np.concatenate([_columns(store, store.occurrence(), wanted, UNLABELLED) for store in self.parts])

    def intensity(self, aus: tuple[int, ...] | None = None) -> NDArray[np.float32]:
        """Return intensity labels (M, A) of `aus` (default: the common ones): 0–5, NaN unlabelled."""
        wanted = self._known(aus)
        return np.concatenate([_columns(store, store.intensity(), wanted, np.nan) for store in self.parts])

    def _known(self, aus: tuple[int, ...] | None) -> tuple[int, ...]:
        wanted = self.aus if aus is None else aus
        for au in wanted:
            if not any(au in store.aus for store in self.parts):
                raise InputError(f"none of the stores has labels of AU{au}", path=self.path, remedy="Name other --aus")
        return wanted

    @cached_property
    def _faces(self) -> Faces:
        return Faces(self.parts)

    def image(self, row: int) -> NDArray[np.uint8]:
        """Decode the face of row `row` to RGB, (H, W, 3) uint8."""
        return self.face(row)[0]

    def face(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return the face of row `row`, RGB (H, W, 3) uint8, and its landmarks (68, 2), pixels of it."""
        return self._faces.face(row)


AnyStore = Store | JoinedStore


def open_stores(paths: str | Path | Sequence[str | Path]) -> AnyStore:
    """Return the store at `paths`, or several joined; raises InputError as both do."""
    listed = [paths] if isinstance(paths, str | Path) else list(paths)
    stores = [Store(path) for path in listed]
    return stores[0] if len(stores) == 1 else JoinedStore(stores)


def known_occurrence(store: AnyStore, aus: tuple[int, ...]) -> NDArray[np.int8]:
    """Return occurrence labels (M, A) of any `aus`: −1 also where the store has no labels of an AU."""
    return np.concatenate([_columns(part, part.occurrence(), aus, UNLABELLED) for part in store.parts])


def known_intensity(store: AnyStore, aus: tuple[int, ...]) -> NDArray[np.float32]:
    """Return intensity labels (M, A) of any `aus`: NaN also where the store has no labels of an AU."""
    return np.concatenate([_columns(part, part.intensity(), aus, np.nan) for part in store.parts])


def paths_of(store: AnyStore) -> str | list[str]:
    """Return the absolute path of a store, or of each that is joined; `open_stores` takes it back."""
    paths = [str(part.path.resolve()) for part in store.parts]
    return paths[0] if len(paths) == 1 else paths


def _corpora(stores: Sequence[Store]) -> list[str]:
    names = [str(store.info.source.get("dataset") or store.path.name) for store in stores]
    own = [store.path.name if names.count(name) > 1 else name for name, store in zip(names, stores, strict=True)]
    return [name if own.count(name) == 1 else f"{name}-{number}" for number, name in enumerate(own, start=1)]


def _columns(store: Store, labels: NDArray[Any], aus: tuple[int, ...], missing: float) -> NDArray[Any]:
    picked = np.full((len(store), len(aus)), missing, labels.dtype)
    for place, au in enumerate(aus):
        if au in store.aus:
            picked[:, place] = labels[:, store.aus.index(au)]
    return picked
