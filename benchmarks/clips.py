"""How fast a network of clips codes a video in one pass, against sending every frame's window through the backbones.

    python benchmarks/clips.py [--recipe small paper] [--set key=value] [--length 5] [--frames 240]
                                [--repeats 5] [--json FILE]

Knowledge-Spreader with random weights, which costs what a trained one costs, on faces that are cut out already. Side by
side, in batches of 16 throughout:

one_pass          as `predict` codes: each face once through both backbones, then windows of features
window_by_window  each frame's window of L faces through the backbone of clips, its key frame through that of single
                  frames: all that the network needs if nothing is kept
backbones_alone   each face once through both backbones and nothing more: what no way of coding can beat

The three take turns, so that other load meets all; the best time of each is given, and the least processor time, which
other load hardly touches. One thread, since threads of one product wait for each other where cores are shared. Ends
with an error if the two ways give other codes. Memory: the most private memory (Linux) beyond that after the first
frames, coding in one pass --frames and ten times as many, each in a process of its own; faces are made when they are
asked for. Prints a JSON object and readable lines.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from measuring import give, machine, memory_mib, own_process, random_run

METHOD = "knowledge-spreader"


def main(words: Sequence[str] | None = None) -> None:
    import torch

    given = parse(words)
    torch.set_num_threads(given.threads)
    if given.peak_of:
        coder = random_coder(given.recipe[0], given.length, tuple(given.settings))
        print(json.dumps(peak_mib(given.peak_of, coder)))
        return
    result: dict[str, Any] = {"benchmark": "clips", "length": given.length, "frames": given.frames}
    result |= {"threads": given.threads, **machine()}
    for recipe in given.recipe:
        found = result[recipe] = compare(recipe, given)
        if not given.no_memory:
            found |= {f"peak_mib_{n}": in_process(n, recipe, given) for n in (given.frames, 10 * given.frames)}
        print_found(recipe, given, found)
    give(result, given.json)


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", nargs="+", default=["small", "paper"], help="recipes of Knowledge-Spreader")
    parser.add_argument("--set", dest="settings", action="append", default=[], help="settings, as of `train`")
    parser.add_argument("--length", type=int, default=5, help="L, frames a clip")
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--repeats", type=int, default=5, help="the best of so many is given")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-memory", action="store_true", help="leave the memory of long videos out")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peak-of", type=int, help=argparse.SUPPRESS)
    return parser.parse_args(words)


def compare(recipe: str, given: argparse.Namespace) -> dict[str, Any]:
    """Return frames/s of the three, after making sure that both ways of coding agree."""
    coder = random_coder(recipe, given.length, tuple(given.settings))
    video = [face(coder.recipe.size, number) for number in range(given.frames)]
    ways: dict[str, Callable[[], Any]] = {
        "one_pass": lambda: one_pass(coder, video),
        "window_by_window": lambda: window_by_window(coder, video),
        "backbones_alone": lambda: encoded(coder, video),
    }
    codes = {name: way() for name, way in ways.items()}  # also warms up
    apart = np.abs(codes["one_pass"] - codes["window_by_window"]).max()
    if apart > 1e-4 or np.ptp(codes["one_pass"], axis=0).max() < 1e-3:
        raise SystemExit(f"the two ways differ by {apart}, or all frames are coded alike")
    wall: dict[str, list[float]] = {name: [] for name in ways}
    processor: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.repeats):
        for name, way in ways.items():
            started, worked = time.perf_counter(), time.process_time()
            way()
            wall[name].append(time.perf_counter() - started)
            processor[name].append(time.process_time() - worked)
    found: dict[str, Any] = {
        name: {
            "fps": round(given.frames / min(wall[name]), 1),
            "slowest_fps": round(given.frames / max(wall[name]), 1),
            "processor_ms_a_frame": round(1000 * min(processor[name]) / given.frames, 2),
        }
        for name in ways
    }
    one, other = "one_pass", "window_by_window"
    found["times_as_fast"] = round(min(wall[other]) / min(wall[one]), 2)
    found["times_less_processor_time"] = round(min(processor[other]) / min(processor[one]), 2)
    return found | {"largest_difference": float(apart)}


def random_coder(recipe: str, length: int, small: tuple[str, ...] = ()) -> Any:
    """Return Knowledge-Spreader of a recipe, clips of `length`, as a coder; small: settings of a smaller one."""
    from sparsefacs.engine.config import resolve
    from sparsefacs.inference.model import load_coder

    config = resolve(METHOD, recipe, (f"method.clip_length={length}", *small), network__evidence="pixels")
    sees = config.network.model_dump() | {"init": "none"}
    with tempfile.TemporaryDirectory() as folder:
        size = round(config.network.input_size / config.network.crop)
        run = random_run(Path(folder) / "run", sees, method=METHOD, settings=config.method, size=size)
        return load_coder(run)


def branch(coder: Any, trunk: Any) -> Any:
    """Return a coder whose features are those of one branch alone."""
    import torch

    from sparsefacs.networks.answers import network_input

    def encode(faces_BHWC: Any, landmarks_BPC: Any) -> Any:
        with torch.inference_mode():
            return trunk(network_input(faces_BHWC, landmarks_BPC, coder.sees, torch.device("cpu"))[0]).numpy()

    return SimpleNamespace(encode=encode)


def face(size: int, number: int) -> Any:
    """Return a picture (size, size, 3) uint8 that changes smoothly with its number."""
    across, down = np.meshgrid(np.arange(size), np.arange(size))
    waves = [np.sin(across * (5 + channel) / size + down / 9 + number / (4 + channel)) for channel in range(3)]
    return (127 + 120 * np.stack(waves, axis=-1)).astype(np.uint8)


def frames(faces: Any) -> Iterator[Any]:
    """Yield the items that the coding of a video takes, one face a frame."""
    from sparsefacs.faces.tracking import TrackedFace
    from sparsefacs.inference.frames import Closed, FoundFrame, Opened
    from sparsefacs.inference.sources import Source

    source, points = Source(Path("video.mp4")), np.zeros((68, 2), np.float32)
    tracked = (TrackedFace(0, points, np.zeros(4, np.float32), 1.0),)
    yield Opened(source, 25.0)
    for index, picture in enumerate(faces):
        yield FoundFrame(source, index, index / 25, tracked, picture[None], points[None], (), None)
    yield Closed(source)


def code_frames(coder: Any, faces: Any) -> Iterator[Any]:
    """Yield what `predict` makes of the frames of a video, one face each."""
    from sparsefacs.inference.clips import decode_frames
    from sparsefacs.inference.stages import encode_frames

    return decode_frames(encode_frames(frames(faces), coder, 32), coder, 32)


def one_pass(coder: Any, video: Any) -> Any:
    """Return the codes (frames, A) as `predict` makes them."""
    from sparsefacs.inference.codes import CodedFrame

    coded = code_frames(coder, video)
    return np.stack([item.faces[0].codes for item in coded if isinstance(item, CodedFrame)])


def window_by_window(coder: Any, video: list[Any]) -> Any:
    """Return the same codes, no feature being kept from one window to the next."""
    from sparsefacs.inference.batching import NETWORK_BATCH, decode_windows, encode_faces

    length, key = coder.clip
    single, clip = branch(coder, coder.network.spatial.trunk), branch(coder, coder.network.trunk)
    coded = []
    for first in range(0, len(video), NETWORK_BATCH):
        at = np.arange(first, min(first + NETWORK_BATCH, len(video)))
        window = np.clip(at[:, None] + np.arange(length) - key, 0, len(video) - 1)
        pictures = np.stack([video[number] for number in window.ravel()])
        points = np.zeros((len(pictures), 68, 2), np.float32)
        within = encode_faces(clip, pictures, points).reshape(*window.shape, -1)
        alone = encode_faces(single, pictures[key::length], points[key::length])
        both = np.concatenate([np.repeat(alone[:, None], length, axis=1), within], axis=-1)
        coded.append(decode_windows(coder, both))  # of branch A only the key frame is looked at
    return np.concatenate(coded)


def encoded(coder: Any, video: list[Any]) -> Any:
    """Return the features of every face, batch by batch."""
    from sparsefacs.inference.batching import NETWORK_BATCH, encode_faces

    parts = [np.stack(video[first : first + NETWORK_BATCH]) for first in range(0, len(video), NETWORK_BATCH)]
    return np.concatenate([encode_faces(coder, part, np.zeros((len(part), 68, 2), np.float32)) for part in parts])


def in_process(count: int, recipe: str, given: argparse.Namespace) -> float:
    """Return the memory of coding `count` frames in a process of its own."""
    words = ["--peak-of", count, "--recipe", recipe, "--length", given.length]
    return float(own_process(__file__, *words, *(f"--set={setting}" for setting in given.settings)))


def peak_mib(count: int, coder: Any) -> float:
    """Code `count` frames, made one by one, in this process; return the most private memory beyond the first frames."""
    from sparsefacs.inference.codes import CodedFrame

    one_pass(coder, [face(coder.recipe.size, number) for number in range(40)])
    start = peak = private_mib()
    faces = (face(coder.recipe.size, number) for number in range(count))
    for item in code_frames(coder, faces):
        if isinstance(item, CodedFrame) and item.index % 8 == 0:
            peak = max(peak, private_mib())
    return round(peak - start, 1)


def private_mib() -> float:
    """Return the private memory of this process, MiB; NaN where the system does not tell."""
    return memory_mib().get("private", float("nan"))


def print_found(recipe: str, given: argparse.Namespace, found: dict[str, Any]) -> None:
    memory = ", ".join(f"{found[key]} MiB at {key.rpartition('_')[2]}" for key in found if key.startswith("peak_mib"))
    told = ", ".join(
        f"{name.replace('_', ' ')} {found[name]['fps']} frames/s, {found[name]['processor_ms_a_frame']} ms of a core"
        for name in ("one_pass", "window_by_window", "backbones_alone")
    )
    print(
        f"{recipe}, L = {given.length}: {told}; in one pass {found['times_as_fast']} times as fast, in "
        f"{found['times_less_processor_time']} times less processor time (work of the backbones "
        f"{(1 + given.length) / 2:g} to 1)" + (f"; memory beyond the first frames {memory}" if memory else ""),
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
