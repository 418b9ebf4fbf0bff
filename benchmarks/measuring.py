"""What the benchmarks share: the machine, times, memory, a process of its own, a made clip, networks of random weights.

Each benchmark is a script with `main(words)`: what is measured beside its baseline in the same run, taking turns, the
ratio of the two, and the machine; readable lines on stderr and, last on stdout, one JSON object. Its options say how
large a measurement is, down to one that a test has time for.
"""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
_FPS = 25
_PART = 10_000  # faces a part of a store
_TESTS = Path(__file__).resolve().parents[1] / "tests"


def machine() -> dict[str, Any]:
    """Return what is to be said of the machine, its load before the measurement included."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "machine": f"{platform.system()} {platform.machine()}, {cores} cores, Python {platform.python_version()}",
        "processor": _processor(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def give(result: dict[str, Any], file: Path | None = None) -> None:
    """Print the result as one JSON object, and write it to `file`; the result so far, where more is to follow."""
    if file is not None:
        whole = file.with_name(f"{file.name}.part")  # or a time limit could leave half of it
        whole.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        whole.replace(file)
    print(json.dumps(result), flush=True)


def release() -> None:
    """Give back the memory of models that are no longer in use, on the device too."""
    import gc

    import torch

    if "torch._dynamo" in sys.modules:  # what was compiled, and its graphs, else stays with the process
        torch._dynamo.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def best(work: Callable[[], object], repeats: int) -> float:
    """Return the least time, s, that `work` took."""
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


def timed(work: Callable[[], Any], device: str) -> tuple[float, float]:
    """Return the seconds that `work` takes, on the device too, and the processor time of this process."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
    started, worked = time.perf_counter(), time.process_time()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started, time.process_time() - worked


def profiled(step: Callable[[], Any], device: str, count: int) -> list[dict[str, Any]]:
    """Return the `count` operations of a step that take the longest by themselves, in ms, and their share."""
    from torch.profiler import ProfilerActivity, profile

    on_gpu = device == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as profiler:
        timed(step, device)
    own = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    found = [(each.key, getattr(each, own), each.count) for each in profiler.key_averages()]
    total = max(sum(taken for _, taken, _ in found), 1e-9)
    longest = sorted(found, key=lambda each: -each[1])[:count]
    return [
        {"operation": name, "ms": round(taken / 1000, 3), "share": round(taken / total, 3), "calls": calls}
        for name, taken, calls in longest
    ]


def synchronisations(step: Callable[[], Any], device: str) -> int | None:
    """Return how often the processor waits for the GPU in a step; None where there is none."""
    import warnings

    import torch

    if device != "cuda":
        return None
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(each.message) for each in heard)


def own_process(file: str, *words: object) -> Any:
    """Return the JSON that the script `file`, called with `words` in a process of its own, printed last."""
    command = [sys.executable, file, *map(str, words)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def memory_mib() -> dict[str, float]:
    """Return resident, peak resident and private (anonymous) memory of this process in MiB, as far as the system tells.

    Not the peak of the children's parent, which `ru_maxrss` has on Linux: it survives fork and exec.
    """
    names = {"VmRSS": "resident", "VmHWM": "peak_resident", "RssAnon": "private"}
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        if os.name != "posix":
            return {}
        import resource

        return {"peak_resident": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1)}
    told = dict(line.split(":", 1) for line in lines if ":" in line)
    return {name: round(int(told[key].split()[0]) / 1024, 1) for key, name in names.items() if key in told}


def random_run(folder: Path, network: dict[str, Any], **more: Any) -> Path:
    """Return a run folder whose network has random weights, which costs what a trained one costs.

    network, more: as of `write_run` of the tests, which stands in for trained networks everywhere.
    """
    sys.path.append(str(_TESTS))
    try:
        from made_runs import write_run
    finally:
        sys.path.remove(str(_TESTS))
    return write_run(folder, {"init": "none"} | network, aus=AUS, **more)


def faces_store(path: Path, images: int, side: int, *, people: int = 0) -> Any:
    """Write and return a store of blurred noise, 20 faces a person, their labels drawn by chance.

    people: as many, in one clip each, with blendshapes, and of 200 pictures over and over; 0: each face is another.
    """
    import cv2

    from sparsefacs.data.store import FaceRow, StoreInfo
    from sparsefacs.data.store_writer import StoreWriter
    from sparsefacs.faces.alignment import FaceRecipe

    rng = np.random.default_rng(0)

    def picture() -> bytes:
        noise = cv2.GaussianBlur(rng.integers(0, 256, (side, side, 3), np.uint8), (0, 0), 2)
        return bytes(cv2.imencode(".jpg", cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX))[1].tobytes())

    pictures = [picture() for _ in range(200)] if people else []
    a_person = -(-images // people) if people else 20

    def row(number: int) -> FaceRow:
        further = {"blendshapes": rng.uniform(0, 0.5, 52).astype(np.float32)} if people else {}
        return FaceRow(
            image=pictures[number % len(pictures)] if people else picture(),
            subject=f"s{number // a_person}",
            clip="c",
            frame=number % a_person,
            time=number % a_person / 25 if people else 0.0,
            face=0,
            landmarks=rng.uniform(0, side, (68, 2)).astype(np.float32),
            matrix=np.eye(2, 3, dtype=np.float32),
            occurrence=rng.integers(0, 2, 12).astype(np.int8),
            intensity=np.full(12, np.nan, np.float32),
            score=1.0,
            source=f"s{number // a_person}.mp4" if people else f"{number}.jpg",
            **further,
        )

    writer = StoreWriter(path, StoreInfo(AUS, FaceRecipe(size=side).as_json(), {}), {})
    parts = -(-images // _PART)
    for part in range(parts):
        writer.write_part(part, map(row, range(part * _PART, min(images, (part + 1) * _PART))), [])
    return writer.finish(parts)


def pan_and_zoom(frames: int, first: int = 0) -> Iterator[NDArray[np.uint8]]:
    """Yield frames (360, 640, 3) that pan and zoom slowly over a portrait (scikit-image's astronaut).

    The face is about 200 pixels wide, and never leaves the middle half. first: place in the movement, of 200 frames.
    """
    import cv2
    from skimage.data import astronaut

    photo = astronaut()
    for number in range(first, first + frames):
        turn = 2 * np.pi * number / 200
        zoom = 2.0 + 0.1 * np.sin(turn)
        centre = np.array([225 + 20 * np.sin(1.7 * turn), 120 + 8 * np.cos(2.3 * turn)])
        matrix = np.hstack([zoom * np.eye(2), (np.array([320, 180]) - zoom * centre)[:, None]])
        yield np.asarray(cv2.warpAffine(photo, matrix, (640, 360), borderMode=cv2.BORDER_REFLECT), np.uint8)


def side_by_side(frames: int, faces: int) -> Iterator[NDArray[np.uint8]]:
    """Yield frames (360, 320 × faces, 3) of so many such portraits, each at another place in its movement."""
    moving = [pan_and_zoom(frames, 40 * number) for number in range(faces)]
    for images in zip(*moving, strict=True):
        yield np.hstack([image[:, 160:480] for image in images])


def write_clip(path: Path, frames: int, faces: int = 1) -> Path:
    """Write one face's `pan_and_zoom`, or several `side_by_side`, as H.264 at 25 frames/s, and return its path."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(_FPS), options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 640 if faces == 1 else 320 * faces, 360, "yuv420p"
        for image in pan_and_zoom(frames) if faces == 1 else side_by_side(frames, faces):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path
