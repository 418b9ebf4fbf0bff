"""Images a second and peak memory of one MAE-Face pre-training step, beside a plain step, in one run.

    python benchmarks/pretraining_step.py [--device cpu] [--batch 8] [--backbone vit_base_patch16_224] [--compile]
                                          [--ways WAY …] [--profile N] [--set key=value …] [--repeats 3] [--threads N]
                                          [--no-memory] [--json FILE]

A step is forward, backward and AdamW over random faces that are on the device already, 75 % of the patches masked.
Default: the paper's model, ViT-B/16 at 224 pixels with a decoder of 8 × 512. Side by side:

program  as `sparsefacs pretrain mae-face` trains: precision auto, fused attention, its optimiser
plain    the same model, eager, float32 (no TF32), attention as matmul, softmax, matmul; torch's default AdamW

and, where --ways names them, the program's step changed in one respect: compiled, max-autotune and cuda-graphs (its
networks compiled, by torch's modes), unfused (AdamW of many kernels), channels-last (all patches embedded by the
convolution in channels-last order, then masked), indexed (masking by one flat index, without gather), all (cuda-graphs
and indexed). --profile N adds the N operations of the program's step that take the longest.

One way after the other, plain first, each alone in memory; the best time of each is given, and the slowest. On a CPU
also the least processor time: other load, which may meet one way and not the next, hardly touches it. Ends with an
error where a way's first loss is apart from plain's on the same faces and masks.

Operations: `torch.utils.flop_counter` over one forward pass with attention written out, a multiply-add as two, times
three, since backward takes two products where forward takes one; what is not a product (softmax, norms, AdamW) is not
counted. The peak is the best of several large square products in the same precision, measured in this run just before
and after a way's steps.

Memory: on a GPU the most allocated by torch in a way's first steps (`max_memory_allocated`), on a CPU the most resident
of a process that does three such steps and nothing else, torch itself included. Where the GPU cannot hold a batch, it
is halved for that way alone, which both outputs say. Prints readable lines and, as each way ends, the result so far as
a JSON object, which --json keeps: its `left` are the ways to come, so that a time limit costs only these.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from measuring import give, machine, memory_mib, own_process, profiled, release, synchronisations, timed
from step_changes import CHANGED, embed_otherwise, write_attention_out

METHOD = "pretrain/mae-face"
WAYS = ("plain", "program")
CPU_BATCH, GPU_BATCH = 8, 256
PEAK_SIDES = {"cpu": (1024, 2048, 4096), "cuda": (4096, 8192, 16384)}
STEPS_FOR_MEMORY = 3


def main(words: Sequence[str] | None = None) -> None:
    given = parse(words)
    if given.peak_of:
        print(json.dumps(peak_of(given)))
    else:
        measured(sys.argv[1:] if words is None else words, lambda result: give(result, given.json))


def measured(words: Sequence[str], ended: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Return, and tell in lines, what is found of the steps that the options `words` describe.

    ended: called with the result so far as each way ends.
    """
    import torch

    given = parse(words)
    if given.threads:
        torch.set_num_threads(given.threads)
    result: dict[str, Any] = {"benchmark": "pretraining_step", "backbone": given.backbone, "device": given.device}
    result |= {"compile": given.compile, **machine(), "batch": given.batch}
    if given.device == "cuda":
        result["gpu"] = torch.cuda.get_device_name()
    result |= described(given) | {"ways": [], "left": list(given.ways), "failed": {}}
    for way in given.ways:
        result["left"].remove(way)
        try:
            result[way] = one_way(way, given, result)
            result["ways"].append(way)
            if way == "program":
                add_ratios(result)
            print_way(way, result)
        except Exception as error:  # of a compiler anything; the other ways are measured all the same
            if way in WAYS:
                raise
            result["failed"][way] = f"{type(error).__name__}: {str(error)[:300]}"
            print(f"{way}: {result['failed'][way]}", file=sys.stderr)
        release()
        ended(result)
    return result


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, help=f"faces a step; default {CPU_BATCH}, on a GPU {GPU_BATCH}")
    parser.add_argument("--backbone", default="vit_base_patch16_224", help="a vision transformer of timm")
    parser.add_argument("--set", dest="settings", action="append", default=[], help="settings, as of the command")
    parser.add_argument("--recipe", default="paper")
    parser.add_argument("--ways", nargs="+", choices=(*WAYS, *CHANGED), default=WAYS, help="beside program and plain")
    parser.add_argument("--profile", type=int, default=0, help="operations of the program's step to tell")
    parser.add_argument("--compile", action="store_true", help="training.compile for the program's step")
    parser.add_argument("--repeats", type=int, default=3, help="the best of so many is given")
    parser.add_argument("--peak-sides", type=int, nargs="+", help="sides of the square products of the matrix peak")
    parser.add_argument("--threads", type=int, help="default: torch's own choice")
    parser.add_argument("--no-memory", action="store_true", help="leave peak memory out")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peak-of", choices=(*WAYS, *CHANGED), help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    given.words = sys.argv[1:] if words is None else list(words)
    given.ways = tuple(dict.fromkeys((*WAYS, *given.ways)))
    given.peak_sides = given.peak_sides or PEAK_SIDES[given.device]
    given.batch = given.batch or (CPU_BATCH if given.device == "cpu" else GPU_BATCH)
    return given


class Step:
    """One way of doing a step, on the same faces and masks each time."""

    def __init__(self, way: str, given: argparse.Namespace) -> None:
        import torch

        from sparsefacs.engine.config import resolve
        from sparsefacs.engine.devices import make_fabric
        from sparsefacs.engine.optimisers import make_optimisers
        from sparsefacs.engine.pretrainer import make_pretraining

        settings = (f"network.backbone={given.backbone}", "network.init=none", "training.accumulate=1")
        settings = (*settings, f"data.unlabelled_batch={given.batch}", *given.settings)
        self.config = resolve(METHOD, given.recipe, settings)
        self.device, side = torch.device(given.device), self.config.network.input_size
        self.method: Any = make_pretraining(self.config).train()
        generator = torch.Generator().manual_seed(1)
        faces = torch.rand(given.batch, 3, side, side, generator=generator).to(self.device)
        self.batches: Any = SimpleNamespace(faces=lambda: SimpleNamespace(image=faces))
        changed: Any = CHANGED.get(way, {"compile": {}} if given.compile and way == "program" else {})
        if way != "plain":
            fabric = make_fabric(1, self.config.training.precision)
            if fabric.device.type != given.device:
                raise SystemExit(f"the program trains on {fabric.device.type} here: hide the GPU, or measure it")
            self.method.to(self.device).to(memory_format=torch.channels_last)
            if "embed" in changed:
                embed_otherwise(self.method.network, changed["embed"])
            if "compile" in changed:
                for child in self.method.children():
                    child.compile(**changed["compile"])
            parts = self.method.parameters_by_optimiser()
            self.optimiser: Any = make_optimisers(parts, self.config.optimiser, given.batch)["all"]
            if changed.get("fused") is False:
                groups = [
                    {name: each[name] for name in ("params", "lr", "weight_decay")}
                    for each in self.optimiser.param_groups
                ]
                self.optimiser = torch.optim.AdamW(groups, betas=self.config.optimiser.betas, fused=False)
            self.autocast: Callable[[], Any] = fabric.autocast
            self.precision = "float32" if fabric._precision.precision == "32-true" else "bfloat16"
        else:
            write_attention_out(self.method.to(self.device))
            parameters = [p for p in self.method.parameters() if p.requires_grad]
            self.optimiser = torch.optim.AdamW(parameters, lr=1e-4, betas=(0.9, 0.95), weight_decay=0.05)
            self.autocast, self.precision = nullcontext, "float32"

    def __call__(self) -> float:
        """Do a step and return its loss."""
        with self.autocast():
            update = next(self.method.updates(self.batches, 0))
        self.optimiser.zero_grad(set_to_none=True)
        update.loss.backward()
        self.optimiser.step()
        return float(update.loss.detach())


def one_way(way: str, given: argparse.Namespace, result: dict[str, Any]) -> dict[str, Any]:
    """Return images/s of a way, what share of the measured peak it uses, and how it compares with plain's result."""
    step, first_loss, memory, batch = warmed_up(way, given)
    plain = result.get("plain")
    if plain and plain["batch"] == batch and abs(first_loss - plain["first_loss"]) > 0.02 * plain["first_loss"]:
        raise SystemExit(f"{way} begins from another loss than plain: {first_loss}, {plain['first_loss']}")
    peaks = [matrix_peak(given, step.precision)]
    turns = [timed(step, given.device) for _ in range(given.repeats)]
    peaks.append(matrix_peak(given, step.precision))
    wall, processor = zip(*turns, strict=True)
    work, peak = result["gflops_per_image"] * batch / 1000, max(peaks, key=lambda each: each["tflops"])
    found: dict[str, Any] = {"precision": step.precision, "batch": batch}
    found |= {} if batch == given.batch else {"halved_from": given.batch}
    found |= {
        "images_per_s": round(batch / min(wall), 3),
        "slowest_images_per_s": round(batch / max(wall), 3),
        "tflops": round(work / min(wall), 4),
        "matrix_peak": peak,
        "share_of_peak": round(work / min(wall) / peak["tflops"], 3),
        "synchronisations": synchronisations(step, given.device),
        "first_loss": round(first_loss, 5),
    }
    found["times_plain"] = round(found["images_per_s"] / (plain or found)["images_per_s"], 2)
    if given.device == "cpu":
        most = max(each["tflop_a_processor_s"] for each in peaks)
        found["processor_s_a_step"] = round(min(processor), 3)
        found["share_of_peak_by_processor_time"] = round(work / min(processor) / most, 3)
    if given.profile and way == "program":
        result["profile"] = profiled(step, given.device, given.profile)
    return found | memory


def warmed_up(way: str, given: argparse.Namespace) -> tuple[Step, float, dict[str, float], int]:
    """Return a way's step, done three times, the loss of its first one, its memory, and the batch that fits."""
    import torch

    batch = given.batch
    while True:
        fitting = argparse.Namespace(**(vars(given) | {"batch": batch}))
        try:
            if given.device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            step = Step(way, fitting)
            loss = step()
            step(), step()  # the second and third: compiled ones record their graphs
            return step, loss, memory_of(way, fitting), batch
        except torch.OutOfMemoryError:
            if batch == 1:
                raise
        step = None  # which still holds what did not fit
        release()
        batch //= 2
        print(f"{way}: the device cannot hold {2 * batch} faces, so this way is measured with {batch}", file=sys.stderr)


def described(given: argparse.Namespace) -> dict[str, Any]:
    """Return the model's size, and the operations of a step an image: three times the products of a forward pass."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    one = argparse.Namespace(**(vars(given) | {"batch": 1, "device": "cpu", "compile": False}))
    step = Step("plain", one)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        next(step.method.updates(step.batches, 0))
    return {
        "side": step.config.network.input_size,
        "parameters": sum(p.numel() for p in step.method.parameters() if p.requires_grad),
        "gflops_per_image": round(3.0 * counter.get_total_flops() / 1e9, 6),
    }


def add_ratios(result: dict[str, Any]) -> None:
    """Add how the program's step compares with the plain one, in all."""
    program, plain = result["program"], result["plain"]
    result["times_as_fast"] = program["times_plain"]
    if program["batch"] != plain["batch"]:
        return
    if "processor_s_a_step" in plain:
        result["times_less_processor_time"] = round(plain["processor_s_a_step"] / program["processor_s_a_step"], 2)
    if "peak_mib" in plain:
        result["memory_ratio"] = round(program["peak_mib"] / plain["peak_mib"], 2)


def matrix_peak(given: argparse.Namespace, precision: str) -> dict[str, Any]:
    """Return the best TFLOP/s of square products in `precision`, and the side of the one that reached it.

    On a CPU also the most operations a second of processor time.
    """
    import torch

    best: dict[str, Any] = {"tflops": 0.0, "side": 0, "tflop_a_processor_s": 0.0}
    device = given.device
    for side in given.peak_sides:
        left, right = (torch.rand(side, side, device=device).to(getattr(torch, precision)) for _ in range(2))
        out = torch.empty_like(left)
        taken = [timed(lambda: torch.matmul(left, right, out=out), device) for _ in range(given.repeats + 1)]  # noqa: B023
        wall, processor = (min(each) for each in zip(*taken, strict=True))
        tflops = round(2 * side**3 / wall / 1e12, 4)
        if tflops > best["tflops"]:
            best |= {"tflops": tflops, "side": side}
        if device == "cpu":
            best["tflop_a_processor_s"] = max(best["tflop_a_processor_s"], round(2 * side**3 / processor / 1e12, 4))
    return best


def memory_of(way: str, given: argparse.Namespace) -> dict[str, float]:
    """Return the most memory that a way's steps took, MiB: on a GPU so far, on a CPU in a process of its own."""
    import torch

    if given.device == "cuda":
        return {"peak_mib": round(torch.cuda.max_memory_allocated() / 2**20, 1)}
    found: dict[str, float] = {} if given.no_memory else own_process(__file__, *given.words, "--peak-of", way)
    return found


def peak_of(given: argparse.Namespace) -> dict[str, float]:
    """Return the peak memory of a few steps on the CPU in this process, MiB, and what was resident before the model."""
    import sparsefacs.engine.pretrainer  # noqa: F401  what is imported counts before the model

    before = memory_mib().get("resident", float("nan"))
    step = Step(given.peak_of, given)
    for _ in range(STEPS_FOR_MEMORY):
        step()
    return {"peak_mib": memory_mib()["peak_resident"], "before_model_mib": before}


def print_way(way: str, result: dict[str, Any]) -> None:
    """Say what was found of a way; before the first one, of what."""
    each, told = result[way], f"batch {result[way]['batch']}"
    if way == "plain":
        print(
            f"{result['backbone']}, {result['side']} px, {result['parameters'] / 1e6:.1f} M parameters, "
            f"{result['gflops_per_image']:.2f} GFLOP a face and step",
            file=sys.stderr,
        )
    if "halved_from" in each:
        told += f", HALVED from {each['halved_from']}, which the device cannot hold"
    if "peak_mib" in each:
        told += f", {each['peak_mib']:.0f} MiB"
    if "processor_s_a_step" in each:
        share = 100 * each["share_of_peak_by_processor_time"]
        told += f"; {each['processor_s_a_step']:.1f} s of processor time a step, by which {share:.1f} % of the peak"
    peak = each["matrix_peak"]["tflops"]
    print(
        f"{way}: {each['images_per_s']} images/s (slowest {each['slowest_images_per_s']}), {each['times_plain']} times "
        f"plain, in {each['precision']}, {100 * each['share_of_peak']:.1f} % of the peak of {peak} TFLOP/s; {told}",
        file=sys.stderr,
        flush=True,
    )
    for found in result.get("profile", ()) if way == "program" else ():
        ms, share, calls = found["ms"], 100 * found["share"], found["calls"]
        print(f"  {ms:9.2f} ms {share:5.1f} % {calls:5d} × {found['operation']}", file=sys.stderr)


if __name__ == "__main__":
    main()
