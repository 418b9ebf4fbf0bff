"""Fake BP4D and BP4D+: sequences of numbered photos, labels of a coded segment, tracked landmarks.

Layout after the public loaders ME-GraphAU `tool/BP4D_image_label_process.py`, OpenFace `extract_BP4D_labels` (the last
column flags unscorable frames), ELEGANT `crop_align_face` (`fit.pred`, entry k the k-th photo, None where tracking
failed), FMAE-IAT `AU/BP4D_plus_preprocess.py` and rPPG-Toolbox. Not known from them, and chosen here: the name of
BP4D's flag column (99, as in BP4D+), and that tracked points count pixels from 1, as MATLAB does.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...facs.landmarks import POINTS_49_TO_68
from .faces import Cast, Face
from .matlab import v73_struct_array
from .writing import Shape, Tree

NOT_CODED, FLAG = 9, 99
FPS = 25
CODED = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 27, 28, 30, 32, 38, 39)
"""AUs with occurrence labels; those that synthetic faces cannot show are labelled absent."""
INTENSITY = (6, 10, 12, 14, 17)
HEADER = (0, *range(1, 60), FLAG)
HEADER_PLUS = (1, 1, 2, 4, 5, 6, 7, *range(9, 21), 22, 23, 24, 27, 28, *range(29, 40), FLAG)
TASKS = tuple(f"T{number}" for number in range(1, 9))
CODED_TASKS_PLUS = ("T1", "T6", "T7", "T8")
OTHER_TASKS_PLUS = ("T2", "T3", "T4", "T5", "T9", "T10")
_AROUND = 3  # photos before or after the coded segment


def _subjects(first: tuple[str, ...], women: int, men: int) -> list[str]:
    """Return all subjects' names, `first` first: the smallest trees then have someone in every published part."""
    names = [f"F{number:03d}" for number in range(1, women + 1)] + [f"M{number:03d}" for number in range(1, men + 1)]
    return [*first, *(name for name in sorted(names, key=lambda name: (name[1:], name)) if name not in first)]


SUBJECTS = _subjects(("F001", "M002", "M003", "F002", "F003", "F004"), 23, 18)
SUBJECTS_PLUS = _subjects(("F001", "M001", "M002", "M003"), 82, 58)


@dataclass(frozen=True)
class _Sequence:
    """A sequence: its photos, and which of them is coded from (0-based, first and one past the last)."""

    faces: list[Face]
    first: int
    end: int

    @property
    def coded(self) -> list[tuple[int, Face]]:
        """Label frame number, from 1, and face, of the coded segment."""
        return [(place + 1, self.faces[place]) for place in range(self.first, self.end)]


def write_bp4d(
    tree: Tree, cast: Cast, shape: Shape, *, fera: bool = False, video: bool = False, first_image: int = 1
) -> None:
    """Write a fake BP4D: `shape.frames` coded frames a sequence, three more photos before or after them.

    fera: laid out as the FERA 2015 copy; video: an AVI a sequence, not photos; first_image: number of the first photo
    (labels always count from 1). The first sequence of everyone has a frame that could not be scored, a frame with
    AUs not coded, and one whose tracking failed.
    """
    shape.at_most("BP4D", subjects=len(SUBJECTS), clips=len(TASKS))
    _check_first_image(first_image)
    coding, images = ("AUCoding", "BP4D-training") if fera else ("AUCoding/AU_OCC", "Sequences(2D+3D)")
    for number, subject in tree.people(SUBJECTS[: shape.subjects]):
        for clip, task in enumerate(TASKS[: shape.clips]):
            made = _act(cast, _person(subject), clip, shape.frames, female=subject[0] == "F")
            name = f"{subject}_{task}"
            tree.lines(f"{coding}/{name}.csv", _occurrence(made, HEADER, spoilt=clip == 0))
            for au in INTENSITY:
                tree.lines(f"AUCoding/AU_INT/AU{au:02d}/{name}_AU{au:02d}.csv", _intensity(made, au))
            tree.write(f"2DFeatures/{name}.mat", _track(made, empty=clip == 0))
            if video:
                tree.video(f"{images}/{subject}/{task}.avi", (face.image for face in made.faces), FPS)
                continue
            digits = 3 if (number + clip) % 2 else 4
            for place, face in enumerate(made.faces):
                tree.photo(f"{images}/{subject}/{task}/{place + first_image:0{digits}d}.jpg", face.image)


def write_bp4d_plus(
    tree: Tree, cast: Cast, shape: Shape, *, unzipped: bool = False, first_image: int = 1, other_frames: int = 2
) -> None:
    """Write a fake BP4D+: tasks T1, T6, T7 and T8 with labels, and the other six with `other_frames` photos each.

    unzipped: photos in folders, not in a zip file a subject; first_image as for BP4D.
    """
    shape.at_most("BP4D+", subjects=len(SUBJECTS_PLUS), clips=len(CODED_TASKS_PLUS))
    _check_first_image(first_image)
    for _, subject in tree.people(SUBJECTS_PLUS[: shape.subjects]):
        person, female = _person(subject), subject[0] == "F"
        photos: dict[str, Face] = {}
        for clip, task in enumerate(CODED_TASKS_PLUS[: shape.clips]):
            made = _act(cast, person, clip, shape.frames, female=female)
            name = f"{subject}_{task}"
            tree.lines(f"AUCoding/AU_OCC/{name}.csv", _occurrence(made, HEADER_PLUS, spoilt=clip == 0))
            for au in INTENSITY:
                tree.lines(f"AUCoding/AU_INT/AU{au:02d}/{name}_AU{au:02d}.csv", _intensity(made, au))
            photos |= _named(task, made.faces, first_image)
        for clip, task in enumerate(OTHER_TASKS_PLUS, start=len(CODED_TASKS_PLUS)):
            photos |= _named(task, cast.clip(person, clip, other_frames, female=female), first_image)
        if unzipped:
            for name, face in photos.items():
                tree.photo(f"2D+3D/{subject}/{name}", face.image)
        else:
            tree.zip_photos(f"2D+3D/{subject}.zip", {f"{subject}/{name}": face.image for name, face in photos.items()})


def _named(task: str, faces: "list[Face] | Iterator[Face]", first_image: int) -> dict[str, Face]:
    return {f"{task}/{place + first_image:04d}.jpg": face for place, face in enumerate(faces)}


def _check_first_image(first_image: int) -> None:
    if first_image not in (0, 1):
        raise InputError(f"first_image {first_image} is not possible", remedy="Choose 0 or 1")


def _person(subject: str) -> int:
    return int(subject[1:]) + (0 if subject[0] == "F" else 100)


def _act(cast: Cast, person: int, clip: int, frames: int, *, female: bool) -> _Sequence:
    """Return a sequence of which `frames` frames are coded, in turn its last and its first ones.

    Were both ends of every sequence left uncoded, a shift between photos and labels could not be noticed.
    """
    faces = list(cast.clip(person, clip, frames + _AROUND, female=female))
    first = 0 if clip % 2 else _AROUND
    return _Sequence(faces, first, first + frames)


def _occurrence(made: _Sequence, header: tuple[int, ...], *, spoilt: bool) -> Iterator[str]:
    """Yield the lines of an occurrence file; spoilt: the last frame unscorable, AUs of the last but one not coded."""
    yield ",".join(map(str, header))
    coded = made.coded
    for row, (frame, face) in enumerate(coded):
        left = len(coded) - 1 - row
        values = []
        for au in header[1:-1]:
            missing = au not in CODED or (spoilt and left == 1 and au in (2, 14) and len(coded) > 2)
            values.append(NOT_CODED if missing else face.occurrence.get(au, 0))
        yield ",".join(map(str, (frame, *values, int(spoilt and left == 0 and len(coded) > 2))))


def _intensity(made: _Sequence, au: int) -> Iterator[str]:
    """Yield the lines of an intensity file: frame and 0–5, and 9 in the second frame, which was left out."""
    coded = made.coded
    for row, (frame, face) in enumerate(coded):
        yield f"{frame},{NOT_CODED if row == 1 and len(coded) > 2 else face.intensity[au]}"


def _track(made: _Sequence, *, empty: bool) -> bytes:
    """Return the tracked points of every photo; the second coded one failed: left empty, or NaN."""
    points = [face.landmarks[POINTS_49_TO_68].astype(np.float64) + 1 for face in made.faces]
    entries: list[np.ndarray | None] = list(points)
    if made.end - made.first > 2:
        entries[made.first + 1] = None if empty else np.full((len(POINTS_49_TO_68), 2), np.nan)
    return v73_struct_array("fit", "pred", entries)
