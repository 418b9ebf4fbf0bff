"""Commands about representations: pretrain, probe, features."""

from pathlib import Path
from typing import Annotated

import typer

from .. import representation
from ..facs.units import parse_aus
from ..training import DEFAULT_PROTOCOL
from .options import (
    Aus,
    Devices,
    Fold,
    Json,
    Labels,
    Protocol,
    Recipe,
    Resume,
    Seed,
    Settings,
    SplitSeed,
    Task,
    With,
    one_of,
    show,
)

Regions = Annotated[
    str | None,
    typer.Option(help="areas (the eight facial areas side by side) or face (the whole). Default: as it was learned."),
]
Start = Annotated[
    str | None, typer.Option(help="Judge the same network with other weights: none (random), imagenet, a .safetensors.")
]


def _by_area(regions: str | None) -> bool | None:
    return None if regions is None else one_of("--regions", regions, ("areas", "face")) == "areas"


def pretrain(
    method: Annotated[str, typer.Argument(help="kdsrl, mae-face, simclr or moco.")],
    store: Annotated[Path, typer.Argument(help="Store of faces; labels are not read.")],
    out: Annotated[Path, typer.Argument(help="Run folder to make.")],
    also: With = None,
    protocol: Annotated[
        str | None, typer.Option(help="Keep out the people that a fold of this protocol tests on. Default: all faces.")
    ] = None,
    fold: Fold = "1",
    recipe: Recipe = "small",
    init: Annotated[
        str | None, typer.Option(help="Start of the backbone: imagenet, none, a .safetensors or .pth file.")
    ] = None,
    settings: Settings = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the faces.")] = None,
    seed: Seed = None,
    split_seed: SplitSeed = None,
    devices: Devices = 1,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Learn a representation from faces alone; then start a training from it with `train … --init OUT`.

    A protocol's test people are kept out, so that the same protocol's folds can be trained and tested afterwards.
    """
    made = representation.pretrain(
        method,
        [store, *(also or ())],
        out,
        protocol=protocol,
        fold=fold,
        recipe=recipe,
        settings=settings or (),
        devices=devices,
        resume=resume,
        network__init=init,
        training__epochs=epochs,
        seed=seed,
        split_seed=split_seed,
    )
    if runs := made["runs"]:
        folds = all(Path(run["run"]).name.startswith("fold-") for run in runs)
        starts = [str(out)] if folds else [run["run"] for run in runs]
        lines = [
            f"{runs[0]['images_seen']:,} faces seen; start a training with:",
            *(f"  --init {start}" for start in starts),
        ]
        show(made, as_json, "\n".join(lines))


def probe(
    run: Annotated[Path, typer.Argument(help="Run folder of pretrain or train: the encoder to judge.")],
    store: Annotated[Path, typer.Argument(help="Store of faces with labels.")],
    out: Annotated[Path, typer.Argument(help="Folder to write scores and predictions to; report takes it.")],
    also: With = None,
    kind: Annotated[str, typer.Option(help="linear (logistic or ridge regression) or knn (20 neighbours).")] = "linear",
    protocol: Protocol = DEFAULT_PROTOCOL,
    fold: Fold = "1",
    labels: Labels = "all",
    task: Task = None,
    aus: Aus = None,
    regions: Regions = None,
    start: Start = None,
    strength: Annotated[float, typer.Option(min=1e-9, help="linear: C, smaller is smoother.")] = 0.01,
    split_seed: SplitSeed = None,
    as_json: Json = False,
) -> None:
    """Judge frozen features in a minute: what do they know of AUs, with how few labels, on people never seen?"""
    from ..reports.tables import text_table

    metrics = representation.probe(
        run,
        [store, *(also or ())],
        out,
        kind=kind,
        protocol=protocol,
        fold=fold,
        labels=labels,
        regions=_by_area(regions),
        start=start,
        task=task or "occurrence",
        aus=() if aus is None else parse_aus(aus),
        c=strength,
        split_seed=split_seed or 0,
    )
    show(metrics, as_json, text_table(metrics) + f"\nProbe: {out}")


def features(
    run: Annotated[
        Path, typer.Argument(help="Run folder of pretrain or train: the encoder; or pixels: the faces themselves.")
    ],
    store: Annotated[Path, typer.Argument(help="Store of faces.")],
    out: Annotated[Path, typer.Option(help="Table of features to write, .parquet.")],
    picture: Annotated[
        Path | None, typer.Option(help="Also draw a t-SNE map, by subject and AU (.png or .svg).")
    ] = None,
    aus: Aus = None,
    regions: Regions = None,
    start: Start = None,
    as_json: Json = False,
) -> None:
    """Write an encoder's features of every face to a table, and draw them as a map."""
    told = representation.features(
        run,
        store,
        out,
        picture=picture,
        aus=() if aus is None else parse_aus(aus),
        regions=_by_area(regions),
        start=start,
    )
    show(told, as_json, f"{out}: {told['width']} features of {told['faces']:,} faces by {told['encoder']}")
