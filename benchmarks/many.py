"""Many short videos in shards that are killed at random and begun again: is every row there once, at what cost?

    python benchmarks/many.py [--videos 1000] [--frames 5] [--shards 8] [--kills 12] [--together 2] [--long 500]
                              [--coder CODER] [--seed 0] [--json FILE]

Each shard is a process of the command line, as a task of a Slurm array is; when it has written a random number of
records it is killed (SIGKILL) and begun again, until all kills are spent. One video in the middle cannot be read. Then
`gather` joins the tables, and rows are counted against the videos. The cost is processor time of all processes, those
killed included; of a long video, what a frame more costs. 10,000 hours have 25 frames a second.
"""

import argparse
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from measuring import machine

FRAMES_OF_10_000_HOURS = 10_000 * 3600 * 25
LOOK_S = 0.2


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse(argv)
    with tempfile.TemporaryDirectory() as folder:
        result = {"machine": machine(), "shards": in_shards(arguments, Path(folder))}
        if arguments.long:
            result["long"] = one_long(arguments, Path(folder))
    for name, told in result.items():
        print(name, ", ".join(f"{key} {value}" for key, value in told.items()), sep=": ")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    shards = result["shards"]
    if shards["rows_missing"] or shards["rows_double"] or not shards["manifest_true"]:
        sys.exit("rows are missing or double, or the manifest is not true")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=5, help="of each of them")
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--together", type=int, default=2, help="shards at work at a time")
    parser.add_argument("--long", type=int, default=500, help="frames of the long video; 0: none")
    parser.add_argument("--coder", default="coder", help="as of `predict`; default: the packaged one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    return parser.parse_args(argv)


def in_shards(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Code the short videos in shards, killing and beginning again, and count what came of it."""
    videos, out = folder / "videos", folder / "codes"
    for number in range(arguments.videos):
        make_video(videos / f"p{number % 10}" / f"v{number:04d}.mp4", arguments.frames, shift=number % 40)
    (videos / "p5" / "unreadable.mp4").parent.mkdir(exist_ok=True)
    (videos / "p5" / "unreadable.mp4").write_bytes(b"no video" * 100)
    started, before = time.monotonic(), cpu_s()
    killed = run_shards(arguments, videos, out)
    seconds, spent = time.monotonic() - started, cpu_s() - before
    return {
        "videos": arguments.videos,
        "killed": killed,
        **counted(arguments, videos, out),
        "frames_an_hour": round(arguments.videos * arguments.frames / seconds * 3600),
        **cost(spent, arguments.videos * arguments.frames),
    }


def run_shards(arguments: argparse.Namespace, videos: Path, out: Path) -> int:
    """Run all shards to their end; return how many were killed."""
    rng = np.random.default_rng(arguments.seed)
    waiting, running, kills = list(range(1, arguments.shards + 1)), {}, 0
    most = max(1, arguments.videos // arguments.shards // 2)
    while waiting or running:
        while waiting and len(running) < arguments.together:
            shard = waiting.pop(0)
            process = subprocess.Popen(predict(arguments, videos, out, shard), stderr=subprocess.DEVNULL)
            running[shard] = process, records(out) + int(rng.integers(1, most + 1))
        time.sleep(LOOK_S)
        now = records(out)
        for shard, (process, limit) in list(running.items()):
            if process.poll() is not None:
                del running[shard]
                if process.returncode not in (0, 2):  # 2: the video that cannot be read
                    raise SystemExit(f"shard {shard} ended with {process.returncode}")
            elif kills < arguments.kills and now >= limit:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                del running[shard]
                waiting.append(shard)
    return kills


def predict(arguments: argparse.Namespace, inputs: Path, out: Path, shard: int | None = None) -> list[str]:
    command = [sys.executable, "-m", "sparsefacs", "predict", arguments.coder, str(inputs), "--out", str(out)]
    return command if shard is None else [*command, "--shard", f"{shard}/{arguments.shards}"]


def records(out: Path) -> int:
    return sum(1 for _ in out.glob("p*/*.json"))


def counted(arguments: argparse.Namespace, videos: Path, out: Path) -> dict[str, Any]:
    """Return how many frames have a row once, more often or never in the joined table; is the manifest true?"""
    import pandas as pd

    from sparsefacs import api

    told = api.gather(out, out.parent / "all.parquet", partial=True)
    table = pd.read_parquet(out.parent / "all.parquet", columns=["input", "frame"])
    rows = Counter(zip(table["input"], table["frame"], strict=True))
    wanted = {(path.as_posix(), frame) for path in videos.glob("p*/v*.mp4") for frame in range(1, arguments.frames + 1)}
    manifest = pd.read_csv(out / "manifest.csv").set_index("input")["status"].to_dict()
    true = manifest == {
        path.as_posix(): "failed" if path.stem == "unreadable" else "done" for path in videos.glob("p*/*.mp4")
    }
    return {
        "rows_once": sum(rows[each] == 1 for each in wanted),
        "rows_missing": sum(rows[each] == 0 for each in wanted),
        "rows_double": sum(count > 1 for count in rows.values()) + len(set(rows) - wanted),
        "manifest_true": true,
        "problems": len(told.problems),
    }


def one_long(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Code a long video and a tenth of it, and return what a frame more costs, without start and end."""
    took = []
    for frames in (max(1, arguments.long // 10), arguments.long):
        video = make_video(folder / f"{frames}.mp4", frames, shift=0)
        before, started = cpu_s(), time.monotonic()
        subprocess.run(predict(arguments, video, folder / f"of-{frames}"), check=True, capture_output=True)
        took.append((frames, time.monotonic() - started, cpu_s() - before))
    frames, seconds, spent = (more - less for less, more in zip(*took, strict=True))
    return {"frames_an_hour": round(frames / max(seconds, 1e-9) * 3600), **cost(spent, frames)}


def cost(spent_s: float, frames: int) -> dict[str, float]:
    hours = spent_s / frames * FRAMES_OF_10_000_HOURS / 3600
    return {
        "core_ms_a_frame": round(1000 * spent_s / frames, 1),
        "core_hours_for_10000_hours": round(hours),
    }


def cpu_s() -> float:
    """Return the processor time, s, of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def make_video(path: Path, frames: int, shift: int) -> Path:
    """Write a video, 160 × 120, that pans over one face."""
    import av
    import skimage.data

    photo = skimage.data.astronaut()[30:210:1, 120:360]
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(frames):
            image = np.roll(photo, (number + shift) % 40, axis=1)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            container.mux(stream.encode(frame.reformat(width=160, height=120)))
        container.mux(stream.encode(None))
    return path


if __name__ == "__main__":
    main()
