"""What a GPU does in training, and what it waits for: a MAE step in all ways, and small networks.

    python benchmarks/gpu.py [--device cuda] [--batch 256] [--faces 4096] [--steps 60] [--methods supervised kdsrl …]
                             [--only step small] [--json FILE]

step   `pretraining_step.py` with every way (compiled, autotuned, CUDA graphs, AdamW of many kernels, …), the matrix
       peak of the same run, each way's share of it, how often the processor waits for the GPU, and a profile.
small  trainings of small networks, as the benchmark's board has them: steps as `train` does them (faces decoded and
       augmented by threads of the processor, batch by batch) beside the same with all faces decoded once, kept as
       uint8 on the device and augmented there in batches. The two take turns. Of each the seconds a step, the share of
       them in which it waits for faces, and the most memory; over all methods the factor of the whole board. Goal: 5.

As each way or method ends, the result so far is printed as a JSON object, which --json keeps: its `left` are those to
come, so that a time limit costs only these.

Faces on the device are not part of the program: their numbers differ from the processor's in the last bits, and noise
is drawn otherwise. This says what they would be worth. On a machine without a GPU all of it runs small, on the CPU.
"""

import argparse
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pretraining_step
from device_faces import DeviceFaces
from flow_estimation import take_step
from measuring import faces_store, give, machine, release

METHODS = ("supervised", "adversarial", "kdsrl", "fixmatch", "mixmatch")
WAYS = ("threads", "device")
Ended = Callable[[dict[str, Any]], object]
SMALL = ["--batch", "2", "--backbone", "vit_tiny_patch16_224", "--peak-sides", "256", "--repeats", "1"]


def main(words: Sequence[str] | None = None) -> None:
    import torch

    given = parse(words)
    result: dict[str, Any] = {"benchmark": "gpu", "device": given.device, **machine()}
    if given.device == "cuda":
        result["gpu"] = torch.cuda.get_device_name()

    def ended(name: str, found: dict[str, Any]) -> None:
        result[name] = found
        give(result, given.json)

    for name, measure in {"step": mae_step, "small": small_networks}.items():
        if name in given.only:
            measure(given, partial(ended, name))


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    import torch

    gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if gpu else "cpu")
    parser.add_argument("--only", nargs="+", choices=("step", "small"), default=("step", "small"))
    parser.add_argument("--batch", type=int, default=256, help="faces of a MAE step on a GPU")
    parser.add_argument("--faces", type=int, default=4096 if gpu else 256, help="of the made store")
    parser.add_argument("--size", type=int, default=112, help="side of its faces, pixels")
    parser.add_argument("--steps", type=int, default=60 if gpu else 4, help="of each training, after a few to warm up")
    parser.add_argument("--methods", nargs="+", default=METHODS, help="trainings of the board, by their small recipes")
    parser.add_argument("--set", dest="settings", action="append", default=[], help="settings of all, as of `train`")
    parser.add_argument("--step-words", default="", help="further words for pretraining_step.py")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(words)


def mae_step(given: argparse.Namespace, ended: Ended) -> None:
    """Measure as `pretraining_step.py` does, in all ways; on a CPU those that need no compiler."""
    changed = list(pretraining_step.CHANGED) if given.device == "cuda" else ["unfused", "channels-last", "indexed"]
    words = ["--device", given.device, "--ways", *changed, "--profile", "15"]
    words += ["--batch", str(given.batch), "--repeats", "10"] if given.device == "cuda" else SMALL
    pretraining_step.measured([*words, "--no-memory", *shlex.split(given.step_words)], ended)


def small_networks(given: argparse.Namespace, ended: Ended) -> None:
    """Measure seconds a step of each method in both ways, and the factor over all methods so far."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        store = faces_store(Path(folder) / "faces", given.faces, given.size)
        for name in given.methods:
            found[name] = side_by_side(name, store, given, pool)
            threads, device = (found[name][way] for way in WAYS)
            print(
                f"{name}: {1000 * threads['s_a_step']:.1f} ms a step, {100 * threads['waiting']:.0f} % of it waiting "
                f"for faces; with faces on the device {1000 * device['s_a_step']:.1f} ms, "
                f"{100 * device['waiting']:.0f} % ({found[name]['times_as_fast']} times as fast; "
                f"{device['faces_mib']} MiB of faces)",
                file=sys.stderr,
                flush=True,
            )
            release()
            totals = [sum(each[way]["s_a_step"] for each in found.values()) for way in WAYS]
            times, left = round(totals[0] / totals[1], 2), [each for each in given.methods if each not in found]
            ended({"methods": found, "left": left, "times_as_fast": times})
    print(f"the whole board: {times} times as fast", file=sys.stderr)


class Training:
    """One method's training in one way, a step at a time; `waited`: seconds spent asking for faces."""

    def __init__(self, name: str, way: str, store: Any, given: argparse.Namespace, pool: ThreadPoolExecutor) -> None:
        import torch

        from sparsefacs.engine.config import resolve
        from sparsefacs.engine.devices import make_fabric
        from sparsefacs.engine.optimisers import make_optimisers
        from sparsefacs.engine.trainer import make_method
        from sparsefacs.engine.training_set import make_batches, training_set
        from sparsefacs.protocols.folds import make_protocol

        settings = (f"training.steps={given.steps + 8}", "network.evidence=pixels", *given.settings)
        self.config = resolve(name, "small", settings, aus=store.aus, network__init="none")
        fold = make_protocol("holdout:33%", store.strings("subject").tolist(), 0).folds[0]
        data = training_set(store, None, fold, "25%", self.config)
        self.fabric = make_fabric(1, self.config.training.precision)
        self.device = torch.device(given.device)
        self.method: Any = make_method(self.config, given.steps + 8)
        self.method.to(self.device).to(memory_format=torch.channels_last).train()
        self.batches: Any = make_batches(data, self.config, self.method.needs(), pool)
        self.batches.place = lambda batch: batch.to(self.device)
        self.faces_mib, self.waited, self.step = 0.0, 0.0, 0
        for stream in ("labelled_faces", "unlabelled_faces", "second_view"):
            made = getattr(self.batches, stream)
            if made is None:
                continue
            if way == "device":
                made = DeviceFaces(made.loader, made.rows, self.device)
                self.faces_mib += made.mib
                setattr(self.batches, stream, made)
            made.draw = self.timed(made.draw)
        parts = self.method.parameters_by_optimiser()
        self.optimisers = make_optimisers(parts, self.config.optimiser, self.config.data.labelled_batch)

    def timed(self, draw: Any) -> Any:
        """Return `draw`, its time counted as waiting."""

        def drawn() -> Any:
            started = time.perf_counter()
            batch = draw()
            self.waited += time.perf_counter() - started
            return batch

        return drawn

    def take(self, steps: int) -> float:
        """Take so many steps; return the seconds, the device's work included."""
        import torch

        started = time.perf_counter()
        for _ in range(steps):
            with self.fabric.autocast():
                take_step(self.method, self.batches, self.optimisers, self.step)
            self.step += 1
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started


def side_by_side(name: str, store: Any, given: argparse.Namespace, pool: ThreadPoolExecutor) -> dict[str, Any]:
    """Return seconds a step and the share of waiting of both ways, four turns each; the best turn counts."""
    trainings = {way: Training(name, way, store, given, pool) for way in WAYS}
    for training in trainings.values():
        training.take(3)
        training.waited = 0.0
    turns: dict[str, list[float]] = {way: [] for way in WAYS}
    each = max(1, given.steps // 4)
    for _ in range(min(4, given.steps)):
        for way, training in trainings.items():
            turns[way].append(training.take(each) / each)
    found: dict[str, Any] = {}
    for way, training in trainings.items():
        spent = sum(turns[way]) * each
        found[way] = {"s_a_step": round(min(turns[way]), 5), "slowest": round(max(turns[way]), 5)}
        found[way] |= {"waiting": round(training.waited / spent, 3), "faces_mib": round(training.faces_mib, 1)}
    found["times_as_fast"] = round(min(turns["threads"]) / min(turns["device"]), 2)
    return found


if __name__ == "__main__":
    main()
