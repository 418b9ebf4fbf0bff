"""BP4D+ as delivered: 140 subjects, ten tasks of which T1, T6, T7 and T8 are coded, 25 frames/s.

    2D+3D/F001.zip                           holds F001/T1/0001.jpg …; read in place; or the folder 2D+3D/F001
    AUCoding/AU_OCC/F001_T1.csv              occurrence; header 1,1,2,4,…,99: the first column is the frame, 99 flags
                                             frames that could not be scored
    AUCoding/AU_INT/AU06/F001_T1_AU06.csv    intensity

Layout as public loaders read it: FMAE-IAT `AU/BP4D_plus_preprocess.py`, rPPG-Toolbox.
"""

import zipfile
from collections import defaultdict
from pathlib import Path, PurePosixPath

from ..store import Reject
from .bp4d import find_images
from .clips import number_photos
from .plan import Plan, Request
from .sequences import SUBJECT, TASK, Images, find_tree, plan_sequences, read_coding

TASKS = frozenset(("T1", "T6", "T7", "T8"))
"""The tasks that are coded."""
_IMAGES = ("2D+3D",)


def plan_bp4d_plus(request: Request) -> Plan:
    """Plan the sequences of BP4D+; raises InputError for a wrong folder or a label file that is not what it should be.

    A damaged zip file is one reject; the tasks that were not coded are unlabelled faces.
    """
    _, coding, top = find_tree(request.source, "BP4D+", _IMAGES)
    images = find_images(top)
    unzipped = {subject for subject, _ in (*images.photos, *images.videos)}
    for path in sorted(top.iterdir()):
        if path.suffix.lower() == ".zip" and path.is_file() and SUBJECT.fullmatch(path.stem):
            if path.stem.upper() in unzipped:
                images.rejected.append(Reject(path.name, None, f"the folder {path.stem} is read instead"))
            else:
                _add_zip(path, images)
    aus, coded = read_coding(coding, request.aus)
    return plan_sequences(request, aus, coded, images, tasks=TASKS)


def _add_zip(path: Path, images: Images) -> None:
    """Add the photos in a subject's zip file, `F001/T1/0001.jpg` or `T1/0001.jpg`, to `images`."""
    subject = path.stem.upper()
    try:
        with zipfile.ZipFile(path) as opened:
            members = opened.namelist()
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        images.rejected.append(Reject(path.name, None, f"cannot be read as a zip file ({error})"))
        images.unreadable.add(subject)
        return
    tasks: defaultdict[str, dict[str, list[str]]] = defaultdict(dict)
    for member in members:
        place = PurePosixPath(member)
        if len(place.parts) > 1 and TASK.fullmatch(place.parent.name) and "__MACOSX" not in place.parts:
            prefix = member[: -len(place.name)]
            tasks[place.parent.name.upper()].setdefault(prefix, []).append(place.name)
    for task, by_prefix in sorted(tasks.items()):
        prefix, *others = sorted(by_prefix)
        for other in others:
            images.rejected.append(Reject(f"{path.name}/{other}", None, f"is a second folder of {task}"))
        photos, rejected = number_photos(path, by_prefix[prefix], f"{subject}/{task}", prefix)
        images.rejected.extend(rejected)
        if photos is not None:
            images.photos[subject, task] = photos
