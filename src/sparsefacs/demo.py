"""The demo: the whole path once, at a size that two cores finish in minutes."""

import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import api
from .files import atomic_path, hash_json, read_json, refuse_existing, write_json

SYNTH: dict[str, Any] = {"subjects": 50, "clips": 10, "frames": 6, "size": 96, "seed": 1}
LABELS = "5%"
METHODS = ("supervised", "adversarial")
SETTINGS = ("training.steps=220", "data.unlabelled_batch=16")


def demo(out: Path, media: Path | None = None) -> Path:
    """Make synthetic faces, train both methods on 5 % of the labels, score, code a real photo, write the report.

    media: a photo or video to code (default: the astronaut photo of scikit-image, NASA, public domain). A demo that
    was stopped goes on where it was; returns the report's path. Raises InputError if `out` holds something else.
    """
    started = time.monotonic()
    _claim(out)
    store = out / "faces"
    if not (store / "store.json").exists():
        api.synth(store, **SYNTH)
    runs = [out / method for method in METHODS]
    for method, run in zip(METHODS, runs, strict=True):
        api.train(method, store, run, labels=LABELS, settings=SETTINGS, resume=run.exists())
    picture = media or _astronaut(out)
    made = [_code(runs[-1], picture, out)] if picture is not None else []
    page = out / "report.html"
    page.unlink(missing_ok=True)
    stills = [overlay for _, overlay in made if overlay.suffix == ".png"]
    api.report(page, runs, codes=[codes for codes, _ in made], stills=stills)
    _tell(out, runs, page, made, time.monotonic() - started)
    return page


def _claim(out: Path) -> None:
    """Make `out` this demo's folder, or find that it already is."""
    mark, settings = out / "demo.json", hash_json([SYNTH, LABELS, METHODS, SETTINGS])
    if mark.exists():
        known = read_json(mark, what="the demo's mark", remedy="Delete this folder")
        if known.get("settings") == settings:
            return
    refuse_existing(out, what="demo folder")
    write_json(mark, {"settings": settings})


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


def _code(run: Path, picture: Path, out: Path) -> tuple[Path, Path]:
    from .faces.video import VIDEO_SUFFIXES

    codes = out / f"{picture.stem}-codes.csv"
    overlay = out / f"{picture.stem}-overlay{'.mp4' if picture.suffix.lower() in VIDEO_SUFFIXES else '.png'}"
    codes.unlink(missing_ok=True)  # the demo's own files of an earlier, stopped run
    overlay.unlink(missing_ok=True)
    api.predict(run, [picture], codes, overlay=overlay)
    return codes, overlay


def _tell(out: Path, runs: list[Path], page: Path, made: list[tuple[Path, Path]], seconds: float) -> None:
    print(f"\nDone in {seconds:.0f} s. Mean F1 on held-out synthetic subjects, {LABELS} of the labels:")
    for run in runs:
        mean = read_json(run / "metrics.json", what="the scores", remedy="Run the demo again")["pooled"]["mean"]
        f1, auc = mean["f1"], mean["auc"]
        print(f"  {run.name:12} F1 {f1['value']:.3f} [{f1['low']:.3f}, {f1['high']:.3f}]   AUC {auc['value']:.3f}")
    print("Synthetic faces show that the program works; they say nothing about real ones.")
    print(f"Look at   {page}")
    for codes, overlay in made:
        print(f"          {overlay}\n          {codes}")
    print("Code your own:")
    print(f"  sparsefacs predict {runs[-1]} VIDEO --out codes.csv --overlay overlay.mp4 --plot curves.png")
