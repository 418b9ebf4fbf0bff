"""Synthetic faces rendered a second, by one and two processes: `python benchmarks/synth.py [--frames 1600 --size 128]`.

No face is looked for in its picture.

Target: 40 frames/s at 128 × 128 with 2 × 2 supersampling on 2 cores. Prints one readable line and one JSON object.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from measuring import give, machine
from sparsefacs.synthetic import synth

TARGET = 40.0


def rate(size: int, frames: int, workers: int, subjects: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "store"
        started = time.perf_counter()
        a_clip = max(1, frames // (2 * subjects))
        synth(out, subjects=subjects, clips=2, frames=a_clip, size=size, workers=workers, seed=1, points="true")
        return 2 * subjects * a_clip / (time.perf_counter() - started)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--frames", type=int, default=1600)
    parser.add_argument("--subjects", type=int, default=4, help="people, each in two clips")
    parser.add_argument("--repeats", type=int, default=2, help="the best of these counts; the first also warms caches")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(words)
    rates = {n: max(rate(given.size, given.frames, n, given.subjects) for _ in range(given.repeats)) for n in (1, 2)}
    result = {
        "benchmark": "synth",
        **machine(),
        "size": given.size,
        "supersample": 2,
        "frames": given.frames,
        "frames_per_second": {str(n): round(value, 1) for n, value in rates.items()},
        "ratio": round(rates[2] / rates[1], 2),
        "target": TARGET,
        "met": rates[2] >= TARGET,
    }
    print(
        f"synth {given.size} px: {rates[1]:.1f} frames/s with 1 process, {rates[2]:.1f} with 2 (× {result['ratio']}); "
        f"target {TARGET:.0f} on 2 cores",
        file=sys.stderr,
    )
    give(result, given.json)


if __name__ == "__main__":
    main()
