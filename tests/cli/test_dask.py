"""prepare, synth and flow by the workers of a Dask cluster: the same bytes as one process makes."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from made_stores import build_store
from sparsefacs import InputError, api
from sparsefacs.faces import cutting, flow
from sparsefacs.synthetic import pipeline
from sparsefacs.workers import cluster

distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
PHOTOS = 140  # two parts of a store


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Address of a cluster of two worker processes."""
    made = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with made:
        yield made.scheduler_address


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def write_celeba(root: Path) -> Path:
    """CelebA's layout with landmarks of its own, so that no face is looked for."""
    images = root / "img_align_celeba"
    images.mkdir(parents=True)
    names = [f"{number:06d}.jpg" for number in range(1, PHOTOS + 1)]
    for number, name in enumerate(names):
        Image.new("RGB", (178, 218), (number, 90, 60)).save(images / name)
    (root / "identity_CelebA.txt").write_text("".join(f"{name} {n % 9}\n" for n, name in enumerate(names)))
    (root / "list_eval_partition.txt").write_text("".join(f"{name} 0\n" for name in names))
    points = "69 109 106 113 77 142 73 152 108 154"
    rows = "".join(f"{name} {points}\n" for name in names)
    (root / "list_landmarks_align_celeba.txt").write_text(f"{PHOTOS}\nlefteye_x …\n{rows}")
    return root


def test_a_cluster_makes_the_bytes_of_one_process(
    scheduler: str, command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    celeba, faces = write_celeba(tmp_path / "celeba"), build_store(tmp_path / "faces", frames=24)
    alone, out = tmp_path / "alone", tmp_path / "out"
    made = ("--subjects", 2, "--clips", 1, "--frames", 1, "--size", 32, "--points", "true")
    cut = ("--dataset", "celeba", "--landmarks", "delivered", "--size", 32)
    command("synth", alone / "made", "--workers", 1, *made)
    command("prepare", celeba, alone / "cut", "--workers", 1, *cut)
    command("flow", faces.path, "--workers", 1)
    (faces.path / "flow").rename(alone / "flow")

    def not_here(*_: object) -> None:
        raise AssertionError("this process did the work")

    for module, name in ((pipeline, "clip_rows"), (cutting.PartCutter, "rows"), (flow, "_opened")):
        monkeypatch.setattr(module, name, not_here)
    command("synth", out / "made", "--dask", scheduler, *made)
    command("prepare", celeba, out / "cut", "--dask", scheduler, *cut)
    command("flow", faces.path, "--dask", scheduler)
    (faces.path / "flow").rename(out / "flow")
    assert digests(out) == digests(alone)
    assert {path.split("/")[0] for path in digests(out)} == {"made", "cut", "flow"}


def test_a_cluster_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparsefacs.workers._WAIT_S", 0.2)
    with (
        pytest.raises(InputError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9.*dask scheduler"),
        cluster("tcp://127.0.0.1:9"),
    ):
        api.synth(tmp_path / "out", points="true")
    with pytest.raises(InputError, match="no Dask scheduler"), cluster("nowhere"):
        pass
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"distributed is not installed.*\[dask\]"), cluster("tcp://127.0.0.1:9"):
        pass
