"""The demo: the whole path once, at a size that two cores finish in minutes."""

import csv
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import api
from .extras import EXTRAS, check_installed
from .facs.units import UNITS
from .files import atomic_path, hash_json, refuse_existing
from .records import Record, read_record, write_record
from .reports.tables import with_interval
from .run_records import CardRecord, MetricsRecord

SYNTH: dict[str, Any] = {"subjects": 50, "clips": 10, "frames": 6, "size": 96, "seed": 1, "resting": "varied"}
PIXELS = ("training.steps=220", "network.evidence=pixels", "selection.checks=1")
RUNS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "pixels": ("supervised", "5%", PIXELS),
    "no-label": ("instant", "none", ()),
    "1-percent": ("instant", "1%", ()),
    "5-percent": ("instant", "5%", ()),
}
"""Run folder → method, label budget, settings."""
_TOLD = {
    "pixels": "a network from random weights, {labels} labelled frames",
    "no-label": "the packaged coder, no label at all",
    "1-percent": "from the coder, {labels} labelled frames",
    "5-percent": "from the coder, {labels} labelled frames",
}
_SHOWN = 6  # AUs of the photo that are printed


def demo(out: Path, media: Path | None = None) -> Path:
    """Code a real photo by the packaged coder; then train on 5, 1 and 0 % of the labels of synthetic people, and score.

    media: a photo or video to code (default: the astronaut photo of scikit-image, NASA, public domain). A demo that
    was stopped goes on where it was; returns the report's path. Raises InputError if `out` holds something else.
    """
    started = time.monotonic()
    check_installed(*EXTRAS["train"])  # it codes before it trains
    _claim(out)
    picture = media or _astronaut(out)
    made = [_code(picture, out)] if picture is not None else []
    for codes, _ in made:
        _tell_photo(codes)
    store = out / "faces"
    if not (store / "store.json").exists():
        api.synth(store, **SYNTH)
    runs = [out / name for name in RUNS]
    for run, (method, labels, settings) in zip(runs, RUNS.values(), strict=True):
        api.train(method, store, run, labels=labels, settings=settings, resume=run.exists())
    page = out / "report.html"
    page.unlink(missing_ok=True)
    stills = [overlay for _, overlay in made if overlay.suffix == ".png"]
    api.report(page, runs, codes=[codes for codes, _ in made], stills=stills)
    _tell(runs, page, made, time.monotonic() - started)
    return page


def _claim(out: Path) -> None:
    """Make `out` this demo's folder, or find that it already is."""
    mark, settings = out / "demo.json", hash_json([SYNTH, RUNS])
    if mark.exists():
        known = read_record(mark, Record, what="the demo's mark", remedy="Delete this folder")
        if known.get("settings") == settings:
            return
    refuse_existing(out, what="demo folder")
    write_record(mark, {"settings": settings})


def _astronaut(out: Path) -> Path | None:
    """Return a real photo that is free to use, if scikit-image is there to give it."""
    if find_spec("skimage") is None:
        return None
    from PIL import Image
    from skimage import data

    photo = out / "astronaut.png"
    with atomic_path(photo) as temporary:
        Image.fromarray(data.astronaut()).save(temporary, "PNG")
    return photo


def _code(picture: Path, out: Path) -> tuple[Path, Path]:
    from .faces.video import VIDEO_SUFFIXES
    from .inference.beside import beside_path

    codes = out / f"{picture.stem}-codes.csv"
    overlay = out / f"{picture.stem}-overlay{'.mp4' if picture.suffix.lower() in VIDEO_SUFFIXES else '.png'}"
    for earlier in (codes, beside_path(codes), overlay):  # the demo's own files of an earlier, stopped run
        earlier.unlink(missing_ok=True)
    api.predict([picture], codes, overlay=overlay)
    return codes, overlay


def _tell_photo(codes: Path) -> None:
    """Print what the coder sees in the first face of a file of codes: its surest AUs, by name."""
    with codes.open(encoding="utf-8", newline="") as handle:
        row = next((row for row in csv.DictReader(handle) if row["success"] == "1"), None)
    if row is None:
        return
    found = sorted(((float(row[name]), name) for name in row if name.endswith("_p")), reverse=True)[:_SHOWN]
    print("\nThe packaged coder, which has learned from no real face, sees in it:\n")
    for probability, name in found:
        unit, strength = UNITS[int(name[2:4])], float(row[name[:-1] + "r"])
        print(f"  AU{unit.number:<3}{unit.name:28}probability {probability:.2f}   intensity {strength:.1f} of 5")
    print()


def _tell(runs: list[Path], page: Path, made: list[tuple[Path, Path]], seconds: float) -> None:
    print(f"\nDone in {seconds:.0f} s. On people whom no training saw, synthetic ones:\n")
    print(f"  {'':54}{'F1':25}AUC")
    for run in runs:
        card = read_record(run / "protocol.json", CardRecord, what="the protocol", remedy="Run the demo again")
        scores = read_record(run / "metrics.json", MetricsRecord, what="the scores", remedy="Run the demo again")
        mean = scores["pooled"]["mean"]
        told = _TOLD[run.name].format(labels=card["labelled_faces"])
        f1, auc = (with_interval(mean[name]) for name in ("f1", "auc"))
        print(f"  {told:54}{f1:25}{auc}")
    print("\nThe coder looks at pixels, at the face's shape and at how it differs from the person's usual face.")
    print("Synthetic faces show that the program works; they say nothing about real ones.\n")
    print(f"Look at   {page}")
    for codes, overlay in made:
        print(f"          {overlay}\n          {codes}")
    print("Code your own, without a label:")
    print("  sparsefacs predict VIDEO --out codes.csv --overlay overlay.mp4 --plot curves.png")
