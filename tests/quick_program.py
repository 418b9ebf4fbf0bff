"""The command line with a coder and a finder of faces that need no model, for tests that start it often: a program."""

import os
import sys
from pathlib import Path

from quick_faces import find_faces_quickly, load
from sparsefacs import api, cli
from sparsefacs.inference import pipeline


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
    pipeline.find_faces = find_faces_quickly
    api._load_with_origin = lambda run: load()
    cli.main()
