"""Frames a second of `prepare` with one and two workers, against decoding alone and finding faces alone, in one run.

    python benchmarks/prepare.py [VIDEO] [--frames N] [--photos N]

Without VIDEO, a 640 × 360 clip is made that pans and zooms over a portrait (scikit-image's astronaut). `prepare` gets
as many copies of the clip as workers, since a video is one part of its work. The photos are frames of the made clip,
each a picture by itself, all in one collection, for any number of workers. Prints a JSON object and readable lines.
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
from sparsefacs.faces.video import decode, read_image


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


def write_photos(folder: Path, photos: int) -> None:
    """Write `pan_and_zoom` as JPEGs, 16 a subject."""
    from PIL import Image

    for number, image in enumerate(pan_and_zoom(photos)):
        path = folder / f"s{number // 16:03d}" / f"p{number % 16:02d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, quality=90)


def reading(folder: Path) -> float:
    """Return photos/s of reading alone."""
    paths = sorted(folder.rglob("*.jpg"))
    started = time.perf_counter()
    for path in paths:
        read_image(path)
    return len(paths) / (time.perf_counter() - started)


def preparing_photos(folder: Path, photos: int, workers: int, out: Path) -> float:
    """Return photos/s of `prepare`, starting the workers included."""
    started = time.perf_counter()
    prepare(folder, out / f"photos{workers}", workers=workers)
    return photos / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", nargs="?", type=Path)
    parser.add_argument("--frames", type=int, default=300, help="frames of the made clip")
    parser.add_argument("--photos", type=int, default=512, help="photos of the made collection; 0: none")
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
        if given.photos:
            write_photos(folder / "photos", given.photos)
            found["photos"] = given.photos
            found["read_photos_per_second"] = round(reading(folder / "photos"), 1)
            for workers in (1, 2):
                rate = preparing_photos(folder / "photos", given.photos, workers, folder)
                found[f"prepare_photos_per_second_{workers}_worker{'s' * (workers > 1)}"] = round(rate, 1)
    print(json.dumps(found))
    print(
        f"prepare {found['prepare_fps_1_worker']} and {found['prepare_fps_2_workers']} frames/s with 1 and 2 workers; "
        f"decoding alone {found['decode_fps']}, landmarks alone {found['landmarks_fps']}",
        file=sys.stderr,
    )
    if given.photos:
        print(
            f"prepare {found['prepare_photos_per_second_1_worker']} and {found['prepare_photos_per_second_2_workers']} "
            f"photos/s with 1 and 2 workers; reading alone {found['read_photos_per_second']}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
