"""Streaming shuffled faces from a store, against holding all of them decoded in one array; and planning a collection.

    python benchmarks/stream.py [--images 100000] [--side 48] [--batches 400] [--names 1000000] [--json FILE]

Makes a store of small JPEGs in parts, then reads shuffled batches from it through `FaceStream`, without augmentation,
with one and two threads; the baseline decodes every face into one array and picks the same batches from that. Each
runs in a process of its own, whose private memory is what it allocated itself: pages of the memory-mapped store count
as resident while they are used, but the system takes them back when it needs them. Planning: a tree in CASIA-WebFace's
layout (empty files) is listed, parted and hashed; the baseline makes every item at once.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from measuring import faces_store, give, machine, memory_mib, own_process

FOLDER = 1000  # files a folder of the tree


def main(words: Sequence[str] | None = None) -> None:
    given = parse(words)
    if given.measure:
        print(json.dumps(MEASURES[given.measure](given)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        result: dict[str, Any] = {"benchmark": "stream", "images": given.images, "side": given.side}
        result |= {"batch": given.batch, "batches": given.batches, **machine()}
        if given.images:
            place = faces_store(Path(temporary) / "store", given.images, given.side).path
            result["store_mib"] = round(sum(file.stat().st_size for file in place.glob("*.arrow")) / 2**20, 1)
            for name in ("idle", "stream1", "stream2", "array"):
                result[name] = in_process(name, Path(temporary) / "store", given)
            result["times_as_fast"] = round(rate(result, "stream2") / rate(result, "array"), 2)
            result["private_ratio"] = round(above_idle(result, "stream2") / above_idle(result, "array"), 3)
            print_streaming(result)
        if given.names:
            make_tree(Path(temporary) / "tree", given.names)
            for name in ("plan", "plan_at_once"):
                result[name] = in_process(name, Path(temporary) / "tree", given)
            print_planning(result)
    give(result, given.json)


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000, help="faces of the store; 0: no streaming")
    parser.add_argument("--side", type=int, default=48, help="side of the faces, pixels")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--batches", type=int, default=400, help="how many are read")
    parser.add_argument("--names", type=int, default=1_000_000, help="files of the tree; 0: no planning")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(words)


def in_process(name: str, place: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Return what measure `name` finds in a process of its own."""
    numbers = [f"--{key}={getattr(given, key)}" for key in ("images", "side", "batch", "batches", "names")]
    found: dict[str, Any] = own_process(__file__, "--measure", name, "--place", place, *numbers)
    return found


def make_tree(root: Path, names: int) -> None:
    """Write empty files as CASIA-WebFace has photos."""
    for number in range(names):
        folder, file = divmod(number, FOLDER)
        if not file:
            (root / f"{folder:07d}").mkdir(parents=True)
        os.close(os.open(f"{root}/{folder:07d}/{file:03d}.jpg", os.O_CREAT | os.O_WRONLY))


@contextmanager
def watched(found: dict[str, Any]) -> Iterator[None]:
    """Add seconds and memory of the block to `found`; private memory is the peak of a look every 20 ms."""
    stop, peak = threading.Event(), [0.0]

    def look() -> None:
        while not stop.wait(0.02):
            peak[0] = max(peak[0], memory_mib().get("private", 0.0))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    started = time.perf_counter()
    yield
    found["seconds"] = round(time.perf_counter() - started, 2)
    stop.set()
    watcher.join()
    found |= memory_mib()
    found["private"] = max(peak[0], found.get("private", 0.0))


def faces(given: argparse.Namespace) -> Any:
    """Return the loader of all faces of the store, unlabelled."""
    from sparsefacs.data.batches import FaceLoader
    from sparsefacs.data.store import Store

    store = Store(given.place)
    return FaceLoader([store], store.occurrence(), store.intensity(), given.side, None, seed=1)


def idle(given: argparse.Namespace) -> dict[str, Any]:
    """Measure a process that opens the store, its labels, and one batch."""
    found: dict[str, Any] = {}
    with watched(found):
        faces(given).load(np.arange(given.batch), 0)
    return found


def stream(given: argparse.Namespace, threads: int) -> dict[str, Any]:
    """Measure reading shuffled batches through `FaceStream`."""
    from sparsefacs.data.batches import FaceStream, RowStream

    found: dict[str, Any] = {}
    with ThreadPoolExecutor(threads) as pool, watched(found):
        batches = FaceStream(faces(given), RowStream(np.arange(given.images), given.batch, 1), pool)
        batches.draw()
        started = time.perf_counter()
        for _ in range(given.batches - 1):
            batches.draw()
        spent = time.perf_counter() - started
    return found | {"faces_per_second": round((given.batches - 1) * given.batch / spent)}


def whole_array(given: argparse.Namespace) -> dict[str, Any]:
    """Measure decoding every face into one array and picking the same batches from it."""
    import torch

    from sparsefacs.data.batches import RowStream

    found: dict[str, Any] = {}
    with watched(found):
        loader = faces(given)
        images = np.empty((given.images, given.side, given.side, 3), np.uint8)
        points = np.empty((given.images, 68, 2), np.float32)
        started = time.perf_counter()
        for row in range(given.images):
            images[row], points[row] = loader.face(row)
        filled = time.perf_counter() - started
        rows = RowStream(np.arange(given.images), given.batch, 1)
        started = time.perf_counter()
        for draw in range(given.batches):
            picked = rows.batch(draw)
            torch.from_numpy(images[picked]).permute(0, 3, 1, 2).float().div_(255)
            torch.from_numpy(points[picked])
        spent = time.perf_counter() - started
    rate = round(given.batches * given.batch / spent)
    return found | {"faces_per_second": rate, "seconds_to_fill": round(filled, 1)}


def planning(given: argparse.Namespace, *, at_once: bool) -> dict[str, Any]:
    """Measure planning a collection: listing it, parting it, hashing what it is."""
    from sparsefacs.data.adapters import Request, make_plan
    from sparsefacs.faces.parts import split

    found: dict[str, Any] = {"private_before": memory_mib().get("private", 0.0)}
    with watched(found):
        plan = make_plan("casia-webface", Request(given.place))
        listed = time.perf_counter()
        parts = split(tuple(plan.items) if at_once else plan.items)
        found |= {"items": len(plan.items), "parts": len(parts), "digest": parts.digest}
        found["seconds_parting"] = round(time.perf_counter() - listed, 2)
    return found


MEASURES = {
    "idle": idle,
    "stream1": lambda given: stream(given, 1),
    "stream2": lambda given: stream(given, 2),
    "array": whole_array,
    "plan": lambda given: planning(given, at_once=False),
    "plan_at_once": lambda given: planning(given, at_once=True),
}


def above_idle(result: dict[str, Any], name: str) -> float:
    """Return the private memory of measure `name` beyond that of a process that only opened the store."""
    return max(result[name].get("private", 0.0) - result["idle"].get("private", 0.0), 0.1)


def rate(result: dict[str, Any], name: str) -> float:
    """Return the faces a second of measure `name`."""
    return float(result[name]["faces_per_second"])


def print_streaming(result: dict[str, Any]) -> None:
    streamed, held = result["stream2"], result["array"]
    print(
        f"{result['images']} faces, {result['side']} px, {result['store_mib']} MiB on disk: "
        f"{result['stream1']['faces_per_second']} and {streamed['faces_per_second']} faces/s with 1 and 2 threads "
        f"(held in an array {held['faces_per_second']}, × {result['times_as_fast']}); private memory beyond an idle "
        f"process {above_idle(result, 'stream2'):.0f} MiB against {above_idle(result, 'array'):.0f} "
        f"(× {result['private_ratio']}); peak resident {streamed.get('peak_resident')} MiB, "
        f"array {held.get('peak_resident')}, idle {result['idle'].get('peak_resident')}",
        file=sys.stderr,
    )


def print_planning(result: dict[str, Any]) -> None:
    plan, at_once = result["plan"], result["plan_at_once"]
    grown, all_grown = (found["private"] - found["private_before"] for found in (plan, at_once))
    print(
        f"planning {plan['items']} photos: {plan['seconds']} s, {grown:.0f} MiB private memory, {plan['parts']} parts; "
        f"with every item held {at_once['seconds']} s, {all_grown:.0f} MiB",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
