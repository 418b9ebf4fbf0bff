"""What BP4D and BP4D+ share: label files by sequence, which image a label frame is, and the plan of it all."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...facs import UNITS, parse_aus
from ..delivered import DeliveredPoints
from ..store import UNLABELLED, Reject
from .au_files import Column, combine, read_intensity, read_occurrence
from .clips import NumberedPhotos, PhotoClip, clip_items
from .layout import find_root, folders, part, wrong_folder
from .plan import FaceLabel, MediaItem, Plan, Request

Key = tuple[str, str]
"""Subject and task of a sequence, such as F001 and T1."""
Labels = dict[int, tuple[FaceLabel, ...]]

AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
"""The twelve AUs that papers report on BP4D."""
FPS = 25.0
OFFSETS = (0, -1, 1)
"""Image number less label frame number, in the order tried: most loaders take 0, some −1."""
_CODING = ("AUCoding",)
SUBJECT, TASK = re.compile(r"[FM]\d{3}", re.IGNORECASE), re.compile(r"T\d+", re.IGNORECASE)
_AGAIN = "Copy the label files again from the data set"
_KEY = re.compile(r"([FM]\d{3})_(T\d+)", re.IGNORECASE)


@dataclass
class Images:
    """What was found of the images: photos or a video by sequence, with what was turned down.

    unreadable: subjects whose images cannot be read, which is told already.
    """

    photos: dict[Key, NumberedPhotos] = field(default_factory=dict)
    videos: dict[Key, tuple[Path, str]] = field(default_factory=dict)
    rejected: list[Reject] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)


@dataclass
class Coded:
    """The labels by sequence and label frame, what was turned down, and how many frames were flagged unscorable.

    frames: every frame number in a sequence's occurrence file, also those without a label. intensity: the sequences
    that have an intensity file, by AU. notes: what the user should be told once.
    """

    labels: dict[Key, Labels]
    frames: dict[Key, NDArray[np.int64]]
    rejected: list[Reject]
    unscorable: int
    intensity: dict[int, frozenset[Key]]
    notes: tuple[str, ...] = ()


def find_tree(source: Path, data_set: str, images: tuple[str, ...]) -> tuple[Path, Path, Path]:
    """Return the root of a delivered tree, its AUCoding and its folder of images, called one of `images`.

    Raises InputError when it is another folder, or the labels are not there.
    """
    root = find_root(source, (_CODING, images), data_set)
    coding, top = part(root, _CODING), part(root, images)
    if top is None:
        raise wrong_folder(root, data_set, (images,))
    if coding is None:
        raise InputError(
            f"holds the images of {data_set} but not their labels, AUCoding",
            path=root,
            remedy="Copy AUCoding there, or use --dataset folder for faces without labels",
        )
    return root, coding, top


def parse_key(text: str) -> Key | None:
    """Return subject and task of a name such as F001_T1; None when it is not of the kind."""
    match = _KEY.fullmatch(text)
    return (match[1].upper(), match[2].upper()) if match else None


def read_coding(coding: Path, aus: tuple[int, ...] | None) -> tuple[tuple[int, ...], Coded]:
    """Read the folder AUCoding: occurrence in AU_OCC (or at its top, as FERA 2015 has it), intensity in AU_INT.

    Returns the AUs and the labels. Raises InputError for a file that is not what it should be, for two files of one
    sequence, where there is no occurrence file, and for an AU asked for that has no label.
    """
    chosen = parse_aus(aus) if aus else AUS
    rejected: list[Reject] = []
    files = _occurrence_files(coding, rejected)
    every = _intensity_files(coding)
    strength = {au: by_key for au, by_key in every.items() if au in chosen}
    labels: dict[Key, Labels] = {}
    frames: dict[Key, NDArray[np.int64]] = {}
    unscorable = 0
    for key in sorted(files.keys() | {key for by_key in strength.values() for key in by_key}):
        found = read_occurrence(files[key], chosen) if key in files else None
        intensity: dict[int, Column] = {au: read_intensity(of[key]) for au, of in strength.items() if key in of}
        lost = found.unscorable if found else frozenset()
        if found:
            frames[key] = found.columns[chosen[0]].frames
        unscorable += len(lost)
        labels[key] = combine(chosen, found.columns if found else {}, intensity, without=lost)
    lacking = _without_labels(chosen, labels)
    if lacking and (aus or len(lacking) == len(chosen)):
        there = ",".join(map(str, _aus_there(files, every)))
        raise InputError(
            f"has no labels of AU{lacking[0]}", path=coding, remedy=f"It has AUs {there}" if there else _AGAIN
        )
    notes = () if every else ("no intensity labels (AU_INT) here",)
    having = {au: frozenset(of) for au, of in strength.items()}
    return chosen, Coded(labels, frames, rejected, unscorable, having, notes)


def _occurrence_files(coding: Path, rejected: list[Reject]) -> dict[Key, Path]:
    """Return the occurrence files by sequence; a file of another name is rejected, none at all an InputError."""
    files: dict[Key, Path] = {}
    for folder in filter(None, (part(coding, ("AU_OCC",)), coding)):
        for path in _csv_files(folder):
            key = parse_key(path.stem)
            if key is None:
                rejected.append(Reject(path.name, None, "is not named after a sequence, such as F001_T1.csv"))
            elif key in files:
                where = files[key].relative_to(coding)
                raise InputError(
                    f"is a second label file of {'/'.join(key)}, beside {where}", path=path, remedy="Keep one of them"
                )
            else:
                files[key] = path
    if not files:
        raise InputError(
            "holds no AU label files", path=coding, remedy="AU_OCC/F001_T1.csv, or F001_T1.csv, is expected in it"
        )
    return files


def _without_labels(aus: tuple[int, ...], labels: Mapping[Key, Labels]) -> list[int]:
    """Return those of `aus` that no frame of any sequence has a label of."""
    known = np.zeros(len(aus), bool)
    for label in (label for of in labels.values() for given in of.values() for label in given):
        known |= (label.occurrence != UNLABELLED) | ~np.isnan(label.intensity)
        if known.all():
            break
    return [au for au, is_known in zip(aus, known, strict=True) if not is_known]


def _aus_there(files: Mapping[Key, Path], strength: Mapping[int, Mapping[Key, Path]]) -> list[int]:
    """Return the AUs that this program knows and some frame has a label of."""
    found = {
        au for au, of in strength.items() if any((~np.isnan(read_intensity(at).values)).any() for at in of.values())
    }
    for path in files.values():
        columns = read_occurrence(path).columns
        found |= {au for au, column in columns.items() if (column.values != UNLABELLED).any()}
    return sorted(found & UNITS.keys())


def _csv_files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() == ".csv" and path.is_file() and not path.name.startswith(".")
    )


def _intensity_files(coding: Path) -> dict[int, dict[Key, Path]]:
    """Return the intensity files `AU_INT/AU06/F001_T1_AU06.csv` by AU and sequence; an AU without files is left out."""
    top = part(coding, ("AU_INT",))
    files: dict[int, dict[Key, Path]] = {}
    for folder in [] if top is None else folders(top):
        named = re.fullmatch(r"AU0*(\d+)", folder.name, re.IGNORECASE)
        if named is None:
            continue
        of = files.setdefault(int(named[1]), {})
        for path in _csv_files(folder):
            name = re.fullmatch(r"(.+)_AU0*(\d+)", path.stem, re.IGNORECASE)
            key = parse_key(name[1]) if name else None
            if name is None or key is None or name[2] != named[1]:
                wanted = f"F001_T1_{folder.name.upper()}.csv"
                raise InputError(f"is not named as {wanted}", path=path, remedy="Put it in its own AU's folder")
            if key in of:
                raise InputError(f"is a second intensity file of {'/'.join(key)}", path=path, remedy="Keep one of them")
            of[key] = path
    return {au: of for au, of in files.items() if of}


def find_offset(
    frames: Mapping[Key, NDArray[np.int64]], photos: Mapping[Key, NumberedPhotos]
) -> tuple[int, dict[int, int]]:
    """Return image number less label frame number, and how many coded frames (N,) have an image under each candidate.

    The candidate under which most have one, over all sequences; of equals the first of 0, −1, +1.
    """
    both = frames.keys() & photos.keys()
    matched = {
        offset: sum(int(np.isin(frames[key] + offset, photos[key].numbers).sum()) for key in both) for offset in OFFSETS
    }
    return max(OFFSETS, key=lambda offset: matched[offset]), matched


def plan_sequences(
    request: Request,
    aus: tuple[int, ...],
    coded: Coded,
    images: Images,
    points: Callable[[Key], DeliveredPoints | Reject] | None = None,
    landmarks: str | None = None,
    tasks: Collection[str] | None = None,
) -> Plan:
    """Return the plan of sequences with images, labelled where they have labels.

    points: gives a sequence its delivered landmarks, or the reject that there are none. tasks: those that are coded;
    None: all that are coded of anyone. Raises InputError when no sequence has both labels and images, no labelled
    frame an image, or no sequence its landmarks.
    """
    keys = sorted(images.photos.keys() | images.videos.keys())
    if not set(keys) & coded.labels.keys():
        raise InputError(
            "no sequence has both AU labels and images",
            path=request.source,
            remedy=f"Labels are there for {_some(coded.labels)}, images for {_some(keys)}",
        )
    offset, facts, notes = _offset(request.frame_offset, coded.frames, images.photos)
    facts |= {"unscorable_frames": coded.unscorable, "intensity_aus": list(coded.intensity)}
    placed = {key: _placed(key, coded.labels.get(key, {}), images, offset) for key in keys}
    if not any(placed.values()):
        reason = f"no labelled frame has an image when image numbers are label frame numbers {offset:+d}"
        raise InputError(reason, path=request.source, remedy="Leave --frame-offset out, and see that images are there")
    entries: list[PhotoClip | MediaItem] = []
    rejected = [*coded.rejected, *images.rejected, *_lacking_files(keys, coded, tasks)]
    for key in keys:
        of = points(key) if points else None
        if isinstance(of, Reject):
            rejected.append(of)
            continue
        entries.append(_entry(key, placed[key], images, of))
        lacking = len(coded.labels.get(key, {})) - len(placed[key])
        if lacking:
            rejected.append(lacking_images(key, lacking))
    if not entries:
        raise InputError("no sequence has its delivered landmarks", path=request.source, remedy=rejected[-1].reason)
    missing = sorted(set(coded.labels) - set(keys))
    rejected.extend(
        Reject("/".join(key), None, "its images are missing") for key in missing if key[0] not in images.unreadable
    )
    return Plan(aus, clip_items(entries), tuple(rejected), (*coded.notes, *notes), facts, landmarks)


def _lacking_files(keys: Sequence[Key], coded: Coded, tasks: Collection[str] | None) -> Iterator[Reject]:
    """Yield the rejects of sequences with images whose label files are missing, though others of the task have them."""
    of_others = {task for _, task in coded.frames}
    intensity = {au: {task for _, task in of} for au, of in coded.intensity.items()}
    for key in keys:
        task, source = key[1], "/".join(key)
        if tasks is not None and task not in tasks:
            continue
        if key not in coded.frames and task in of_others:
            left = "only intensity is" if key in coded.labels else "not"
            yield Reject(source, None, f"its occurrence file is missing: {left} labelled")
        absent = [f"AU{au}" for au in sorted(intensity) if task in intensity[au] and key not in coded.intensity[au]]
        if absent and key in coded.labels:
            yield Reject(source, None, f"no intensity file of {', '.join(absent)}: no intensity labels there")


def _offset(
    given: int | None, frames: Mapping[Key, NDArray[np.int64]], photos: Mapping[Key, NumberedPhotos]
) -> tuple[int, dict[str, Any], tuple[str, ...]]:
    """Return the frame offset, given or found, the facts of it, and what to tell when one other than 0 was found."""
    found, matched = find_offset(frames, photos)
    offset = found if given is None else given
    facts = {
        "frame_offset": offset,
        "frame_offset_found": given is None,
        "frame_offset_matches": {str(candidate): matched[candidate] for candidate in OFFSETS},
    }
    if given is not None or not offset:
        return offset, facts, ()
    note = (
        f"image numbers are taken to be label frame numbers {offset:+d}, since so more coded frames have an image "
        f"({matched[offset]} against {matched[0]}); --frame-offset sets it"
    )
    return offset, facts, (note,)


def _placed(key: Key, labels: Labels, images: Images, offset: int) -> Labels:
    """Return a sequence's labels by photo number, or by 0-based video frame; those without a photo are left out."""
    if key in images.photos:
        numbers = set(images.photos[key].numbers.tolist())
        return {at + offset: label for at, label in labels.items() if at + offset in numbers}
    # frame k of the labels is the k-th of the video
    return {at - 1 + offset: label for at, label in labels.items() if at - 1 + offset >= 0}


def _entry(key: Key, labels: Labels, images: Images, points: DeliveredPoints | None) -> PhotoClip | MediaItem:
    if key in images.photos:
        return PhotoClip(*key, "/".join(key), images.photos[key], FPS, labels, points)
    path, source = images.videos[key]
    return MediaItem(path, source, *key, by_frame=labels, alone=True, points=points)


def lacking_images(key: Key, count: int) -> Reject:
    """Return the reject that `count` labelled frames of a sequence have no image."""
    what = "1 labelled frame has" if count == 1 else f"{count} labelled frames have"
    return Reject("/".join(key), None, f"{what} no image")


def _some(keys: Collection[Key]) -> str:
    ordered = sorted("/".join(key) for key in keys)
    return ", ".join(ordered[:3]) + (" …" if len(ordered) > 3 else "") if ordered else "none"
