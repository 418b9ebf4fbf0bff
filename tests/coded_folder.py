"""What tests ask of a folder of codes."""

import csv
import shutil
from pathlib import Path

FRAMES = 3  # of each film of the fixture `films`


def tables(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*.*")
        if path.suffix in (".csv", ".parquet") and path.name != "manifest.csv"
    }


def manifest(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as handle:
        return {row["input"]: row for row in csv.DictReader(handle)}


def copied(films: Path, folder: Path) -> Path:
    return Path(shutil.copytree(films, folder))
