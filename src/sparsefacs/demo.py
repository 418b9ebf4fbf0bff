"""The demo: the whole path once, at a size that two cores finish in minutes."""

import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import api
from .files import atomic_path, hash_json, read_json, refuse_existing, write_json

SYNTH: dict[str, Any] = {"subjects": 50, "clips": 10, "frames": 6, "size": 96, "seed": 1, "resting": "varied"}
PIXELS = ("training.steps=220", "network.evidence=pixels", "selection.checks=1")
RUNS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "pixels": ("supervised", "5%", PIXELS),
    "without-labels": ("instant", "none", ()),
    "instant": ("instant", "5%", ()),
}
"""Run folder → method, label budget, settings; the last is what codes the photo."""
_TOLD = {
    "pixels": "a network of pixels, {labels} labelled frames",
    "without-labels": "instant, no label at all",
    "instant": "instant, {labels} labelled frames",
}


def demo(out: Path, media: Path | None = None) -> Path:
    """Make synthetic faces, train on 5 % of the labels and on none, score, code a real photo, write the report.

    media: a photo or video to code (default: the astronaut photo of scikit-image, NASA, public domain). A demo that
    was stopped goes on where it was; returns the report's path. Raises InputError if `out` holds something else.
    """
    started = time.monotonic()
    _claim(out)
    store = out / "faces"
    if not (store / "store.json").exists():
        api.synth(store, **SYNTH)
    runs = [out / name for name in RUNS]
    for run, (method, labels, settings) in zip(runs, RUNS.values(), strict=True):
        api.train(method, store, run, labels=labels, settings=settings, resume=run.exists())
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
    mark, settings = out / "demo.json", hash_json([SYNTH, RUNS])
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
    api.predict([picture], codes, run, overlay=overlay)
    return codes, overlay


def _tell(out: Path, runs: list[Path], page: Path, made: list[tuple[Path, Path]], seconds: float) -> None:
    print(f"\nDone in {seconds:.0f} s. On people whom no training saw, synthetic ones:\n")
    print(f"  {'':48}{'F1':25}AUC")
    for run in runs:
        card = read_json(run / "protocol.json", what="the protocol", remedy="Run the demo again")
        mean = read_json(run / "metrics.json", what="the scores", remedy="Run the demo again")["pooled"]["mean"]
        told = _TOLD[run.name].format(labels=card["labelled_faces"])
        f1, auc = (
            f"{mean[name]['value']:.2f} [{mean[name]['low']:.2f}, {mean[name]['high']:.2f}]" for name in ("f1", "auc")
        )
        print(f"  {told:48}{f1:25}{auc}")
    print("\ninstant looks at the face's points and blendshapes and at how they differ from the person's usual face.")
    print("Synthetic faces show that the program works; they say nothing about real ones.\n")
    print(f"Look at   {page}")
    for codes, overlay in made:
        print(f"          {overlay}\n          {codes}")
    print("Code your own:")
    print(f"  sparsefacs predict {runs[-1]} VIDEO --out codes.csv --overlay overlay.mp4 --plot curves.png")
