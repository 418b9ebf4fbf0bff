"""Label trees of BP4D and DISFA small enough to be written by hand; their images are empty files."""

from pathlib import Path

import h5py
import numpy as np

HEADER = [1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24]


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def occurrence(
    path: Path, frames: range, *, first: str = "0", aus: list[int] = HEADER, flagged: tuple[int, ...] = ()
) -> Path:
    """Write an occurrence file: AU k of frame f is present where f + k is a multiple of 3; AU7 is never coded."""
    lines = [",".join(map(str, [first, *aus, 99]))]
    for frame in frames:
        values = [9 if au == 7 else int((frame + au) % 3 == 0) for au in aus]
        lines.append(",".join(map(str, [frame, *values, int(frame in flagged)])))
    return write(path, "\n".join(lines) + "\n")


def photos(folder: Path, numbers: range, digits: int = 3, suffix: str = ".jpg") -> None:
    for number in numbers:
        write(folder / f"{number:0{digits}d}{suffix}")


def write_track(path: Path, entries: list[np.ndarray | None]) -> Path:
    """Write BP4D's landmarks as MATLAB v7.3 does: a group `fit` whose `pred` refers to (2, 49) or empty matrices."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as opened:
        refs = opened.create_group("#refs#")
        pred = opened.create_group("fit").create_dataset("pred", (len(entries), 1), h5py.ref_dtype)
        for place, points in enumerate(entries):
            if points is None:
                entry = refs.create_dataset(f"e{place}", data=np.zeros(2, np.uint64))
                entry.attrs["MATLAB_empty"] = np.uint8(1)
            else:
                entry = refs.create_dataset(f"e{place}", data=(points + 1).T)
            pred[place, 0] = entry.ref
    return path
