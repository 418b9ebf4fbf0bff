"""The command line with a coder and a finder of faces that need no model, for tests that start it often: a program."""

import os
import sys
from pathlib import Path

import numpy as np

from pixel_coders import BrightnessCoder
from sparsefacs import api, cli
from sparsefacs.faces.landmarks import UNKNOWN_TRAITS
from sparsefacs.faces.tracking import TrackedFace
from sparsefacs.facs.landmarks import mean_face
from sparsefacs.inference import pipeline
from sparsefacs.inference.frames import LocatedFrame, Opened, Picture
from sparsefacs.inference.origin import UNKNOWN


def find_faces(pictures):
    """A face in the middle of every picture."""
    source = None
    for item in pictures:
        source = item.source if isinstance(item, Opened) else source
        if not isinstance(item, Picture):
            yield item
            continue
        points = (mean_face() * 30 + np.array(item.image.shape[1::-1]) / 2).astype(np.float32)
        box = np.array([*points.min(axis=0), *points.max(axis=0)], np.float32)
        yield LocatedFrame(source, item, [TrackedFace(0, points, box, 0.9, UNKNOWN_TRAITS)])


def install(folder: Path) -> dict[str, str]:
    """Write the program `sparsefacs` into `folder`; return an environment whose PATH begins with it."""
    program = folder / "sparsefacs"
    folder.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{__file__}' \"$@\"\n")
    program.chmod(0o755)
    here = [str(Path(__file__).parent), str(Path(api.__file__).parents[1])]
    path = {"PATH": os.pathsep.join([str(folder), os.environ["PATH"]]), "PYTHONPATH": os.pathsep.join(here)}
    return {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")} | path


if __name__ == "__main__":
    pipeline.find_faces = find_faces
    api._load_with_origin = lambda run: (BrightnessCoder(), UNKNOWN)
    cli.main()
