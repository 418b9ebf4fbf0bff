"""Fixtures of the report's tests: a fake store, runs on it, and a maker of further runs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_results import fake_codes, fake_run, fake_store
from PIL import Image

from sparsefacs.reports import report


@pytest.fixture(scope="session")
def store_path(tmp_path_factory) -> Path:
    return fake_store(tmp_path_factory.mktemp("store") / "faces")


@pytest.fixture
def make_run(tmp_path) -> Callable[..., Path]:
    """Return a maker of small run folders under the test's own folder: make_run(name, **settings)."""
    small = {"aus": (1, 4, 12), "rows": 120}
    return lambda name, **settings: fake_run(tmp_path / name, **{**small, **settings})


@pytest.fixture(scope="session")
def pair(tmp_path_factory, store_path) -> tuple[Path, Path]:
    """Two runs on the same frames: adversarial, and the supervised baseline that does worse."""
    folder = tmp_path_factory.mktemp("pair")
    return (
        fake_run(folder / "adversarial", noise=0.8, store=store_path),
        fake_run(folder / "supervised", method="supervised", noise=1.3, store=store_path, seed=2),
    )


@pytest.fixture(scope="session")
def page_path(pair, tmp_path_factory) -> Path:
    """A whole report of both runs, with codes and a still picture beside it."""
    folder = tmp_path_factory.mktemp("page")
    still = folder / "still.png"
    Image.new("RGB", (1400, 600), (90, 120, 140)).save(still)
    codes = fake_codes(folder / "smile.csv")
    return report(folder / "report.html", list(pair), codes=[codes], stills=[still])
