"""Time and peak memory of KDSRL's inter-area loss over 16N embeddings, against one anchor at a time, in one run.

    python benchmarks/contrastive.py [--images 32 64 128] [--repeats 5] [--threads 1] [--json FILE]

Forward and backward, 128-d, float32. The baseline is equations 1 to 3 with a Python loop over anchors, each against
all embeddings at once. The two take turns, so that other load meets both; the best time of each is given. Its many
small products make the baseline wait for its own threads where cores are shared, hence one thread.

Memory is the peak of the tensors alive beyond the embeddings, as the profiler counts them. Peak resident memory is not
given: for the baseline at N = 128 it was 81 MiB or 2,089 from one run to the next, as malloc had it. Prints a JSON
object and readable lines.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from measuring import give, machine

DIMENSIONS, TEMPERATURE = 128, 0.07


def main(words: Sequence[str] | None = None) -> None:
    import torch

    given = parse(words)
    torch.set_num_threads(given.threads)
    result: dict[str, Any] = {"benchmark": "contrastive", "threads": given.threads, **machine(), "images": {}}
    for images in given.images:
        found = compare(images, given.repeats)
        result["images"][str(images)] = found
        matrix, looped = found["matrix"], found["anchor_by_anchor"]
        print(
            f"N = {images}, {16 * images} embeddings: {1000 * matrix['seconds']:.1f} ms, {matrix['peak_mib']} MiB; "
            f"one anchor at a time {1000 * looped['seconds']:.0f} ms, {looped['peak_mib']} MiB: "
            f"{found['times_as_fast']} times as fast in {found['memory_ratio']} times the memory",
            file=sys.stderr,
        )
    give(result, given.json)


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[32, 64, 128], help="N, images a batch")
    parser.add_argument("--repeats", type=int, default=5, help="the best of so many is given")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    return parser.parse_args(words)


def compare(images: int, repeats: int) -> dict[str, Any]:
    """Return seconds and peak MiB of both forms at N = `images`, after making sure that they agree."""
    import torch

    views = torch.randn(2 * images, 8, DIMENSIONS, generator=torch.Generator().manual_seed(0))
    gradients = {name: timed(loss, views)[0] for name, loss in LOSSES.items()}  # also warms up
    near = 1e-4 * gradients["anchor_by_anchor"].abs().max().item()
    torch.testing.assert_close(gradients["matrix"], gradients["anchor_by_anchor"], rtol=0, atol=near)
    seconds: dict[str, list[float]] = {name: [] for name in LOSSES}
    for _ in range(repeats):
        for name, loss in LOSSES.items():
            seconds[name].append(timed(loss, views)[1])
    found: dict[str, Any] = {
        name: {
            "seconds": round(min(seconds[name]), 5),
            "slowest": round(max(seconds[name]), 5),
            "peak_mib": round(peak_bytes(loss, views) / 2**20, 1),
        }
        for name, loss in LOSSES.items()
    }
    matrix, looped = found["matrix"], found["anchor_by_anchor"]
    found["times_as_fast"] = round(looped["seconds"] / matrix["seconds"], 1)
    found["memory_ratio"] = round(matrix["peak_mib"] / looped["peak_mib"], 2)
    return found


def timed(loss: Callable[[Any], Any], views: Any) -> tuple[Any, float]:
    """Return the gradient of `loss`, and the seconds of forward and backward."""
    leaf = views.clone().requires_grad_()
    started = time.perf_counter()
    loss(leaf).backward()
    return leaf.grad, time.perf_counter() - started


def peak_bytes(loss: Callable[[Any], Any], views: Any) -> int:
    """Return the most bytes of tensors alive at once in forward and backward, `views` left out."""
    from torch.profiler import ProfilerActivity, profile

    leaf = views.clone().requires_grad_()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        loss(leaf).backward()
    # the summaries of the public interface hold no moments, only what each operation made
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    alive = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        peak = max(peak, alive)
    if alive != leaf.grad.nbytes:
        raise SystemExit(f"the profiler lost track: {alive} bytes at the end, {leaf.grad.nbytes} of them the gradient")
    return peak


def matrix(views_2N8D: Any) -> Any:
    """Return the loss in matrix form, as training uses it."""
    from sparsefacs.facs.areas import AREA_MIRROR
    from sparsefacs.losses.contrastive import inter_area_loss

    return inter_area_loss(views_2N8D, AREA_MIRROR, TEMPERATURE)


def anchor_by_anchor(views_2N8D: Any) -> Any:
    """Return the same loss as the equations are printed, an anchor at a time."""
    import torch

    from sparsefacs.facs.areas import AREA_MIRROR

    embeddings = torch.nn.functional.normalize(views_2N8D, dim=-1).flatten(0, 1)
    area = torch.arange(8).repeat(len(views_2N8D))
    mirrored = torch.as_tensor(AREA_MIRROR)[area]
    index = torch.arange(len(embeddings))
    total = embeddings.new_zeros(())
    for anchor, embedding in enumerate(embeddings):
        others = index != anchor
        positive = others & ((area == area[anchor]) | (mirrored == area[anchor]))
        similar = embeddings @ embedding / TEMPERATURE
        total = total + torch.logsumexp(similar[others], 0) - similar[positive].mean()
    return total / len(embeddings)


LOSSES: dict[str, Callable[[Any], Any]] = {"matrix": matrix, "anchor_by_anchor": anchor_by_anchor}


if __name__ == "__main__":
    main()
