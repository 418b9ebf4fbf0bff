"""DISFA+ as delivered: nine subjects of DISFA, posed and spontaneous trials as photos, 20 frames/s.

    Labels/SN001/<trial>/AU1.txt    lines `000.jpg intensity`, intensity 0–5; `#` comments
    Images/SN001/<trial>/000.jpg    photos from 0

An AU is present from intensity 2 on, as in DISFA. Subject folders may hold a folder of their own name.
"""

import re
from pathlib import Path

from ...errors import InputError
from ..store import Reject
from .au_files import ACTIVE_FROM, active, combine, read_named_intensity
from .clips import NumberedPhotos, PhotoClip, clip_items, number_photos
from .disfa import Labels, choose_aus, read_aus
from .layout import find_root, folders, part, wrong_folder
from .plan import Plan, Request
from .sequences import lacking_images

FPS = 20.0
_LABELS, _IMAGES = ("Labels",), ("Images",)
_NOTE = (
    "all nine subjects of DISFA+ are also in DISFA: training on one and testing on the other would test on people seen "
    "in training; this program keeps subjects of one name apart in both"
)
_Key = tuple[str, str]


def plan_disfa_plus(request: Request) -> Plan:
    """Plan the trials of DISFA+; raises InputError for a wrong folder or a label file that is not what it should be.

    Photos and label files that are missing are rejects; photos without labels are unlabelled faces.
    """
    root = find_root(request.source, (_LABELS, _IMAGES), "DISFA+")
    coding, top = part(root, _LABELS), part(root, _IMAGES)
    if coding is None or top is None:
        raise wrong_folder(root, "DISFA+", (_LABELS,) if coding is None else (_IMAGES,))
    aus = choose_aus(request, "DISFA+")
    rejected: list[Reject] = []
    labels = {key: _labels(folder, aus, "/".join(key), rejected) for key, folder in _trials(coding).items()}
    photos: dict[_Key, NumberedPhotos] = {}
    for key, folder in _trials(top).items():
        found, turned_down = number_photos(folder, [path.name for path in folder.iterdir()], "/".join(key))
        rejected.extend(turned_down)
        if found is not None:
            photos[key] = found
    if not labels or not photos:
        what = f"{_LABELS[0]}/SN001/<trial>/AU1.txt and {_IMAGES[0]}/SN001/<trial>/000.jpg"
        raise InputError("is not DISFA+ as delivered", path=root, remedy=f"What is looked for: {what}")
    clips = []
    for key, of in sorted(photos.items()):
        numbers = set(of.numbers.tolist())
        placed = {frame: label for frame, label in labels.get(key, {}).items() if frame in numbers}
        clips.append(PhotoClip(*key, "/".join(key), of, FPS, placed))
        if len(placed) < len(labels.get(key, {})):
            rejected.append(lacking_images(key, len(labels[key]) - len(placed)))
    rejected.extend(Reject("/".join(key), None, "its images are missing") for key in sorted(set(labels) - set(photos)))
    if not any(clip.labels for clip in clips):
        raise InputError("no trial has both AU labels and photos", path=root, remedy="Copy the data set again")
    return Plan(aus, clip_items(clips), tuple(rejected), (_NOTE,), {"active_from_intensity": ACTIVE_FROM})


def _trials(top: Path) -> dict[_Key, Path]:
    """Return the trials' folders by subject and name."""
    found = {}
    for subject in folders(top):
        if re.fullmatch(r"SN\d{3}", subject.name, re.IGNORECASE):
            inner = part(subject, (subject.name,)) or subject
            found.update({(subject.name.upper(), trial.name): trial for trial in folders(inner)})
    return found


def _labels(folder: Path, aus: tuple[int, ...], source: str, rejected: list[Reject]) -> Labels:
    files: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        named = re.fullmatch(r"AU0*(\d+)\.txt", path.name, re.IGNORECASE)
        if named is not None and int(named[1]) in files:
            raise InputError(f"is a second label file of AU{named[1]}", path=path, remedy="Keep one of them")
        if named is not None:
            files[int(named[1])] = path
    if not files:
        return {}
    strength = {au: read_named_intensity(path) for au, path in read_aus(files, aus, source, rejected).items()}
    return combine(aus, {au: active(column) for au, column in strength.items()}, strength)
