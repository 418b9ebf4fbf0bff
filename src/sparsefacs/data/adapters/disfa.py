"""DISFA as delivered: 27 subjects, a video of 4845 frames from each of two cameras, 20 frames/s.

    ActionUnit_Labels/SN001/SN001_au1.txt               frame,intensity: frames from 1, intensity 0–5
    Videos_LeftCamera/LeftVideoSN001_comp.avi           a few frames longer than the labels
    Video_RightCamera/RightVideoSN001_comp.avi
    Landmark_Points/SN001/tmp_frame_lm/SN001_0000_lm.mat  66 points, frames from 0 (SN031: l00001_lm.mat, from 1)

An AU is present from intensity 2 on, as in the papers. The landmarks are of the left camera. tables/
disfa_failed_tracking.csv lists the frames that JAA-Net leaves out since tracking failed there.
"""

import csv
import re
from collections import defaultdict
from dataclasses import replace
from functools import lru_cache
from importlib import resources
from pathlib import Path

from ...errors import InputError
from ...facs import parse_aus
from ..matlab_points import PtsPoints
from ..media import is_video
from ..store import Reject
from .au_files import ACTIVE_FROM, Column, active, combine, read_intensity
from .layout import find_root, folders, part, wrong_folder
from .plan import FaceLabel, MediaItem, Plan, Request

AUS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
"""The AUs that DISFA and DISFA+ are coded for."""
_LABELS = ("ActionUnit_Labels",)
_CAMERAS = {
    "left": ("Videos_LeftCamera", "Video_LeftCamera"),
    "right": ("Video_RightCamera", "Videos_RightCamera"),
}
_POINTS = ("Landmark_Points",)
_SUBJECT = re.compile(r"SN\d{3}", re.IGNORECASE)
Labels = dict[int, tuple[FaceLabel, ...]]


def plan_disfa(request: Request) -> Plan:
    """Plan the videos of DISFA, by default the left camera's; clips are called after the camera.

    Raises InputError for a wrong folder, a label file that is not what it should be, and landmarks of the right
    camera. Videos, label files and landmarks that are missing are rejects.
    """
    cameras = ("left", "right") if request.camera == "both" else (request.camera or "left",)
    if request.delivered_landmarks and "right" in cameras:
        raise InputError(
            "the landmarks delivered with DISFA are of the left camera",
            path=request.source,
            remedy="Choose --camera left, or leave out --landmarks",
        )
    parts = (_LABELS, *(_CAMERAS[camera] for camera in cameras))
    root = find_root(request.source, parts, "DISFA")
    coding = part(root, _LABELS)
    if coding is None:
        raise wrong_folder(root, "DISFA", (_LABELS,))
    aus = choose_aus(request, "DISFA")
    rejected: list[Reject] = []
    videos = {camera: _videos(root, camera, rejected) for camera in cameras}
    labels = {folder.name.upper(): _labels(folder, aus, rejected) for folder in _subjects(coding)}
    items = []
    for subject in sorted(labels.keys() | {subject for of in videos.values() for subject in of}):
        for camera in cameras:
            path = videos[camera].get(subject)
            if path is None:
                rejected.append(Reject(subject, None, f"its video of the {camera} camera is missing"))
            else:
                source = path.relative_to(root).as_posix()
                items.append(MediaItem(path, source, subject, camera, by_frame=labels.get(subject, {}), alone=True))
    if not any(item.by_frame for item in items):
        raise InputError(
            "no subject has both AU labels and a video",
            path=root,
            remedy=f"Videos are looked for as {_CAMERAS[cameras[0]][0]}/LeftVideoSN001_comp.avi",
        )
    facts: dict[str, object] = {"cameras": list(cameras), "active_from_intensity": ACTIVE_FROM}
    if request.drop_failed_tracking:
        items, facts["failed_tracking_frames_dropped"] = _without_failed(items)
    if not request.delivered_landmarks:
        return Plan(aus, items, tuple(rejected), facts=facts)
    items = _with_points(items, root, rejected)
    return Plan(aus, items, tuple(rejected), facts=facts, landmarks="66 points delivered with DISFA")


def choose_aus(request: Request, data_set: str) -> tuple[int, ...]:
    """Return the AUs asked for, all twelve by default; raises InputError for one that was not coded."""
    aus = parse_aus(request.aus) if request.aus else AUS
    for au in aus:
        if au not in AUS:
            raise InputError(
                f"AU{au} is not coded in {data_set}", remedy=f"Choose among its AUs: {','.join(map(str, AUS))}"
            )
    return aus


def read_aus(files: dict[int, Path], aus: tuple[int, ...], subject: str, rejected: list[Reject]) -> dict[int, Path]:
    """Return the files of `aus`, and reject once what is missing of a clip's."""
    absent = [f"AU{au}" for au in aus if au not in files]
    if absent:
        rejected.append(Reject(subject, None, f"no label file of {', '.join(absent)}: not labelled there"))
    return {au: files[au] for au in aus if au in files}


def _subjects(coding: Path) -> list[Path]:
    found = [folder for folder in folders(coding) if _SUBJECT.fullmatch(folder.name)]
    if not found:
        raise InputError("holds no subject's labels", path=coding, remedy="SN001/SN001_au1.txt … is expected in it")
    return found


def _labels(folder: Path, aus: tuple[int, ...], rejected: list[Reject]) -> Labels:
    """Return the labels of a subject by 0-based video frame."""
    files: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        named = re.fullmatch(r"(SN\d{3})_au0*(\d+)\.txt", path.name, re.IGNORECASE)
        if named is None:
            continue
        if named[1].upper() != folder.name.upper():
            raise InputError(f"lies in the folder of {folder.name}", path=path, remedy="Put it in its subject's folder")
        if int(named[2]) in files:
            raise InputError(f"is a second label file of AU{named[2]}", path=path, remedy="Keep one of them")
        files[int(named[2])] = path
    chosen = read_aus(files, aus, folder.name.upper(), rejected)
    strength: dict[int, Column] = {
        au: read_intensity(path, first_frame=1, not_coded=False) for au, path in chosen.items()
    }
    occurrence = {au: active(column) for au, column in strength.items()}
    return combine(aus, occurrence, strength, place=lambda frame: frame - 1)


def _videos(root: Path, camera: str, rejected: list[Reject]) -> dict[str, Path]:
    """Return a camera's videos by subject."""
    folder = part(root, _CAMERAS[camera])
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder else ():
        named = re.fullmatch(rf"{camera}Video(SN\d{{3}})(_comp)?", path.stem, re.IGNORECASE)
        if not is_video(path) or named is None or path.name.startswith("."):
            continue
        subject = named[1].upper()
        if subject in found:
            reason = f"is a second video of {subject}, beside {found[subject].name}"
            rejected.append(Reject(path.relative_to(root).as_posix(), None, reason))
        else:
            found[subject] = path
    return found


@lru_cache(maxsize=1)
def failed_tracking() -> dict[str, frozenset[int]]:
    """Return the frames, 0-based, where DISFA's own tracking failed by the published list, by subject."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    table = resources.files("sparsefacs.data") / "tables" / "disfa_failed_tracking.csv"
    with table.open(encoding="utf-8") as handle:
        rows = csv.DictReader(line for line in handle if not line.startswith("#"))
        for row in rows:
            found[row["subject"]].update(range(int(row["first"]) - 1, int(row["last"])))
    return {subject: frozenset(frames) for subject, frames in found.items()}


def _without_failed(items: list[MediaItem]) -> tuple[list[MediaItem], int]:
    """Return the items without the frames of the published list, and how many labelled frames that cost."""
    kept, dropped = [], 0
    for item in items:
        skip = failed_tracking().get(item.subject, frozenset())
        labels = {frame: label for frame, label in item.by_frame.items() if frame not in skip}
        dropped += len(item.by_frame) - len(labels)
        kept.append(replace(item, by_frame=labels, skip=skip))
    return kept, dropped


def _with_points(items: list[MediaItem], root: Path, rejected: list[Reject]) -> list[MediaItem]:
    """Return the items with their delivered landmarks; an item without any is rejected."""
    top = part(root, _POINTS)
    if top is None:
        raise InputError(
            "holds no delivered landmarks, Landmark_Points",
            path=root,
            remedy="Copy Landmark_Points there, or leave out --landmarks",
        )
    kept = []
    for item in items:
        subject = part(top, (item.subject,))
        places = [] if subject is None else [subject, *folders(subject)]  # usually tmp_frame_lm
        points = next(filter(None, (_points(place, item.subject) for place in places)), None)
        if points is None:
            rejected.append(Reject(item.source, None, f"its landmarks, {top.name}/{item.subject}, are missing"))
        else:
            kept.append(replace(item, points=points))
    return kept


def _points(folder: Path, subject: str) -> PtsPoints | None:
    """Return a subject's landmarks: files named after it count from 0, files l0NNNN (SN031) from 1."""
    name = next((path.name for path in sorted(folder.iterdir()) if path.name.endswith("_lm.mat")), None)
    if name is None:
        return None
    if re.match(r"l0\d{4}_", name):
        return PtsPoints(folder, "l0{:04d}_lm.mat", 1)
    return PtsPoints(folder, subject + "_{:04d}_lm.mat", 0)
