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

The two take turns, so that other load meets both; the best time of each is given, and the slowest. On a CPU also the
least processor time, which other load hardly touches. Ends with an error where the first losses of the two on the same
faces and masks are apart.

Operations: `torch.utils.flop_counter` over one forward pass with attention written out, a multiply-add as two, times
three, since backward takes two products where forward takes one; what is not a product (softmax, norms, AdamW) is not
counted. The peak is the best of several large square products in the same precision, measured in this run just before
and after the steps.

Memory: on a GPU the most allocated by torch (`max_memory_allocated`), on a CPU the most resident of a process that
does three such steps and nothing else, torch itself included. Where the GPU cannot hold a batch it is halved. Prints
a JSON object and readable lines.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from measuring import give, machine, memory_mib, own_process, profiled, synchronisations, timed
from step_changes import CHANGED, embed_otherwise, write_attention_out

METHOD = "pretrain/mae-face"
WAYS = ("program", "plain")
CPU_BATCH, GPU_BATCH = 8, 256
PEAK_SIDES = {"cpu": (1024, 2048, 4096), "cuda": (4096, 8192, 16384)}
STEPS_FOR_MEMORY = 3


def main(words: Sequence[str] | None = None) -> None:
    given = parse(words)
    if given.peak_of:
        print(json.dumps(peak_of(given)))
    else:
        give(measured(sys.argv[1:] if words is None else words), given.json)


def measured(words: Sequence[str]) -> dict[str, Any]:
    """Return, and tell in lines, what is found of the steps that the options `words` describe."""
    import torch

    given = parse(words)
    if given.threads:
        torch.set_num_threads(given.threads)
    result: dict[str, Any] = {"benchmark": "pretraining_step", "backbone": given.backbone, "device": given.device}
    result |= {"compile": given.compile, **machine()}
    if given.device == "cuda":
        result["gpu"] = torch.cuda.get_device_name()
    while True:
        try:
            result |= compare(given)
            break
        except torch.OutOfMemoryError:
            if given.batch == 1:
                raise
        torch.cuda.empty_cache()
        given.batch //= 2
        print(f"the device cannot hold this batch: {given.batch}", file=sys.stderr)
    if not given.no_memory:
        for way in result["ways"]:
            result[way] |= own_process(__file__, *words, "--peak-of", way)
        result["memory_ratio"] = round(result["program"]["peak_mib"] / result["plain"]["peak_mib"], 2)
    print_found(result)
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


def warmed_up(given: argparse.Namespace) -> tuple[dict[str, Step], dict[str, float], dict[str, str]]:
    """Return each way's step, done three times, the loss of its first one, and what went wrong with the others."""
    import torch

    steps: dict[str, Step] = {}
    losses: dict[str, float] = {}
    failed: dict[str, str] = {}
    for way in given.ways:
        try:
            step = Step(way, given)
            losses[way] = step()
            step(), step()  # compiled ones record their graphs
            steps[way] = step
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # of a compiler anything; the other ways are measured all the same
            if way in WAYS:
                raise
            losses.pop(way, None)
            failed[way] = f"{type(error).__name__}: {str(error)[:300]}"
            print(f"{way}: {failed[way]}", file=sys.stderr)
    return steps, losses, failed


def compare(given: argparse.Namespace) -> dict[str, Any]:
    """Return images/s of both ways and what share of the measured peak they use, after making sure that they agree."""
    steps, losses, failed = warmed_up(given)
    if max(abs(loss - losses["plain"]) for loss in losses.values()) > 0.02 * losses["plain"]:
        raise SystemExit(f"the ways begin from other losses: {losses}")
    per_image = operations(given)
    precisions = {step.precision for step in steps.values()}
    peaks = {precision: matrix_peak(given, precision) for precision in precisions}
    wall: dict[str, list[float]] = {way: [] for way in steps}
    processor: dict[str, list[float]] = {way: [] for way in steps}
    for _ in range(given.repeats):
        for way, step in steps.items():
            taken = timed(step, given.device)
            wall[way].append(taken[0])
            processor[way].append(taken[1])
    for precision in precisions:
        again = matrix_peak(given, precision)
        most = max(peaks[precision]["tflop_a_processor_s"], again["tflop_a_processor_s"])
        peaks[precision] = max(peaks[precision], again, key=lambda each: each["tflops"]) | {"tflop_a_processor_s": most}
    count = sum(p.numel() for p in steps["program"].method.parameters() if p.requires_grad)
    found: dict[str, Any] = {"batch": given.batch, "side": steps["program"].config.network.input_size}
    found |= {
        "ways": list(steps),
        "failed": failed,
        "parameters": count,
        "gflops_per_image": round(per_image / 1e9, 2),
        "matrix_peak": peaks,
    }
    for way, step in steps.items():
        best, work = min(wall[way]), per_image * given.batch / 1e12
        tflops, peak = work / best, peaks[step.precision]
        found[way] = {
            "precision": step.precision,
            "images_per_s": round(given.batch / best, 3),
            "slowest_images_per_s": round(given.batch / max(wall[way]), 3),
            "tflops": round(tflops, 4),
            "share_of_peak": round(tflops / peak["tflops"], 3),
            "times_plain": round(min(wall["plain"]) / best, 2),
            "synchronisations": synchronisations(step, given.device),
            "first_loss": round(losses[way], 5),
        }
        if given.device == "cpu":
            spent = min(processor[way])
            found[way] |= {
                "processor_s_a_step": round(spent, 3),
                "share_of_peak_by_processor_time": round(work / spent / peak["tflop_a_processor_s"], 3),
            }
    if given.profile:
        found["profile"] = profiled(steps["program"], given.device, given.profile)
    found["times_as_fast"] = round(min(wall["plain"]) / min(wall["program"]), 2)
    if given.device == "cpu":
        found["times_less_processor_time"] = round(min(processor["plain"]) / min(processor["program"]), 2)
    return found


def operations(given: argparse.Namespace) -> float:
    """Return the operations of a step an image: three times those of the products of a forward pass."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    one = argparse.Namespace(**(vars(given) | {"batch": 1, "device": "cpu", "compile": False}))
    step = Step("plain", one)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        next(step.method.updates(step.batches, 0))
    return 3.0 * counter.get_total_flops()


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


def peak_of(given: argparse.Namespace) -> dict[str, float]:
    """Return the peak memory of a few steps in this process, MiB, and on a CPU what was resident before the model."""
    import torch

    if given.device == "cuda":
        step = Step(given.peak_of, given)
        torch.cuda.reset_peak_memory_stats()
        for _ in range(STEPS_FOR_MEMORY):
            step()
        return {"peak_mib": round(torch.cuda.max_memory_allocated() / 2**20, 1)}
    import sparsefacs.engine.pretrainer  # noqa: F401  what is imported counts before the model

    before = memory_mib().get("resident", float("nan"))
    step = Step(given.peak_of, given)
    for _ in range(STEPS_FOR_MEMORY):
        step()
    return {"peak_mib": memory_mib()["peak_resident"], "before_model_mib": before}


def print_found(found: dict[str, Any]) -> None:
    peaks = ", ".join(f"{each['tflops']} TFLOP/s {name}" for name, each in found["matrix_peak"].items())
    print(
        f"{found['backbone']}, {found['side']} px, batch {found['batch']}, {found['parameters'] / 1e6:.1f} M parameters"
        f", {found['gflops_per_image']} GFLOP a face and step; matrix peak {peaks}",
        file=sys.stderr,
    )
    for way in found["ways"]:
        each = found[way]
        memory = f", {each['peak_mib']:.0f} MiB" if "peak_mib" in each else ""
        if "processor_s_a_step" in each:
            share = 100 * each["share_of_peak_by_processor_time"]
            memory += (
                f"; {each['processor_s_a_step']:.1f} s of processor time a step, by which {share:.1f} % of the peak"
            )
        print(
            f"{way}: {each['images_per_s']} images/s (slowest {each['slowest_images_per_s']}) in {each['precision']}, "
            f"{100 * each['share_of_peak']:.1f} % of the peak{memory}",
            file=sys.stderr,
        )
    for each in found.get("profile", ()):
        print(
            f"  {each['ms']:9.2f} ms {100 * each['share']:5.1f} % {each['calls']:5d} × {each['operation']}",
            file=sys.stderr,
        )
    less = f", {found['times_less_processor_time']} times less processor time" if found["device"] == "cpu" else ""
    print(f"{found['times_as_fast']} times as fast as the plain step{less}", file=sys.stderr)


if __name__ == "__main__":
    main()
