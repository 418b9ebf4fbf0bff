"""Frames a second of `prepare` with one and two workers, against decoding alone and finding faces alone, in one run.

    python benchmarks/prepare.py [VIDEO] [--frames N]

Without VIDEO, a 640 × 360 clip is made that pans and zooms over a portrait (scikit-image's astronaut). `prepare` gets
as many copies of the clip as workers, since a video is one part of its work. Prints a JSON object and a readable line.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparsefacs.faces.detection import FaceFinder
from sparsefacs.faces.prepare import prepare
from sparsefacs.faces.tracking import FaceTracker
from sparsefacs.faces.video import decode


def pan_and_zoom(frames: int) -> list[NDArray[np.uint8]]:
    """Return frames (360, 640, 3) that circle over and zoom into the portrait; the face is 110 to 160 pixels wide."""
    import cv2
    import skimage.data

    photo = skimage.data.astronaut()
    made = []
    for number in range(frames):
        turn = 2 * np.pi * number / 100
        zoom = 1.5 + 0.25 * np.sin(turn)
        centre = np.array([223 + 20 * np.cos(turn), 120 + 8 * np.sin(2 * turn)])
        matrix = np.hstack([zoom * np.eye(2), (np.array([320, 180]) - zoom * centre)[:, None]])
        made.append(cv2.warpAffine(photo, matrix, (640, 360), borderMode=cv2.BORDER_REFLECT))
    return made


def write_clip(path: Path, frames: int) -> None:
    """Write `pan_and_zoom` as H.264 at 25 frames/s."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for image in pan_and_zoom(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def decoding(video: Path) -> tuple[int, float]:
    """Return the frames of `video` and frames/s of reading them."""
    started = time.perf_counter()
    frames = sum(1 for _ in decode(video))
    return frames, frames / (time.perf_counter() - started)


def finding(video: Path, frames: int) -> float:
    """Return frames/s of finding and landmarking faces, decoding left out."""
    import cv2

    cv2.setNumThreads(1)
    spent = 0.0
    with FaceFinder() as finder:
        tracker = FaceTracker(finder)
        for frame in decode(video):
            started = time.perf_counter()
            tracker.update(frame.image, frame.time_s)
            spent += time.perf_counter() - started
    return frames / spent


def preparing(video: Path, frames: int, workers: int, folder: Path) -> float:
    """Return frames/s of `prepare` on as many copies of `video` as `workers`, starting the workers included."""
    source = folder / f"source{workers}"
    source.mkdir()
    for copy in range(workers):
        shutil.copy(video, source / f"copy{copy}{video.suffix}")
    started = time.perf_counter()
    prepare(source, folder / f"store{workers}", workers=workers)
    return workers * frames / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", nargs="?", type=Path)
    parser.add_argument("--frames", type=int, default=300, help="frames of the made clip")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        video = given.video or folder / "clip.mp4"
        if given.video is None:
            write_clip(video, given.frames)
        frames, decode_fps = decoding(video)
        found = {
            "video": str(given.video or "made: 640x360 pan and zoom"),
            "frames": frames,
            "decode_fps": round(decode_fps, 1),
            "landmarks_fps": round(finding(video, frames), 1),
            "prepare_fps_1_worker": round(preparing(video, frames, 1, folder), 1),
            "prepare_fps_2_workers": round(preparing(video, frames, 2, folder), 1),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        }
    print(json.dumps(found))
    print(
        f"prepare {found['prepare_fps_1_worker']} and {found['prepare_fps_2_workers']} frames/s with 1 and 2 workers; "
        f"decoding alone {found['decode_fps']}, landmarks alone {found['landmarks_fps']}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
