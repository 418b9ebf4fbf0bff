"""BP4D as delivered: 41 subjects, eight tasks, 25 frames/s.

    AUCoding/AU_OCC/F001_T1.csv              occurrence (the FERA 2015 copy: AUCoding/F001_T1.csv)
    AUCoding/AU_INT/AU06/F001_T1_AU06.csv    intensity of AUs 6, 10, 12, 14, 17
    Sequences(2D+3D)/F001/T1/0001.jpg        images, 3 or 4 digits; or a video a sequence
    2DFeatures/F001_T1.mat                   49 tracked points an image

Layout as public loaders read it: ME-GraphAU `tool/BP4D_image_label_process.py`. Frames outside the coded segment, and
sequences without a label file, are unlabelled faces.
"""

from pathlib import Path

from ...errors import InputError
from ..delivered import DeliveredPoints
from ..matlab_points import FitPoints, check_fit
from ..media import is_video
from ..store import Reject
from .clips import number_photos
from .layout import folders, part
from .plan import Plan, Request
from .sequences import SUBJECT, TASK, Images, Key, find_tree, parse_key, plan_sequences, read_coding

_IMAGES = ("Sequences(2D+3D)", "Sequences", "BP4D-training")
_POINTS = ("2DFeatures",)


def plan_bp4d(request: Request) -> Plan:
    """Plan the sequences of BP4D; raises InputError for a wrong folder or a label file that is not what it should be.

    Images or landmarks that are missing are rejects.
    """
    root, coding, top = find_tree(request.source, "BP4D", _IMAGES)
    images = find_images(top)
    aus, coded = read_coding(coding, request.aus)
    if not request.delivered_landmarks:
        return plan_sequences(request, aus, coded, images)
    tracks = part(root, _POINTS)
    if tracks is None:
        raise InputError(
            "holds no delivered landmarks, 2DFeatures",
            path=root,
            remedy="Copy 2DFeatures there, or leave out --landmarks",
        )
    return plan_sequences(
        request, aus, coded, images, lambda key: _points(key, tracks, images), "49 points delivered with BP4D"
    )


def find_images(top: Path) -> Images:
    """Return the images of every sequence: `F001/T1/…`, or else a video F001/T1/….avi, F001/T1.avi or F001_T1.avi."""
    images = Images()
    _videos(top, top, "", images)
    for subject in folders(top):
        if SUBJECT.fullmatch(subject.name):
            _videos(subject, top, f"{subject.name}_", images)
            for task in folders(subject):
                if TASK.fullmatch(task.name):
                    add_sequence(task, top, (subject.name.upper(), task.name.upper()), images)
    return images


def add_sequence(folder: Path, top: Path, key: Key, images: Images) -> None:
    """Add the photos in `folder`, or else its one video, to `images` as sequence `key`."""
    names = [path.name for path in folder.iterdir()]
    photos, rejected = number_photos(folder, names, "/".join(key))
    images.rejected.extend(rejected)
    if photos is not None:
        images.photos[key] = photos
        return
    videos = sorted(folder / name for name in names if is_video(Path(name)) and not name.startswith("."))
    for video in videos:
        _add_video(video, top, key, images)


def _videos(folder: Path, top: Path, prefix: str, images: Images) -> None:
    for path in sorted(folder.iterdir()):
        if path.is_file() and is_video(path):
            key = parse_key(path.stem) or parse_key(prefix + path.stem)
            if key is not None:
                _add_video(path, top, key, images)


def _add_video(path: Path, top: Path, key: Key, images: Images) -> None:
    source = path.relative_to(top).as_posix()
    if key in images.videos:
        reason = f"is a second video of {'/'.join(key)}, beside {images.videos[key][1]}"
        images.rejected.append(Reject(source, None, reason))
    else:
        images.videos[key] = (path, source)


def _points(key: Key, tracks: Path, images: Images) -> DeliveredPoints | Reject:
    """Return the landmarks of a sequence: the k-th entry of the file is its k-th image."""
    name = "_".join(key) + ".mat"
    path = tracks / name
    if not path.is_file():
        return Reject("/".join(key), None, f"its landmarks, {tracks.name}/{name}, are missing")
    try:
        check_fit(path)
    except InputError as error:
        return Reject("/".join(key), None, f"its landmarks, {tracks.name}/{name}: {error.problem}")
    if key not in images.photos:
        return FitPoints(path)
    first = int(images.photos[key].numbers[0])
    if first > 1:  # its first images were not copied: count as the others do
        first = min(1, *(int(of.numbers[0]) for of in images.photos.values()))
    return FitPoints(path, first)
