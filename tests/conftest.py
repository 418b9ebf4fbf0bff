"""Fixtures for all tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from interrupts import heed_interrupts
from made_stores import build_store
from process_pair import ProcessPair
from sparsefacs.data.store import Store

torch.set_num_threads(1)
heed_interrupts()

MEDIA = Path(__file__).resolve().parents[2] / "shared" / "media"


@pytest.fixture
def media() -> Path:
    """The real clips beside the checkout; the test is skipped where they are not."""
    if not MEDIA.is_dir():
        pytest.skip("the real clips are not beside this checkout")
    return MEDIA


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_store(tmp_path_factory.mktemp("stores") / "store").path


@pytest.fixture
def store(small_store: Path, tmp_path: Path) -> Store:
    """A small labelled store of six subjects, a copy of the test's own."""
    return Store(shutil.copytree(small_store, tmp_path / "store"))


@pytest.fixture(scope="session")
def tiny_settings() -> tuple[str, ...]:
    """Settings that make training a matter of a second."""
    return (
        "network.backbone=test_resnet",
        "network.input_size=32",
        "data.labelled_batch=8",
        "data.unlabelled_batch=8",
        "training.precision='32'",
        "training.log_every=1",
    )


@pytest.fixture(scope="session")
def two_processes() -> Iterator[ProcessPair]:
    """Two processes: `two_processes(function, *arguments)` runs function(rank, 2, *arguments) in both."""
    pair = ProcessPair()
    yield pair
    pair.close()
