"""Events, summary and agreement of codes: time for a clip, and memory over very many files.

    python benchmarks/events.py [--frames 2000] [--files 1000] [--repeats 5] [--json FILE]

Makes codes of a face with 19 AUs. Times are the best of the repeats, without start-up and imports, with reading and
writing of files; the baseline is pandas reading one such file. Memory: how far the highest resident memory of a process
that summarises a tenth of the files, and of one that summarises them all, goes beyond what it was after a single file.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from measuring import give, machine, memory_mib, own_process
from sparsefacs import observation
from sparsefacs.inference.codes import CodedFace, CodedFrame, CodesWriter, code_columns, open_codes

JOBS = ("events", "summary", "summary_wide", "agreement")
AUS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 45)


def main(words: Sequence[str] | None = None) -> None:
    given = parse(words)
    if given.measure:
        print(measured(given.place, given.measure))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        result: dict[str, Any] = {"benchmark": "events", "frames": given.frames, "aus": len(AUS)}
        result |= machine()
        one, two = (write_codes(folder / f"{seed}.csv", given.frames, seed) for seed in range(2))
        jobs: dict[str, Callable[[int], Any]] = {
            "reading": lambda n: pd.read_csv(one),
            "events": lambda n: observation.write_events(one, folder / f"events-{n}.boris"),
            "summary": lambda n: observation.summary(one, folder / f"summary-{n}.csv"),
            "summary_wide": lambda n: observation.summary(one, folder / f"wide-{n}.csv", wide=True),
            "agreement": lambda n: observation.agreement(one, two, out=folder / f"out-{n}.csv"),
        }
        result |= {f"{name}_s": best(given.repeats, job) for name, job in jobs.items()}
        times = {name: round(result[f"{name}_s"] / max(result["reading_s"], 1e-3), 1) for name in JOBS}
        result["times_reading"] = times
        if given.files:
            result |= many(folder / "many", given.files, given.frames)
    print_found(result)
    give(result, given.json)


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=2000, help="frames of a clip")
    parser.add_argument("--files", type=int, default=1000, help="files summarised; 0: none")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(words)


def write_codes(path: Path, frames: int, seed: int) -> Path:
    """Write codes of a face whose AUs come and go, as `predict` does."""
    rng = np.random.default_rng(seed)
    waves = rng.uniform(0.2, 1.5, len(AUS))
    time_s = np.arange(frames) / 25
    values = 0.5 + 0.5 * np.sin(time_s[:, None] * waves + 0.1 * seed) + rng.normal(0, 0.05, (frames, len(AUS)))
    values = np.clip(values, 0, 1).astype(np.float32)
    box, points = np.zeros(4, np.float32), np.zeros((68, 2), np.float32)
    further = tuple(f"AU{au:02d}_r" for au in AUS)
    with open_codes(path, code_columns(AUS, further=further)) as rows:
        writer = CodesWriter(rows, AUS, "occurrence", (0.5,) * len(AUS), further=further)
        for frame in range(frames):
            face = CodedFace(0, 1.0, box, points, values[frame], further=5 * values[frame])
            writer.write(CodedFrame(path.stem, frame, time_s[frame], (face,), ()))
    return path


def best(repeats: int, run: Callable[[int], Any]) -> float:
    seconds = []
    for number in range(repeats + 1):  # the first imports
        start = time.perf_counter()
        run(number)
        seconds.append(time.perf_counter() - start)
    return round(min(seconds[1:]), 3)


def many(folder: Path, files: int, frames: int) -> dict[str, Any]:
    """Summarise a tenth of `files` and all of them, each in a process of its own."""
    folder.mkdir()
    first = write_codes(folder / "0.csv", frames, 0).read_bytes()
    for number in range(1, files):
        (folder / f"{number}.csv").write_bytes(first.replace(b"\n0,", f"\n{number},".encode()))
    told: dict[str, Any] = {"files": files}
    for name, count in (("tenth", files // 10), ("all", files)):
        told[name] = own_process(__file__, "--measure", count, "--place", folder)
    return told


def measured(folder: Path, count: int) -> str:
    """Summarise `count` of the files in `folder`; return seconds and how far memory went beyond one file's, as JSON."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) / "codes"
        place.mkdir()
        files = sorted(folder.glob("*.csv"))[:count]
        observation.summary(files[0], Path(temporary) / "first.csv")
        before = peak_mib()
        for file in files:
            (place / file.name).symlink_to(file)
        start = time.perf_counter()
        observation.summary(place, Path(temporary) / "out.csv")
        seconds = time.perf_counter() - start
    return json.dumps({"files": count, "seconds": round(seconds, 2), "peak_above_mib": round(peak_mib() - before, 1)})


def peak_mib() -> float:
    return memory_mib()["peak_resident"]


def print_found(result: dict[str, Any]) -> None:
    for name in JOBS:
        times = result["times_reading"][name]
        print(f"{name:12s} {result[f'{name}_s']:.3f} s, {times} times what reading the file takes", file=sys.stderr)
    if "all" in result:
        tenth, whole = result["tenth"], result["all"]
        print(
            f"{whole['files']} files in {whole['seconds']} s; memory {whole['peak_above_mib']} MiB above that of one "
            f"file, {tenth['peak_above_mib']} for {tenth['files']}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
