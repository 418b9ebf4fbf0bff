"""Fake DISFA and DISFA+: videos of two cameras or photos by trial, and a text file of intensities for each AU.

Layout after the public loaders OpenFace `extract_landmarks` (SN031's files are named and numbered in another way, one
is missing), JAA-Net, and py-feat `imageLoader_DISFAPlus` (two lines before the labels, columns two or more blanks
apart). Not known from them, and chosen here: that the row which SN010 lacks is its last, that points count pixels from
1, as MATLAB does, and the words of DISFA+'s comments and trials.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...facs.landmarks import POINTS_66_TO_68
from .faces import Cast, Face
from .matlab import v5
from .writing import Shape, Tree

AUS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
FPS = 20
_NUMBERS = (*range(1, 14), 16, 17, 18, 21, *range(23, 33))
_FIRST = ("SN001", "SN010", "SN031", "SN003")  # the two odd ones are in small trees, and someone of every fold
SUBJECTS = (*_FIRST, *(name for number in _NUMBERS if (name := f"SN{number:03d}") not in _FIRST))
SUBJECTS_PLUS = tuple(f"SN{number:03d}" for number in (1, 3, 4, 7, 9, 10, 13, 25, 27))
TRIALS = tuple(f"A{number}_AU{au}_TrialNo_1" for number, au in enumerate(AUS, start=1))
FEWER, OTHERWISE_NAMED = "SN010", "SN031"
_LONGER = 3  # frames of a video behind the labelled ones
_MISSING = 3631  # SN031's landmark file that is not there; in a shorter clip the middle one
_TO_THE_SIDE = 10.0  # degrees between the cameras


def write_disfa(tree: Tree, cast: Cast, shape: Shape) -> None:
    """Write a fake DISFA: one clip of `shape.frames` labelled frames a subject, from two cameras; clips is not used.

    SN010 has a label fewer. SN031's landmarks are named and numbered otherwise, and one is missing.
    """
    shape.at_most("DISFA", subjects=len(SUBJECTS))
    for _, subject in tree.people(SUBJECTS[: shape.subjects]):
        person, truth = _person(subject), list[Face]()
        filmed = cast.clip(person, 0, shape.frames + _LONGER)
        tree.video(f"Videos_LeftCamera/LeftVideo{subject}_comp.avi", _images(filmed, truth), FPS)
        beside = cast.clip(person, 0, shape.frames + _LONGER, turn=_TO_THE_SIDE)
        tree.video(f"Video_RightCamera/RightVideo{subject}_comp.avi", (face.image for face in beside), FPS)
        labelled = truth[: max(1, shape.frames - (subject == FEWER))]
        for au in AUS:
            rows = (f"{frame},{face.intensity[au]}" for frame, face in enumerate(labelled, start=1))
            tree.lines(f"ActionUnit_Labels/{subject}/{subject}_au{au}.txt", rows)
        for name, points in _landmark_files(subject, truth[: shape.frames]):
            tree.write(f"Landmark_Points/{subject}/tmp_frame_lm/{name}", v5({"pts": points}))


def write_disfa_plus(tree: Tree, cast: Cast, shape: Shape) -> None:
    """Write a fake DISFA+: a trial a clip; its people are those of the fake DISFA of the same seed."""
    shape.at_most("DISFA+", subjects=len(SUBJECTS_PLUS), clips=len(TRIALS))
    for _, subject in tree.people(SUBJECTS_PLUS[: shape.subjects]):
        for clip, trial in enumerate(TRIALS[: shape.clips], start=1):  # clip 0 is the one in DISFA
            faces = list(cast.clip(_person(subject), clip, shape.frames))
            for frame, face in enumerate(faces):
                tree.photo(f"Images/{subject}/{trial}/{frame:03d}.jpg", face.image)
            for au in AUS:
                comments = [f"# {subject} {trial} AU{au}", "# image        intensity"]
                rows = [f"{frame:03d}.jpg        {face.intensity[au]}" for frame, face in enumerate(faces)]
                tree.lines(f"Labels/{subject}/{trial}/AU{au}.txt", comments + rows)


def _person(subject: str) -> int:
    return int(subject[2:])


def _images(faces: Iterable[Face], truth: list[Face]) -> Iterator[NDArray[np.uint8]]:
    """Yield the images, and keep in `truth` what is true of them: a long video does not fit in memory."""
    nothing = np.zeros((0, 0, 3), np.uint8)
    for face in faces:
        truth.append(replace(face, image=nothing))
        yield face.image


def _landmark_files(subject: str, truth: list[Face]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield name and 66 points of each frame's landmark file."""
    missing = _MISSING if len(truth) >= _MISSING else (len(truth) + 1) // 2
    for frame, face in enumerate(truth):
        points = face.landmarks[POINTS_66_TO_68].astype(np.float64) + 1
        if subject != OTHERWISE_NAMED:
            yield f"{subject}_{frame:04d}_lm.mat", points
        elif frame + 1 != missing:
            yield f"l0{frame + 1:04d}_lm.mat", points
