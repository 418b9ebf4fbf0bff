"""Fake delivered trees for tests, each written once a session."""

from pathlib import Path

import pytest

from sparsefacs.synthetic.trees import write_tree

_MADE: dict[tuple[str, tuple[tuple[str, object], ...]], Path] = {}


def tree(factory: pytest.TempPathFactory, dataset: str, **variant: object) -> Path:
    """Return a small fake tree of `dataset`, to be read only: tests share it.

    variant: as of `write_tree`, sizes too (subjects, clips, frames, size, seed, hold).
    """
    key = (dataset, tuple(sorted(variant.items())))
    if key not in _MADE:
        _MADE[key] = write_tree(factory.mktemp("trees") / "tree", dataset, **variant)
    return _MADE[key]
