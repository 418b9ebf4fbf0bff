"""How fast `predict` codes a video, against its parts, and whether its memory stays flat.

    python benchmarks/predict.py [VIDEO] [--run RUN] [--frames 500] [--long 4000] [--json FILE]

Without VIDEO: 640 × 360, 25 frames/s, one face about 200 pixels wide, made by panning over the astronaut photo of
scikit-image. Without RUN: a ResNet-18 at 112 pixels with random weights, which costs what a trained one costs.
Target: 150 frames/s on 2 cores; peak memory at 4,000 frames within 10 % of that at 500.
"""

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

FPS = 25
AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
TARGET_FPS, TARGET_RATIO = 150.0, 1.10


def main() -> None:
    arguments = parse()
    if arguments.peak_of:
        print(peak_mib(arguments))
        return
    with tempfile.TemporaryDirectory() as folder:
        video = arguments.video or make_video(Path(folder) / "short.mp4", arguments.frames)
        result = {"machine": machine(), "speed": speed(video, arguments.run, Path(folder), arguments.repeats)}
        print_speed(result["speed"])
        if arguments.long:
            result["memory"] = memory(arguments, Path(folder))
            print_memory(result["memory"])
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, nargs="?", help="default: a generated one")
    parser.add_argument("--run", type=Path, help="run folder; default: ResNet-18 with random weights")
    parser.add_argument("--frames", type=int, default=500, help="length of the generated video")
    parser.add_argument("--long", type=int, default=4000, help="length of the long video for memory; 0: no memory test")
    parser.add_argument("--repeats", type=int, default=3, help="the best of so many is given")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def speed(video: Path, run: Path | None, folder: Path, repeats: int) -> dict[str, float]:
    """Return frames/s of decoding, landmarks and network alone, of all in sequence, and of `predict`."""
    from sparsefacs.faces.alignment import align_face
    from sparsefacs.faces.detection import FaceFinder
    from sparsefacs.faces.tracking import FaceTracker
    from sparsefacs.faces.video import decode
    from sparsefacs.inference.batching import code_faces
    from sparsefacs.inference.pipeline import predict

    coder = make_coder(run)
    kept = []
    for frame in decode(video):
        kept.append(frame)
        if len(kept) == 200:
            break
    frames = sum(1 for _ in decode(video))
    with FaceFinder() as finder:

        def landmarks() -> None:
            tracker = FaceTracker(finder)
            for frame in kept:
                tracker.update(frame.image, frame.time_s)

        rates = {"decode_alone_fps": frames / best(lambda: [None for _ in decode(video)], repeats)}
        rates["landmarks_alone_fps"] = len(kept) / best(landmarks, repeats)
        if importlib.util.find_spec("mediapipe"):
            rates["mediapipe_alone_fps"] = len(kept) / best(mediapipe_way(finder, kept), repeats)
        face = finder.find(kept[0].image)[0]
    cut, points, _ = align_face(kept[0].image, face.landmarks, coder.recipe)
    faces = np.repeat(cut[None], 128, axis=0)
    landmarks = np.stack([points] * len(faces))
    code_faces(coder, faces, landmarks)
    rates["network_alone_fps"] = len(faces) / best(lambda: code_faces(coder, faces, landmarks), repeats)
    for name, threads, overlay in (("sequential", False, False), ("predict", True, False), ("overlay", True, True)):
        taken = []
        for number in range(repeats):
            out = folder / f"{name}{number}"
            drawn = out.with_suffix(".mp4") if overlay else None
            taken.append(predict(coder, [video], out.with_suffix(".csv"), overlay=drawn, threads=threads).seconds)
        rates[f"{name}_fps"] = frames / min(taken)
    return {name: round(rate, 1) for name, rate in rates.items()}


def mediapipe_way(finder, frames) -> Callable[[], None]:
    """Return what found landmarks before: a detector round each face and MediaPipe's task on a crop, every frame."""
    import cv2
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    from sparsefacs.faces.models import LANDMARKER, find_model

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=find_model(LANDMARKER).read_bytes()),
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


def best(work: Callable[[], object], repeats: int) -> float:
    """Return the least time, s, that `work` took."""
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


def memory(arguments: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Return peak memory, MiB, of coding a short and a long video, each in a process of its own, and their ratio."""
    peaks = {}
    for frames in (arguments.frames, arguments.long):
        video = make_video(folder / f"{frames}.mp4", frames)
        command = [sys.executable, __file__, "--peak-of", str(video)]
        command += ["--run", str(arguments.run)] if arguments.run else []
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks[f"peak_mib_{frames}"] = float(done.stdout.split()[-1])
    short, long = peaks.values()
    return peaks | {"ratio": round(long / short, 3)}


def peak_mib(arguments: argparse.Namespace) -> float:
    """Code a video in this process and return its peak resident memory, MiB."""
    from sparsefacs.inference.pipeline import predict

    with tempfile.TemporaryDirectory() as folder:
        predict(make_coder(arguments.run), [arguments.peak_of], Path(folder) / "codes.csv")
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would hold the parent's peak too: it survives fork and exec
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(line.split()[1]) / 2**10, 1)
    import resource

    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1)


def make_coder(run: Path | None):
    if run is not None:
        from sparsefacs.inference.model import load_coder

        return load_coder(run)
    import timm
    import torch

    from sparsefacs.faces.alignment import FaceRecipe

    torch.manual_seed(0)
    network = timm.create_model("resnet18", num_classes=len(AUS)).eval().to(memory_format=torch.channels_last)

    class RandomCoder:
        aus, recipe, task, limits = AUS, FaceRecipe(size=112), "occurrence", (0.5,) * len(AUS)

        def __call__(self, faces_BHWC: np.ndarray, landmarks_BPC: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                faces = torch.from_numpy(faces_BHWC).permute(0, 3, 1, 2).float() / 255
                return network(faces).sigmoid().numpy()

    return RandomCoder()


def make_video(path: Path, frames: int) -> Path:
    """Write a 640 × 360 H.264 video that pans slowly over a photo of one face."""
    import av
    import cv2
    from skimage.data import astronaut

    photo = astronaut()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS), options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number in range(frames):
            turn = 2 * np.pi * number / 200
            zoom = 2.0 + 0.1 * np.sin(turn)
            centre = np.array([225 + 20 * np.sin(1.7 * turn), 120 + 8 * np.cos(2.3 * turn)])
            matrix = np.array([[zoom, 0, 320 - zoom * centre[0]], [0, zoom, 180 - zoom * centre[1]]])
            image = cv2.warpAffine(photo, matrix, (640, 360), borderMode=cv2.BORDER_REFLECT)
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def machine() -> dict[str, object]:
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": cores,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def print_speed(rates: dict[str, float]) -> None:
    for name, rate in rates.items():
        print(f"{name:22s} {rate:8.1f} frames/s", file=sys.stderr)
    met = "met" if rates["predict_fps"] >= TARGET_FPS else "MISSED"
    print(f"target {TARGET_FPS:.0f} frames/s end to end: {met}", file=sys.stderr)


def print_memory(peaks: dict[str, float]) -> None:
    for name, value in peaks.items():
        print(f"{name:22s} {value:8.2f}", file=sys.stderr)
    met = "met" if peaks["ratio"] <= TARGET_RATIO else "MISSED"
    print(f"target ratio at most {TARGET_RATIO}: {met}", file=sys.stderr)


if __name__ == "__main__":
    main()
