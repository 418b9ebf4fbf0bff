"""How fast `predict` codes a video, against its parts, and whether its memory stays flat.

    python benchmarks/predict.py [VIDEO] [--run RUN] [--frames 500] [--long 4000] [--faces 1] [--overlay] [--json FILE]

Without VIDEO: 640 × 360, 25 frames/s, one face about 200 pixels wide, made by panning over the astronaut photo of
scikit-image; with --faces N as many side by side, in a picture 320 × N wide. With --overlay memory is that of coding
with one. Without RUN: a ResNet-18 at 112 pixels with random weights, which costs what a trained one costs.
Baseline: one stage after the other, and each stage alone.
Target: 150 frames/s on 2 cores; peak memory at 4,000 frames within 10 % of that at 500.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from measuring import best, give, machine, memory_mib, own_process, random_run, write_clip

TARGET_FPS, TARGET_RATIO = 150.0, 1.10


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(words)
    if arguments.peak_of:
        print(json.dumps(peak_mib(arguments)))
        return
    with tempfile.TemporaryDirectory() as folder:
        video = arguments.video or write_clip(Path(folder) / "short.mp4", arguments.frames, arguments.faces)
        result: dict[str, Any] = {"benchmark": "predict", **machine()}
        result |= {"speed": speed(video, arguments, Path(folder))}
        print_speed(result["speed"])
        if arguments.long:
            result["memory"] = memory(arguments, Path(folder))
            print_memory(result["memory"])
    give(result, arguments.json)


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, nargs="?", help="default: a generated one")
    parser.add_argument("--run", type=Path, help="run folder; default: ResNet-18 with random weights")
    parser.add_argument("--backbone", default="resnet18", help="without a run: a timm model")
    parser.add_argument("--size", type=int, default=112, help="without a run: side of the aligned faces, pixels")
    parser.add_argument("--frames", type=int, default=500, help="length of the generated video")
    parser.add_argument("--long", type=int, default=4000, help="length of the long video for memory; 0: no memory test")
    parser.add_argument("--faces", type=int, default=1, help="faces in a generated video, side by side")
    parser.add_argument("--overlay", action="store_true", help="measure memory with an overlay drawn")
    parser.add_argument("--repeats", type=int, default=3, help="the best of so many is given")
    parser.add_argument("--task", type=Path, help="face_landmarker.task: MediaPipe, if installed, finds landmarks too")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(words)


def speed(video: Path, given: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Return frames/s of decoding, landmarks and network alone, of all in sequence, and of `predict`."""
    from sparsefacs.faces.alignment import align_face
    from sparsefacs.faces.detection import FaceFinder
    from sparsefacs.faces.tracking import FaceTracker
    from sparsefacs.faces.video import decode
    from sparsefacs.inference.batching import code_faces
    from sparsefacs.inference.pipeline import predict

    coder, repeats = make_coder(given, folder), given.repeats
    kept = []
    for frame in decode(video):
        kept.append(frame)
        if len(kept) == 200:
            break
    frames = sum(1 for _ in decode(video))
    finder = FaceFinder()

    def landmarks() -> None:
        tracker = FaceTracker(finder)
        for frame in kept:
            tracker.update(frame.image, frame.time_s)

    rates = {"decode_alone_fps": frames / best(lambda: [None for _ in decode(video)], repeats)}
    rates["landmarks_alone_fps"] = len(kept) / best(landmarks, repeats)
    if given.task:
        rates["mediapipe_alone_fps"] = len(kept) / best(mediapipe_way(finder, kept, given.task), repeats)
    face = finder.find(kept[0].image)[0]
    cut, points, _ = align_face(kept[0].image, face.landmarks, coder.recipe)
    faces = np.repeat(cut[None], 128, axis=0)
    landmarks = np.stack([points] * len(faces))
    code_faces(coder, faces, landmarks)
    taken_a_face = best(lambda: code_faces(coder, faces, landmarks), repeats) / len(faces)
    a_frame = 1.0
    for name, threads, overlay in (("sequential", False, False), ("predict", True, False), ("overlay", True, True)):
        taken = []
        for number in range(repeats):
            out = folder / f"{name}{number}"
            drawn = out.with_suffix(".mp4") if overlay else None
            summary = predict(coder, [video], out.with_suffix(".csv"), overlay=drawn, threads=threads)
            taken.append(summary.seconds)
            a_frame = summary.inputs[0].coded_rows / frames
        rates[f"{name}_fps"] = frames / min(taken)
    rates["network_alone_fps"] = 1 / (taken_a_face * max(a_frame, 1))  # of frames with as many faces
    told = {name: round(rate, 1) for name, rate in rates.items()}
    times = round(rates["predict_fps"] / rates["sequential_fps"], 2)
    return told | {"faces_a_frame": round(a_frame, 2), "times_sequential": times}


def mediapipe_way(finder: Any, frames: list[Any], model: Path) -> Callable[[], None]:
    """Return what found landmarks before: a detector round each face and MediaPipe's task on a crop, every frame."""
    import cv2
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=model.read_bytes()),
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )
    task, start = vision.FaceLandmarker.create_from_options(options), finder.boxes(frames[0].image)[0].box

    def work() -> None:
        box = start
        for frame in frames:
            found = finder.near(frame.image, box)
            box = box if found is None else found.box
            half = max(box[2:] - box[:2])
            x0, y0, x1, y1 = (*np.maximum((box[:2] + box[2:]) / 2 - half, 0), *((box[:2] + box[2:]) / 2 + half))
            crop = cv2.resize(frame.image[int(y0) : int(y1), int(x0) : int(x1)], (448, 448))
            task.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=crop))

    return work


def memory(arguments: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Return peak memory, MiB, of coding a short and a long video, each in a process of its own, and their ratio."""
    peaks = {}
    for frames in (arguments.frames, arguments.long):
        video = write_clip(folder / f"{frames}.mp4", frames, arguments.faces)
        own = ["--run", arguments.run] if arguments.run else []
        own += ["--overlay"] if arguments.overlay else []
        own += ["--backbone", arguments.backbone, "--size", arguments.size]
        peaks[f"peak_mib_{frames}"] = float(own_process(__file__, "--peak-of", video, *own))
    short, long = peaks.values()
    return peaks | {"ratio": round(long / short, 3)}


def peak_mib(arguments: argparse.Namespace) -> float:
    """Code a video in this process and return its peak resident memory, MiB."""
    from sparsefacs.inference.pipeline import predict

    with tempfile.TemporaryDirectory() as folder:
        coder = make_coder(arguments, Path(folder))
        drawn = Path(folder) / "overlay.mp4" if arguments.overlay else None
        predict(coder, [arguments.peak_of], Path(folder) / "codes.csv", overlay=drawn)
    return memory_mib()["peak_resident"]


def make_coder(given: argparse.Namespace, folder: Path) -> Any:
    """Return the coder of the run, or one of random weights."""
    from sparsefacs.inference.model import load_coder

    network = {"backbone": given.backbone, "input_size": given.size}
    return load_coder(given.run or random_run(folder / "random", network, size=given.size))


def print_speed(rates: dict[str, float]) -> None:
    for name, rate in rates.items():
        unit = "frames/s" if name.endswith("_fps") else ""
        print(f"{name:22s} {rate:8.1f} {unit}".rstrip(), file=sys.stderr)
    met = "met" if rates["predict_fps"] >= TARGET_FPS else "MISSED"
    print(f"target {TARGET_FPS:.0f} frames/s end to end: {met}", file=sys.stderr)


def print_memory(peaks: dict[str, float]) -> None:
    for name, value in peaks.items():
        print(f"{name:22s} {value:8.2f}", file=sys.stderr)
    met = "met" if peaks["ratio"] <= TARGET_RATIO else "MISSED"
    print(f"target ratio at most {TARGET_RATIO}: {met}", file=sys.stderr)


if __name__ == "__main__":
    main()
