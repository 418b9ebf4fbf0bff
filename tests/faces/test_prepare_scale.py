"""Collections of millions: parted without being held, gone on with after kills, rejects counted by reason."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparsefacs.data.adapters import LazyItems, MediaItem, Request
from sparsefacs.data.adapters.folder import plan_folder
from sparsefacs.data.adapters.table import plan_table
from sparsefacs.data.inspection import inspect_store
from sparsefacs.data.rejects import LISTED
from sparsefacs.data.store import FaceRow, Reject, Store, StoreInfo
from sparsefacs.data.store_writer import StoreWriter
from sparsefacs.errors import InputError
from sparsefacs.faces import parts
from sparsefacs.faces.alignment import FaceRecipe
from sparsefacs.faces.parts import split
from sparsefacs.faces.prepare import prepare

PHOTOS = 400
SCRIPT = """
import sys, pathlib
from sparsefacs.faces import parts
from sparsefacs.faces.prepare import prepare
parts.PHOTOS_A_PART = 16
source, out, workers = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
prepare(source, out, dataset="celeba", size=64, min_face=40, workers=workers, delivered_landmarks=True)
"""


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PHOTOS_A_PART", 4)
    monkeypatch.setattr(parts, "PARTS", 10)
    monkeypatch.setattr(parts, "CLIP_WHOLE", 12)


def made(tmp_path: Path, *clips: tuple[str, int, float | None]) -> list[MediaItem]:
    """Items of clips given as (name, photos, rate), or a video where there are 0 photos."""
    photo, video = tmp_path / "a.jpg", tmp_path / "a.mp4"
    photo.touch()
    video.touch()
    items = []
    for clip, photos, fps in clips:
        items += [MediaItem(photo, f"{clip}{frame}", "s", clip, frame, fps=fps) for frame in range(photos)]
        items += [MediaItem(video, clip, "s", clip)] if not photos else []
    return items


def sizes(items: list[MediaItem]) -> list[int]:
    found = split(items)
    assert [item for part in found for item in part] == items
    return [len(part) for part in found]


@pytest.mark.usefixtures("small_parts")
def test_parts_end_with_clips_and_videos_stand_alone(tmp_path: Path) -> None:
    assert sizes(made(tmp_path, ("a", 3, None), ("b", 3, None), ("c", 2, None))) == [6, 2]
    assert sizes(made(tmp_path, ("a", 0, None), ("b", 0, None), ("c", 2, None), ("d", 5, None))) == [1, 1, 7]
    assert sizes(made(tmp_path, ("a", 30, 25.0), ("b", 1, None))) == [30, 1]
    assert sizes(made(tmp_path, ("a", 30, None), ("b", 1, None))) == [12, 12, 6, 1]
    assert sizes([]) == []


@pytest.mark.usefixtures("small_parts")
def test_a_larger_collection_has_larger_parts_not_more(tmp_path: Path) -> None:
    for photos in (5, 37, 400, 4001):
        items = made(tmp_path, *((f"c{number}", 1, None) for number in range(photos)))
        found = sizes(items)
        assert len(found) <= 11
        assert max(found) - min(found[:-1], default=max(found)) == 0
    videos = made(tmp_path, *((f"v{number}", 0, None) for number in range(100)))
    assert sizes(videos) == [10] * 10


def test_items_are_looked_at_one_by_one(tmp_path: Path) -> None:
    """Parting 20,000 items takes a byte or so for each, not the items themselves."""
    (tmp_path / "a.jpg").touch()

    def make(place: int) -> MediaItem:
        return MediaItem(tmp_path / "a.jpg", f"{place}.jpg", f"{place}", "c")

    items = LazyItems(20_000, make)
    tracemalloc.start()
    found = split(items)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * len(items)
    assert found.digest == split(items).digest != split(LazyItems(19_999, make)).digest
    assert [item.subject for item in found[1]] == [str(place) for place in range(128, 256)]


def test_the_total_is_known_without_opening_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    monkeypatch.setattr(parts, "count_frames", lambda path: opened.append(path) or 7)
    found = split(made(tmp_path, ("a", 300, None), ("b", 0, None), ("c", 5, None)))
    assert sum(found.frames(part) for part in range(len(found))) == 312
    assert {path.suffix for path in opened} == {".mp4"}


def test_a_folder_keeps_clips_together_in_order_of_frames(tmp_path: Path) -> None:
    names = ["s/b-2.jpg", "s/b-10.jpg", "s/x/9.jpg", "s/x/10.jpg", "s/x/deep/1.jpg", "u/x.mp4", "u/x.jpg", "t/s/1.jpg"]
    for name in [*names, "s/s/b-3.jpg", "9.png", "9.jpg", "10.jpg"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    items = list(plan_folder(Request(tmp_path)).items)
    keys = [(item.subject, item.clip) for item in items if item.path.suffix != ".mp4"]
    assert len([1 for key, after in pairwise(keys) if key != after]) + 1 == len(set(keys))
    by_clip = {key: [item.frame for item in items if (item.subject, item.clip) == key] for key in keys}
    assert by_clip["s", "x"] == [9, 10] and all(frames == sorted(frames) for frames in by_clip.values())
    assert by_clip["s", "s"] == [2, 3, 10]
    assert {item.clip for item in items if "/" not in item.source} == {"9.png", "9.jpg", "10"}
    assert [item.clip for item in items if item.source == "u/x.mp4"] == ["x.mp4"]


def test_a_table_keeps_clips_together_in_order_of_frames(tmp_path: Path) -> None:
    names = ["a/f10.jpg", "a/f9.jpg", "b/f1.jpg", "c/f2.jpg", "c/talk.mp4"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    rows = [f"{name},s,{clip},{frame},1" for name, clip, frame in zip(names, "xxyxz", ["", "", "", "", 3], strict=True)]
    (tmp_path / "t.csv").write_text("path,subject,clip,frame,AU1\n" + "\n".join(rows) + "\n")
    items = plan_table(Request(tmp_path, tmp_path / "t.csv")).items
    assert [(item.source, item.frame) for item in items] == [
        ("c/f2.jpg", 2),
        ("a/f9.jpg", 9),
        ("a/f10.jpg", 10),
        ("b/f1.jpg", 1),
        ("c/talk.mp4", 0),
    ]


def test_a_file_that_has_gone_is_named(tmp_path: Path) -> None:
    items = made(tmp_path, ("a", 2, None))
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(InputError, match=r"a\.jpg: cannot be read"):
        split(items)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory, photo: np.ndarray) -> Path:
    """CelebA's layout, 400 photos of one portrait with landmarks that differ; some damaged, some faces too small."""
    root = tmp_path_factory.mktemp("celeba")
    images = root / "img_align_celeba"
    images.mkdir()
    Image.fromarray(photo[:256, 90:346]).save(root / "one.jpg", quality=90)
    rng = np.random.default_rng(5)
    points = np.array([(110, 108), (152, 108), (132, 130), (114, 148), (150, 148)])
    rows = []
    for number in range(1, PHOTOS + 1):
        name = f"{number:06d}.jpg"
        if number % 50 == 7:
            (images / name).write_bytes((root / "one.jpg").read_bytes()[: 2000 + number])
        else:
            shutil.copy(root / "one.jpg", images / name)
        moved = points * (0.2 if number % 40 == 3 else 1) + rng.integers(-9, 10, 2)
        rows.append(f"{name} {' '.join(str(round(value)) for value in moved.ravel())}\n")
    names = [row.split()[0] for row in rows]
    people = [f"{name} {number % 90}\n" for number, name in enumerate(names)]
    (root / "identity_CelebA.txt").write_text("".join(people))
    (root / "list_eval_partition.txt").write_text(
        "".join(f"{name} {number % 3}\n" for number, name in enumerate(names))
    )
    (root / "list_landmarks_align_celeba.txt").write_text(f"{PHOTOS}\nlefteye_x …\n" + "".join(rows))
    return root


def digests(store: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(store.iterdir())}


@pytest.fixture(scope="module")
def undisturbed(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "store"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PHOTOS_A_PART", 16)
        prepare(collection, out, dataset="celeba", size=64, min_face=40, workers=1, delivered_landmarks=True)
    return out


def test_damaged_and_small_faces_are_dropped_and_counted(undisturbed: Path) -> None:
    found = inspect_store(Store(undisturbed))
    assert found["rejected"] == {"no face at least 40 pixels wide": 10, "is damaged (…)": 8}
    assert found["faces"] == PHOTOS - 18


@pytest.mark.parametrize(("workers", "kills", "seed"), [(1, 3, 11), (2, 2, 12)])
def test_random_kills_leave_no_trace(
    workers: int, kills: int, seed: int, collection: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """Killed at random moments of its work and started again until it ends: byte for byte the same store."""
    out, rng, killed = tmp_path / "store", random.Random(seed), 0
    for attempt in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(collection), str(out), str(workers)], stderr=subprocess.DEVNULL
        )
        if attempt < kills:
            before = len(list(out.glob("done/*.json")))
            until = time.monotonic() + 60
            while process.poll() is None and len(list(out.glob("done/*.json"))) <= before and time.monotonic() < until:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.1))
            os.kill(process.pid, signal.SIGKILL)
            killed += (out / "job.json").exists()
        if process.wait() == 0:
            break
    assert killed, "killed too late to test anything"
    assert digests(out) == digests(undisturbed)


def test_a_hundred_thousand_rejects_are_counted_by_reason(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path / "s", StoreInfo((12,), FaceRecipe().as_json(), {}), {})
    row = FaceRow(
        image=b"",
        subject="s",
        clip="c",
        frame=0,
        time=0.0,
        face=0,
        landmarks=np.zeros((68, 2), np.float32),
        matrix=np.zeros((2, 3), np.float32),
        occurrence=np.array([1], np.int8),
        intensity=np.array([2], np.float32),
        score=1.0,
        source="a.jpg",
    )
    writer.write_part(0, [row], (Reject(f"{at}.jpg", None, f"is damaged ({at} bytes missing)") for at in range(60_000)))
    writer.write_part(1, [], [Reject(f"b{at}.jpg", None, "no face at least 40 pixels wide") for at in range(40_000)])
    store = writer.finish(2)
    assert inspect_store(store)["rejected"] == {"is damaged (…)": 60_000, "no face at least 40 pixels wide": 40_000}
    assert len(store.info.rejected) == 100_000 and store.info.rejected[99_999].source == "b39999.jpg"
    assert (store.path / "store.json").stat().st_size < 200 * LISTED
    assert sum(1 for _ in (store.path / "rejected.csv").open()) == 100_001
