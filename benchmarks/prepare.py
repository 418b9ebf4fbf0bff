"""Frames a second of `prepare` with one and two workers, against decoding alone and finding faces alone, in one run.

    python benchmarks/prepare.py [VIDEO] [--frames N] [--photos N] [--json FILE]

Without VIDEO, a 640 × 360 clip is made that pans and zooms over a portrait (scikit-image's astronaut). `prepare` gets
as many copies of the clip as workers, since a video is one part of its work. The photos are frames of the made clip,
each a picture by itself, all in one collection, for any number of workers. Prints a JSON object and readable lines.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measuring import give, machine, pan_and_zoom, write_clip
from sparsefacs.faces.detection import FaceFinder
from sparsefacs.faces.prepare import prepare
from sparsefacs.faces.tracking import FaceTracker
from sparsefacs.faces.video import decode, read_image


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
    finder = FaceFinder()
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


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", nargs="?", type=Path)
    parser.add_argument("--frames", type=int, default=300, help="frames of the made clip")
    parser.add_argument("--photos", type=int, default=512, help="photos of the made collection; 0: none")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        video = given.video or folder / "clip.mp4"
        if given.video is None:
            write_clip(video, given.frames)
        frames, decode_fps = decoding(video)
        found: dict[str, Any] = {
            "benchmark": "prepare",
            **machine(),
            "video": str(given.video or "made: 640x360 pan and zoom"),
            "frames": frames,
            "decode_fps": round(decode_fps, 1),
            "landmarks_fps": round(finding(video, frames), 1),
            "prepare_fps_1_worker": round(preparing(video, frames, 1, folder), 1),
            "prepare_fps_2_workers": round(preparing(video, frames, 2, folder), 1),
        }
        found["times_2_workers"] = round(found["prepare_fps_2_workers"] / found["prepare_fps_1_worker"], 2)
        found["share_of_landmarks_alone"] = round(found["prepare_fps_1_worker"] / found["landmarks_fps"], 2)
        if given.photos:
            write_photos(folder / "photos", given.photos)
            found["photos"] = given.photos
            found["read_photos_per_second"] = round(reading(folder / "photos"), 1)
            for workers in (1, 2):
                rate = preparing_photos(folder / "photos", given.photos, workers, folder)
                found[f"prepare_photos_per_second_{workers}_worker{'s' * (workers > 1)}"] = round(rate, 1)
    print(
        f"prepare {found['prepare_fps_1_worker']} and {found['prepare_fps_2_workers']} frames/s with 1 and 2 workers "
        f"(× {found['times_2_workers']}); decoding alone {found['decode_fps']}, landmarks alone "
        f"{found['landmarks_fps']}",
        file=sys.stderr,
    )
    if given.photos:
        print(
            f"prepare {found['prepare_photos_per_second_1_worker']} and {found['prepare_photos_per_second_2_workers']} "
            f"photos/s with 1 and 2 workers; reading alone {found['read_photos_per_second']}",
            file=sys.stderr,
        )
    give(found, given.json)


if __name__ == "__main__":
    main()
